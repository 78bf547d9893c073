"""What a host gives in variables and modules of its own, as the settings understand it."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from demijohn import config
from demijohn.errors import ConfigError

SAFE = {"SECRET_KEY": "not-the-secret-of-a-site"}
CLOUD_SQL = {
    "INSTANCE_UNIX_SOCKET": "/cloudsql/project:region:instance",
    "DB_USER": "book",
    "DB_PASS": "p@ss/word$:%",
    "DB_NAME": "guests",
}
GOOGLE = [{"GAE_ENV": "standard"}, {"K_SERVICE": "site"}]
SAE = {"SERVER_SOFTWARE": "direwolf/0.1"}
CONTAINER = {
    "SINACLOUD_CONTAINER_CPU": "1",
    "APPNAME": "shop",
    "ACCESSKEY": "4kxm",
    "SECRETKEY": "k/0+y@=",
    "MYSQL_HOST": "w.rdc.sae.sina.com.cn",
    "MYSQL_PORT": "3307",
}


def load(folder: Path, environ: Mapping[str, str], text: str = "") -> config.Config:
    (folder / "config.yaml").write_text(text)
    return config.load(folder, None, {**SAFE, **environ}, base={})


def arguments(settings: config.Config) -> dict[str, Any]:
    """What the driver is told."""
    url = sqlalchemy.make_url(settings["database.url"])
    return dict(url.get_dialect()().create_connect_args(url)[1])


@pytest.mark.parametrize("host", GOOGLE, ids=["gae", "cloudrun"])
def test_mysql_of_cloud_sql_is_a_socket(tmp_path: Path, host: dict[str, str]) -> None:
    settings = load(tmp_path, {**host, **CLOUD_SQL})
    found = arguments(settings)
    assert settings["database.url"].startswith("mysql+pymysql://")
    assert found["unix_socket"] == "/cloudsql/project:region:instance"
    assert (found["user"], found["password"], found["database"]) == ("book", "p@ss/word$:%", "guests")
    assert settings.source("database.url").startswith("INSTANCE_UNIX_SOCKET, DB_USER, DB_PASS and DB_NAME (host ")


@pytest.mark.parametrize("host", GOOGLE, ids=["gae", "cloudrun"])
def test_postgresql_of_cloud_sql_is_a_folder_or_says_its_port(tmp_path: Path, host: dict[str, str]) -> None:
    folder = tmp_path / "p:r:i"
    folder.mkdir()
    for changes in ({"INSTANCE_UNIX_SOCKET": str(folder)}, {"DB_PORT": "5432"}):
        settings = load(tmp_path, {**host, **CLOUD_SQL, **changes})
        found = arguments(settings)
        assert settings["database.url"].startswith("postgresql+psycopg://")
        assert found["host"] == changes.get("INSTANCE_UNIX_SOCKET", CLOUD_SQL["INSTANCE_UNIX_SOCKET"])
        assert (found["user"], found["password"], found["dbname"]) == ("book", "p@ss/word$:%", "guests")


def test_cloud_sql_without_a_password_has_none(tmp_path: Path) -> None:
    found = arguments(load(tmp_path, {**GOOGLE[0], **CLOUD_SQL, "DB_PASS": ""}))
    assert "password" not in found


@pytest.mark.parametrize("missing", ["INSTANCE_UNIX_SOCKET", "DB_USER", "DB_NAME"])
def test_half_of_cloud_sql_is_none(tmp_path: Path, missing: str) -> None:
    environ = {**GOOGLE[0], **CLOUD_SQL, missing: ""}
    with pytest.raises(ConfigError, match=r"database\.url is an SQLite file"):
        load(tmp_path, environ)


def test_url_and_file_are_stronger_than_cloud_sql(tmp_path: Path) -> None:
    environ = {**GOOGLE[0], **CLOUD_SQL}
    assert load(tmp_path, {**environ, "DATABASE_URL": "mysql://h/d"}).source("database.url") == "DATABASE_URL"
    assert load(tmp_path, environ, 'demijohn: {database.url: ""}')["database.url"] == ""


@pytest.fixture
def const(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module of SAE's that knows the site's MySQL; the port is a text there."""
    sae, const = types.ModuleType("sae"), types.ModuleType("sae.const")
    sae.const = const  # type: ignore[attr-defined]
    values = {"DB": "app_shop", "USER": "4kxm", "PASS": "k/0+y@=", "HOST": "w.rdc.sae.sina.com.cn", "PORT": "3307"}
    for name, value in {**values, "HOST_S": "r.rdc.sae.sina.com.cn"}.items():
        setattr(const, f"MYSQL_{name}", value)
    monkeypatch.setitem(sys.modules, "sae", sae)
    monkeypatch.setitem(sys.modules, "sae.const", const)
    return const


