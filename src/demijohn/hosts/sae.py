"""Sina App Engine, the shared runtime. Its container runtime is `sae-container`.

The variable SECRET_KEY is set by this host, to the site's own secret for SAE's services; unless DEMIJOHN_SECRET is set,
it also signs the cookies, and the users are signed out when it is changed in the panel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from demijohn.hosts.addresses import Given, has_own, mysql
from demijohn.hosts.host import Host, Limits

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def gives(environ: Mapping[str, str]) -> Given:
    """The site's MySQL and its read-only copy, as the module `sae.const` says; it is there on SAE only."""
    if has_own(environ):
        return {}
    try:
        from sae import const  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return {}
    user, password, host, port, name = (
        str(getattr(const, f"MYSQL_{part}", "") or "") for part in ("USER", "PASS", "HOST", "PORT", "DB")
    )
    if not (user and host and name):
        return {}
    given: Given = {"database.url": (mysql(user, password, host, port or "3307", name), "sae.const (host sae)")}
    copy = str(getattr(const, "MYSQL_HOST_S", "") or "")
    if copy and copy != host:
        given["database.replicas"] = (copy, "sae.const.MYSQL_HOST_S (host sae)")
    return given


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import merged

    return {"config.yaml": merged.config_yaml(plan)}


def commands(plan: Plan) -> list[str]:
    return [
        "# SAE's shared runtime is Python 2.7, and Bottle, SQLAlchemy and Jinja2 of today do not run on it. What",
        "# follows keeps its contract; on SAE itself take the container runtime: demijohn deploy sae-container.",
        "demijohn bundle sae",
        "# In the folder that it has made:",
        "saecloud deploy",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.sae import config_yaml

    return config_yaml(plan)


HOST = Host(
    name="sae",
    title="Sina App Engine",
    disk="none",
    database="mysql",
    defaults={
        "environment": "production",
        "database.idle": 10,  # MySQL hangs up after 30 s; 10 s is what the guide's FAQ advises
        "memcached.url": "127.0.0.1:11211",  # its pylibmc finds the servers by itself, but wants to be given one
        "static.hash": "query",  # its own servers send static/, by the names that lie there
        "server.threads": 1,
    },
    gives=gives,
    # The host of the read-only copy of its MySQL; everything else is as in database.url.
    variables={"memcached.prefix": "APP_NAME", "database.replicas": "MYSQL_HOST_S"},
    release=("APP_HASH", "APP_VERSION"),
    environ={
        "SERVER_SOFTWARE": "direwolf/0.1",
        "APP_NAME": "site",
        "APP_VERSION": "1",
        "APP_HASH": "a1b2c3",
        "ACCESS_KEY": "access-key-of-the-site",
        "SECRET_KEY": "secret-key-of-the-site-for-the-services",
    },
    temp=False,
    installs=False,
    native=False,
    threads=False,
    processes=False,
    port=None,
    limits=Limits(
        request=300,
        idle=30,
        file=20 * 1024**2,
        folder=2000,
        total=50 * 1024**2,  # of one version; all versions together 100 MB
    ),
    logs="the log centre in SAE's panel",
    caution=(
        "This runtime is Python 2.7: Bottle, Beaker, Jinja2 and SQLAlchemy of today do not run on it. The contract is "
        "kept (index.wsgi, config.yaml, site-packages/, sae.const, pylibmc), and proved with the Pythons of today; on "
        "SAE itself take sae-container. Which headers its proxy sets is not documented, so none is believed."
    ),
    source="https://github.com/sinacloud/sae-python-dev-guide, https://www.sinacloud.com/doc/sae/python/runtime.html",
    files=files,
    commands=commands,
    checks=checks,
)
