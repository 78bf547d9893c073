"""Two copies of a site behind nginx, on one MariaDB and one memcached: both are closed, and both are opened again."""

from __future__ import annotations

import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hosts import SECRET, Instance
from tests.hosts import run as run_command
from tests.services import PATIENCE, MariaDB, Memcached, until
from tests.sites import ROOT
from tests.upstreams import front

DOOR = """
import os
from demijohn import Site
application = app = site = Site(os.path.dirname(os.path.abspath(__file__)))

@site.get("/")
def index():
    return str(os.getpid())

@site.post("/")
def write():
    return "written"
"""


class Copies(NamedTuple):
    url: str
    one: Instance
    other: Instance
    mariadb: MariaDB
    memcached: Memcached
    folder: Path
    environ: dict[str, str]

    def command(self, *words: str) -> str:
        return run_command([sys.executable, "-m", "demijohn", "maintenance", *words], self.environ, self.folder)


@pytest.fixture(scope="module")
def copies(
    tmp_path_factory: pytest.TempPathFactory, the_mariadb: MariaDB, the_memcached: Memcached
) -> Iterator[Copies]:
    folder = tmp_path_factory.mktemp("copies")
    the_mariadb.start()
    the_memcached.start()
    for name in ("index.wsgi", "main.py"):
        (folder / name).write_text(DOOR)
    (folder / "gunicorn.conf.py").write_text((ROOT / "gunicorn.conf.py").read_text())
    (folder / "config.yaml").write_text("name: trial\ndemijohn: {security: {csrf: off}}\n")
    environ = {
        "PYTHONPATH": os.fspath(ROOT / "src"),
        "DEMIJOHN_ENV": "production",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": the_mariadb.create("together"),
        "MEMCACHED_URL": the_memcached.address,
    }
    command = [sys.executable, "-m", "gunicorn", "main:app"]
    with (
        Instance(command, environ, folder) as one,
        Instance([*command, "--workers=2"], environ, folder) as other,
        front(one.port, other.port) as url,
    ):
        yield Copies(url, one, other, the_mariadb, the_memcached, folder, environ)
    the_mariadb.start()
    the_mariadb.drop("together")


def asked(url: str, data: bytes | None = None, **headers: str) -> tuple[int, Any, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=PATIENCE) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def many(url: str, data: bytes | None = None) -> Counter[int]:
    return Counter(asked(url, data)[0] for _ in range(20))


def told(copies: Copies, status: int, data: bytes | None = None) -> float:
    """Wait until all processes answer so. The seconds from the end of the command to the last answer of another kind
    that was asked for."""
    began = last = time.monotonic()

    def all_of_them() -> bool:
        nonlocal last
        for _ in range(20):
            asked_at = time.monotonic()
            if asked(copies.url, data)[0] != status:
                last = asked_at
                return False
        # One of two processes at one port may have been asked nothing yet: together they have more than one can do.
        with ThreadPoolExecutor(16) as visitors:
            answers = list(visitors.map(lambda _: asked(copies.other.url, data)[0], range(64)))
        return answers == [status] * 64

    until(all_of_them, f"Not all copies answer {status}.")
    return last - began


def test_both_are_closed_and_open_again(copies: Copies) -> None:
    assert many(copies.url) == {200: 20}
    assert len({asked(f"{copies.url}/")[2] for _ in range(40)}) >= 2, "nginx asks both"
    said = copies.command("on", "--message", "Back at six")
    told(copies, 503)
    for instance in (copies.one, copies.other):
        status, headers, page = asked(f"{instance.url}/", Accept="text/html")
        assert (status, headers["Retry-After"], headers["Cache-Control"]) == (503, "120", "no-store")
        assert "Back at six" in page
        assert asked(f"{instance.url}/_health/live")[0] == 200
        assert asked(f"{instance.url}/_health/ready")[0] == 200
    pass_ = re.search(r"pass=(\S+)", said)
    assert pass_ is not None
    cookie = f"demijohn_operator={pass_[1]}"
    for _ in range(4):
        status, headers, _page = asked(f"{copies.url}/", Cookie=cookie)
        assert (status, headers["X-Maintenance"]) == (200, "on; you are let through as an operator")
    copies.command("off")
    told(copies, 200)


def test_a_change_in_the_database_is_seen_in_time(copies: Copies) -> None:
    """Without the command's own time. How long it takes is printed, and depends on what else the machine does."""
    copies.command("off")
    told(copies, 200)
    for mode, status in (("on", 503), ("off", 200), ("on", 503), ("off", 200)):
        value = f'{{"mode": "{mode}", "message": "", "until": null}}'
        copies.mariadb.execute(f"UPDATE together.demijohn_maintenance SET value = '{value}'")
        print(f"{mode} after {told(copies, status):.2f} s")


def test_both_can_be_read_only(copies: Copies) -> None:
    copies.command("on", "--read-only")
    told(copies, 503, b"x")
    assert many(copies.url) == {200: 20}
    copies.command("off")
    told(copies, 200, b"x")


def test_each_process_asks_once_a_second_however_many_visit(copies: Copies) -> None:
    """And by the next answer of the database it knows: a change is seen within a second, and the time of a request."""
    asked(copies.one.url)
    with copies.mariadb.statements() as seen:
        began = time.monotonic()
        for _ in range(200):
            assert asked(copies.one.url)[0] == 200
        took = time.monotonic() - began
    looks = [statement for statement in seen if "demijohn_maintenance" in statement]
    assert len(looks) <= took / 0.9 + 1


def test_what_is_down_changes_nothing(copies: Copies) -> None:
    copies.command("on")
    told(copies, 503)
    copies.memcached.stop()
    copies.mariadb.stop()
    try:
        assert many(copies.url) == {503: 20}
    finally:
        copies.memcached.start()
        copies.mariadb.start()
    assert many(copies.url) == {503: 20}, "memcached has forgotten it, the database has not"
    copies.command("off")
    told(copies, 200)
