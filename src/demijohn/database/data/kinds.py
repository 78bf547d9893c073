"""What kind of value a column holds, whichever database keeps it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


def plain_type(kind: Any, dialect: Dialect) -> TypeEngine[Any]:
    """The type without what an application has wrapped around it, and as it is on this database."""
    for _ in range(10):
        variant = getattr(kind, "_variant_mapping", {}).get(dialect.name)
        if variant is not None:
            kind = variant
        elif isinstance(kind, TypeDecorator) and not isinstance(kind, sqlalchemy.Interval):
            kind = kind.load_dialect_impl(dialect)
        else:
            break
    found: TypeEngine[Any] = kind
    return found


def kind_of(kind: Any) -> str:
    """The name of the kind of a plain type: `integer`, `text`, ... `other` is none that every database has."""
    for types, name in _KINDS:
        if isinstance(kind, types):
            return name
    try:
        return "interval" if kind.python_type is timedelta else "other"  # PostgreSQL's own INTERVAL
    except NotImplementedError:
        return "other"


# The first that fits: an Enum is a String too, and a Float was a Numeric up to SQLAlchemy 2.0.
_KINDS: tuple[tuple[Any, str], ...] = (
    (sqlalchemy.Boolean, "boolean"),
    (sqlalchemy.Enum, "enum"),
    (sqlalchemy.JSON, "json"),
    (sqlalchemy.types.Uuid, "uuid"),
    (sqlalchemy.String, "text"),
    (sqlalchemy.Integer, "integer"),
    (sqlalchemy.Float, "float"),
    (sqlalchemy.Numeric, "decimal"),
    (sqlalchemy.DateTime, "datetime"),
    (sqlalchemy.Date, "date"),
    (sqlalchemy.Time, "time"),
    (sqlalchemy.Interval, "interval"),
    (sqlalchemy.types._Binary, "bytes"),
)
