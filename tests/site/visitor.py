"""A visitor of the guestbook: a browser's cookies and forms, without the browser."""

from __future__ import annotations

import html
import http.client
import http.cookiejar
import os
import re
import struct
import urllib.error
import urllib.request
import zlib
from urllib.parse import urlencode, urlsplit

PASSWORD = "four words in a row"


def unique(word: str) -> str:
    """A word that no other test, nor this one on another database, has used in this guestbook."""
    return word + os.urandom(4).hex()


class Answer:
    """What came back: the status, where to, and the page as text."""

    def __init__(self, response: urllib.error.HTTPError | http.client.HTTPResponse) -> None:
        self.status: int = response.status or 0
        self.location = urlsplit(response.headers.get("Location", ""))
        self.page = html.unescape(response.read().decode())


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


class Visitor:
    def __init__(self, address: str, agent: str = "Python") -> None:
        """:param agent: what the browser says it is."""
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPCookieProcessor(self.cookies))
        #: Beside the cookies. A browser says where a form stands that it sends.
        self.headers = {"User-Agent": agent, "Sec-Fetch-Site": "same-origin"}

    def get(self, path: str) -> Answer:
        return self._open(urllib.request.Request(self.address + path))  # noqa: S310

    def post(self, path: str, body: bytes | None = None, **fields: str) -> Answer:
        data = urlencode(fields).encode() if body is None else body
        return self._open(urllib.request.Request(self.address + path, data))  # noqa: S310

    def sign_up(self, name: str) -> Visitor:
        answer = self.post("/sign-up", name=name, password=PASSWORD, next="/")
        assert answer.status in (302, 303), answer.page
        return self

    def write(self, text: str, picture: bytes | None = None, alt: str = "") -> Answer:
        """:param picture: the content of a file, for the form as a browser sends it."""
        if picture is None:
            return self.post("/", text=text)
        edge = b"--" + os.urandom(16).hex().encode()
        head = edge + b'\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        fields = b"".join(head % (name, value.encode()) for name, value in ((b"text", text), (b"alt", alt)))
        file = b'%b\r\nContent-Disposition: form-data; name="picture"; filename="cat.png"\r\n' % edge
        body = b"%b%bContent-Type: image/png\r\n\r\n%b\r\n%b--\r\n" % (fields, file, picture, edge)
        kind = {"Content-Type": f"multipart/form-data; boundary={edge[2:].decode()}"}
        return self._open(urllib.request.Request(self.address + "/", body, kind))  # noqa: S310

    def _open(self, request: urllib.request.Request) -> Answer:
        for name, value in self.headers.items():
            request.add_header(name, value)
        try:
            with self._opener.open(request, timeout=60) as response:
                return Answer(response)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error)


def written(answer: Answer) -> None:
    assert answer.status in (302, 303), answer.page


def entry_id(visitor: Visitor, text: str) -> str:
    """The number of the entry that begins so, on the front page."""
    found = re.search(
        r'id="entry-(\d+)">\s*<article[^>]*>\s*<p class="text" dir="auto">' + re.escape(text), visitor.get("/").page
    )
    assert found, text
    return found[1]


def picture_of(page: str, text: str) -> tuple[str, str]:
    """The tag of the picture that the entry `text` has, and its address."""
    found = re.search(re.escape(text) + r'</p>\s*(<img class="picture" src="(/files/[^"]+)"[^>]*>)', page)
    assert found, page
    return found[1], found[2]


def png(width: int, height: int, shade: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([shade]) * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
