"""Whether the site can be asked, and how its database stands, from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bottle
import pytest

from demijohn.health import Health
from tests.client import Client
from tests.projects import Project
from tests.services import Database, until


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    return Project(tmp_path / "site", database_url)


@pytest.fixture
def visitor(project: Project) -> Iterator[Client]:
    site = project.site()
    yield Client(site)
    site.sessions.close()
    site.db.close()


def test_live_and_ready(project: Project, visitor: Client) -> None:
    project.does("create")
    ready = {"ready": True, "database": "answers"}
    for path, content in (("/_health/live", {"live": True}), ("/_health/ready", ready)):
        answer = visitor.get(path)
        assert (answer.status, answer.json) == (200, content)
        assert answer.header("Content-Type") == "application/json"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("Set-Cookie") is None
        head = visitor.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")


def test_tables_that_nobody_has_made(project: Project, visitor: Client) -> None:
    answer = visitor.get("/_health/ready")
    assert (answer.status, answer.json) == (503, {"ready": False, "database": "tables missing"})
    project.does("create")
    assert visitor.get("/_health/ready").status == 200
    project.execute("DROP TABLE notes")  # whoever does that knows; there is no asking for tables each time
    assert visitor.get("/_health/ready").status == 200


def test_a_view_is_as_good_as_a_table(project: Project, visitor: Client) -> None:
    project.execute("CREATE VIEW notes AS SELECT 1 AS id")
    assert visitor.get("/_health/ready").status == 200


def test_a_schema_that_is_behind_is_told_from_one_that_is_ahead(project: Project) -> None:
    def ready() -> tuple[int, str]:
        site = project.site()
        answer = Client(site).get("/_health/ready")
        site.sessions.close()
        site.db.close()
        return answer.status, answer.json["database"]

    project.does("init")
    project.write("a1", None, "op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True))")
    assert ready() == (503, "no version")
    project.does("upgrade")
    assert ready() == (200, "answers")
    project.write("b2", "a1", "op.create_table('tags', sa.Column('id', sa.Integer, primary_key=True))")
    assert ready() == (503, "behind")
    project.does("upgrade")
    assert ready() == (200, "answers")
    (project.versions / "b2.py").unlink()
    assert ready() == (200, "ahead")


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_while_the_database_is_down(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Database = request.getfixturevalue(kind)
    project = Project(tmp_path / "site", request.getfixturevalue(f"{kind}_url"))
    project.does("create")
    site = project.site()
    visitor = Client(site)
    assert visitor.get("/_health/ready").status == 200
    server.stop()
    answer = visitor.get("/_health/ready")
    assert (answer.status, answer.json) == (503, {"ready": False, "database": "not answering"})
    assert visitor.get("/_health/live").status == 200
    server.start()
    until(lambda: visitor.get("/_health/ready").status == 200, "The site did not find that the server is back.", 5)
    with server.statements() as seen:
        assert visitor.get("/_health/live").status == 200
    assert seen == []
    site.sessions.close()
    site.db.close()


def test_a_site_without_a_database(tmp_path: Path) -> None:
    answer = Client(Project(tmp_path / "site", "", "").site()).get("/_health/ready")
    assert (answer.status, answer.json) == (200, {"ready": True})


def test_alone_in_a_plain_bottle_app() -> None:
    app = bottle.Bottle()
    findings = {"disk": (True, "there"), "queue": (False, "full")}
    app.install(Health({name: lambda finding=finding: finding for name, finding in findings.items()}))  # type: ignore[misc]
    answer = Client(app).get("/_health/ready")
    assert (answer.status, answer.json) == (503, {"ready": False, "disk": "there", "queue": "full"})
