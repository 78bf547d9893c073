"""A server of one's own: what systemd would start, behind an nginx with the site that was written for it."""

from __future__ import annotations

import configparser
import getpass
import os
import re
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demijohn import hosts
from tests.hosts import SECRET, Instance, run, visited, written_for
from tests.services import HOST, MariaDB, free_port, program
from tests.site.visitor import Visitor, picture_of, png, unique

PLACE = "/srv/guestbook"
MB = 1024**2
#: What else nginx is told on this machine, where no folder of Debian's is to be written to.
WHOLE = """
daemon off; master_process off; user {user}; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
    include {types}; access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_for("vm", tmp_path_factory.mktemp("vm") / "site")


@pytest.fixture(scope="module")
def service(site: Path) -> configparser.SectionProxy:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(site / "server" / "guestbook.service")
    return unit["Service"]


@pytest.fixture(scope="module")
def environ(site: Path, the_mariadb: MariaDB) -> dict[str, str]:
    """The variables of the file that systemd reads, filled in by whoever has the server."""
    lines = (site / "server" / "guestbook.env.example").read_text().splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    the_mariadb.start()
    return {**environ, "SECRET_KEY": SECRET, "DATABASE_URL": the_mariadb.create("own")}


@pytest.fixture(scope="module")
def url(
    site: Path, service: configparser.SectionProxy, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address at which nginx serves the site."""
    assert service["WorkingDirectory"] == PLACE
    prepare, start = shlex.split(service["ExecStartPre"]), shlex.split(service["ExecStart"])
    run(prepare, {**environ, "PYTHONPATH": "src"}, site)
    start[0] = os.path.basename(start[0])  # of the environment in /srv
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    with Instance(["/usr/bin/env", *start], environ, site) as gunicorn:
        server = (site / "server" / "guestbook.nginx.conf").read_text()
        for there, here in (
            ("listen 80;", f"listen {HOST}:{port};"),
            ("listen [::]:80;", ""),
            (f"{HOST}:{environ['PORT']}", f"{HOST}:{gunicorn.port}"),
            (f"{PLACE}/", f"{site}/"),
        ):
            assert there in server
            server = server.replace(there, here)
        types = Path("/etc/nginx/mime.types")
        conf = folder / "nginx.conf"
        conf.write_text(WHOLE.format(folder=folder, server=server, types=types, user=getpass.getuser()))
        nginx = [program("nginx", "nginx-light"), "-p", str(folder), "-c", str(conf)]
        with Instance(nginx, {}, site, port=port, writable=[folder]) as front:
            yield front.url


def test_a_visitor_signs_up_writes_and_reads(url: str, environ: dict[str, str]) -> None:
    assert hosts.detect(environ).name == "vm"
    assert not visited(url).secure


def test_nginx_says_over_what_the_visitor_came_and_a_visitor_does_not(url: str) -> None:
    assert not visited(url, X_Forwarded_Proto="https").secure


def test_static_files_come_from_nginx_at_the_addresses_that_the_site_gives(url: str) -> None:
    page = Visitor(url).get("/").page
    (address,) = re.findall(r'href="(/static/style\.css\?v=\w+)"', page)
    for path in (address, "/robots.txt", "/favicon.svg"):
        with urllib.request.urlopen(url + path) as answer:  # noqa: S310
            assert answer.headers["Server"].startswith("nginx")
            assert answer.headers["Cache-Control"] == "max-age=3600"
            assert answer.headers["ETag"]


def test_nginx_lets_through_what_any_route_takes_and_the_site_judges_it_by_its_own(url: str) -> None:
    """The guestbook's forms may have 16 MB, all else 4 MB."""
    guest = Visitor(url).sign_up(unique("Anna"))
    text = unique("A large picture, ")
    assert guest.write(text, png(90, 90, 1) + bytes(9 * MB)).status in (302, 303)
    assert picture_of(guest.get("/").page, text)
    too_much = guest.post("/sign-in", b"x" * (4 * MB + 1))
    assert too_much.status == 413
    assert "4,194,304 bytes can be sent here at most" in too_much.page
    at_the_door = guest.post("/", b"x" * (16 * MB + 1))
    assert at_the_door.status == 413
    assert "<center>nginx" in at_the_door.page
