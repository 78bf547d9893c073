"""S111 to S118: settings against what the host gives and allows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from demijohn.check.subject import Subject
from demijohn.deploy import bodies
from demijohn.findings import Finding

#: Megabytes (2**20) that a process with a database, models and templates takes once it has answered, and those of the
#: process that starts the others. Measured with the guestbook under gunicorn; docs/checks.md says how.
WORKER, FIRST = 60, 30
_SERVERS = ("database.url", "database.replicas", "redis.url", "session.url", "memcached.url")
_THIS_MACHINE = r"([\w+]+://)?([^@/]*@)?(localhost|127\.[\d.]+|\[::1\])(:\d+)?([/?].*)?"


def check(subject: Subject) -> Iterator[Finding]:
    for part in (_no_server_here, _idle, _connections, _memory, _threads, _body, _folders, _echo):
        yield from part(subject)


def _finding(subject: Subject, code: str, name: str, message: str, fix: str, level: str = "error") -> Finding:
    path, line = subject.settings.place(name)
    return Finding(code, path, line, message, fix, level)


def _no_server_here(subject: Subject) -> Iterator[Finding]:
    """What forgets its disk runs one program, the site."""
    if subject.host.disk == "kept":
        return
    for name in _SERVERS:
        value = subject.settings[name] or ()
        urls = value if isinstance(value, tuple) else (value,)
        if subject.settings.is_written(name) and any(_is_here(str(url)) for url in urls):
            message = f"{name} is a server on the same machine, and {subject.host.title} runs none beside the site."
            fix = "Take the line out, and set the variable that the host or its add-on gives."
            yield _finding(subject, "S111", name, message, fix)


def _is_here(url: str) -> bool:
    """Not where the address stands for a socket, which a host may well put there."""
    return bool(re.fullmatch(_THIS_MACHINE, url)) and not re.search(r"[?&](unix_socket|host)=", url)


def _idle(subject: Subject) -> Iterator[Finding]:
    most, idle = subject.host.limits.idle, subject.settings["database.idle"]
    if most is not None and idle >= most:
        message = (
            f"database.idle is {idle} s, and the database of {subject.host.title} hangs up after {most:g} s: the first "
            "request after a rest finds a dead connection."
        )
        yield _finding(
            subject, "S112", "database.idle", message, "Leave it out: the host's profile knows a good value."
        )


def _connections(subject: Subject) -> Iterator[Finding]:
    for problem in subject.settings.problems:
        if problem.name == "database.max_connections":
            path, line = subject.settings.place_of(problem)
            fix = "Leave pool_size and max_overflow out: they are then chosen within database.max_connections."
            yield Finding("S113", path, line, f"{problem.message}.", fix)


def _memory(subject: Subject) -> Iterator[Finding]:
    memory, settings = subject.host.limits.memory, subject.settings
    workers = settings["server.workers"] if settings.is_written("server.workers") else subject.plan.workers
    needed = FIRST + WORKER * workers
    if memory is not None and needed > memory:
        fitting = max(1, (memory - FIRST) // WORKER)
        message = (
            f"{workers} workers take about {needed} MB, and the smallest instance of {subject.host.title} has {memory} "
            "MB: the host ends what takes more."
        )
        fix = f"Set server.workers to {fitting} or less, or take a larger instance."
        yield _finding(subject, "S114", "server.workers", message, fix, "warning")


def _threads(subject: Subject) -> Iterator[Finding]:
    threads = subject.settings["server.threads"]
    if not subject.host.threads and threads > 1 and subject.settings.is_written("server.threads"):
        message = (
            f"server.threads is {threads}, and {subject.host.title} gives the site none but one: the other connections "
            "of the pool are opened for nobody."
        )
        yield _finding(subject, "S115", "server.threads", message, "Leave it out there.", "warning")


def _body(subject: Subject) -> Iterator[Finding]:
    most, settings = subject.host.limits.body, subject.settings
    if most is None:
        return
    found = [(bodies.OPTION, *limit) for limit in bodies.limits(subject.folder.root, settings.config)]
    if settings.is_written("body.limit"):
        found.append(("body.limit", settings["body.limit"], *settings.place("body.limit")))
    for name, limit, path, line in found:
        if limit is not None and limit > most:
            message = (
                f"{name} is {limit:,} bytes, and {subject.host.title} lets {most:,} through: what lies between is "
                "refused before the site can say why."
            )
            yield Finding("S116", path, line, message, f"Set it to {most} or less.", "warning")


def _folders(subject: Subject) -> Iterator[Finding]:
    for name in ("static.path", "views.path"):
        folder = subject.settings[name]
        if subject.settings.is_written(name) and not (subject.folder.root / folder).is_dir():
            message = f"{name} is {folder}, and there is no such folder beside config.yaml."
            yield _finding(subject, "S117", name, message, "Name one that is there, spelled as it is on the disk.")


def _echo(subject: Subject) -> Iterator[Finding]:
    if subject.settings["database.echo"]:
        message = "database.echo is true: every statement goes into the host's log, with what visitors have written."
        fix = "Take the line out, and set DEMIJOHN_DATABASE_ECHO=true where you want to see them."
        yield _finding(subject, "S118", "database.echo", message, fix, "warning")
