"""What is answered to a request for a static file."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import bottle

from demijohn.conditions import ranges, read_tags, reply
from demijohn.static.codings import IDENTITY
from demijohn.static.files import Body, Content, Room
from demijohn.static.names import version_in, without_version

if TYPE_CHECKING:
    from demijohn.lifetime import Headers, Ready
    from demijohn.static import Static

#: At an address with the hash of the content there will never be anything else; at a plain one there may, any moment.
FOREVER, ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"
#: At an address that was given out for what a file held, when it was bundled or first asked for, and it was changed by
#: hand since.
NEVER = "no-store"
BUFFER = 64 * 1024  # bytes of a file that are read at a time


class Found(NamedTuple):
    """What there is at an address."""

    content: Content
    #: How long caches may keep it: a Cache-Control.
    policy: str
    #: Whether there will be the same as long as the process lives.
    lasts: bool
    #: Where what is packed of it is kept.
    room: Room


class Prepared(NamedTuple):
    """A whole answer."""

    etag: str
    headers: Headers
    data: bytes
    not_modified: Headers


def find(static: Static, name: str, query: str) -> Found | None:
    """What `name` leads to, which may carry the hash of the content that is wanted, as the query may. Another content
    than that is none: while a new release is rolled out, an old copy of the site is asked for files that it does not
    have yet, and what it gave would stay in caches under the new file's address."""
    version = version_in(query) if query else None
    content = static.content(name)
    if content is None and version is None:
        split = without_version(name)
        if split is not None:
            name, version = split
            content = static.content(name)
    if version is None:
        return None if content is None else Found(content, ASK_AGAIN, True, static.room)
    if content is not None and content.version == version:
        return Found(content, FOREVER, True, static.room)
    if content is not None and static.has_given_out(name, version):
        return Found(content, NEVER, True, static.room)
    if static.kept is None or (content := static.kept.content(name, version)) is None:
        return None
    return Found(content, FOREVER, False, static.kept.room)


def answer(environ: dict[str, Any], found: Found, taken: tuple[str, ...], as_file: bool = False) -> Ready:
    """The answer to a GET or a HEAD.

    :param taken: the codings that the visitor takes, the best first.
    :param as_file: give Bottle the open file where it is sent from the disk; it knows what to do with it.
    :raises bottle.HTTPError: there is nothing that the visitor takes (406), the file is not what the request expects
        (412), it has nothing of the range asked for (416).
    """
    content = found.content
    body = _choose(environ, content, taken, found.room)
    if body is None:
        headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-store"}
        raise bottle.HTTPError(406, "There is nothing here in an encoding that the request accepts.", **headers)
    said = reply(
        environ,
        _headers(found, body),
        body.size,
        functools.partial(_read, body),
        etag=body.etag,
        modified=content.modified,
    )
    if said.status in (412, 416):
        text = f"The file has {body.size:,} bytes, and none of those asked for."
        if said.status == 412:
            text = "The file is not, or not any more, what the request expects."
        raise bottle.HTTPError(said.status, text, **dict(said.headers))
    pieces: Any = said.body or []
    if said.status == 200 and body.data is None and environ["REQUEST_METHOD"] == "GET":
        assert body.path is not None
        pieces = open(body.path, "rb")  # noqa: SIM115 - the server closes it
        if not as_file:
            pieces = environ.get("wsgi.file_wrapper", bottle.WSGIFileWrapper)(pieces, BUFFER)
    return _LINES[said.status], said.status, said.headers, pieces


def prepare(found: Found, taken: tuple[str, ...]) -> Prepared | None:
    """The answer to whoever takes these codings; None where it is not kept in memory."""
    body = found.content.body(taken, found.room)
    if body is None or body.data is None:
        return None
    headers = _headers(found, body)
    environ = {"REQUEST_METHOD": "GET", "HTTP_IF_NONE_MATCH": body.etag}
    known = reply(environ, headers, body.size, functools.partial(_read, body), etag=body.etag)
    return Prepared(body.etag, [*headers, ("Content-Length", str(body.size))], body.data, known.headers)


_LINES = {200: "200 OK", 206: "206 Partial Content", 304: "304 Not Modified"}


def _choose(environ: dict[str, Any], content: Content, taken: tuple[str, ...], room: Room) -> Body | None:
    """The body to answer with. Parts are cut from the plain one, for not every client can put together parts of what is
    packed; unless the request names another that it has the rest of."""
    if "HTTP_RANGE" in environ and environ["REQUEST_METHOD"] == "GET":
        conditions = ("HTTP_IF_RANGE", "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
        named = {tag for name in conditions for tag in read_tags(environ.get(name, "")) or ()}
        bodies = [content.plain] if IDENTITY in taken else []
        if named:
            bodies += [body for coding in taken if coding != IDENTITY and (body := content.packed(coding, room))]
        for body in bodies:
            if body.etag in named:
                return body
        plain = content.plain
        if plain in bodies and ranges(environ, plain.etag, plain.size) is not None:
            return plain
    return content.body(taken, room)


def _headers(found: Found, body: Body) -> Headers:
    content = found.content
    headers = [
        ("Content-Type", content.kind),
        ("ETag", body.etag),
        ("Cache-Control", found.policy),
        ("Accept-Ranges", "bytes"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if content.modified is not None:
        headers.append(("Last-Modified", bottle.http_date(content.modified)))
    if content.shrinks or body.coding != IDENTITY:
        headers.append(("Vary", "Accept-Encoding"))
    if body.coding != IDENTITY:
        headers.append(("Content-Encoding", body.coding))
    return headers


def _read(body: Body, start: int, stop: int) -> list[bytes] | Iterator[bytes]:
    if body.data is not None:
        return [body.data if stop - start == body.size else body.data[start:stop]]
    return _pieces(body, start, stop)


def _pieces(body: Body, start: int, stop: int) -> Iterator[bytes]:
    assert body.path is not None
    with open(body.path, "rb") as file:
        file.seek(start)
        while start < stop:
            piece = file.read(min(BUFFER, stop - start))
            if not piece:
                return
            start += len(piece)
            yield piece
