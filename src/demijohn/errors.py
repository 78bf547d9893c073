"""One family of errors. Each says what happened, why, and what to do, and carries the facts as fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class DemijohnError(Exception):
    """The base of all errors that Demijohn raises on its own account."""


class OutsideRequestError(DemijohnError):
    """Something that belongs to a request was asked for where there is none."""


class SessionEndedError(OutsideRequestError):
    """A database session was used after its request, or its `unit()`, had ended."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"{owner} has ended, and the database session that belonged to it is closed. What goes on after it, in a "
            "thread, a job or a timer, needs a session of its own: with site.db.unit() as db: ..."
        )
        #: Whose it was: `GET /notes`.
        self.owner = owner


class NoDatabaseError(DemijohnError):
    """The database was asked for, and none is set."""


class UnknownFieldError(DemijohnError, TypeError):
    """A model was to be given a value for something that it does not have."""

    def __init__(self, model: str, name: str, known: list[str]) -> None:
        import difflib

        near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
        hint = f"Is it {' or '.join(near)}?" if near else f"It has: {', '.join(known)}."
        super().__init__(f"{model} has nothing called {name!r} that could be set. {hint}")
        #: The model's name.
        self.model = model
        #: The name that was given.
        self.name = name
        #: Names that look like it, the nearest first.
        self.near = near


class PageError(DemijohnError, ValueError):
    """What a statement finds cannot be cut into pages."""


class DriverMissingError(DemijohnError):
    """The driver of the database is not installed."""

    def __init__(self, kind: str, module: str | None) -> None:
        extra = f"demijohn[{kind}]" if kind == "postgresql" else str(module)
        super().__init__(f"The driver for {kind}, {module}, is not installed. Install it: pip install '{extra}'")
        #: The database: `postgresql`.
        self.kind = kind
        #: The module that was looked for.
        self.module = module


class DatabaseTlsError(DemijohnError):
    """What the settings or the database's URL say of TLS cannot be used."""


class DatabaseDownError(DemijohnError):
    """The database was not asked, because a moment ago it let nobody in."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"{database} did not answer a moment ago, so it is left alone for a second. The log says why; try again."
        )
        #: Which one: `The database at host:port`.
        self.database = database
        #: Whether the log has heard of it.
        self.told = True


class StreamFromReplicaError(DemijohnError):
    """A request that reads a stream of rows from a replica was about to write."""

    def __init__(self) -> None:
        super().__init__(
            "This request is reading rows from a replica piece by piece, so it cannot go to the primary and write. "
            "Read them all before you write, or give the route replica=False."
        )


class StoreUnavailableError(DemijohnError):
    """A session store did not answer."""

    def __init__(self, store: str, original_error: BaseException | None = None, *, told: bool | None = None) -> None:
        super().__init__(f"The session store {store!r} is not answering: {original_error}")
        #: The store's name.
        self.store = store
        #: What its client raised.
        self.original_error = original_error
        #: Whether the log has heard of it.
        self.told: bool = getattr(original_error, "told", False) if told is None else told


class SessionDataError(DemijohnError):
    """A value in a session cannot be kept: it is not JSON, or the session has grown too large for its store."""

    def __init__(self, message: str, *, size: int | None = None, limit: int | None = None) -> None:
        super().__init__(message)
        #: Bytes that the session would take.
        self.size = size
        #: Bytes that the store takes.
        self.limit = limit


class StoreCannotError(DemijohnError):
    """A session store was asked for what it cannot do."""

    def __init__(self, store: str, what: str, others: tuple[str, ...]) -> None:
        super().__init__(
            f"The session store {store!r} cannot {what}. Set session.type to one that can: {', '.join(others)}."
        )
        #: The store's name.
        self.store = store
        #: The stores that can do it.
        self.others = others


class SessionLockedError(DemijohnError):
    """Other requests have held the lock of a session all the time that was waited for it."""

    def __init__(self, waited: float) -> None:
        super().__init__(
            f"Other requests of the same visitor have held the lock of their session for {waited:g} s. Do less inside "
            "`with session.lock():`, or wait longer: session.lock(wait=...)."
        )
        #: Seconds.
        self.waited = waited


class LockLostError(DemijohnError):
    """The work inside a session's lock took longer than the lock lives. Nothing of it was kept."""

    def __init__(self, life: int) -> None:
        super().__init__(
            f"The work inside `with session.lock():` took longer than the lock lives, {life} s, so another request may "
            "have begun the same. Nothing of it was kept in the session. Give it longer: session.lock(life=...)."
        )
        #: Seconds that the lock lived.
        self.life = life


