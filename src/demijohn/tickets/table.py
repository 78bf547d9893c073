"""The table of tickets: one row for each series of each ticket. Imported where it is used: SQLAlchemy takes 0.2 s."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, String, Table, Text, bindparam, exc

from demijohn.tickets.facts import clean
from demijohn.tickets.waiting import SAMPLES

TABLE = "demijohn_tickets"
#: Characters of the columns.
ERROR, PLACE, MESSAGE = 200, 300, 400


class MissingTableError(Exception):
    """Nobody has made it."""


def tickets_table(metadata: sqlalchemy.MetaData) -> Table:
    """The table, added to `metadata` so that whatever makes the site's tables makes it too."""
    if TABLE in metadata.tables:
        return metadata.tables[TABLE]
    return Table(
        TABLE,
        metadata,
        Column("series", String(16), primary_key=True),
        Column("id", String(16), nullable=False, index=True),
        Column("error", String(ERROR), nullable=False),
        Column("place", String(PLACE), nullable=False),
        Column("message", String(MESSAGE), nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("first", BigInteger, nullable=False),  # seconds since the epoch
        Column("last", BigInteger, nullable=False, index=True),
        # JSON in ASCII. With a length, MySQL makes it a MEDIUMTEXT; PostgreSQL takes no length.
        Column("samples", Text().with_variant(Text(2**24 - 1), "mysql"), nullable=False),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


# Apart from the site's metadata: a site that was put up before there was this table answers as it did.
table = tickets_table(sqlalchemy.MetaData())
c = table.c
_UPDATE = (
    table.update()
    .where(c.series == bindparam("s"), c.count < bindparam("n"))
    .values(count=bindparam("n"), last=bindparam("l"), samples=bindparam("t"))
)
_WITH_SAMPLES = (
    sqlalchemy.select(c.series).where(c.id == bindparam("i"), c.samples != "[]").order_by(c.last.desc(), c.series)
)
_WITHOUT = table.update().where(c.series.in_(bindparam("old", expanding=True))).values(samples="[]")
_IS_THERE = sqlalchemy.select(c.count).where(c.series == bindparam("s"))


def keep(
    connection: sqlalchemy.Connection,
    record: dict[str, Any],
    known: Callable[[str, str], int] | None = None,
) -> bool:
    """Bring one record home, each statement committed by itself. May be done again: it comes to the same.

    :param connection: in autocommit mode.
    :param known: the count that the database has had of a series.
    :returns: False where the database has had it, and it has been deleted there since.
    :raises MissingTableError: there is no such table.
    """
    values = {
        "s": record["series"],
        "n": record["count"],
        "l": record["last"],
        "t": json.dumps(record["samples"][-SAMPLES:]),
    }
    try:
        if connection.execute(_UPDATE, values).rowcount:
            return True
        if connection.execute(_IS_THERE, {"s": record["series"]}).first() is not None:
            return True
        if known is not None and known(record["id"], record["series"]):
            return False
        try:
            connection.execute(table.insert(), _row(record, values["t"]))
        except exc.IntegrityError:  # somebody else has brought the same
            connection.execute(_UPDATE, values)
        _spare(connection, record["id"])
    except exc.DBAPIError as error:
        if not error.connection_invalidated and not sqlalchemy.inspect(connection).has_table(TABLE):
            raise MissingTableError from error
        raise
    return True


def _spare(connection: sqlalchemy.Connection, id: str) -> None:
    """Leave samples to the series only that have happened last: `read` shows no more, and each process has a series of
    its own, for as long as tickets are kept. What counts again gets its samples again."""
    old = list(connection.scalars(_WITH_SAMPLES, {"i": id}))[SAMPLES:]
    if old:
        connection.execute(_WITHOUT, {"old": old})


def _row(record: dict[str, Any], samples: str) -> dict[str, Any]:
    texts = {"error": ERROR, "place": PLACE, "message": MESSAGE}
    return {
        "series": record["series"],
        "id": record["id"],
        **{name: clean(str(record.get(name, "")), limit) for name, limit in texts.items()},
        "count": record["count"],
        "first": record["first"],
        "last": record["last"],
        "samples": samples,
    }


def forget(connection: sqlalchemy.Connection, id: str | None = None, before: float | None = None) -> int:
    """Delete one ticket, or all; those only that have last happened before this time. Returns how many tickets."""
    wanted = sqlalchemy.select(c.id).group_by(c.id)
    if id is not None:
        wanted = wanted.where(c.id == id)
    if before is not None:
        wanted = wanted.having(sqlalchemy.func.max(c.last) < int(before))
    ids = list(connection.scalars(wanted))
    for start in range(0, len(ids), 500):
        connection.execute(table.delete().where(c.id.in_(ids[start : start + 500])))
    return len(ids)


def read(connection: sqlalchemy.Connection, id: str | None = None, samples: bool = False) -> list[dict[str, Any]]:
    """The tickets, the last one to happen first; all of them, or that of this id."""
    columns = [column for column in c if samples or column.name != "samples"]
    statement = sqlalchemy.select(*columns)
    rows = connection.execute(statement if id is None else statement.where(c.id == id)).mappings()
    return merge(dict(row, samples=json.loads(row["samples"]) if samples else []) for row in rows)


def merge(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Series of tickets as tickets, the last one to happen first."""
    tickets: dict[str, dict[str, Any]] = {}
    for record in records:
        ticket = tickets.setdefault(record["id"], dict(record, count=0, samples=[]))
        ticket.pop("series", None)
        ticket["count"] += record["count"]
        ticket["first"] = min(ticket["first"], record["first"])
        if record["last"] >= ticket["last"]:
            ticket.update({name: record[name] for name in ("last", "error", "place", "message")})
        ticket["samples"] += record["samples"]
    for ticket in tickets.values():
        ticket["samples"] = sorted(ticket["samples"], key=lambda sample: sample.get("time", 0))[-SAMPLES:]
    return sorted(tickets.values(), key=lambda ticket: (ticket["last"], ticket["id"]), reverse=True)
