"""What deploy reads of how much a site's routes take, and lets through before the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demijohn import config, hosts
from demijohn.deploy import bodies
from demijohn.deploy.deployment import prepare
from demijohn.deploy.plan import make_plan
from demijohn.hosts import Plan
from tests.sites import ROOT

HEAD = "from demijohn import Site, request\n\nsite = Site('.')\n"


def site(root: Path, code: str, **files: str) -> Path:
    (root / "app").mkdir(exist_ok=True)
    (root / "index.wsgi").write_text("from app import site as application\n")
    (root / "app" / "__init__.py").write_text(HEAD + code)
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def widest(root: Path) -> int:
    settings: Any = config.read(root, environ={"DEMIJOHN_HOST": "vm"}, base={})[0]
    return bodies.widest(root, settings)


MB = 1024**2


@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("", 4 * MB),
        ("@site.post('/a', body_limit=1000)\ndef a(): ...", 4 * MB),
        ("@site.post('/a', body_limit=30 * 1024**2)\ndef a(): ...", 30 * MB),
        ("@site.post('/a', body_limit=1 << 25)\ndef a(): ...", 32 * MB),
        ("OPTIONS = {'body_limit': 31_000_000}\nsite.post('/a', **OPTIONS)(print)", 31_000_000),
        ("MB, MOST = 1024**2, 9\nsite.route('/a', 'PUT', print, body_limit=MB * MOST)", 9 * MB),
        ("LIMIT: int = 7 * 10**6\n@site.post('/a')\ndef a():\n    request.parts(limit=LIMIT)", 7 * 10**6),
        ("import bottle\n@site.post('/a')\ndef a():\n    bottle.request.stream(8 * 10**6)", 8 * 10**6),
        ("@site.post('/a')\ndef a():\n    parts = request.parts(limit=None)", 4 * MB),
        ("site.post('/a', body_limit=site.settings['files.limit'] + 1024**2)(print)", 33 * MB),
        ("from app.sizes import FILM\nsite.post('/a', body_limit=FILM)(print)", 2 * 1024 * MB),
        ("from . import sizes\nsite.post('/a', body_limit=sizes.FILM // 2)(print)", 1024 * MB),
        ("from .sizes import LENT as MOST\nsite.post('/a', body_limit=MOST)(print)", 5_000_000),
        ("import films", 6_000_000),
        ("def later():\n    from films import site", 6_000_000),
    ],
)
def test_the_most_that_any_route_takes_is_read(code: str, most: int, tmp_path: Path) -> None:
    sizes = "from lent.sizes import LENT\nFILM = 2 * 1024**3\n"
    films = "from app import site\nsite.post('/films', body_limit=6_000_000)(print)\n"
    site(tmp_path, code, app__sizes=sizes, lent__sizes="LENT = 5_000_000\n", films=films)
    assert widest(tmp_path) == most
    assert make_plan(tmp_path, hosts.find("vm")).body_limit == most


def test_what_nobody_loads_is_not_read(tmp_path: Path) -> None:
    site(tmp_path, "", tests__test_films="site.post('/a', body_limit=10**9)\n")
    assert widest(tmp_path) == 4 * MB


def test_a_larger_setting_holds(tmp_path: Path) -> None:
    site(tmp_path, "site.post('/a', body_limit=10**7)(print)")
    (tmp_path / "config.yaml").write_text("demijohn:\n  body.limit: 20 MiB\n")
    assert widest(tmp_path) == 20 * MB


@pytest.mark.parametrize(
    "code",
    [
        "import os\nsite.post('/a', body_limit=int(os.environ['MOST']))(print)",
        "def a(most):\n    request.parts(limit=most)",
        "from nowhere import MOST\nsite.post('/a', body_limit=MOST)(print)",
        "A = B\nB = A\nsite.post('/a', body_limit=A)(print)",
        "site.post('/a', body_limit=10**10**10)(print)",
        "site.post('/a', body_limit=1 / 0)(print)",
        "site.post('/a', body_limit=1.5 << 2)(print)",
    ],
)
def test_what_cannot_be_told_is_said(code: str, tmp_path: Path) -> None:
    site(tmp_path, code)
    line = 3 + len(code.splitlines())
    place = f"app/__init__.py:{line}: how much may be sent there cannot be told"
    notes = prepare(tmp_path, hosts.find("vm"), pin=False).notes
    assert [note for note in notes if note.startswith(place)], notes
    assert not [note for note in prepare(tmp_path, hosts.find("heroku"), pin=False).notes if "cannot be told" in note]


@pytest.mark.parametrize("content", [b"\xff\xfe body_limit", b"def body_limit(:"])
def test_what_is_no_python_is_passed_over(content: bytes, tmp_path: Path) -> None:
    site(tmp_path, "import broken\nsite.post('/a', body_limit=10**7)(print)")
    (tmp_path / "broken.py").write_bytes(content)
    assert widest(tmp_path) == 10**7


def test_the_guestbook_s_pictures_pass_what_stands_before_it() -> None:
    plan = make_plan(ROOT, hosts.find("vm"))
    assert "client_max_body_size 16384k;" in hosts.find("vm").files(plan)[f"server/{plan.name}.nginx.conf"]
    dokku = hosts.find("dokku")
    assert [line for line in dokku.commands(make_plan(ROOT, dokku)) if "client-max-body-size 16384k" in line]
    assert plan.body_limit > Plan(ROOT).body_limit
