"""What is particular to sessions that travel in an encrypted cookie."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import pytest

from demijohn.errors import SessionDataError, SessionOptionError
from demijohn.sessions.cookie import Seal, read_cookie
from demijohn.sessions.stores.base import Counting, Listing, Locking, Record
from demijohn.sessions.stores.cookie import CookieStore

PAYLOAD = b'{"_creation_time":1.0,"_user":42}'
LATER = int(time.time()) + 86_400  # seconds; the tests may begin long after they were collected


@pytest.fixture
def store() -> CookieStore:
    return CookieStore(["a secret of the tests"], "session")


def raw(value: str) -> bytes:
    return urlsafe_b64decode(value + "=" * (-len(value) % 4))


def written(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def test_it_says_what_it_can(store: CookieStore) -> None:
    assert (store.name, store.durable) == ("cookie", True)
    for protocol in (Locking, Listing, Counting):
        assert not isinstance(store, protocol)
    assert CookieStore.__doc__ is not None
    for word in ("signed out", "wins", "list of a user's sessions", "no lock"):
        assert word in CookieStore.__doc__


@pytest.mark.parametrize("payload", [b"", PAYLOAD, bytes(range(256)) * 10])
def test_what_was_sealed_opens(store: CookieStore, payload: bytes) -> None:
    assert store.open(store.seal(payload, LATER)) == Record(payload, None, LATER)


def test_a_value_needs_no_quoting(store: CookieStore) -> None:
    for length in range(60):
        value = store.seal(b"x" * length, LATER)
        assert value.isascii()
        assert value.replace("-", "").replace("_", "").isalnum()
        assert read_cookie(f"a=1; session={value}; b=2", "session") == value


def test_nobody_can_read_it(store: CookieStore) -> None:
    value = store.seal(b"confidential" * 20, LATER)
    assert b"confid" not in raw(value)
    assert LATER.to_bytes(8, "big") not in raw(value)


def test_its_length_tells_the_payload_s_length_only(store: CookieStore) -> None:
    lengths = {len(store.seal(payload, LATER)) for payload in (b"a" * 300, json.dumps([*range(100)]).encode()[:300])}
    assert len(lengths) == 1  # compressed they would differ


def test_two_values_have_nothing_in_common(store: CookieStore) -> None:
    values = [raw(store.seal(PAYLOAD, LATER)) for _ in range(1000)]
    for start, end in ((0, 16), (16, 28), (28, 36), (36, 36 + len(PAYLOAD)), (-16, None)):
        assert len({value[start:end] for value in values}) == 1000


def test_each_value_has_a_key_of_its_own(store: CookieStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.ciphers import aead

    keys = []

    class Watched:
        def __init__(self, key: bytes) -> None:
            keys.append(key)
            self.cipher = aead.AESGCM(key)

        def encrypt(self, *arguments: bytes) -> bytes:
            return self.cipher.encrypt(*arguments)

    monkeypatch.setattr(store, "_cipher", Watched)
    for _ in range(10):
        store.seal(PAYLOAD, LATER)
    assert len(set(keys)) == 10
    assert {len(key) for key in keys} == {32}


def test_its_time_is_over(store: CookieStore) -> None:
    now = int(time.time())
    assert store.open(store.seal(PAYLOAD, now - 1)) is None
    assert store.open(store.seal(PAYLOAD, 0)) is None
    assert store.open(store.seal(PAYLOAD, now + 60)) == Record(PAYLOAD, None, now + 60)


def test_every_changed_character_is_noticed(store: CookieStore) -> None:
    for payload in (PAYLOAD, PAYLOAD + b"1", PAYLOAD + b"12"):  # the last character has 0, 2 or 4 bits to spare
        value = store.seal(payload, LATER)
        for place in range(len(value)):
            for character in "AB-_~=. \n\x00ü":
                if character != value[place]:
                    assert store.open(value[:place] + character + value[place + 1 :]) is None


def test_every_changed_bit_is_noticed(store: CookieStore) -> None:
    sealed = raw(store.seal(PAYLOAD, LATER))
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        assert store.open(written(bytes(changed))) is None


def test_what_is_cut_or_longer_is_refused(store: CookieStore) -> None:
    value = store.seal(PAYLOAD, LATER)
    for length in range(len(value)):
        assert store.open(value[:length]) is None
        assert store.open(value[length + 1 :]) is None
    for more in ("A", "AA", "AAAA", "=", "==", " ", "\r\n", "\x00", value):
        assert store.open(value + more) is None
        assert store.open(more + value) is None


def test_parts_of_two_values_do_not_open(store: CookieStore) -> None:
    one, other = raw(store.seal(b"1" * 30, LATER)), raw(store.seal(b"2" * 30, LATER))
    for cut in (8, 16, 28, 36, len(one) - 16):
        assert store.open(written(one[:cut] + other[cut:])) is None


def test_nothing_that_anybody_sends_raises(store: CookieStore) -> None:
    dice = random.Random(7)  # noqa: S311
    values = [
        "",
        "=",
        "====",
        "A" * 10_000,
        "\ud800",
        "é" * 100,
        "\x00" * 100,
        "../" * 50,
        "%00",
        "a b",
        "\r\nSet-Cookie: x",
    ]
    alphabet = "ABCxyz019-_=+/.~ \n\x00é\ud800"
    values += ["".join(dice.choices(alphabet, k=dice.randrange(300))) for _ in range(2000)]
    values += [written(dice.randbytes(dice.randrange(300))) for _ in range(2000)]
    assert [value for value in values if store.open(value) is not None] == []


@pytest.mark.parametrize(
    ("secrets", "name"),
    [(["another secret"], "session"), (["a secret of the tests"], "other"), (["a secret of the test"], "session")],
)
def test_a_value_of_another_site_or_cookie_does_not_open(store: CookieStore, secrets: Sequence[str], name: str) -> None:
    value = store.seal(PAYLOAD, LATER)
    assert CookieStore(secrets, name).open(value) is None
    assert CookieStore(["a secret of the tests"], "session").open(value) is not None


def test_keys_rotate() -> None:
    old, both, new = (CookieStore(secrets, "session") for secrets in (["old"], ["new", "old"], ["new"]))
    assert both.open(old.seal(PAYLOAD, LATER)) == Record(PAYLOAD, None, LATER)
    assert new.open(both.seal(PAYLOAD, LATER)) == Record(PAYLOAD, None, LATER)
    assert old.open(both.seal(PAYLOAD, LATER)) is None
    assert new.open(old.seal(PAYLOAD, LATER)) is None
    expired = old.seal(PAYLOAD, 1)
    assert both.open(expired) is None


def test_a_signed_id_is_no_sealed_session(store: CookieStore) -> None:
    assert store.open(Seal(["a secret of the tests"]).close("x" * 43)) is None


@pytest.mark.parametrize("name", ["session", "s", "__Host-sid", "beaker.session.id", "n" * 100])
def test_the_largest_session_fills_the_largest_cookie(name: str) -> None:
    store = CookieStore(["a secret"], name)
    cookie = f"{name}={store.seal(b'x' * store.limit, LATER)}"
    assert 4094 <= len(cookie) <= 4096
    record = store.open(cookie.partition("=")[2])
    assert record is not None
    assert len(record.payload) == store.limit
    with pytest.raises(
        SessionDataError, match=f"would take {store.limit + 1} bytes, and a cookie takes {store.limit}"
    ) as e:
        store.seal(b"x" * (store.limit + 1), LATER)
    assert "Set session.type to cached-sql, sql or redis" in str(e.value)
    assert (e.value.size, e.value.limit) == (store.limit + 1, store.limit)


@pytest.mark.parametrize("secrets", [[], [""], ["right", ""]])
def test_without_a_secret(secrets: list[str]) -> None:
    with pytest.raises(SessionOptionError, match=r"'cookie' needs session\.secret"):
        CookieStore(secrets, "session")


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    store = CookieStore(["a secret"], "session")
    with pytest.raises(
        SessionOptionError, match=r"needs the package cryptography\. .*pip install 'demijohn\[cookie\]'"
    ):
        store.seal(PAYLOAD, LATER)
    with pytest.raises(SessionOptionError, match="needs the package cryptography"):
        store.open(written(b"x" * 100))


def test_cryptography_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from demijohn.sessions.stores.cookie import CookieStore; CookieStore(['x'], 'session').open('no');"
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
