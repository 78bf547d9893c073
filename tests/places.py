"""A small site in a folder of its own, on each of the stores: served in this process, and looked after by
`demijohn sessions` in another."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import yaml

from demijohn import Site
from tests.client import Client
from tests.ready import demijohn_run
from tests.services import Memcached, Redis
from tests.sites import ROOT, clean_environment

DOOR = """
import os
from demijohn import Site
application = site = Site(os.path.dirname(os.path.abspath(__file__)))
"""
TIMEOUT = 1000


class Place:
    """:param settings: section by section, as config.yaml has them."""

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        self.root = root
        self.settings = {"secret": "a-secret-of-the-tests-and-of-nobody-else", **settings}
        self.settings["session"] = {"timeout": TIMEOUT, **settings.get("session", {})}
        (root / "index.wsgi").write_text(DOOR)
        (root / "config.yaml").write_text(yaml.safe_dump({"name": "trial", "demijohn": self.settings}))
        self.site = Site(root)
        route = self.site.route
        route("/click", callback=self.click)
        route("/login/<user:int>", callback=lambda session, user: session.login(user))
        route("/user", callback=lambda session: {"user": session.user})

    @staticmethod
    def click(session: Any) -> dict[str, Any]:
        session["clicks"] = session.get("clicks", 0) + 1
        return {"clicks": session["clicks"]}

    def visitor(self, user: int | None = None) -> Client:
        visitor = Client(self.site)
        assert visitor.get("/click").status == 200
        if user is not None:
            assert visitor.get(f"/login/{user}").status == 200
        return visitor

    def command(self, *words: str) -> list[str]:
        return [
            sys.executable,
            "-W",
            "error",
            "-m",
            "demijohn",
            "sessions",
            words[0],
            "--root",
            str(self.root),
            *words[1:],
        ]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of `demijohn sessions ...`."""
        whole = ["sessions", words[0], "--root", str(self.root), *words[1:]]
        done = demijohn_run(*whole, folder=ROOT, environment=clean_environment())
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    @contextlib.contextmanager
    def going_on(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], Path, Path]]:
        """A command that does not end by itself, and the files with its stdout and stderr."""
        out, err = self.root / "out", self.root / "err"
        with (
            out.open("w") as stdout,
            err.open("w") as stderr,
            subprocess.Popen(
                self.command(*words), stdout=stdout, stderr=stderr, text=True, env=clean_environment()
            ) as process,
        ):
            try:
                yield process, out, err
            finally:
                process.kill()

    # The table, behind the site's back

    @property
    def table(self) -> sqlalchemy.Table:
        return self.site.db.metadata.tables["demijohn_sessions"]

    def put(self, count: int, ends_in: float) -> None:
        """So many sessions that end in so many seconds."""
        row = {"data": '{"_creation_time":1.5}', "version": 1, "expires": int(time.time() + ends_in), "locked_until": 0}
        with self.site.db.unit() as db:
            db.execute(
                self.table.insert(), [{"id": f"{ends_in}_{number}".ljust(43, "x"), **row} for number in range(count)]
            )

    def left(self) -> int:
        with self.site.db.unit() as db:
            return db.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(self.table)).scalar_one()

    def ends(self, id: str) -> int | None:
        with self.site.db.unit() as db:
            return db.execute(sqlalchemy.select(self.table.c.expires).where(self.table.c.id == id)).scalar()

    def move_end(self, id: str, ends_in: float) -> None:
        with self.site.db.unit() as db:
            end = int(time.time() + ends_in)
            db.execute(self.table.update().where(self.table.c.id == id).values(expires=end))


def id_of(visitor: Client) -> str:
    return visitor.cookies["session"].partition(".")[0]


@contextlib.contextmanager
def opened(root: Path, settings: dict[str, Any]) -> Iterator[Place]:
    place = Place(root, settings)
    if place.site.session_type in ("sql", "cached-sql"):
        place.site.create_tables()
    try:
        yield place
    finally:
        place.site.sessions.close()
        place.site.db.close()


@pytest.fixture
def in_sqlite(tmp_path: Path, sqlite_url: str) -> Iterator[Place]:
    with opened(tmp_path, {"database": {"url": sqlite_url}}) as place:
        assert place.site.session_type == "sql"
        yield place


@pytest.fixture
def in_cached(tmp_path: Path, mariadb_url: str, memcached: Memcached) -> Iterator[Place]:
    with opened(tmp_path, {"database": {"url": mariadb_url}, "memcached": {"url": memcached.address}}) as place:
        assert place.site.session_type == "cached-sql"
        yield place


@pytest.fixture(params=["in_sqlite", "in_cached"])
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def in_redis(tmp_path: Path, redis: Redis) -> Iterator[Place]:
    settings = {"database": {"url": ""}, "redis": {"url": redis.url}, "session": {"type": "redis"}}
    with opened(tmp_path, settings) as place:
        yield place


@pytest.fixture
def in_memcached(tmp_path: Path, memcached: Memcached) -> Iterator[Place]:
    with opened(tmp_path, {"memcached": {"url": memcached.address}, "session": {"type": "memcached"}}) as place:
        yield place


@pytest.fixture
def in_cookie(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path, {"session": {"type": "cookie"}}) as place:
        yield place
