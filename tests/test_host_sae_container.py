"""Sina App Engine's container runtime: the image listens on 5050, and MySQL is where the host's variables say."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from demijohn import hosts
from tests.hosts import SECRET, Instance, run, served_after_rests, visited, written_for
from tests.hosts.docker import Image, image
from tests.services import HOST, MariaDB, until
from tests.services.database import ACCOUNT, PASSWORD

SAE = hosts.find("sae-container")
PORT = 5050
DATABASE = "app_site"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_for("sae-container", tmp_path_factory.mktemp("sae") / "site")


@pytest.fixture(scope="module")
def container(site: Path) -> Image:
    return image((site / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def instance(container: Image, site: Path, the_mariadb: MariaDB) -> Iterator[Instance]:
    until(lambda: not _listens(), f"Something listens on {PORT} already, the port of Sina App Engine's containers.")
    the_mariadb.start()
    the_mariadb.create(DATABASE)
    given = {
        "APPNAME": "site",
        "ACCESSKEY": ACCOUNT,
        "SECRETKEY": PASSWORD,
        "MYSQL_HOST": the_mariadb.host,
        "MYSQL_PORT": str(the_mariadb.port),
        "SECRET_KEY": SECRET,
    }
    environ = {**SAE.environ, **container.environ, **given}
    run("PYTHONPATH=src python -m demijohn db create", environ, site)
    with the_mariadb.setting("wait_timeout", 2), Instance(container.command, environ, site, port=PORT) as instance:
        yield instance


def _listens() -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex((HOST, PORT))


def test_a_visitor_signs_up_writes_and_reads_also_when_mysql_has_hung_up(
    instance: Instance, the_mariadb: MariaDB
) -> None:
    assert instance.port == PORT
    guest = visited(instance.url)
    served_after_rests(guest, the_mariadb, DATABASE)


def test_the_image_says_5050_itself(container: Image) -> None:
    assert container.environ["PORT"] == str(PORT)
    assert container.ports == [PORT]
