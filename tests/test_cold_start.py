"""What a site imports until it has answered for the first time: it is what a visitor waits for after a quiet hour."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Ours, by package. Whoever adds one has every cold start of every site pay for it: a fifth of a millisecond or more.
#: What only some requests need is better imported where it is used.
OURS = {
    "": """
        bodies config database errors files forks health hosts lifetime logs secrecy security sessions site static
        tickets views
    """,
    "bodies": "content limits request",
    "config": """
        addresses csp databases declared draft files kinds layers option options outside plain pool prepared rules
        secret settings stores urls
    """,
    "config.declared": "files front logs services",
    "database": "plugin request",
    "health": "maintenance notice",
    "hosts": "host local",
    "lifetime": "bottled participants stream",
    "logs": "context formats output plugin settings",
    "secrecy": "hiding",
    "security": "csp csrf forwarded headers hosts limits login origins proxies",
    "sessions": "cookie options plugin request stores",
    "site": "health logs outside parts safety stores tables tickets",
    "static": "names",
    "tickets": "plugin",
}
#: What neither Bottle nor a plain site needs.
SPARED = {
    *("yaml", "sqlalchemy", "jinja2", "beaker", "pymysql", "pylibmc", "pymemcache", "multipart", "argparse", "asyncio"),
    *("concurrent.futures", "dataclasses", "difflib", "importlib.metadata", "sqlite3", "urllib.request", "uuid"),
}
PROGRAM = """
import sys
from demijohn import Site
site = Site(sys.argv[1], {"environment": "production", "secret": "only-the-tests-know-this-secret"})
site.route("/", callback=lambda: "plain")
said = []
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "localhost", "wsgi.url_scheme": "http"}
assert site.wsgi(environ, lambda status, *_: said.append(status)) == [b"plain"]
assert said == ["200 OK"]
print("\\n".join(sys.modules))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """By a site with settings, templates and static files, and nothing in its environment that says where it is."""
    root = tmp_path_factory.mktemp("cold")
    (root / "config.yaml").write_text("name: shop\nversion: 1\ndemijohn:\n  session:\n    timeout: 10m\n")
    for name in ("views/page.html", "static/a.css"):
        (root / name).parent.mkdir()
        (root / name).write_text("a")
    told = {"DATABASE_URL": "mysql://user:word@127.0.0.1:1/shop", "MEMCACHED_URL": "127.0.0.1:1"}
    source = {"PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    command = [sys.executable, "-c", PROGRAM, str(root)]
    return subprocess.run(command, env={**told, **source}, capture_output=True, text=True, check=True).stdout.split()


def test_of_ours(imported: list[str]) -> None:
    pinned = {".".join(filter(None, ("demijohn", package, name))) for package in OURS for name in OURS[package].split()}
    assert {name for name in imported if name.startswith("demijohn.")} == pinned


def test_of_others(imported: list[str]) -> None:
    assert SPARED.isdisjoint(imported)
