"""Railway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan

#: Seconds that railway.json asks for; left alone, the host waits for none.
_GRACE = 30


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import clouds, merged

    wanted = clouds.railway_json(plan, _GRACE, 300)
    return {
        "railway.json": merged.json_file(plan, "railway.json", wanted),
        ".python-version": merged.python_version(plan),
    }


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET

    variables = ["--variables 'DATABASE_URL=${{Postgres.DATABASE_URL}}'"] if plan.database else []
    return [
        "# Once:",
        f"railway init --name {plan.name}",
        *(["railway add --database postgres"] if plan.database else []),
        " ".join([f"railway add --service {plan.name}", f'--variables "SECRET_KEY={SECRET}"', *variables]),
        "railway domain",
        "# For each release; it takes the folder as it is, without what .gitignore names:",
        "railway up",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import railway_json

    return railway_json(plan)


HOST = Host(
    name="railway",
    title="Railway",
    disk="forgets",
    database="postgresql",
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only its proxy reaches the service)
    },
    release=("RAILWAY_DEPLOYMENT_ID", "RAILWAY_GIT_COMMIT_SHA"),
    environ={"RAILWAY_ENVIRONMENT_NAME": "production", "RAILWAY_PUBLIC_DOMAIN": "site.up.railway.app", "PORT": "8080"},
    start="gunicorn main:app",
    access_log=True,
    limits=Limits(request=900, boot=300, grace=_GRACE),
    proxies=Proxies(hops=1, client="X-Real-IP", scheme="X-Forwarded-Proto"),
    https=True,
    request_id="X-Railway-Request-Id",
    logs="railway logs",
    caution=(
        "Where there is a Dockerfile it is built from that. Its health check comes with the Host "
        "healthcheck.railway.app. Left alone it kills the old release at once: railway.json says 30 s. Not verified "
        "here: X-Railway-Request-Id, RAILWAY_DEPLOYMENT_ID and RAILWAY_GIT_COMMIT_SHA, and the commands."
    ),
    source="https://docs.railway.com/config-as-code/reference, https://docs.railway.com/deployments/start-command",
    files=files,
    commands=commands,
    checks=checks,
)
