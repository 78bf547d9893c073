"""The visits that a rehearsal pays: each route of a Bottle app, as somebody would ask for it who has typed nothing."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterable, Iterator
from types import CellType, ModuleType
from typing import Any, NamedTuple

#: Values for a route's wildcards; the first that its pattern takes is used.
PLAUSIBLE = (
    *("1", "a", "abc", "index", "index.html", "en", "01", "2026", "2026-01-31", "1.0", "a/b", "a-b", "A"),
    *("0" * 32, "0" * 40, "123e4567-e89b-42d3-a456-426614174000", "1a", "a1", "a.png", ""),
)
#: No page that a site has.
NOWHERE = "/no-such-page-8d1f6a0b"
#: Seconds, and bytes, after which a body is left. Some never end.
LISTEN, ENOUGH = 2.0, 4 * 1024**2
#: How many objects are looked through for the app in a wrapped application.
MANY = 1000


class Visit(NamedTuple):
    method: str
    path: str
    #: The function that answers, where a route does.
    handler: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Outcome(NamedTuple):
    """How a visit ended."""

    #: 0: the application raised an exception.
    status: int
    #: Seconds until the first byte of the body, and until all was there.
    first: float
    whole: float
    #: What was written to wsgi.errors.
    said: str
    error: BaseException | None


def visits(app: Any, static: str | None) -> tuple[list[Visit], list[str]]:
    """What is to be visited, reading before writing; and the routes that nobody knows how to ask for.

    :param static: the address of a static file.
    """
    asked: list[Visit] = []
    unknown: list[str] = []
    for route in getattr(app, "routes", ()):
        method = "GET" if route.method in ("ANY", "PROXY") else route.method
        path = fill(app.router, route.rule)
        if path is None:
            unknown.append(f"{method} {route.rule}")
        else:
            asked.append(Visit(method, path, route.get_undecorated_callback()))
    asked += [Visit("GET", "/"), Visit("HEAD", "/"), Visit("GET", NOWHERE)]
    if static:
        asked += [Visit("GET", static), Visit("HEAD", static)]
    order = {"GET": 0, "HEAD": 0, "OPTIONS": 0, "POST": 1, "PUT": 2, "PATCH": 2}
    once: dict[str, Visit] = {}
    for visit in asked:
        if visit.method == "HEAD" and f"GET {visit.path}" in once:
            visit = visit._replace(handler=once[f"GET {visit.path}"].handler)
        once.setdefault(str(visit), visit)
    return sorted(once.values(), key=lambda visit: order.get(visit.method, 3)), unknown


def find_app(application: Any, kind: type[Any]) -> Any:
    """The Bottle app in an application, however it is wrapped: in attributes of any name, in closures, in partials.
    None: there is none."""
    seen: dict[int, Any] = {}
    waiting = [application]
    while waiting and len(seen) < MANY:
        one = waiting.pop(0)
        if isinstance(one, kind):
            return one
        if id(one) in seen or isinstance(one, (type, ModuleType, str, bytes, int)):
            continue
        seen[id(one)] = one
        waiting += [cell.cell_contents for cell in getattr(one, "__closure__", None) or () if _is_full(cell)]
        waiting += [getattr(one, name) for name in ("__self__", "__wrapped__", "func") if hasattr(one, name)]
        waiting += list(getattr(one, "__dict__", {}).values())
    return None


def _is_full(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def fill(router: Any, rule: str) -> str | None:
    """The rule with plausible values in place of its wildcards; None if none of them fits."""
    parts = []
    for name, kind, conf in router._itertokens(rule):
        if kind is None:
            parts.append(name)
            continue
        try:
            pattern = router.filters[router.default_filter if kind == "default" else kind](conf)[0]
            value = next(value for value in PLAUSIBLE if re.fullmatch(pattern, value))
        except (KeyError, StopIteration, re.error):
            return None
        parts.append(value)
    path = "".join(parts)
    return path if path.startswith("/") else f"/{path}"


def pay(application: Any, visit: Visit, extras: dict[str, Any]) -> Outcome:
    """Ask the application for a page, and read the answer as a server does."""
    errors = io.StringIO()
    environ = {
        "REQUEST_METHOD": visit.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": visit.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "text/html,*/*;q=0.8",
        "HTTP_USER_AGENT": "rehearsal",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": errors,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **extras,
    }
    if visit.method not in ("GET", "HEAD"):
        environ |= {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": "0"}
    answered: list[str] = []

    def start_response(status: str, _headers: Any, exc_info: Any = None) -> Any:
        answered[:] = [status]
        return lambda data: None

    began = time.perf_counter()
    first = None
    error: BaseException | None = None
    chunks: Iterable[bytes] = ()
    try:
        chunks = application(environ, start_response)
        for _ in _little(chunks, began):
            first = first or time.perf_counter()
    except BaseException as raised:
        error = raised
    error = _close(chunks) or error
    end = time.perf_counter()
    status = int(answered[0][:3]) if answered and error is None else 0
    return Outcome(status, (first or end) - began, end - began, errors.getvalue(), error)


def _close(chunks: Any) -> BaseException | None:
    try:
        if hasattr(chunks, "close"):
            chunks.close()
    except Exception as error:
        return error
    return None


def _little(chunks: Iterable[bytes], began: float) -> Iterator[bytes]:
    """What comes of a body in a moment."""
    size = 0
    for chunk in chunks:
        yield chunk
        size += len(chunk)
        if size > ENOUGH or time.perf_counter() - began > LISTEN:
            return
