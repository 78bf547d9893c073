"""Turns what stands in a seed file into the value of a column."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Dialect
from sqlalchemy.types import TypeDecorator

from demijohn.database.data import moments
from demijohn.database.data.kinds import kind_of, plain_type

#: Turns a value of a file, which is not None, into one of a column. Raises ValueError with what it must be.
Reader = Callable[[Any], Any]

_TRUE = frozenset(("true", "yes", "on", "1", "t", "y"))
_FALSE = frozenset(("false", "no", "off", "0", "f", "n"))


def reader(column: Column[Any], dialect: Dialect, as_text: bool) -> Reader:
    """The reader of a column's values.

    :param as_text: the file knows text only (CSV): JSON must be read out of it.
    """
    kind = plain_type(column.type, dialect)
    name = kind_of(kind)
    if isinstance(column.type, TypeDecorator):
        # The application's own type. What it takes is known as far as it says so.
        try:
            name = _BY_PYTHON.get(column.type.python_type, "as it is")
        except NotImplementedError:
            name = "as it is"
    if name == "json" and not as_text:
        return _as_it_is
    if name == "text":
        return _text(getattr(kind, "length", None))
    if name == "enum":
        return _enum(kind)
    if name == "decimal" and not getattr(kind, "asdecimal", True):
        name = "float"
    if name == "integer":
        return _integer
    if name == "datetime":
        return _datetime(bool(getattr(kind, "timezone", False)), dialect.name == "postgresql")
    if name == "uuid":
        return _uuid(bool(getattr(kind, "as_uuid", True)))
    return _READERS.get(name, _as_it_is)


def shown(value: Any) -> str:
    """A value in a complaint: not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _as_it_is(value: Any) -> Any:
    return value


def _text(length: int | None) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be text, not {shown(value)}")
        if length is not None and len(value) > length:  # SQLite would take it, another database cuts it
            raise ValueError(f"must have at most {length:,} characters, and has {len(value):,}")
        return value

    return read


def _integer(value: Any) -> int:
    number = None
    if isinstance(value, str):
        try:
            number = int(value) if "_" not in value else None
        except ValueError:
            number = None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if number is None:
        raise ValueError(f"must be a whole number, not {shown(value)}")
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"must be a whole number that a database can keep, not {shown(value)}")
    return number


def _float(value: Any) -> float:
    try:
        if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise ValueError
        return float(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"must be a number, not {shown(value)}") from None


def _decimal(value: Any) -> Decimal:
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (ValueError, TypeError, ArithmeticError):
        raise ValueError(f"must be a decimal number, not {shown(value)}") from None
    if not number.is_finite():
        raise ValueError(f"must be a decimal number, not {shown(value)}")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word not in _TRUE and word not in _FALSE:
        raise ValueError(f"must be true or false, not {shown(value)}")
    return word in _TRUE


def _datetime(zoned: bool, knows_zones: bool) -> Reader:
    def read(value: Any) -> datetime:
        try:
            return moments.settled(moments.read_datetime(value), zoned, knows_zones)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"must be a date and a time such as 2025-01-31 18:30:00, not {shown(value)}") from None

    return read


def _parsed(parse: Callable[[str], Any], what: str) -> Reader:
    def read(value: Any) -> Any:
        try:
            return parse(value)
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise ValueError(f"must be {what}, not {shown(value)}") from None

    return read


def _base64(value: str) -> bytes:
    return base64.b64decode(value.encode("ascii"), validate=True)


def _span(value: Any) -> timedelta:
    return moments.read_span(value if isinstance(value, str) else str(_float(value)))


def _uuid(as_uuid: bool) -> Reader:
    def read(value: Any) -> Any:
        parsed = uuid.UUID(value)
        return parsed if as_uuid else str(parsed)

    return _parsed(read, "a UUID such as 6f1c2d3e-0000-4000-8000-1234567890ab")


def _enum(kind: Any) -> Reader:
    names = list(kind.enums)
    members = getattr(kind, "enum_class", None)
    known = {name: name for name in names}
    if members is not None:
        known = dict(kind._valid_lookup_reversed) if hasattr(kind, "_valid_lookup_reversed") else {}
        known = {**{member.name: member for member in members}, **known}
        known = {**{str(member.value): member for member in members}, **known}
        names = [member.name for member in members]

    def read(value: Any) -> Any:
        try:
            return known[value if isinstance(value, str) else str(value)]
        except KeyError:
            raise ValueError(f"must be one of {', '.join(names)}, not {shown(value)}") from None

    return read


_READERS: dict[str, Reader] = {
    "boolean": _boolean,
    "float": _float,
    "decimal": _decimal,
    "date": _parsed(moments.read_date, "a date such as 2025-01-31"),
    "time": _parsed(moments.read_time, "a time such as 18:30:00"),
    "interval": _parsed(_span, "a length of time: seconds, or 3 days, 4:05:06"),
    "json": _parsed(json.loads, "JSON"),
    "bytes": _parsed(_base64, "base64"),
}
_BY_PYTHON = {
    bool: "boolean",
    int: "integer",
    float: "float",
    Decimal: "decimal",
    datetime: "datetime",
    date: "date",
    time: "time",
    timedelta: "interval",
    bytes: "as it is",
    dict: "json",
    list: "json",
}
