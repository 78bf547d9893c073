"""A primary key as it comes from an address or from JSON, made into what the column takes.

Handed on as it is, "12x" finds row 12 on MySQL and is an error on PostgreSQL, which rolls the whole request back, and a
number of thirty digits is an error on PostgreSQL and on SQLite. All of these are rows that are not there.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sqlalchemy
from sqlalchemy import types
from sqlalchemy.orm import Session

_WHOLE = re.compile("-?[0-9]{1,20}")  # int() takes "1_2", " 12" and Arabic digits too


def read_key(model: Any, key: Any, session: Session) -> tuple[Any, ...] | None:
    """The parts of this `key`, each as its column takes it; None if no row of `model` can have it.

    :param key: a tuple where the key has several columns.
    :raises TypeError: it has more or fewer parts than there are columns.
    """
    columns = _columns(model)
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) != len(columns):
        names = ", ".join(name for name, _, _ in columns)
        raise TypeError(f"{model.__name__} is found by {names}: {len(columns)} in a tuple. {len(parts)} came.")
    try:
        return tuple(read(part, column, session) for part, (_, read, column) in zip(parts, columns, strict=True))
    except ValueError:
        return None


@lru_cache(maxsize=512)
def _columns(model: Any) -> tuple[tuple[str, Callable[[Any, Any, Session], Any], Any], ...]:
    """Of each column of the key: its name, how a value is read for it, and its type."""
    key = sqlalchemy.inspect(model).primary_key
    return tuple((column.name, _reader(column.type), column.type) for column in key)


def _reader(column: Any) -> Callable[[Any, Any, Session], Any]:
    if isinstance(column, types.TypeDecorator):
        return _own  # the site's own type, which knows
    if isinstance(column, types.Enum):
        return _enum
    try:
        kind = column.python_type
    except NotImplementedError:
        return _own
    readers = {int: _int, str: _str, uuid.UUID: _parsed(uuid.UUID, uuid.UUID)}
    for moment in (datetime.datetime, datetime.date, datetime.time):
        readers[moment] = _parsed(moment, moment.fromisoformat)
    return readers.get(kind, _only(kind))


def _own(value: Any, column: Any, session: Session) -> Any:
    if value is None:
        raise ValueError
    return value


def _int(value: Any, column: Any, session: Session) -> int:
    if type(value) is str and _WHOLE.fullmatch(value):
        value = int(value)
    elif type(value) is not int:
        raise ValueError
    if not -(2**15) <= value < 2**15:
        limit = 1 << _bits(column, session.get_bind().dialect.name)
        if not -limit <= value < limit:
            raise ValueError
    return int(value)


def _bits(column: Any, dialect: str) -> int:
    """How large a number the database compares with this column at all. SQLite's integers are all of 64 bits; MySQL
    takes any number, and has columns of 64 bits without a sign."""
    if dialect != "postgresql":
        return 63 if dialect == "sqlite" else 64
    return 15 if isinstance(column, types.SmallInteger) else 63 if isinstance(column, types.BigInteger) else 31


def _str(value: Any, column: Any, session: Session) -> str:
    if type(value) is int:
        return str(value)  # MySQL finds "5 apples" by the number 5
    if not isinstance(value, str) or "\0" in value:  # PostgreSQL keeps no NUL
        raise ValueError
    value.encode()  # a half of a surrogate pair is refused by every driver
    return value


def _enum(value: Any, column: Any, session: Session) -> Any:
    if isinstance(value, str) and type(value) is str:
        if value not in column.enums:
            raise ValueError
    elif column.enum_class is None or not isinstance(value, column.enum_class):
        raise ValueError
    return value


def _parsed(kind: type[Any], parse: Callable[[str], Any]) -> Callable[[Any, Any, Session], Any]:
    def read(value: Any, column: Any, session: Session) -> Any:
        return parse(value) if type(value) is str else _only(kind)(value, column, session)

    return read


def _only(kind: type[Any]) -> Callable[[Any, Any, Session], Any]:
    def read(value: Any, column: Any, session: Session) -> Any:
        if not isinstance(value, kind):
            raise ValueError
        return value

    return read
