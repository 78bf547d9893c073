"""Which store the sessions are kept in: chosen or named, its servers, its address, and what it lacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demijohn import config
from demijohn.config.secret import Secret
from demijohn.config.settings import Row
from tests.settings import SAFE, load, problems

DATABASE = {"DATABASE_URL": "postgres://ann:p@db/shop"}
MEMCACHED = {"MEMCACHED_URL": "cache:11211"}
REDIS = {"REDIS_URL": "redis://r"}
MEMCACHIER = {"MEMCACHIER_SERVERS": "a.mc,b.mc:11212", "MEMCACHIER_USERNAME": "ann", "MEMCACHIER_PASSWORD": "hunter2"}
CLOUD = {"MEMCACHEDCLOUD_SERVERS": "pub:14211", "MEMCACHEDCLOUD_USERNAME": "bob", "MEMCACHEDCLOUD_PASSWORD": "hunter3"}
NONE = {"database.url": ""}


@pytest.fixture(autouse=True)
def nothing_preferred() -> Iterator[None]:
    config.prefer({})
    yield
    config.prefer({})


def row(settings: config.Config, name: str) -> Row:
    return next(row for row in settings.rows() if row.name == name)


# The type


@pytest.mark.parametrize(
    ("arguments", "environ", "store", "why"),
    [
        ({}, {**DATABASE, **MEMCACHED, **REDIS}, "cached-sql", "a database and memcached are set"),
        ({}, MEMCACHED, "cached-sql", "a database and memcached are set"),
        ({}, MEMCACHIER, "cached-sql", "a database and memcached are set"),
        ({}, {**DATABASE, **REDIS}, "sql", "a database is set, and no memcached"),
        ({}, {}, "sql", "a database is set, and no memcached"),
        (NONE, {**REDIS, **MEMCACHED}, "redis", "Redis is set, and no database"),
        (NONE, REDIS, "redis", "Redis is set, and no database"),
        (NONE, MEMCACHED, "cookie", "neither a database nor Redis is set"),
        (NONE, {}, "cookie", "neither a database nor Redis is set"),
    ],
)
def test_store_is_chosen_by_what_there_is(
    tmp_path: Path, arguments: dict[str, object], environ: dict[str, str], store: str, why: str
) -> None:
    for asked in ({}, {"session.type": "auto"}):
        settings = load(tmp_path, "", {**arguments, **asked}, **environ)
        assert settings["session.type"] == store
        assert settings.source("session.type") == f"chosen: {why}"
        assert not row(settings, "session.type").changed


@pytest.mark.parametrize(
    ("written", "store"),
    [
        ("cached-sql", "cached-sql"),
        ("Memcached", "memcached"),
        ("ext:memcached", "memcached"),
        ("ext:database", "sql"),
        ("ext:sqla", "sql"),
        ("ext:redis", "redis"),
        ("demijohn.cached-sql", "cached-sql"),
        ("demijohn.sql", "sql"),
        ("demijohn.memcached", "memcached"),
        ("demijohn.redis", "redis"),
        ("demijohn.cookie", "cookie"),
        ("demijohn.memory", "memory"),
        ("cookie", "cookie"),
        ("memory", "memory"),
    ],
)
def test_store_that_is_named_is_taken(tmp_path: Path, written: str, store: str) -> None:
    settings = load(tmp_path, "", {"session.type": written}, **DATABASE, **MEMCACHED, **REDIS)
    assert (settings["session.type"], settings.source("session.type")) == (store, "argument")
    assert row(settings, "session.type").changed


@pytest.mark.parametrize(
    ("written", "rest"),
    [
        ("ext:mongodb", "not 'ext:mongodb'"),
        ("demijohn.file", "not 'demijohn.file'"),
        ("file", "not 'file': nothing is ever written to disk"),
        ("dbm", "not 'dbm': nothing is ever written to disk"),
    ],
)
def test_unknown_store_is_told_which_are_known(tmp_path: Path, written: str, rest: str) -> None:
    known = "auto, cached-sql, sql, memcached, redis, cookie or memory"
    assert problems(tmp_path, "", {"session.type": written}) == [f"argument: session.type must be {known}, {rest}"]
    (tmp_path / "config.yaml").unlink()
    assert config.read(tmp_path, {"session.type": written}, SAFE)[0]["session.type"] == "sql"


# The user and the password of memcached


@pytest.mark.parametrize(
    ("text", "environ", "servers", "username", "password"),
    [
        ("", MEMCACHED, ("cache:11211",), None, None),
        ("", MEMCACHIER, ("a.mc:11211", "b.mc:11212"), "ann", "hunter2"),
        ("", CLOUD, ("pub:14211",), "bob", "hunter3"),
        # of two add-ons one, and nothing of the other
        ("", {**CLOUD, **MEMCACHIER}, ("a.mc:11211", "b.mc:11212"), "ann", "hunter2"),
        ("", {**MEMCACHIER, **CLOUD, "MEMCACHIER_SERVERS": ""}, ("pub:14211",), "bob", "hunter3"),
        ("", {**MEMCACHIER, "MEMCACHIER_SERVERS": ""}, (), None, None),
        # the servers are not the add-on's
        ("", {**MEMCACHIER, **MEMCACHED}, ("cache:11211",), None, None),
        ("", {**MEMCACHIER, "DEMIJOHN_MEMCACHED_URL": "x:1"}, ("x:1",), None, None),
        ("url: x:1", {**MEMCACHIER, "MEMCACHIER_SERVERS": ""}, ("x:1",), None, None),
        (
            "url: x:1, username: eve, password: hunter4",
            {**MEMCACHIER, "MEMCACHIER_SERVERS": ""},
            ("x:1",),
            "eve",
            "hunter4",
        ),
        # in the address
        ("url: 'memcached://eve:p%40%2Fs%C3%A9@x'", {}, ("x:11211",), "eve", "p@/s\u00e9"),
        ("url: 'memcache://eve:a:b@[::1]:5, y'", {}, ("[::1]:5", "y:11211"), "eve", "a:b"),
        ("url: 'eve:p@x, eve:p@y'", {}, ("x:11211", "y:11211"), "eve", "p"),
        ("", {**MEMCACHIER, "MEMCACHED_URL": "memcached://eve:p@x:1"}, ("x:1",), "eve", "p"),
        ("url: 'memcached://eve:p@x', password: other", {}, ("x:11211",), "eve", "other"),
        ("url: 'memcached://eve@x', password: other", {}, ("x:11211",), "eve", "other"),
    ],
)
def test_user_of_memcached_belongs_to_its_servers(
    tmp_path: Path,
    text: str,
    environ: dict[str, str],
    servers: tuple[str, ...],
    username: str | None,
    password: str | None,
) -> None:
    settings = load(tmp_path, f"demijohn: {{memcached: {{{text}}}}}", None, **environ)
    found = settings["memcached.url"], settings["memcached.username"], settings["memcached.password"]
    assert found == (servers, username, password)
    assert password is None or isinstance(settings["memcached.password"], Secret)


def test_source_of_a_user_is_where_it_stands(tmp_path: Path) -> None:
    names = "memcached.url", "memcached.username", "memcached.password"
    settings = load(tmp_path, "", None, **MEMCACHIER)
    assert [settings.source(name) for name in names] == [*MEMCACHIER]
    settings = load(tmp_path, "", None, MEMCACHED_URL="memcached://eve:p@x")
    assert [settings.source(name) for name in names] == ["MEMCACHED_URL"] * 3
    settings = load(tmp_path, "", None, **{**MEMCACHIER, "MEMCACHIER_SERVERS": ""})
    assert [settings.source(name) for name in names] == ["default"] * 3
    own = load(tmp_path, "", {"memcached.username": "x"}, **MEMCACHIER)
    assert [own.source(name) for name in names] == ["MEMCACHIER_SERVERS", "argument", "MEMCACHIER_PASSWORD"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            {"memcached.username": "ann"},
            "argument: memcached.username is set, but memcached.password is not; a server that asks for one asks for "
            "both",
        ),
        ({"memcached.password": "hunter2"}, "argument: memcached.password is set, but memcached.username is not;"),
        ({"memcached.url": "memcached://hunter2@x"}, "argument: memcached.username is set, but memcached.password is"),
        ({"memcached.url": "memcached://:hunter2@x"}, "argument: memcached.password is set, but memcached.username is"),
        (
            {"memcached.url": ["memcached://a:hunter2@x", "memcached://b:hunter2@x"]},
            "argument: memcached.url has servers of several users; all have one user and one password",
        ),
        ({"memcached.url": "memcached://a:hun@ter2@x"}, "argument: memcached.url must be a list of servers, "),
        ({"memcached.url": "memcached://a:hun/ter2@x"}, "argument: memcached.url must be a list of servers, "),
        ({"memcached.url": "memcached://a:hunter2@x:y"}, "argument: memcached.url must be a list of servers, "),
        ({"memcached.password": ["hunter2"]}, "argument: memcached.password must be a text, not a list"),
    ],
)
def test_mistake_with_a_user_is_told_without_the_password(
    tmp_path: Path, arguments: dict[str, object], line: str
) -> None:
    (found,) = problems(tmp_path, "", arguments)
    assert found.startswith(line)
    assert "ter2" not in found


def test_password_in_the_address_of_memcached_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("demijohn: {memcached: {url: 'memcached://ann:hunter2@x, b'}}")
    for environ in (SAFE, {}):  # as it is, and beside a mistake
        settings, _ = config.read(tmp_path, None, environ)
        assert row(settings, "memcached.url").value == "x:11211, b:11211"
        assert row(settings, "memcached.username").value == "ann"
        assert row(settings, "memcached.password").value.startswith("(sha256:")
        assert "hunter2" not in repr(settings.rows()) + repr({**settings})


# Redis


def test_redis(tmp_path: Path) -> None:
    settings = load(tmp_path, "name: shop", None, REDIS_TLS_URL="rediss://h")
    assert settings.section("redis") == {"url": "rediss://h", "verify": True, "prefix": "shop", "timeout": 250}
    assert settings.source("redis.prefix") == "config.yaml:1 (name)"
    both = load(tmp_path, "", None, REDIS_TLS_URL="rediss://h", REDIS_URL="redis://h")
    assert (both["redis.url"], both.source("redis.url")) == ("redis://h", "REDIS_URL")
    assert load(tmp_path, "name: shop\ndemijohn: {redis.prefix: x}")["redis.prefix"] == "x"
    assert load(tmp_path)["redis.prefix"] == "demijohn"


def test_redis_of_heroku_signs_its_own_certificate(tmp_path: Path) -> None:
    settings = load(tmp_path, "", NONE, DYNO="web.1", REDIS_URL="rediss://h")
    assert (settings["redis.verify"], settings.source("redis.verify")) == (False, "host heroku")
    assert load(tmp_path, "demijohn: {redis.verify: yes}", NONE, DYNO="web.1")["redis.verify"] is True


# The address


@pytest.mark.parametrize(
    ("store", "written", "address"),
    [
        ("ext:memcached", "a:1;b", ("a:1", "b:11211")),
        ("ext:sqla", "mysql://h/d", "mysql+pymysql://h/d?charset=utf8mb4"),
        ("cached-sql", "postgres://h/d", "postgresql+psycopg://h/d"),
        ("ext:redis", "redis://h:6379/1", "redis://h:6379/1"),
    ],
)
def test_address_is_read_as_the_type_says(tmp_path: Path, store: str, written: str, address: object) -> None:
    settings = load(tmp_path, "", {"session.type": store, "session.url": written, **NONE}, **MEMCACHED)
    assert settings["session.url"] == address


@pytest.mark.parametrize("store", ["sql", "cached-sql"])
def test_sqlite_of_the_sessions_lies_beside_config_yaml(tmp_path: Path, store: str) -> None:
    settings = load(tmp_path, "", {"session.type": store, "session.url": "sqlite:///s.sqlite"}, **MEMCACHED)
    assert settings["session.url"] == f"sqlite:///{tmp_path}/s.sqlite"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            {"session.type": "memcached", "session.url": "x:y"},
            "session.url must be a list of servers, each host:port, [ipv6]:port or the path of a unix socket",
        ),
        (
            {"session.type": "memcached", "session.url": "memcached://a:hunter2@x"},
            "session.url must be a list of servers, each host:port, [ipv6]:port or the path of a unix socket: a user "
            "and a password are understood in memcached.url only",
        ),
        (
            {"session.type": "redis", "session.url": "h:hunter2"},
            "session.url must be a URL that begins with redis://, rediss:// or unix://",
        ),
        (
            {"session.type": "sql", "session.url": "mysql://u:hunter2@@h"},
            "session.url must be a database URL such as postgresql://user:password@host/name, or empty for none: one "
            "of @ / ? # : in a password must be written as %40 %2F %3F %23 %3A",
        ),
        (
            {"session.url": "h:1"},
            "session.url is the address of one store, but session.type does not say of which; set it to cached-sql, "
            "sql, memcached or redis",
        ),
        (
            {"session.url": "h:1", "session.type": "auto"},
            "session.url is the address of one store, but session.type does not say of which; set it to cached-sql, "
            "sql, memcached or redis",
        ),
        (
            {"session.url": "h:1", "session.type": "cookie"},
            "session.url is the address of a store such as cached-sql, sql, memcached or redis, but session.type is "
            "cookie, which has none",
        ),
        (
            {
                "session.type": "memcached",
                "session.url": "h:1",
                "memcached.username": "ann",
                "memcached.password": "hunter2",
            },
            "session.url has no user and no password: memcached.username and memcached.password are for the servers of "
            "memcached.url; put the address there",
        ),
    ],
)
def test_address_that_no_store_can_use_is_a_sentence(tmp_path: Path, arguments: dict[str, object], line: str) -> None:
    assert problems(tmp_path, "", arguments) == [f"argument: {line}"]


# What a store lacks


@pytest.mark.parametrize(
    ("arguments", "environ", "lines"),
    [
        (
            {"session.type": "memcached"},
            {},
            ["session.type is memcached, but there is no server; set MEMCACHED_URL or memcached.url"],
        ),
        ({"session.type": "redis"}, {}, ["session.type is redis, but there is no server; set REDIS_URL or redis.url"]),
        ({"session.type": "sql", **NONE}, {}, ["session.type is sql, but database.url is empty"]),
        (
            {"session.type": "cached-sql"},
            {},
            [
                "session.type is cached-sql, but there is no memcached server; set MEMCACHED_URL or memcached.url, or "
                "session.type to sql"
            ],
        ),
        (
            {"session.type": "cached-sql", **NONE},
            MEMCACHED,
            ["session.type is cached-sql, but database.url is empty"],
        ),
        (
            {"session.type": "memory"},
            {"WEB_CONCURRENCY": "2"},
            ["session.type is memory, but server.workers is more than 1, and each worker has a memory of its own"],
        ),
    ],
)
def test_what_a_store_lacks_is_a_sentence(
    tmp_path: Path, arguments: dict[str, object], environ: dict[str, str], lines: list[str]
) -> None:
    assert problems(tmp_path, "", arguments, **environ) == [f"argument: {line}" for line in lines]


@pytest.mark.parametrize(
    ("store", "package", "extra"), [("cookie", "cryptography", "cookie"), ("redis", "redis", "redis")]
)
def test_package_is_missed_where_the_store_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, package: str, extra: str
) -> None:
    environ = REDIS if store == "redis" else {}
    assert load(tmp_path, "", {"session.type": store}, **environ)["session.type"] == store
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert problems(tmp_path, "", {"session.type": store}, **environ) == [
        f"argument: session.type is {store}, which needs the package {package}: pip install 'demijohn[{extra}]'"
    ]
    chosen = load(tmp_path, "", NONE, **environ)
    assert (chosen["session.type"], row(chosen, "session.type").changed) == (store, False)


def test_what_becomes_of_a_session_that_is_not_kept(tmp_path: Path) -> None:
    assert load(tmp_path)["session.unkept"] == "refuse"
    assert load(tmp_path, "demijohn: {session.unkept: drop}")["session.unkept"] == "drop"
    assert problems(tmp_path, "", {"session.unkept": "ignore"}) == [
        "argument: session.unkept must be refuse or drop, not 'ignore'"
    ]
