"""A process that is told to end: it says so, and loses nothing that somebody has sent it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import Instance
from tests.services import HOST, PATIENCE, until
from tests.sites import ROOT
from tests.upstreams import front

DOOR = """
import os, time
from demijohn import Site, request
application = app = site = Site(os.path.dirname(os.path.abspath(__file__)))
here = os.path.dirname(os.path.abspath(__file__))

@site.get("/")
def index():
    return "here"

@site.post("/")
def write():
    return request.body.read()

@site.get("/slow")
def slow():
    open(os.path.join(here, "begun"), "w").close()
    until = time.monotonic() + 20
    while not os.path.exists(os.path.join(here, "go on")) and time.monotonic() < until:
        time.sleep(0.01)
    return "whole"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.wsgi").write_text(DOOR)
    (tmp_path / "main.py").write_text(DOOR)
    (tmp_path / "gunicorn.conf.py").write_text((ROOT / "gunicorn.conf.py").read_text())
    (tmp_path / "config.yaml").write_text(
        "name: trial\ndemijohn:\n  secret: a-secret-of-the-tests-and-of-nobody-else\n"
        "  database: {url: ''}\n  security: {csrf: off}\n"
    )
    return tmp_path


def gunicorn(folder: Path, *options: str, **environ: str) -> Instance:
    command = [sys.executable, "-m", "gunicorn", *options, "main:app"]
    return Instance(command, {"PYTHONPATH": os.fspath(ROOT / "src"), **environ}, folder, writable=[folder])


def run(folder: Path) -> Instance:
    command = [sys.executable, "-m", "demijohn", "run", "--no-reload"]
    return Instance(command, {"PYTHONPATH": os.fspath(ROOT / "src")}, folder, writable=[folder])


class Asked:
    """A request whose answer is waited for elsewhere."""

    def __init__(self, instance: Instance, path: str) -> None:
        self.connection = http.client.HTTPConnection(HOST, instance.port, timeout=PATIENCE)
        self.connection.request("GET", path)

    def answer(self) -> tuple[int, str]:
        with contextlib.closing(self.connection):
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode()


def ready(connection: http.client.HTTPConnection) -> tuple[int, dict[str, object]]:
    connection.request("GET", "/_health/ready")
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def kept(instance: Instance) -> Iterator[http.client.HTTPConnection]:
    """A load balancer's connection, which it keeps open."""
    connection = http.client.HTTPConnection(HOST, instance.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        assert ready(connection) == (200, {"ready": True})
        yield connection


def test_gunicorn_finishes_and_says_that_it_ends(folder: Path) -> None:
    with gunicorn(folder) as instance, kept(instance) as balancer:
        begun = Asked(instance, "/slow")
        until((folder / "begun").exists, "The request did not begin.")
        assert instance.process is not None
        instance.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(instance), "The socket is still open.")
        assert ready(balancer) == (503, {"ready": False, "process": "about to end"})
        (folder / "go on").touch()
        assert begun.answer() == (200, "whole")
        assert instance.process.wait(PATIENCE) == 0
        assert "Traceback" not in instance.said()


def test_for_a_load_balancer_that_asks_gunicorn_goes_on_for_a_while(folder: Path) -> None:
    with gunicorn(folder, DEMIJOHN_SERVER_DRAIN="600") as instance, kept(instance) as balancer:
        assert instance.process is not None
        instance.process.send_signal(signal.SIGTERM)
        until(lambda: ready(balancer)[0] == 503, "The worker was not told.")
        for _ in range(3):
            assert Asked(instance, "/").answer() == (200, "here")
            assert ready(balancer) == (503, {"ready": False, "process": "about to end"})
        for process in instance.processes()[1:]:
            os.kill(process, signal.SIGTERM)  # for the second time
        assert instance.process.wait(PATIENCE) == 0


def test_after_the_while_it_ends(folder: Path) -> None:
    with gunicorn(folder, DEMIJOHN_SERVER_DRAIN="1") as instance:
        assert instance.process is not None
        instance.process.send_signal(signal.SIGTERM)
        assert instance.process.wait(PATIENCE) == 0


def test_what_waits_in_the_queue_is_answered(folder: Path) -> None:
    """All threads are busy, so that nobody has taken these connections yet when the worker is told to end."""
    with gunicorn(folder, "--threads=1", "--worker-connections=1", "--keep-alive=0") as instance:
        begun = Asked(instance, "/slow")
        until((folder / "begun").exists, "The request did not begin.")
        waiting = [Asked(instance, "/") for _ in range(5)]
        assert instance.process is not None
        instance.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(instance), "The socket is still open.")
        (folder / "go on").touch()
        assert begun.answer() == (200, "whole")
        assert [one.answer() for one in waiting] == [(200, "here")] * 5


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_demijohn_run_finishes_too(folder: Path, signal_: signal.Signals) -> None:
    with run(folder) as instance:
        begun = Asked(instance, "/slow")
        until((folder / "begun").exists, "The request did not begin.")
        assert instance.process is not None
        instance.process.send_signal(signal_)
        until(lambda: _refuses(instance), "The socket is still open.")
        (folder / "go on").touch()
        assert begun.answer() == (200, "whole")
        assert instance.process.wait(PATIENCE) == 0


def test_behind_nginx_one_of_two_is_replaced_and_nobody_notices(folder: Path) -> None:
    """Under requests that nginx sends to nobody twice, again and again, one of the two ends and comes back."""
    ends: list[object] = []
    leaving = threading.Event()

    def write(port: int, number: int) -> None:
        while not leaving.is_set():
            body = f"{number} {len(ends)}".encode()
            connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
            try:
                with contextlib.closing(connection):
                    connection.request("POST", "/", body)
                    answer = connection.getresponse()
                    ends.append(answer.status if answer.read() == body else f"another's answer: {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                ends.append(repr(error))

    with gunicorn(folder) as one, gunicorn(folder, "--workers=2") as two, front(one.port, two.port) as url:
        threads = [threading.Thread(target=write, args=(int(url.rpartition(":")[2]), number)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            for instance in (one, two, one):
                _wait_for_more(ends)
                assert instance.process is not None
                instance.process.send_signal(signal.SIGTERM)
                assert instance.process.wait(PATIENCE) == 0
                _wait_for_more(ends)
                instance.process = None
                instance.start()
        finally:
            leaving.set()
            for thread in threads:
                thread.join()
    assert set(ends) == {200}, {str(end): ends.count(end) for end in ends}


def _wait_for_more(ends: list[object]) -> None:
    goal = len(ends) + 50
    until(lambda: len(ends) >= goal, f"Nobody is served any more: {ends[-5:]}")


def _refuses(instance: Instance) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((HOST, instance.port)) != 0
