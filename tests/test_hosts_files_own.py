"""The file that PythonAnywhere loads, as it would; what systemd and nginx read on a server of one's own."""

from __future__ import annotations

import configparser
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.hosts import Plan
from tests.planned import START, file, planned
from tests.services import program
from tests.sites import clean_environment


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path)


@pytest.fixture
def door(plan: Plan) -> Iterator[Path]:
    """The file, for a site that lies where this test may put one."""
    text = file("pythonanywhere", "pythonanywhere_wsgi.py", plan._replace(user="ann"))
    assert 'SITE = "/home/ann/shop"' in text
    door = plan.root.parent / "ann_pythonanywhere_com_wsgi.py"
    door.write_text(text.replace("/home/ann/shop", str(plan.root)))
    (plan.root / "main.py").write_text("import os\nSEEN = dict(os.environ)\n\n\ndef application(environ, start): ...\n")
    before = list(sys.path)
    yield door
    sys.path[:] = before
    sys.modules.pop("main", None)


def test_wsgi_file_sets_the_variables_before_it_loads_the_site(
    door: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "main", raising=False)
    for name in ("DEMIJOHN_HOST", "SECRET_KEY", "DATABASE_URL", "COLOUR", "KEPT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("KEPT", "as it is")
    text = "# a=b\n\nSECRET_KEY=abc=\nexport DATABASE_URL='mysql://ann:p@h/ann$shop'\n COLOUR = \"red\" \nKEPT=new\n"
    Path(f"{plan.root}.env").write_text(text)
    found = runpy.run_path(str(door))
    seen = sys.modules["main"].SEEN
    assert found["application"] is sys.modules["main"].application
    assert seen["DEMIJOHN_HOST"] == "pythonanywhere"
    assert (seen["SECRET_KEY"], seen["DATABASE_URL"]) == ("abc=", "mysql://ann:p@h/ann$shop")
    assert (seen["COLOUR"], seen["KEPT"]) == ("red", "as it is")
    assert "# a" not in seen


def test_wsgi_file_that_is_not_copied_yet_loads_the_site_around_it(
    door: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "main", raising=False)
    monkeypatch.setenv("DEMIJOHN_HOST", "pythonanywhere")
    door.write_text(file("pythonanywhere", "pythonanywhere_wsgi.py", plan))  # of a user whom this machine lacks
    (plan.root / "index.wsgi").write_text("")
    found = runpy.run_path(str(door.rename(plan.root / "pythonanywhere_wsgi.py")))
    assert found["SITE"] == str(plan.root)
    assert found["application"] is sys.modules["main"].application


def test_printed_command_makes_the_variables_that_the_file_reads(plan: Plan) -> None:
    plan = plan._replace(user="ann")
    printed = next(line for line in hosts.find("pythonanywhere").commands(plan) if line.startswith("printf"))
    subprocess.run(["sh", "-c", printed.replace("/home/ann/", f"{plan.root.parent}/")], check=True)
    made = Path(f"{plan.root}.env")
    found = dict(line.split("=", 1) for line in made.read_text().splitlines())
    assert len(found["SECRET_KEY"]) > 40
    assert found["DATABASE_URL"] == "mysql://ann:PASSWORD@ann.mysql.pythonanywhere-services.com/ann$DATABASE"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_printed_release_of_pythonanywhere_has_the_variables(door: Path, plan: Plan) -> None:
    plan = plan._replace(user="ann", demijohn="PYTHONPATH=src python -m demijohn")
    door.rename(plan.root / "pythonanywhere_wsgi.py")
    url = f"sqlite:///{plan.root}/a b$c.sqlite"
    Path(f"{plan.root}.env").write_text(f"# a=b\nSECRET_KEY=abcdefghijklmnop-x\nDATABASE_URL={url}\n")
    commands = hosts.find("pythonanywhere").commands(plan)
    (release, _) = [line for line in commands if line.endswith(" db upgrade")]
    assert f"#   {release.removesuffix('db upgrade')}sessions clean --once" in commands
    python, *words = shlex.split(release.replace("/home/ann/", f"{plan.root.parent}/"))
    assert python == f"{plan.root}/.venv/bin/python"
    command = [sys.executable, words[0], "config", "--root", str(plan.root)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert re.search(rf"(?m)^. database.url +{re.escape(url)} +DATABASE_URL", done.stdout), done.stdout + done.stderr
    assert "SECRET_KEY" in done.stdout


def test_site_that_lies_at_pythonanywhere_already_stays_where_it_is(plan: Plan) -> None:
    lying = plan._replace(root=Path("/home/ann/sites/book"), user="ann")
    assert 'SITE = "/home/ann/sites/book"' in file("pythonanywhere", "pythonanywhere_wsgi.py", lying)
    assert "#   /static/  /home/ann/sites/book/static" in hosts.find("pythonanywhere").commands(lying)


# A server of one's own


def test_unit_of_systemd(plan: Plan, tmp_path: Path) -> None:
    text = file("vm", "server/shop.service", plan)
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    service = parser["Service"]
    assert service["ExecStart"] == f"/srv/shop/.venv/bin/{START}"
    assert service["ExecStartPre"] == "/usr/bin/env demijohn db upgrade"
    assert service["Type"] == "notify"
    assert float(service["TimeoutStopSec"]) == hosts.find("vm").limits.grace
    assert "ExecStartPre" not in file("vm", "server/shop.service", plan._replace(database=False))
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        return  # not among the programs that the tests need
    program = tmp_path / "bin" / "gunicorn"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "shop.service"
    unit.write_text(text.replace("/srv/shop/.venv/bin/gunicorn", str(program)))
    done = subprocess.run([verifier, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "shop.service" in line]  # it answers 0 whatever it says
    assert said == []


def test_site_of_nginx(plan: Plan, tmp_path: Path) -> None:
    text = file("vm", "server/shop.nginx.conf", plan._replace(body_limit=3 * 1024**2 + 1))
    bare = re.sub(r"(?m)^\s*#.*$", "", text)
    assert bare.count("{") == bare.count("}") == 5
    assert all(re.search(r"[;{}]$", line) for line in bare.splitlines() if line.strip())
    said = dict(re.findall(r"(?m)^\s*(\w+) ([^;{]+);", bare))
    assert said["client_max_body_size"] == "3073k"
    assert said["proxy_pass"] == "http://127.0.0.1:8000"
    assert float(said["proxy_read_timeout"].removesuffix("s")) == hosts.find("vm").limits.first_byte
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in bare
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in bare
    assert "alias /srv/shop/static/;" in bare
    nginx = program("nginx", "nginx-light")
    site = text.replace("listen 80;", "listen 127.0.0.1:18080;").replace("    listen [::]:80;\n", "")
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {site} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    subprocess.run([nginx, "-t", "-q", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], check=True)


def test_variables_of_a_server_are_those_of_its_profile(plan: Plan) -> None:
    lines = file("vm", "server/shop.env.example", plan._replace(workers=3)).splitlines()
    found = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert hosts.detect(found).name == "vm"
    assert (found["PORT"], found["WEB_CONCURRENCY"]) == (str(hosts.find("vm").port), "3")
    assert found["SECRET_KEY"] == ""  # an empty one counts as not set
    # The one folder that the service may write to.
    assert found["DATABASE_URL"] == "sqlite:////var/lib/shop/data.sqlite"
    assert "\nStateDirectory=shop\n" in file("vm", "server/shop.service", plan)
    assert "DATABASE_URL" not in file("vm", "server/shop.env.example", plan._replace(database=False))
