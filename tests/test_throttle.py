"""Guessing passwords is slow: per account, per address, over whatever the site's copies share; and limits of routes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import Site
from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.security.counts import address
from demijohn.security.errors import LimitOptionError
from demijohn.security.limits import Limit, Limits, read
from demijohn.security.proxies import HIDDEN, Proxies
from demijohn.security.throttle import Throttle
from demijohn.shared import SharedDownError
from demijohn.shared.base import Shared
from demijohn.shared.memcached import MemcachedShared
from demijohn.shared.memory import MemoryShared
from demijohn.shared.sql import SqlShared
from tests.client import Client
from tests.services import Memcached as MemcachedServer
from tests.shares import opened
from tests.sites import ROOT, clean_environment

HOME, AWAY = "203.0.113.7", "198.51.100.1"


class Clock:
    """A clock that stands still until somebody turns it. The windows are its hours: it begins with one."""

    def __init__(self) -> None:
        self._hour = time.time() // 3600 * 3600 + 1
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._hour + self.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture(params=["memory", "memcached", "sqlite"])
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    with opened(request.param, request) as shared:
        yield shared


def wait(throttle: Throttle, account: str = "anna", address: str = HOME, right: bool = False) -> int:
    """Try to sign in. The seconds to wait, 0 if the attempt was let in."""
    try:
        attempt = throttle.attempt(account, {"REMOTE_ADDR": address})
    except bottle.HTTPError as refused:
        return int(refused.get_header("Retry-After")) if refused.status_code == 429 else -1
    if right:
        attempt.succeeded()
    return 0


def addresses() -> Iterator[str]:
    return (f"192.0.{number // 250}.{number % 250 + 1}" for number in range(1000))


def test_after_five_tries_each_further_one_waits_longer(shared: Shared, clock: Clock) -> None:
    throttle = Throttle(shared)
    assert [wait(throttle) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 2]
    waited = []
    for _ in range(11):
        seconds = wait(throttle)
        assert wait(throttle) == seconds, "asking does not make it longer"
        waited.append(seconds)
        clock.ahead += seconds - 0.2
        assert wait(throttle) == 1
        clock.ahead += 0.3
        assert wait(throttle) == 0
    assert waited == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert wait(throttle, address=AWAY) == 0, "elsewhere nobody has tried"
    assert wait(throttle, "eve") == 0
    clock.ahead += 3600
    assert wait(throttle) == 0


def test_signing_in_forgets_what_was_counted(shared: Shared) -> None:
    throttle = Throttle(shared, per_address=13)
    for _ in range(3):
        assert [wait(throttle) for _ in range(4)] == [0, 0, 0, 0]
        assert wait(throttle, right=True) == 0
    # Of the address, twelve failures are counted and three successes are not.
    assert wait(throttle, "eve", right=True) == 0
    assert wait(throttle, "eve") == 0
    assert wait(throttle, "eve") > 60


def test_of_many_that_come_at_once_no_more_get_through(shared: Shared) -> None:
    throttle = Throttle(shared)
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: wait(throttle), range(40)))
    assert waits.count(0) == 6


def test_an_account_is_guarded_against_many_addresses_and_its_owner_still_gets_in(shared: Shared, clock: Clock) -> None:
    throttle = Throttle(shared, per_account=10)
    assert wait(throttle, right=True) == 0
    others = addresses()
    assert [wait(throttle, address=next(others)) for _ in range(10)] == [0] * 10
    refused = wait(throttle, address=next(others))
    assert 3600 - 60 < refused <= 3600
    assert wait(throttle) == 0, "the owner, where they have signed in before"
    assert wait(throttle, right=True) == 0
    assert wait(throttle, "eve", next(others)) == 0
    clock.ahead += refused
    assert wait(throttle, address=next(others)) == 0


def test_an_address_that_tries_one_password_on_everybody_is_stopped(shared: Shared) -> None:
    throttle = Throttle(shared, per_address=20)
    assert [wait(throttle, f"user {number}") for number in range(20)] == [0] * 20
    assert wait(throttle, "one more") > 60
    assert wait(throttle, "one more", AWAY) == 0


def test_what_is_kept_names_nobody(memcached: MemcachedServer, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'kept.sqlite'}")
    shared = SqlShared(database.alone, database.metadata, database.redo)
    database.create_all()
    wait(Throttle(shared, secret="a secret"), "anna.miller", right=True)
    database.close()
    kept = (tmp_path / "kept.sqlite").read_bytes()
    assert b"demijohn_shared" in kept
    assert b"miller" not in kept
    assert HOME.encode() not in kept
    keys: list[str] = []

    class Watched(MemoryShared):
        def count(self, key: str, seconds: float, by: int = 1) -> int:
            keys.append(key)
            return super().count(key, seconds, by)

    watched = Watched()
    wait(Throttle(watched, secret="a secret"), "anna.miller")
    wait(Throttle(watched, secret="another"), "anna.miller")
    assert not [key for key in keys if "miller" in key or HOME in key]
    assert len(set(keys)) == len(keys), "guessed names cannot be looked up without the secret"


def test_any_text_is_an_account(shared: Shared) -> None:
    for account in ("", "\0", "é" * 10_000, "half \ud83c", "a b\r\n"):
        assert wait(Throttle(shared), account) == 0


def test_names_that_a_database_takes_for_equal_are_one_account(clock: Clock) -> None:
    throttle = Throttle(MemoryShared())
    for spelling in ("anna", "Anna", "anna  ", "\u00c1nna", "an\u200bna", "\uff41nna"):
        assert wait(throttle, spelling) == 0
    assert wait(throttle, "ANNA\t") == 2
    assert wait(throttle, "hanna") == 0


def test_switched_off_it_lets_everybody_in_and_keeps_nothing() -> None:
    def nobody() -> Shared:
        raise AssertionError("the store is not asked")

    throttle = Throttle(nobody, on=False)
    assert [wait(throttle, right=True) for _ in range(300)] == [0] * 300


# Who it is


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.168.1.5", "192.168.1.5"),
        ("127.0.0.1", None),  # a proxy on this machine, likelier than a visitor
        ("::1", None),
        ("", None),  # a unix socket
        ("unix:", None),
        ("<script>", None),
    ],
)
def test_a_visitor_is_an_address_or_a_network_of_ipv6(said: str, known: str | None) -> None:
    assert address({"REMOTE_ADDR": said}) == known


def test_who_stands_behind_a_proxy_that_is_not_trusted_is_not_known() -> None:
    assert address({"REMOTE_ADDR": "127.0.0.1"}, local=True) == "127.0.0.1"
    assert address({"REMOTE_ADDR": "10.0.0.1", HIDDEN: True}) is None
    assert address({"REMOTE_ADDR": "93.184.216.34", HIDDEN: True}) == "93.184.216.34", "from afar anybody can say so"
    assert address({}) is None
    said = {"HTTP_X_FORWARDED_FOR": "198.51.100.9", "wsgi.url_scheme": "http"}
    environ = {"REMOTE_ADDR": "10.0.0.1", **said}
    Proxies().open(environ)
    assert address(environ) is None
    environ = {"REMOTE_ADDR": "10.0.0.1", **said}
    Proxies(hops=1).open(environ)
    assert address(environ) == "198.51.100.9"


def test_where_addresses_are_not_known_accounts_are_still_counted(shared: Shared) -> None:
    throttle = Throttle(shared, per_account=3)
    assert [wait(throttle, address="") for _ in range(3)] == [0, 0, 0]
    assert wait(throttle, address="") > 60
    assert wait(throttle, "eve", address="", right=True) == 0


# Where it is kept


def test_two_processes_share_the_count(memcached: MemcachedServer, tmp_path: Path) -> None:
    """Half of the tries each, over memcached and over a table."""
    program = """
