"""The kinds of values, one by one; and what is shown of those that must not be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from demijohn.config import kinds, urls
from demijohn.config.secret import Secret, Url, fingerprint, mask

DAY = 86400


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (kinds.boolean, "true", True),
        (kinds.boolean, " On ", True),
        (kinds.boolean, "1", True),
        (kinds.boolean, "no", False),
        (kinds.boolean, False, False),
        (kinds.boolean_or("auto"), "auto", "auto"),
        (kinds.boolean_or("auto"), "off", False),
        (kinds.boolean_or_seconds, True, True),
        (kinds.boolean_or_seconds, "false", False),
        (kinds.boolean_or_seconds, 1, 1),
        (kinds.boolean_or_seconds, "1h", 3600),
        (kinds.integer(1, 9), 9, 9),
        (kinds.integer(1, 9), " 1 ", 1),
        (kinds.integer(-5, 9), "-5", -5),
        (kinds.seconds, 600, 600),
        (kinds.seconds, "600", 600),
        (kinds.seconds, "30s", 30),
        (kinds.seconds, "10m", 600),
        (kinds.seconds, "2 h", 7200),
        (kinds.seconds, "14d", 14 * DAY),
        (kinds.size, 4096, 4096),
        (kinds.size, "512 KiB", 512 * 1024),
        (kinds.size, "4MiB", 4 * 1024**2),
        (kinds.size, "4 mb", 4_000_000),
        (kinds.size, "1GiB", 1024**3),
        (kinds.text, "views", "views"),
        (kinds.matching("/.*"), "/static", "/static"),
        (kinds.choice("Lax", "None"), "none", "None"),
        (kinds.choice("sql", others={"ext:database": "sql"}), "ext:database", "sql"),
        (kinds.words, "a, b\n c", ("a", "b", "c")),
        (kinds.words, ["a", "b c"], ("a", "b", "c")),
        (kinds.secrets, "new,old", ("new", "old")),
        (kinds.servers, "127.0.0.1:11211", ("127.0.0.1:11211",)),
        (kinds.servers, "cache", ("cache:11211",)),
        (kinds.servers, "a:1;b:2, c:3 d:4", ("a:1", "b:2", "c:3", "d:4")),
        (kinds.servers, ["a:1", "b:2"], ("a:1", "b:2")),
        (kinds.servers, "memcached://a:1/ memcache://b", ("a:1", "b:11211")),
        (kinds.servers, "[::1] [2001:db8::1]:11212", ("[::1]:11211", "[2001:db8::1]:11212")),
        (kinds.servers, "/run/memcached.sock unix:///run/m", ("/run/memcached.sock", "/run/m")),
        (kinds.servers, [], ()),
        (kinds.servers, "memcache://u:p@a", (Url("memcached://u:p@a:11211"),)),
        (kinds.bare_servers, "a:1;b", ("a:1", "b:11211")),
        (kinds.secret, "a b,c", Secret("a b,c")),
        (kinds.database_url, "", ""),
        (kinds.plain_url, "anything", "anything"),
        (kinds.redis_url, "rediss://:p@h:6380/0", "rediss://:p@h:6380/0"),
        (kinds.json_only, "json", "json"),
    ],
)
def test_value_is_read(read: Callable[[object], object], written: object, value: object) -> None:
    found = read(written)
    assert found == value
    assert isinstance(found, type(value))


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (kinds.boolean, "maybe"),
        (kinds.boolean, ""),
        (kinds.boolean, 2),
        (kinds.boolean, []),
        (kinds.boolean_or("auto"), "Automatic"),
        (kinds.boolean_or_seconds, 0),
        (kinds.boolean_or_seconds, "soon"),
        (kinds.integer(1, 9), 0),
        (kinds.integer(1, 9), "10"),
        (kinds.integer(0, 9), True),
        (kinds.integer(0, 9), 1.0),
        (kinds.integer(0, 9), "1.0"),
        (kinds.integer(0, 9), "9" * 5000),
        (kinds.integer(0, 9), "\u0663"),  # a digit, but not one of ours
        (kinds.seconds, 0),
        (kinds.seconds, "10 minutes"),
        (kinds.seconds, "11000d"),
        (kinds.size, "4 MiBs"),
        (kinds.size, -1),
        (kinds.text, ""),
        (kinds.text, 5),
        (kinds.text, None),
        (kinds.text, "a\0b"),
        (kinds.matching("[a-z]+"), "a\n"),
        (kinds.choice("Lax", "None"), "never"),
        (kinds.choice("Lax", "None"), False),
        (kinds.words, 5),
        (kinds.words, ["a", 5]),
        (kinds.servers, "a:b"),
        (kinds.servers, "a:99999"),
        (kinds.servers, "a:0"),
        (kinds.servers, "http://a:1/x"),
        (kinds.database_url, 5),
        (kinds.database_url, "data.sqlite"),
        (kinds.redis_url, "http://h"),
        (kinds.json_only, "pickle"),
    ],
)
def test_value_is_refused(read: Callable[[object], object], written: object) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (its words, if any, are tested below)
        read(written)
    assert not isinstance(caught.value, UnicodeError)


def test_refusals_that_need_a_word_more() -> None:
    with pytest.raises(ValueError, match=r"IPv6 address needs brackets: \[::1\]:11211"):
        kinds.servers("2001:db8::1")
    with pytest.raises(ValueError, match=r"user and a password are understood in memcached\.url only"):
        kinds.bare_servers("memcached://ann:hunter2@cache:11211")
    with pytest.raises(ValueError, match="in a password must be written as %40"):
        kinds.servers("memcached://ann:hun@ter2@cache:11211")
    with pytest.raises(ValueError, match=r"\Anot here\Z"):
        kinds.choice("sql", refused={"file": "not here"})("File")
    with pytest.raises(ValueError, match="nothing is ever unpickled"):
        kinds.json_only("pickle")


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"),
        ("Postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("postgres://u:p@/d?host=/cloudsql/a:b:c", "postgresql+psycopg://u:p@/d?host=/cloudsql/a:b:c"),
        ("mysql://u:p@h/d", "mysql+pymysql://u:p@h/d?charset=utf8mb4"),
        ("mariadb://u:p@h/d", "mysql+pymysql://u:p@h/d?charset=utf8mb4"),
        ("mysql://u:p@h/u$shop", "mysql+pymysql://u:p@h/u$shop?charset=utf8mb4"),
        ("mysql://u@/d?unix_socket=/s/m", "mysql+pymysql://u@/d?unix_socket=/s/m&charset=utf8mb4"),
        ("mysql://u:p@h/d?charset=latin1", "mysql+pymysql://u:p@h/d?charset=latin1"),
        ("mysql+mysqldb://u:p@h/d", "mysql+mysqldb://u:p@h/d?charset=utf8mb4"),
        ("mysql://u:p@h/d?reconnect=true", "mysql+pymysql://u:p@h/d?charset=utf8mb4"),
        ("mysql://u:p@h/d?ssl-mode=REQUIRED", "mysql+pymysql://u:p@h/d?ssl_check_hostname=false&charset=utf8mb4"),
        ("mysql://u:p@h/d?sslmode=disable", "mysql+pymysql://u:p@h/d?ssl_disabled=true&charset=utf8mb4"),
        ("mysql://u:p@h/d?sslmode=prefer", "mysql+pymysql://u:p@h/d?charset=utf8mb4"),
        ("mysql://u:p@h/d?sslmode=verify-full", "mysql+pymysql://u:p@h/d?ssl_verify_identity=true&charset=utf8mb4"),
        ("mysql://u:p@h/d?ssl-mode=VERIFY_CA", "mysql+pymysql://u:p@h/d?ssl_verify_cert=true&charset=utf8mb4"),
        ("postgres://u:p@/d?host=/cloudsql/p:r:i", "postgresql+psycopg://u:p@/d?host=/cloudsql/p:r:i"),
        (
            "postgres://u:p@%2Fcloudsql%2Fp%3Ar%3Ai/d",
            "postgresql+psycopg://u:p@/d?host=%2Fcloudsql%2Fp%3Ar%3Ai",
        ),
        (
            "mysql://u:p@/d?unix_socket=/cloudsql/p:r:i",
            "mysql+pymysql://u:p@/d?unix_socket=/cloudsql/p:r:i&charset=utf8mb4",
        ),
        ("mysql://u:p@h/d?sslmode=verify-ca&ssl_ca=/c", "mysql+pymysql://u:p@h/d?ssl_ca=/c&charset=utf8mb4"),
        ("mysql://u:p%40ss@[::1]:3306/d", "mysql+pymysql://u:p%40ss@[::1]:3306/d?charset=utf8mb4"),
        ("sqlite:///data.sqlite", "sqlite:///data.sqlite"),
        ("sqlite://", "sqlite://"),
        ("mssql+pyodbc://u:p@h/d?driver=x", "mssql+pyodbc://u:p@h/d?driver=x"),
    ],
)
def test_database_url_is_mended(written: str, mended: str) -> None:
    assert urls.mend(written) == mended


@pytest.mark.parametrize(
    "written",
    ["mysql://u:p@ss@h/d", "mysql://u:p/ss@h/d", "mysql://u:12/ss@h/d", "mysql://u:p#ss@h/d", "mysql://u:p?ss@h/d"],
)
def test_password_that_is_not_quoted_is_told_without_it(written: str) -> None:
    with pytest.raises(ValueError, match="in a password must be written as %40") as caught:
        urls.mend(written)
    assert "ss" not in str(caught.value).replace("password", "")


def test_tls_that_pymysql_cannot_do_is_not_dropped_silently() -> None:
    with pytest.raises(ValueError, match=r"PyMySQL has no sslmode; .* write ssl_ca=FILE"):
        urls.mend("mysql://u:p@h/d?sslmode=perhaps")


def test_mended_urls_are_what_sqlalchemy_and_the_drivers_take() -> None:
    from sqlalchemy import create_engine

    for written in ("postgres://u:p@h/d?sslmode=require", "mysql://u:p@h/d?ssl-mode=REQUIRED&reconnect=true"):
        engine = create_engine(urls.mend(written))
        assert engine.dialect.create_connect_args(engine.url)[1]["host"] == "h"
    assert engine.dialect.create_connect_args(engine.url)[1]["ssl"] == {"check_hostname": False}


@pytest.mark.parametrize(
    ("written", "rooted"),
    [
        ("sqlite:///data.sqlite", "sqlite:////srv/shop/data.sqlite"),
        ("sqlite+pysqlite:///var/data.sqlite?timeout=5", "sqlite+pysqlite:////srv/shop/var/data.sqlite?timeout=5"),
        ("sqlite:////var/data.sqlite", "sqlite:////var/data.sqlite"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///file:x?mode=memory&uri=true", "sqlite:///file:x?mode=memory&uri=true"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("", ""),
    ],
)
def test_sqlite_file_is_beside_config_yaml(written: str, rooted: str) -> None:
    assert urls.rooted(written, Path("/srv/shop")) == rooted


def test_secret_shows_a_fingerprint() -> None:
    phrase = Secret("hunter2hunter2")
    assert repr(phrase) == f"Secret({fingerprint('hunter2hunter2')})"
    assert "hunter2" not in repr([phrase]) + repr({"secret": phrase})
    assert phrase == "hunter2hunter2"
    assert phrase.encode() == b"hunter2hunter2"
    assert fingerprint("a") != fingerprint("b")


@pytest.mark.parametrize(
    ("url", "start", "end"),
    [
        ("postgresql://ann:hunter2@h/d", "postgresql://ann:(sha256:", ")@h/d"),
        ("mysql://ann:hun@ter2@h/d", "mysql://ann:(sha256:", ")@h/d"),
        ("redis://:hunter2@h:6379", "redis://:(sha256:", ")@h:6379"),
        ("postgresql://h/d?user=ann&password=hunter2&x=1", "postgresql://h/d?user=ann&password=(sha256:", ")&x=1"),
        ("ann:hunter2@h", "(sha256:", ")"),
    ],
)
def test_password_in_a_url_is_masked(url: str, start: str, end: str) -> None:
    shown = mask(url)
    assert shown.startswith(start)
    assert shown.endswith(end)
    assert repr(Url(url)) == repr(shown)
    assert "ter2" not in shown


@pytest.mark.parametrize("url", ["postgresql://ann@h/d", "sqlite:////srv/data.sqlite", "127.0.0.1:11211"])
def test_url_without_a_password_is_shown(url: str) -> None:
    assert mask(Url(url)) == url
    assert repr(Url(url)) == repr(url)
