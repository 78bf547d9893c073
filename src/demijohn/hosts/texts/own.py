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
# Nothing can be written but /tmp, which is the service's own, and /var/lib/{name}. ReadWritePaths= names more folders.
StateDirectory={name}
UMask=0077
ProtectSystem=strict
PrivateTmp=yes
ProtectHome=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

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
        # Set, not added to what the visitor has written.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Request-ID $request_id;
    }}
}}
"""
_FOLDER = """\
    location {url}/ {{
        alias {folder}/{path}/;
        expires 1h;
        add_header X-Content-Type-Options nosniff;
        gzip_static on;
        gzip on;
        gzip_vary on;
        gzip_types text/css text/plain text/javascript application/javascript application/json image/svg+xml;
        location ~ /\\. {{
            return 404;
        }}
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
{database}"""
_DATABASE = """\
# SQLite, in the one folder that the service may write to; or mysql://user:password@host/name, or postgresql://
DATABASE_URL=sqlite:////var/lib/{name}/data.sqlite
"""


def files(plan: Plan, port: int, grace: float, request: float) -> dict[str, str]:
    """They are copied from the folder `server` to where their first lines say."""
    return {
        f"server/{plan.name}.service": unit(plan, grace),
        f"server/{plan.name}.nginx.conf": nginx(plan, port, request),
        f"server/{plan.name}.env.example": variables(plan, port),
    }


def folder(plan: Plan) -> str:
    """Where the site lies on the server."""
    return f"/srv/{plan.name}"


def unit(plan: Plan, grace: float) -> str:
    # systemd looks programs up in places of its own; `env` looks them up in PATH.
    release = f"ExecStartPre=/usr/bin/env {plan.release}\n" if plan.release else ""
    return _UNIT.format(name=plan.name, folder=folder(plan), release=release, grace=grace)


def variables(plan: Plan, port: int) -> str:
    database = _DATABASE.format(name=plan.name) if plan.database else ""
    return _VARIABLES.format(name=plan.name, port=port, workers=plan.workers, database=database)


def nginx(plan: Plan, port: int, request: float) -> str:
    static = ""
    if (plan.root / plan.static_path).is_dir():
        place = {"folder": folder(plan), "path": plan.static_path}
        static = _FOLDER.format(url=plan.static_url.rstrip("/"), **place)
        static += "".join(_FILE.format(name=name, **place) for name in plan.at_root)
    body = math.ceil(plan.body_limit / 1024)
    return _NGINX.format(name=plan.name, port=port, request=request, body=body, static=static)
