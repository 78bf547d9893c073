"""Hosts: recognised by their own variables, and what they set."""

from __future__ import annotations

import pytest

from demijohn import hosts
from demijohn.config.options import OPTIONS
from demijohn.errors import UnknownHostError

HOSTS = [hosts.find(name) for name in hosts.MARKS]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "local"),
        ({"PATH": "/usr/bin", "PORT": "8000"}, "local"),
        ({"DYNO": "web.1", "PORT": "5000"}, "heroku"),
        ({"GAE_ENV": "standard", "PORT": "8081"}, "gae"),
        ({"K_SERVICE": "shop", "PORT": "8080"}, "cloudrun"),
        ({"PYTHONANYWHERE_DOMAIN": "pythonanywhere.com"}, "pythonanywhere"),
        ({"PYTHONANYWHERE_SITE": "www.pythonanywhere.com"}, "pythonanywhere"),
        ({"SERVER_SOFTWARE": "direwolf/0.1", "APP_NAME": "shop"}, "sae"),
        ({"SERVER_SOFTWARE": "gunicorn/27.0.1", "APP_NAME": "shop"}, "local"),
    ],
)
def test_host_is_recognised_by_its_own_variables(environ: dict[str, str], name: str) -> None:
    assert hosts.detect(environ).name == name


def test_demijohn_host_decides() -> None:
    assert hosts.detect({"DYNO": "web.1", "DEMIJOHN_HOST": "local"}).name == "local"
    assert hosts.detect({"DEMIJOHN_HOST": " SAE "}).name == "sae"
    assert hosts.detect({"DYNO": "web.1", "DEMIJOHN_HOST": ""}).name == "heroku"


def test_unknown_host_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownHostError, match=r"no profile of a host called 'azure'\. There are: heroku, ") as caught:
        hosts.detect({"DEMIJOHN_HOST": "azure"})
    assert caught.value.name == "azure"
    assert "local" in caught.value.known


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_profile_speaks_of_settings_that_there_are(host: hosts.Host) -> None:
    assert {*host.defaults, *host.variables} <= OPTIONS.keys()
    for name, value in host.defaults.items():
        OPTIONS[name].kind.read(value)
    assert host.disk in ("kept", "forgets", "none")


def test_names_are_unique() -> None:
    names = [host.name for host in HOSTS]
    assert sorted(set(names)) == sorted(names)


def test_every_hosted_profile_is_production() -> None:
    assert {host.defaults.get("environment") for host in HOSTS if host.name != "local"} == {"production"}


def test_settings_name_their_source() -> None:
    sae = hosts.detect({"SERVER_SOFTWARE": "direwolf/0.1"})
    assert sae.settings({})["database.idle"] == (10, "host sae")
    assert "memcached.prefix" not in sae.settings({"APP_NAME": ""})
    assert sae.settings({"APP_NAME": "shop"})["memcached.prefix"] == ("shop", "APP_NAME (host sae)")
