"""memcached that asks for a user and a password, as MemCachier's does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demijohn import outage
from demijohn.config.secret import Secret
from demijohn.errors import MemcachedDownError
from demijohn.memcached import Memcached
from tests.services import PATIENCE, SaslMemcached, until

# pylibmc's libsasl looks for its plugins once in a process, so that each test of it is a process of its own.
SCRIPT = """
import sys
from demijohn.memcached import Memcached
client = Memcached([sys.argv[1]], client="pylibmc", username=sys.argv[2], password=sys.argv[3])
client.set(b"k", b"v" * 5000, 60)
value, token = client.gets(b"k")
assert value == client.get(b"k") == b"v" * 5000
assert client.cas(b"k", b"w", token, 60) is True
assert client.cas(b"k", b"x", token, 60) is False
assert client.gets(b"none") == (None, None)
assert client.add(b"lock", b"mine", 60) is True
assert client.release(b"lock", b"mine") is True
assert client.add(b"lock", b"mine", 60) is True
assert client.delete(b"k") is True
assert client.delete(b"k") is False
print("signed in")
"""
PLUGINS = ["/usr/lib/x86_64-linux-gnu/sasl2", "/usr/lib/aarch64-linux-gnu/sasl2", "/usr/lib64/sasl2"]


@pytest.fixture(scope="module")
def the_server() -> Iterator[SaslMemcached]:
    with SaslMemcached() as server:
        yield server


@pytest.fixture
def server(the_server: SaslMemcached) -> SaslMemcached:
    the_server.start()
    return the_server


@pytest.fixture
def client(server: SaslMemcached) -> Iterator[Memcached]:
    login = {"username": server.username, "password": Secret(server.password)}
    client = Memcached([server.address], prefix="site", **login)  # type: ignore[arg-type]
    yield client
    client.close()


def test_who_signs_in_is_served(client: Memcached) -> None:
    client.set(b"k", b"v" * 5000, 60)
    value, token = client.gets(b"k")
    assert value == client.get(b"k") == b"v" * 5000
    assert client.cas(b"k", b"w", token, 60) is True
    assert client.cas(b"k", b"x", token, 60) is False
    assert client.gets(b"none") == (None, None)
    assert client.add(b"lock", b"mine", 60) is True
    assert client.release(b"lock", b"mine") is True
    assert client.add(b"lock", b"mine", 60) is True
    assert client.delete(b"k") is True
    assert client.delete(b"k") is False


def test_threads_sign_in_each_on_a_connection_of_its_own(client: Memcached) -> None:
    def ask(number: int) -> bool:
        key = b"k%d" % number
        client.set(key, key * 20, 60)
        return all(client.gets(key)[0] == key * 20 == client.get(key) for _ in range(50))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(32)))


def test_a_wrong_password_is_told_and_is_never_a_miss(
    server: SaslMemcached, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "PAUSE", 0)
    client = Memcached([server.address], username=server.username, password="the wrong one")
    for _ in range(5):
        with pytest.raises(MemcachedDownError, match="it refused the user name and the password"):
            client.gets(b"k")
    said = [record.getMessage() for record in caplog.records if record.name == "demijohn.memcached"]
    reason = "it refused the user name and the password"
    assert said == [f"memcached at {server.address} is not answering: {reason} (said once a minute)"]
    assert "wrong one" not in caplog.text + repr(client) + repr(vars(client)) + str(client)


def test_who_does_not_sign_in_is_refused(server: SaslMemcached) -> None:
    for kind in ("pymemcache", "bmemcached"):
        with pytest.raises(MemcachedDownError):
            Memcached([server.address], client=kind).gets(b"k")


def test_a_server_that_does_not_ask_serves_who_would_sign_in(memcached: SaslMemcached) -> None:
    client = Memcached([memcached.address], username="anna", password="p")
    client.set(b"k", b"v", 60)
    assert client.gets(b"k")[0] == b"v"
    client.close()


def test_down_and_frozen_and_back(client: Memcached, server: SaslMemcached) -> None:
    def back() -> bool:
        try:
            client.set(b"k", b"v", 60)
        except MemcachedDownError:
            return False
        return True

    client.set(b"k", b"v", 60)
    with server.frozen(), pytest.raises(MemcachedDownError):
        client.gets(b"k")
    until(back, "The client does not find the server again.")
    client.close()
    with server.frozen(), pytest.raises(MemcachedDownError):  # as it signs in
        client.gets(b"k")
    until(back, "The client does not find the server again.")
    server.restart()
    assert client.get(b"k") is None
    server.kill()
    with pytest.raises(MemcachedDownError):
        client.delete(b"k")
    server.start()
    until(back, "The client does not find the server again.")


def pylibmc_says(server: SaslMemcached, password: str, plugins: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
    command = [sys.executable, "-c", SCRIPT, server.address, server.username, password]
    return subprocess.run(
        command, env={**os.environ, "SASL_PATH": plugins}, capture_output=True, text=True, timeout=PATIENCE
    )


@pytest.fixture
def plugins() -> str:
    found = [folder for folder in PLUGINS if Path(folder, "libplain.so").exists()]
    return found[0] if found else pytest.skip("libsasl2-modules is not installed.")


def test_pylibmc_signs_in_where_it_finds_the_plugins(server: SaslMemcached, plugins: str) -> None:
    done = pylibmc_says(server, server.password, plugins)
    assert done.stdout == "signed in\n", done.stderr


def test_pylibmc_tells_of_a_wrong_password(server: SaslMemcached, plugins: str) -> None:
    said = pylibmc_says(server, "the wrong one", plugins).stderr
    assert "MemcachedDownError" in said
    assert "it refused the user name and the password" in said
    assert "the wrong one" not in said


def test_pylibmc_without_plugins_tells_what_to_install(server: SaslMemcached, tmp_path: Path) -> None:
    said = pylibmc_says(server, server.password, str(tmp_path)).stderr
    assert "MemcachedDownError" in said
    assert "pip install 'demijohn[sasl]'" in said
