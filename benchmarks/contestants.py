"""Who takes part, what each is asked, and how each is kept: in a process and an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.services import Services

HERE = Path(__file__).resolve().parent
FLASK = HERE / ".venv-flask"


@dataclass(frozen=True)
class Contestant:
    name: str
    #: The folder below sites/, and in it module:name of the WSGI application.
    site: str
    app: str
    python: str
    #: The distributions whose versions the report names.
    distributions: tuple[str, ...]

    def command(self, *path: str) -> list[str]:
        """To be run in this folder. The worker is imported, because a script has no byte code."""
        start = "import worker; worker.main()"
        return [self.python, "-c", start, str(HERE / "sites" / self.site), self.app, *path]


@dataclass(frozen=True)
class Workload:
    path: str
    cookie: bool = False
    #: What the server puts into the environ besides: pairs.
    environ: tuple[tuple[str, str], ...] = ()


WORKLOADS = {
    "plaintext": Workload("/plaintext"),
    "plaintext, cookie": Workload("/plaintext", cookie=True),
    "session-read": Workload("/session-read", cookie=True),
    "session-write": Workload("/session-write", cookie=True),
    "page": Workload("/page", cookie=True),
    "db": Workload("/db/1234"),
    "static": Workload("/static/bench.css"),
}

GLUE = Contestant("glue", "glue", "app:app", sys.executable, ("bottle", "sqlalchemy", "jinja2", "pymysql", "pylibmc"))
DEMIJOHN = Contestant("demijohn", "demijohn", "main:app", sys.executable, ("demijohn", *GLUE.distributions))
CONTESTANTS = (
    GLUE,
    DEMIJOHN,
    Contestant(
        "flask",
        "flask",
        "app:app",
        str(FLASK / "bin" / "python"),
        ("flask", "flask-sqlalchemy", "flask-session", *GLUE.distributions[1:]),
    ),
)
#: Only their cold start is measured.
WITHOUT_MODELS = Contestant("demijohn, no models", "demijohn", "plain:site", sys.executable, ())
FLOOR = Contestant("bottle alone", "bottle", "app:app", sys.executable, ())


def environment(services: Services, *, listening: bool = False) -> dict[str, str]:
    """A contestant's whole environment: nothing of the caller's that could be taken for a host or change Python."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "DEMIJOHN_ENV": "production",
        "SECRET_KEY": "benchmarks-benchmarks-benchmarks-benchmarks",
        "DATABASE_URL": services.database_url,
        "MEMCACHED_URL": services.listening.url if listening else services.memcached.url,
    }


class Worker:
    """A contestant's process, signed in.

    :param listening: ask MariaDB and memcached where what they are asked can be heard.
    :param signed_in: False for one that has no sessions.
    :param variables: of its environment, besides.
    """

    def __init__(
        self,
        contestant: Contestant,
        services: Services,
        *,
        listening: bool = False,
        signed_in: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.contestant = contestant
        self._process = subprocess.Popen(
            contestant.command(),
            cwd=HERE,
            env={**environment(services, listening=listening), **(variables or {})},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._cookie = ""
        if not signed_in:
            return
        try:
            headers = self._ask(do="call", path="/login", cookie="", times=1)["headers"]
        except BaseException:
            self.close()
            raise
        self._cookie = "; ".join(value.split(";")[0] for name, value in headers if name.lower() == "set-cookie")

    def call(self, workload: Workload, times: int = 1) -> dict[str, Any]:
        """Answer `times` requests. Returns status, headers and body of the last."""
        return self._ask(do="call", times=times, **self._request(workload))  # type: ignore[no-any-return]

    def measure(self, workload: Workload, seconds: float) -> dict[str, float]:
        """Microseconds a request, of CPU and by the clock."""
        return self._ask(do="measure", seconds=seconds, **self._request(workload))  # type: ignore[no-any-return]

    def resident(self) -> float:
        """Megabytes in memory."""
        return self._ask(do="resident")  # type: ignore[no-any-return]

    def versions(self) -> dict[str, str]:
        return self._ask(do="versions", of=self.contestant.distributions)  # type: ignore[no-any-return]

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _request(self, workload: Workload) -> dict[str, Any]:
        cookie = self._cookie if workload.cookie else ""
        return {"path": workload.path, "cookie": cookie, "environ": dict(workload.environ)}

    def _ask(self, **order: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The contestant {self.contestant.name} has died; its last words are above.")
        return json.loads(line)


def install_flask() -> None:
    """Make the Flask stack's environment, unless it is there. It has the project's versions of what both use."""
    shared = [f"{name}=={version(name)}" for name in ("sqlalchemy", "jinja2", "pymysql", "pylibmc")]
    wanted = (HERE / "requirements-flask.txt").read_text() + "\n".join(["# held:", sys.version, *shared])
    note = FLASK / "wanted"
    if note.exists() and note.read_text() == wanted:
        return
    shutil.rmtree(FLASK, ignore_errors=True)
    requirements = ["-r", str(HERE / "requirements-flask.txt"), *shared]
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, FLASK], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", FLASK / "bin" / "python", *requirements], check=True
        )
    else:
        subprocess.run([sys.executable, "-m", "venv", FLASK], check=True)
        subprocess.run([FLASK / "bin" / "pip", "install", "--quiet", *requirements], check=True)
    note.write_text(wanted)
