"""`demijohn run`, as a developer uses it."""

from __future__ import annotations

import contextlib
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.readonly import Sealed
from tests.services import HOST, PATIENCE, free_port, lives, until
from tests.sites import clean_environment

APP = """
from pathlib import Path
from demijohn import Site
site = Site(Path(__file__).parents[1])

@site.get("/")
def index():
    return "{text}"

@site.get("/visits")
def visits(session):
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])
"""
DOOR = """
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from app import site as application
"""


class Running:
    """A site in a folder of its own under `demijohn run`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app").mkdir()
        (folder / "index.wsgi").write_text(DOOR)
        (folder / "config.yaml").write_text("name: trial\n")
        self.module = folder / "app" / "__init__.py"
        self.say("first")
        self.port = free_port()
        self.log = folder / "log"

    def say(self, text: str) -> None:
        self.module.write_text(APP.format(text=text))

    @contextlib.contextmanager
    def served(self, *options: str) -> Iterator[Sealed]:
        command = [sys.executable, "-m", "demijohn", "run", "--port", str(self.port), *options]
        with (
            self.log.open("wb") as log,
            Sealed(
                command,
                cwd=self.folder,
                env=clean_environment(),
                writable=[self.folder],  # its SQLite file
                stdout=log,
                stderr=log,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()

    def get(self, path: str = "/") -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def shows(self, text: str) -> None:
        """Wait until the page holds `text`."""

        def look() -> bool:
            with contextlib.suppress(ConnectionError, urllib.error.URLError):
                return text in self.get()[1]
            return False

        until(look, f"The page does not show {text!r}.\n{self.log.read_text()}")


@pytest.fixture
def site(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_a_change_shows_and_a_syntax_error_is_survived(site: Running) -> None:
    with site.served() as process:
        site.shows("first")
        site.say("second")
        site.shows("second")
        site.module.write_text("def broken(:")
        site.shows("SyntaxError")
        assert site.get("/anything")[0] == 500
        site.say("third")
        site.shows("third")
        (site.folder / "config.yaml").write_text("demijohn:\n  sesion: {}\n")
        site.shows("config.yaml:2")
        (site.folder / "config.yaml").write_text("name: trial\n")
        site.shows("third")
        assert process.poll() is None


def test_no_request_is_refused_while_it_reloads(site: Running) -> None:
    with site.served():
        site.shows("first")
        done = False

        def hammer(_number: int) -> set[int]:
            seen = set()
            while not done:
                seen.add(site.get()[0])
            return seen

        with ThreadPoolExecutor(4) as threads:
            answers = [threads.submit(hammer, number) for number in range(4)]
            for text in ("second", "third"):
                site.say(text)
                site.shows(text)
            done = True
            assert set.union(*(answer.result() for answer in answers)) == {200}


def test_the_tables_are_made_and_the_session_works(site: Running) -> None:
    with site.served():
        site.shows("first")
        assert site.get("/visits") == (200, "1")
    assert "Made the tables demijohn_sessions" in site.log.read_text()
    assert "GET /visits 200" in site.log.read_text()


def test_what_makes_no_sense_is_answered_and_paints_nothing_on_the_terminal(site: Running) -> None:
    (site.folder / "config.yaml").write_text("demijohn:\n  log.requests: off\n")  # the server tells of them itself
    with site.served():
        site.shows("first")
        for line, answer in ((b"GET / HTTP/2.0", b"505"), (b"GET /\x1b[31m HTTP/1.1", b"404"), (b"G\x1bT / x", b"400")):
            with socket.create_connection((HOST, site.port), timeout=20) as connection:
                connection.sendall(line + b"\r\nHost: localhost\r\n\r\n")
                assert answer in connection.makefile("rb").read(), line
    log = site.log.read_text()
    assert "\x1b" not in log
    assert "Traceback" not in log
    assert "GET /\\x1b[31m 404" in log


def test_a_port_that_is_taken_is_told(site: Running) -> None:
    with socket.create_server((HOST, site.port)), site.served() as process:
        assert process.wait(PATIENCE) == 1
    said = site.log.read_text()
    assert f"Cannot listen on {HOST}:{site.port}" in said
    assert f"demijohn run --port {site.port + 1}" in said
    assert "Traceback" not in said


def test_a_folder_without_a_site_is_told(site: Running) -> None:
    (site.folder / "index.wsgi").unlink()
    with site.served():
        site.shows("There is no index.wsgi in")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told(site: Running, how: signal.Signals) -> None:
    with site.served() as process:
        site.shows("first")
        process.send_signal(how)
        assert process.wait(PATIENCE) == 0
    with pytest.raises(OSError):  # noqa: PT011  (refused, in the words of the system)
        socket.create_connection((HOST, site.port), timeout=5)


#: The server is told to end at the worst moment: while it begins to answer, and something goes wrong with that as well.
UNTIMELY = """
import os, signal, threading, time
start = threading.Thread.start
def interrupted(thread):
    try:
        os.kill(os.getpid(), signal.NUMBER)
        time.sleep(0.05)
    except KeyboardInterrupt:
        raise RuntimeError("release unlocked lock")
    start(thread)
threading.Thread.start = interrupted
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_also_ends_when_it_is_told_in_the_middle_of_something(site: Running, how: signal.Signals) -> None:
    with site.module.open("a") as file:
        file.write(UNTIMELY.replace("NUMBER", how.name))
    with site.served("--no-reload") as process:
        until(lambda: "Demijohn serves" in site.log.read_text(), "It does not serve.")
        with contextlib.suppress(OSError):  # no answer
            site.get()
        assert process.wait(PATIENCE) == 0


def test_the_serving_process_does_not_outlive_a_killed_one(site: Running) -> None:
    with site.served() as process:
        site.shows("first")
        (child,) = Path(f"/proc/{process.inside}/task/{process.inside}/children").read_text().split()
        process.kill()
        process.wait()
        until(lambda: not lives(int(child)), "The serving process lives on.")


def test_without_reload_a_change_does_not_show(site: Running) -> None:
    with site.served("--no-reload"):
        site.shows("first")
        site.say("second")
        assert site.get() == (200, "first")


def test_db_create(site: Running) -> None:
    command = [sys.executable, "-m", "demijohn", "db", "create"]
    said = []
    for _ in range(2):
        run = subprocess.run(
            command, cwd=site.folder, env=clean_environment(), capture_output=True, text=True, check=True
        )
        said.append(run.stdout)
    assert said == ["Made demijohn_sessions, demijohn_shared, demijohn_tickets.\n", "All tables are there.\n"]
    with contextlib.closing(sqlite3.connect(site.folder / "data.sqlite")) as connection:
        connection.execute("ALTER TABLE demijohn_tickets RENAME COLUMN last TO latest")
    run = subprocess.run(command, cwd=site.folder, env=clean_environment(), capture_output=True, text=True, check=True)
    assert run.stderr.startswith("The table demijohn_tickets lacks columns that its model has: last. No table is alter")
    environment = clean_environment(DATABASE_URL=f"mysql://root:hidden@{HOST}:1/none")
    run = subprocess.run(command, cwd=site.folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "The database mysql+pymysql://" in run.stderr
    assert "hidden" not in run.stderr
    assert "Traceback" not in run.stderr
