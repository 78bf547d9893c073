"""Who is asking, and over what: the trusted proxies' word, and nobody else's."""

from __future__ import annotations

from typing import Any

import bottle
import pytest

from demijohn.security.forwarded import parse_forwarded, read_address
from demijohn.security.proxies import KNOWN, Proxies

PEER, VISITOR, LIAR = "10.0.0.1", "203.0.113.9", "198.51.100.66"
HOP: dict[str, Any] = {"hops": 1}
TWO: dict[str, Any] = {"hops": 2}
NEAR: dict[str, Any] = {"hops": 1, "peers": ("10.0.0.0/8", "unix")}
NETS: dict[str, Any] = {"trusted": ("10.0.0.0/8", "192.0.2.0/24")}
CDN: dict[str, Any] = {"hops": 1, "trusted": ("192.0.2.0/24",)}
RFC: dict[str, Any] = {"hops": 1, "client": "Forwarded"}
RFC2: dict[str, Any] = {"hops": 2, "client": "Forwarded"}
REAL: dict[str, Any] = {"hops": 1, "client": "X-Real-IP"}
NAMED: dict[str, Any] = {"hops": 1, "host": "X-Forwarded-Host"}
OUTSIDE = (PEER, "http", "site.example")


def asked(options: dict[str, Any], headers: dict[str, str], peer: str = PEER) -> dict[str, Any]:
    """The environ as it is behind `Proxies`."""
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "site.example"}
    environ.update({"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()})
    Proxies(**options).open(environ)
    return environ


def seen(environ: dict[str, Any]) -> tuple[str, str, str]:
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]


FOR, PROTO, NAME = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"
CASES: list[tuple[str, dict[str, Any], dict[str, str], str, tuple[str, str, str]]] = [
    ("nobody is trusted", {}, {FOR: LIAR, PROTO: "https", NAME: "evil.example"}, PEER, OUTSIDE),
    ("nobody is trusted: Forwarded", {}, {"Forwarded": f"for={LIAR};proto=https;host=evil"}, PEER, OUTSIDE),
    ("nobody is trusted: X-Real-IP", {}, {"X-Real-IP": LIAR}, PEER, OUTSIDE),
    ("one hop", HOP, {FOR: VISITOR, PROTO: "https"}, PEER, (VISITOR, "https", "site.example")),
    ("one hop, forged before it", HOP, {FOR: f"{LIAR}, {VISITOR}"}, PEER, (VISITOR, "http", "site.example")),
    ("one hop, much forged", HOP, {FOR: f"{LIAR}," * 60 + VISITOR}, PEER, (VISITOR, "http", "site.example")),
    ("two hops", TWO, {FOR: f"{VISITOR}, 192.0.2.1"}, PEER, (VISITOR, "http", "site.example")),
    ("two hops, forged", TWO, {FOR: f"{LIAR}, {VISITOR}, 192.0.2.1"}, PEER, (VISITOR, "http", "site.example")),
    ("two hops, one value", TWO, {FOR: LIAR, PROTO: "https"}, PEER, OUTSIDE),
    ("two hops, no value", TWO, {PROTO: "https"}, PEER, OUTSIDE),
    ("no header at all", HOP, {}, PEER, OUTSIDE),
    ("an empty header", HOP, {FOR: "", PROTO: ""}, PEER, OUTSIDE),
    ("the scheme alone", HOP, {PROTO: "https"}, PEER, (PEER, "https", "site.example")),
    ("a near peer", NEAR, {FOR: VISITOR, PROTO: "https"}, PEER, (VISITOR, "https", "site.example")),
    ("a far peer", NEAR, {FOR: LIAR, PROTO: "https"}, "192.0.2.9", ("192.0.2.9", "http", "site.example")),
    ("a mapped peer", NEAR, {FOR: VISITOR}, "::ffff:10.0.0.7", (VISITOR, "http", "site.example")),
    ("a unix socket", NEAR, {FOR: VISITOR, PROTO: "https"}, "", (VISITOR, "https", "site.example")),
    ("waitress's unix socket", NEAR, {FOR: VISITOR}, "localhost", (VISITOR, "http", "site.example")),
    ("a socket that is not trusted", NETS, {FOR: LIAR}, "", ("", "http", "site.example")),
    ("a peer that is no address", NEAR, {FOR: LIAR}, "unix:", ("unix:", "http", "site.example")),
    ("networks", NETS, {FOR: f"{LIAR}, {VISITOR}, 192.0.2.1"}, PEER, (VISITOR, "http", "site.example")),
    ("networks, a foreign peer", NETS, {FOR: LIAR}, "198.51.100.1", ("198.51.100.1", "http", "site.example")),
    ("networks, all trusted", NETS, {FOR: "10.1.1.1, 10.2.2.2"}, PEER, ("10.1.1.1", "http", "site.example")),
    ("networks, a broken value", NETS, {FOR: "<b>, 10.2.2.2"}, PEER, ("10.2.2.2", "http", "site.example")),
    ("networks, the last is broken", NETS, {FOR: f"{LIAR}, <b>", PROTO: "https"}, PEER, OUTSIDE),
    (
        "networks, schemes",
        NETS,
        {FOR: f"{VISITOR}, 192.0.2.1", PROTO: "https, http"},
        PEER,
        (VISITOR, "https", "site.example"),
    ),
    ("a CDN before a router", CDN, {FOR: f"{LIAR}, {VISITOR}, 192.0.2.5"}, PEER, (VISITOR, "http", "site.example")),
    ("past the CDN", CDN, {FOR: f"{LIAR}, {VISITOR}"}, PEER, (VISITOR, "http", "site.example")),
    ("a port", HOP, {FOR: f"{VISITOR}:4711"}, PEER, (VISITOR, "http", "site.example")),
    ("IPv6", HOP, {FOR: "2001:DB8::1"}, PEER, ("2001:db8::1", "http", "site.example")),
    ("IPv6 in brackets", HOP, {FOR: "[2001:db8::1]"}, PEER, ("2001:db8::1", "http", "site.example")),
    ("IPv6 with a port", HOP, {FOR: '"[2001:db8::1]:80"'}, PEER, ("2001:db8::1", "http", "site.example")),
    ("a mapped address", HOP, {FOR: "::ffff:203.0.113.9"}, PEER, (VISITOR, "http", "site.example")),
    ("a script for an address", HOP, {FOR: "<script>", PROTO: "https"}, PEER, OUTSIDE),
    ("a name for an address", HOP, {FOR: "visitor.example"}, PEER, OUTSIDE),
    ("unknown", HOP, {FOR: "unknown"}, PEER, OUTSIDE),
    ("a zone", HOP, {FOR: "fe80::1%eth0"}, PEER, OUTSIDE),
    ("octal", HOP, {FOR: "0177.0.0.1"}, PEER, OUTSIDE),
    ("a comma at the end", HOP, {FOR: f"{LIAR},"}, PEER, OUTSIDE),
    (
        "a scheme of two proxies",
        TWO,
        {FOR: f"{VISITOR}, 192.0.2.1", PROTO: "https,http"},
        PEER,
        (VISITOR, "https", "site.example"),
    ),
    ("a scheme, forged before", HOP, {FOR: VISITOR, PROTO: "https, http"}, PEER, (VISITOR, "http", "site.example")),
    (
        "a single scheme, two hops",
        TWO,
        {FOR: f"{VISITOR}, 192.0.2.1", PROTO: "https"},
        PEER,
        (VISITOR, "https", "site.example"),
    ),
    ("a scheme in capitals", HOP, {FOR: VISITOR, PROTO: "HTTPS"}, PEER, (VISITOR, "https", "site.example")),
    ("a scheme that is none", HOP, {FOR: VISITOR, PROTO: "javascript"}, PEER, (VISITOR, "http", "site.example")),
    ("another scheme's header", HOP, {FOR: VISITOR, "X-Forwarded-Ssl": "on"}, PEER, (VISITOR, "http", "site.example")),
    ("a name nobody asked for", HOP, {FOR: VISITOR, NAME: "evil.example"}, PEER, (VISITOR, "http", "site.example")),
    ("a name", NAMED, {FOR: VISITOR, NAME: "shop.example:81"}, PEER, (VISITOR, "http", "shop.example:81")),
    ("a name that is none", NAMED, {FOR: VISITOR, NAME: "evil/@x"}, PEER, (VISITOR, "http", "site.example")),
    (
        "names, the last is the proxy's",
        NAMED,
        {FOR: VISITOR, NAME: "evil, shop.example"},
        PEER,
        (VISITOR, "http", "shop.example"),
    ),
    ("the other family", HOP, {"Forwarded": f"for={LIAR};proto=https"}, PEER, OUTSIDE),
    (
        "Forwarded",
        RFC,
        {"Forwarded": f"for={VISITOR};proto=https;host=shop.example"},
        PEER,
        (VISITOR, "https", "shop.example"),
    ),
    (
        "Forwarded, forged",
        RFC,
        {"Forwarded": f"for={LIAR};proto=https, For={VISITOR}"},
        PEER,
        (VISITOR, "http", "site.example"),
    ),
    (
        "Forwarded, two hops",
        RFC2,
        {"Forwarded": f"for={VISITOR};proto=https, for=192.0.2.1"},
        PEER,
        (VISITOR, "https", "site.example"),
    ),
    (
        "Forwarded, quoted",
        RFC,
        {"Forwarded": 'for="[2001:db8::1]:4711"'},
        PEER,
        ("2001:db8::1", "http", "site.example"),
    ),
    (
        "Forwarded, a quoted comma",
        RFC,
        {"Forwarded": f'for="a, for={LIAR}", for={VISITOR}'},
        PEER,
        (VISITOR, "http", "site.example"),
    ),
    ("Forwarded, an open quote", RFC, {"Forwarded": f'for="{LIAR}, for={VISITOR}'}, PEER, OUTSIDE),
    ("Forwarded, hidden", RFC, {"Forwarded": "for=_hidden;proto=https"}, PEER, OUTSIDE),
    ("Forwarded, twice for", RFC, {"Forwarded": f"for={VISITOR};for={LIAR}"}, PEER, OUTSIDE),
    ("Forwarded, the other family", RFC, {FOR: LIAR, PROTO: "https"}, PEER, OUTSIDE),
    ("X-Real-IP", REAL, {"X-Real-IP": VISITOR, FOR: LIAR}, PEER, (VISITOR, "http", "site.example")),
]


@pytest.mark.parametrize(
    ("options", "headers", "peer", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_whose_word_is_taken(
    options: dict[str, Any], headers: dict[str, str], peer: str, expected: tuple[str, str, str]
) -> None:
    environ = asked(options, headers, peer)
    assert seen(environ) == expected
    request = bottle.BaseRequest(dict(environ))
    assert request.remote_addr == (expected[0] or None)
    assert request.urlparts[:2] == expected[1:]
    assert asked(options, headers, peer) == environ, "the second time, from memory, it is the same"


def test_bottle_s_route_is_the_trusted_part() -> None:
    environ = asked(TWO, {FOR: f"{LIAR}, {VISITOR}, 192.0.2.1"})
    assert bottle.BaseRequest(environ).remote_route == [VISITOR, "192.0.2.1"]
    walked = asked(NETS, {FOR: f"{LIAR}, {VISITOR}, 192.0.2.1:80, 10.3.3.3"})
    assert bottle.BaseRequest(walked).remote_route == [VISITOR, "192.0.2.1:80", "10.3.3.3"]


def test_the_scheme_is_known_only_where_nobody_says_https() -> None:
    assert KNOWN in asked(HOP, {FOR: VISITOR, PROTO: "http"})
    assert KNOWN in asked(HOP, {FOR: VISITOR, PROTO: "https"})
    assert KNOWN not in asked(HOP, {FOR: VISITOR})
    assert KNOWN not in asked(HOP, {FOR: VISITOR, PROTO: "https, http"})
    assert KNOWN not in asked({}, {PROTO: "http"})


SERVERS: list[tuple[dict[str, Any], str]] = [
    ({}, "http"),
    ({"HTTPS": "on"}, "https"),
    ({"HTTPS": "1"}, "https"),
    ({"HTTPS": "off"}, "http"),
    ({"REQUEST_SCHEME": "https"}, "https"),
    ({"REQUEST_SCHEME": "http"}, "http"),
]


@pytest.mark.parametrize(("environ", "expected"), SERVERS, ids=str)
@pytest.mark.parametrize("forged", ["https", "http", "javascript"])
def test_a_server_that_believes_the_visitor_is_not_believed(
    forged: str, environ: dict[str, Any], expected: str
) -> None:
    """uWSGI makes wsgi.url_scheme of whatever a visitor writes into X-Forwarded-Proto."""
    whole = {"wsgi.url_scheme": forged, "HTTP_X_FORWARDED_PROTO": forged, **environ}
    Proxies().open(whole)
    assert whole["wsgi.url_scheme"] == expected
    assert "HTTP_X_FORWARDED_PROTO" not in whole


def test_without_such_a_header_the_server_s_word_stands() -> None:
    environ = {"wsgi.url_scheme": "https", "REMOTE_ADDR": PEER}
    Proxies().open(environ)
    assert environ == {"wsgi.url_scheme": "https", "REMOTE_ADDR": PEER}


def test_what_is_remembered_does_not_grow_with_what_is_sent() -> None:
    proxies = Proxies(hops=1)
    for number in range(5000):
        proxies.open({"wsgi.url_scheme": "http", f"HTTP_X_{number}": "", "HTTP_" + "Y" * 200 + str(number): ""})
        address = f"198.51.{number // 256}.{number % 256}"
        environ = {"wsgi.url_scheme": "http", f"HTTP_X_FORWARDED_{number}": "", "HTTP_X_FORWARDED_FOR": address}
        proxies.open(environ)
        assert environ["REMOTE_ADDR"] == address
        assert f"HTTP_X_FORWARDED_{number}" not in environ
    assert len(proxies._known) <= 2048
    assert proxies._claims <= proxies._known
    assert {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"} <= proxies._claims
    assert len(proxies._claims) <= 64
    assert 0 < len(proxies._judged_before) <= 1024
    before = dict(proxies._judged_before)
    proxies.open({"wsgi.url_scheme": "http", "HTTP_X_FORWARDED_FOR": "x" * 300})
    assert proxies._judged_before == before
    assert max(map(len, proxies._known)) <= 64


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", [("192.0.2.60", "http", "")]),  # RFC 7239 section 4
        ('For="[2001:db8:cafe::17]:4711"', [("[2001:db8:cafe::17]:4711", "", "")]),
        ("for=192.0.2.43, for=198.51.100.17", [("192.0.2.43", "", ""), ("198.51.100.17", "", "")]),
        (r'for="a\"b"', [('a"b', "", "")]),
        (", for=192.0.2.43,,", [("192.0.2.43", "", "")]),
        ("for = 192.0.2.43", []),
        ("for=192.0.2.43;", []),
        ("192.0.2.43", []),
        ("", []),
    ],
)
def test_the_header_forwarded(value: str, expected: list[tuple[str, str, str]]) -> None:
    assert [tuple(element) for element in parse_forwarded(value)] == expected


@pytest.mark.parametrize(
    "text", ["", "1", "1.2.3", "1.2.3.4.5", "[1.2.3.4]", "1.2.3.4:", "1.2.3.4:x", "[::1", "::1]:1", "1.2.3.4 5"]
)
def test_what_is_no_address(text: str) -> None:
    assert read_address(text) is None
