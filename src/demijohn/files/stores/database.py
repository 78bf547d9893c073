"""Files in two tables of the site's database: a row for each file, and its content in pieces.

The pieces go in first, each in a short transaction of its own, under a mark that nobody knows: a slow visitor holds up
no other, and no more than a piece is in memory. The row of the file goes in last, and only through it can the pieces be
found. What was broken off leaves pieces without a row, for `clean`. On SQLite, where there is one writer, all of it
becomes a part of the request's own transaction once that has begun.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, bindparam, exc

from demijohn.errors import DatabaseDownError
from demijohn.files.content import LONGEST, Incoming
from demijohn.files.errors import FilesDownError, FilesMissingError, NoFileError
from demijohn.files.stores.base import Found, Kept, token

log = logging.getLogger("demijohn.files")

FILES, PIECES = "demijohn_files", "demijohn_file_pieces"
#: Bytes of a piece. MariaDB takes 16 MB in one packet by default, of which binary may fill twice its size.
PIECE = 256 * 1024
#: Files in one page of the list.
_PAGE = 500
#: Runs one statement by itself, committed at once; returns the rows and the count of rows that were changed.
Execute = Callable[[Any, Mapping[str, Any]], tuple[list[Any], int]]


def files_tables(metadata: sqlalchemy.MetaData) -> tuple[Table, Table]:
    """The tables, added to `metadata` so that whatever makes the site's tables makes them too."""
    if FILES in metadata.tables:
        return metadata.tables[FILES], metadata.tables[PIECES]
    exact: Any = {"mysql_charset": "ascii", "mysql_collate": "ascii_bin"}
    files = Table(
        FILES,
        metadata,
        Column("name", String(LONGEST), primary_key=True),
        Column("mark", String(32), nullable=False),  # of its pieces
        Column("size", BigInteger, nullable=False),  # bytes
        Column("piece", Integer, nullable=False),  # bytes of each piece but the last
        Column("saved", BigInteger, nullable=False),  # seconds since the epoch
        Column("uses", Integer, nullable=False),
        Column("counted", String(32), nullable=False),  # who has changed `uses` last
        **exact,
    )
    pieces = Table(
        PIECES,
        metadata,
        Column("mark", String(32), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        # With a length, MySQL makes it a MEDIUMBLOB: not cut at 64 KB. PostgreSQL takes no length.
        Column("content", LargeBinary().with_variant(LargeBinary(2**24 - 1), "mysql"), nullable=False),
        Column("begun", BigInteger, nullable=False, index=True),  # seconds since the epoch, of the upload
        **exact,
    )
    return files, pieces


class DatabaseStore:
    """:param execute: how statements are run.
    :param joins: whether a statement that is run now becomes a part of the request's transaction.
    :param metadata: where the tables are declared; None: apart from all others.
    """

    name = "database"

    def __init__(
        self, execute: Execute, joins: Callable[[], bool], metadata: sqlalchemy.MetaData | None = None
    ) -> None:
        self._run = execute
        self._joins = joins
        self.tables = files, pieces = files_tables(sqlalchemy.MetaData() if metadata is None else metadata)
        f, p = files.c, pieces.c
        name: Any = bindparam("n")
        mark: Any = bindparam("m")
        # Built once: building a statement costs more than running it. `Database.alone` knows the option `fresh`: not
        # what there was when the request's transaction began.
        self._select = sqlalchemy.select(f.size, f.mark, f.piece).where(f.name == name).execution_options(fresh=True)
        self._select_piece = (
            sqlalchemy.select(p.content)
            .where(p.mark == mark, p.number == bindparam("number"))
            .execution_options(fresh=True)
        )
        self._select_uses = (
            sqlalchemy.select(f.uses, f.counted, f.mark).where(f.name == name).execution_options(fresh=True)
        )
        self._insert_piece = pieces.insert().values(
            mark=mark, number=bindparam("number"), content=bindparam("content"), begun=bindparam("begun")
        )
        self._insert = files.insert().values(
            name=name, mark=mark, size=bindparam("size"), piece=PIECE, saved=bindparam("saved"), uses=1, counted=mark
        )
        same = (f.name == name) & (f.uses == bindparam("u")) & (f.counted == bindparam("c"))
        self._count = files.update().where(same).values(uses=bindparam("uses"), counted=bindparam("by"))
        self._count_up = self._count.values(saved=bindparam("saved"))
        self._delete = files.delete().where(same)
        self._delete_pieces = pieces.delete().where(p.mark == mark)
        kept = sqlalchemy.select(f.mark)
        self._select_halves = (
            sqlalchemy.select(p.mark).where(p.begun < bindparam("before"), p.mark.not_in(kept)).distinct()
        )
        self._page = (
            sqlalchemy.select(f.name, f.size, f.uses, f.saved)
            .where(f.name > bindparam("after"))
            .order_by(f.name)
            .limit(_PAGE)
        )

    def save(self, incoming: Incoming) -> bool:
        mark, begun = token(), int(time.time())
        number = 0
        try:
            for piece in incoming.pieces(PIECE):
                if not number and incoming.ended and self._count_again(incoming.name):
                    return self._joins()  # it was there, and nothing had to be written
                self._write(mark, number, piece, begun)
                number += 1
            if not self._add(incoming, mark, begun):
                self._drop(mark)
        except BaseException:
            with contextlib.suppress(Exception):  # what is left is found by `clean`
                self._drop(mark)
            raise
        return self._joins()

    def find(self, name: str) -> Found | None:
        rows, _ = self._execute(self._select, n=name)
        return Found(rows[0][0], (name, rows[0][1], rows[0][2])) if rows else None

    def read(self, found: Found, start: int, stop: int) -> Iterator[bytes]:
        name, mark, size = found.key
        for number in range(start // size, -(-stop // size)):
            rows, _ = self._execute(self._select_piece, m=mark, number=number)
            if not rows:
                raise NoFileError(name)
            at = number * size
            yield bytes(rows[0][0])[max(start - at, 0) : stop - at]

    def release(self, name: str) -> bool:
        by = token()
        while True:
            rows, _ = self._execute(self._select_uses, n=name)
            if not rows:
                return False
            uses, counted, mark = rows[0]
            if counted == by:
                return True  # the statement was carried out, and then the connection was cut
            if uses > 1:
                if self._execute(self._count, n=name, u=uses, c=counted, uses=uses - 1, by=by)[1]:
                    return True
            elif self._execute(self._delete, n=name, u=uses, c=counted)[1] or self.find(name) is None:
                self._drop(mark)
                return True

    def kept(self) -> Iterator[Kept]:
        after = ""
        while True:
            rows, _ = self._execute(self._page, after=after)
            yield from (Kept(*row) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def clean(self, before: float) -> int:
        rows, _ = self._execute(self._select_halves, before=int(before))
        for (mark,) in rows:
            self._drop(mark)
        return len(rows)

    def close(self) -> None:
        """Nothing to let go of: the connections are the site's."""

    def _write(self, mark: str, number: int, piece: bytes, begun: int) -> None:
        # A piece that is there already was put there by this very statement, before the connection was cut.
        with contextlib.suppress(exc.IntegrityError):
            self._execute(self._insert_piece, m=mark, number=number, content=piece, begun=begun)

    def _add(self, incoming: Incoming, mark: str, saved: int) -> bool:
        """Make the file. False: there was one already, which is counted once more."""
        while True:
            try:
                self._execute(self._insert, n=incoming.name, m=mark, size=incoming.size, saved=saved)
                return True
            except exc.IntegrityError:
                found = self.find(incoming.name)
                if found is not None and found.key[1] == mark:
                    return True  # carried out before the connection was cut
                if self._count_again(incoming.name):
                    return False

    def _count_again(self, name: str) -> bool:
        """Count the file once more. False: it is not there."""
        by = token()
        while True:
            rows, _ = self._execute(self._select_uses, n=name)
            if not rows:
                return False
            uses, counted, _mark = rows[0]
            if counted == by:
                return True
            change = {"n": name, "u": uses, "c": counted, "uses": uses + 1, "by": by, "saved": int(time.time())}
            if self._execute(self._count_up, **change)[1]:
                return True

    def _drop(self, mark: str) -> None:
        self._execute(self._delete_pieces, m=mark)

    def _execute(self, statement: Any, **parameters: Any) -> tuple[list[Any], int]:
        try:
            return self._run(statement, parameters)
        except exc.IntegrityError:
            raise
        except (exc.SQLAlchemyError, DatabaseDownError) as error:
            cause = getattr(error, "orig", None) or error
            if _is_missing(cause):
                raise FilesMissingError(
                    f"The tables {FILES} and {PIECES} are not in the database. Set files.store to database, or keep "
                    "the names in a column made by site.files.column(), so that they are known; then make them: "
                    "demijohn db create, or, with migrations, demijohn db migrate and demijohn db upgrade"
                ) from error
            if isinstance(error, exc.DBAPIError) and not error.connection_invalidated:  # of outages the log knows
                log.error("The database refuses what the files need: %s", cause)
            raise FilesDownError(self.name, cause) from error


def _is_missing(cause: BaseException) -> bool:
    text = str(cause)
    return FILES[:-1] in text and any(words in text for words in ("no such table", "doesn't exist", "does not exist"))
