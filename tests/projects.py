"""A site with models and migrations in a folder of its own, for the tests of the migrations."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
import yaml

from demijohn.cli.db import ACTIONS
from demijohn.doors import load_site
from demijohn.errors import DemijohnError
from demijohn.site import Site
from tests.sites import clean_environment

DOOR = """
import os
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Optional
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from demijohn import Site
application = site = Site(os.path.dirname(os.path.abspath(__file__)))

@site.get("/")
def index(db):
    return str(db.scalar(sa.select(1)))

"""
NOTE = """
class Note(site.db.Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(50), unique=True)
"""
#: The tables of the parts that a site has anyway.
OWN = ("demijohn_sessions", "demijohn_shared", "demijohn_tickets")
AGE = "    age: Mapped[Optional[int]] = mapped_column(index=True)\n"
COUNT = "    count: Mapped[int] = mapped_column(server_default='0')\n"
TAG = """
class Tag(site.db.Model):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(sa.ForeignKey("notes.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(20))
"""


class Project:
    """:param models: the source of the models, after `DOOR`."""

    def __init__(self, root: Path, url: str, models: str = NOTE, **settings: Any) -> None:
        self.root = root
        self.url = url
        root.mkdir(exist_ok=True)
        shown = {"secret": "a-secret-of-the-tests-and-of-nobody-else", "database": {"url": url}, **settings}
        (root / "config.yaml").write_text(yaml.safe_dump({"name": "trial", "demijohn": shown}))
        self.models(models)

    def models(self, source: str) -> None:
        (self.root / "index.wsgi").write_text(DOOR + source)

    @property
    def versions(self) -> Path:
        return self.root / "migrations" / "versions"

    @property
    def files(self) -> list[Path]:
        """The migrations, the oldest first."""
        return sorted(self.versions.glob("*.py"), key=lambda path: path.stat().st_mtime_ns)

    def site(self) -> Site:
        return load_site(self.root)

    def db(self, *words: str) -> int:
        """Run `demijohn db ...` in this process. Returns its exit status; an error of ours is printed."""
        module = importlib.import_module(f"demijohn.cli.db.{ACTIONS[words[0]][1]}")
        parser = argparse.ArgumentParser()
        module.arguments(parser)
        args = parser.parse_args(words[1:])
        site = self.site()
        try:
            status: int = module.run(site, args)
        except DemijohnError as error:
            print(error)
            return 1
        finally:
            site.sessions.close()
            site.db.close()
        return status

    def does(self, *words: str) -> None:
        """The same for what is to succeed."""
        assert self.db(*words) == 0

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "demijohn", "db", "--root", str(self.root), *words]

    def start(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """`demijohn db ...` in a process of its own, both outputs in one."""
        return subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**clean_environment(), **(environment or {})},
        )

    def write(self, id: str, follows: str | None, up: str, down: str = "pass", name: str = "") -> Path:
        """A migration written by hand."""
        self.versions.mkdir(parents=True, exist_ok=True)
        path = self.versions / f"{name or id}.py"
        path.write_text(
            f'"""{name or id}"""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
            f"revision = {id!r}\ndown_revision = {follows!r}\n\n\n"
            f"def upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n"
        )
        return path

    # The database, behind the site's back

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(sql)
            return [tuple(row) for row in result] if result.returns_rows else []

    def tables(self) -> dict[str, set[str]]:
        """Each table and its columns."""
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            there = sqlalchemy.inspect(connection)
            return {name: {column["name"] for column in there.get_columns(name)} for name in there.get_table_names()}

    def version(self) -> list[str]:
        return [row[0] for row in self.execute("SELECT version_num FROM alembic_version")]
