from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from demijohn import outage as module
from demijohn.outage import Outage
from tests.services import until

log = logging.getLogger("tests.outage")


@pytest.fixture
def outage() -> Outage:
    return Outage("The server at 192.0.2.1:1", log)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.05)


def test_all_may_ask_while_all_is_well(outage: Outage) -> None:
    assert not outage.down
    assert all(outage.may_ask() for _ in range(3))


def test_after_a_failure_nobody_asks_for_a_while(outage: Outage) -> None:
    outage.failed(OSError("gone"))
    assert outage.down
    assert not outage.may_ask()


def test_then_one_at_a_time_finds_out(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    outage.failed(OSError("gone"))
    for _ in range(20):
        clock[0] += module.PAUSE
        gate = threading.Barrier(16)
        with ThreadPoolExecutor(16) as threads:
            asked = list(threads.map(lambda gate: gate.wait() is not None and outage.may_ask(), [gate] * 16))
        assert asked.count(True) == 1
        outage.failed(OSError("gone"))
        assert not outage.may_ask()
    outage.over()
    assert not outage.down
    assert outage.may_ask()
    assert outage.may_ask()


@pytest.mark.usefixtures("short")
def test_who_asks_and_never_tells_loses_its_turn(outage: Outage) -> None:
    outage.failed(OSError("gone"))
    until(outage.may_ask, "Nobody may ask.")
    until(outage.may_ask, "Nobody else may ask.")
    assert outage.down


def test_the_log_is_told_once_a_minute_and_at_the_end(
    outage: Outage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    for _ in range(50):
        outage.failed(OSError("gone"))
    assert caplog.messages == ["The server at 192.0.2.1:1 is not answering: gone (said once a minute)"]
    clock[0] += module.WARNED
    outage.failed(OSError("still gone"))
    outage.failed(OSError("still gone"))
    assert len(caplog.messages) == 2
    outage.over()
    outage.over()
    assert caplog.messages[2:] == ["The server at 192.0.2.1:1 is answering again"]


def test_a_server_that_comes_and_goes_does_not_fill_the_log(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        outage.failed(OSError("gone"))
        outage.over()
    assert len(caplog.messages) == 2


@pytest.fixture
def busy(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another thread is in the middle of `failed`, at its look at the clock."""
    there, go = threading.Event(), threading.Event()

    def clock() -> float:
        there.set()
        go.wait()
        return 0.0

    with monkeypatch.context() as patch:
        patch.setattr(module, "time", SimpleNamespace(monotonic=clock))
        other = threading.Thread(target=outage.failed, args=(OSError("gone"),))
        other.start()
        there.wait()
    yield
    go.set()
    other.join()


@pytest.mark.usefixtures("busy")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_a_fork_in_the_middle_of_it_does_not_hang_the_child(outage: Outage) -> None:
    child = os.fork()
    if child == 0:
        try:
            outage.failed(OSError("gone"))
            os._exit(0 if outage.down and not outage.may_ask() else 1)
        finally:
            os._exit(2)

    try:
        until(lambda: _has_ended(child), "The child hangs.")
    finally:
        os.kill(child, 9)
        status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 0


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
