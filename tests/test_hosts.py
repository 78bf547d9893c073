"""Hosts: recognised by their own variables, what they set, and that what they say of themselves holds together."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.config.options import OPTIONS
from demijohn.errors import UnknownHostError
from tests.sites import ROOT, clean_environment

HOSTS = [hosts.find(name) for name in hosts.MARKS]
SERVED_BY_THE_HOST = {"pythonanywhere", "sae", "piku"}


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "local"),
        ({"PATH": "/usr/bin", "PORT": "8000"}, "local"),
        ({"DYNO": "web.1", "PORT": "5000"}, "heroku"),
        ({"DYNO": "web.1", "DOKKU_APP_TYPE": "herokuish"}, "dokku"),
        ({"GAE_ENV": "standard", "PORT": "8081"}, "gae"),
        ({"K_SERVICE": "shop", "PORT": "8080"}, "cloudrun"),
        ({"K_SERVICE": "shop", "container": "docker"}, "cloudrun"),
        ({"FLY_APP_NAME": "shop", "container": "docker"}, "fly"),
        ({"RENDER": "true"}, "render"),
        ({"RAILWAY_ENVIRONMENT_NAME": "production"}, "railway"),
        ({"PYTHONANYWHERE_DOMAIN": "pythonanywhere.com"}, "pythonanywhere"),
        ({"PYTHONANYWHERE_SITE": "www.pythonanywhere.com"}, "pythonanywhere"),
        ({"SERVER_SOFTWARE": "direwolf/0.1", "APP_NAME": "shop"}, "sae"),
        ({"SERVER_SOFTWARE": "gunicorn/27.0.1", "APP_NAME": "shop"}, "local"),
        ({"SINACLOUD_CONTAINER_CPU": "1"}, "sae-container"),
        ({"container": "docker"}, "docker"),
        ({"container": "podman"}, "local"),  # a developer's toolbox
        ({"container": "lxc"}, "local"),
    ],
)
def test_host_is_recognised_by_its_own_variables(environ: dict[str, str], name: str) -> None:
    assert hosts.detect(environ).name == name


def test_demijohn_host_decides() -> None:
    assert hosts.detect({"DYNO": "web.1", "DEMIJOHN_HOST": "local"}).name == "local"
    assert hosts.detect({"DEMIJOHN_HOST": " SAE "}).name == "sae"
    assert hosts.detect({"DEMIJOHN_HOST": "SAE-Container"}).name == "sae-container"
    assert hosts.detect({"DYNO": "web.1", "DEMIJOHN_HOST": ""}).name == "heroku"


def test_unknown_host_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownHostError, match=r"no profile of a host called 'azure'\. There are: dokku, ") as caught:
        hosts.detect({"DEMIJOHN_HOST": "azure"})
    assert caught.value.name == "azure"
    assert {*hosts.MARKS} <= {*caught.value.known}


@pytest.mark.parametrize("name", ["sae_container", "host", "plan", "texts", "../heroku", "addresses"])
def test_module_is_no_host(name: str) -> None:
    with pytest.raises(UnknownHostError):
        hosts.find(name)


@pytest.mark.parametrize("name", hosts.MARKS)
def test_a_profile_has_the_name_it_is_found_by(name: str) -> None:
    assert hosts.find(name).name == name


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_profile_speaks_of_settings_that_there_are(host: hosts.Host) -> None:
    assert {*host.defaults, *host.variables} <= OPTIONS.keys()
    for name, value in host.defaults.items():
        OPTIONS[name].kind.read(value)
    assert host.disk in ("kept", "forgets", "none")
    assert host.database in ("", "mysql", "postgresql")


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_what_a_host_sets_recognises_it(host: hosts.Host) -> None:
    assert hosts.detect(host.environ).name == host.name
    if host.port is not None and host.environ:
        assert host.environ["PORT"] == str(host.port)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_limits_are_numbers_that_can_be_kept(host: hosts.Host) -> None:
    limits = host.limits
    assert all(value is None or value > 0 for value in limits)
    if limits.idle is not None:  # a connection is replaced before the host hangs up on it
        assert host.defaults["database.idle"] < limits.idle  # type: ignore[operator]
    for inner, outer in (
        (limits.file, limits.total),
        (limits.folder, limits.files),
        (limits.first_byte, limits.request),
    ):
        assert inner is None or outer is None or inner <= outer


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_what_a_host_forbids_is_not_set_for_it(host: hosts.Host) -> None:
    if not host.threads:
        assert host.defaults["server.threads"] == 1
    if not host.processes:
        assert host.defaults.get("server.workers", 1) == 1
    assert (host.port is None) is (host.name in SERVED_BY_THE_HOST)
    assert not (host.start and host.port is None)
    if host.start:
        assert host.start == "gunicorn main:app"
        # Outside, and not only this machine itself, unless a proxy on the same machine stands before it.
        assert host.defaults.get("server.host") == "0.0.0.0" or host.name == "vm"  # noqa: S104


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_proxies_are_believed_whole_or_not_at_all(host: hosts.Host) -> None:
    hops, client, scheme, peers, own = host.proxies
    assert hops or not (peers or own or host.https)
    assert not peers or host.defaults.get("server.host") != "0.0.0.0"  # noqa: S104
    assert bool(hops) is bool(client) is bool(scheme)
    assert all(re.fullmatch(r"|[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)+", header) for header in (client, scheme))


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_profile_says_where_it_is_from(host: hosts.Host) -> None:
    assert host.title
    assert host.logs
    assert host.caution.endswith(".")
    assert host.name == "local" or all(url.startswith("https://") for url in host.source.split(", "))


def test_every_hosted_profile_is_production() -> None:
    assert {host.defaults.get("environment") for host in HOSTS if host.name != "local"} == {"production"}


def test_settings_name_their_source() -> None:
    sae = hosts.detect({"SERVER_SOFTWARE": "direwolf/0.1"})
    assert sae.settings({})["database.idle"] == (10, "host sae")
    assert "memcached.prefix" not in sae.settings({"APP_NAME": ""})
    assert sae.settings({"APP_NAME": "shop"})["memcached.prefix"] == ("shop", "APP_NAME (host sae)")


def test_boot_loads_one_profile_and_nothing_that_writes_files() -> None:
    program = (
        "import sys; from demijohn import config; config.load(sys.argv[1]);"
        "print(*sorted(name for name in sys.modules if name.startswith('demijohn.hosts.')))"
    )
    environ = clean_environment(DYNO="web.1", SECRET_KEY="x" * 20, DATABASE_URL="postgres://u:p@h/d")
    done = subprocess.run(
        [sys.executable, "-c", program, ROOT], env=environ, capture_output=True, text=True, check=True
    )
    names = {name.removeprefix("demijohn.hosts.") for name in done.stdout.split()}
    assert names == {"addresses", "heroku", "host"}


def test_somebody_elses_host_comes_in_by_an_entry_point(tmp_path: Path) -> None:
    (tmp_path / "tinyhost.py").write_text(
        "from demijohn.hosts import Host\n"
        "HOST = Host(name='tiny', title='Tiny', disk='none', defaults={'database.idle': 7}, start='tinyserve')\n"
    )
    package = tmp_path / "tinyhost-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: tinyhost\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[demijohn.hosts]\nTiny = tinyhost:HOST\nheroku = tinyhost:HOST\n")
    program = (
        "import sys; from demijohn import config, hosts; settings = config.read(sys.argv[1])[0];"
        "print(settings.host.title, settings['database.idle'], settings.source('database.idle'));"
        "print(*hosts.names()[-2:], hosts.find('heroku').title)"
    )
    environ = clean_environment(DEMIJOHN_HOST="tiny", PYTHONPATH=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], env=environ, capture_output=True, text=True, check=True
    )
    # Nobody takes the place of a host that there is.
    assert done.stdout.splitlines() == ["Tiny 7 host tiny", "local tiny Heroku"]
