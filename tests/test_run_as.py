"""`demijohn run --as HOST`: what a host enforces, seen from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demijohn.cli import main
from demijohn.rehearsal.relay import Relay
from tests.services import HOST, PATIENCE, MariaDB, free_port, program, until
from tests.site.visitor import Visitor, unique
from tests.sites import OURS, ROOT, clean_environment
from tests.test_rehearsal import HEAD, plant

SOURCE = HEAD + (
    "import threading\nfrom demijohn import request\n"
    "@site.get('/write')\ndef write():\n    open(os.path.join(ROOT, 'a'), 'w').write('here')\n"
    "    return 'written'\n"
    "@site.get('/read')\ndef read():\n    return open(os.path.join(ROOT, 'a')).read()\n"
    "@site.get('/temp')\ndef temp():\n    open(os.sep + 'tmp/of-a-rehearsal', 'w').close()\n    return 'written'\n"
    "@site.get('/thread')\ndef thread():\n    threading.Thread(target=str).start()\n    return 'started'\n"
    "@site.get('/grow')\ndef grow():\n    site.heap = bytearray(600 * 2**20)\n    return 'grown'\n"
    "@site.get('/slow')\ndef slow():\n    print('began', flush=True)\n    time.sleep(1)\n    return 'done'\n"
    "@site.get('/freeze')\ndef freeze():\n    os.kill(os.getppid(), 19)  # gunicorn\n    return 'frozen'\n"
    "@site.get('/seen')\ndef seen():\n"
    "    names = 'HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED_PROTO', 'HTTP_X_REAL_IP'\n"
    "    values = [str(request.environ.get(name)) for name in names]\n"
    "    return ' '.join([os.environ.get('DYNO', '-'), os.getcwd(), *values])\n"
)


class Running:
    """A command that serves, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def get(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.address + path, body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def as_host(host: str, root: Path = ROOT, path: str | None = None, **settings: str) -> Iterator[Running]:
    """`demijohn run --as HOST`, when it serves."""
    port = free_port()
    with tempfile.NamedTemporaryFile() as log:
        command = [sys.executable, "-W", "error", "-m", "demijohn", "run", "--as", host, "--root", str(root)]
        environment = clean_environment(**settings)
        environment["PATH"] = environment["PATH"] if path is None else path
        with subprocess.Popen([*command, f"--port={port}"], env=environment, stdout=log, stderr=log) as process:
            running = Running(process, f"http://{HOST}:{port}", Path(log.name))
            try:
                until(lambda: process.poll() is not None or "Demijohn serves" in running.log, "It does not serve.")
                assert process.poll() is None, running.log
                yield running
            finally:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                finally:
                    process.kill()
                    print(running.log)


@pytest.fixture(scope="module")
def no_bubblewrap(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which there is none."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("sh", "git"):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


def test_the_repositorys_own_site_can_be_used_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with as_host("sae", TMPDIR=str(tmp_path)) as running:
        assert os.listdir(tmp_path)
        visitor = Visitor(running.address).sign_up(unique("Anna"))
        assert visitor.write("carried along").status in (302, 303)
        assert "carried along" in visitor.get("/").page
        assert "a database of its own" in running.log
        assert running.stop(signal.SIGINT) == 0
    assert not os.listdir(tmp_path)


def test_a_disk_that_forgets_and_what_was_begun_is_finished(tmp_path: Path) -> None:
    root = plant(tmp_path, SOURCE)
    with as_host("heroku", root) as running, ThreadPoolExecutor() as pool:
        assert running.get("/write") == (200, "written")
        assert running.get("/read") == (200, "here")
        assert not (root / "a").exists()
        assert running.get("/thread") == (200, "started")
        dyno, cwd, chain, scheme, _ = running.get("/seen", None, **{"X-Forwarded-Proto": "https"})[1].split(" ")
        assert (dyno, chain, scheme) == ("web.1", "127.0.0.1", "http")
        assert cwd.endswith("/planted")
        assert "X-Forwarded-For" in running.log
        assert "a first byte after 30 s: 503" in running.log
        answer = pool.submit(running.get, "/slow")
        until(lambda: "began" in running.log, "The request has not come to the site.")
        assert running.stop() == 0
        assert answer.result() == (200, "done")


@pytest.mark.parametrize("wrapped", [True, False], ids=["bubblewrap", "the audit hook"])
def test_a_disk_that_cannot_be_written_and_a_site_that_stays(tmp_path: Path, no_bubblewrap: str, wrapped: bool) -> None:
    if wrapped:
        program("bwrap", "bubblewrap")
    root = plant(tmp_path, SOURCE)
    with as_host("gae", root, None if wrapped else no_bubblewrap) as running:
        assert ("by bubblewrap" in running.log) is wrapped
        assert running.get("/write")[0] == 500
        assert not (root / "a").exists()
        line = 1 + SOURCE.splitlines().index("    open(os.path.join(ROOT, 'a'), 'w').write('here')")
        assert f"app/__init__.py:{line} writes a: nothing can be written there." in running.log
        if wrapped or os.access("/tmp", os.W_OK):  # noqa: S108 - the hook has no /tmp to give but this machine's
            assert running.get("/temp") == (200, "written")
        assert running.get("/freeze") == (200, "frozen")
        assert running.stop() == 1
        assert "The site has not ended 3 s after SIGTERM: Google App Engine kills it." in running.log


def test_no_threads_one_process_and_another_working_directory(tmp_path: Path) -> None:
    root = plant(tmp_path, SOURCE)
    with as_host("pythonanywhere", root) as running:
        assert running.get("/thread")[0] == 500
        assert "starts a thread: there are no threads there." in running.log
        assert running.get("/write") == (200, "written")
        assert (root / "a").exists()  # its disk keeps
        assert not running.get("/seen")[1].split(" ")[1].startswith(str(root))
        assert running.stop() == 0


def test_what_needs_too_much_memory_is_ended(tmp_path: Path) -> None:
    with as_host("heroku", plant(tmp_path, SOURCE)) as running:
        with contextlib.suppress(OSError):  # it may be ended before it has answered
            running.get("/grow")
        assert running.process.wait(PATIENCE) == 1
        assert "and Heroku has 512 MB: it ends the site." in running.log


def test_a_relay_cuts_what_rests() -> None:
    async def visit(server: str, port: int) -> tuple[bytes, bytes, int]:
        relay = Relay(server, port, idle=0.2)
        await relay.start()
        reader, writer = await asyncio.open_connection(HOST, relay.listens)
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        end = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await relay.stop()
        return answer, end, relay.cut

    async def main() -> tuple[bytes, bytes, int]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(100):
                writer.write(piece)
            writer.close()

        async with await asyncio.start_server(echo, HOST, 0) as server:
            return await visit(HOST, server.sockets[0].getsockname()[1])

    assert asyncio.run(main()) == (b"hello", b"", 1)


def test_an_idle_database_connection_is_cut(tmp_path: Path, mariadb: MariaDB) -> None:
    url = mariadb.create("as_host")
    source = HEAD + (
        "import sqlalchemy\nengine = sqlalchemy.create_engine(os.environ['DEMIJOHN_DATABASE_URL'], pool_size=1)\n"
        "@site.get('/')\ndef page():\n    with engine.connect() as c:\n"
        "        return str(c.exec_driver_sql('select 6 * 7').scalar()) + ' ' + str(engine.url.port)\n"
    )
    root = plant(tmp_path, source)
    try:
        with as_host("pythonanywhere", root, DATABASE_URL=url) as running:
            assert "a database connection that has rested for 300 s is cut" in running.log
            answer, port = running.get("/")[1].split(" ")
            assert answer == "42"
            assert port != str(mariadb.port)  # but the relay's
            assert "a database of its own" not in running.log
    finally:
        mariadb.drop("as_host")


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["--as", "herok"], {}, "There is no profile of a host called 'herok'. Is it heroku?"),
        (["--as", "heroku"], {"DATABASE_URL": "sqlite:///x"}, "database.url is an SQLite file, and Heroku forgets"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    settings: Mapping[str, str],
    words: str,
) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--root", str(plant(tmp_path, HEAD)), *arguments]) == 1
    assert words in capsys.readouterr().err


def test_a_site_that_does_not_start_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demijohn", "run", "--as", "sae", "--root", str(plant(tmp_path, HEAD + "1 / 0\n"))],
        env={**clean_environment(), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr or "The release command has failed" in done.stderr
