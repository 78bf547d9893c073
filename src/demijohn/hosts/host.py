"""What a host is, as data: how it is recognised, what it gives, what it takes away, and what it wants to be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def _nothing(_plan: Plan) -> dict[str, str]:
    return {}


def _no_settings(_environ: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    return {}


def _no_commands(_plan: Plan) -> list[str]:
    return []


def _no_findings(_plan: Plan) -> Iterator[Finding]:
    return iter(())


class Limits(NamedTuple):
    """What a host allows. None: no limit is known."""

    #: Seconds that a request may take, and until its first byte.
    request: float | None = None
    first_byte: float | None = None
    #: Seconds that a new process may take until it listens.
    boot: float | None = None
    #: Seconds between SIGTERM and SIGKILL.
    grace: float | None = None
    #: Seconds that the host's router keeps an idle connection to the site. The site must keep it longer.
    keep_alive: float | None = None
    #: Seconds after which the host's database hangs up on an idle connection.
    idle: float | None = None
    #: Bytes of a request's body.
    body: int | None = None
    #: Megabytes (2**20) of memory on the smallest instance.
    memory: int | None = None
    #: Of what is uploaded: bytes of one file, files in one folder, files in all, bytes in all.
    file: int | None = None
    folder: int | None = None
    files: int | None = None
    total: int | None = None
    #: Connections that the smallest database which the host sells lets in, of the whole site.
    connections: int | None = None


class Proxies(NamedTuple):
    """Whose word to take for who is asking, and over what."""

    #: How many proxies of the host's own stand before the site, each of which appends to X-Forwarded-For. 0: nothing in
    #: the headers can be believed.
    hops: int = 0
    #: The header with the visitor's address; the host's own proxy sets or appends to it.
    client: str = ""
    #: The header with the scheme that the visitor has used.
    scheme: str = ""
    #: From where they connect: networks, `unix` for a socket. Empty: nobody else reaches the site's port.
    peers: tuple[str, ...] = ()
    #: What the names of headers begin with that the host keeps visitors from sending.
    own: tuple[str, ...] = ()


class Host(NamedTuple):
    """The profile of a host."""

    #: As DEMIJOHN_HOST and the command line spell it.
    name: str
    #: As its owner spells it.
    title: str
    #: What becomes of a file written at run time: `kept`, `forgets` (gone with the next restart, not seen by the other
    #: copies of the site), `none` (it cannot be written).
    disk: str
    #: The kind of database that it gives a site: `postgresql`, `mysql`; empty where it gives none, or any.
    database: str = ""
    #: Settings that suit this host, by their dotted names.
    defaults: Mapping[str, object] = {}
    #: Settings that this host keeps in variables of its own: dotted name to variable.
    variables: Mapping[str, str] = {}
    #: Settings that are put together from what the host says in several places: dotted name to the value and where it
    #: stands.
    gives: Callable[[Mapping[str, str]], Mapping[str, tuple[object, str]]] = _no_settings
    #: Variables that tell one release of the site from another; the first that is set.
    release: tuple[str, ...] = ()
    #: What its environment looks like, to rehearse it: variables that it sets, each with a likely value.
    environ: Mapping[str, str] = {}
    #: Whether /tmp can be written, where the rest of the disk cannot.
    temp: bool = True
    #: The Pythons it runs, `3.13`, the oldest first. Empty: any.
    pythons: tuple[str, ...] = ()
    #: Whether it installs what requirements.txt names. Otherwise the site carries its packages along.
    installs: bool = True
    #: Whether compiled packages of the site's own are let in.
    native: bool = True
    #: Whether the site may start threads, and other processes.
    threads: bool = True
    processes: bool = True
    #: The port that it wants the site to listen on, where PORT does not say; None: the host serves the site itself.
    port: int | None = 8080
    #: How it starts the site, as a shell would read it, in the site's folder. Empty: it loads `door` itself.
    start: str = ""
    #: The file that holds `application`, where the host serves the site itself.
    door: str = "index.wsgi"
    #: Whether the working directory is the site's folder.
    at_home: bool = True
    #: Whether it loads the site once and forks the processes that serve it: what was opened at import is shared.
    forks: bool = False
    #: Whether it takes the processor away between requests, so that a process that has not moved need not be stuck.
    freezes: bool = False
    #: Whether the site is to log each request to its output, as the host's own front end does not.
    access_log: bool = False
    limits: Limits = Limits()
    proxies: Proxies = Proxies()
    #: Whether each site can be visited over https from its first day.
    https: bool = False
    #: How its log wants a line to be worded: `json`; `google`; `short`, where the time and the process are added to it.
    log: str = "json"
    #: The header in which its front end gives each request an id, so that both logs can be read together. A visitor may
    #: be able to choose it, which harms nobody. Empty: it gives none, and what a visitor says there is not taken.
    request_id: str = ""
    #: How the logs are read there: a command, or a place.
    logs: str = ""
    #: What a user should know beforehand: what cannot be had there, and what nobody here has tried.
    caution: str = ""
    #: Where the facts are from: the host's own pages.
    source: str = ""
    #: The files it wants in the site's folder: path to text. None of them overwrites one that differs unasked.
    files: Callable[[Plan], Mapping[str, str]] = _nothing
    #: Whether it is given what git holds, by `git push`, and not the folder as it lies there.
    by_git: bool = False
    #: What is left to type when the files are written, a line each; lines that begin with # explain.
    commands: Callable[[Plan], list[str]] = _no_commands
    #: Checks that only this host needs.
    checks: Callable[[Plan], Iterator[Finding]] = _no_findings

    def settings(self, environ: Mapping[str, str]) -> dict[str, tuple[object, str]]:
        """What this host sets: dotted name to the value and its source, `host NAME` or the variable."""
        settings = {name: (value, f"host {self.name}") for name, value in self.defaults.items()}
        settings.update(self.gives(environ))
        for name, variable in self.variables.items():
            if environ.get(variable):
                settings[name] = (environ[variable], f"{variable} (host {self.name})")
        return settings
