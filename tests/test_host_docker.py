"""A container, by its Dockerfile: what `docker run` starts, and what `docker stop` tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from demijohn import hosts
from tests.hosts import SECRET, Instance, run, visited, written_for
from tests.hosts.docker import Image, image
from tests.hosts.load import replaced
from tests.services import MariaDB

DOCKER = hosts.find("docker")
RELEASE = "PYTHONPATH=src python -m demijohn db create"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_for("docker", tmp_path_factory.mktemp("docker") / "site")


@pytest.fixture(scope="module")
def container(site: Path) -> Image:
    return image((site / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def environ(container: Image, site: Path, the_mariadb: MariaDB) -> dict[str, str]:
    """The image's variables, and those of `docker run --env`."""
    the_mariadb.start()
    environ = {**container.environ, "DATABASE_URL": the_mariadb.create("contained"), "SECRET_KEY": SECRET}
    run(RELEASE, environ, site)
    return environ


def test_a_visitor_signs_up_writes_and_reads(container: Image, environ: dict[str, str], site: Path) -> None:
    for command in container.runs:
        if not command.startswith("useradd"):  # it is for root, and for a machine of one's own
            run(command, environ, site)
    with Instance(container.command, environ, site) as instance:
        visited(instance.url)
        assert hosts.detect(environ) is DOCKER


def test_docker_stop_ends_it_and_nothing_is_lost(container: Image, environ: dict[str, str], site: Path) -> None:
    with Instance(container.command, environ, site) as first, Instance(container.command, environ, site) as second:
        assert replaced(first, second, DOCKER) == 0


def test_the_port_that_the_image_exposes_is_the_one_it_listens_on(
    container: Image, environ: dict[str, str], site: Path
) -> None:
    assert container.ports == [int(container.environ["PORT"])]
    said = run("gunicorn --print-config main:app", environ, site)
    assert f"0.0.0.0:{container.ports[0]}" in said
