"""More than a thousand requests that nobody should send, over raw sockets, to each kind of server."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.malformed import KINDS, Case, malformed
from tests.servers import Server
from tests.services.process import HOST
from tests.uploads import uploads

CASES = malformed()
LINES = 16  # connections at a time
#: Seconds in which each must be answered or hung up on: fewer than those after which a server gives up by itself.
PATIENCE = 20
#: What HTTP asks a server to say to what it does not know: a transfer coding (RFC 9112 section 6.1), a version (RFC
#: 9110 section 15.6.6).
PROPER = {501, 505}


class Outcome(NamedTuple):
    server: str
    case: Case
    statuses: list[int]
    reply: bytes
    seconds: float


@pytest.fixture(scope="module", params=["gunicorn-gthread", "waitress", "uwsgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with uploads(request.param, tmp_path_factory.mktemp("malformed"), DEMIJOHN_BODY_TIMEOUT="1") as server:
        yield server


@pytest.fixture(scope="module")
def outcomes(server: Server) -> list[Outcome]:
    with ThreadPoolExecutor(LINES) as threads:
        return list(threads.map(lambda case: send(server, case), CASES))


def send(server: Server, case: Case) -> Outcome:
    reply, began = b"", time.monotonic()
    with socket.create_connection((HOST, server.port), timeout=PATIENCE * 2) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(case.data)
        with contextlib.suppress(OSError):  # it has hung up already
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                reply += data
    found = [int(status) for status in re.findall(rb"HTTP/1\.[01] ([1-5]\d\d) ", reply)]
    return Outcome(server.name, case, found, reply, time.monotonic() - began)


def test_there_are_a_thousand_of_many_kinds() -> None:
    assert len({case.data for case in CASES}) == len(CASES) >= 1000
    assert all(count >= 50 for count in Counter(case.kind for case in CASES).values())
    assert {*KINDS, "mutation"} == {case.kind for case in CASES}


def shown(outcomes: list[Outcome]) -> list[tuple[str, bytes, bytes]]:
    return [(outcome.case.kind, outcome.case.data[:300], outcome.reply[:200]) for outcome in outcomes]


def test_none_is_a_failure_of_the_server(outcomes: list[Outcome]) -> None:
    failed = [each for each in outcomes if any(status >= 500 and status not in PROPER for status in each.statuses)]
    assert shown(failed) == []


def test_all_end_in_time(outcomes: list[Outcome]) -> None:
    assert shown([each for each in outcomes if each.seconds > PATIENCE]) == []


def test_most_are_told_what_is_wrong(outcomes: list[Outcome]) -> None:
    assert sum(any(400 <= status < 500 for status in each.statuses) for each in outcomes) > len(outcomes) / 2


def test_no_request_is_found_inside_another(outcomes: list[Outcome]) -> None:
    smuggled = [each for each in outcomes if each.case.kind == "smuggling" and b"SMUGGLED" in each.reply]
    assert shown(smuggled) == []


def test_nothing_is_answered_after_what_was_refused(outcomes: list[Outcome]) -> None:
    """Who could not read a request, or its body, cannot know where the next one begins."""
    answered = [each for each in outcomes if "pipelining" in each.case.kind and b"SMUGGLED" in each.reply]
    assert answered or outcomes[0].server == "uwsgi"  # which hears one request a connection
    assert shown([each for each in answered if each.statuses[0] == 400 and not _was_read(each.reply)]) == []


def _was_read(reply: bytes) -> bool:
    """Whether it was the site that refused the request, for something else than how it was sent: its Host, say."""
    head, _, body = reply.partition(b"\r\n\r\n")
    return b"x-request-id: " in head.lower() and b"cut off or damaged" not in body


def test_the_server_is_as_well_as_before(server: Server, outcomes: list[Outcome]) -> None:
    for path in (b"/", b"/seen?a=1", b"/kept"):
        data = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path
        assert send(server, Case("right", data)).statuses == [200]
    log = server.log()
    assert "Traceback" not in log
    assert len(re.findall("Booting worker|spawned uWSGI|Serving on", log)) == 1
    assert not re.search(r"DAMN|Segmentation|WORKER TIMEOUT|\bkilled\b", log)
