"""30 MB through a server where nothing can be written: neither kept in the process nor in a file."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.readonly import readonly
from tests.servers import ROOT
from tests.services.process import HOST, PATIENCE, free_port, until
from tests.sites import clean_environment
from tests.uploads import APP, settings

MB = 1_000_000
LARGE = 40 * 1024**2  # what the site takes in streams
PIECES = [bytes([number]) * MB for number in range(30)]
DIGEST = hashlib.sha256(b"".join(PIECES)).hexdigest()
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "gunicorn": lambda address: [
        "gunicorn",
        f"--bind={address}",
        "--workers=1",
        f"--config={ROOT / 'gunicorn.conf.py'}",
    ],
    "waitress": lambda address: ["waitress", f"--listen={address}"],
}


class Sealed(NamedTuple):
    """A server that can write nothing, /tmp included."""

    name: str
    process: subprocess.Popen[bytes]
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)

    def processes(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def memory(self, field: str) -> dict[int, int]:
        """Bytes by process: VmRSS now, VmHWM at most since `forget`."""
        found = {}
        for pid in self.processes():
            lines = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            found[pid] = int(lines[field].split()[0]) * 1024
        return found

    def forget(self) -> None:
        for pid in self.processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module", params=COMMANDS)
def sealed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    port = free_port()
    command = [sys.executable, "-B", "-m", *COMMANDS[request.param](f"{HOST}:{port}"), APP]
    environment = clean_environment(**settings(tmp_path_factory.mktemp("uploads")))
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(readonly(command), cwd=ROOT, env=environment, stdout=log, stderr=log) as process,
    ):
        server = Sealed(request.param, process, port)
        try:
            until(lambda: process.poll() is not None or _answers(server), "The server does not answer.")
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)
            log.seek(0)
            said = log.read().decode(errors="replace")
            print(said)
    assert "Traceback" not in said


def _answers(server: Sealed) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(server.connect()) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read() == b"ready"
    return False


def ask(server: Sealed, method: str, path: str, pieces: list[bytes], **headers: str) -> tuple[int, bytes]:
    """The status and the body of the answer; 0 where the server has hung up while the request was on its way."""
    with contextlib.closing(server.connect()) as connection:
        try:
            chunked = headers.pop("framing") == "chunked"
            if not chunked:
                headers["Content-Length"] = str(sum(map(len, pieces)))
            headers["Sec-Fetch-Site"] = "same-origin"
            connection.request(method, path, iter(pieces), headers, encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (ConnectionError, http.client.HTTPException):
            return 0, b""


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_30_mb_stream_through_with_little_memory(sealed: Sealed, framing: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=b", "framing": framing}
    ask(sealed, "PUT", "/digest", PIECES[:1], framing=framing)  # what the first one imports
    ask(sealed, "POST", "/large", [head, b"\r\n--b--\r\n"], **form)
    sealed.forget()
    before = sealed.memory("VmRSS")
    assert ask(sealed, "PUT", "/digest", PIECES, framing=framing) == (200, DIGEST.encode())
    status, body = ask(sealed, "POST", "/large", [head, *PIECES, b"\r\n--b--\r\n"], **form)
    assert (status, DIGEST in body.decode()) == (200, True), body
    after = sealed.memory("VmHWM")
    more = {pid: most - before[pid] for pid, most in after.items()}
    print(sealed.name, framing, "took", max(more.values()) / MB, "MB more")
    assert max(more.values()) < 20 * MB


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("path", ["/raw", "/raw/streamed"])
def test_what_is_over_the_limit_is_a_413(sealed: Sealed, framing: str, path: str) -> None:
    size = 30 if path == "/raw" else LARGE // MB + 2
    status, body = ask(sealed, "PUT", path, PIECES[:1] * size, framing=framing)
    assert status == 413 or (status == 0 and size > 32), body  # more than that nobody reads only to drop it
    assert not body or b"too large" in body
    assert _answers(sealed)


def test_30_mb_come_back_through_a_server_that_must_keep_them_meanwhile(sealed: Sealed) -> None:
    with contextlib.closing(sealed.connect()) as connection:
        connection.request("GET", "/download")
        answer = connection.getresponse()
        assert hashlib.sha256(answer.read()).hexdigest() == DIGEST
