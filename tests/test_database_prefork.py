"""Servers that import the site, and with it its database, before they fork: each worker has connections of its own."""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demijohn.sessions.stores.sql import SqlStore
from tests.servers import serving
from tests.services import PATIENCE, MariaDB, PostgreSQL, until

REQUESTS = 800  # each of five statements
GUNICORN = ("--preload", "--workers=4", "--threads=4")
UWSGI = ("--master", "--processes=4", "--threads=4", "--enable-threads")
COUNTS = {
    "mariadb": "SELECT id FROM information_schema.processlist WHERE user = 'site'",
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE usename = 'site'",
}


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
@pytest.mark.parametrize(
    ("server", "options"),
    [
        ("gunicorn-gthread", GUNICORN),
        ("uwsgi", UWSGI),  # which forks in C, and tells Python nothing of it
        ("uwsgi", (*UWSGI, "--py-call-osafterfork")),
    ],
    ids=["gunicorn", "uwsgi", "uwsgi-telling"],
)
def test_no_connection_is_shared_by_two_workers(
    server: str, options: tuple[str, ...], kind: str, request: pytest.FixtureRequest
) -> None:
    database: MariaDB | PostgreSQL = request.getfixturevalue(kind)
    url = request.getfixturevalue(f"{kind}_url")
    with serving(server, "tests.apps.forked:app", *options, env={"FORKED_URL": url}) as web:

        def ask(path: str) -> Any:
            with urllib.request.urlopen(f"{web.url}{path}", timeout=PATIENCE) as answer:  # noqa: S310
                return json.load(answer)

        def ask_anything(pause: float) -> Any:
            return ask(f"/ask/{secrets.token_hex(8)}?pause={pause}")

        answers: list[Any] = []
        with ThreadPoolExecutor(16) as threads:

            def all_have_answered() -> bool:
                # So slow that those who are quick to take a request are busy when the next one comes.
                answers.extend(threads.map(ask_anything, [0.2] * 16))
                return len({answer["process"] for answer in answers}) == 4

            until(all_have_answered, "Not every worker answers.")
            answers.extend(threads.map(ask_anything, [0] * REQUESTS))
        parent = until(lambda: (now := ask("/parent"))["right"] + now["wrong"] > 20 and now, "The parent does nothing.")
        assert parent["wrong"] == 0
        assert all(answer["right"] for answer in answers)
        connections, sockets = defaultdict(set), defaultdict(set)
        for answer in answers:
            for connection in answer["connections"]:
                connections[connection].add(answer["process"])
            sockets[answer["socket"]].add(answer["process"])
        workers = {answer["process"] for answer in answers}
        assert parent["process"] not in workers
        assert [users for users in [*connections.values(), *sockets.values()] if len(users) > 1] == []
        assert not connections.keys() & set(parent["connections"]), "the parent's own"
        assert {row[0] for row in database.execute(COUNTS[kind])} >= set(parent["connections"]), "they are still there"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_the_sessions_own_database_is_not_shared_either(mariadb: MariaDB, mariadb_url: str) -> None:
    store = SqlStore.at(mariadb_url)
    store.create_table()
    assert store.add("a" * 43, b"{}", 60)
    until(lambda: len(mariadb.execute(COUNTS["mariadb"])) == 1, "Other tests' connections are still there.")
    (own,) = mariadb.execute(COUNTS["mariadb"])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if store.read("a" * 43) and set(mariadb.execute(COUNTS["mariadb"])) > {own} else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read("a" * 43)
    until(lambda: mariadb.execute(COUNTS["mariadb"]) == [own], "The child's connection is still there.")
    store.close()
