"""Visitors who keep coming while something is done to the site, each with a new connection for each request."""

from __future__ import annotations

import http.client
import signal
import threading
import urllib.error
import urllib.request
from collections import Counter

from demijohn.hosts import Host
from demijohn.rehearsal.router import routing
from tests.hosts.instance import Instance
from tests.services import PATIENCE, until
from tests.site.visitor import _Stay


class Load:
    """with Load(url) as load: load.answered(50)

    :param readers: how many visitors read the front page, again and again.
    :param newcomers: how many sign up under a name that is taken, which takes the site its time.
    """

    def __init__(self, url: str, readers: int = 4, newcomers: int = 0) -> None:
        read, sign_up = (f"{url}/", None), (f"{url}/sign-up", b"name=somebody&password=of+no+use")
        asks = [read] * readers + [sign_up] * newcomers
        self._threads = [threading.Thread(target=self._come, args=ask, name="visitor") for ask in asks]
        self._leaving = False
        #: How many requests came to each end: a status, or what went wrong.
        self.ends: Counter[int | str] = Counter()

    def answered(self, more: int) -> None:
        """Wait until so many requests more have come to their end."""
        goal = self.ends.total() + more
        until(lambda: self.ends.total() >= goal, f"Nobody is served any more: {self.ends}")

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._leaving = True
        for thread in self._threads:
            thread.join()

    def _come(self, url: str, data: bytes | None) -> None:
        opener = urllib.request.build_opener(_Stay)  # a redirect leads to https, which the router only says it speaks
        while not self._leaving:
            try:
                with opener.open(url, data, timeout=PATIENCE) as answer:
                    answer.read()
                    end: int | str = answer.status
            except urllib.error.HTTPError as error:
                with error:
                    end = error.code
            except (OSError, http.client.HTTPException) as error:  # refused, cut, or too late
                end = repr(error)
            self.ends[end] += 1


def replaced(first: Instance, second: Instance, host: Host) -> int:
    """While visitors keep coming, have the host's router turn to the second process, and send the first one SIGTERM.
    Its exit status, once it is seen that each request that the router had passed on has had its whole answer."""
    assert first.process is not None
    with routing(first.port, host.limits, host.proxies, scheme="https") as router:
        with Load(router.url, readers=6, newcomers=2) as load:
            load.answered(50)
            until(lambda: router.passed > router.answered, "Nobody is waiting for an answer.")
            router.site = second.port
            in_hand = router.passed - router.answered
            first.process.send_signal(signal.SIGTERM)
            status = first.process.wait(host.limits.grace)
            load.answered(50)
        until(lambda: router.passed == router.answered + router.lost, "The router still waits for an answer.")
    assert in_hand > 0, "nobody was waiting just then"
    assert router.lost == 0
    assert set(load.ends) <= {200, 400, 302, 303}, load.ends
    return status
