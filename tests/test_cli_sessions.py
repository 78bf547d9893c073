"""`demijohn sessions`, as an operator uses it: beside a site that runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import Place, id_of, opened
from tests.ready import demijohn_run
from tests.services import MariaDB, Memcached, until
from tests.sites import clean_environment

# count


def test_count(place: Place) -> None:
    place.put(1234, ends_in=900)
    place.put(5, ends_in=-10)
    line = "1,234 sessions alive, 5 over and waiting for `demijohn sessions clean`.\n"
    assert place.run("count") == (0, line, "")


def test_count_in_redis(in_redis: Place) -> None:
    assert in_redis.run("count") == (0, "0 sessions alive.\n", "")
    in_redis.visitor()
    assert in_redis.run("count") == (0, "1 session alive.\n", "")


@pytest.mark.parametrize("store", ["memcached", "cookie"])
def test_stores_that_cannot_count_or_list(store: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(f"in_{store}")
    advice = "Set session.type to one that can: cached-sql, sql, redis.\n"
    assert place.run("count") == (1, "", f"The session store '{store}' cannot count its sessions. {advice}")
    cannot = (1, "", f"The session store '{store}' cannot find all the sessions of a user. {advice}")
    assert place.run("end", "--user", "7") == cannot
    assert place.run("list", "--user", "7") == cannot


def test_memory_cannot_be_seen_from_another_process(tmp_path: Path) -> None:
    with opened(tmp_path, {"session": {"type": "memory"}}) as place:
        for words in (
            ["count"],
            ["show", "x" * 43],
            ["end", "x" * 43],
            ["end", "--user", "7"],
            ["list", "--user", "7"],
        ):
            status, out, err = place.run(*words)
            assert (status, out) == (1, "")
            assert "from here: each process of the site has its own, in its memory." in err


# show


@pytest.mark.parametrize("store", ["in_sqlite", "in_cached", "in_redis", "in_memcached", "in_cookie"])
def test_show(store: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(store)
    visitor = place.visitor(user=7)
    value = visitor.cookies["session"]
    spellings = [value] if store == "in_cookie" else [value, id_of(visitor), f"{value}~3"]
    for spelling in spellings:
        status, out, err = place.run("show", spelling)
        assert (status, err) == (0, "")
        shown = json.loads(out)
        assert (shown["user"], shown["data"]) == (7, {"clicks": 1})
        assert set(shown) == {"begun", "last_used", "ends", "user", "data"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", shown["ends"])


def test_show_does_not_touch(place: Place) -> None:
    visitor = place.visitor()
    place.move_end(id_of(visitor), ends_in=300)
    before = place.ends(id_of(visitor))
    assert place.run("show", id_of(visitor))[0] == 0
    assert place.ends(id_of(visitor)) == before


def test_cookie_that_this_site_does_not_accept(in_sqlite: Place) -> None:
    visitor = in_sqlite.visitor()
    status, out, err = in_sqlite.run("show", f"{id_of(visitor)}.{'m' * 24}")
    assert (status, json.loads(out)["data"]) == (0, {"clicks": 1})
    assert err == "Note: the site's secret has not signed this cookie, so the site does not accept it.\n"


@pytest.mark.parametrize("action", ["show", "end"])
def test_session_that_there_is_not(action: str, in_cached: Place) -> None:
    no_such = "There is no such session, or its time is over.\n"
    assert in_cached.run(action, "x" * 43) == (1, "", no_such)
    assert in_cached.run(action, "-hfx--" + "x" * 37) == (1, "", no_such), "an id may begin with a dash"
    assert in_cached.run(action, "../etc") == (1, "", "This is not a session's id, nor the value of its cookie.\n")


def test_cookie_store_opens_only_its_own(in_cookie: Place) -> None:
    value = in_cookie.visitor().cookies["session"]
    forged = value[:-1] + ("A" if value[-1] != "A" else "B")
    assert in_cookie.run("show", forged) == (1, "", "There is no such session, or its time is over.\n")
    status, out, err = in_cookie.run("end", value)
    assert (status, out) == (1, "")
    assert "The session store 'cookie' cannot end a session, which lies with its visitor." in err


# end and list


@pytest.mark.parametrize("store", ["in_sqlite", "in_cached", "in_redis"])
def test_signed_out_everywhere(store: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(store)
    ann, ann_at_work, ben = place.visitor(user=7), place.visitor(user=7), place.visitor(user=8)
    assert ann_at_work.get("/user").json == {"user": 7}
    assert place.run("end", "--user", "7") == (0, "Ended 2 sessions of user '7'.\n", "")
    assert ann.get("/user").json == ann_at_work.get("/user").json == {"user": None}
    assert ben.get("/user").json == {"user": 8}
    assert place.run("end", "--user", "7") == (0, "Ended 0 sessions of user '7'.\n", "")


@pytest.mark.parametrize("store", ["in_sqlite", "in_cached", "in_redis", "in_memcached"])
def test_one_session_is_ended(store: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(store)
    ann, ben = place.visitor(user=7), place.visitor(user=8)
    assert place.run("end", ann.cookies["session"]) == (0, "Ended 1 session.\n", "")
    assert ann.get("/user").json == {"user": None}
    assert ben.get("/user").json == {"user": 8}


def test_memcached_that_could_not_be_told(in_cached: Place, memcached: Memcached) -> None:
    ann = in_cached.visitor(user=7)
    with memcached.frozen():
        status, out, err = in_cached.run("end", "--user", "7")
    assert (status, out) == (1, "Ended 1 session of user '7'.\n")
    assert "a session that was ended here may go on for 300 s. Restarting it ends that." in err
    memcached.restart()
    until(lambda: ann.get("/user").json == {"user": None}, "The session goes on.")


@pytest.mark.parametrize("store", ["in_cached", "in_redis"])
def test_list_tells_no_values(store: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(store)
    visitor = place.visitor(user=7)
    place.visitor(user=8)
    status, out, err = place.run("list", "--user", "7")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"begun \S+ \S+, last used \S+ \S+, holds clicks\n", out)
    assert id_of(visitor) not in out
    assert place.run("list", "--user", "9") == (0, "User '9' is signed in nowhere.\n", "")


# What goes wrong


@pytest.mark.parametrize(
    "words",
    [
        ["count", "more"],
        ["show"],
        ["end"],
        ["end", "x" * 43, "--user", "7"],
        ["list"],
        ["clean", "--sleep", "0"],
        ["clean", "--expiration", "soon"],
        ["tidy"],
    ],
)
def test_wrong_use(words: list[str], tmp_path: Path) -> None:
    done = demijohn_run("sessions", *words, folder=tmp_path, environment=clean_environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: demijohn")


def test_root_goes_before_the_action_too(in_sqlite: Place) -> None:
    command = [sys.executable, "-m", "demijohn", "sessions", "--root", str(in_sqlite.root), "count"]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=True)
    assert done.stdout.startswith("0 sessions alive")


def test_missing_table(tmp_path: Path, mariadb_url: str) -> None:
    place = Place(tmp_path, {"database": {"url": mariadb_url}})
    for words in (["clean", "-o"], ["count"], ["show", "x" * 43], ["end", "--user", "7"], ["list", "--user", "7"]):
        status, out, err = place.run(*words)
        assert (status, out) == (1, "")
        assert "make it: demijohn db create" in err


@pytest.mark.parametrize("store", ["redis", "memcached"])
def test_store_that_is_down(store: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(f"in_{store}")
    request.getfixturevalue(store).stop()
    for words in (["show", "x" * 43], ["end", "x" * 43]):
        status, out, err = place.run(*words)
        assert (status, out) == (1, "")
        assert f"The session store '{store}' is not answering: " in err


def test_database_of_the_sessions_own_that_is_down(tmp_path: Path, mariadb: MariaDB, mariadb_url: str) -> None:
    mariadb.stop()
    place = Place(tmp_path, {"session": {"type": "sql", "url": mariadb_url}})
    for words in (["clean", "-o"], ["count"], ["show", "x" * 43], ["end", "--user", "7"]):
        status, out, err = place.run(*words)
        assert (status, out) == (1, "")
        assert err.startswith("The session store 'sql' is not answering: ")
