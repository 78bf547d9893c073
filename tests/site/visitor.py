"""A visitor of the guestbook: a browser's cookies and forms, without the browser."""

from __future__ import annotations

import html
import http.client
import http.cookiejar
import os
import urllib.error
import urllib.request
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
        self._opener.addheaders = [("User-Agent", agent)]

    def get(self, path: str) -> Answer:
        return self._open(urllib.request.Request(self.address + path))  # noqa: S310

    def post(self, path: str, body: bytes | None = None, **fields: str) -> Answer:
        data = urlencode(fields).encode() if body is None else body
        return self._open(urllib.request.Request(self.address + path, data))  # noqa: S310

    def sign_up(self, name: str) -> Visitor:
        answer = self.post("/sign-up", name=name, password=PASSWORD, next="/")
        assert answer.status in (302, 303), answer.page
        return self

    def write(self, text: str) -> Answer:
        return self.post("/", text=text)

    def _open(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=60) as response:
                return Answer(response)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error)