def test_mysql_of_sae_and_its_copy(tmp_path: Path, const: types.ModuleType) -> None:
    settings = load(tmp_path, SAE)
    found = arguments(settings)
    assert found["host"] == "w.rdc.sae.sina.com.cn"
    assert (found["port"], found["user"], found["password"], found["database"]) == (3307, "4kxm", "k/0+y@=", "app_shop")
    copy = sqlalchemy.make_url(settings["database.replicas"][0])
    assert (copy.host, copy.port, copy.password, copy.database) == (
        "r.rdc.sae.sina.com.cn",
        3307,
        "k/0+y@=",
        "app_shop",
    )
    assert settings.source("database.url") == "sae.const (host sae)"
    assert settings["session.type"] == "cached-sql"
    assert settings["database.idle"] == 10


def test_copy_of_sae_goes_with_its_own_database_only(tmp_path: Path, const: types.ModuleType) -> None:
    assert load(tmp_path, {**SAE, "DATABASE_URL": "mysql://a:b@elsewhere/d"})["database.replicas"] == ()
    assert load(tmp_path, SAE, 'demijohn: {database.url: ""}')["database.replicas"] == ()
    const.MYSQL_HOST_S = const.MYSQL_HOST  # type: ignore[attr-defined]
    assert load(tmp_path, SAE)["database.replicas"] == ()


def test_sae_without_mysql_says_what_is_missing(tmp_path: Path, const: types.ModuleType) -> None:
    del const.MYSQL_DB
    with pytest.raises(ConfigError, match="Sina App Engine has no disk to write to; set DATABASE_URL"):
        load(tmp_path, SAE)


def test_without_sae_there_is_no_sae_const(tmp_path: Path) -> None:
    assert load(tmp_path, {**SAE, "DATABASE_URL": "mysql://a:b@h/d"})["database.replicas"] == ()
    with pytest.raises(ConfigError, match=r"database\.url is an SQLite file"):
        load(tmp_path, SAE)


def test_mysql_of_a_container_at_sae(tmp_path: Path) -> None:
    settings = load(tmp_path, CONTAINER)
    found = arguments(settings)
    assert (found["host"], found["port"]) == ("w.rdc.sae.sina.com.cn", 3307)
    assert (found["user"], found["password"], found["database"]) == ("4kxm", "k/0+y@=", "app_shop")
    assert settings["server.port"] == 5050
    assert settings["memcached.prefix"] == "shop"
    own = load(tmp_path, {**CONTAINER, "DATABASE_URL": "postgres://a:b@h/d", "PORT": "5051"})
    assert own["database.url"] == "postgresql+psycopg://a:b@h/d"
    assert own["server.port"] == 5051


@pytest.mark.parametrize("variable", ["JAWSDB_URL", "JAWSDB_MARIA_URL", "CLEARDB_DATABASE_URL"])
def test_mysql_add_ons_of_heroku(tmp_path: Path, variable: str) -> None:
    heroku = {"DYNO": "web.1", variable: "mysql://u:p@h/d?reconnect=true"}
    settings = load(tmp_path, heroku)
    assert settings["database.url"] == "mysql+pymysql://u:p@h/d?charset=utf8mb4"
    assert settings.source("database.url") == f"{variable} (host heroku)"
    assert settings["database.tls"] == "auto"
    both = load(tmp_path, {**heroku, "DATABASE_URL": "postgres://a:b@h/d"})
    assert both["database.url"] == "postgresql+psycopg://a:b@h/d"
    assert both["database.tls"] == "require"
    assert load(tmp_path, {variable: "mysql://u:p@h/d"}).source("database.url") == "default"  # not on Heroku


def test_another_database_of_heroku_is_nobodys(tmp_path: Path) -> None:
    environ = {
        "DYNO": "web.1",
        "DATABASE_URL": "postgres://a:b@h/d",
        "HEROKU_POSTGRESQL_PINK_URL": "postgres://a:b@i/d",
    }
    settings = load(tmp_path, environ)
    assert settings["database.replicas"] == ()
    assert settings["database.url"] == "postgresql+psycopg://a:b@h/d"


def test_pythonanywhere_database_with_a_dollar(tmp_path: Path) -> None:
    host = "ann.mysql.pythonanywhere-services.com"
    environ = {"PYTHONANYWHERE_SITE": "x", "DATABASE_URL": f"mysql://ann:secret@{host}/ann$book"}
    found = arguments(load(tmp_path, environ))
    assert (found["host"], found["user"], found["database"]) == (host, "ann", "ann$book")
