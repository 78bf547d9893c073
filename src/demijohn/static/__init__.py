"""`Static`: static files from a table, at addresses that change with the content. Works in any Bottle app:

    app = bottle.Bottle()
    static = app.install(Static("/srv/site/static"))
    static.url("style.css")  # /static/style.8d1f6a0b3c5e.css

A request looks its file up by name and never makes a path of what a visitor sent. What has been asked for before is
answered by two looks into dictionaries, before Bottle hears of the request.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bottle

from demijohn import lifetime
from demijohn.errors import StaticError
from demijohn.static.names import ROOT, VERSION, files_in, root_address, with_version

if TYPE_CHECKING:
    from demijohn.static.answers import Found, Prepared
    from demijohn.static.files import Content, File, Known, Room
    from demijohn.static.kept import Kept

log = logging.getLogger("demijohn")
#: How many different Accept-Encoding headers are remembered, and how many characters of one. Browsers know a dozen.
_MOST_HEADERS, _LONGEST_HEADER = 256, 200


class Static:
    """A Bottle plugin that serves one folder.

    Left out are files and folders whose names begin with a dot, links that lead out of the folder, linked folders, and
    what nobody means to publish (`names.is_refused`). `robots.txt`, `favicon.ico`, `favicon.svg`,
    `apple-touch-icon*.png` and all that lies in the folder `root` are served at the root of the site as well.

    Bottle's hooks are not called for a file below `url`.

    :param path: the folder. It may be missing; then there are no files.
    :param url: where the files are served.
    :param development: look for new and changed files at each request. Otherwise the files are those of the boot.
    :param table: what `demijohn bundle` has found out about the files. It may be missing, and is not looked at in
        development.
    :param hash: where the address of a file carries the hash of its content: in its `path`, or in a `query`, for a
        server in front that serves the folder by itself. Both are answered.
    :param kept: the files of the releases before this one.
    """

    name = "static"
    api = 2

    def __init__(
        self,
        path: str | os.PathLike[str],
        url: str = "/static",
        development: bool = False,
        table: str | os.PathLike[str] | None = None,
        *,
        hash: str = "path",
        kept: Kept | None = None,
    ) -> None:
        self.folder = os.path.realpath(path)
        self.prefix = "/" + url.strip("/")
        self.development = development
        self.kept = kept
        self._in_path = hash == "path"
        self._app: Any = None
        self._table = None if development else table
        self._paths = dict(files_in(self.folder))
        #: Those that have been asked for.
        self._files: dict[str, File] = {}
        self._addresses: dict[str, str] = {}
        self._missed: set[str] = set()
        #: Address, as PATH_INFO and QUERY_STRING have it: by the codings that are taken, what is sent.
        self._prepared: dict[str, dict[str, Prepared]] = {}
        #: Accept-Encoding: the codings that are taken.
        self._codings: dict[str | None, str] = {}

    # Bottle's side

    def setup(self, app: Any) -> None:
        self._app = app
        lifetime.attach(app, opener=self._opener())
        # These are for an app that this one is mounted in: there the opener is not asked.
        for rule in (self.prefix, f"{self.prefix}/"):
            app.get(rule, callback=self._refuse, skip=True)
        app.get(f"{self.prefix}/<name:path>", callback=self.serve, skip=True)
        app.route(f"{self.prefix}/<name:path>", "ANY", callback=self._only_read, skip=True)
        for name in self._paths:
            if "/" in name and not name.startswith(f"{ROOT}/"):
                continue
            address = root_address(name)
            if address is not None and ":" not in address and "<" not in address:  # they mean something in a rule
                app.get(f"/{address}", callback=functools.partial(self.serve, name), skip=True)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def close(self) -> None:
        """Nothing to close."""

    # Addresses

    def url(self, name: str) -> str:
        """The address of the file `name`, such as `css/style.css`; with a hash, so that it may be kept for good.

        :raises StaticError: there is no such file, in development. In production that is logged, once a name.
        """
        address = self._addresses.get(name)
        return self._base() + (self._address(name) if address is None else address)

    def _address(self, name: str) -> str:
        try:
            version = self._version(name)
        except OSError as error:
            log.warning("The static file %r cannot be read: %s", name, error)
            version = None
        if version is not None:
            address = f"/{quote(with_version(name, version))}" if self._in_path else f"/{quote(name)}?v={version}"
            if not self.development:
                self._addresses[name] = address
            return address
        self._miss(name)
        return f"/{quote(name)}"

    def integrity(self, name: str) -> str:
        """What a page says of the content of the file `name`, so that a browser runs no other: `sha384-...`, for the
        attribute `integrity` (W3C's Subresource Integrity). Reckoned once.

        :raises StaticError: there is no such file, in development. In production that is logged, once a name, and it
            is empty, which no browser minds.
        """
        try:
            file = self._file(name)
            if file is not None:
                return file.content(look=self.development).integrity
        except OSError as error:
            log.warning("The static file %r cannot be read: %s", name, error)
            return ""
        self._miss(name)
        return ""

    def _miss(self, name: str) -> None:
        """:raises StaticError: in development."""
        if self.development:
            raise StaticError(name, self.folder, self.names())
        if name not in self._missed and len(self._missed) < 1000:
            self._missed.add(name)
            log.warning("There is no static file %r in %s. Its address is given out without a hash.", name, self.folder)

    def _version(self, name: str) -> str | None:
        """What tells this content of the file from others; None: there is no such file.

        :raises OSError: it cannot be read.
        """
        known, path = self._known.get(name), self._paths.get(name)
        if known is not None and path is not None and os.stat(path).st_size == known.size:
            return known.digest[:VERSION]
        file = self._file(name)
        return None if file is None else file.content(look=self.development).version

    def _base(self) -> str:
        """Where the files are served, as the visitor sees it."""
        base, app = self.prefix, self._app
        while app is not None and (prefix := app.config.get("_mount.prefix")):
            base, app = prefix.rstrip("/") + base, app.config["_mount.app"]
        try:
            script = bottle.request.environ.get("SCRIPT_NAME", "").strip("/")
        except RuntimeError:  # no request
            script = ""
        return f"/{_quoted(script)}{base}" if script else base

    # Files

    def content(self, name: str) -> Content | None:
        """What the file `name` holds; None where there is none."""
        try:
            file = self._file(name)
            return None if file is None else file.content(look=self.development)
        except OSError as error:
            log.warning("The static file %r cannot be read: %s", name, error)
            return None

    def has_given_out(self, name: str, version: str) -> bool:
        """Whether `url` has named the file by this version: on the word of the bundle, or before it was changed."""
        known = self._known.get(name)
        return (known is not None and known.digest.startswith(version)) or version in self._addresses.get(name, "")

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._paths)

    def paths(self) -> list[tuple[str, str]]:
        """All files, sorted, each with its path."""
        return sorted((name, path) for name, path in self._paths.items() if not self._is_packed(name))

    def _is_packed(self, name: str) -> bool:
        """Whether the bundle has put the file there, for another that it has packed. It is sent in that one's place."""
        return name.endswith((".gz", ".br")) and name not in self._known and name[:-3] in self._known

    def _file(self, name: str) -> File | None:
        path = self._paths.get(name)
        if self.development and (path is None or not os.path.exists(path)):
            self._paths = dict(files_in(self.folder))
            path = self._paths.get(name)
        if path is None or self._is_packed(name):
            return None
        file = self._files.get(name)
        if file is None:
            from demijohn.static.files import File

            file = self._files[name] = File(name, path, self.room, self._known.get(name))
        return file

    @functools.cached_property
    def room(self) -> Room:
        """That of all files."""
        from demijohn.static.files import Room

        return Room()

    @functools.cached_property
    def _known(self) -> dict[str, Known]:
        from demijohn.static.files import read_table

        return {} if self._table is None else read_table(self._table)

    # Requests

    def _opener(self) -> Callable[[dict[str, Any]], lifetime.Ready | None]:
        """Answers what is asked for below `prefix`, if it is there, and leaves all else to Bottle."""
        start = f"{self.prefix.encode().decode('latin1')}/"  # as PATH_INFO has it
        prepared, codings, seldom = self._prepared, self._codings, self._answer

        def opener(environ: dict[str, Any]) -> lifetime.Ready | None:
            address = environ["PATH_INFO"]
            ready = prepared.get(address)
            if ready is None and not address.startswith(start):
                return None
            query = environ.get("QUERY_STRING")
            if query:
                ready = prepared.get(f"{address}?{query}")
            if ready is not None:
                answer = ready.get(codings.get(environ.get("HTTP_ACCEPT_ENCODING"), ""))
                if answer is not None and "HTTP_IF_MATCH" not in environ and "HTTP_IF_UNMODIFIED_SINCE" not in environ:
                    etag, headers, data, not_modified = answer
                    method = environ["REQUEST_METHOD"]
                    tag = environ.get("HTTP_IF_NONE_MATCH")
                    if tag is not None:
                        if tag == etag and (method == "GET" or method == "HEAD"):
                            return "304 Not Modified", 304, not_modified.copy(), []
                    elif "HTTP_RANGE" not in environ and "HTTP_IF_MODIFIED_SINCE" not in environ:
                        if method == "GET":
                            return "200 OK", 200, headers.copy(), [data]
                        if method == "HEAD":
                            return "200 OK", 200, headers.copy(), []
            return seldom(environ, address[len(start) :])

        return opener

    def _answer(self, environ: dict[str, Any], rest: str) -> lifetime.Ready | None:
        """The answer to what is asked for in a way, or with a condition, that is not prepared."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        try:
            name = rest.encode("latin1").decode()
        except UnicodeError:
            return None
        from demijohn.static import answers

        found = answers.find(self, name, environ.get("QUERY_STRING", ""))
        if found is None:
            return None
        taken = self._taken(environ)
        if not self.development:
            self._prepare(environ, found, taken)
        return answers.answer(environ, found, taken)

    def _taken(self, environ: dict[str, Any]) -> tuple[str, ...]:
        """The codings that the visitor takes, the best first."""
        from demijohn.static.codings import accepted

        header = environ.get("HTTP_ACCEPT_ENCODING")
        known = self._codings.get(header)
        if known is not None:
            return tuple(known.split())
        taken = accepted(header)
        if len(self._codings) < _MOST_HEADERS and len(header or "") <= _LONGEST_HEADER:
            self._codings[header] = " ".join(taken)
        return taken

    def _prepare(self, environ: dict[str, Any], found: Found, taken: tuple[str, ...]) -> None:
        """Have the same request answered without a search the next time."""
        from demijohn.static import answers

        query = environ.get("QUERY_STRING", "")
        if not found.lasts or query not in ("", f"v={found.content.version}"):
            return  # of addresses that lead to a file there are no more than these
        prepared = answers.prepare(found, taken)
        if prepared is not None:
            address = environ["PATH_INFO"] + (f"?{query}" if query else "")
            self._prepared.setdefault(address, {})[" ".join(taken)] = prepared

    def serve(self, name: str) -> Any:
        """Bottle's answer to a request for the file `name`."""
        from demijohn.static import answers

        environ = bottle.request.environ
        found = answers.find(self, name, environ.get("QUERY_STRING", ""))
        if found is None:
            return self._refuse()
        line, _, headers, body = answers.answer(environ, found, self._taken(environ), as_file=True)
        return bottle.HTTPResponse(body, line, headers)

    def _only_read(self, name: str) -> Any:
        if self.content(name) is None:
            return self._refuse()
        return bottle.HTTPError(405, "A file can only be read.", Allow="GET, HEAD")

    def _refuse(self) -> Any:
        # A cache must not remember it: the next release may bring the file.
        return bottle.HTTPError(404, "There is no file at this address.", **{"Cache-Control": "no-store"})


def _quoted(script: str) -> str:
    try:
        octets = script.encode("latin1")
        octets.decode()
    except UnicodeError:  # text already: Bottle's mount of a WSGI app cuts it from the decoded path
        octets = script.encode("utf8", "replace")
    return quote(octets)
