"""Heroku: the release command, then dynos by the Procfile, behind a router; PostgreSQL speaks TLS and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.rehearsal.router import routing
from tests.hosts import SECRET, Instance, run, visited, written_for
from tests.hosts.load import replaced
from tests.readonly import SHM
from tests.services import PostgreSQL
from tests.services.certificates import Authority
from tests.services.database import ACCOUNT, PASSWORD

HEROKU = hosts.find("heroku")
Dyno = Callable[[str], Instance]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    certificate, key = Authority().equip(server)
    server.options = ("-cssl=on", f"-cssl_cert_file={certificate}", f"-cssl_key_file={key}")
    with server:
        server.create("book")
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_for("heroku", tmp_path_factory.mktemp("heroku") / "site")


@pytest.fixture(scope="module")
def config_vars(site: Path, postgresql: PostgreSQL) -> dict[str, str]:
    return {
        "DATABASE_URL": f"postgres://{ACCOUNT}:{PASSWORD}@{postgresql.address}/book",
        "SECRET_KEY": SECRET,
        "PYTHONPATH": str(site),
        "WEB_CONCURRENCY": "2",
    }


@pytest.fixture(scope="module")
def dyno(site: Path, config_vars: dict[str, str]) -> Dyno:
    """Makes a dyno that has not started, of the release that is ready."""
    run("honcho start release", {**HEROKU.environ, **config_vars, "DYNO": "release.1"}, site)

    def made(name: str) -> Instance:
        # It is honcho that needs it, in which the dyno's processes are, and not they.
        return Instance("exec honcho start web", {**HEROKU.environ, **config_vars, "DYNO": name}, site, writable=[SHM])

    return made


@pytest.fixture(scope="module")
def url(dyno: Dyno) -> Iterator[str]:
    """Where visitors come in: the router before a dyno."""
    with dyno("web.1") as web, routing(web.port, HEROKU.limits, HEROKU.proxies, scheme="https") as router:
        yield router.url


def test_a_visitor_signs_up_writes_and_reads(url: str, postgresql: PostgreSQL) -> None:
    with postgresql.statements() as seen:
        guest = visited(url)
    assert guest.secure
    assert [statement for statement in seen if statement.startswith("INSERT INTO entries")]


def test_every_connection_to_the_database_is_encrypted(url: str, postgresql: PostgreSQL) -> None:
    visited(url)
    encrypted = f"SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{ACCOUNT}'"
    assert postgresql.execute(encrypted) == [(True,)]


def test_a_dyno_that_is_told_to_stop_loses_nothing_that_was_passed_on(dyno: Dyno) -> None:
    with dyno("web.1") as first, dyno("web.2") as second:
        assert replaced(first, second, HEROKU) == 143, "honcho's, for what has ended by SIGTERM"
        assert "SIGKILL" not in first.said(), "it had to be killed"
        assert "method=GET path=/ " in second.said(), "the other dyno has served nobody"


def test_gunicorn_s_times_fit_the_router_s(site: Path, config_vars: dict[str, str]) -> None:
    said = run("gunicorn --print-config main:app", {**HEROKU.environ, **config_vars}, site)
    times = {name.strip(): value for name, _, value in (line.partition("=") for line in said.splitlines())}
    assert int(times["timeout"]) < 30
    assert int(times["graceful_timeout"]) < 30
    assert int(times["keepalive"]) > 90
    assert times["workers"].strip() == "2"
