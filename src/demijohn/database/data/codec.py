"""How a dump writes each kind of value, so that every database can give it and take it.

A dump sees the tables as the database does, not as the application: an Enum is its name, what the application encrypts
stays encrypted, no default is applied and JSON is the text that it is kept as, which tells JSON's null from NULL.
"""

from __future__ import annotations

import base64
import math
import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import Column, Dialect
from sqlalchemy.types import TypeEngine

from demijohn.database.data.kinds import kind_of, plain_type

Change = Callable[[Any], Any]

_MICROSECOND = timedelta(microseconds=1)


class Codec(NamedTuple):
    """One column's way into a dump and out of it."""

    name: str
    #: `integer`, `text`, `decimal`, ...
    kind: str
    #: As the database has it.
    type: TypeEngine[Any]
    #: What is selected instead of the column.
    select: Callable[[Any], Any] | None
    #: From a value of the database to one of JSON; None: it is one already.
    write: Change | None
    #: From a value of JSON to one of the database. Raises ValueError, TypeError and others: it is none.
    read: Change
    #: What is inserted instead of the parameter.
    insert: Callable[[Any], Any] | None


def codec(column: Column[Any], dialect: Dialect) -> Codec:
    """The codec of a column on this kind of database."""
    raw = plain_type(column.type, dialect)
    kind = kind_of(raw)
    postgresql = dialect.name == "postgresql"
    select: Callable[[Any], Any] | None = None
    insert: Callable[[Any], Any] | None = None
    write, read = _PAIRS.get(kind, (_portable, _same))
    own: TypeEngine[Any] = raw
    if kind == "json":
        own = sqlalchemy.Text()
        if postgresql:
            select = lambda selected: sqlalchemy.cast(selected, sqlalchemy.Text)  # noqa: E731
            insert = lambda given: sqlalchemy.cast(given, raw)  # noqa: E731
    elif kind == "enum":
        own = _enum_of_names(raw)
    elif kind == "uuid":
        own = sqlalchemy.types.Uuid(as_uuid=False, native_uuid=getattr(raw, "native_uuid", True))
    elif kind == "decimal":
        if dialect.name == "sqlite":
            # SQLite keeps a number of its own kind. What is read of it has the digits that the column is for.
            own = sqlalchemy.types.NullType()
            scale = getattr(raw, "scale", None)
            write = lambda value: _digits(value, scale)  # noqa: E731
            read = lambda value: str(Decimal(value))  # noqa: E731
        else:
            own = sqlalchemy.Numeric(getattr(raw, "precision", None), getattr(raw, "scale", None))
    elif kind == "float":
        own = sqlalchemy.Double()
        if dialect.name == "mysql" and _is_single(raw):
            # MySQL shows six digits of a FLOAT, which has up to nine. As a double it shows all.
            select = lambda selected: sqlalchemy.type_coerce(selected, own) * sqlalchemy.literal_column("1e0")  # noqa: E731
            write = _write_single
    elif kind == "datetime":
        zoned = bool(getattr(raw, "timezone", False))
        write = _write_moment if zoned else datetime.isoformat
        read = _read_zoned if zoned and postgresql else _read_moment
    return Codec(column.name, kind, own, select, write, read, insert)


def _same(value: Any) -> Any:
    return value


def _portable(value: Any) -> Any:
    """A value of a type that only one kind of database has (an ARRAY): as it is, if JSON can say it."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _portable(item) for key, item in value.items()}
    raise ValueError(f"a value of type {type(value).__name__} cannot be written into a dump")


def _exactly(kind: type) -> Change:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError
        return value

    return read


def _write_float(value: float) -> Any:
    return value if math.isfinite(value) else str(float(value))  # JSON has no nan and no inf


def _write_single(value: float) -> Any:
    """The shortest number that is this one in single precision."""
    if not math.isfinite(value):
        return str(value)
    same = struct.pack("f", value)
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == same:
            return short
    return value


def _read_float(value: Any) -> float:
    if type(value) not in (int, float, str):
        raise ValueError
    return float(value)


def _digits(value: Any, scale: int | None) -> str:
    number = Decimal(str(value))
    if scale is None or not number.is_finite():
        return str(number)
    return format(round(number, scale), "f")


def _read_decimal(value: Any) -> Decimal:
    if type(value) is not str:
        raise ValueError
    return Decimal(value)


def _write_moment(value: datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{value.isoformat()}+00:00"


def _read_moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)


def _read_zoned(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _write_bytes(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


def _read_bytes(value: str) -> bytes:
    return base64.b64decode(value.encode("ascii"), validate=True)


def _is_single(raw: TypeEngine[Any]) -> bool:
    if isinstance(raw, (sqlalchemy.Double, sqlalchemy.DOUBLE_PRECISION)):
        return False
    from sqlalchemy.dialects.mysql import DOUBLE

    precision = getattr(raw, "precision", None)
    return not isinstance(raw, DOUBLE) and (precision is None or precision <= 24)


def _enum_of_names(raw: Any) -> sqlalchemy.Enum:
    return sqlalchemy.Enum(
        *raw.enums,
        name=raw.name,
        schema=raw.schema,
        native_enum=raw.native_enum,
        length=getattr(raw, "length", None),
        create_constraint=False,
    )


_PAIRS: dict[str, tuple[Change | None, Change]] = {
    "boolean": (None, _exactly(bool)),
    "integer": (None, _exactly(int)),
    "text": (None, _exactly(str)),
    "enum": (None, _exactly(str)),
    "json": (None, _exactly(str)),
    "uuid": (str, lambda value: str(uuid.UUID(value))),
    "float": (_write_float, _read_float),
    "decimal": (str, _read_decimal),
    "date": (date.isoformat, date.fromisoformat),
    "time": (time.isoformat, time.fromisoformat),
    "interval": (lambda value: value // _MICROSECOND, lambda value: value * _MICROSECOND),
    "bytes": (_write_bytes, _read_bytes),
}
