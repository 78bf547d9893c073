"""Small Bottle apps made up by chance, and all that is to be seen of how they answer."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import bottle
from hypothesis import strategies as st

Request = tuple[str, str]
Step = tuple[str, Any]


class Plan(NamedTuple):
    """What an app does."""

    before: tuple[list[Step], ...]
    after: tuple[list[Step], ...]
    handler: list[Step]
    result: str
    errors: dict[int, list[Step]]
    shape: str
    catchall: bool
    wrapper: bool
    requests: list[Request]


class Odd(str):
    """A text of another type."""

    __slots__ = ()


class Pieces:
    """What can be iterated, and is closed."""

    def __init__(self, log: list[str], *pieces: Any) -> None:
        self._log = log
        self._pieces = iter(pieces)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._pieces)

    def close(self) -> None:
        self._log.append("closed")


class Weighed:
    """What tells how often it is asked whether there is anything in it: for some things that is a query."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def __bool__(self) -> bool:
        self._log.append("asked")
        return False


def generated(*pieces: Any) -> Iterator[Any]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece


#: What a handler returns, given the app's log and an answer that it keeps for all requests.
RESULTS: dict[str, Callable[[list[str], bottle.HTTPResponse], Any]] = {
    "text": lambda *_: "text é €",
    "surrogate": lambda *_: "\ud800",
    "odd text": lambda *_: Odd("odd"),
    "bytes": lambda *_: b"bytes \xff",
    "bytearray": lambda *_: bytearray(b"x"),
    "nothing": lambda *_: None,
    "empty": lambda *_: "",
    "no bytes": lambda *_: b"",
    "false": lambda *_: False,
    "true": lambda *_: True,
    "number": lambda *_: 5,
    "dict": lambda *_: {"a": "é"},
    "no dict": lambda *_: {},
    "what JSON lacks": lambda *_: {"a": object()},
    "list": lambda *_: ["a", "é"],
    "list of bytes": lambda *_: [b"a", b"b"],
    "mixed list": lambda *_: ["a", b"b"],
    "list of numbers": lambda *_: [1, 2],
    "list of nothing": lambda *_: [None, "", "a"],
    "tuple": lambda *_: ("a", "b"),
    "file": lambda *_: io.BytesIO(b"file"),
    "generator": lambda *_: generated("", "é", "b"),
    "of bytes": lambda *_: generated(b"a", b"b"),
    "of nothing": lambda *_: generated(),
    "of empty ones": lambda *_: generated("", None, b""),
    "of numbers": lambda *_: generated(1),
    "of an answer": lambda *_: generated(bottle.HTTPResponse("inner", 202, X_Inner="é")),
    "of an error": lambda *_: generated(bottle.HTTPError(409, "inner")),
    "raises at once": lambda *_: generated(OSError("at once")),
    "raises an answer": lambda *_: generated("", bottle.HTTPResponse("raised", 203)),
    "raises later": lambda *_: generated("a", OSError("later")),
    "pieces": lambda log, _: Pieces(log, "a", "é"),
    "no pieces": lambda log, _: Pieces(log),
    "pieces of numbers": lambda log, _: Pieces(log, 1),
    "answer": lambda *_: bottle.HTTPResponse("answer", 201, X_Answer="é", Set_Cookie="x=y"),
    "answer in an answer": lambda *_: bottle.HTTPResponse(bottle.HTTPResponse(generated("a"), 202), 201),
    "answer with a dict": lambda *_: bottle.HTTPResponse({"a": 1}, 201),
    "empty answer": lambda *_: bottle.HTTPResponse(status=204, Content_Type="text/plain"),
    "error": lambda *_: bottle.HTTPError(404, "gone é", X_Error="1"),
    "unknown error": lambda *_: bottle.HTTPError(477, "what"),
    "weighed": lambda log, _: Weighed(log),
    "kept": lambda _, kept: kept,
    "the response": lambda *_: bottle.response.copy(cls=bottle.HTTPResponse),
}
RAISED: dict[str, Callable[[], BaseException]] = {
    "answer": lambda: bottle.HTTPResponse("raised", 203, X_Raised="1"),
    "error": lambda: bottle.HTTPError(409, "raised"),
    "Exception": lambda: OSError("raised"),
    "HTTPError 500": lambda: bottle.HTTPError(500, "five", ValueError("inner"), "its trace"),
    "StopIteration": lambda: StopIteration(),
    "MemoryError": lambda: MemoryError(),
    "SystemExit": lambda: SystemExit(),
}
HEADERS = (
    *(("Content-Type", "text/plain"), ("Content-Type", "text/html; charset=latin1"), ("Content-Type", "x; charset=")),
    *(("Content-Type", "x; charset=UTF-8"), ("Content-Type", "x; charset=utf-8; a"), ("Content-Type", "x; Charset=l")),
    *(("Content-Length", 3), ("X-Name", "é €"), ("x-name", 5), ("Allow", "GET"), ("Last-Modified", "never")),
)
STATUSES = (200, 201, 204, 304, 404, 500, 999, "200 Für dich", "404 Nope", 100, 477)
STEP: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.sampled_from(["set", "add"]), st.sampled_from(HEADERS)),
    st.tuples(st.just("status"), st.sampled_from(STATUSES)),
    st.tuples(st.just("cookie"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("note"), st.none()),
    st.tuples(st.just("raise"), st.sampled_from(list(RAISED))),
    st.tuples(st.just("raise once"), st.sampled_from(["RouteReset", *RAISED])),
)
STEPS = st.lists(STEP, max_size=3)
HOOKS = st.one_of(st.just(()), st.tuples(STEPS), st.tuples(STEPS, STEPS))
SHAPES = (
    *(
        "plain",
        "plain",
        "plain",
        "mounted",
        "mounted as WSGI",
        "merged",
        "own trigger_hook",
        "own _handle",
        "own _cast",
    ),
    *("set _handle", "set _cast", "set trigger_hook", "own error page"),
)
PATHS = ("/", "/", "/", "/é".encode().decode("latin1"), "/a/b", "/a/ü".encode().decode("latin1"), "/nowhere", "")
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "PUT"]), st.sampled_from(PATHS)),
    min_size=1,
    max_size=3,
)
PLANS = st.builds(
    Plan,
    before=HOOKS,
    after=HOOKS,
    handler=STEPS,
    result=st.sampled_from(list(RESULTS)),
    errors=st.dictionaries(st.sampled_from([404, 405, 409, 500, 477]), STEPS, max_size=2),
    shape=st.sampled_from(SHAPES),
    catchall=st.sampled_from([True, True, True, False]),
    wrapper=st.booleans(),
    requests=REQUESTS,
)


