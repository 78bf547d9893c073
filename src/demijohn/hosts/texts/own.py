"""What a server of one's own wants: a unit of systemd, a site of nginx, a file of variables."""

from __future__ import annotations

import math

from demijohn.hosts.plan import Plan

_UNIT = """\
# Goes to /etc/systemd/system/{name}.service
[Unit]
Description={name}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
User={name}
Group={name}
WorkingDirectory={folder}
EnvironmentFile=/etc/{name}.env
Environment=PATH={folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
{release}ExecStart={folder}/.venv/bin/gunicorn main:app
ExecReload=/bin/kill -s HUP $MAINPID
# The first process tells the others to end; whoever is left after the time below is killed.
KillMode=mixed
TimeoutStopSec={grace:.0f}
Restart=on-failure
RestartSec=2
LimitNOFILE=65536
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=full
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""
_NGINX = """\
# Goes to /etc/nginx/sites-available/{name}, with a link to it in sites-enabled. TLS: certbot --nginx -d example.org
server {{
    listen 80;
    listen [::]:80;
    server_name example.org;
    client_max_body_size {body}k;

{static}    location / {{
        proxy_pass http://127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_read_timeout {request:.0f}s;
        proxy_set_header Host $http_host;
        # The visitor's address comes last, whatever the visitor has written before it.
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }}
}}
"""
_FOLDER = """\
    location {url}/ {{
        alias {folder}/{path}/;
        expires 1h;
        gzip_static on;
    }}
"""
_FILE = """\
    location = /{name} {{
        alias {folder}/{path}/{name};
        expires 1h;
    }}
"""
_VARIABLES = """\
# Goes to /etc/{name}.env, readable by root alone: systemd reads it. Comments stand on lines of their own.
DEMIJOHN_HOST=vm
PORT={port}
WEB_CONCURRENCY={workers}
# python3 -c 'import secrets; print(secrets.token_urlsafe(32))'
SECRET_KEY=
DATABASE_URL=
"""


def files(plan: Plan, port: int, grace: float, request: float) -> dict[str, str]:
    """They are copied from the folder `server` to where their first lines say."""
    return {
        f"server/{plan.name}.service": unit(plan, grace),
        f"server/{plan.name}.nginx.conf": nginx(plan, port, request),
        f"server/{plan.name}.env.example": _VARIABLES.format(name=plan.name, port=port, workers=plan.workers),
    }


def folder(plan: Plan) -> str:
    """Where the site lies on the server."""
    return f"/srv/{plan.name}"


def unit(plan: Plan, grace: float) -> str:
    # systemd looks programs up in places of its own; `env` looks them up in PATH.
    release = f"ExecStartPre=/usr/bin/env {plan.release}\n" if plan.release else ""
    return _UNIT.format(name=plan.name, folder=folder(plan), release=release, grace=grace)


def nginx(plan: Plan, port: int, request: float) -> str:
    static = ""
    if (plan.root / plan.static_path).is_dir():
        place = {"folder": folder(plan), "path": plan.static_path}
        static = _FOLDER.format(url=plan.static_url.rstrip("/"), **place)
        static += "".join(_FILE.format(name=name, **place) for name in plan.at_root)
    body = math.ceil(plan.body_limit / 1024)
    return _NGINX.format(name=plan.name, port=port, request=request, body=body, static=static)
