"""Settings of the database's connections: how many there may be, how they are encrypted, and where the replicas are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from demijohn import config
from demijohn.errors import ConfigError
from tests.services.certificates import Authority
from tests.settings import SAFE, load, problems

URL = "mysql://ann:pw@db/shop"
MYSQL = {"DATABASE_URL": URL}
MENDED = "mysql+pymysql://ann:pw@db/shop?charset=utf8mb4"


def sizes(root: Path, arguments: Mapping[str, object]) -> tuple[int, int, str, str]:
    settings = load(root, "", arguments, **MYSQL)
    size, over = "database.pool_size", "database.max_overflow"
    return settings[size], settings[over], settings.source(size), settings.source(over)


# How many


@pytest.mark.parametrize(
    ("workers", "threads", "plan", "size", "over"),
    [
        (1, 8, None, 8, 8),
        (4, 1, None, 1, 1),
        (1, 8, 100, 8, 8),
        (2, 8, 20, 8, 2),
        (4, 8, 20, 5, 0),
        (3, 8, 20, 6, 0),
        (20, 8, 20, 1, 0),
        (1, 8, 16, 8, 8),
        (1, 8, 15, 8, 7),
        (1, 1, 1, 1, 0),
    ],
)
def test_pool_is_as_large_as_threads_and_plan_allow(
    tmp_path: Path, workers: int, threads: int, plan: int | None, size: int, over: int
) -> None:
    arguments = {"server.workers": workers, "server.threads": threads, "database.max_connections": plan}
    found = sizes(tmp_path, arguments)
    assert found[:2] == (size, over)
    if plan is not None:
        assert workers * (size + over) <= plan


def test_why_a_pool_is_so_large(tmp_path: Path) -> None:
    assert sizes(tmp_path, {})[2:] == ("chosen: server.threads", "chosen: as many again as database.pool_size")
    assert sizes(tmp_path, {"server.workers": 2, "database.max_connections": 10})[2:] == (
        "chosen: the process's share of database.max_connections",
        "chosen: what database.max_connections leaves",
    )


def test_what_is_said_stays(tmp_path: Path) -> None:
    assert sizes(tmp_path, {"database.pool_size": 3}) == (
        3,
        3,
        "argument",
        "chosen: as many again as database.pool_size",
    )
    assert sizes(tmp_path, {"database.pool_size": 3, "database.max_connections": 4})[:2] == (3, 1)
    assert sizes(tmp_path, {"database.max_overflow": 0}) == (8, 0, "chosen: server.threads", "argument")
    assert sizes(tmp_path, {"database.max_overflow": 3, "database.max_connections": 10})[:2] == (7, 3)
    assert sizes(tmp_path, {"database.pool_size": "auto", "database.max_overflow": "auto"})[:2] == (8, 8)


def test_a_host_without_threads(tmp_path: Path) -> None:
    settings = load(tmp_path, "", None, **MYSQL, PYTHONANYWHERE_SITE="x")
    assert (settings["database.pool_size"], settings["database.max_overflow"]) == (1, 1)


@pytest.mark.parametrize("url", ["", "sqlite:///a.sqlite"])
def test_who_has_no_server_has_no_plan(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, "", {"database.url": url, "database.max_connections": 1, "server.workers": 4})


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            {"database.pool_size": 10, "database.max_overflow": 5, "server.workers": 4, "database.max_connections": 20},
            "server.workers 4 x (database.pool_size 10 + database.max_overflow 5) = 60 connections, and "
            "database.max_connections allows 20; set database.pool_size to 5 and database.max_overflow to 0, or leave "
            "both out",
        ),
        (
            {"database.pool_size": 3, "database.max_overflow": 5, "server.workers": 4, "database.max_connections": 20},
            "server.workers 4 x (database.pool_size 3 + database.max_overflow 5) = 32 connections, and "
            "database.max_connections allows 20; set database.pool_size to 3 and database.max_overflow to 2, or leave "
            "both out",
        ),
        (
            {"database.max_overflow": 25, "database.max_connections": 20},
            "server.workers 1 x (database.pool_size 1 + database.max_overflow 25) = 26 connections, and "
            "database.max_connections allows 20; set database.pool_size to 1 and database.max_overflow to 19, or leave "
            "both out",
        ),
        (
            {"server.workers": 30, "database.max_connections": 20},
            "server.workers is 30, and database.max_connections allows 20: not one connection for each; set "
            "server.workers to 20 or less, or database.max_connections to what the database allows",
        ),
    ],
)
def test_more_than_the_plan_allows_is_a_sentence(tmp_path: Path, arguments: dict[str, object], line: str) -> None:
    assert problems(tmp_path, "", arguments, **MYSQL) == [f"argument: {line}"]


def test_the_values_that_are_told_fit(tmp_path: Path) -> None:
    fitting = {"database.pool_size": 5, "database.max_overflow": 0, "server.workers": 4}
    assert load(tmp_path, "", {**fitting, "database.max_connections": 20}, **MYSQL)


@pytest.mark.parametrize(("workers", "size", "over"), [("2", 8, 2), ("28", 1, 0)])
def test_what_a_host_says_of_its_smallest_plan_cuts_a_pool_and_forbids_none(
    tmp_path: Path, workers: str, size: int, over: int
) -> None:
    heroku = {**MYSQL, "DYNO": "web.1", "WEB_CONCURRENCY": workers}
    chosen = load(tmp_path, "", {}, **heroku)
    assert chosen.source("database.max_connections") == "host heroku"
    assert (chosen["database.pool_size"], chosen["database.max_overflow"]) == (size, over)
    assert load(tmp_path, "", {"database.pool_size": 40}, **heroku)["database.max_overflow"] == 0
    with pytest.raises(ConfigError, match=r"database\.max_connections allows 20"):
        load(tmp_path, "", {"database.pool_size": 40, "database.max_connections": 20}, **heroku)


# TLS


@pytest.mark.parametrize(
    ("written", "mode"),
    [("off", "off"), ("no", "off"), ("'off'", "off"), ("Require", "require"), ("verify-full", "verify")],
)
def test_tls_as_yaml_has_it(tmp_path: Path, written: str, mode: str) -> None:
    assert load(tmp_path, f"demijohn: {{database.tls: {written}}}", None, **MYSQL)["database.tls"] == mode


def test_tls_that_is_only_switched_on_is_not_enough(tmp_path: Path) -> None:
    assert problems(tmp_path, "demijohn: {database.tls: on}", None, **MYSQL) == [
        "config.yaml:1: database.tls must be auto, off, require or verify, not True"
    ]


def test_tls_of_heroku_gives_way_to_the_url(tmp_path: Path) -> None:
    settings = load(tmp_path, "", None, **MYSQL, DYNO="web.1")
    assert (settings["database.tls"], settings.source("database.tls")) == ("require", "host heroku")
    assert load(tmp_path, "", None, DYNO="web.1", DATABASE_URL="postgres://a:b@h/d?sslmode=disable")


@pytest.mark.parametrize(
    ("url", "mode", "said"),
    [
        ("postgres://a:b@h/d?sslmode=disable", "require", "sslmode=disable, which is off"),
        ("postgres://a:b@h/d?sslmode=require", "verify", "sslmode=require, which is require"),
        ("mysql://a:b@h/d?ssl-mode=DISABLED", "verify", "ssl_disabled, which is off"),
        ("mysql://a:b@h/d?sslmode=require", "off", "ssl_check_hostname, which is require"),
        ("mysql://a:b@h/d?ssl_ca=/c", "require", "ssl_ca, which is verify"),
        ("mysql://a:b@h/d?sslmode=verify-full", "off", "ssl_verify_identity, which is verify"),
    ],
)
def test_two_words_on_tls_are_a_sentence(tmp_path: Path, url: str, mode: str, said: str) -> None:
    assert problems(tmp_path, "", {"database.tls": mode}, DATABASE_URL=url) == [
        f"argument: database.tls is {mode}, and database.url says {said} and the stronger of the two; leave one of "
        "them out"
    ]


@pytest.mark.parametrize(
    ("url", "mode"),
    [("postgres://a:b@h/d?sslmode=verify-full", "verify"), ("mysql://a:b@h/d?sslmode=require", "require")],
)
def test_one_word_twice_is_none(tmp_path: Path, url: str, mode: str) -> None:
    assert load(tmp_path, "", {"database.tls": mode}, DATABASE_URL=url)["database.tls"] == mode


def test_tls_of_another_driver(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, "", {"database.tls": "require"}, DATABASE_URL="mysql+mysqldb://a:b@h/d")
    assert line == "argument: database.tls is for PyMySQL and psycopg; mysqldb has words of its own, for database.url"
    assert load(tmp_path, "", None, DATABASE_URL="mysql+mysqldb://a:b@h/d")


def test_authorities_lie_beside_config_yaml(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Authority().pem)
    verified = {"database.tls": "verify", "database.tls_ca": "ca.pem"}
    assert load(tmp_path, "", verified, **MYSQL)["database.tls_ca"] == str(tmp_path / "ca.pem")
    assert problems(tmp_path, "", {"database.tls_ca": "ca.pem"}, **MYSQL) == [
        "argument: database.tls_ca is set, but database.tls is auto, which checks no certificate; set it to verify"
    ]
    (missing,) = problems(tmp_path, "", {**verified, "database.tls_ca": "no.pem"}, **MYSQL)
    assert missing.endswith("no.pem: No such file or directory")
    (tmp_path / "ca.pem").write_text("nothing")
    (line,) = problems(tmp_path, "", verified, **MYSQL)
    assert line.startswith("argument: database.tls_ca is not a file of certificates (PEM): ")


# Replicas


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("mysql://bob:pw@r/shop", ["mysql+pymysql://bob:pw@r/shop?charset=utf8mb4"]),
        (
            ["mysql://bob:pw@r/shop", "mariadb://s/shop"],
            ["mysql+pymysql://bob:pw@r/shop?charset=utf8mb4", "mysql+pymysql://s/shop?charset=utf8mb4"],
        ),
        (
            "mysql://bob:pw@r/shop, mysql://s/shop",
            ["mysql+pymysql://bob:pw@r/shop?charset=utf8mb4", "mysql+pymysql://s/shop?charset=utf8mb4"],
        ),
        ("r1, r2:3308", [MENDED.replace("@db", "@r1"), MENDED.replace("@db", "@r2:3308")]),
        (
            "mysql://s/shop, r1,r2",
            ["mysql+pymysql://s/shop?charset=utf8mb4", *(MENDED.replace("@db", h) for h in ("@r1", "@r2"))],
        ),
        ("[::1]:5", [MENDED.replace("@db", "@[::1]:5")]),
    ],
)
def test_replicas(tmp_path: Path, written: object, found: list[str]) -> None:
    settings = load(tmp_path, "", {"database.replicas": written}, **MYSQL)
    assert list(settings["database.replicas"]) == found


def test_passwords_of_replicas_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    for written in ("mysql://bob:hunter2@r/shop", "mysql://bob:hun@ter2@r/shop", ["host", "mysql://b:hunter2@s/d"]):
        settings, found = config.read(tmp_path, {"database.replicas": written}, {**SAFE, **MYSQL})
        assert "ter2" not in repr(settings.rows()) + repr({**settings}) + repr(found)


@pytest.mark.parametrize(
    ("replicas", "url", "line"),
    [
        (
            "postgres://b:c@r/shop",
            URL,
            "database.replicas has a database of postgresql, and database.url is one of mysql; a replica is a copy of "
            "it",
        ),
        ("mysql://b:c@r/shop", "", "database.replicas are set, but database.url is empty: they are copies of none"),
        ("r", "", "database.replicas has the host r, but database.url has none to put it in the place of"),
        ("r", "sqlite:///a", "database.replicas has the host r, but database.url has none to put it in the place of"),
        ("r one!", URL, "database.replicas must be a list of database URLs, or of hosts that have the same database"),
    ],
)
def test_replicas_of_something_else(tmp_path: Path, replicas: str, url: str, line: str) -> None:
    found = problems(tmp_path, "", {"database.replicas": replicas, "database.url": url})
    assert found == [f"argument: {line}"]


def test_replica_of_sae(tmp_path: Path) -> None:
    sae = {"SERVER_SOFTWARE": "direwolf/1", "MYSQL_HOST_S": "r.rdc.sae.sina.com.cn"}
    url = "mysql://u:p%40@w.rdc.sae.sina.com.cn:3307/app_shop"
    settings = load(tmp_path, "", None, **sae, DATABASE_URL=url)
    mended = "mysql+pymysql://u:p%40@r.rdc.sae.sina.com.cn:3307/app_shop?charset=utf8mb4"
    assert settings["database.replicas"] == (mended,)
    assert settings.source("database.replicas") == "MYSQL_HOST_S (host sae)"
    assert load(tmp_path, "", {"database.url": ""}, **sae)["database.replicas"] == ()
    own = load(tmp_path, "", {"database.replicas": "r:3308"}, DATABASE_URL=url)["database.replicas"]
    assert own == ("mysql+pymysql://u:p%40@r:3308/app_shop?charset=utf8mb4",)
    elsewhere = load(tmp_path, "", None, **{**sae, "SERVER_SOFTWARE": "x"}, DATABASE_URL=url)
    assert elsewhere["database.replicas"] == ()
