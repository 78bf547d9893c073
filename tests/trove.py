"""A small site in a folder of its own with tables of every kind, looked after by `demijohn db` in another process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import yaml

from demijohn.doors import load_site
from tests.ready import demijohn_run
from tests.sites import clean_environment

DOOR = """
import enum, os, sys, uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Optional

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import Site

application = site = Site(os.path.dirname(os.path.abspath(__file__)))
Model = site.db.Model


class Colour(enum.Enum):
    red = "#f00"
    blue = "#00f"


class Sealed(sa.types.TypeDecorator):
    impl = sa.String(50)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value[::-1]

    process_result_value = process_bind_param


class User(Model):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50), unique=True)
    age: Mapped[Optional[int]]
    bio: Mapped[str] = mapped_column(sa.Text)
    active: Mapped[bool] = mapped_column(default=True)
    created: Mapped[datetime] = mapped_column(default=lambda: datetime(2020, 1, 2, 3, 4, 5))


class Post(Model):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(sa.String(100))


class Employee(Model):
    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    manager_id: Mapped[Optional[int]] = mapped_column(sa.ForeignKey("employees.id"))


class Thing(Model):
    __tablename__ = "things"
    code: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    text: Mapped[Optional[str]] = mapped_column(sa.Text)
    short: Mapped[Optional[str]] = mapped_column(sa.String(10))
    whole: Mapped[Optional[int]] = mapped_column(sa.BigInteger)
    exact: Mapped[Optional[Decimal]] = mapped_column(sa.Numeric(12, 4))
    real: Mapped[Optional[float]] = mapped_column(sa.Double)
    single: Mapped[Optional[float]] = mapped_column(sa.Float)
    flag: Mapped[Optional[bool]]
    day: Mapped[Optional[date]]
    moment: Mapped[Optional[datetime]] = mapped_column(sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql"))
    zoned: Mapped[Optional[datetime]] = mapped_column(
        sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
    )
    clock: Mapped[Optional[time]] = mapped_column(sa.Time().with_variant(mysql.TIME(fsp=6), "mysql"))
    span: Mapped[Optional[timedelta]] = mapped_column(sa.Interval(second_precision=6))
    colour: Mapped[Optional[Colour]]
    key: Mapped[Optional[uuid.UUID]]
    data: Mapped[Optional[bytes]] = mapped_column(sa.LargeBinary)
    tree: Mapped[Optional[Any]] = mapped_column(sa.JSON)
    sealed: Mapped[Optional[str]] = mapped_column(Sealed)


class Note(Model):
    __tablename__ = "notes"
    __table_args__ = (sa.CheckConstraint("number < 1000000000", name="small"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    other: Mapped[int] = mapped_column(sa.BigInteger)
    text: Mapped[str] = mapped_column(sa.String(200))
"""


class Trove:
    """The site in `root`, on the database at `url`, with its tables made."""

    def __init__(self, root: Path, url: str, door: str = DOOR) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        (root / "index.wsgi").write_text(door)
        settings = {"secret": "a-secret-of-the-tests-and-of-nobody-else", "database": {"url": url}}
        (root / "config.yaml").write_text(yaml.safe_dump({"name": "trial", "demijohn": settings}))
        self.site = load_site(root)
        self.site.create_tables()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "demijohn", "db", "--root", str(self.root), *words]

    def run(self, *words: str, given: str | None = None, **variables: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of `demijohn db ...`."""
        whole = ["db", "--root", str(self.root), *words]
        done = demijohn_run(*whole, folder=self.root, environment={**clean_environment(), **variables}, given=given)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def file(self, name: str, content: Any) -> str:
        """A file in the site's folder; what is no text becomes JSON. Its path."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return os.fspath(path)

    def table(self, name: str) -> sqlalchemy.Table:
        return self.site.db.metadata.tables[name]

    def rows(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of a table by its key, as the application reads them."""
        table = self.table(name)
        chosen: list[Any] = [table.c[column] for column in columns] or [table]
        with self.site.db.engine.connect() as connection:
            found = connection.execute(sqlalchemy.select(*chosen).order_by(*table.primary_key.columns))
            return [tuple(row) for row in found]

    def put(self, name: str, *rows: dict[str, Any]) -> None:
        with self.site.db.unit() as db:
            db.execute(self.table(name).insert(), list(rows))

    def close(self) -> None:
        self.site.sessions.close()
        self.site.db.close()


@pytest.fixture
def trove(tmp_path: Path, database_url: str) -> Iterator[Trove]:
    made = Trove(tmp_path / "site", database_url)
    yield made
    made.close()


@pytest.fixture
def sqlite_trove(tmp_path: Path, sqlite_url: str) -> Iterator[Trove]:
    made = Trove(tmp_path / "site", sqlite_url)
    yield made
    made.close()
