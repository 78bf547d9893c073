"""`Static`: static files from a table made at boot, at addresses that change with the content. Works in any Bottle app:

    app = bottle.Bottle()
    static = app.install(Static("/srv/site/static"))
    static.url("style.css")  # /static/style.css?v=8d1f6a0b3c5e

A request looks its file up by name and never makes a path of what a visitor sent.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import bottle

from demijohn.errors import StaticError

log = logging.getLogger("demijohn")

SMALL = 256 * 1024  # bytes; up to here a file is kept in memory once it was asked for
PIECE = 1024 * 1024  # bytes of a larger file that are hashed at a time
#: Files that browsers and crawlers look for at the root of the site.
_AT_ROOT = frozenset(("robots.txt", "favicon.ico", "favicon.svg"))
_ICON = r"(?a:apple-touch-icon[\w-]*\.png)"  # not compiled where there is none
#: Before this there was no web. App Engine, buildpacks and reproducible archives date every file to 1980 or 1970, which
#: says nothing about when it changed.
FIRST_DATE = 662688000  # 1991-01-01


class Static:
    """A Bottle plugin that serves one folder.

    Left out are files and folders whose names begin with a dot, links that lead out of the folder, and linked folders.
    `robots.txt`, `favicon.ico`, `favicon.svg` and `apple-touch-icon*.png` are served at the root as well.

    :param path: the folder. It may be missing; then there are no files.
    :param url: where the files are served.
    :param development: look for new and changed files at each request. Otherwise the files are those of the boot.
    :param table: what `demijohn bundle` has found out about the files. It may be missing, and is not looked at in
        development.
    """

    name = "static"
    api = 2

    def __init__(
        self,
        path: str | os.PathLike[str],
        url: str = "/static",
        development: bool = False,
        table: str | os.PathLike[str] | None = None,
    ) -> None:
        self.folder = os.path.realpath(path)
        self._known = {} if development or table is None else _read_table(table)
        self.prefix = "/" + url.strip("/")
        self.development = development
        self._app: Any = None
        self._missed: set[str] = set()
        self._files: dict[str, _File] = {}
        self._scan()

    def setup(self, app: Any) -> None:
        self._app = app
        for rule in (self.prefix, f"{self.prefix}/"):
            app.get(rule, callback=self._refuse, skip=True)
        app.get(f"{self.prefix}/<name:path>", callback=self.serve, skip=True)
        for name in self._files:
            if is_at_root(name):
                app.get(f"/{name}", callback=functools.partial(self.serve, name), skip=True)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def close(self) -> None:
        """Nothing to close."""

    def url(self, name: str) -> str:
        """The address of the file `name`, such as `css/style.css`; with a hash, so that it may be kept for good.

        :raises StaticError: there is no such file, in development. In production that is logged, once a name.
        """
        file = self._files.get(name)
        if file is not None and file.known is not None:
            return f"{self._base()}/{_address(name, file.known.digest[:12])}"
        content = self._find(name)
        if content is not None:
            return f"{self._base()}/{content.address}"
        if self.development:
            raise StaticError(name, self.folder, sorted(self._files))
        if name not in self._missed and len(self._missed) < 1000:
            self._missed.add(name)
            log.warning("There is no static file %r in %s. Its address is given out without a hash.", name, self.folder)
        return f"{self._base()}/{quote(name)}"

    def serve(self, name: str) -> Any:
        """Bottle's answer to a request for the file `name`."""
        content = self._find(name)
        if content is None:
            return self._refuse()
        environ = bottle.request.environ
        content = self._packed(name, content, environ)
        headers = {**content.headers, "Cache-Control": _cache_policy(content)}
        if _has_it(environ, content):
            return bottle.HTTPResponse(status=304, headers=headers)
        start, stop = 0, content.size
        wanted = _wanted(environ, content)
        if wanted is not None:
            start, stop = wanted
            if start >= stop:
                headers = {"Content-Range": f"bytes */{content.size}", "Cache-Control": "no-store"}
                return bottle.HTTPError(
                    416, f"The file has {content.size:,} bytes, and none of those asked for.", **headers
                )
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        headers["Content-Length"] = str(stop - start)
        body: Any = b""
        if environ["REQUEST_METHOD"] != "HEAD":
            try:
                body = content.body(start, stop)
            except OSError:  # gone since the boot
                return self._refuse()
        return bottle.HTTPResponse(body, 200 if wanted is None else 206, headers)

    def _packed(self, name: str, content: _Content, environ: Any) -> _Content:
        """What to answer with where the bundle holds the file compressed as well: that, if the visitor takes it."""
        known = self._files[name].known
        if known is None or not known.packed or content.digest != known.digest:  # or the file was changed since
            return content
        headers = {**content.headers, "Vary": "Accept-Encoding"}
        # A part is cut from the file itself: not every browser can put together parts of what is compressed.
        packed = None if "HTTP_RANGE" in environ or not _takes_gzip(environ) else self._find(f"{name}.gz")
        if packed is None:
            return content._replace(headers=headers)
        headers.update({"Content-Encoding": "gzip", "ETag": packed.headers["ETag"]})
        return content._replace(path=packed.path, size=packed.size, data=packed.data, headers=headers)

    def _refuse(self) -> Any:
        # A cache must not remember it: the next release may bring the file.
        return bottle.HTTPError(404, "There is no file at this address.", **{"Cache-Control": "no-store"})

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

    def _find(self, name: str) -> _Content | None:
        file = self._files.get(name)
        if self.development and (file is None or file.has_changed()):
            self._scan()
            file = self._files.get(name)
        try:
            return None if file is None else file.content()
        except OSError as error:
            log.warning("The static file %r cannot be read: %s", name, error)
            return None

    def _scan(self) -> None:
        known = self._files
        found = {}
        for name, path in files_in(self.folder):
            file = known.get(name)
            found[name] = _File(name, path, self._known.get(name)) if file is None or file.has_changed() else file
        self._files = found


