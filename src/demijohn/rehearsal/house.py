"""A host on this machine, for `demijohn run --as HOST`. What a host enforces is enforced here, or named as missing."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import make_url

import demijohn
from demijohn import config
from demijohn.config.settings import by_itself
from demijohn.deploy.plan import make_plan
from demijohn.errors import ConfigError, DemijohnError
from demijohn.hosts import Host
from demijohn.rehearsal.errors import RehearsalError
from demijohn.rehearsal.sealed import bubblewrap, sealed
from demijohn.rehearsal.stage import copy

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Database(NamedTuple):
    """The database that is used: the embedded one of this run, or the user's."""

    own: bool
    #: Where a relay is to stand in front of: an address and a port, or a socket's path and None.
    server: tuple[str, int | None] | None
    #: Its URL.
    url: str


class House:
    """:param scratch: an empty folder, for the database and for the copy of a site whose host's disk forgets.
    :param port: at which the site is to listen.
    :raises ConfigError: the settings hold a mistake on this host.
    """

    def __init__(self, root: Path, host: Host, scratch: Path, port: int, outside: Mapping[str, str]) -> None:
        self.host = host
        self.scratch = Path(os.path.realpath(scratch))
        self.port = port
        self.program = bubblewrap()
        #: What is done here as there, and what is not.
        self.enforced: list[str] = []
        self.missing: list[str] = []
        self.root = self._furnish(root)
        self.environ = {**host.environ, **outside, "DEMIJOHN_HOST": host.name, "PORT": str(port)}
        self.environ.setdefault("DEMIJOHN_SERVER_HOST", "127.0.0.1")  # for the router alone
        self.environ["PYTHONUNBUFFERED"] = "1"
        self.database = self._settle(outside)

    # What there is before it starts

    def _furnish(self, root: Path) -> Path:
        """The folder that is served."""
        (self.scratch / "database").mkdir()
        (self.scratch / "tmp").mkdir()
        if self.host.disk == "forgets":
            target = self.scratch / (root.name or "site")
            copy(root, target)
            self.enforced.append("what the site writes is forgotten at the end: it runs in a copy of the folder")
            return target
        if self.host.disk == "none":
            where = "but for /tmp" if self.host.temp else "nor in /tmp"
            by = "bubblewrap" if self.program else "a watch over Python; compiled packages can pass it by"
            self.enforced.append(f"nothing can be written, {where} (by {by})")
        return root

    def _settle(self, outside: Mapping[str, str]) -> Database:
        """A secret and a database, where there are none; and what is wrong with the settings then."""
        read, _ = config.read(self.root, environ=self.environ)
        if not read["secret"]:
            self.environ["DEMIJOHN_SECRET"] = secrets.token_urlsafe(32)
            self.enforced.append("a secret made for this run, as none is set: sessions end with it")
        database = Database(False, None, str(read["database.url"]))
        # The database that the host's own variables name is there, and they are likely ones, not the user's.
        named, _ = config.read(self.root, environ={**outside, "DEMIJOHN_HOST": self.host.name})
        if by_itself(named.source("database.url")):
            database = Database(True, None, f"sqlite:///{self.scratch / 'database' / 'site.sqlite'}")
            self.environ |= {"DATABASE_URL": database.url, config.REHEARSAL: "1"}
            self.enforced.append("a database of its own, empty and gone at the end, as DATABASE_URL is not set")
        elif read["database.url"]:
            database = database._replace(server=self._relayed(read))
        if read.source("memcached.url").startswith("host "):
            self.missing.append("memcached: the site asks for one at {}".format(", ".join(read["memcached.url"])))
        _, problems = config.read(self.root, environ=self.environ)
        if problems:
            raise ConfigError(problems)
        return database

    def _relayed(self, read: config.Config) -> tuple[str, int | None] | None:
        """The server whose idle connections can be cut. Through a relay, a server elsewhere would be taken for one on
        this machine, and spoken to without TLS."""
        url, idle = make_url(read["database.url"]), self.host.limits.idle
        if idle is None or url.get_backend_name() == "sqlite":
            return None
        if url.host in _LOOPBACK and read["database.tls"] in ("auto", "off"):
            self.enforced.append(f"a database connection that has rested for {idle:g} s is cut")
            return url.host or "", url.port or {"mysql": 3306, "postgresql": 5432}.get(url.get_backend_name())
        self.missing.append(f"connections to the database are not cut after {idle:g} s: it is not on this machine")
        return None

    def through(self, port: int) -> None:
        """Have the database asked through a relay at this port."""
        url = make_url(self.database.url).set(host="127.0.0.1", port=port)
        self.environ["DEMIJOHN_DATABASE_URL"] = url.render_as_string(hide_password=False)

    # The commands

    def release(self) -> list[str] | None:
        """The command that makes the tables, for a database of the run's own."""
        if not self.database.own:
            return None
        what = "upgrade" if any((self.root / "migrations" / "versions").glob("*.py")) else "create"
        return [sys.executable, "-m", "demijohn", "db", "--root", str(self.root), what]

    def command(self) -> list[str]:
        """The start command, as it is run here."""
        words = self._start()
        if self.host.start and words[0] in ("gunicorn", "waitress-serve") and shutil.which(words[0]) is None:
            self._need(words[0])
        started = [sys.executable, "-m", "demijohn.rehearsal.start", json.dumps(self._rules()), *words]
        if self.program is None or self.host.disk == "kept":
            return started
        folder = self.scratch / "database" if self.host.disk == "none" else self.scratch
        return sealed(
            self.program,
            started,
            writable=[folder],
            temp=self.host.temp or self.host.disk == "forgets",
            shown=[self.root],
        )

    def _need(self, program: str) -> None:
        from importlib.util import find_spec

        if find_spec(program) is None:
            raise RehearsalError(
                f"{self.host.title} starts the site by {program}, which is not installed. Install it: "
                "pip install 'demijohn[server]'"
            )

    def _start(self) -> list[str]:
        line = self._procfile() or self.host.start
        if not line:
            door = self.host.door if (self.root / self.host.door).is_file() else "index.wsgi"
            options = ["--fork"] * self.host.forks + ["--threads"] * self.host.threads
            return ["serve", str(self.port), str(self.root), door, *options]
        if any(mark in line for mark in ";&|<>`("):
            return ["sh", "-c", line]
        words = shlex.split(line)
        return [self._expanded(word) for word in words]

    def _expanded(self, word: str) -> str:
        for name, value in self.environ.items():
            word = word.replace(f"${{{name}}}", value).replace(f"${name}", value) if "$" in word else word
        return word

    def _procfile(self) -> str:
        """The web line of the site's own Procfile, where the host reads one."""
        path = self.root / "Procfile"
        if not self.host.start or not path.is_file():
            return ""
        try:
            reads = "Procfile" in self.host.files(make_plan(self.root, self.host))
        except DemijohnError:
            return ""  # what keeps the files from being written is for `demijohn deploy` to tell
        lines = (line.partition(":") for line in path.read_text(errors="replace").splitlines())
        return next((rest.strip() for name, _, rest in lines if name.strip() == "web" and reads), "")

    def _rules(self) -> dict[str, object]:
        return {
            "root": os.path.realpath(self.root),
            "scratch": str(self.scratch),
            "database": str(self.scratch / "database" / "site.sqlite"),
            "foreign": [os.path.dirname(os.path.realpath(demijohn.__file__)), str(self.root / "src" / "demijohn")],
            "sealed": self.host.disk == "none",
            "temp": self.host.temp or self.host.disk != "none",
            "threads": self.host.threads,
            "processes": self.host.processes,
            "alone": False,
        }

    def cwd(self) -> Path:
        return self.root if self.host.at_home else self.scratch
