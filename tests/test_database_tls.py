"""How connections are made: encrypted as the settings or the URL say, by sockets, and within their time."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from demijohn.config import urls
from demijohn.database import tls
from demijohn.database.engine import make_engine
from demijohn.errors import DatabaseTlsError
from tests.services import MariaDB, PostgreSQL
from tests.services.certificates import Authority

KINDS = ["mariadb", "postgresql"]
Server = MariaDB | PostgreSQL
_OPTIONS = {
    "mariadb": ("--ssl-cert={}", "--ssl-key={}"),
    "postgresql": ("-cssl=on", "-cssl_cert_file={}", "-cssl_key_file={}"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, str]:
    """An authority, and the file that holds its certificate."""
    authority = Authority()
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    path.write_bytes(authority.pem)
    return authority, str(path)


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, authority: tuple[Authority, str]) -> Iterator[Server]:
    """A database server that speaks TLS."""
    server = MariaDB() if request.param == "mariadb" else PostgreSQL()
    files = list(authority[0].equip(server))
    for option in _OPTIONS[request.param]:
        server.options += (option.format(files.pop(0)) if "{" in option else option,)
    with server:
        server.create("site")
        yield server


@pytest.fixture(params=KINDS)
def plain(request: pytest.FixtureRequest) -> Server:
    """A database server that does not."""
    server: Server = request.getfixturevalue(request.param)
    server.create("site")
    return server


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 127.0.0.1 taken for another machine."""
    monkeypatch.setattr(tls, "is_near", lambda address: False)


