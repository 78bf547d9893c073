"""The read-only file system that other tests stand on lets nothing be written, and everything else through."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readonly import SHM, Sealed, readonly
from tests.services import PATIENCE
from tests.services.wrapped import Process
from tests.sites import clean_environment

TRY_TO_WRITE = """
import errno, json, os, sys
outcome = {}
for folder in sys.argv[1:]:
    attempts = {
        "open": lambda: os.close(os.open(f"{folder}/new", os.O_CREAT | os.O_WRONLY)),
        "mkdir": lambda: os.mkdir(f"{folder}/folder"),
        "mkfifo": lambda: os.mkfifo(f"{folder}/fifo"),
        "symlink": lambda: os.symlink("/", f"{folder}/link"),
        "utime": lambda: os.utime(folder),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
            outcome[f"{name} {folder}"] = "written"
        except OSError as error:
            outcome[f"{name} {folder}"] = errno.errorcode[error.errno]
print(json.dumps(outcome))
"""
EVERYWHERE = ["/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/run", "/sys", str(Path.cwd()), str(Path.home())]  # noqa: S108


def try_to_write(folders: list[str], *writable: Path) -> dict[str, str]:
    command = readonly([sys.executable, "-c", TRY_TO_WRITE, *folders], writable=writable)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    outcome: dict[str, str] = json.loads(result.stdout)
    assert len(outcome) == 5 * len(set(folders))
    return outcome


def test_nothing_is_writable_anywhere(tmp_path: Path) -> None:
    outcome = try_to_write([*EVERYWHERE, str(tmp_path)])
    assert {attempt: how for attempt, how in outcome.items() if how != "EROFS"} == {}


def test_files_and_the_process_itself_cannot_be_changed(tmp_path: Path) -> None:
    existing = tmp_path / "existing"
    existing.write_text("before")
    for path in (str(existing), "/proc/self/comm"):
        script = f"open({path!r}, 'r+').write('after')"
        result = subprocess.run(readonly([sys.executable, "-c", script]), capture_output=True, text=True, check=False)
        assert os.strerror(errno.EROFS) in result.stderr
    assert existing.read_text() == "before"


def test_shared_memory_is_writable_on_request_and_private() -> None:
    assert set(try_to_write([str(SHM)], SHM).values()) == {"written"}
    assert not Path("/dev/shm/new").exists()  # noqa: S108
    assert set(try_to_write(["/tmp", "/dev"], SHM).values()) == {"EROFS"}  # noqa: S108


def test_a_folder_is_writable_on_request_and_nothing_beside_it(tmp_path: Path) -> None:
    given, beside = tmp_path / "given", tmp_path / "beside"
    for folder in (given, beside):
        folder.mkdir()
    outcome = try_to_write([str(given), str(beside), str(tmp_path)], given)
    assert {how for attempt, how in outcome.items() if attempt.endswith("/given")} == {"written"}
    assert {how for attempt, how in outcome.items() if not attempt.endswith("/given")} == {"EROFS"}
    assert (given / "new").exists()


def test_a_site_can_write_its_sqlite_file_and_nothing_beside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    script = "import sqlite3; sqlite3.connect('data/new').execute('CREATE TABLE a (b)'); open('beside', 'w')"
    environment = clean_environment(DATABASE_URL=f"sqlite:///{tmp_path / 'data' / 'new'}")
    with Sealed([sys.executable, "-c", script], cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read().strip().endswith(b"Read-only file system: 'beside'")
    assert (tmp_path / "data" / "new").stat().st_size


def test_devices_and_output_work() -> None:
    script = "open('/dev/null', 'w').write('x'); print('out'); raise SystemExit(7)"
    result = subprocess.run(readonly([sys.executable, "-c", script]), capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("out\n", 7)


def test_a_server_of_this_machine_is_in_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]})).sendall(b'here')"
        with subprocess.Popen(readonly([sys.executable, "-c", script])) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(10) == b"here"
        assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_command_inside(number: signal.Signals) -> None:
    script = f"""
import signal
signal.signal({number.value}, lambda *_: exit(7))
print("ready", flush=True)
while True:
    signal.pause()
"""
    with Process(readonly([sys.executable, "-c", script]), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 7
