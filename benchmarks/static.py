"""A static file in process beside WhiteNoise and Bottle's `static_file`, and what many of them add to a start."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bottle
from whitenoise import WhiteNoise  # type: ignore[import-untyped]

from benchmarks.worker import make_environ
from demijohn import Site
from demijohn.deploy.bundle import statics
from demijohn.static import Static

#: A style sheet of a middling size.
SIZE = 40_000
#: What many files are: so many, of so many bytes each. 12 MB in all.
FILES, EACH = 500, 24_000
CSS = (b".card > .title:hover { margin: 0 auto; color: #123456 }\n" * 1000)[:SIZE]
ACCEPTED = "gzip, deflate, br"
CALLS = 300


def measure(rounds: int) -> dict[str, Any]:
    """{"requests": {who: {case: [microseconds of CPU a request, one a round]}},
    "boot": {case: [milliseconds of CPU]}}"""
    with tempfile.TemporaryDirectory(prefix="demijohn-") as folder:
        return {"requests": _requests(Path(folder), rounds), "boot": _boot(Path(folder), rounds)}


def _requests(folder: Path, rounds: int) -> dict[str, Any]:
    (folder / "static").mkdir()
    (folder / "static" / "style.css").write_bytes(CSS)
    (folder / "config.yaml").write_text("demijohn: {database.url: ''}\n")
    environs = {}
    apps = _apps(folder)
    for who, app in apps.items():
        plain = {**make_environ("/static/style.css", ""), "HTTP_ACCEPT_ENCODING": ACCEPTED}
        _, headers = _call(app, plain)
        environs[who] = {"200": plain, "304": {**plain, "HTTP_IF_NONE_MATCH": headers["etag"]}}
        for status, environ in environs[who].items():
            said, _ = _call(app, environ)
            if not said.startswith(status):
                raise RuntimeError(f"{who} answers {said} where {status} is wanted.")
    found: dict[str, Any] = {who: {"200": [], "304": []} for who in apps}
    for turn in range(rounds + 1):
        for who, app in apps.items():
            for case, environ in environs[who].items():
                took = _time(app, environ)
                if turn:  # the first is to warm up
                    found[who][case].append(took)
    return found


def _apps(folder: Path) -> dict[str, Any]:
    ours, by_hand = bottle.Bottle(), bottle.Bottle()
    ours.install(Static(folder / "static"))
    by_hand.get("/static/<name:path>", callback=lambda name: bottle.static_file(name, root=str(folder / "static")))
    settings = {
        "environment": "production",
        "secret": "a-secret-of-the-benchmarks-and-of-nobody-else",
        "log.requests": "off",
    }
    return {
        "demijohn, the part alone": ours,
        "demijohn, a whole site": Site(folder, settings),
        "whitenoise": WhiteNoise(bottle.Bottle(), root=str(folder / "static"), prefix="/static/"),
        "bottle": by_hand,
    }


def _call(app: Any, environ: dict[str, Any]) -> tuple[str, dict[str, str]]:
    said: list[Any] = []
    with contextlib.closing(_Body(app(dict(environ), lambda *start: said.append(start)))) as body:
        b"".join(body)
    status, headers = said[0][:2]
    return status, {name.lower(): value for name, value in headers}


class _Body:
    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        if hasattr(self._pieces, "close"):
            self._pieces.close()


def _time(app: Any, environ: dict[str, Any]) -> float:
    """Microseconds of CPU a request, with what a server does at the least: an environ, the pieces, the close."""

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        return None

    began = time.process_time_ns()
    for _ in range(CALLS):
        body = app(dict(environ), start)
        b"".join(body)
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return (time.process_time_ns() - began) / CALLS / 1e3


def _boot(folder: Path, rounds: int) -> dict[str, list[float]]:
    names = [f"folder{number % 20}/file{number}.css" for number in range(FILES)]
    for name in names:
        content = os.urandom(EACH // 2).hex().encode()
        for kind in ("sources", "bundled"):
            path = folder / kind / "static" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    statics.write(folder / "bundled", "static")
    table = folder / "bundled" / "bundled" / statics.TABLE
    cases: dict[str, Callable[[], Static]] = {
        "sources": lambda: Static(folder / "sources" / "static"),
        "bundled": lambda: Static(folder / "bundled" / "static", table=table),
    }
    bottle.request.bind({})
    found: dict[str, list[float]] = {f"{case}{what}": [] for case in cases for what in ("", ", all addresses")}
    for turn in range(min(rounds, 15) + 1):
        for case, make in cases.items():
            began = time.process_time_ns()
            static = bottle.Bottle().install(make())
            made = time.process_time_ns()
            for name in names:
                static.url(name)  # as if the first page named them all
            if turn:
                found[case].append((made - began) / 1e6)
                found[f"{case}, all addresses"].append((time.process_time_ns() - began) / 1e6)
    return found
