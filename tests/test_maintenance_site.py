"""A site closed to visitors, by the command, with what its copies share; a variable; a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demijohn.cli import main
from demijohn.health.maintenance import LONGEST
from demijohn.site import Site
from demijohn.site.health import FILE, TABLE
from tests.client import Client
from tests.clock import Clock as Clock
from tests.clock import clock as clock
from tests.projects import Project
from tests.services import Database, Memcached
from tests.sites import ROOT, clean_environment

HTML = {"HTTP_ACCEPT": "text/html"}


def project(tmp_path: Path, url: str, **settings: Any) -> Project:
    made = Project(tmp_path / "site", url, "", **settings)
    (made.root / "views").mkdir(exist_ok=True)
    return made


@pytest.fixture
def opened(clock: Clock) -> Iterator[Callable[[Project], tuple[Site, Client]]]:
    """A copy of the site. Each later request of its visitor comes a while later."""
    sites: list[Site] = []

    def open_site(project: Project) -> tuple[Site, Client]:
        site = project.site()
        sites.append(site)
        return site, Client(site)

    yield open_site
    for site in sites:
        site.sessions.close()
        site.db.close()
        if site.memcached is not None:
            site.memcached.close()


def command(project: Project, *words: str) -> int:
    return main(["maintenance", "--root", os.fspath(project.root), *words])


def later(clock: Clock, visitor: Client, path: str = "/", **environ: Any) -> Any:
    clock.now += 1.01
    return visitor.get(path, **environ)


def test_by_command_in_any_database(
    database_url: str, tmp_path: Path, opened: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path, database_url)
    made.does("create")
    (_, one), (_, other) = opened(made), opened(made)
    assert later(clock, one).status == 200
    assert command(made, "on", "--message", "Back at six", "--until", "30m") == 0
    said = capsys.readouterr().out
    assert "Maintenance is on, in the database. Each copy of the site that answers sees it within 2 s." in said
    (link,) = re.findall(r"let through for 12 hours: (/_maintenance\?pass=\S+)", said)
    for visitor in (one, other):
        answer = later(clock, visitor, **HTML)
        assert answer.status == 503
        assert "Back at six" in answer.text
        assert 1790 <= int(answer.header("Retry-After")) <= 1800
    problem = one.get("/", HTTP_ACCEPT="application/json")
    assert problem.header("Content-Type") == "application/problem+json"
    assert (problem.json["status"], problem.json["detail"]) == (503, "Back at six")
    assert one.get("/_health/live").status == 200
    assert one.get("/_health/ready").json == {"ready": True}, "load balancers must go on sending visitors, to the page"
    assert other.get(link).status == 303
    assert other.get("/").status == 200
    assert command(made, "status") == 0
    assert re.match(r"Maintenance is on\.\nMessage: Back at six\nUntil: \d{4}-", capsys.readouterr().out)
    assert command(made, "off") == 0
    assert later(clock, one).status == later(clock, other).status == 200
    assert other.get("/").header("X-Maintenance") is None
    assert command(made, "status") == 0
    assert capsys.readouterr().out.endswith("Maintenance is off.\n")


def test_a_site_without_tables_is_open_and_makes_none(
    server: Database, url: str, tmp_path: Path, opened: Any, clock: Clock
) -> None:
    _, visitor = opened(project(tmp_path, url))
    with server.statements() as seen:
        assert later(clock, visitor).status == 200
        assert later(clock, visitor).status == 200
    assert not any("CREATE" in statement or f"FROM {TABLE}" in statement for statement in seen), seen


def test_while_the_database_is_down_it_stays_closed(
    server: Database, url: str, tmp_path: Path, opened: Any, clock: Clock
) -> None:
    made = project(tmp_path, url)
    _, visitor = opened(made)
    assert command(made, "on") == 0
    assert later(clock, visitor).status == 503
    server.stop()
    for _ in range(3):
        assert later(clock, visitor).status == 503
        clock.now += LONGEST
    assert visitor.get("/_health/ready").status == 200
    server.start()
    assert command(made, "off") == 0
    clock.now += LONGEST
    assert later(clock, visitor).status == 200


def test_a_database_that_says_nothing_holds_nobody_up_for_long(
    server: Database, url: str, tmp_path: Path, opened: Any, clock: Clock
) -> None:
    made = project(tmp_path, url)
    made.models("@site.get('/plain')\ndef plain(): return 'plain'\n")
    _, visitor = opened(made)
    assert later(clock, visitor).status == 200
    with server.frozen():
        assert later(clock, visitor, "/plain").text == "plain"


def test_memcached_losing_it_ends_nothing_where_there_is_a_database(
    sqlite_url: str, memcached: Memcached, tmp_path: Path, opened: Any, clock: Clock
) -> None:
    made = project(tmp_path, sqlite_url, memcached={"url": memcached.address})
    made.does("create")
    _, visitor = opened(made)
    assert command(made, "on") == 0
    memcached.flush()
    assert later(clock, visitor).status == 503
    memcached.stop()
    assert later(clock, visitor).status == 503
    assert command(made, "off") == 0
    assert later(clock, visitor).status == 200


def test_a_copy_that_starts_while_the_database_is_worked_on_asks_memcached(
    server: Database, url: str, memcached: Memcached, tmp_path: Path, opened: Any, clock: Clock
) -> None:
    made = project(tmp_path, url, memcached={"url": memcached.address})
    assert command(made, "on", "--message", "The database moves") == 0
    server.stop()
    _, visitor = opened(made)
    answer = later(clock, visitor, **HTML)
    assert answer.status == 503
    assert "The database moves" in answer.text


def test_memcached_alone(
    memcached: Memcached, tmp_path: Path, opened: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path, "", memcached={"url": memcached.address}, session={"type": "memcached"})
    made.models("@site.get('/plain')\ndef plain(): return 'plain'\n")
    _, visitor = opened(made)
    assert command(made, "on") == 0
    assert "memcached forgets it when it restarts" in capsys.readouterr().out
    assert later(clock, visitor, "/plain").status == 503
    memcached.stop()
    assert later(clock, visitor, "/plain").status == 503
    assert command(made, "off") == 1
    said = capsys.readouterr().err
    assert "Nobody could be told: memcached says " in said
    assert "Say it again when it is back." in said
    assert command(made, "on") == 1
    assert "--file does it; else set DEMIJOHN_MAINTENANCE" in capsys.readouterr().err
    memcached.start()
    assert command(made, "off") == 0
    clock.now += LONGEST
    assert later(clock, visitor, "/plain").status == 200


def test_a_site_that_shares_nothing_has_a_file(
    tmp_path: Path, opened: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path, "")
    made.models("@site.get('/plain')\ndef plain(): return 'plain'\n")
    _, visitor = opened(made)
    assert command(made, "on", "--read-only") == 0
    assert f"in the file {made.root / FILE}." in capsys.readouterr().out
    assert later(clock, visitor, "/plain").status == 200
    assert visitor.post("/plain").status == 503
    assert command(made, "off") == 0
    assert visitor.post("/plain").status == 503, "not looked at in the same second"
    clock.now += 1.01
    assert visitor.post("/plain").status == 405
    (made.root / FILE).mkdir()
    assert command(made, "off") == 1
    assert "keeps the site closed, and cannot be deleted" in capsys.readouterr().err
    assert command(made, "on") == 1
    assert "Set the variable DEMIJOHN_MAINTENANCE=on" in capsys.readouterr().err


def test_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path, "")
    for word, statuses in {"on": (503, 503), "read-only": (500, 503), "off": (500, 405)}.items():
        monkeypatch.setenv("DEMIJOHN_MAINTENANCE", word)
        _, visitor = opened(made)
        assert (visitor.get("/").status, visitor.post("/").status) == statuses, word
    monkeypatch.setenv("DEMIJOHN_MAINTENANCE", "on")
    assert command(made, "off") == 1
    assert "The site stays closed: DEMIJOHN_MAINTENANCE says so" in capsys.readouterr().err


def test_the_page_is_the_site_s_own(tmp_path: Path, opened: Any) -> None:
    made = project(tmp_path, "", maintenance={"mode": True})
    (made.root / "static").mkdir()
    (made.root / "static" / "style.css").write_text("p {}")
    (made.root / "views" / "error.html").write_text("error {{ status }}: {{ message }}")
    site, visitor = opened(made)
    assert visitor.get("/", **HTML).text == "error 503: The site is being worked on. Please come back in a while."
    (made.root / "views" / "maintenance.html").write_text("closed: {{ message }} {{ retry_after }}")
    site, visitor = opened(made)
    answer = visitor.get("/", **HTML)
    assert answer.text == "closed: The site is being worked on. Please come back in a while. 120"
    assert visitor.get(site.static_url("style.css")).status == 200, "the page has a style"


def test_a_template_can_hide_its_forms(tmp_path: Path, opened: Any) -> None:
    made = project(tmp_path, "", maintenance={"mode": "read-only"})
    made.models("@site.get('/form')\ndef form(): return site.render('form.html')\n")
    (made.root / "views" / "form.html").write_text("{% if not read_only %}a form{% else %}no form{% endif %}")
    site, visitor = opened(made)
    assert visitor.get("/form").text == "no form"
    assert site.read_only
    made = project(tmp_path, "")
    site, visitor = opened(made)
    assert visitor.get("/form").status in (200, 404)
    assert not site.read_only
    assert not Site().read_only


def test_times_and_wrong_ones(
    tmp_path: Path,
    sqlite_url: str,
    opened: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = project(tmp_path, sqlite_url)
    made.does("create")
    site, _ = opened(made)
    for text, low, high in (
        ("90s", 80, 90),
        ("+2h", 7190, 7200),
        ("12:00", 0, 86_400),
        ("2100-01-01T10:00Z", 2e9, 9e9),
    ):
        assert command(made, "on", "--until", text) == 0
        until = site.maintenance.found().until
        assert until is not None
        assert low <= until - time.time() <= high
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for wrong in ("soon", "25:00", "10x", "", "0001-01-01", "9999-12-31T23:59"):
            with pytest.raises(SystemExit):
                command(made, "on", "--until", wrong)
            assert "is no time: write 30m, 18:30 or" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            command(made, "on", "--until", "2001-01-31T18:30")
        assert "is over already" in capsys.readouterr().err
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_site_whose_files_are_served_at_its_root_is_closed(tmp_path: Path) -> None:
    site = Site(tmp_path, {"static.url": "/", "maintenance.mode": "on", "secret": "x" * 20, "database.url": ""})
    assert Client(site).get("/").status == 503
    assert Client(site).get("/page").status == 503


BARE = """
import os
from demijohn import Site
application = site = Site(os.path.dirname(os.path.abspath(__file__)))

@site.get("/")
def index():
    return "plain"
"""
COLD = """
import sys
from pathlib import Path
from demijohn.doors import load_application
from tests.client import Client
assert Client(load_application(Path(sys.argv[1]))).get("/").text == "plain"
heavy = {"sqlalchemy", "pymysql", "demijohn.shared.base", "demijohn.health.operators", "demijohn.database.hurry"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_nothing_is_asked_of_a_process_that_has_just_begun(tmp_path: Path) -> None:
    """A cold start: nothing is looked for, and not even what would look is imported."""
    made = project(tmp_path, "mysql://nobody:x@127.0.0.1:1/none")
    (made.root / "index.wsgi").write_text(BARE)
    command = [sys.executable, "-c", COLD, os.fspath(made.root)]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
