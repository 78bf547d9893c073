"""Prompts of our own: SQL where the database's client is not installed, and Python with the site in it."""

from __future__ import annotations

import code
import contextlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from demijohn.errors import DemijohnError
from demijohn.site import Site

if TYPE_CHECKING:
    import sqlalchemy

#: Rows of a result that are shown at a terminal.
_MOST = 1000


def sql(engine: sqlalchemy.Engine, command: str) -> int:
    """Run a command, or ask for one after the other until the end of the input. Each statement is a transaction of its
    own. Returns the exit status: 1 if one was refused, and nobody sits at the terminal to put it right."""
    if command:
        return _run_all(engine, [command])
    asked = sys.stdin.isatty()
    if not asked:
        return _run_all(engine, statements(sys.stdin))
    _with_history()
    where = engine.url.render_as_string(hide_password=True)
    print(f"{where}\nA statement ends with a semicolon. Ctrl+D ends this prompt.")
    while True:
        try:
            for statement in statements(_typed()):
                _try(engine, statement)
            return 0
        except KeyboardInterrupt:
            print()


def _try(engine: sqlalchemy.Engine, statement: str) -> None:
    """Run a statement that somebody has typed. A server that is away may be back at the next."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _run_all(engine, [statement])
    except (SQLAlchemyError, DemijohnError) as error:
        print(getattr(error, "orig", None) or error, file=sys.stderr)


def statements(lines: Iterator[str] | Any) -> Iterator[str]:
    """The statements in these lines: up to a semicolon at the end of a line."""
    parts: list[str] = []
    for line in lines:
        parts.append(line.rstrip("\n"))
        if line.rstrip().endswith(";"):
            yield "\n".join(parts).strip().rstrip(";")
            parts = []
    rest = "\n".join(parts).strip()
    if rest:
        yield rest


def _run_all(engine: sqlalchemy.Engine, given: Any) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Else Ctrl+C is heard when the statement is over. Where it raises in here, SQLite breaks off.
            raw: Any = connection.connection.dbapi_connection
            raw.set_progress_handler(lambda: 0, 10_000)
        for statement in given:
            try:
                # Not exec_driver_sql's way of parameters: a % is a %.
                result = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
                if result.returns_rows:
                    _show(list(result.keys()), result.fetchmany(_MOST + 1))
                elif result.rowcount >= 0:
                    print(f"{result.rowcount:,} row{'' if result.rowcount == 1 else 's'}.")
                result.close()
                connection.commit()
            except SQLAlchemyError as error:
                connection.rollback()
                print(getattr(error, "orig", None) or error, file=sys.stderr)
                if not sys.stdin.isatty():
                    return 1
    return 0


def _show(names: Sequence[str], rows: Sequence[Any]) -> None:
    shown = [["NULL" if value is None else str(value) for value in row] for row in rows[:_MOST]]
    widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
    for row in [names, ["-" * width for width in widths], *shown]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) > _MOST:
        print(f"The first {_MOST:,} rows. There are more: say LIMIT and OFFSET.")


def _typed() -> Iterator[str]:
    first = True
    while True:
        try:
            line = input("sql> " if first else "...> ")
        except EOFError:
            print()
            return
        first = line.rstrip().endswith(";")
        if line.strip():
            yield line


def _with_history() -> None:
    """Lines can be edited and come back by the arrow keys. Nothing is written down."""
    with contextlib.suppress(ImportError):  # Windows, and Pythons built without it
        import readline  # noqa: F401


def python(site: Site, command: str) -> int:
    """A Python prompt, or one command, with the site, a session and the models. What the session has changed is
    committed by `db.commit()` only."""
    import sqlalchemy
    from sqlalchemy.orm import Session

    names: dict[str, Any] = {model.__name__: model for model in _models(site)}
    models = ", ".join(sorted(names))
    with Session(site.db.engine, expire_on_commit=False) as session:
        names.update(site=site, db=session, select=sqlalchemy.select, text=sqlalchemy.text)
        if command or not sys.stdin.isatty():
            return _exec(command or sys.stdin.read(), names)
        _with_history()
        about = f"site, db (a session: db.commit() keeps what you change), select, text; {models or 'no models'}"
        code.interact(banner=about, local=names, exitmsg="")
    return 0


def _exec(command: str, names: dict[str, Any]) -> int:
    """Run it. Returns the exit status: 1 if it raises, which is shown as of the command alone."""
    from sqlalchemy.exc import DBAPIError

    try:
        exec(compile(command, "<command>", "exec"), names)  # noqa: S102
    except (DBAPIError, DemijohnError):
        raise  # these have sentences of their own
    except Exception as error:
        traceback.print_exception(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
        return 1
    return 0


def _models(site: Site) -> Iterator[type]:
    """The models of the site, also those of a base class of its own."""
    from sqlalchemy.orm import DeclarativeBase

    waiting: list[type] = [DeclarativeBase]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        table = getattr(found, "__table__", None)
        if table is not None and table.metadata is site.db.metadata:
            yield found