@contextlib.contextmanager
def connected(url: str, **options: Any) -> Iterator[sqlalchemy.Connection]:
    engine = make_engine(url, **options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def encrypted(url: str, **options: Any) -> bool:
    """Whether the server says that the connection is."""
    with connected(url, **options) as connection:
        if connection.dialect.name == "mysql":
            return bool(connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()[1])
        return bool(connection.exec_driver_sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").scalar())


# What the settings say


def test_on_this_machine_nothing_is_encrypted(server: Server) -> None:
    assert not encrypted(server.url("site"))
    assert not encrypted(server.url("site"), tls="off")


@pytest.mark.usefixtures("far")
def test_elsewhere_what_can_be(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert encrypted(server.url("site"))
    assert not encrypted(server.url("site"), tls="off")


@pytest.mark.usefixtures("far")
def test_elsewhere_a_server_without_tls_is_spoken_to_all_the_same(plain: Server) -> None:
    assert not encrypted(plain.url("site"))


@pytest.mark.usefixtures("far")
def test_that_a_server_had_no_tls_is_not_remembered(authority: tuple[Authority, str]) -> None:
    with MariaDB() as mariadb:
        engine = make_engine(mariadb.create("site"), pool_size=1)
        said = "SHOW STATUS LIKE 'Ssl_cipher'"
        with engine.connect() as connection:
            assert connection.exec_driver_sql(said).one()[1] == ""
        certificate, key = authority[0].equip(mariadb)
        mariadb.options = (f"--ssl-cert={certificate}", f"--ssl-key={key}")
        mariadb.restart()
        engine.dispose()
        with engine.connect() as connection:
            assert connection.exec_driver_sql(said).one()[1]
        engine.dispose()


@pytest.mark.parametrize("plain", [False, True])
def test_required(server: Server, plain: bool) -> None:
    assert encrypted(server.url("site"), tls="require", plain=plain)


@pytest.mark.parametrize("mode", ["require", "verify"])
def test_required_of_a_server_that_has_none(plain: Server, mode: str) -> None:
    wrong = plain.url("site").replace("secret", "wrong")  # if it were sent, the server would say so
    with (
        pytest.raises(sqlalchemy.exc.OperationalError, match=r"TLS is required, by database\.tls|does not support SSL"),
        connected(wrong, tls=mode),
    ):
        pass


def test_checked(server: Server, authority: tuple[Authority, str]) -> None:
    assert encrypted(server.url("site"), tls="verify", tls_ca=authority[1])


def test_checked_with_the_system_s_authorities(server: Server) -> None:
    with (
        pytest.raises(sqlalchemy.exc.OperationalError, match=r"(?i)certificate.verify.failed"),
        connected(server.url("site"), tls="verify"),
    ):
        pass


def test_the_system_s_authorities_are_found_without_openssl_s_help(
    monkeypatch: pytest.MonkeyPatch, authority: tuple[Authority, str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    assert tls.system_authorities() == authority[1]
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert Path(tls.system_authorities()).is_file()


def test_checked_and_signed_for_another_name(server: Server, authority: tuple[Authority, str]) -> None:
    elsewhere = server.url("site").replace("127.0.0.1", "localhost")
    with (
        pytest.raises(sqlalchemy.exc.OperationalError, match=r"Hostname mismatch|does not match host name"),
        connected(elsewhere, tls="verify", tls_ca=authority[1]),
    ):
        pass
    assert encrypted(elsewhere, tls="require")


def test_authorities_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("not a certificate")
    with pytest.raises(DatabaseTlsError, match=r"ca: .*It must be certificates as PEM files"):
        make_engine("mysql+pymysql://u:p@h/d", tls="verify", tls_ca=str(tmp_path / "ca"))


def test_a_driver_with_words_of_its_own() -> None:
    address = sqlalchemy.make_url("mysql+mysqldb://u:p@h/d")
    assert tls.connect_args(address) == (address, {})
    with pytest.raises(DatabaseTlsError, match=r"database\.tls is for PyMySQL and psycopg; mysqldb has"):
        tls.connect_args(address, tls="require")


# What the URL says


@pytest.mark.parametrize(
    ("words", "setting", "answer"),
    [
        ({"mariadb": "ssl_disabled=true", "postgresql": "sslmode=disable"}, "require", False),
        ({"mariadb": "ssl=false", "postgresql": "sslmode=disable"}, "verify", False),
        ({"mariadb": "ssl-mode=DISABLED", "postgresql": "sslmode=disable"}, "require", False),
        ({"mariadb": "sslmode=require", "postgresql": "sslmode=require"}, "off", True),
        ({"mariadb": "ssl_check_hostname=false", "postgresql": "sslmode=require"}, "verify", True),
        ({"mariadb": "ssl=true", "postgresql": "sslmode=require"}, "auto", True),
        ({"mariadb": "ssl_ca={ca}", "postgresql": "sslmode=verify-full&sslrootcert={ca}"}, "off", True),
        ({"mariadb": "ssl_verify_cert=false&ssl_ca=/nowhere", "postgresql": "sslmode=require"}, "off", True),
        ({"mariadb": "ssl_disabled=false", "postgresql": "sslmode=prefer"}, "off", True),
    ],
)
def test_the_url_is_stronger(
    server: Server, authority: tuple[Authority, str], words: dict[str, str], setting: str, answer: bool
) -> None:
    query = words[server.name].format(ca=authority[1])
    assert encrypted(urls.mend(f"{server.url('site')}?{query}"), tls=setting) is answer


@pytest.mark.parametrize("words", ["ssl_verify_identity=true", "ssl_verify_cert=true", "ssl_check_hostname=true"])
def test_a_url_that_wants_a_check_gets_one(server: Server, words: str) -> None:
    query = words if server.name == "mariadb" else "sslmode=verify-full&sslrootcert=system"
    with (
        pytest.raises(sqlalchemy.exc.OperationalError, match=r"(?i)certificate.verify.failed"),
        connected(f"{server.url('site')}?{query}"),
    ):
        pass


def test_a_word_that_is_neither_true_nor_false() -> None:
    with pytest.raises(DatabaseTlsError, match="says ssl_disabled=maybe; it must be true or false"):
        make_engine("mysql+pymysql://u:p@h/d?ssl_disabled=maybe")


@pytest.mark.parametrize("how", ["setting", "url"])
@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_authorities_are_read_once_for_all_connections(
    server: Server, authority: tuple[Authority, str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("PyMySQL made a context of its own"))
    url = server.url("site")
    if how == "url":
        engine = make_engine(f"{url}?ssl_ca={authority[1]}")
    else:
        engine = make_engine(url, tls="verify", tls_ca=authority[1])
    with engine.connect() as one, engine.connect() as other:
        contexts = [driver._sock.context for driver in map(_driver, (one, other))]
        assert contexts[0] is contexts[1]
        assert contexts[0].verify_mode is ssl.CERT_REQUIRED
    engine.dispose()


# Sockets


def test_sockets_with_the_names_that_cloud_sql_gives_them(
    plain: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plain.folder / "shop:europe-west1:db"
    if not folder.exists():
        folder.symlink_to(plain.socket if isinstance(plain, MariaDB) else plain.folder)
    if isinstance(plain, MariaDB):
        written = [f"mysql://site:secret@/site?unix_socket={folder}"]
    else:
        quoted = str(folder).replace("/", "%2F").replace(":", "%3A")
        written = [
            f"postgres://site:secret@/site?host={folder}&port={plain.port}",
            f"postgres://site:secret@{quoted}:{plain.port}/site",
        ]
    for url in written:
        for mode in ("auto", "require", "verify"):  # which leave a socket alone
            with connected(urls.mend(url), tls=mode) as connection, _socket(connection) as found:
                assert connection.exec_driver_sql("SELECT 1").scalar() == 1
                assert found.family == socket.AF_UNIX


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("mysql+pymysql://h/d", False),
        ("mysql+pymysql:///d", True),
        ("mysql+pymysql://127.0.0.1/d", True),
        ("mysql+pymysql://127.3.2.1/d", True),
        ("mysql+pymysql://[::1]/d", True),
        ("mysql+pymysql://127.example.org/d", False),
        ("mysql+pymysql://h/d?unix_socket=/s", True),
        ("postgresql+psycopg://h/d", False),
        ("postgresql+psycopg:///d", True),
        ("postgresql+psycopg://localhost/d", True),
        ("postgresql+psycopg:///d?host=/cloudsql/p:r:i", True),
        ("postgresql+psycopg:///d?host=@abstract", True),
        ("postgresql+psycopg:///d?host=db.example", False),
        ("postgresql+psycopg:///d?host=db.example:5432", False),
        ("postgresql+psycopg:///d?host=127.0.0.1:1&host=db.example:2", False),
        ("postgresql+psycopg:///d?host=127.0.0.1,localhost", True),
        ("postgresql+psycopg://localhost/d?hostaddr=10.0.0.1", False),
    ],
)
def test_what_is_on_this_machine(url: str, near: bool) -> None:
    assert tls.is_near(sqlalchemy.make_url(url)) is near


def test_libpq_s_own_variables_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    address = sqlalchemy.make_url("postgresql+psycopg:///d")
    assert tls.is_near(address)
    monkeypatch.setenv("PGHOST", "db.example")
    assert not tls.is_near(address)
    near = sqlalchemy.make_url("postgresql+psycopg://localhost/d")
    assert tls.connect_args(near)[1]["sslmode"] == "allow"
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert "sslmode" not in tls.connect_args(near)[1]


# Time


def test_a_server_that_takes_the_connection_and_says_nothing(plain: Server) -> None:
    began = time.monotonic()
    with (
        plain.frozen(),
        pytest.raises(sqlalchemy.exc.OperationalError),
        connected(plain.url("site"), connect_timeout=2),
    ):
        pass
    assert time.monotonic() - began < 15


def test_the_url_has_its_own_times(plain: Server) -> None:
    address = sqlalchemy.make_url(plain.url("site") + "?connect_timeout=7")
    assert "connect_timeout" not in tls.connect_args(address)[1]
    assert tls.connect_args(sqlalchemy.make_url(plain.url("site")))[1]["connect_timeout"] == 5
    if plain.name == "mariadb":
        with (
            connected(plain.url("site") + "?read_timeout=1") as connection,  # PyMySQL's own, for each statement
            pytest.raises(sqlalchemy.exc.OperationalError, match="timed out"),
        ):
            connection.exec_driver_sql("SELECT SLEEP(20)")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux's.")
@pytest.mark.parametrize("mode", ["off", "require"])
def test_a_peer_that_vanishes_is_noticed(server: Server, mode: str) -> None:
    with connected(server.url("site"), tls=mode) as connection, _socket(connection) as found:
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [found.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [10, 5, 3, 25_000]
        connection.exec_driver_sql("SELECT 1")
        if server.name == "mariadb":  # the time for connecting is not the time for statements
            assert _driver(connection)._sock.gettimeout() is None


def _driver(connection: sqlalchemy.Connection) -> Any:
    return connection.connection.dbapi_connection


@contextlib.contextmanager
def _socket(connection: sqlalchemy.Connection) -> Iterator[socket.socket]:
    """The connection's own, a second time."""
    driver = _driver(connection)
    descriptor = driver._sock.fileno() if hasattr(driver, "_sock") else driver.fileno()
    with socket.socket(fileno=os.dup(descriptor)) as found:
        yield found
