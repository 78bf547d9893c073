"""One event is one line, whatever is in it and whatever has become of the output."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demijohn.logs import output
from demijohn.logs.context import is_well_formed
from demijohn.logs.formats import Google, Json, Short, google_trace
from demijohn.logs.output import Output, install, make_output
from demijohn.logs.text import Text, wants_colour
from demijohn.secrecy.hiding import Secrets

ONE_LINE = (Json, Google, Short)
HOSTILE = [
    'x\n{"level": "ERROR", "message": "forged"}',
    "x\r\nX-Forged: a=b\r\n\r\n",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg",
    "\ud800 half \udfff",
    "\u202eright to left\u2066",
    "nul \x00, del \x7f, c1 \x9b31m",
    'quotes " and \\ and " \\n',
    "\u00fc \U0001f9f4",
    "",
    "%s %d %",
]


def record(
    message: Any = "x", *args: Any, level: int = logging.INFO, name: str = "shop", **more: Any
) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "app.py", 1, message, args, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def failure(text: str, depth: int = 1) -> Any:
    def fall(left: int) -> None:
        if left:
            fall(left - 1)
        raise ValueError(text)

    try:
        fall(depth)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("kind", [*ONE_LINE, Text])
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_one_event_is_one_line(kind: type[Json], hostile: str) -> None:
    facts = {"fact": hostile, hostile or "empty": 1, "tree": {"leaf": [hostile]}}
    made = record(hostile, name=f"shop{hostile}", facts=facts, request_id=hostile)
    line = kind(Secrets()).format(made)
    assert line.isprintable()
    assert line.encode("utf-8")


@pytest.mark.parametrize("kind", [Json, Google])
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_read_back_is_what_was_said(kind: type[Json], hostile: str) -> None:
    event = json.loads(kind(Secrets()).format(record(hostile, facts={"fact": [hostile, 1, None, True]})))
    assert (event["message"], event["fact"], event["logger"]) == (hostile, [hostile, 1, None, True], "shop")


def test_a_traceback_is_one_field_and_in_text_it_is_indented() -> None:
    made = record("it broke", level=logging.ERROR, exc_info=failure("first\n12:00:00 error forged: line\x1b[2J"))
    event = json.loads(Json(Secrets()).format(made))
    assert event["exception"].startswith("Traceback (most recent call last):\n")
    assert event["exception"].endswith("ValueError: first\n12:00:00 error forged: line\x1b[2J")
    assert Short(Secrets()).format(made).isprintable()
    first, *others = Text(Secrets()).format(made).splitlines()
    assert first.endswith("error shop: it broke")
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.parametrize("kind", ONE_LINE)
@pytest.mark.parametrize("filling", ["x", "\u00fc", "\U0001f9f4", '"', "\x1b", "x\n"])
def test_a_line_that_is_too_long_is_cut_in_its_longest_part(kind: type[Json], filling: str) -> None:
    made = record("the beginning " + filling * 30_000, facts={"order": 7}, exc_info=failure("the end", depth=300))
    line = kind(Secrets()).format(made)
    assert kind.limit // 3 < len(line.encode("utf-8")) <= kind.limit
    assert "the beginning" in line
    assert "ValueError: the end" in line
    assert "characters left out" in line
    if kind is not Short:
        assert json.loads(line)["order"] == 7


def test_many_long_facts_are_cut_as_well() -> None:
    facts: dict[str, Any] = {f"fact{number}": "x" * 3000 for number in range(50)} | {
        "tree": {str(n): "y" * 50 for n in range(500)}
    }
    for more in ({}, {f"short{number}": "z" * 150 for number in range(400)}):
        line = Json(Secrets()).format(record("said", facts={**facts, **more}))
        assert len(line) <= Json.limit
        assert json.loads(line)["message"] == "said"


@pytest.mark.parametrize("kind", ONE_LINE)
def test_where_a_line_is_cut_no_half_of_a_secret_is_left(kind: type[Json]) -> None:
    secret = "Kq7ZwPx2mVt9RbYc4NdJ"
    pieces = {secret[start : start + 6] for start in range(len(secret) - 5)}
    numbers = random.Random(7)  # noqa: S311
    for _ in range(25):
        length = numbers.randrange(kind.limit // 2, 9 * kind.limit)
        places = sorted(numbers.randrange(length) for _ in range(40))
        text, before = "", 0
        for place in places:
            text += "-" * (place - before) + secret
            before = place
        line = kind(Secrets([secret])).format(record(text + "-" * (length - before)))
        assert len(line) <= kind.limit
        assert not [piece for piece in pieces if piece in line]


@pytest.mark.parametrize("kind", ONE_LINE)
@pytest.mark.parametrize("length", [20, 3000])
def test_nor_where_it_was_cut_before_it_was_looked_at(kind: type[Json], length: int) -> None:
    secret = "".join(f"{number:04d}" for number in range(length // 4))
    words = kind(Secrets([secret]))
    for text in (secret * (6 * kind.limit // length), *("-" * start + secret * 5000 for start in range(1, 20, 3))):
        line = words.format(record(text))
        assert "left out" in line or "(hidden)" in line
        assert not re.search(r"000[0-9]000[0-9]|0[0-9]{11}", line.partition("2026-")[2].partition("Z")[2] or line)


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("cannot be shown")

    __repr__ = __str__


@pytest.mark.parametrize("kind", [*ONE_LINE, Text])
def test_records_that_misbehave(kind: type[Json]) -> None:
    words = kind(Secrets())
    assert "%d apples" in words.format(record("%d apples", "no"))
    assert "('no',)" in words.format(record("%d apples", "no"))
    assert "Broken that cannot be shown" in words.format(record("%s", Broken(), facts={"it": Broken()}))
    odd = {
        "nan": float("nan"),
        "inf": float("-inf"),
        "bytes": b"\xff",
        "set": {1},
        "message": "mine",
        "level": 3,
        5: "n",
    }
    line = words.format(record("said", facts=odd))
    assert "said" in line
    assert "mine" in line
    deep: list[Any] = []
    deep.append(deep)
    assert words.format(record("round", facts={"deep": deep}))
    assert words.format(record("none", facts="no dict"))
    if kind in (Json, Google):
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_the_time_is_utc_and_the_level_one_of_five() -> None:
    made = record(level=35, created=1_769_860_800.1239)
    event = json.loads(Json(Secrets()).format(made))
    assert (event["time"], event["level"]) == ("2026-01-31T12:00:00.123Z", "WARNING")
    assert json.loads(Json(Secrets()).format(record(level=5)))["level"] == "DEBUG"


TRACE = "105445aa7843bc8bf206b12000100000"


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("X_CLOUD_TRACE_CONTEXT", f"{TRACE}/1;o=1", (TRACE, "0000000000000001", True)),
        ("X_CLOUD_TRACE_CONTEXT", f"{TRACE.upper()}/18446744073709551615;o=0", (TRACE, "f" * 16, False)),
        ("X_CLOUD_TRACE_CONTEXT", TRACE, (TRACE, "", False)),
        ("X_CLOUD_TRACE_CONTEXT", f"{TRACE}/\u00b2;o=1", (TRACE, "", True)),
        ("X_CLOUD_TRACE_CONTEXT", "0" * 32 + "/1;o=1", ("", "", False)),
        ("X_CLOUD_TRACE_CONTEXT", f"{TRACE}x/1", ("", "", False)),
        ("X_CLOUD_TRACE_CONTEXT", '"}/1', ("", "", False)),
        ("TRACEPARENT", f"00-{TRACE}-00f067aa0ba902b7-01", (TRACE, "00f067aa0ba902b7", True)),
        ("TRACEPARENT", f"00-{TRACE}-00f067aa0ba902b7-00", (TRACE, "00f067aa0ba902b7", False)),
        ("TRACEPARENT", f"00-{TRACE}-00f067aa0ba902b7", ("", "", False)),
        ("TRACEPARENT", f"00-{TRACE}-0000000000000000-01", ("", "", False)),
    ],
)
def test_traces(header: str, value: str, expected: tuple[str, str, bool]) -> None:
    assert google_trace({f"HTTP_{header}": value}) == expected


@pytest.mark.parametrize(
    ("id", "taken"),
    [
        ("f9ed4675f1c53513c61a3b3b4e25b4c0", True),
        ("01JQSECXHAJR7ZPGFRTQW5EK95-yyz", True),
        ("a+b/c=d_e.f-1", True),
        ("x" * 200, True),
        ("x" * 201, False),
        ("", False),
        ("-", False),
        ("a b", False),
        ("a\nb", False),
        ("a,b", False),
        ("a\x1b[m", False),
        ("\u00fc", False),
        ("\u00b2", False),
    ],
)
def test_which_ids_are_taken(id: str, taken: bool) -> None:
    assert is_well_formed(id) is taken


# Where lines go


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    with contextlib.closing(Pipe(monkeypatch)) as pipe:
        yield pipe


class Pipe:
    """A pipe for sys.stdout."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.stream = os.fdopen(writing, "w", encoding="ascii")
        self._monkeypatch = monkeypatch

    def connect(self) -> None:
        """In the test itself: pytest has put its own there in between."""
        self._monkeypatch.setattr(sys, "stdout", self.stream)

    def read(self) -> bytes:
        return os.read(self.reading, 1 << 20)

    def close(self) -> None:
        self.stream.close()
        os.close(self.reading)


