"""fly.toml, render.yaml, railway.json, app.json, piku's ENV, PythonAnywhere's WSGI file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from demijohn.findings import Finding
from demijohn.hosts.checks import line_of, read_json, read_mapping, read_yaml
from demijohn.hosts.plan import Plan
from demijohn.hosts.texts import existing


def fly_toml(plan: Plan, port: int) -> Iterator[Finding]:
    path = "fly.toml"
    text = existing(plan.root, path)
    if not text or sys.version_info < (3, 11):  # no tomllib
        return
    import tomllib

    values, unread = read_mapping("F261", path, text, tomllib.loads)
    yield from unread
    if not values:
        return
    if values.get("kill_signal", "SIGINT") != "SIGTERM":
        yield Finding(
            "F262",
            path,
            line_of(text, r"^\s*kill_signal"),
            "Fly sends SIGINT, upon which gunicorn hangs up on everybody at once.",
            'Write kill_signal = "SIGTERM" at the top, before the first section.',
        )
    service: Any = values.get("http_service", {})
    inner, listened = service.get("internal_port", 8080), str(values.get("env", {}).get("PORT", port))
    if service and str(inner) != listened:
        yield Finding(
            "F263",
            path,
            line_of(text, r"^\s*internal_port"),
            f"Fly asks port {inner}, and the site listens on {listened}.",
            f"Write internal_port = {listened}.",
        )


def render_yaml(plan: Plan) -> Iterator[Finding]:
    path = "render.yaml"
    text = existing(plan.root, path)
    values, unread = read_yaml("F264", path, text) if text else ({}, [])
    yield from unread
    services = values.get("services") if values else None
    web = [each for each in services if isinstance(each, dict)] if isinstance(services, list) else []
    web = [each for each in web if each.get("type") == "web"]
    if values and not web:
        yield Finding("F264", path, 0, "render.yaml has no service of the type web.", "demijohn deploy render.")
    for each in web:
        kind = each.get("runtime", each.get("env"))
        lacking = [name for name in ("name", "startCommand", "buildCommand") if not each.get(name)]
        if kind == "python" and lacking:
            message = f"A web service of render.yaml has no {', no '.join(lacking)}."
            yield Finding("F264", path, line_of(text, r"type:\s*web"), message, "demijohn deploy render writes it.")


def railway_json(plan: Plan) -> Iterator[Finding]:
    path = "railway.json"
    text = existing(plan.root, path)
    values, unread = read_json("F265", path, text) if text else ({}, [])
    yield from unread
    if not values:
        return
    deploy = values.get("deploy")
    deploy = deploy if isinstance(deploy, dict) else {}
    procfile = re.search(r"(?m)^web\s*:", existing(plan.root, "Procfile"))
    if not deploy.get("startCommand") and not procfile and not (plan.root / "Dockerfile").exists():
        message = "Nothing tells Railway how the site is started; it would run main.py, which ends at once."
        yield Finding("F265", path, line_of(text, '"deploy"'), message, 'Add "startCommand": "gunicorn main:app".')
    if not deploy.get("drainingSeconds"):
        message = "Railway kills the old release at once: requests that it is answering are cut off."
        yield Finding("F265", path, line_of(text, '"deploy"'), message, 'Add "drainingSeconds": 30.', "warning")


def app_json(plan: Plan) -> Iterator[Finding]:
    text = existing(plan.root, "app.json")
    values, unread = read_json("F266", "app.json", text) if text else ({}, [])
    yield from unread
    for name, value in (values.get("env") or {}).items():
        if name.endswith(("SECRET", "SECRET_KEY", "PASSWORD", "_URL")) and _given(value):
            message = f"The value of {name} stands in app.json, for everybody who can read the repository."
            fix = f'Write "{name}": {{"generator": "secret"}}, or set it with heroku config:set.'
            yield Finding("F266", "app.json", line_of(text, f'"{name}"'), message, fix)


def _given(value: object) -> bool:
    return bool(value.get("value") if isinstance(value, dict) else value)


def piku_env(plan: Plan) -> Iterator[Finding]:
    text = existing(plan.root, "ENV")
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#") and "=" not in line:
            message = "piku cannot read this line, and ignores the whole file for it."
            yield Finding("F267", "ENV", number, message, "Write NAME=VALUE, or begin the line with #.")
        elif re.search(r"(?<!\\)\$\w", line.partition("=")[2]):
            message = "piku puts the variable of that name in place of what follows a $."
            yield Finding("F267", "ENV", number, message, "Set it with piku config:set, if it is none.", "warning")


def pythonanywhere_file(plan: Plan) -> Iterator[Finding]:
    path = "pythonanywhere_wsgi.py"
    text = existing(plan.root, path)
    if not text:
        return
    line = line_of(text, r"/home/USER\b")
    if line:
        message = "The file names the folder of USER, who is nobody."
        yield Finding("F268", path, line, message, "demijohn deploy pythonanywhere --user NAME writes it.", "warning")
    if not re.search(r"(?m)^(from \S+ import .*\bapplication\b|application\s*=)", text):
        message = "PythonAnywhere looks for a name `application` in this file, and there is none."
        yield Finding("F268", path, 0, message, "Add: from main import application")
