"""Render."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import clouds, merged

    return {"render.yaml": clouds.render_yaml(plan, 30), ".python-version": merged.python_version(plan)}


def commands(plan: Plan) -> list[str]:
    return [
        "# To the site's repository at GitHub, GitLab or Bitbucket; a new one is named by: git remote add origin URL",
        "git push --set-upstream origin HEAD",
        "# Once, in the dashboard: New, Blueprint, and this repository. render.yaml says the rest.",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import render_yaml

    return render_yaml(plan)


HOST = Host(
    name="render",
    title="Render",
    disk="forgets",
    database="postgresql",
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only its proxy reaches the service)
    },
    release=("RENDER_GIT_COMMIT",),
    environ={"RENDER": "true", "PORT": "10000"},
    port=10_000,
    start="gunicorn main:app",
    access_log=True,
    limits=Limits(grace=30, memory=512),
    proxies=Proxies(hops=2, client="X-Forwarded-For", scheme="X-Forwarded-Proto"),  # Cloudflare's, then its own
    https=True,
    logs="render logs --tail",
    caution=(
        "A service of the free plan sleeps after 15 minutes and cannot run the release command. Not verified here: "
        "that of the free plan, 512 MB of memory, that two proxies append to X-Forwarded-For, and RENDER_GIT_COMMIT."
    ),
    source="https://render.com/docs/blueprint-spec, https://render.com/docs/environment-variables",
    files=files,
    by_git=True,
    commands=commands,
    checks=checks,
)
