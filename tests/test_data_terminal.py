"""The data commands where somebody sits at a terminal."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services import program, until
from tests.sites import clean_environment
from tests.trove import Trove


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, command: list[str], home: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(self._ours)
        os.set_blocking(self._ours, False)
        self.shown = ""
        self._bytes, self._decoder = bytearray(), codecs.getincrementaldecoder("utf-8")("replace")
        self.process = subprocess.Popen(
            [program("setsid", "util-linux"), "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**clean_environment(), "TERM": "dumb", "INPUTRC": "/dev/null", "PAGER": "cat", "HOME": str(home)},
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def sees(self, words: str) -> None:
        """Wait until this pattern is shown, and forget what stands before it."""
        found: list[int] = []

        def is_there() -> bool:
            self._look()
            match = re.search(words, self.shown)
            found.extend([match.end()] if match else [])
            return bool(found)

        try:
            until(is_there, f"{words!r} is not shown.")
        except BaseException:
            print(self.shown)
            raise
        self.shown = self.shown[found[0] :]

    def ends(self) -> int:
        """The exit status, when it is over."""

        def is_over() -> bool:
            over = self.process.poll() is not None
            self._look()  # what it has said before its end, and else it might wait for a reader
            return over

        until(is_over, lambda: f"It does not end. It has shown: {self.shown}")
        assert "Traceback" not in self.shown, self.shown
        assert termios.tcgetattr(self._ours) == self.before, "the terminal is as it was"
        return self.process.returncode

    def _look(self) -> None:
        # A piece is some thousand bytes at most, however much there is; an OSError says that there is no more.
        with contextlib.suppress(OSError):
            while piece := os.read(self._ours, 100_000):
                self._bytes += piece
        self.shown += self._decoder.decode(bytes(self._bytes))
        self._bytes.clear()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def opened(trove: Trove) -> Iterator[Callable[..., Terminal]]:
    """Runs `demijohn db ...` at a terminal."""
    made: list[Terminal] = []

    def terminal(*words: str) -> Terminal:
        made.append(Terminal(trove.command(*words), trove.root))
        return made[-1]

    yield terminal
    for each in made:
        each.close()


#: What takes long.
_LONG = {
    "sqlite": "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM n) SELECT COUNT(*) FROM n;",
    "mysql": "SELECT SLEEP(300);",
    "postgresql": "SELECT pg_sleep(300);",
}
#: How many of it are running.
_RUNNING = {
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(300)'",
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active'",
}


def busy(trove: Trove, terminal: Terminal) -> bool:
    """Whether the database is at it."""
    kind = trove.site.db.engine.dialect.name
    if kind == "sqlite":
        return used(terminal.process.pid) > 2
    with trove.site.db.engine.connect() as connection:
        return bool(connection.exec_driver_sql(_RUNNING[kind]).scalar())


def used(process: int) -> float:
    """Seconds of the processor that the children of this process have taken."""
    ticks = 0
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        ticks += int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_ctrl_c_breaks_off_a_query_and_not_the_client(trove: Trove, opened: Callable[..., Terminal]) -> None:
    terminal = opened("shell")
    terminal.sees("> $")
    terminal.type(f"{_LONG[trove.site.db.engine.dialect.name]}\n")
    until(lambda: busy(trove, terminal), "It does not begin.")
    terminal.type("\x03")
    terminal.sees("> $")
    terminal.type("SELECT 40 + 2;\n")
    terminal.sees("42(?s:.*)> $")  # before its prompt, a client may miss the Ctrl+D
    terminal.type("\x04")
    assert terminal.ends() in ((0, 1) if "sqlite" in trove.site.db.url else (0,))  # sqlite3: 1, for something failed


def test_ctrl_c_ends_a_command(trove: Trove, opened: Callable[..., Terminal]) -> None:
    terminal = opened("shell", _LONG[trove.site.db.engine.dialect.name])
    until(lambda: busy(trove, terminal), "It does not begin.")
    terminal.type("\x03")
    assert terminal.ends() != 0


def test_prompt_of_our_own(trove: Trove, opened: Callable[..., Terminal]) -> None:
    terminal = opened("shell", "--plain")
    terminal.sees("Ctrl\\+D ends this prompt")
    terminal.sees("sql> $")
    terminal.type("SELECT half\n")
    terminal.sees(r"\.\.\.> $")
    terminal.type("\x03")
    terminal.sees("sql> $")
    terminal.type("SELECT nothing;\n")
    terminal.sees("nothing.*\n(.*\n)*sql> $")
    terminal.type("INSERT INTO notes (id, number, other, text) VALUES (1, 2, 3, 'kept');\n")
    terminal.sees(r"1 row\.\s+sql> $")
    kind = trove.site.db.engine.dialect.name
    terminal.type(f"{_LONG[kind]}\n")
    if kind == "sqlite":
        terminal.sees("\n")
    else:
        until(lambda: busy(trove, terminal), "It does not begin.")
    terminal.type("\x03")
    terminal.sees("sql> $")
    terminal.type("SELECT text FROM notes;\n")
    terminal.sees("text\\s+----\\s+kept(.*\n)*sql> $")  # which takes a Ctrl+D: before, it would be lost
    terminal.type("\x04")
    assert terminal.ends() == 0
    assert len(trove.rows("notes")) == 1


def test_python_prompt(sqlite_trove: Trove, tmp_path: Path) -> None:
    terminal = Terminal(sqlite_trove.command("shell", "--python"), tmp_path)
    try:
        terminal.sees(r"site, db \(a session: .*User.*\n>>> $")
        terminal.type("db.add(User(name='anna', bio=''))\n")
        terminal.sees(">>> $")
        terminal.type("1 +\x03")
        terminal.sees("KeyboardInterrupt\\s+>>> $")
        terminal.type("db.commit()\n")
        terminal.sees(">>> $")
        terminal.type("\x04")
        assert terminal.ends() == 0
    finally:
        terminal.close()
    assert sqlite_trove.rows("users", "name") == [("anna",)]


def test_bar(sqlite_trove: Trove, tmp_path: Path) -> None:
    rows = "".join(f"{id},{id},x\n" for id in range(5000))
    path = sqlite_trove.file("notes.csv", f"number,other,text\n{rows}")
    dump = str(sqlite_trove.root / "dump")
    for words, unit in (
        (("populate", path), "bytes"),
        (("dump", dump), "rows"),
        (("load", dump, "--replace"), "bytes"),
        (("dummy", "50", "--table", "notes"), "rows"),
    ):
        terminal = Terminal(sqlite_trove.command(*words), tmp_path)
        try:
            assert terminal.ends() == 0
        finally:
            terminal.close()
        assert re.search(rf"100%\|[█#]+\| (\d+)/\1 .*{unit}/s", terminal.shown), terminal.shown
