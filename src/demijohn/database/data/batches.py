"""Puts rows into a table, some thousands at a time, and finds the one that the database refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, exc

from demijohn.database.data.transaction import in_transaction

#: Rows in one batch. More are hardly faster and take more memory.
BATCH = 2000
#: Complaints that are collected before it is given up.
MOST = 20

#: What MySQL files among the faults of the server though a row is to blame: no default, a wrong value, a trigger's
#: SIGNAL, a CHECK of MySQL and of MariaDB.
_OF_A_ROW = frozenset((1292, 1364, 1366, 1644, 3819, 4025))

RowT = TypeVar("RowT")


class Complaints(list[str]):
    """What is wrong with the rows, up to a limit."""

    @property
    def enough(self) -> bool:
        return len(self) >= MOST


def insert_batch(
    connection: Connection,
    insert: Callable[[Sequence[RowT]], None],
    rows: Sequence[RowT],
    complain: Callable[[RowT, str], bool],
) -> None:
    """Insert the rows. Where the database refuses one, the others are put in by halves until it is found, so that it
    sees them in their order and another that it would refuse is found too.

    :param insert: runs the statement with these rows.
    :param complain: told the row and what the database says; returns whether that is enough.
    :raises sqlalchemy.exc.DBAPIError: it is not the fault of a row.
    """
    waiting = [rows]  # a stack: the first half on top
    while waiting:
        part = waiting.pop()
        try:
            with connection.begin_nested():
                insert(part)
        except (exc.StatementError, OverflowError) as error:
            if not _blames_a_row(error) or not in_transaction(connection):
                raise
            if len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
            elif complain(part[0], said(error)):
                return


def _blames_a_row(error: Exception) -> bool:
    if not isinstance(error, exc.DBAPIError):
        return True  # the driver cannot even say it: a whole number of 70 bits
    if isinstance(error, (exc.IntegrityError, exc.DataError)):
        return True
    if isinstance(error, exc.InternalError):
        return not error.connection_invalidated  # a trigger's RAISE EXCEPTION on PostgreSQL
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return isinstance(error, exc.OperationalError) and code in _OF_A_ROW


def said(error: Exception) -> str:
    """What the database said, on one line and without the statement."""
    original: Any = getattr(error, "orig", None) or error
    diagnosis = getattr(original, "diag", None)
    if diagnosis is not None and diagnosis.message_primary:
        words = [diagnosis.message_primary, diagnosis.message_detail or ""]
    elif len(original.args) == 2 and isinstance(original.args[0], int):
        words = [str(original.args[1])]
    else:
        words = [str(original)]
    return " ".join(" ".join(words).split())


def in_batches(rows: Iterable[RowT], size: int = BATCH) -> Iterable[list[RowT]]:
    """The rows in lists of `size`."""
    batch: list[RowT] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
