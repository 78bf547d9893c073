"""piku: `git push` to a machine of your own, where uWSGI loads the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from demijohn.hosts.host import Host

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan

#: What piku puts into the site's `server {}` of its nginx.
_INCLUDED = "piku.nginx.conf"


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import existing, merged

    wanted = {
        "DEMIJOHN_HOST": "piku",
        "PYTHONDONTWRITEBYTECODE": "1",
        "UWSGI_PROCESSES": str(plan.workers),
        "UWSGI_THREADS": str(plan.threads),
    }
    if (plan.root / plan.static_path).is_dir():
        wanted["NGINX_STATIC_PATHS"] = f"{plan.static_url.rstrip('/')}:{plan.static_path}"
    # Else its nginx lets 1 MB through. What somebody includes there himself is his.
    own = re.search(r"(?m)^\s*NGINX_INCLUDE_FILE\s*=\s*(.*?)\s*$", existing(plan.root, "ENV"))
    front = {}
    if own is None or own[1] == _INCLUDED:
        wanted["NGINX_INCLUDE_FILE"] = _INCLUDED
        front = {_INCLUDED: f"client_max_body_size {-(-plan.body_limit // 1024)}k;\n"}
    return {
        # With a line for web, which Heroku needs, piku says that it takes this one, and does.
        "Procfile": merged.procfile(plan, wsgi="main:application", release=plan.release),
        "ENV": merged.variables(plan, "ENV", wanted),
        **front,
    }


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET

    name = plan.name
    return [
        f"git remote add piku piku@SERVER:{name}",
        "# For each release:",
        "git push piku HEAD:main",
        "# Once: the first push makes the site known, and does not serve yet.",
        f'ssh piku@SERVER config:set {name} NGINX_SERVER_NAME=www.example.org SECRET_KEY="{SECRET}"',
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import piku_env

    return piku_env(plan)


HOST = Host(
    name="piku",
    title="piku",
    disk="kept",
    defaults={"environment": "production", "server.workers": 2, "server.threads": 4, "static.hash": "query"},
    environ={"DEMIJOHN_HOST": "piku"},
    port=None,
    door="main.py",
    forks=True,
    logs="piku logs NAME",
    caution=(
        "The headers X-Forwarded-... are the visitor's own there, and none is believed; uWSGI is told the address and "
        "the scheme by nginx itself. The release command runs after the new processes have been started, and its "
        "failure does not stop the push: the site must stand the tables of the release before. A $ in ENV is expanded."
    ),
    source="https://piku.github.io/configuration/env.html, https://piku.github.io/configuration/procfile.html",
    files=files,
    by_git=True,
    commands=commands,
    checks=checks,
)
