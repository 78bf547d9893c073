"""Dokku: Heroku's way of working on a server of your own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import merged
    from demijohn.hosts.texts.clouds import LIVE

    live = {"type": "startup", "name": "live", "path": LIVE, "attempts": 6, "wait": 5}
    wanted: dict[str, Any] = {"healthchecks": {"web": [live]}}
    if plan.database:
        wanted["cron"] = [{"command": f"{plan.demijohn} sessions clean --once", "schedule": "17 3 * * *"}]
    return {
        "Procfile": merged.procfile(plan, web=HOST.start, release=plan.release),
        ".python-version": merged.python_version(plan),
        "app.json": merged.json_file(plan, "app.json", wanted),
    }


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET

    name = plan.name
    database = [f"dokku postgres:create {name}-db", f"dokku postgres:link {name}-db {name}"]
    return [
        "# Once, on the server:",
        f"dokku apps:create {name}",
        *(database if plan.database else []),
        f'dokku config:set --no-restart {name} DEMIJOHN_HOST=dokku SECRET_KEY="{SECRET}"',
        f"dokku nginx:set {name} client-max-body-size {-(-plan.body_limit // 1024)}k",
        "# Here:",
        f"git remote add dokku dokku@SERVER:{name}",
        "# For each release:",
        "git push dokku HEAD:main",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import app_json

    return app_json(plan)


HOST = Host(
    name="dokku",
    title="Dokku",
    disk="forgets",  # each release is a new container
    database="postgresql",
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only its nginx reaches the container)
        "server.workers": 2,
    },
    release=("GIT_REV",),
    environ={"DEMIJOHN_HOST": "dokku", "DYNO": "web.1", "PORT": "5000"},
    pythons=("3.10", "3.11", "3.12", "3.13", "3.14"),
    port=5000,
    start="gunicorn main:app",
    limits=Limits(first_byte=60, grace=30),
    proxies=Proxies(hops=1, client="X-Forwarded-For", scheme="X-Forwarded-Proto"),
    logs="dokku logs NAME --tail",
    caution=(
        "Its containers have a DYNO like Heroku's, and nothing of which its documentation says that it stays: set "
        "DEMIJOHN_HOST=dokku. Its nginx lets 1 MB through until it is told more. Not verified here: GIT_REV."
    ),
    source="https://dokku.com/docs/deployment/zero-downtime-deploys/, "
    "https://dokku.com/docs/networking/proxies/nginx/, https://dokku.com/docs/appendices/file-formats/app-json/",
    files=files,
    by_git=True,
    commands=commands,
    checks=checks,
)
