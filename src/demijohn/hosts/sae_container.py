"""Sina App Engine, the container runtime: an image that the host builds from the site's Dockerfile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from demijohn.hosts.addresses import Given, has_own, mysql
from demijohn.hosts.host import Host, Limits

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan

PORT = 5050


def gives(environ: Mapping[str, str]) -> Given:
    """The site's MySQL, as SAE's own sample for Django puts it together."""
    user, password, host, port, name = (
        environ.get(variable, "").strip()
        for variable in ("ACCESSKEY", "SECRETKEY", "MYSQL_HOST", "MYSQL_PORT", "APPNAME")
    )
    if has_own(environ) or not (user and host and name):
        return {}
    source = "MYSQL_HOST, MYSQL_PORT, ACCESSKEY, SECRETKEY and APPNAME (host sae-container)"
    return {"database.url": (mysql(user, password, host, port or "3307", f"app_{name}"), source)}


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import docker

    return docker.files(plan, PORT, DEMIJOHN_HOST="sae-container")


def commands(plan: Plan) -> list[str]:
    return [
        "# In SAE's panel: a site of the container runtime; its variables SECRET_KEY (and DATABASE_URL, if its MySQL",
        "# is not to be used). The panel also names the repository to push to: git remote add sae URL",
        "git push sae HEAD:main",
        *([f"# Once, in a shell of the container: {plan.release}"] if plan.release else []),
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.docker import image

    return image(plan)


HOST = Host(
    name="sae-container",
    title="Sina App Engine, container runtime",
    disk="forgets",
    database="mysql",
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only its router reaches the container)
        "server.port": PORT,
        "server.workers": 2,
        "database.idle": 10,  # as in the shared runtime: MySQL hangs up after 30 s
    },
    gives=gives,
    variables={"memcached.prefix": "APPNAME"},
    environ={
        "DEMIJOHN_HOST": "sae-container",
        "SINACLOUD_CONTAINER_CPU": "1",
        "APPNAME": "site",
        "ACCESSKEY": "access-key-of-the-site",
        "SECRETKEY": "secret-key-of-the-site-for-the-services",
        "MYSQL_HOST": "w.rdc.sae.sina.com.cn",
        "MYSQL_PORT": "3307",
        "PORT": str(PORT),
    },
    port=PORT,
    start="gunicorn main:app",
    access_log=True,
    limits=Limits(idle=30),
    logs="the log centre in SAE's panel",
    caution=(
        "Its Procfile builds stop at Python 3.7, so the site brings a Dockerfile. Which headers its router sets is not "
        "documented, so none is believed, and whether SAE takes new users is not known. Not verified here: that MySQL "
        "hangs up after 30 s as in the shared runtime, and how the panel names the repository."
    ),
    source="https://github.com/sinacloud/python-getting-started, https://document.applinzi.com/sae/python-docker.html",
    files=files,
    by_git=True,
    commands=commands,
    checks=checks,
)
