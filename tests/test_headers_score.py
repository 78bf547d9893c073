"""What the Mozilla Observatory would say of the guestbook, reckoned by its published rules (its scanner 1.4): 100 to
begin with, less for each fault; what is given beyond counts from 90 on."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from tests.services import PATIENCE
from tests.site.serving import served
from tests.site.visitor import PASSWORD, unique

PRIVATE = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
HALF_A_YEAR = 15_552_000
UNSAFE = {"'unsafe-inline'", "'unsafe-eval'", "data:", "http:", "https:", "*"}


class Seen(NamedTuple):
    status: int
    headers: dict[str, str]
    cookies: SimpleCookie
    page: str


def score(answer: Seen, cookies: SimpleCookie, redirect: Seen) -> int:
    given = [
        _policy(answer),
        _frames(answer),
        _cookies(cookies, answer),
        _referrer(answer),
        _hsts(answer),
        _corp(answer),
    ]
    given += [0 if answer.headers.get("x-content-type-options") == "nosniff" else -5, _scripts(answer.page)]
    given.append(
        0 if redirect.status in (301, 302, 307, 308) and redirect.headers["location"].startswith("https://") else -20
    )
    lost = sum(points for points in given if points < 0)
    return 100 + (sum(given) if 100 + lost >= 90 else lost)


def _directives(answer: Seen) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers.get("content-security-policy", "").split(";") if part.strip()]
    assert len(parts) == len({part[0] for part in parts}), "a directive stands twice"
    return {part[0]: part[1:] for part in parts}


def _policy(answer: Seen) -> int:
    policy = _directives(answer)
    if not policy:
        return -25
    for name in ("script-src", "object-src"):
        if UNSAFE & set(policy.get(name, policy.get("default-src", ["*"]))):
            return -20
    if UNSAFE & set(policy.get("style-src", policy.get("default-src", []))):
        return 0
    return 10 if policy.get("default-src") == ["'none'"] else 5


def _frames(answer: Seen) -> int:
    if "frame-ancestors" in _directives(answer):
        return 5
    return 0 if answer.headers.get("x-frame-options", "").upper() in ("DENY", "SAMEORIGIN") else -20


def _cookies(cookies: SimpleCookie, answer: Seen) -> int:
    points = 5 if cookies else 0
    for name, cookie in cookies.items():
        session = "sess" in name or "login" in name
        if session and not cookie["httponly"]:
            points = min(points, -30)
        if not cookie["secure"]:
            points = min(points, (-10 if session else -5) if _hsts(answer) == 0 else (-40 if session else -20))
        if not cookie["samesite"]:
            points = min(points, 0)
    return points


def _referrer(answer: Seen) -> int:
    policy = answer.headers.get("referrer-policy")
    return 0 if policy is None else 5 if policy in PRIVATE else -5


def _hsts(answer: Seen) -> int:
    age = re.search(r"max-age=(\d+)", answer.headers.get("strict-transport-security", ""))
    return -20 if age is None else 0 if int(age[1]) >= HALF_A_YEAR else -10


def _corp(answer: Seen) -> int:
    policy = answer.headers.get("cross-origin-resource-policy")
    return 10 if policy in ("same-origin", "same-site") else 0


def _scripts(page: str) -> int:
    scripts = re.findall(r"<script\b[^>]*\bsrc=[^>]*>", page)
    return 5 if scripts and all("integrity=" in script for script in scripts) else 0


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The guestbook, behind a proxy."""
    database = f"sqlite:///{tmp_path_factory.mktemp('score') / 'data.sqlite'}"
    with served(DATABASE_URL=database, DEMIJOHN_PROXIES_HOPS="1", DEMIJOHN_SECURITY_HTTPS="on") as url:
        yield int(url.rpartition(":")[2])


def ask(port: int, path: str, scheme: str = "https", body: str | None = None, cookie: str = "") -> Seen:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"X-Forwarded-Proto": scheme, "X-Forwarded-For": "203.0.113.9", "Cookie": cookie}
    if body is not None:
        headers |= {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    page = answer.read().decode()
    pairs = answer.getheaders()
    connection.close()
    names = [name.lower() for name, _ in pairs if name.lower() != "set-cookie"]
    assert len(names) == len(set(names)), "a header stands twice"
    jar = SimpleCookie("; ".join(value for name, value in pairs if name.lower() == "set-cookie"))
    return Seen(answer.status, {name.lower(): value for name, value in pairs}, jar, page)


def test_the_guestbook(port: int) -> None:
    """A stranger is sent no cookie, for which there would be 5 more."""
    redirect = ask(port, "/", "http")
    stranger = ask(port, "/")
    assert stranger.status == 200
    assert score(stranger, stranger.cookies, redirect) >= 135
    form = urlencode({"name": unique("Anna"), "password": PASSWORD, "next": "/"})
    entered = ask(port, "/sign-up", body=form)
    assert entered.cookies, entered.page
    value = "; ".join(f"{name}={cookie.value}" for name, cookie in entered.cookies.items())
    for path in ("/", "/account"):
        page = ask(port, path, cookie=value)
        assert page.status == 200
        assert score(page, entered.cookies, redirect) >= 140, path


def test_the_rules_of_the_reckoning(port: int) -> None:
    """Each rule, as measured with the scanner itself."""
    redirect, good = ask(port, "/", "http"), ask(port, "/")
    none = SimpleCookie()
    session = SimpleCookie("session=x; Secure; HttpOnly; SameSite=Lax")
    best = score(good, none, redirect)
    assert score(good, session, redirect) == best + 5
    assert score(good._replace(page=good.page.replace("integrity=", "data-x=")), none, redirect) == best - 5
    assert score(good._replace(page=re.sub("<script.*?</script>", "", good.page)), none, redirect) == best - 5

    def changed(**headers: str | None) -> int:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in {**good.headers, **names}.items() if value is not None}
        return score(good._replace(headers=kept), none, redirect)

    policy = good.headers["content-security-policy"]
    assert changed(content_security_policy=policy.replace("'none'; script", "'self'; script", 1)) == best - 5
    assert (
        changed(content_security_policy=policy.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'"))
        == best - 10
    )
    assert changed(content_security_policy=policy.replace("script-src 'self'", "script-src 'unsafe-inline'")) == 80
    assert changed(content_security_policy=None) == 75
    assert changed(strict_transport_security=None) == 80
    assert changed(referrer_policy="unsafe-url") == best - 10
    assert changed(cross_origin_resource_policy=None) == best - 10
    assert score(good, SimpleCookie("session=x; Secure; SameSite=Lax"), redirect) == 70
    assert score(good, none, good._replace(status=200)) == 80