def test_lines_come_after_what_was_printed(pipe: Pipe) -> None:
    pipe.connect()
    print("before")
    Output(Json(Secrets())).handle(record("\u00fc"))
    Output(Short(Secrets())).handle(record("\u00fc"))
    first, second, third = pipe.read().splitlines()
    assert first == b"before"
    assert json.loads(second)["message"] == "\u00fc"
    assert third.endswith("msg=\u00fc".encode())  # whatever the stream's own encoding


def test_no_reader_and_no_stream_harm_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = Output(Json(Secrets()))
    reading, writing = os.pipe()
    os.close(reading)
    broken = os.fdopen(writing, "w")
    closed = io.StringIO()
    closed.close()
    kept = io.StringIO()
    for stream in (broken, None, closed, object(), kept):
        monkeypatch.setattr(sys, "stdout", stream)
        handler.handle(record("said"))
    assert json.loads(kept.getvalue())["message"] == "said"
    broken.close()


@pytest.mark.parametrize(("length", "capacity"), [(300, 4096), (12_000, 65536)])  # and a line that is written in part
def test_a_reader_who_is_too_slow_loses_whole_lines_and_is_told(
    length: int, capacity: int, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "PATIENCE", 0.001)
    pipe.connect()
    os.set_blocking(pipe.stream.fileno(), False)
    fcntl.fcntl(pipe.stream, fcntl.F_SETPIPE_SZ, capacity)
    handler = Output(Json(Secrets()))
    for number in range(40):
        handler.handle(record("x" * length + " %d", number))
    got = pipe.read()
    handler.handle(record("after"))
    got += pipe.read()
    events = [json.loads(line) for line in got.splitlines()]
    numbers = [int(event["message"].split()[1]) for event in events if event["message"].startswith("xxx")]
    assert numbers == list(range(len(numbers)))
    assert 4 < len(numbers) < 40
    told = f"{40 - len(numbers)} lines of the log could not be written: its reader was too slow"
    assert [event["message"] for event in events[len(numbers) :]] == [told, "after"]


