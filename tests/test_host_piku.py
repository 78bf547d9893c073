"""piku: uWSGI with a file that piku makes of Procfile and ENV. Here the file is made as piku makes it, and uWSGI is the
one that piku uses, Debian's."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from demijohn import hosts
from tests.hosts import SECRET, Instance, piku, run, visited, written_for
from tests.hosts.uwsgi import uwsgi
from tests.services import HOST, MariaDB, free_port, program
from tests.site.visitor import Visitor
from tests.test_host_vm import MB, WHOLE

PIKU = hosts.find("piku")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_for("piku", tmp_path_factory.mktemp("piku") / "site")


@pytest.fixture(scope="module")
def config(site: Path, the_mariadb: MariaDB) -> dict[str, str]:
    """The variables of ENV, and those of `config:set`."""
    the_mariadb.start()
    given = {"DATABASE_URL": the_mariadb.create("pushed"), "SECRET_KEY": SECRET}
    return piku.variables(site, {**given, "BIND_ADDRESS": HOST})


def served(kind: str, command: str, config: Mapping[str, str], site: Path) -> Instance:
    port = free_port()
    path = site.parent / f"{kind}.ini"
    path.write_text(piku.ini(kind, command, {**config, "PORT": str(port)}, site, port))
    return Instance(uwsgi("--ini", str(path)), {}, site, port=port)


def test_a_visitor_signs_up_writes_and_reads(config: dict[str, str], site: Path) -> None:
    processes = piku.processes(site)
    assert processes == dict(parse_procfile((site / "Procfile").read_text()).processes)
    run(processes["release"], config, site)
    with served("wsgi", processes["wsgi"], config, site) as instance:
        visited(instance.url)
        workers = int(config["UWSGI_PROCESSES"])
        assert len(instance.processes()) == 1 + workers


def test_its_nginx_lets_through_what_the_site_takes(site: Path, tmp_path: Path) -> None:
    """The file is included as piku.py does it: its text stands in the site's server."""
    name = piku.variables(site, {})["NGINX_INCLUDE_FILE"]
    port = free_port()
    server = f"server {{ listen {HOST}:{port}; {(site / name).read_text()} location / {{ return 204; }} }}"
    conf = tmp_path / "nginx.conf"
    types = Path("/etc/nginx/mime.types")
    conf.write_text(WHOLE.format(folder=tmp_path, server=server, types=types, user=getpass.getuser()))
    nginx = [program("nginx", "nginx-light"), "-p", str(tmp_path), "-c", str(conf)]
    with Instance(nginx, {}, site, port=port, writable=[tmp_path]) as front:
        visitor = Visitor(front.url)
        assert [visitor.post("/", bytes(size)).status for size in (16 * MB, 16 * MB + 1)] == [204, 413]


def test_a_web_process_does_as_well(config: dict[str, str], site: Path) -> None:
    run(piku.processes(site)["release"], config, site)
    with served("web", "gunicorn main:app", config, site) as instance:
        visited(instance.url)
        instance.stop()
        assert "Handling signal: term" in instance.said(), "gunicorn was not told to stop"
