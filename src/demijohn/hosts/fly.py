"""Fly.io."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan

#: Seconds that fly.toml asks for; left alone, the host waits for 5.
_GRACE = 30


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import clouds, docker

    return {**docker.files(plan, 8080, container="docker"), "fly.toml": clouds.fly_toml(plan, 8080, _GRACE)}


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET

    name = plan.name
    database = [f"fly postgres create --name {name}-db", f"fly postgres attach {name}-db --app {name}"]
    return [
        "# Once. The name must be nobody else's; a new one also goes into fly.toml:",
        f"fly apps create {name}",
        *(database if plan.database else []),
        f'fly secrets set SECRET_KEY="{SECRET}"',
        "# For each release:",
        "fly deploy",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import fly_toml
    from demijohn.hosts.checks.docker import image

    yield from fly_toml(plan, 8080)
    yield from image(plan)


HOST = Host(
    name="fly",
    title="Fly.io",
    disk="forgets",  # a machine starts from its image; only a volume is kept
    database="postgresql",
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only its proxy reaches the machine)
    },
    release=("FLY_MACHINE_VERSION", "FLY_IMAGE_REF"),
    environ={
        "FLY_APP_NAME": "site",
        "FLY_MACHINE_ID": "148e306b",
        "FLY_REGION": "fra",
        "PRIMARY_REGION": "fra",
        "PORT": "8080",
    },
    start="gunicorn main:app",
    access_log=True,
    limits=Limits(grace=_GRACE, memory=256),
    proxies=Proxies(hops=1, client="Fly-Client-IP", scheme="X-Forwarded-Proto", own=("Fly-",)),
    https=True,
    request_id="Fly-Request-Id",
    logs="fly logs",
    caution=(
        "Left alone it sends SIGINT and waits for 5 s: fly.toml says SIGTERM and 30 s. Its release command is not run "
        "by a shell. `fly postgres` is a database that you look after; the one that Fly looks after is `fly mpg`. Not "
        "verified here: 256 MB on the smallest machine, Fly-Request-Id, and FLY_MACHINE_VERSION and FLY_IMAGE_REF."
    ),
    source="https://fly.io/docs/reference/configuration/, https://fly.io/docs/networking/request-headers/",
    files=files,
    commands=commands,
    checks=checks,
)
