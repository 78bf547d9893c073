"""The same before real servers, each of which has a belief of its own."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.uwsgi import uwsgi
from tests.readonly import Sealed
from tests.servers import serving
from tests.services import HOST as LOCAL
from tests.services import PATIENCE, free_port, program, until
from tests.sites import ROOT, clean_environment, running
from tests.test_proxies import LIAR, VISITOR
from tests.test_proxies_hosts import FORGED

APP = "tests.apps.whois:app"
SAID = {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "https"}
NGINX = """
daemon off; master_process off; user {user}; pid {folder}/pid; error_log stderr; events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen {local}:{port};
        location / {{
            proxy_pass http://unix:{gunicorn};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
    server {{
        listen {local}:{port_of_uwsgi};
        location / {{
            include /etc/nginx/uwsgi_params;
            uwsgi_param HTTP_HOST $http_host;
            uwsgi_pass unix:{uwsgi};
        }}
    }}
}}
"""


def ask(where: int | str, headers: dict[str, str], path: str = "/who") -> dict[str, Any]:
    """What the site knows of who asks with these headers, at a port or at a unix socket."""
    connection = HTTPConnection(LOCAL, where if isinstance(where, int) else 80, timeout=PATIENCE)
    if isinstance(where, str):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(where)
    connection.request("GET", path, headers={"Host": "site.example", **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    told: dict[str, Any] = json.loads(text)
    return told


def lies_in_vain(where: int | str, path: str = "/who") -> dict[str, Any]:
    """Whatever a visitor writes, the answer is the same. The answer."""
    honest = ask(where, {}, path)
    for name, value in FORGED.items():
        assert ask(where, {name: value}, path) == honest, name
    for scheme in ("http", "javascript"):
        assert ask(where, {"X-Forwarded-Proto": scheme}, path) == honest
    underscored = {name.replace("-", "_"): value for name, value in FORGED.items()}
    assert ask(where, underscored, path) == honest
    assert LIAR not in json.dumps(honest)
    return honest


@pytest.mark.parametrize("server", ["gunicorn-gthread", "uwsgi", "waitress", "cheroot", "wsgiref"])
def test_where_no_proxy_is_known_nobody_is_believed(server: str) -> None:
    """gunicorn believes a peer on the same machine, and uWSGI everybody."""
    with serving(server, APP, env={"WHOIS": "1", "DEMIJOHN_HOST": "local"}) as site:
        honest = lies_in_vain(site.port)
        assert (honest["address"], honest["scheme"], honest["host"]) == (LOCAL, "http", "site.example")
        assert ask(site.port, SAID) == honest


@pytest.mark.parametrize("server", ["gunicorn-gthread", "cheroot"])
def test_a_proxy_on_the_same_machine_is_believed(server: str) -> None:
    with serving(server, APP, env={"WHOIS": "1", "DEMIJOHN_HOST": "vm"}) as site:
        told = ask(site.port, SAID)
        assert (told["address"], told["scheme"], told["host"]) == (VISITOR, "https", "site.example")
        assert ask(site.port, {**SAID, "X-Forwarded-For": f"{LIAR}, {VISITOR}"}) == told


def test_waitress_hands_on_what_it_does_not_judge_only_if_told_to(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "waitress", "--no-clear-untrusted-proxy-headers", f"--listen={LOCAL}:{port}", APP]
    with ExitStack() as stack:
        started(stack, command, "vm", lambda: listens(port))
        told = ask(port, SAID)
        assert (told["address"], told["scheme"]) == (VISITOR, "https")


@pytest.fixture(scope="module")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """gunicorn and uWSGI on unix sockets, and the ports at which nginx passes requests to them."""
    folder = tmp_path_factory.mktemp("sockets")
    paths = {name: str(folder / name) for name in ("vm", "local", "piku")}
    gunicorn = [sys.executable, "-m", "gunicorn", f"--config={ROOT / 'gunicorn.conf.py'}", "--workers=1", APP]
    ports = {"port": free_port(), "port_of_uwsgi": free_port()}
    conf = folder / "nginx.conf"
    names = {"gunicorn": paths["vm"], "uwsgi": paths["piku"], "local": LOCAL, "user": getpass.getuser()}
    conf.write_text(NGINX.format(folder=folder, **names, **ports))
    nginx = [program("nginx", "nginx-light"), "-p", str(folder), "-c", str(conf)]
    with ExitStack() as stack:
        for name in ("vm", "local"):
            started(stack, [*gunicorn, f"--bind=unix:{paths[name]}"], name, Path(paths[name]).exists, folder)
        line = uwsgi("--need-app", f"--socket={paths['piku']}", f"--module={APP}", f"--pythonpath={ROOT}")
        started(stack, line, "piku", Path(paths["piku"]).exists, folder)
        started(stack, nginx, "local", lambda: all(map(listens, ports.values())), folder)
        yield {**paths, **ports}


def started(stack: ExitStack, command: list[str], host: str, ready: Callable[[], bool], *writable: Path) -> None:
    """A process as on `host`, until the end of `stack`."""
    environ = clean_environment(WHOIS="1", DEMIJOHN_HOST=host)
    log: Any = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    process = stack.enter_context(Sealed(command, cwd=ROOT, env=environ, writable=writable, stdout=log, stderr=log))
    stack.callback(process.terminate)
    until(lambda: ready() or process.poll() is not None, f"{command} does not start.")
    if process.poll() is not None:
        log.seek(0)
        pytest.fail(log.read().decode(errors="replace"), pytrace=False)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex((LOCAL, port))


def test_gunicorn_on_a_unix_socket(sockets: dict[str, Any]) -> None:
    """It has no address for the peer, and believes whoever can write to the socket."""
    honest = lies_in_vain(sockets["local"])
    assert (honest["scheme"], honest["host"]) == ("http", "site.example")
    told = ask(sockets["vm"], SAID)
    assert (told["address"], told["bottle's address"], told["scheme"]) == (VISITOR, VISITOR, "https")


def test_nginx_before_gunicorn(sockets: dict[str, Any]) -> None:
    honest = lies_in_vain(sockets["port"])
    assert (honest["address"], honest["scheme"]) == (LOCAL, "http")
    assert honest["left"] == {"HTTP_X_FORWARDED_FOR": LOCAL, "HTTP_X_FORWARDED_PROTO": "http"}


def test_nginx_before_uwsgi(sockets: dict[str, Any]) -> None:
    """As piku has it: nginx says address and scheme itself, and hands the visitor's headers on as they are."""
    honest = lies_in_vain(sockets["port_of_uwsgi"])
    assert (honest["address"], honest["scheme"], honest["left"]) == (LOCAL, "http", {})


def test_demijohn_run(tmp_path: Path) -> None:
    site = tmp_path / "app.py"
    site.write_text("from tests.apps.whois import make\nsite = make(**{'security.hosts': ['site.example']})\n")
    command = [sys.executable, "-m", "demijohn", "run", "--no-reload", f"--root={tmp_path}"]
    (tmp_path / "index.wsgi").write_text("from app import site\napplication = site\n")
    with running(command, {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}, tmp_path) as url:
        honest = lies_in_vain(int(url.rpartition(":")[2]))
        assert (honest["address"], honest["scheme"]) == (LOCAL, "http")
