"""The files of the releases before this one, in the database: pages of theirs are still open in browsers, and lie in
caches, and ask for them.

`keep` is called as a release is put up. Then each copy of the site, an older one that still runs among them, finds
what any of these releases names.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from demijohn.errors import DatabaseDownError, DemijohnError
from demijohn.static.files import Content, Room, digest_of
from demijohn.static.names import VERSION

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.static import Static

log = logging.getLogger("demijohn")
TABLE = "demijohn_static"
#: Bytes. MySQL refuses statements of 16 MB and more, MariaDB and older ones of less.
LARGEST = 4 * 1024 * 1024
#: Bytes of kept files that a process keeps in memory, and as many of the same packed.
_MEMORY = 4 * 1024 * 1024
_BATCH = 500


class KeepError(DemijohnError):
    """The files of this release could not be kept."""


class Release(NamedTuple):
    """What `keep` has done."""

    #: 1 for the first release that was kept.
    number: int
    #: Files of this release, and those among them that were not there before.
    files: int
    added: int
    #: Files of older releases that went.
    dropped: int
    #: Files that are larger than `LARGEST`, and are not kept.
    too_large: list[str]


def static_table(metadata: sqlalchemy.MetaData) -> sqlalchemy.Table:
    """The table, added to `metadata` so that whatever makes the site's tables makes it too."""
    from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text

    if TABLE in metadata.tables:
        return metadata.tables[TABLE]
    return Table(
        TABLE,
        metadata,
        Column("id", String(32), primary_key=True),  # a digest of the name and the version: names have no longest one
        Column("name", Text, nullable=False),
        Column("data", LargeBinary(2**24 - 1), nullable=False),  # with a length, MySQL makes it a MEDIUMBLOB
        Column("release", Integer, nullable=False, index=True),  # the last that it was a part of
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


class Database(Protocol):
    """What `demijohn.database.Database` has."""

    @property
    def metadata(self) -> sqlalchemy.MetaData: ...
    def alone(self, statement: Any, parameters: Any) -> tuple[list[Any], int]: ...
    def unit(self) -> AbstractContextManager[Any]: ...


class Kept:
    """:param db: the site's database.
    :param releases: how many releases before the last one are kept.
    """

    def __init__(self, db: Database, releases: int) -> None:
        self._db = db
        self._releases = releases
        self._contents: dict[str, Content] = {}
        #: Where they are kept packed; the files of this release have their own.
        self.room = Room(_MEMORY)
        self._told = False

    def content(self, name: str, version: str) -> Content | None:
        """What the file `name` held in a release in which its content had this version; None: that is not known, or the
        database does not answer."""
        id = _id(name, version)
        content = self._contents.get(id)
        if content is None:
            data = self._read(id)
            if data is None:
                return None
            content = Content(name, data, len(data), digest_of([data]))
            others = list(self._contents.values())  # other threads add theirs meanwhile
            if sum(other.plain.size for other in others) + len(data) > _MEMORY:
                self._contents.clear()
                self.room = Room(_MEMORY)
            self._contents[id] = content
        return content

    def _read(self, id: str) -> bytes | None:
        try:
            import sqlalchemy

            table = static_table(self._db.metadata)
            rows, _ = self._db.alone(sqlalchemy.select(table.c.data).where(table.c.id == id), {})
        except Exception as error:
            # The address is answered as one that nobody knows, which no cache remembers.
            if not self._told:
                self._told = True
                log.warning("The static files of older releases cannot be read from the database: %s", error)
            return None
        return bytes(rows[0][0]) if rows else None

    def keep(self, static: Static) -> Release:
        """Keep the files of this release, and let go of those that only older ones had than are to be kept. Done again,
        it does nothing.

        :raises KeepError: a file cannot be read, or the database does not take them.
        """
        from sqlalchemy.exc import IntegrityError, SQLAlchemyError

        files, too_large = _files_of(static)
        try:
            try:
                return self._store(files, too_large)
            except IntegrityError:  # another process does the same, and was first
                return self._store(files, too_large)
        except (SQLAlchemyError, DatabaseDownError) as error:
            cause = getattr(error, "orig", None) or error
            raise KeepError(
                f"The static files of this release were not kept: {cause}. If the table {TABLE} is missing, make it: "
                "demijohn db create, or with migrations demijohn db migrate"
            ) from error

    def _store(self, files: dict[str, tuple[str, bytes]], too_large: list[str]) -> Release:
        import sqlalchemy

        table = static_table(self._db.metadata)
        with self._db.unit() as db:
            rows = db.execute(sqlalchemy.select(table.c.id, table.c.release))
            there: dict[str, int] = {row.id: row.release for row in rows}
            last = max(there.values(), default=0)
            if there and files.keys() == {id for id, release in there.items() if release == last}:
                return Release(last, len(files), 0, 0, too_large)
            new = [id for id in files if id not in there]
            for id in new:
                name, data = files[id]
                db.execute(table.insert().values(id=id, name=name, data=data, release=last + 1))
            for ids in _batches(sorted(files.keys() & there.keys())):
                db.execute(table.update().where(table.c.id.in_(ids)).values(release=last + 1))
            gone = [id for id in there if id not in files and there[id] < last + 1 - self._releases]
            for ids in _batches(sorted(gone)):
                db.execute(table.delete().where(table.c.id.in_(ids)))
        return Release(last + 1, len(files), len(new), len(gone), too_large)


def _files_of(static: Static) -> tuple[dict[str, tuple[str, bytes]], list[str]]:
    """Name and content of each file by its id, and the names of those that are too large.

    :raises KeepError: one cannot be read.
    """
    files, too_large = {}, []
    for name, path in static.paths():
        try:
            with open(path, "rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise KeepError(f"The static file {name} cannot be read, and so not be kept: {error.strerror}.") from error
        if len(data) > LARGEST:
            too_large.append(name)
        else:
            files[_id(name, digest_of([data])[:VERSION])] = (name, data)
    return files, too_large


def _id(name: str, version: str) -> str:
    return hashlib.blake2b(f"{version} {name}".encode("utf8", "surrogateescape"), digest_size=16).hexdigest()


def _batches(ids: list[Any]) -> Iterable[list[Any]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
