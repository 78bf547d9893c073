"""Google App Engine: nothing can be written but /tmp, and Cloud SQL is a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demijohn import hosts
from tests.hosts import SECRET, Instance, demijohn, run, served_after_rests, visited, written_for
from tests.hosts.elsewhere import elsewhere
from tests.services import MariaDB
from tests.services.database import ACCOUNT, PASSWORD

GAE = hosts.find("gae")
DATABASE = "book"
#: PROJECT:REGION:INSTANCE, as Cloud SQL names an instance.
CLOUD_SQL = "/cloudsql/guests:europe-west1:book"
HOME = "/srv"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = written_for("gae", tmp_path_factory.mktemp("gae") / "site")
    variables = {
        "SECRET_KEY": SECRET,
        "INSTANCE_UNIX_SOCKET": CLOUD_SQL,
        "DB_USER": ACCOUNT,
        "DB_PASS": PASSWORD,
        "DB_NAME": DATABASE,
    }
    (site / "app.secret.yaml").write_text(yaml.safe_dump({"env_variables": variables}))
    return site


@pytest.fixture(scope="module")
def app_yaml(site: Path) -> Any:
    """app.yaml and what it includes, as Google's own readers understand and merge them."""
    from google.appengine.api import appinfo

    whole = appinfo.LoadSingleAppInfo((site / "app.yaml").read_text())
    for name in whole.includes:
        included = appinfo.LoadAppInclude((site / name).read_text())
        whole = appinfo.AppInclude.MergeAppYamlAppInclude(whole, included)
    return whole


@pytest.fixture(scope="module")
def instance(site: Path, app_yaml: Any, the_mariadb: MariaDB) -> Iterator[Instance]:
    the_mariadb.start()
    url = the_mariadb.create(DATABASE)
    demijohn(site, "db", "create", DATABASE_URL=url)  # as from a developer's machine, through Cloud SQL's proxy
    variables = {**GAE.environ, **app_yaml.env_variables, "HOME": "/root"}
    command = elsewhere(["/bin/sh", "-c", app_yaml.entrypoint], {HOME: site, CLOUD_SQL: the_mariadb.socket}, cwd=HOME)
    with the_mariadb.setting("wait_timeout", 2), Instance(command, variables, site) as instance:
        yield instance


def test_a_visitor_signs_up_writes_and_reads_also_when_cloud_sql_has_hung_up(
    instance: Instance, the_mariadb: MariaDB
) -> None:
    guest = visited(instance.url, X_Forwarded_Proto="https")
    assert guest.secure
    over = f"SELECT DISTINCT host FROM information_schema.processlist WHERE db = '{DATABASE}'"
    assert the_mariadb.execute(over) == [("localhost",)], "the socket, and no port"
    served_after_rests(guest, the_mariadb, DATABASE)
    assert "Read-only file system" not in instance.said()


def test_where_it_runs_nothing_can_be_written_but_tmp(site: Path) -> None:
    folders = "/ /srv /root /var/tmp /dev/shm /tmp"
    script = f'for folder in {folders}; do touch "$folder/new" 2>/dev/null && echo $folder; done; true'
    written = run(elsewhere(["/bin/sh", "-c", script], {HOME: site}, cwd=HOME), {}, site)
    assert written.split() == ["/tmp"]  # noqa: S108


def test_google_s_own_reader_finds_everything_in_app_yaml(app_yaml: Any, site: Path) -> None:
    assert app_yaml.entrypoint.startswith("exec gunicorn ")
    assert app_yaml.runtime.startswith("python3")
    assert {handler.secure for handler in app_yaml.handlers} == {"always"}
    assert app_yaml.handlers[-1].url == "/.*"
    for handler in app_yaml.handlers[:-1]:
        assert (site / (handler.static_dir or handler.static_files)).exists()
