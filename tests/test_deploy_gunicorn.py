"""How gunicorn is set for each host: gunicorn itself is asked what it has made of gunicorn.conf.py."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from demijohn import hosts
from demijohn.deploy.gunicorn import settings
from demijohn.hosts import Host, Limits, Proxies
from tests.readonly import Sealed
from tests.services import HOST, PATIENCE, free_port, until
from tests.sites import ROOT, answers, clean_environment

NAMES = [name for name in hosts.MARKS if hosts.find(name).start]
#: What a site says of itself, and of what the database says to it.
APP = """
import json, os
def app(environ, start_response):
    start_response("200 OK", [])
    named = {name: value for name, value in os.environ.items() if name.startswith("DEMIJOHN_")}
    return [json.dumps({"scheme": environ["wsgi.url_scheme"], "path": environ["SCRIPT_NAME"], **named}).encode()]
"""
#: Reads gunicorn's settings as `gunicorn` does, for one host after the other.
ASK = """
import json, os, sys
from gunicorn.app.wsgiapp import WSGIApplication
sys.argv[1:] = ["main:app"]
found = {}
for name, environ in json.load(sys.stdin).items():
    os.environ.update(environ)
    app = WSGIApplication()
    read = app.cfg.settings
    app.cfg.logger_class(app.cfg).info("a line, which is looked through for secrets")
    found[name] = {key: setting.get() for key, setting in read.items() if key in {KEYS}}
    for variable in environ:
        del os.environ[variable]
    assert not any(module.partition(".")[0] in ("demijohn", "bottle", "sqlalchemy") for module in sys.modules)