def is_at_root(name: str) -> bool:
    """Whether the file `name` is served at the root as well."""
    return name in _AT_ROOT or (name.startswith("apple") and re.fullmatch(_ICON, name) is not None)


def files_in(root: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and path of each file to serve, below `prefix`."""
    try:
        entries = list(os.scandir(os.path.join(root, prefix)))
    except OSError:
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.name[0] == "." or not entry.name.isprintable() or "\\" in entry.name:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from files_in(root, f"{name}/")
        elif entry.is_file() and os.path.realpath(entry.path).startswith(os.path.join(root, "")):
            yield name, entry.path


class Known(NamedTuple):
    """What is known of a file before it is read."""

    size: int  # bytes
    digest: str
    #: Whether the same lies beside it compressed, with `.gz` after its name.
    packed: bool


def _read_table(path: str | os.PathLike[str]) -> dict[str, Known]:
    try:
        with open(path, "rb") as file:
            return {name: Known(*known) for name, known in json.load(file).items()}
    except (OSError, ValueError):
        return {}


class _Content(NamedTuple):
    """What a file held when it was read."""

    path: str
    stamp: tuple[int, int]
    size: int  # bytes
    data: bytes | None  # None for a large file
    digest: str
    version: str
    address: str
    headers: dict[str, str]

    def body(self, start: int, stop: int) -> Any:
        """The bytes from `start` up to `stop`, as Bottle takes them."""
        if self.data is not None:
            return self.data[start:stop]
        file = open(self.path, "rb")  # noqa: SIM115 - the server closes it
        if (start, stop) == (0, self.size):
            return file  # which Bottle hands to wsgi.file_wrapper
        return bottle._closeiter(bottle._rangeiter(file, start, stop - start), file.close)


class _File:
    """A file in the table. It is read, and hashed, when it is first asked for."""

    __slots__ = ("_content", "known", "name", "path", "stamp")

    def __init__(self, name: str, path: str, known: Known | None = None) -> None:
        self.name = name
        self.path = path
        self.stamp: tuple[int, int] | None = self._stamp()
        self.known = known if known is not None and self.stamp is not None and self.stamp[1] == known.size else None
        self._content: _Content | None = None

    def has_changed(self) -> bool:
        return self._stamp() != self.stamp

    def content(self) -> _Content:
        """What is in it. A large file is not kept, and is looked at again whether it is the same.

        :raises OSError: it cannot be read.
        """
        content = self._content
        if content is None or (content.data is None and self._stamp() != content.stamp):
            content = self._content = self._read()
        return content

    def _stamp(self) -> tuple[int, int] | None:
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def _read(self) -> _Content:
        with open(self.path, "rb") as file:
            stat = os.fstat(file.fileno())
            size, data = stat.st_size, None
            if size <= SMALL:
                data = file.read()
                size = len(data)
                digest = digest_of([data])
            else:
                digest = digest_of(iter(lambda: file.read(PIECE), b""))
        from demijohn.static.types import content_type

        version = digest[:12]
        headers = {
            "Content-Type": content_type(self.name),
            "ETag": f'"{digest}"',
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
        }
        if stat.st_mtime > FIRST_DATE:
            headers["Last-Modified"] = bottle.http_date(int(stat.st_mtime))
        stamp = (stat.st_mtime_ns, stat.st_size)
        return _Content(self.path, stamp, size, data, digest, version, _address(self.name, version), headers)


def digest_of(pieces: Iterable[bytes]) -> str:
    """By what the content of a file is told from another."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _address(name: str, version: str) -> str:
    return f"{quote(name)}?v={version}"


def _quoted(script: str) -> str:
    try:
        octets = script.encode("latin1")
        octets.decode()
    except UnicodeError:  # text already: Bottle's mount of a WSGI app cuts it from the decoded path
        octets = script.encode("utf8", "replace")
    return quote(octets)


def _cache_policy(content: _Content) -> str:
    """How long a cache may keep the answer."""
    asked = bottle.request.query.get("v")
    if asked is None:
        return "no-cache"
    # While a new release is rolled out, an old copy of the site is asked for a file it does not have yet. What it gives
    # must not stay in a CDN under the new file's address.
    return "public, max-age=31536000, immutable" if asked == content.version else "no-store"


def _has_it(environ: Any, content: _Content) -> bool:
    """Whether the visitor's copy is good: RFC 9110 section 13.2.2."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return tags.strip() == "*" or content.headers["ETag"] in re.findall('"[^"]*"', tags)
    since = environ.get("HTTP_IF_MODIFIED_SINCE")
    if since is None or "Last-Modified" not in content.headers:
        return False
    date = bottle.parse_date(since)
    return date is not None and date >= content.stamp[0] // 10**9


def _takes_gzip(environ: Any) -> bool:
    """Whether gzip is among the encodings that the visitor accepts: RFC 9110 section 12.5.3."""
    weights = {}
    for part in environ.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = re.fullmatch(r"q=0(\.0*)?", weight.replace(" ", "")) is None
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


_RANGE = r"(?i)bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))"  # not compiled at boot


def _wanted(environ: Any, content: _Content) -> tuple[int, int] | None:
    """The one range asked for, as start and stop, which do not differ if there is nothing there. None: the whole file,
    as for several ranges, too (RFC 9110 section 14.2 allows it)."""
    match = re.fullmatch(_RANGE, environ.get("HTTP_RANGE", "").strip())
    if match is None or environ["REQUEST_METHOD"] != "GET":
        return None
    if environ.get("HTTP_IF_RANGE", content.headers["ETag"]).strip() != content.headers["ETag"]:
        return None
    first, last, suffix = match.groups()
    if suffix:
        return max(0, content.size - int(suffix)), content.size
    if last and int(last) < int(first):
        return None
    stop = min(int(last) + 1, content.size) if last else content.size
    return min(int(first), stop), stop
