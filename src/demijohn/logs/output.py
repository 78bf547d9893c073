"""Where lines go: to the process's own output, whole or not at all, whatever has become of that."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
from typing import Any, Protocol

from demijohn.logs.formats import Google, Json, Short, level
from demijohn.secrecy.hiding import Secrets

#: What `log.format` may say.
FORMATS = ("json", "google", "short", "text")
#: Seconds that a line waits for a reader who is slow, where the output does not wait by itself. Then it is lost.
PATIENCE = 1.0
_JOURNALS = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}


class Format(Protocol):
    secrets: Secrets
    for_people: bool

    def format(self, record: logging.LogRecord) -> str: ...


class Output(logging.Handler):
    """Writes each record as one line, by one call of the operating system: the lines of several processes that share a
    pipe do not mix, up to 4,096 bytes whatever happens (POSIX, PIPE_BUF), and as long as the pipe is not full beyond.

    What cannot be written is lost without a word: there is nowhere to say so, and no request fails for it.

    :param words: makes the line.
    :param stream: `stdout` or `stderr`: of `sys`, looked up for each line.
    """

    #: By this a handler of an earlier site, or an earlier import, is known.
    is_demijohns = True

    def __init__(self, words: Format, stream: str = "stdout") -> None:
        super().__init__()
        self.words = words
        self.stream = stream
        self._rest = b""  # of a line that could be written in part only
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        # A closed pipe, a full disk, a stream that is closed, or takes no text; a record whose values misbehave.
        with contextlib.suppress(Exception):
            self._write(self.words.format(record) + "\n", record)

    def _write(self, line: str, record: logging.LogRecord) -> None:
        stream = getattr(sys, self.stream)
        if stream is None:  # pythonw, and some services
            return
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):  # no file: somebody's own, as in a test
            stream.write(line)
            stream.flush()
            return
        stream.flush()  # what was printed before comes before
        if not self.words.for_people and _is_journal(descriptor):
            line = f"<{_JOURNALS[level(record)]}>{line}"
        if self._lost:
            line = self.words.format(_telling(self._lost)) + "\n" + line
        if self._rest:  # or the line that it belongs to would end in this one
            self._rest = self._rest[_send(descriptor, self._rest) :]
        data = b"" if self._rest else line.encode("utf-8", "backslashreplace")
        sent = _send(descriptor, data)
        if sent:
            self._rest, self._lost = data[sent:], 0
        else:
            self._lost += 1


def _send(descriptor: int, data: bytes) -> int:
    """Write `data`, waiting for a moment where that would block. Returns how many bytes have been written."""
    sent = 0
    while sent < len(data):
        try:
            sent += os.write(descriptor, data[sent:] if sent else data)
        except BlockingIOError:
            if not _is_ready(descriptor):
                break
    return sent


def _is_ready(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows, whose output always waits
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(PATIENCE * 1000))


def _telling(lost: int) -> logging.LogRecord:
    text = "%d line%s of the log could not be written: its reader was too slow"
    return logging.LogRecord("demijohn", logging.WARNING, "", 0, text, (lost, "" if lost == 1 else "s"), None)


def _is_journal(descriptor: int) -> bool:
    """Whether systemd's journal reads along: it takes a level that stands before a line as `<4>` (sd-daemon(3))."""
    named = os.environ.get("JOURNAL_STREAM", "")
    if not named:
        return False
    stat = os.fstat(descriptor)
    return named == f"{stat.st_dev}:{stat.st_ino}"


def make_output(words: str, secrets: Secrets) -> Output:
    """The output in the words of `FORMATS`. Text goes to stderr, and where stdout is the answer (CGI), everything."""
    if words == "text":
        from demijohn.logs.text import Text, wants_colour  # in production few want it

        return Output(Text(secrets, colour=wants_colour(sys.stderr)), "stderr")
    kind = {"json": Json, "google": Google, "short": Short}[words]
    return Output(kind(secrets), "stderr" if "GATEWAY_INTERFACE" in os.environ else "stdout")


def install(output: Output, least: str) -> bool:
    """Write what the process logs to `output`, unless somebody has said where it is to go: then that is left alone, and
    False is returned. An output of ours that is there is replaced, and its secrets are kept.

    :param least: the level below which nothing is written.
    """
    root = logging.getLogger()
    before: list[Any] = [handler for handler in root.handlers if getattr(handler, "is_demijohns", False)]
    if len(before) < len(root.handlers):
        return False
    for handler in before:
        output.words.secrets |= handler.words.secrets
        root.removeHandler(handler)
    root.addHandler(output)
    root.setLevel(getattr(logging, least.upper()))
    # With echo, SQLAlchemy gives a logger without a handler one of its own, and each statement would stand there twice.
    logging.getLogger("sqlalchemy.engine.Engine").addHandler(logging.NullHandler())
    logging.captureWarnings(True)  # they would be two lines on stderr each
    return True
