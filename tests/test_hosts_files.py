"""The files that hosts want, each read by the reader that the host itself has, or one that knows the same rules: what
holds for all of them; Procfile and its neighbours; config.yaml."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from honcho.environ import parse_procfile

from demijohn import hosts
from demijohn.hosts import Plan
from tests.planned import LIVE, START, deployed, file, planned

NAMES = [name for name in hosts.MARKS if name != "local"]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path)


@pytest.mark.parametrize("host", NAMES)
def test_files_are_text_that_ends_and_lie_in_the_site(host: str, plan: Plan) -> None:
    files = hosts.find(host).files(plan)
    assert files
    for name, text in files.items():
        assert not name.startswith(("/", "..")), name
        assert re.search(r"[^\n]\n\Z", text), name
        assert "\r" not in text
        assert not re.search(r"[{]\w+[}]", text), name  # nothing left to fill in


@pytest.mark.parametrize("host", NAMES)
def test_written_twice_they_are_the_same(host: str, plan: Plan) -> None:
    plan = plan._replace(user="ann")
    files = deployed(host, plan)
    assert dict(hosts.find(host).files(plan)) == files
    assert list(hosts.find(host).checks(plan)) == []


def test_all_hosts_together_are_at_peace(plan: Plan) -> None:
    """One folder for every host: what is written for one is not taken back for the next."""
    for host in NAMES:
        deployed(host, plan)
    again = [host for host in NAMES if host != "sae-container"]  # whose Dockerfile is another
    for host in again:
        changed = [name for name, text in deployed(host, plan).items() if file(host, name, plan) != text]
        assert changed == []
    processes = parse_procfile((plan.root / "Procfile").read_text()).processes
    assert list(processes) == ["web", "release", "wsgi"]


@pytest.mark.parametrize("host", NAMES)
def test_commands_can_be_typed(host: str, plan: Plan) -> None:
    files = hosts.find(host).files(plan)
    lines = hosts.find(host).commands(plan)
    typed = [line for line in lines if not line.startswith("#")]
    assert typed
    assert not re.search(r"[{]\w+[}]", "\n".join(typed).replace("${{Postgres.DATABASE_URL}}", ""))
    for line in typed:
        assert shlex.split(line)
        subprocess.run(["sh", "-n", "-c", line], check=True)
        for name in re.findall(rf"(?:/srv/shop|/home/{plan.user}/shop)/(\S+)", line):
            known = name in files or (plan.root / name).exists() or name.startswith((".venv", "static"))
            assert known, f"{line}: there is no {name}"


@pytest.mark.parametrize("host", NAMES)
def test_no_secret_is_written(host: str, plan: Plan) -> None:
    for name, text in hosts.find(host).files(plan).items():
        assert not re.search(r"SECRET_KEY\s*[:=][ \t]*[\"']?[A-Za-z0-9_-]{8}", text), name


@pytest.mark.parametrize("host", NAMES)
def test_site_without_a_database_wants_none(host: str, plan: Plan) -> None:
    plan = plan._replace(database=False)
    whole = "\n".join([*hosts.find(host).files(plan).values(), *hosts.find(host).commands(plan)])
    assert "demijohn db" not in whole
    assert not re.search(r"(?m)^(release|preDeployCommand|\[deploy\])", whole)
    assert "postgres" not in whole.lower() or "postgresql://" in whole


# Procfile and its neighbours


@pytest.mark.parametrize("host", ["heroku", "dokku"])
def test_procfile(host: str, plan: Plan) -> None:
    processes = parse_procfile(file(host, "Procfile", plan)).processes
    assert dict(processes) == {"web": START, "release": "demijohn db upgrade"}
    assert hosts.find(host).start == processes["web"]


def test_piku_takes_the_module_for_uwsgi(plan: Plan) -> None:
    processes = parse_procfile(file("piku", "Procfile", plan._replace(migrations=False))).processes
    assert dict(processes) == {"wsgi": "main:application", "release": "demijohn db create"}
    # piku.py: parse_settings splits at the first =, and gives the whole file up for a line without one
    found = dict(line.split("=", 1) for line in file("piku", "ENV", plan).splitlines())
    assert found["DEMIJOHN_HOST"] == "piku"
    assert found["NGINX_STATIC_PATHS"] == "/static:static"
    assert (found["UWSGI_PROCESSES"], found["UWSGI_THREADS"]) == ("2", "8")


def test_piku_s_nginx_is_told_how_much_to_let_through(plan: Plan) -> None:
    found = hosts.find("piku").files(plan._replace(body_limit=3 * 1024**2 + 1))
    assert "NGINX_INCLUDE_FILE=piku.nginx.conf\n" in found["ENV"]
    assert found["piku.nginx.conf"] == "client_max_body_size 3073k;\n"
    (plan.root / "ENV").write_text("NGINX_INCLUDE_FILE=piku.nginx.conf\n")
    assert "piku.nginx.conf" in hosts.find("piku").files(plan)
    (plan.root / "ENV").write_text("NGINX_INCLUDE_FILE = my.conf\n")
    found = hosts.find("piku").files(plan)
    assert (set(found), found["ENV"].count("NGINX_INCLUDE_FILE")) == ({"Procfile", "ENV"}, 1)


def test_processes_of_others_stay(plan: Plan) -> None:
    (plan.root / "Procfile").write_text("# ours\nworker: python jobs.py\nweb: python main.py\n\nclock: python b.py")
    assert file("heroku", "Procfile", plan) == (
        "# ours\nworker: python jobs.py\nweb: gunicorn main:app\n\nclock: python b.py\nrelease: demijohn db upgrade\n"
    )


def test_variables_of_others_stay(plan: Plan) -> None:
    (plan.root / "ENV").write_text("UWSGI_PROCESSES=7\nCOLOUR=red")
    assert file("piku", "ENV", plan).startswith("UWSGI_PROCESSES=7\nCOLOUR=red\nDEMIJOHN_HOST=piku\n")
    assert file("piku", "ENV", plan).count("UWSGI_PROCESSES") == 1


@pytest.mark.parametrize(("found", "text"), [(None, "3.13\n"), ("3.13.1\n", "3.13.1\n"), ("3.12\n", "3.13\n")])
def test_python_version(found: str | None, text: str, plan: Plan) -> None:
    # heroku-buildpack-python lib/python_version.sh: the number alone, no quotes, no `python-`
    if found is not None:
        (plan.root / ".python-version").write_text(found)
    assert file("heroku", ".python-version", plan) == text
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?\n", text)


def test_app_json_of_heroku(plan: Plan) -> None:
    """Heroku's schema: name ^[a-zA-Z-_.]+, at most 300; env of objects; addons and buildpacks lists; no other keys."""
    found = json.loads(file("heroku", "app.json", plan))
    assert found.keys() == {"name", "env", "formation", "buildpacks", "addons"}
    assert re.match(r"[a-zA-Z_.-]+", found["name"])
    assert found["env"]["SECRET_KEY"]["generator"] == "secret"
    assert found["addons"] == ["heroku-postgresql:essential-0"]
    assert all(set(each) == {"url"} for each in found["buildpacks"])
    assert found["formation"]["web"] == {"quantity": 1}


