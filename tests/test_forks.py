"""What a child process does anew, whether or not whoever has forked it tells Python so."""

from __future__ import annotations

import gc
import os
import sys
import types
from collections.abc import Callable

import pytest

from demijohn import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")


@pytest.fixture(autouse=True)
def nothing_else_to_renew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "_acts", [])


class Thing:
    renewed = 0


def renew(thing: Thing) -> None:
    thing.renewed += 1


def in_fork(check: Callable[[], bool]) -> bool:
    """What `check` answers in a child process."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if check() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_does_it_once() -> None:
    thing = Thing()
    forks.in_child(thing, renew)
    forks.renew()
    assert thing.renewed == 0

    def once() -> bool:
        forks.renew()
        return thing.renewed == 1 and in_fork(lambda: thing.renewed == 2)

    assert in_fork(once)
    assert thing.renewed == 0


def test_who_asks_is_told_where_the_fork_was_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = Thing()
    forks.in_child(thing, renew)
    monkeypatch.setattr(forks, "_process", 1)  # as in a child of which Python knows nothing
    forks.renew()
    forks.renew()
    assert thing.renewed == 1


def test_a_thing_that_is_gone_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    forks.in_child(Thing(), renew)
    gc.collect()
    monkeypatch.setattr(forks, "_process", 1)
    forks.renew()
    assert forks._acts == []


def test_uwsgi_s_one_hook_goes_on_being_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for its module; the real one is met in test_database_prefork.py."""
    called: list[str] = []
    uwsgi = types.ModuleType("uwsgi")
    uwsgi.post_fork_hook = lambda: called.append("the site's own")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    thing = Thing()
    forks.in_child(thing, renew)
    hook = uwsgi.post_fork_hook
    forks.in_child(Thing(), renew)
    assert uwsgi.post_fork_hook is hook, "hooked into once"
    monkeypatch.setattr(forks, "_process", 1)
    hook()
    assert called == ["the site's own"]
    assert thing.renewed == 1