class SessionOptionError(DemijohnError):
    """A session option is unknown, or has a value that it cannot have."""


class MemcachedDownError(DemijohnError):
    """memcached did not answer in time, or refused the connection."""

    def __init__(self, servers: tuple[str, ...], original_error: BaseException | None, *, told: bool = True) -> None:
        import re

        # pylibmc puts the key in brackets, which for a session's is half of its id.
        text = re.sub(r"(memcached_\w+)\(.*?\)", r"\1", str(original_error)) if original_error else ""
        #: Why, without the key that was asked for.
        self.reason = text or "it failed a moment ago"
        super().__init__(f"memcached at {', '.join(servers)} is not answering: {self.reason}")
        #: The server, `host:port`.
        self.servers = servers
        #: What its client raised; None while it is not asked at all.
        self.original_error = original_error
        #: Whether the log has heard of it: not of a server that answers, but with an error.
        self.told = told


class MemcachedClientMissingError(DemijohnError):
    """No package that speaks to memcached, or none that can sign in to it, is installed."""

    def __init__(self, client: str, *, sasl: bool) -> None:
        extra = {"pymemcache": "pymemcache", "pylibmc": "pylibmc"}.get(client, "demijohn[sasl]")
        why = "memcached is to be asked with a user name and a password, but " if sasl else "The memcached client "
        super().__init__(f"{why}{client} is not installed. Install it: pip install '{extra}'")
        #: The client that was looked for first.
        self.client = client


class ValueTooLargeError(DemijohnError):
    """A value is larger than memcached takes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"A value of {size} bytes is more than memcached takes, {limit} bytes. Keep it in the database."
        )
        #: Bytes of the value.
        self.size = size
        #: Bytes that memcached takes.
        self.limit = limit


class PasswordError(DemijohnError, ValueError):
    """A password cannot be taken, or a stored one cannot be read. The message never holds either."""


class Problem(NamedTuple):
    """One thing wrong with the settings."""

    #: The setting, as far as it is known: `session.timeout`.
    name: str
    #: Where the value stands: `config.yaml:12`, a variable's name, `argument`, `default`.
    source: str
    #: A sentence: what is wrong, and what is allowed. Never the value of a secret.
    message: str

    def __str__(self) -> str:
        """One line, whatever a key in the file or a variable's name is made of."""
        line = f"{self.source}: {self.message}"
        return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class ConfigError(DemijohnError):
    """The settings cannot be used. All that is wrong with them is said at once, one line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        #: What is wrong, in the order of reading.
        self.problems = list(problems)
        count = len(self.problems)
        headline = "The settings hold a mistake:" if count == 1 else f"The settings hold {count} mistakes:"
        super().__init__("\n".join([headline, *(f"  {problem}" for problem in self.problems)]))


class UnknownHostError(DemijohnError):
    """DEMIJOHN_HOST names a host that has no profile."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        import difflib

        near = difflib.get_close_matches(name.strip().lower(), known, n=2, cutoff=0.6)
        hint = f" Is it {' or '.join(near)}?" if near else ""
        super().__init__(f"There is no profile of a host called {name!r}.{hint} There are: {', '.join(known)}.")
        #: The name that was asked for.
        self.name = name
        #: The names that there are.
        self.known = known


