"""`demijohn db shell`: the database's own client, or a prompt."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from sqlalchemy import make_url

from demijohn.cli.db import shell
from demijohn.cli.db.clients import Client, client
from demijohn.database.tls import system_authorities
from tests.services import MariaDB, PostgreSQL, program
from tests.services.certificates import Authority
from tests.trove import Trove

ONE = {"name": "anna", "bio": "x"}


def test_client_of_the_database(trove: Trove) -> None:
    trove.put("users", ONE)
    for each, package in (("sqlite3", "sqlite3"), ("psql", "postgresql-client"), ("mariadb", "mariadb-client-core")):
        program(each, package)
    status, out, err = trove.run("shell", "SELECT name, bio FROM users WHERE name LIKE 'a%'")
    assert (status, err) == (0, "")
    assert "anna" in out
    status, out, err = trove.run(
        "shell",
        given="INSERT INTO users (name, bio, active, created) VALUES "
        "('ben', '', '1', '2020-01-01 00:00:00');\nSELECT COUNT(*) + 40 FROM users;\n",
    )
    assert (status, err) == (0, "")
    assert "42" in out
    status, out, err = trove.run("shell", "SELECT nothing")
    assert status != 0
    assert "nothing" in err


def test_prompt_of_our_own(trove: Trove) -> None:
    trove.put("users", ONE)
    asked = "SELECT name, age\nFROM users WHERE name LIKE 'a%';\n\nUPDATE users SET age = 7;\nSELECT age FROM users"
    status, out, err = trove.run("shell", "--plain", given=asked)
    assert (status, out, err) == (0, "name  age\n----  ----\nanna  NULL\n1 row.\nage\n---\n7\n", "")
    status, out, err = trove.run("shell", "--plain", "SELECT", "nothing")
    assert (status, out) == (1, "")
    assert "nothing" in err
    without_programs = trove.run("shell", "SELECT 41 + 1 AS sum", PATH=os.fspath(trove.root))
    assert without_programs == (0, "sum\n---\n42\n", ""), "no client is installed"


def test_python_prompt(sqlite_trove: Trove) -> None:
    sqlite_trove.put("users", ONE)
    asked = "db.add(User(name='ben', bio=''))\ndb.commit()\nprint(db.scalars(select(User.name)).all(), site.root)"
    status, out, err = sqlite_trove.run("shell", "--python", given=asked.replace(", site.root", ", site.session_type"))
    assert (status, out, err) == (0, "['anna', 'ben'] sql\n", "")


def test_python_command_that_fails(tmp_path: Path, sqlite_url: str) -> None:
    door = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from demijohn import Site
application = site = Site(__file__.rpartition("/")[0])
class Base(DeclarativeBase):
    metadata = site.db.metadata
class Cup(Base):
    __tablename__ = "cups"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
    trove = Trove(tmp_path / "site", sqlite_url, door)
    assert trove.run("shell", "--python", "print(db.scalars(select(Cup)).all())") == (0, "[]\n", "")
    with pytest.raises(AssertionError, match="ZeroDivisionError") as caught:
        trove.run("shell", "--python", "1 / 0")
    assert "demijohn" not in str(caught.value).partition("assert 'Traceback'")[0]
    trove.close()


def test_client_does_not_inherit_that_ctrl_c_is_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    asked = "import signal; print(signal.getsignal(signal.SIGINT).__name__)"
    assert shell._call(Client([sys.executable, "-c", asked], dict(os.environ))) == 0
    assert capfd.readouterr().out == "default_int_handler\n"
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert shell._call(Client(killed, dict(os.environ))) == 137


def words(url: str, kind: str, *there: str, command: str = "", **tls: str) -> tuple[list[str], dict[str, str]]:
    found = client(make_url(url), kind, command, lambda name: f"/bin/{name}" if name in there else None, **tls)
    assert found is not None
    changed = {name: value for name, value in found.environment.items() if os.environ.get(name) != value}
    return found.words, changed


def test_command_lines() -> None:
    assert words("postgresql+psycopg://u:s3@h:99/d?sslmode=verify-full&host=/a", "postgresql", "psql") == (
        ["/bin/psql", "postgresql://u@h:99/d?host=%2Fa&sslmode=verify-full"],
        {"PGPASSWORD": "s3"},
    )
    assert words("mysql+pymysql://u:s3@h:99/d", "mysql", "mysql", command="x") == (
        [
            "/bin/mysql",
            "--user=u",
            "--host=h",
            "--protocol=tcp",
            "--port=99",
            "--default-character-set=utf8mb4",
            "--ssl-mode=PREFERRED",
            "--execute=x",
            "d",
        ],
        {"MYSQL_PWD": "s3"},
    )
    assert words("mysql+pymysql://u@/d?unix_socket=/s&charset=latin1", "mysql", "mysql", "mariadb") == (
        ["/bin/mariadb", "--user=u", "--socket=/s", "--default-character-set=latin1", "--skip-ssl", "d"],
        {},
    )
    assert client(make_url("sqlite:///a"), "sqlite", "", lambda name: None) is None


@pytest.mark.parametrize(
    ("tls", "host", "mysql", "mariadb", "psql"),
    [
        ("auto", "127.0.0.1", ["--ssl-mode=DISABLED"], ["--skip-ssl"], "?sslmode=allow"),
        ("auto", "far", ["--ssl-mode=PREFERRED"], ["--ssl", "--skip-ssl-verify-server-cert"], ""),
        ("off", "far", ["--ssl-mode=DISABLED"], ["--skip-ssl"], "?sslmode=disable"),
        ("require", "far", ["--ssl-mode=REQUIRED"], None, "?sslmode=require"),
        (
            "verify",
            "far",
            ["--ssl-mode=VERIFY_IDENTITY", "--ssl-ca={ca}"],
            ["--ssl", "--ssl-verify-server-cert", "--ssl-ca={ca}"],
            "?sslmode=verify-full&sslrootcert={quoted}",
        ),
    ],
)
def test_tls_of_the_settings(
    tls: str, host: str, mysql: list[str], mariadb: list[str] | None, psql: str, authority: str
) -> None:
    fits = {"tls": tls, "tls_ca": authority}
    told = {"ca": authority, "quoted": quote_plus(authority)}
    found = words(f"mysql+pymysql://u@{host}/d", "mysql", "mysql", **fits)[0]
    assert found[5:-1] == [word.format(**told) for word in mysql]
    if mariadb is None:
        which = lambda name: f"/bin/{name}"  # noqa: E731
        assert client(make_url(f"mysql+pymysql://u@{host}/d"), "mysql", "", which, **fits) is None
    else:
        found = words(f"mysql+pymysql://u@{host}/d", "mysql", "mariadb", **fits)[0]
        assert found[5:-1] == [word.format(**told) for word in mariadb]
    found = words(f"postgresql+psycopg://u@{host}/d", "postgresql", "psql", **fits)[0]
    assert found[-1] == f"postgresql://u@{host}/d{psql.format(**told)}"


@pytest.mark.parametrize(
    ("query", "mysql"),
    [
        ("ssl_disabled=true", ["--ssl-mode=DISABLED"]),
        ("ssl_check_hostname=false", ["--ssl-mode=REQUIRED"]),
        ("ssl_verify_identity=true&ssl_ca={ca}", ["--ssl-mode=VERIFY_IDENTITY", "--ssl-ca={ca}"]),
        ("ssl_verify_identity=true", ["--ssl-mode=VERIFY_IDENTITY", f"--ssl-ca={system_authorities()}"]),
        ("ssl_check_hostname=false&ssl_ca={ca}", ["--ssl-mode=VERIFY_CA", "--ssl-ca={ca}"]),
    ],
)
def test_tls_of_the_url_is_stronger(query: str, mysql: list[str], authority: str) -> None:
    url = f"mysql+pymysql://u@far/d?{query.format(ca=authority)}"
    assert words(url, "mysql", "mysql", tls="require")[0][5:-1] == [word.format(ca=authority) for word in mysql]


@pytest.fixture
def authority(tmp_path: Path) -> str:
    """The file with an authority's certificate."""
    path = tmp_path / "authority.pem"
    path.write_bytes(Authority().pem)
    return str(path)