class Built:
    """The app of a plan, and what it has seen."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.log: list[str] = []
        self._raised: set[str] = set()
        self._kept = bottle.HTTPResponse("kept", 201, X_Kept="é")
        self.app = self._outermost()

    def take(self, steps: list[Step]) -> None:
        for what, value in steps:
            if what == "set":
                bottle.response.set_header(*value)
            elif what == "add":
                bottle.response.add_header(*value)
            elif what == "status":
                bottle.response.status = value
            elif what == "cookie":
                bottle.response.set_cookie(value, "1")
            elif what == "note":
                self.log.append(f"{bottle.request.path} {bottle.response.status} {bottle.response.headerlist}")
            elif what == "raise":
                raise RAISED[value]()
            elif value not in self._raised:
                self._raised.add(value)
                raise RAISED[value]() if value in RAISED else bottle.RouteReset

    def _handler(self, name: str = "") -> Any:
        self.log.append(f"handler {name} {sorted(each for each in bottle.request.environ if 'bottle' in each)}")
        self.take(self.plan.handler)
        return RESULTS[self.plan.result](self.log, self._kept)

    def _inner(self) -> bottle.Bottle:
        plan, log = self.plan, self.log
        app: bottle.Bottle = self._kind()()
        app.catchall = plan.catchall
        for name, hooks in (("before_request", plan.before), ("after_request", plan.after)):
            for steps in hooks:
                app.add_hook(name, lambda steps=steps: self.take(steps))
        app.route("/", callback=self._handler)
        app.route("/é", callback=self._handler)
        app.route("/a/<name>", callback=self._handler)
        for code, steps in plan.errors.items():
            app.error(code, callback=lambda error, steps=steps: self._error_page(error, steps))
        if plan.shape.startswith("set "):
            name = plan.shape.removeprefix("set ")
            usual = getattr(app, name)

            def instead(*given: Any, **more: Any) -> Any:
                log.append(f"{name} {type(given[0]).__name__}")
                return usual(*given, **more)

            setattr(app, name, instead)
        return app

    def _kind(self) -> type[bottle.Bottle]:
        log = self.log
        if not self.plan.shape.startswith("own "):
            return bottle.Bottle  # type: ignore[no-any-return]
        name = {"own error page": "default_error_handler"}.get(self.plan.shape, self.plan.shape.removeprefix("own "))
        usual = getattr(bottle.Bottle, name)

        def instead(app: bottle.Bottle, *given: Any, **more: Any) -> Any:
            log.append(f"{name} {type(given[0]).__name__}")
            return usual(app, *given, **more)

        return type("Own", (bottle.Bottle,), {name: instead})

    def _error_page(self, error: bottle.HTTPError, steps: list[Step]) -> str:
        self.log.append(f"page {error.status} {error.exception!r} {error.body}")
        self.take(steps)
        return f"page é {error.status}"

    def _outermost(self) -> bottle.Bottle:
        inner, shape = self._inner(), self.plan.shape
        if shape not in ("mounted", "mounted as WSGI", "merged"):
            return inner
        outer = bottle.Bottle()
        outer.add_hook("after_request", lambda: self.log.append(f"outer {bottle.response.status}"))
        if shape == "merged":
            outer.merge(inner)
        else:
            outer.mount("/a/", inner if shape == "mounted" else inner.wsgi)
        return outer

    def answer(self, method: str, path: str) -> dict[str, Any]:
        """All that a server, and who comes after in this thread, gets to see of a request."""
        self.log.clear()
        started: list[Any] = []
        environ: dict[str, Any] = {
            **{"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""},
            **{"wsgi.errors": io.StringIO(), "wsgi.input": io.BytesIO()},
        }
        if self.plan.wrapper:
            environ["wsgi.file_wrapper"] = bottle.WSGIFileWrapper
        errors = environ["wsgi.errors"]
        pieces: list[bytes] = []
        raised = ""
        try:
            body = self.app(environ, lambda *given: started.append(given))
            try:
                pieces.extend(body)
            finally:
                if hasattr(body, "close"):
                    body.close()
        except (Exception, SystemExit) as error:
            raised = repr(error)
        kept = {key: value for key, value in environ.items() if not key.startswith("wsgi.")}
        assert kept.pop("bottle.app", self.app) is self.app or self.plan.shape.startswith("mounted")
        kept.update({key: kept[key].rule for key in ("bottle.route", "route.handle") if key in kept})
        if "bottle.exc_info" in kept:
            kept["bottle.exc_info"] = kept["bottle.exc_info"][0]
        return {
            "started": [(line, headers, info and info[0]) for line, headers, info in started],
            "body": pieces,
            "raised": raised,
            "environ": kept,
            "response": (bottle.response.status, bottle.response.headerlist),
            "log": self.log[:],
            # Where it was raised, not by which functions of Bottle's or of ours it went.
            "errors": re.findall(r"^\S.*|^  File .*test_life.*", errors.getvalue(), re.MULTILINE),
        }
