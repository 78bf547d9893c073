"""The table of the hosts: what a visitor forges changes nothing, by each host's own router; what the host's hop says is
so."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from demijohn import hosts
from demijohn.rehearsal.router import routing
from tests.apps import whois
from tests.client import Client
from tests.services import HOST as LOCAL
from tests.services import PATIENCE
from tests.sites import clean_environment
from tests.test_proxies import FOR, LIAR, NAME, PEER, PROTO, VISITOR

FORGED = {
    "X-Forwarded-For": LIAR,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "4711",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Server": "evil.example",
    "Forwarded": f"for={LIAR};proto=https;host=evil.example",
    "Forwarded-For": LIAR,
    "X-Real-IP": LIAR,
    "X-Client-IP": LIAR,
    "True-Client-IP": LIAR,
    "CF-Connecting-IP": LIAR,
    "Fly-Client-IP": LIAR,
    "X-Original-Forwarded-For": LIAR,
    "X-Appengine-User-IP": LIAR,
    "X-Appengine-Cron": "true",
    "X-Appengine-QueueName": "evil",
    "X-Appengine-Anything": "evil",
    "X-Google-Internal-Skipadmincheck": "evil",
    "X-Goog-Authenticated-User-Email": "accounts.google.com:evil@evil.example",
}


class Quiet(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass

    def address_string(self) -> str:
        return str(self.client_address[0])


def live_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ.keys() - clean_environment().keys():
        monkeypatch.delenv(variable)
    monkeypatch.setenv("DEMIJOHN_HOST", name)


@pytest.fixture(params=hosts.MARKS)
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> hosts.Host:
    live_on(request.param, monkeypatch)
    return hosts.find(request.param)


@pytest.fixture
def port(host: hosts.Host) -> Iterator[int]:
    """Where the site is served, as on this host but for its router."""
    server = make_server(LOCAL, 0, whois.make(), WSGIServer, Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def ask(port: int, headers: dict[str, str], address: str = "127.0.0.3") -> dict[str, Any]:
    """What the site knows of somebody who comes from `address`."""
    connection = HTTPConnection(LOCAL, port, timeout=PATIENCE, source_address=(address, 0))
    connection.request("GET", "/who", headers={"Host": "site.example", **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    told: dict[str, Any] = json.loads(text)
    return told


def test_what_a_visitor_forges_changes_nothing(host: hosts.Host, port: int) -> None:
    """By the host's router, as the rehearsal plays it: what it does not set itself, it hands on."""
    with routing(port, host.limits, host.proxies) as router:
        honest = ask(router.port, {})
        assert honest["address"] == ("127.0.0.3" if host.proxies.hops else "127.0.0.1")
        assert (honest["scheme"], honest["host"]) == ("http", "site.example")
        assert honest["bottle's address"] == honest["address"]
        assert honest["bottle's url"] == "http://site.example/who"
        for name, value in FORGED.items():
            assert ask(router.port, {name: value}) == honest, name
        assert ask(router.port, FORGED) == honest
    assert LIAR not in json.dumps(honest["left"])


def test_what_the_host_s_own_hop_says_is_so(host: hosts.Host, port: int) -> None:
    proxies = host.proxies
    said = {proxies.client or FOR: VISITOR, proxies.scheme or PROTO: "https"}
    if proxies.hops == 2:
        said[FOR] += ", 192.0.2.1"
    told = ask(port, {**said, "X-Appengine-Cron": "true", NAME: "evil.example"}, LOCAL)
    believed = bool(proxies.hops)
    assert told["address"] == told["bottle's address"] == (VISITOR if believed else LOCAL)
    assert told["scheme"] == ("https" if believed else "http")
    assert told["bottle's url"] == f"{told['scheme']}://site.example/who"
    assert ("HTTP_X_APPENGINE_CRON" in told["left"]) is (host.name == "gae")


#: Where nobody but the host's own router reaches the site's port: each with how many proxies there are.
BEHIND_A_ROUTER = {"heroku": 1, "gae": 1, "cloudrun": 1, "fly": 1, "render": 2, "railway": 1, "dokku": 1}
BEHIND_A_ROUTER["pythonanywhere"] = 1


def test_who_stands_elsewhere_is_not_the_hop(host: hosts.Host) -> None:
    """Where the proxies are on the same machine, a neighbour in the network is not believed."""
    client = Client(whois.make())
    said = {"HTTP_X_FORWARDED_FOR": f"{LIAR}, {LIAR}", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_HOST": "site.example"}
    told = client.get("/who", REMOTE_ADDR="192.0.2.9", **said).json
    believed = host.name in BEHIND_A_ROUTER
    assert host.proxies.hops == BEHIND_A_ROUTER.get(host.name, 1 if host.name == "vm" else 0)
    assert told["scheme"] == ("https" if believed else "http")
    if not believed:
        assert told["address"] == told["bottle's address"] == "192.0.2.9"


@pytest.mark.parametrize(
    ("settings", "peer", "expected"),
    [
        ({"proxies.hops": 1}, "192.0.2.9", VISITOR),
        ({"proxies.hops": 1, "proxies.trusted": "10.0.0.0/8"}, "192.0.2.9", "192.0.2.9"),
        ({"proxies.hops": 1, "proxies.trusted": "10.0.0.0/8, unix"}, "", VISITOR),
        ({"proxies.hops": 1, "proxies.trusted": ["10.0.0.0/8", "203.0.113.0/24"]}, PEER, VISITOR),
        ({"proxies.trusted": ["10.0.0.0/8"]}, PEER, VISITOR),
        ({"proxies.trusted": ["10.0.0.0/8"]}, "192.0.2.9", "192.0.2.9"),
        ({"proxies.hops": 1, "proxies.client": "CF-Connecting-IP"}, PEER, "198.51.100.4"),
        ({"proxies.hops": 0}, PEER, PEER),
        ({}, PEER, PEER),
    ],
)
def test_the_settings_say_who_is_trusted(
    settings: dict[str, Any], peer: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_on("local", monkeypatch)
    said = {"HTTP_X_FORWARDED_FOR": f"{LIAR}, {VISITOR}", "HTTP_CF_CONNECTING_IP": "198.51.100.4"}
    told = Client(whois.make(**settings)).get("/who", REMOTE_ADDR=peer, **said).json
    assert told["address"] == expected


def test_a_cdn_before_the_host_s_router(monkeypatch: pytest.MonkeyPatch) -> None:
    live_on("heroku", monkeypatch)
    client = Client(whois.make(**{"proxies.trusted": "192.0.2.0/24"}))
    said = {"HTTP_X_FORWARDED_FOR": f"{LIAR}, {VISITOR}, 192.0.2.7"}
    assert client.get("/who", REMOTE_ADDR=PEER, **said).json["address"] == VISITOR
    past = {"HTTP_X_FORWARDED_FOR": f"{LIAR}, {VISITOR}"}
    assert client.get("/who", REMOTE_ADDR=PEER, **past).json["address"] == VISITOR