@pytest.mark.parametrize(
    ("kind", "options", "asked", "query"),
    [
        (MariaDB, ("--ssl-cert={}", "--ssl-key={}"), "SHOW STATUS LIKE 'Ssl_version'", "ssl_verify_identity=true"),
        (
            PostgreSQL,
            ("-cssl=on", "-cssl_cert_file={}", "-cssl_key_file={}"),
            "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            "sslmode=verify-full",
        ),
    ],
)
def test_encrypted_and_checked(
    kind: type[MariaDB] | type[PostgreSQL], options: tuple[str, ...], asked: str, query: str, tmp_path: Path
) -> None:
    signer, ca = Authority(), tmp_path / "authority.pem"
    ca.write_bytes(signer.pem)
    server = kind()
    files = list(signer.equip(server))
    server.options += tuple(option.format(files.pop(0)) if "{" in option else option for option in options)
    with server:
        trove = Trove(tmp_path / "site", server.create("site"))
        config = trove.root / "config.yaml"
        plain = config.read_text()
        config.write_text(plain.replace("database:", f"database:\n    tls: verify\n    tls_ca: {ca}", 1))
        status, out, err = trove.run("shell", asked)
        assert (status, err) == (0, "")
        assert "TLSv1" in out
        config.write_text(plain.replace(server.url("site"), f"{server.url('site')}?{query}"))
        status, out, err = trove.run("shell", asked)
        assert (status, out) in ((1, ""), (2, "")), "the system's authorities have not signed it"
        assert re.search("(?i)certificate", err)
        trove.close()


def test_unix_socket(mariadb: MariaDB, mariadb_url: str, tmp_path: Path) -> None:
    trove = Trove(tmp_path / "site", mariadb.socket_url(str(make_url(mariadb_url).database)))
    status, out, _ = trove.run("shell", "SELECT CONCAT('by ', SUBSTRING_INDEX(USER(), '@', -1))")
    assert (status, out.splitlines()[-1]) == (0, "by localhost")
    trove.close()