def test_to_the_journal_each_line_says_its_level(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = Output(Json(Secrets()))
    pipe.connect()
    stat = os.fstat(pipe.stream.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
    handler.handle(record("bad", level=logging.ERROR))
    assert pipe.read().startswith(b'<3>{"time": ')
    monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino + 1}")  # somebody else's
    handler.handle(record("bad"))
    assert pipe.read().startswith(b'{"time": ')


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours(environ: dict[str, str], terminal: bool, expected: bool) -> None:
    class Stream:
        def isatty(self) -> bool:
            return terminal

    assert wants_colour(Stream(), environ) is expected
    assert wants_colour(None, environ) is (expected and "FORCE_COLOR" in environ and bool(environ["FORCE_COLOR"]))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], logging.Logger]]:
    """Makes the root logger as a process finds it. In the test itself: pytest adds handlers of its own in between."""
    level = logging.getLogger().level

    def make() -> logging.Logger:
        for logger in (logging.getLogger(), logging.getLogger("sqlalchemy.engine.Engine")):
            monkeypatch.setattr(logger, "handlers", [])
        monkeypatch.setattr(logging, "captureWarnings", lambda on: None)
        return logging.getLogger()

    yield make
    monkeypatch.undo()
    logging.getLogger().setLevel(level)


def test_who_has_said_where_lines_go_is_left_alone(bare: Callable[[], logging.Logger]) -> None:
    root = bare()
    theirs = logging.NullHandler()
    root.addHandler(theirs)
    level = root.level
    assert not install(make_output("json", Secrets()), "debug")
    assert (root.handlers, root.level) == ([theirs], level)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("give the route csrf=False.", "give the route csrf=False."),
        ("Put csrf=False on the route", "Put csrf=False on the route"),
        ("sign_in(token=None, x=1)", "sign_in(token=None, x=1)"),
        ("password=False-friend", "password=(hidden)"),
        ("password=None.of.it", "password=(hidden)"),
        ("token=Nonesuch", "token=(hidden)"),
    ],
)
def test_no_and_nothing_are_no_secrets(text: str, told: str) -> None:
    assert Secrets().hide(text) == told


def test_a_second_site_in_a_process_makes_no_second_line(bare: Callable[[], logging.Logger], pipe: Pipe) -> None:
    bare()
    pipe.connect()
    assert install(make_output("json", Secrets(["secret-of-the-first"])), "warning")
    assert install(make_output("json", Secrets(["secret-of-the-second"])), "info")
    logging.getLogger("shop").info("secret-of-the-first, secret-of-the-second")
    (line,) = pipe.read().splitlines()
    assert json.loads(line)["message"] == "(hidden), (hidden)"


def test_text_and_the_lines_of_a_cgi_program_go_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (make_output("text", Secrets()).stream, make_output("json", Secrets()).stream) == ("stderr", "stdout")
    monkeypatch.setenv("GATEWAY_INTERFACE", "CGI/1.1")
    assert make_output("json", Secrets()).stream == "stderr"
