"""PythonAnywhere: its uWSGI loads the file that `demijohn deploy` has written, forks, and has no threads; its MySQL
hangs up after five minutes, here after two seconds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demijohn import hosts
from tests.hosts import SECRET, Instance, demijohn, served_after_rests, visited, written_for
from tests.hosts.elsewhere import elsewhere
from tests.hosts.load import Load
from tests.hosts.uwsgi import uwsgi
from tests.services import HOST as LOCAL
from tests.services import MariaDB, free_port, until

HOST = hosts.find("pythonanywhere")
USER = "anna"
SITE = f"/home/{USER}/guestbook"
WSGI_FILE = f"/var/www/{USER}_pythonanywhere_com_wsgi.py"
DATABASE = f"{USER}$book"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user."""
    home = tmp_path_factory.mktemp("home")
    written_for("pythonanywhere", home / "guestbook", "--user", USER)
    return home


@pytest.fixture(scope="module")
def wsgi_file(home: Path) -> Path:
    """The file that has been written, copied to where it says."""
    www = home.parent / "www"
    www.mkdir(exist_ok=True)
    text = (home / "guestbook" / HOST.door).read_text()
    assert WSGI_FILE in text
    assert f'"{SITE}"' in text
    return Path(shutil.copy(home / "guestbook" / HOST.door, www / Path(WSGI_FILE).name))


@pytest.fixture(scope="module")
def instance(home: Path, wsgi_file: Path, the_mariadb: MariaDB) -> Iterator[Instance]:
    the_mariadb.start()
    url = the_mariadb.create(DATABASE)
    (home / "guestbook.env").write_text(f"# the site's own\nexport SECRET_KEY='{SECRET}'\nDATABASE_URL={url}\n")
    demijohn(home / "guestbook", "db", "create", DATABASE_URL=url)
    port = free_port()
    options = [f"--http-socket={LOCAL}:{port}", "--processes=1", "--harakiri=300", "--need-app"]
    options += [f"--wsgi-file={WSGI_FILE}", f"--touch-reload={WSGI_FILE}"]
    places = {f"/home/{USER}": home, "/var/www": wsgi_file.parent}
    command = elsewhere(uwsgi(*options), places, cwd=f"/home/{USER}", writable=list(places))
    with the_mariadb.setting("wait_timeout", 2), Instance(command, HOST.environ, home, port=port) as instance:
        yield instance


def test_a_visitor_signs_up_writes_and_reads_also_when_mysql_has_hung_up(
    instance: Instance, the_mariadb: MariaDB
) -> None:
    guest = visited(instance.url, X_Forwarded_Proto="https")
    assert guest.secure
    served_after_rests(guest, the_mariadb, DATABASE)
    assert _threads(instance) == {1}, "it has started a thread"


def test_touching_the_file_reloads_the_site_and_loses_nobody(instance: Instance, wsgi_file: Path) -> None:
    before = _workers(instance)
    with Load(instance.url) as load:
        load.answered(50)
        os.utime(wsgi_file)
        until(lambda: before.isdisjoint(_workers(instance)) and _workers(instance), "It does not reload.")
        load.answered(50)
    assert set(load.ends) == {200}, load.ends


def test_connections_are_renewed_before_the_host_s_mysql_hangs_up() -> None:
    assert HOST.limits.idle == 300
    assert HOST.defaults["database.idle"] == 280


def _workers(instance: Instance) -> set[int]:
    """The processes that serve: uWSGI's master is their parent."""
    return set(instance.processes()[1:])


def _threads(instance: Instance) -> set[int]:
    """How many threads each process has."""
    statuses = [Path(f"/proc/{process}/status").read_text() for process in instance.processes()]
    return {int(status.partition("Threads:")[2].split()[0]) for status in statuses}