import json, sys, bottle
from demijohn import Site
site = Site(sys.argv[1])
waits = []
for _ in range(3):
    try:
        site.throttle.attempt("anna", {"REMOTE_ADDR": "203.0.113.7"})
        waits.append(0)
    except bottle.HTTPError as refused:
        waits.append(int(refused.get_header("Retry-After")))
print(json.dumps(waits))
"""
    for name, settings in {
        "memcached": {"MEMCACHED_URL": memcached.url},
        "sql": {"DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite'}"},
    }.items():
        root = tmp_path / name
        root.mkdir()
        environment = clean_environment(SECRET_KEY="a-secret-of-the-tests", PYTHONPATH=str(ROOT), **settings)
        make = f"from demijohn import Site; Site({str(root)!r}).create_tables()"
        subprocess.run([sys.executable, "-c", make], env=environment, check=True)
        waits = [
            json.loads(
                subprocess.run(
                    [sys.executable, "-c", program, str(root)], env=environment, check=True, capture_output=True
                ).stdout
            )
            for _ in range(3)
        ]
        assert waits[:2] == [[0, 0, 0], [0, 0, 0]]
        assert waits[2].count(0) <= 1, (name, waits)  # one, where the start of a process has taken 2 s


def test_while_the_store_is_down_each_process_counts_for_itself(
    memcached: MemcachedServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = Memcached([memcached.address], prefix="site")
    throttle = Throttle(MemcachedShared(client))
    assert wait(throttle) == 0
    memcached.stop()
    assert [wait(throttle) for _ in range(8)] == [0, 0, 0, 0, 0, 0, 2, 2]
    said = [record.message for record in caplog.records if record.name == "demijohn.security"]
    assert len(said) == 1
    assert "Until it does, each process counts attempts for itself. (said once a minute)" in said[0]
    memcached.start()
    client.close()


def test_a_table_that_is_missing_locks_nobody_out(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(sqlite_url)
    throttle = Throttle(lambda: SqlShared(database.alone, database.metadata, database.redo))
    assert [wait(throttle) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 2]
    database.close()


class Down(MemoryShared):
    def _find(self, place: str) -> Any:
        raise SharedDownError("a store of the tests", "it is down")


# In a site


def test_a_site_s_own(tmp_path: Path) -> None:
    site = Site(tmp_path, {"environment": "development", "database.url": "", "security.tries": 2})

    @site.post("/sign-in")
    def sign_in() -> str:
        site.throttle.attempt("anna")
        return "no"

    client = Client(site)
    answers = [client.post("/sign-in", REMOTE_ADDR=HOME) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.header("Retry-After") == "2"
    assert "There have been too many attempts to sign in. Please wait 2 seconds, then try again." in refused.text
    assert client.post("/sign-in", REMOTE_ADDR=AWAY).status == 200


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("10/minute", [Limit(10, 60)]),
        ("10 per minute", [Limit(10, 60)]),
        ("1/second; 100 per 2 hours, 5/day", [Limit(1, 1), Limit(100, 7200), Limit(5, 86400)]),
        ("20/15 Minutes", [Limit(20, 900)]),
        ("", []),
        ("10", []),
        ("0/minute", []),
        ("10/fortnight", []),
        ("10/minute; x", []),
        (10, []),
        (None, []),
    ],
)
def test_limits_are_read_as_they_are_said(text: object, limits: list[Limit]) -> None:
    assert read(text) == limits


@pytest.fixture
def limited(shared: Shared) -> Client:
    app = bottle.Bottle()
    app.install(Limits(shared))
    app.get("/search", limit="2/minute; 5/hour", callback=lambda: "found")
    app.get("/other", limit="2/minute", callback=lambda: "other")
    app.get("/mine", limit="1/day", limit_by=lambda: bottle.request.query.get("me"), callback=lambda: "mine")
    app.get("/free", callback=lambda: "free")
    return Client(app)


def test_a_route_s_limit_holds_for_each_visitor_and_each_route(limited: Client, clock: Clock) -> None:
    def ask(path: str, address: str = HOME) -> int:
        return limited.get(path, REMOTE_ADDR=address).status

    assert [ask("/search") for _ in range(3)] == [200, 200, 429]
    refused = limited.get("/search", REMOTE_ADDR=HOME)
    assert 0 < int(refused.header("Retry-After") or 0) <= 60
    assert ask("/search", AWAY) == 200
    assert ask("/other") == 200
    clock.ahead += 60
    assert [ask("/search") for _ in range(2)] == [200, 429]
    refused = limited.get("/search", REMOTE_ADDR=HOME)
    assert 3000 < int(refused.header("Retry-After") or 0) <= 3600, "the hour's limit, refused ones count"
    assert [ask("/mine?me=a"), ask("/mine?me=a"), ask("/mine?me=b"), ask("/mine"), ask("/mine")] == [
        *(200, 429, 200, 200, 200)
    ]
    assert {ask("/free") for _ in range(9)} == {200}
    assert {ask("/other", "") for _ in range(9)} == {200}, "of whom it is not known who they are"


def test_a_limit_that_cannot_be_read_lets_nobody_through() -> None:
    app = bottle.Bottle()
    app.install(Limits(MemoryShared()))
    app.get("/", limit="many", callback=lambda: "in")
    with pytest.raises(
        LimitOptionError, match=r"^The route / has limit='many'\. It says how often one visitor may come"
    ):
        app.routes[0].call  # noqa: B018
    assert Client(app).get("/").status == 500


def test_a_limit_goes_on_while_the_store_is_down(tmp_path: Path) -> None:
    app = bottle.Bottle()
    app.install(Limits(Down()))
    app.get("/", limit="2/hour", callback=lambda: "in")
    client = Client(app)
    assert [client.get("/", REMOTE_ADDR=HOME).status for _ in range(3)] == [200, 200, 429]


def test_the_limits_of_a_site_hold_in_a_mounted_app_and_can_be_switched_off(tmp_path: Path) -> None:
    def answers(**settings: Callable[..., Any] | bool) -> list[int]:
        site = Site(tmp_path, {"environment": "development", "database.url": "", **settings})
        inner = bottle.Bottle()
        inner.get("/", limit="1/hour", callback=lambda: "in")
        site.mount("/inner/", inner)
        return [Client(site).get("/inner/", REMOTE_ADDR="127.0.0.1").status for _ in range(2)]

    assert answers() == [200, 429]
    assert answers(**{"security.throttle": False}) == [200, 200]
