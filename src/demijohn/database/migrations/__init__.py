"""Migrations: the files that bring the tables from one release to the next, run by Alembic.

Alembic takes half a second to import, so it is imported when there is something to do and not to find out that there is
nothing: the files are read as text (`files`), the database is asked for one row (`state`).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.database.migrations.files import History
    from demijohn.database.migrations.state import Schema
    from demijohn.database.plugin import Database

#: The folder beside config.yaml; the files lie in `versions/` below it, as Alembic and Flask-Migrate have it.
FOLDER = "migrations"


class Migrations:
    """The migrations of a release, and where its database stands in them.

    :param folder: where they lie; it need not be there.
    """

    def __init__(self, db: Database, folder: str) -> None:
        self._db = db
        #: Where they lie.
        self.folder = Path(folder or FOLDER)
        self._has_folder = bool(folder)
        #: Whether somebody has been told where the database stands; the log then is not.
        self.told = False

    @cached_property
    def history(self) -> History | None:
        """The migrations, read once; None where there is no folder of them.

        :raises MigrationError: they cannot be read.
        """
        if not (self._has_folder and self.folder.is_dir()):
            return None
        from demijohn.database.migrations.files import read

        return read(self.folder)

    def schema(self, connection: sqlalchemy.Connection | None = None) -> Schema:
        """Where the database stands: `schema().state` is `at head`, `behind`, `ahead`, `no version` or `no migrations`,
        and `str(schema())` says what to do. One statement; none where the site has no migrations.

        :param connection: the one to ask on; else one of the pool's.
        :raises MigrationError: the migrations cannot be read.
        :raises sqlalchemy.exc.DBAPIError: the database does not answer.
        """
        from demijohn.database.migrations.state import Schema, current, place

        if self.history is None:
            return Schema("no migrations")
        if connection is not None:
            return place(self.history, current(connection))
        engine = self.reading_engine() if self.is_absent else self._db.engine
        with engine.connect() as connection:
            return place(self.history, current(connection))

    def plain_engine(self) -> sqlalchemy.Engine:
        """An engine whose connections are never exchanged for others: a lock belongs to its connection."""
        if not self._db.url:
            return self._db.engine  # which says that there is none
        from demijohn.database.engine import make_engine

        return make_engine(self._db.url, **self._db._options, plain=True)

    def reading_engine(self) -> sqlalchemy.Engine:
        """The same, to look at the database. Of an SQLite file that is not there it sees what it would hold, nothing:
        to connect to it would make it."""
        if self.is_absent:
            from demijohn.database.engine import make_engine

            return make_engine("sqlite://", plain=True)
        return self.plain_engine()

    @property
    def is_absent(self) -> bool:
        """Whether the database is an SQLite file that is not there."""
        from sqlalchemy import make_url

        if not self._db.url:
            return False
        url = make_url(self._db.url)
        name = url.database or ":memory:"
        return (
            url.get_backend_name() == "sqlite"
            and not name.startswith((":memory:", "file:"))
            and not Path(name).exists()
        )

    def watch(self, engine: sqlalchemy.Engine) -> None:
        """Tell the log, once in this process, when a request finds the database behind this release or ahead of it.
        Asked apart from the request, on a connection of its own, when the pool first connects."""
        if not (self._has_folder and self.folder.is_dir()):
            return
        from sqlalchemy import event

        from demijohn.database.migrations.watch import tell

        asked = threading.Lock()

        def look(_connection: Any, _record: Any) -> None:
            # Commands and jobs connect, too, and say for themselves what is wrong.
            if not self.told and _in_request() and asked.acquire(blocking=False):
                with suppress(RuntimeError):  # a host that has no threads
                    threading.Thread(target=tell, args=(self,), name="demijohn-schema", daemon=True).start()

        event.listen(engine, "connect", look)


def _in_request() -> bool:
    import bottle

    from demijohn import lifetime

    try:
        return lifetime.KEY in bottle.request.environ
    except RuntimeError:
        return False