def test_app_json_of_dokku(plan: Plan) -> None:
    found = json.loads(file("dokku", "app.json", plan))
    check = found["healthchecks"]["web"][0]
    assert (check["type"], check["path"]) == ("startup", LIVE)
    assert {type(check[name]) for name in ("attempts", "wait")} == {int}
    assert found["cron"] == [{"command": "demijohn sessions clean --once", "schedule": "17 3 * * *"}]


def test_what_stands_in_app_json_is_stronger(plan: Plan) -> None:
    (plan.root / "app.json").write_text('{"name": "Böök", "env": {"COLOUR": "red"}, "keywords": ["x"]}')
    text = file("heroku", "app.json", plan)
    found = json.loads(text)
    assert found["name"] == "Böök"
    assert "Böök" in text
    assert found["env"].keys() == {"COLOUR", "SECRET_KEY"}
    assert found["keywords"] == ["x"]
    (plan.root / "app.json").write_text(text.replace("  ", "    "))  # laid out by somebody else
    assert file("heroku", "app.json", plan) == text.replace("  ", "    ")


# config.yaml of SAE

SAE = """\
name: shop
version: 1
handlers:
- url: /static/
  static_path: static
- url: /robots.txt
  static_path: static/robots.txt
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", SAE),
        ("# mine\nname: book\nversion: 3\nhandlers: []\n", "# mine\nname: book\nversion: 3\nhandlers: []\n"),
        ("demijohn:\n  database.idle: 5  # s\n", SAE + "\ndemijohn:\n  database.idle: 5  # s\n"),
        ("# ours\n#two\ndemijohn: {}", SAE + "\n# ours\n#two\ndemijohn: {}\n"),
        ("cron:\n- url: /a\n\n\n# x\ndemijohn:\n", "cron:\n- url: /a\n" + SAE + "\n\n# x\ndemijohn:\n"),
        ("demijohn: {}\nname: a\n", SAE.replace("name: shop\n", "") + "\ndemijohn: {}\nname: a\n"),
        ("worker: wsgi", "worker: wsgi\n" + SAE),
        ('"name": a\nversion: 2\n', '"name": a\nversion: 2\n' + SAE.partition("version: 1\n")[2]),
        ("{name: a}\n", "{name: a}\n"),  # takes no more lines
        ("name: [\n", "name: [\n"),
        ("- 1\n", "- 1\n"),
    ],
)
def test_config_yaml_keeps_every_letter(before: str, after: str, plan: Plan) -> None:
    (plan.root / "config.yaml").write_text(before)
    found = file("sae", "config.yaml", plan)
    assert found == after or found + "\n" == after
    removed = [line for line in before.splitlines() if line not in found.splitlines()]
    assert removed == []


def test_config_yaml_is_what_saes_development_server_wants(plan: Plan) -> None:
    """dev_server.py: name and version are needed; a handler has url and static_path, a folder or a file."""
    found = yaml.safe_load(file("sae", "config.yaml", plan))
    assert (found["name"], found["version"]) == ("shop", 1)
    for handler in found["handlers"]:
        assert (plan.root / handler["static_path"]).is_dir() is handler["url"].endswith("/")
