"""fly.toml, render.yaml, railway.json."""

from __future__ import annotations

import json
from typing import Any

from demijohn.hosts.plan import Plan
from demijohn.hosts.texts import without_shell
from demijohn.hosts.texts.yaml import quoted

#: Answers as long as the process does, and touches nothing.
LIVE = "/_health/live"

_FLY = """\
app = {name}
# Without it SIGINT is sent, upon which gunicorn hangs up on everybody.
kill_signal = "SIGTERM"
kill_timeout = {grace:.0f}

[build]
dockerfile = "Dockerfile"

[env]
PORT = "{port}"
{release}
[http_service]
internal_port = {port}
force_https = true
auto_stop_machines = "stop"
auto_start_machines = true
min_machines_running = 0

[http_service.concurrency]
type = "requests"
soft_limit = {requests}

[[http_service.checks]]
method = "GET"
path = "{live}"
grace_period = "15s"
interval = "15s"
timeout = "5s"
"""
_RENDER = """\
services:
- type: web
  name: {name}
  runtime: python
  # The free plan has no preDeployCommand.
  plan: starter
  buildCommand: pip install --requirement requirements.txt
{release}  startCommand: gunicorn main:app
  healthCheckPath: {live}
  maxShutdownDelaySeconds: {grace:.0f}
  envVars:
  - key: SECRET_KEY
    generateValue: true
{database}"""
_RENDER_URL = """\
  - key: DATABASE_URL
    fromDatabase:
      name: {name}-db
      property: connectionString
databases:
- name: {name}-db
  # No address of the world outside: only Render's own services reach it.
  ipAllowList: []
"""


def fly_toml(plan: Plan, port: int, grace: float) -> str:
    release = f"\n[deploy]\nrelease_command = {json.dumps(without_shell(plan.release))}\n" if plan.release else ""
    return _FLY.format(
        name=json.dumps(plan.name),
        port=port,
        grace=grace,
        release=release,
        requests=plan.workers * plan.threads,
        live=LIVE,
    )


def render_yaml(plan: Plan, grace: float) -> str:
    release = f"  preDeployCommand: {json.dumps(plan.release)}\n" if plan.release else ""
    database = _RENDER_URL.format(name=plan.name) if plan.database else ""
    return _RENDER.format(name=quoted(plan.name), release=release, live=LIVE, grace=grace, database=database)


def railway_json(plan: Plan, grace: float, boot: float) -> dict[str, Any]:
    """Without a start command the host would run main.py, which serves nobody, and end."""
    deploy: dict[str, Any] = {"startCommand": "gunicorn main:app"}
    if plan.release:
        deploy["preDeployCommand"] = [without_shell(plan.release)]  # an image is started without one
    deploy |= {
        "healthcheckPath": LIVE,
        "healthcheckTimeout": int(boot),
        "restartPolicyType": "ON_FAILURE",
        "drainingSeconds": int(grace),
    }
    return {
        "$schema": "https://railway.com/railway.schema.json",
        "build": {"builder": "RAILPACK"},
        "deploy": deploy,
    }
