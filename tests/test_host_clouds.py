"""Hosts that start gunicorn by a line of their own file: each file by the reader of its format, and the line by a shell
in that host's surroundings."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from honcho.environ import parse_procfile

from demijohn import hosts
from tests.hosts import SECRET, Instance, run, visited, written_for
from tests.hosts.docker import image

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib


class Commands(NamedTuple):
    """What a host runs: to make a release ready, where it does that, and to serve it. A list is run without a shell."""

    release: str | list[str]
    serve: str | list[str]


def _procfile(site: Path) -> Commands:
    processes = parse_procfile((site / "Procfile").read_text()).processes
    return Commands(processes.get("release", ""), processes["web"])


def _cloudrun(site: Path) -> Commands:
    return Commands("", image((site / "Dockerfile").read_text()).command)


def _fly(site: Path) -> Commands:
    fly = tomllib.loads((site / "fly.toml").read_text())
    container = image((site / fly["build"]["dockerfile"]).read_text())
    assert str(fly["http_service"]["internal_port"]) == fly["env"]["PORT"]
    assert fly["kill_signal"] == "SIGTERM", "upon SIGINT, which is Fly's own choice, gunicorn hangs up"
    return Commands(shlex.split(fly["deploy"]["release_command"]), container.command)


def _render(site: Path) -> Commands:
    (service,) = yaml.safe_load((site / "render.yaml").read_text())["services"]
    return Commands(service["preDeployCommand"], service["startCommand"])


def _railway(site: Path) -> Commands:
    deploy = json.loads((site / "railway.json").read_text())["deploy"]
    (release,) = deploy["preDeployCommand"]
    return Commands(release, deploy["startCommand"])


HOSTS: dict[str, Callable[[Path], Commands]] = {
    "cloudrun": _cloudrun,
    "dokku": _procfile,
    "fly": _fly,
    "render": _render,
    "railway": _railway,
}


@pytest.mark.parametrize("name", HOSTS)
def test_a_visitor_signs_up_writes_and_reads(name: str, tmp_path: Path, mariadb_url: str) -> None:
    host, site = hosts.find(name), written_for(name, tmp_path / "site")
    commands = HOSTS[name](site)
    environ = {**host.environ, "DATABASE_URL": mariadb_url.replace("+pymysql", ""), "SECRET_KEY": SECRET}
    run(commands.release or "PYTHONPATH=src python -m demijohn db create", environ, site)
    with Instance(commands.serve, environ, site) as instance:
        assert visited(instance.url, X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.9, 192.0.2.1").secure
