"""Dockerfile and its neighbours, fly.toml, render.yaml, railway.json."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demijohn import hosts
from demijohn.hosts import Plan
from tests.planned import LIVE, START, file, planned


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path)


@pytest.mark.parametrize("host", ["docker", "cloudrun", "fly", "sae-container"])
def test_dockerfile(host: str, plan: Plan) -> None:
    lines = file(host, "Dockerfile", plan._replace(python="3.12")).splitlines()
    said = [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]
    first, last = [index for index, (word, _) in enumerate(said) if word == "FROM"]
    assert [said[index][1] for index in (first, last)] == ["python:3.12 AS packages", "python:3.12-slim"]
    final = dict(said[last:])
    variables = dict(item.split("=", 1) for item in shlex.split(final["ENV"]))
    assert variables["PYTHONDONTWRITEBYTECODE"] == variables["PYTHONUNBUFFERED"] == "1"
    assert final["EXPOSE"] == variables["PORT"] == str(hosts.find(host).port)
    assert final["USER"] not in ("root", "0")
    assert json.loads(final["CMD"]) == shlex.split(hosts.find(host).start)  # a list: no shell keeps SIGTERM to itself
    assert said[-1][0] == "CMD"
    words = [word for word, _ in said[last:]]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("COPY", "RUN"))
    assert not any(re.search(r"\bpip\b|apt|gcc", text) for _, text in said[last:])
    detected = hosts.detect({**variables, **({} if host == "docker" else hosts.find(host).environ)})
    assert detected.name == host
    if host == "sae-container":
        assert hosts.detect(variables).name == host


def test_bytecode_of_the_image_can_be_made(plan: Plan) -> None:
    """The line of the Dockerfile that compiles, on this Python."""
    (plan.root / "main.py").write_text("app = None\n")
    line = next(line for line in file("docker", "Dockerfile", plan).splitlines() if "compileall" in line)
    words = shlex.split(line.removeprefix("RUN python"))
    subprocess.run([sys.executable, *words], cwd=plan.root, check=True)
    (made,) = plan.root.glob("__pycache__/main.*.pyc")
    assert made.read_bytes()[4:8] == b"\x01\0\0\0"  # PEP 552: hashed, not checked


def test_dockerignore_leaves_secrets_and_tests_out(plan: Plan) -> None:
    text = file("docker", ".dockerignore", plan)
    assert {".git", "tests", ".venv", "**/*.env", "**/.env", "**/app.secret.yaml"} <= set(text.splitlines())
    assert not {"app", "views", "static", "src", "site-packages", "requirements.txt", "migrations"} & set(text.split())


# fly.toml, render.yaml, railway.json


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_fly_toml(plan: Plan) -> None:
    """The keys and types of SchemaStore's fly.json, and of Fly's own reference."""
    import tomllib

    text = file("fly", "fly.toml", plan._replace(demijohn="PYTHONPATH=src python -m demijohn"))
    found = tomllib.loads(text)
    assert found["app"] == "shop"
    assert found["kill_signal"] == "SIGTERM"
    assert found["kill_timeout"] == hosts.find("fly").limits.grace
    assert found["build"] == {"dockerfile": "Dockerfile"}
    # Not run by a shell: it begins with a program.
    assert found["deploy"] == {"release_command": "env PYTHONPATH=src python -m demijohn db upgrade"}
    service = found["http_service"]
    assert service["internal_port"] == int(found["env"]["PORT"]) == hosts.find("fly").port
    assert service["force_https"] is service["auto_start_machines"] is True
    assert service["concurrency"] == {"type": "requests", "soft_limit": 16}
    assert [check["path"] for check in service["checks"]] == [LIVE]
    assert all(isinstance(value, str) for value in found["env"].values())


def test_render_yaml(plan: Plan) -> None:
    """The fields of Render's Blueprint reference."""
    (plan.root / "render.yaml").write_text(file("render", "render.yaml", plan))
    found = yaml.safe_load((plan.root / "render.yaml").read_text())
    (service,), (database,) = found["services"], found["databases"]
    assert (service["type"], service["runtime"], service["name"]) == ("web", "python", "shop")
    assert service["startCommand"] == START
    assert service["preDeployCommand"] == "demijohn db upgrade"
    assert service["buildCommand"] == "pip install --requirement requirements.txt"
    assert service["healthCheckPath"] == LIVE
    assert service["maxShutdownDelaySeconds"] == hosts.find("render").limits.grace
    assert 1 <= service["maxShutdownDelaySeconds"] <= 300
    secret, url = service["envVars"]
    assert secret == {"key": "SECRET_KEY", "generateValue": True}
    assert url["fromDatabase"] == {"name": database["name"], "property": "connectionString"}
    assert "databases" not in yaml.safe_load(file("render", "render.yaml", plan._replace(database=False)))


def test_railway_json(plan: Plan) -> None:
    """The fields of Railway's reference of config as code."""
    found = json.loads(file("railway", "railway.json", plan))
    assert found.keys() == {"$schema", "build", "deploy"}
    assert found["build"] == {"builder": "RAILPACK"}
    deploy = found["deploy"]
    assert deploy["startCommand"] == START
    assert deploy["preDeployCommand"] == ["demijohn db upgrade"]
    assert deploy["healthcheckPath"] == LIVE
    assert deploy["restartPolicyType"] in ("ON_FAILURE", "ALWAYS", "NEVER")
    assert deploy["drainingSeconds"] == hosts.find("railway").limits.grace
    assert deploy["healthcheckTimeout"] == hosts.find("railway").limits.boot


@pytest.mark.parametrize("name", ["on", "null", "shop", "No"])
def test_a_name_that_yaml_takes_for_something_else_stays_a_name(name: str, plan: Plan) -> None:
    found = yaml.safe_load(file("render", "render.yaml", plan._replace(name=name)))
    assert found["services"][0]["name"] == name
    assert yaml.safe_load(file("sae", "config.yaml", plan._replace(name=name)))["name"] == name


def test_database_of_render_is_for_its_own_services_alone(plan: Plan) -> None:
    (database,) = yaml.safe_load(file("render", "render.yaml", plan))["databases"]
    assert database["ipAllowList"] == []


def test_variables_of_railway_are_set_as_they_are_to_be_read_there(plan: Plan) -> None:
    """Its own Postgres is named by ${{...}}, which no shell may touch."""
    (line,) = [line for line in hosts.find("railway").commands(plan) if line.startswith("railway add --service")]
    said = subprocess.check_output(["sh", "-c", f'railway() {{ printf "%s\\n" "$@"; }}; {line}'], text=True)
    words = said.splitlines()
    assert words[:3] == ["add", "--service", "shop"]
    assert words[3] == words[5] == "--variables"
    assert re.fullmatch(r"SECRET_KEY=[\w-]{40,}", words[4])
    assert words[6:] == ["DATABASE_URL=${{Postgres.DATABASE_URL}}"]
