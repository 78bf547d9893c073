"""What every proof comes to: a stranger signs up and writes, and another one reads it."""

from __future__ import annotations

import functools
import http.client
import http.cookiejar
import urllib.request

from tests.services import MariaDB, until
from tests.site.visitor import Visitor, _Stay, unique

SECRET = "a-secret-of-the-tests-and-of-nobody-else"


#: A host's proxies are on machines of their own. gunicorn believes 127.0.0.1 unasked, and this address only if told to.
PROXY = "127.0.0.2"


class _FromProxy(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(http.client.HTTPConnection, source_address=(PROXY, 0)), request)


class Guest(Visitor):
    """A visitor who stands where the host's proxies do.

    :param headers: what they add to each request: `X_Forwarded_Proto="https"`.
    """

    def __init__(self, url: str, **headers: str) -> None:
        super().__init__(url)
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPCookieProcessor(self.cookies), _FromProxy)
        # By https the cookie has come as far as to them.
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https")))

    @property
    def secure(self) -> bool:
        """Whether the session's cookie is for https only."""
        (cookie,) = self.cookies
        return cookie.secure


def visited(url: str, **headers: str) -> Guest:
    """Sign up, write and read at the site. Who has written, still signed in."""
    guest = Guest(url, **headers)
    guest.sign_up(unique("Anna"))
    text = told(guest)
    assert text in Guest(url, **headers).get("/").page, "nobody else can read it"
    assert guest.get("/account").status == 200
    return guest


def told(guest: Visitor) -> str:
    """Write something, and read it. The text."""
    text = unique("Good wine, ")
    answer = guest.write(text)
    assert answer.status in (302, 303), answer.page
    assert text in guest.get("/").page
    return text


def served_after_rests(guest: Visitor, server: MariaDB, database: str) -> None:
    """Stay away until the database has hung up on the site, then read; and once more, then write."""
    _rest(server, database)
    for _ in range(8):  # by every process, as chance has it
        assert guest.get("/account").status == 200
    _rest(server, database)
    told(guest)


def _rest(server: MariaDB, database: str) -> None:
    count = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{database}'"
    until(lambda: server.execute(count) == [(0,)], "MariaDB does not hang up.")
