"""`Files`: uploads kept where the disk is not, under names of their own, and served so that they can do no harm. Works
in any Bottle app:

    app = bottle.Bottle()
    files = app.install(Files(DiskStore("/srv/files")))

    @app.post("/pictures")
    def add():
        file = files.save(bottle.request.files.picture, types=PICTURES)
        return {"url": file.url}

Equal content is one file. How often it was saved is counted, and it is gone when as many have deleted it: who deletes
his picture does not take it from another who has the same. In a request `save` is taken back where the request fails,
and `delete` happens once its work is committed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from demijohn import lifetime
from demijohn.errors import DemijohnError
from demijohn.forks import in_child, new_lock

if TYPE_CHECKING:
    from demijohn.files.stores.base import Found, Store
    from demijohn.files.unit import Unit

#: The pictures that every browser shows.
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
log = logging.getLogger("demijohn.files")


class File(NamedTuple):
    """A file that is kept."""

    #: Of its content; what a site keeps of it.
    name: str
    #: Bytes.
    size: int
    #: By its content: `image/png`, ..., or `application/octet-stream` for what is not known.
    type: str
    #: Where it is served.
    url: str
    #: Pixels, of a picture that was read; else None.
    width: int | None = None
    height: int | None = None


class Files:
    """:param store: the store, or what makes it, at the first file.
    :param url: the path that the files are served at.
    :param limit: bytes of the largest file that is taken.
    :param declare: told by `column()` that the site keeps names of files in its database.
    :param in_use: whether the site is known to keep files, so that their tables are wanted.
    """

    name = "files"
    api = 2

    def __init__(
        self,
        store: Store | Callable[[], Store],
        *,
        url: str = "/files",
        limit: int = 32 * 1024 * 1024,
        declare: Callable[[], None] | None = None,
        in_use: bool = False,
    ) -> None:
        self._make = store if callable(store) else lambda: store
        self._store: Store | None = None
        self._declare = declare
        #: Whether the site is known to keep files.
        self.in_use = in_use
        self._warned = False
        self._one = threading.Lock()
        in_child(self, new_lock("_one"))
        self.url = url.rstrip("/")
        self.limit = limit

    # What a site uses

    def save(
        self, source: Any, *, types: tuple[str, ...] = (), limit: int | None = None, private: bool = False
    ) -> File:
        """Keep what `source` holds: an upload (`request.files.picture`), a part of `request.parts()`, bytes, a file
        object or any other iterable of bytes, which is read piece by piece.

        :param types: those that are taken, by content; what the visitor declares does not count. Empty: all.
        :param limit: bytes; None: `files.limit`.
        :param private: it is not served to whoever knows its name, only by `serve`, and shared with no equal file.
        :raises UploadError: it is too large, of another type, or none was chosen. Its text is for the visitor.
        :raises FilesDownError: the store is not answering.
        """
        from demijohn.files.content import Incoming
        from demijohn.files.stores.base import token

        incoming = Incoming(source, self.limit if limit is None else limit, types, token() if private else "")
        in_transaction = self.store.save(incoming)
        if not in_transaction and (unit := self._unit()) is not None:
            unit.save(incoming.name)
        return File(incoming.name, incoming.size, incoming.type, self.url_of(incoming.name))

    def save_picture(
        self, source: Any, *, max_side: int = 1600, limit: int | None = None, private: bool = False
    ) -> File:
        """Keep a picture (PNG, JPEG, GIF, WebP), written anew by Pillow: the right way up, no larger than is of use,
        without what the camera has noted beside it. The size of the result is told.

        Without Pillow it is kept as it came, with all that is in it, and the log says so once.

        :param max_side: pixels of its longer side, at most.
        :raises UploadError: it is too large, no picture, damaged, or none was chosen. Its text is for the visitor.
        """
        if not self.has_pillow:
            self._warn()
            return self.save(source, types=PICTURES, limit=limit, private=private)
        from demijohn.files import pictures
        from demijohn.files.content import Incoming

        # In memory as a whole: a picture can only be judged, and made smaller, as a whole.
        incoming = Incoming(source, self.limit if limit is None else limit, PICTURES)
        upload = b"".join(incoming.pieces(256 * 1024))
        with self._one:  # each takes up to 100 MB
            picture = pictures.renew(upload, max_side)
        file = self.save(picture.content, limit=len(picture.content), private=private)
        return file._replace(width=picture.width, height=picture.height)

    def delete(self, name: str | None) -> None:
        """Count the file once less, and delete it with the last of those who have saved it: in a request once its work
        is committed, else at once. None, and a name that is not there, are no error."""
        from demijohn.files.content import is_name

        if name is None or not is_name(name):
            return
        unit = self._unit()
        if unit is None:
            self.store.release(name)
        else:
            unit.delete(name)

    def get(self, name: str) -> File | None:
        """The file of this name, or None."""
        found = self._find(name)
        if found is None:
            return None
        from demijohn.files.content import type_by_name

        return File(name, found.size, type_by_name(name), self.url_of(name))

    def exists(self, name: str) -> bool:
        return self._find(name) is not None

    def open(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a file in pieces, from `start` to before `stop`; of a range only what it needs is fetched.

        :raises NoFileError: there is none of this name; at the call, not at the first piece.
        """
        found = self._need(name)
        stop = found.size if stop is None else min(stop, found.size)
        return self.store.read(found, min(start, stop), stop)

    def serve(self, name: str, *, filename: str | None = None, private: bool = True) -> Any:
        """The answer with this file, for a handler that has seen to it that the visitor may have it.

        :param filename: what the visitor's browser is to call it: it is then saved, not shown.
        :param private: nobody on the way may keep it, and the visitor's browser must ask each time.
        :raises NoFileError: there is none of this name.
        """
        from demijohn.files.serve import response

        return response(self.store, name, self._need(name), filename, private)

    def url_of(self, name: str) -> str:
        """Where the file of this name is served: `files_url` in templates."""
        return f"{self.url}/{name}"

    def column(self, **options: Any) -> Any:
        """A column of a model for the name of a file: `picture: Mapped[str | None] = site.files.column()`. The tables
        of the files are then made with the model's, and `demijohn files clean` knows which files are in use.

        :param options: as `mapped_column` takes them.
        """
        from sqlalchemy import String
        from sqlalchemy.orm import mapped_column

        from demijohn.files.content import LONGEST

        self.in_use = True
        if self._declare is not None:
            self._declare()
        return mapped_column(String(LONGEST), info={COLUMN: True, "dummy": False, **options.pop("info", {})}, **options)

    @property
    def store(self) -> Store:
        """Where they are kept."""
        if self._store is None:
            self._store = self._make()
        return self._store

    @property
    def has_pillow(self) -> bool:
        """Whether pictures are taken apart, or kept as they come."""
        from importlib.util import find_spec

        return find_spec("PIL") is not None

    # Bottle's side

    def setup(self, app: Any) -> None:
        lifetime.attach(app)
        # Without the other plugins: a file has no session and no transaction.
        app.route(f"{self.url}/<name>", callback=self._serve, skip=True)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def close(self) -> None:
        """Let go of connections."""
        if self._store is not None:
            self._store.close()

    def _serve(self, name: str) -> Any:
        from demijohn.files.content import is_private

        if is_private(name):
            from demijohn.files.errors import NoFileError

            raise NoFileError(name)
        return self.serve(name, private=False)

    def _find(self, name: str) -> Found | None:
        from demijohn.files.content import is_name

        return self.store.find(name) if is_name(name) else None

    def _need(self, name: str) -> Found:
        found = self._find(name)
        if found is None:
            from demijohn.files.errors import NoFileError

            raise NoFileError(name)
        return found

    def _unit(self) -> Unit | None:
        from demijohn.files.unit import current

        return current(self.store)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "Pillow is not installed: pictures are kept as they come, with what cameras note in them, such as "
                "where they were taken. Install it: pip install 'demijohn[images]'"
            )


#: Marks a column that holds names of files.
COLUMN = "demijohn.file"


def __getattr__(name: str) -> Any:
    """The errors, imported when they are asked for."""
    if name.endswith("Error"):
        from demijohn.files import errors

        found = getattr(errors, name, None)
        if isinstance(found, type) and issubclass(found, DemijohnError):
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