print(json.dumps(found, default=str))
"""
KEYS = (
    *("bind", "worker_class", "workers", "threads", "timeout", "graceful_timeout", "keepalive", "forwarded_allow_ips"),
    *("secure_scheme_headers", "forwarder_headers", "accesslog", "control_socket_disable"),
)
ROUTED = {
    "forwarded_allow_ips": ["*"],
    "secure_scheme_headers": {"X-FORWARDED-PROTO": "https"},
    "forwarder_headers": [],
}
UNROUTED = {"forwarded_allow_ips": ["127.0.0.1", "::1"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with gunicorn.conf.py and little else."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "gunicorn.conf.py").write_text((ROOT / "gunicorn.conf.py").read_text())
    (folder / "config.yaml").write_text("name: trial\ndemijohn:\n  server:\n    threads: 6\n")
    (folder / "main.py").write_text(APP)
    return folder


@pytest.fixture(scope="module")
def read(folder: Path) -> dict[str, dict[str, Any]]:
    """What gunicorn reads, by the host."""
    environs = {name: {**hosts.find(name).environ, "DEMIJOHN_HOST": name} for name in (*NAMES, "local")}
    done = subprocess.run(
        [sys.executable, "-c", ASK.replace("{KEYS}", repr(KEYS))],
        cwd=folder,
        env=clean_environment(),
        input=json.dumps(environs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_gunicorn_is_more_patient_than_the_router_and_less_than_the_host(
    name: str, read: dict[str, dict[str, Any]]
) -> None:
    limits, found = hosts.find(name).limits, read[name]
    assert (found["worker_class"], found["threads"], found["control_socket_disable"]) == ("gthread", 6, True)
    for patience in (limits.first_byte, limits.request):
        assert patience is None or found["timeout"] < patience
    assert limits.grace is None or 0 < found["graceful_timeout"] < limits.grace
    assert limits.keep_alive is None or found["keepalive"] > limits.keep_alive
    assert (found["timeout"] == 0) is hosts.find(name).freezes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("heroku", {"bind": ["0.0.0.0:5000"], "workers": 2, "keepalive": 100, "accesslog": None, **ROUTED}),
        ("heroku", {"timeout": 25, "graceful_timeout": 25}),
        ("gae", {"bind": ["0.0.0.0:8081"], "workers": 2, "keepalive": 75, "accesslog": None, **ROUTED}),
        ("gae", {"timeout": 0, "graceful_timeout": 2}),
        ("cloudrun", {"bind": ["0.0.0.0:8080"], "timeout": 0, "graceful_timeout": 8, **ROUTED}),
        ("sae-container", {"bind": ["0.0.0.0:5050"], "workers": 2, **UNROUTED}),
        ("vm", {"bind": ["127.0.0.1:8000"], "workers": 2, **UNROUTED}),
        ("local", {"bind": ["127.0.0.1:8080"], "workers": 1, "accesslog": None, **UNROUTED}),
        ("local", {"timeout": 30, "graceful_timeout": 30, "keepalive": 2}),
    ],
)
def test_what_gunicorn_reads(name: str, expected: dict[str, Any], read: dict[str, dict[str, Any]]) -> None:
    assert {key: read[name][key] for key in expected} == expected


def test_only_behind_a_router_of_the_host_s_are_headers_believed(read: dict[str, dict[str, Any]]) -> None:
    for name in NAMES:
        host = hosts.find(name)
        alone = host.proxies.hops > 0 and host.defaults.get("server.host") == "0.0.0.0"  # noqa: S104
        assert (read[name]["forwarded_allow_ips"] == ["*"]) is alone, name
        if alone:
            assert read[name]["forwarder_headers"] == [], name


def test_the_documentation_has_these_numbers(read: dict[str, dict[str, Any]]) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    rows = {cells[0]: cells[1:] for line in page.splitlines() if (cells := _cells(line)) and cells[0] in read}
    for name, found in read.items():
        assert rows[name] == [
            str(found["keepalive"]),
            str(found["timeout"]) if found["timeout"] else "none",
            str(found["graceful_timeout"]),
            "yes" if found["forwarded_allow_ips"] == ["*"] else "no",
            "yes" if hosts.find(name).access_log else "no",
        ], name


def _cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.strip("|").split("|")] if line.startswith("| `") else []


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), {"timeout": 30, "graceful_timeout": 30}),
        (Limits(first_byte=30, request=600), {"timeout": 25, "graceful_timeout": 30}),
        (Limits(request=12, grace=1), {"timeout": 10, "graceful_timeout": 1}),
        (Limits(request=900, grace=0, keep_alive=5), {"timeout": 30, "graceful_timeout": 1, "keepalive": 15}),
    ],
)
def test_the_times_follow_from_the_limits(
    limits: Limits, expected: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host("acme", "Acme", "kept", limits=limits)
    monkeypatch.setattr(hosts, "find", lambda _name: host)
    found = settings(tmp_path, {"DEMIJOHN_HOST": "acme"})
    assert {key: found[key] for key in ("timeout", "graceful_timeout", "keepalive") if key in found} == expected


def test_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def address(environ: dict[str, str], **profile: Any) -> str:
        host = Host("acme", "Acme", "kept", **profile)
        monkeypatch.setattr(hosts, "find", lambda _name: host)
        (found,) = settings(tmp_path, {"DEMIJOHN_HOST": "acme", **environ})["bind"]
        return str(found)

    assert address({}) == "127.0.0.1:8080"
    assert address({"PORT": "9000"}) == "0.0.0.0:9000", "as gunicorn does by itself"
    assert address({"PORT": "9000", "DEMIJOHN_SERVER_HOST": "127.0.0.1"}) == "127.0.0.1:9000"
    assert address({"PORT": "9000"}, start="gunicorn main:app") == "127.0.0.1:9000"
    assert address({}, port=5050, defaults={"server.host": "::"}) == "[::]:5050"
    assert address({"DEMIJOHN_SERVER_PORT": "81"}, port=5050) == "127.0.0.1:81"


def test_the_visitor_s_own_addresses_stay_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    router = Proxies(hops=1, client="X-Real-IP", scheme="X-Scheme")
    host = Host("acme", "Acme", "kept", proxies=router, defaults={"server.host": "0.0.0.0"})  # noqa: S104
    monkeypatch.setattr(hosts, "find", lambda _name: host)
    found = settings(tmp_path, {"DEMIJOHN_HOST": "acme", "FORWARDED_ALLOW_IPS": "10.0.0.0/8"})
    assert found["forwarded_allow_ips"] == "10.0.0.0/8"
    assert found["secure_scheme_headers"] == {"X-SCHEME": "https"}


def test_the_command_line_is_stronger_and_the_site_hears_of_it(folder: Path, tmp_path: Path) -> None:
    """A real gunicorn as on Heroku: the scheme is the router's word, and the worker knows how many they are."""
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", f"--bind={HOST}:{port}", "--workers=1", "--threads=3", "main:app"]
    environ = clean_environment(DYNO="web.1", PORT="1", WEB_CONCURRENCY="4")
    with log.open("wb") as output, Sealed(command, cwd=folder, env=environ, stderr=output) as server:
        try:
            until(lambda: answers(f"http://{HOST}:{port}") or server.poll() is not None, "gunicorn does not answer.")
            said = _ask(port, {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"})
            assert said == {
                "scheme": "https",
                "path": "",
                "DEMIJOHN_SERVER_WORKERS": "1",
                "DEMIJOHN_SERVER_THREADS": "3",
            }
            assert _ask(port, {"SCRIPT_NAME": "/elsewhere"})["scheme"] == "http", "not a 500, as gunicorn's default is"
            (before,) = _workers(server.inside)
            server.send_signal(signal.SIGHUP)
            until(lambda: before not in _workers(server.inside) and answers(f"http://{HOST}:{port}"), "It goes on.")
            assert _ask(port, {})["DEMIJOHN_SERVER_THREADS"] == "3"
        finally:
            server.terminate()
            server.wait(PATIENCE)
    assert "rror" not in log.read_text()


def test_nothing_is_written_once_the_file_is_read(folder: Path, tmp_path: Path) -> None:
    """Python compiles gunicorn.conf.py before it runs it."""
    site = _copy(folder, tmp_path)
    before = {*site.rglob("*")}
    _print_config(site, PYTHONDONTWRITEBYTECODE="")  # as on a host
    assert [path.name for path in {*site.rglob("*")} - before if path.is_file()] in (
        [],
        [f"gunicorn.conf.{sys.implementation.cache_tag}.pyc"],
    )


@pytest.mark.parametrize("where", ["site-packages", "src"])
def test_demijohn_is_found_where_index_wsgi_finds_it(where: str, folder: Path, tmp_path: Path) -> None:
    site = _copy(folder, tmp_path)
    (site / where).mkdir()
    (site / where / "demijohn").symlink_to(ROOT / "src" / "demijohn")
    # -S leaves out the .pth file by which an editable installation is found.
    printed = _print_config(site, "-S", PYTHONPATH=os.pathsep.join(path for path in sys.path if "packages" in path))
    assert re.search(r"^keepalive\s+= 100$", printed, re.MULTILINE)


def test_without_demijohn_it_says_so(folder: Path) -> None:
    packages = os.pathsep.join(path for path in sys.path if "packages" in path)
    with pytest.raises(AssertionError, match="Demijohn is not installed, and lies neither in site-packages nor in src"):
        _print_config(folder, "-S", PYTHONPATH=packages)


def _copy(folder: Path, tmp_path: Path) -> Path:
    """The site, as nothing has been started in it yet."""
    return Path(shutil.copytree(folder, tmp_path / "site", ignore=shutil.ignore_patterns("__pycache__")))


def _print_config(site: Path, *options: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-m", "gunicorn", "--print-config", "main:app"],
        cwd=site,
        env=clean_environment(DYNO="web.1", PORT="5000", **environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ask(port: int, headers: dict[str, str]) -> dict[str, str]:
    request = urllib.request.Request(f"http://{HOST}:{port}/", headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        said: dict[str, str] = json.loads(answer.read())
    return said


def _workers(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()