class DataError(DemijohnError):
    """Rows cannot be put into the database, or taken out of it. Nothing of them was kept."""

    def __init__(self, message: str, complaints: Iterable[str] = ()) -> None:
        #: What is wrong, row by row: `users.csv:17 (row 16): age must be a whole number, not 'abc'`.
        self.complaints = list(complaints)
        super().__init__("\n".join([message, *(f"  {complaint}" for complaint in self.complaints)]))


class MigrationError(DemijohnError):
    """Migrations cannot be read, made or run."""


class AlembicMissingError(MigrationError):
    """Alembic is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Migrations are made and run by Alembic, which is not installed. Install it: pip install "
            "'demijohn[migrations]'"
        )


class MigrationLockedError(MigrationError):
    """Another process has migrated the same database all the time that was waited for it."""

    def __init__(self, waited: float) -> None:
        super().__init__(
            f"Another process has been migrating this database for {waited:g} s, or has died with its connection open. "
            "Nothing was done. Wait for it, or longer: --wait SECONDS"
        )
        #: Seconds.
        self.waited = waited


class MigrationFailedError(MigrationError):
    """A migration raised something."""

    def __init__(self, revision: str, left: str, current: tuple[str, ...], original_error: Exception) -> None:
        cause = getattr(original_error, "orig", None) or original_error
        where = f"The database is at {', '.join(current)}." if current else "The database is at no version."
        super().__init__(f"The migration {revision} failed: {cause}. {left} {where}")
        #: The migration that failed.
        self.revision = revision
        #: The ids that the database holds now.
        self.current = current
        #: What it raised.
        self.original_error = original_error


class AdoptionError(MigrationError):
    """A database has tables and no version, and which migration it stands at cannot be told from them."""

    def __init__(self, tables: list[str], fits: list[str], difference: str) -> None:
        why = (
            f"They could be what any of {'; '.join(fits)} leaves."
            if fits
            else f"They are not as any of the migrations leaves them. {difference}".rstrip()
        )
        super().__init__(
            f"The database has the tables {', '.join(tables)}, but no migration has run on it. {why} If its data is "
            "worth nothing, drop the tables (or the SQLite file) and run this again. Else find out which migration "
            "they stand at, and say so: demijohn db upgrade --adopt REVISION"
        )
        #: The tables that are there.
        self.tables = tables
        #: The migrations that would leave such tables.
        self.fits = fits


class TemplateMissingError(DemijohnError):
    """There is no template of this name."""

    def __init__(self, name: str, folder: str, known: list[str]) -> None:
        import difflib

        near = difflib.get_close_matches(name, known, n=2, cutoff=0.7)
        hint = (
            f" Is it {' or '.join(near)}?"
            if near
            else f" There {'is' if known else 'are'} {', '.join(known) or 'none'}."
        )
        super().__init__(f"There is no template {name!r} in {folder}.{hint}")
        #: The name that was asked for.
        self.name = name
        #: The folder that was searched.
        self.folder = folder
        #: The templates that are there.
        self.known = known


class BodyLimitError(DemijohnError):
    """A route's `body_limit`, or another of these options, is not a number."""

    def __init__(self, rule: str, option: str, value: object) -> None:
        unit = {"body_parts": "of fields and files, such as 100", "body_timeout": "of seconds, such as 30"}.get(
            option, "of bytes, such as 1048576"
        )
        super().__init__(f"The route {rule} has {option}={value!r}. It is a number {unit}.")
        #: The route's rule.
        self.rule = rule
        #: The option's name.
        self.option = option
        #: What stands there.
        self.value = value


class StaticError(DemijohnError):
    """There is no static file of this name."""

    def __init__(self, name: str, folder: str, known: list[str]) -> None:
        import difflib

        near = difflib.get_close_matches(name.lstrip("/"), known, n=2, cutoff=0.7)
        hint = f"Is it {' or '.join(near)}?" if near else "Names are written as they lie there: css/style.css."
        super().__init__(f"There is no static file {name!r} in {folder}. {hint}")
        #: The name that was asked for.
        self.name = name
        #: The folder that was searched.
        self.folder = folder
        #: Names that look like it, the nearest first.
        self.near = near
