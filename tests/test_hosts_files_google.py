"""The files for Google: app.yaml by Google's own reader, .gcloudignore by git."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from demijohn import hosts
from demijohn.hosts import Plan
from tests.planned import START, deployed, file, planned


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path)


@pytest.fixture(scope="module")
def google() -> Any:
    """Google's own readers. Their packages use what Python is about to drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("google.appengine.api.appinfo")


def app_yaml(google: Any, text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return google.LoadSingleAppInfo(text)


@pytest.mark.parametrize("python", hosts.find("gae").pythons)
def test_app_yaml_is_taken_by_google(google: Any, python: str, plan: Plan) -> None:
    found = app_yaml(google, file("gae", "app.yaml", plan._replace(python=python)))
    assert found.runtime == f"python{python.replace('.', '')}"
    assert found.entrypoint == f"exec {START}"
    assert found.inbound_services == ["warmup"]
    assert found.includes == ["app.secret.yaml"]
    static, robots, rest = found.handlers
    assert (static.url, static.static_dir) == ("/static", "static")
    assert (robots.url, robots.static_files) == (r"/robots\.txt", "static/robots.txt")
    assert re.fullmatch(robots.upload, robots.static_files)
    assert (rest.url, rest.script) == ("/.*", "auto")
    assert {handler.secure for handler in found.handlers} == {"always"}


def test_app_yaml_without_static_files_sends_all_to_the_site(google: Any, plan: Plan, tmp_path: Path) -> None:
    found = app_yaml(google, file("gae", "app.yaml", plan._replace(root=tmp_path)))
    assert [handler.url for handler in found.handlers] == ["/.*"]


def test_secrets_of_app_engine_are_included_and_kept_back(google: Any, plan: Plan) -> None:
    """The command that is printed makes a file that Google's reader takes as a part of app.yaml."""
    files = deployed("gae", plan)
    printed = next(line for line in hosts.find("gae").commands(plan) if line.startswith("printf"))
    subprocess.run(["sh", "-c", printed], cwd=plan.root, check=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = google.LoadAppInclude((plan.root / "app.secret.yaml").read_text())
    assert len(found.env_variables["SECRET_KEY"]) > 40
    assert found.env_variables["INSTANCE_UNIX_SOCKET"] == "/cloudsql/PROJECT:REGION:INSTANCE"
    assert "app.secret.yaml" in files[".gcloudignore"].splitlines()
    assert "/app.secret.yaml" in files[".gitignore"].splitlines()


def test_gcloudignore_names_what_is_not_the_site(plan: Plan) -> None:
    """Its patterns are git's, so git says what they leave."""
    deployed("gae", plan)
    shutil.copy(plan.root / ".gcloudignore", plan.root / ".gitignore")
    out = ["tests/test_shop.py", "docs/a.md", "benchmarks/b.py", ".venv/pyvenv.cfg", "shop.env", ".env", "data.sqlite"]
    out += ["app.secret.yaml", "app/__pycache__/a.pyc", "pyproject.toml", ".git/config", ".gcloudignore"]
    stays = ["app.yaml", "main.py", "index.wsgi", "config.yaml", "gunicorn.conf.py", "requirements.txt", "views/a.html"]
    stays += ["static/robots.txt", "app/__init__.py", "app/tests.py", "src/demijohn/site.py", "site-packages/bottle.py"]
    stays += ["migrations/versions/1.py", "app/docs/a.html"]
    subprocess.run(["git", "init", "--quiet"], cwd=plan.root, check=True)
    asked = [name for name in (*out, *stays) if not name.startswith(".git/")]
    command = ["git", "check-ignore", "--no-index", *asked]
    done = subprocess.run(command, cwd=plan.root, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == {name for name in out if not name.startswith(".git/")}
    assert "/.git" in (plan.root / ".gcloudignore").read_text().splitlines()


def test_cloud_run_builds_the_image_that_it_uploads(plan: Plan) -> None:
    files = hosts.find("cloudrun").files(plan)
    assert "/Dockerfile" not in files[".gcloudignore"].splitlines()
    assert files["Dockerfile"] == file("docker", "Dockerfile", plan)
