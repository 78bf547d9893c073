from __future__ import annotations

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2 as argon2_cffi
import pytest

from demijohn.errors import DemijohnError, PasswordError
from demijohn.security import argon2, check_password, crunching, hash_password, needs_rehash, passwords, scrypt
from tests.services import PATIENCE

# Section 12 of RFC 7914, the third vector: what any other library makes of the same password and salt.
RFC_7914 = (
    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
    "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
)
#: The stored form with parameters that cost a thousandth: what is tested there is the text around them.
CHEAP = "$scrypt$ln=4,r=8,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA$" + "k" * 43
# What the reference implementation's own tests make of "password" and "somesalt" (phc-winner-argon2, src/test.c), and
# argon2-cffi's older default.
ARGON2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
ARGON2I = "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"
CHEAP_ARGON2 = "$argon2id$v=19$m=8,t=1,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA$" + "k" * 43
STARTS = {"argon2": "$argon2id$v=19$m=19456,t=2,p=1$", "scrypt": "$scrypt$ln=14,r=8,p=5$"}


@pytest.fixture(params=["argon2", "scrypt"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A site with argon2-cffi, and one without."""
    if request.param == "scrypt":
        monkeypatch.setattr(argon2, "_library", lambda: None)
    kind: str = request.param
    return kind


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """For tests of what surrounds the hash; the ones without it pay the full price."""
    monkeypatch.setattr(scrypt, "LOG_N", 4)
    monkeypatch.setattr(argon2, "MEMORY", 8)


def test_a_password_is_known_again_and_no_other_is(kind: str) -> None:
    stored = hash_password("correct horse")
    assert check_password("correct horse", stored)
    assert not check_password("correct Horse", stored)


def test_the_stored_form_describes_itself_and_fits_a_column_of_100(kind: str) -> None:
    stored = hash_password("x" * passwords.MAX_LENGTH)
    assert stored.startswith(STARTS[kind])
    assert len(stored) <= 100
    assert stored.isascii()


def test_the_same_password_is_stored_differently_each_time(cheap: None) -> None:
    assert hash_password("secret") != hash_password("secret")


def test_hashes_of_other_costs_and_other_libraries_are_checked_with_their_own() -> None:
    assert check_password("pleaseletmein", RFC_7914)
    assert not check_password("pleaseletmeout", RFC_7914)
    for stored in (ARGON2, ARGON2I):
        assert check_password("password", stored)
        assert not check_password("passwort", stored)
    assert argon2_cffi.PasswordHasher().verify(hash_password("for others"), "for others")


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("café", "cafe\N{COMBINING ACUTE ACCENT}"),  # as some keyboards send it
        ("Å", "\N{ANGSTROM SIGN}"),
        ("two words", "two\N{NO-BREAK SPACE}words"),  # Option-Space on a Mac
        ("two words", "two\N{IDEOGRAPHIC SPACE}words"),
    ],
)
def test_the_same_characters_typed_on_another_keyboard_are_the_same_password(
    chosen: str, typed: str, cheap: None
) -> None:
    assert check_password(typed, hash_password(chosen))


@pytest.mark.parametrize(("chosen", "typed"), [("x²", "x2"), ("ﬁsh", "fish"), ("x ", "x"), ("\0x", "x"), ("x", "x\0y")])
def test_different_characters_are_different_passwords(chosen: str, typed: str, cheap: None) -> None:
    assert not check_password(typed, hash_password(chosen))


@pytest.mark.parametrize("text", ["🍾🧺", "\0", "пароль", "密码", " "])
def test_any_text_is_a_password(text: str, cheap: None) -> None:
    assert check_password(text, hash_password(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "A password cannot be empty. Please choose one."),
        ("x" * 1025, "This password has 1,025 characters, and 1,024 is the most. Please choose a shorter one."),
        ("x" * 10**7, "This password has 10,000,000 characters, and 1,024 is the most"),
        ("half \ud83c", "This password holds something that is not a character. Please choose another."),
    ],
)
def test_what_cannot_be_a_password_is_refused_in_words_and_matches_nobody(text: str, message: str) -> None:
    with pytest.raises(PasswordError) as caught:
        hash_password(text)
    assert message in str(caught.value)
    assert isinstance(caught.value, DemijohnError)
    assert isinstance(caught.value, ValueError)
    assert not check_password(text, RFC_7914)
    assert not check_password(text, None)


@pytest.mark.parametrize("given", [17, True, ["secret"], {"s": 1}, b"secret"])
def test_what_a_json_document_holds_in_place_of_a_text_is_no_password(given: Any) -> None:
    with pytest.raises(PasswordError, match="is a text"):
        hash_password(given)
    assert not check_password(given, RFC_7914)
    assert not check_password(given, None)


def test_no_such_user_costs_the_same_work(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[dict[str, Any]] = []
    real_scrypt, low_level = hashlib.scrypt, argon2_cffi.low_level
    real_hash, real_verify = low_level.hash_secret, low_level.verify_secret

    def counted(password: bytes, **options: Any) -> bytes:
        worked.append({**options, "salt": len(options["salt"])})
        return real_scrypt(password, **options)

    def hashed(secret: bytes, salt: bytes, *costs: Any) -> bytes:
        worked.append({"costs": costs[:3]})
        return real_hash(secret, salt, *costs)

    def verified(stored: bytes, *rest: Any) -> bool:
        found = argon2_cffi.extract_parameters(stored.decode())
        worked.append({"costs": (found.time_cost, found.memory_cost, found.parallelism)})
        return real_verify(stored, *rest)

    stored = hash_password("secret")
    monkeypatch.setattr(hashlib, "scrypt", counted)
    monkeypatch.setattr(low_level, "hash_secret", hashed)
    monkeypatch.setattr(low_level, "verify_secret", verified)
    assert not check_password("guess", stored)
    assert not check_password("guess", None)
    assert worked[0] == worked[1]
    assert len(worked) == 2


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of scrypt; argon2's own comparison is."""
    monkeypatch.setattr(scrypt, "LOG_N", 4)
    monkeypatch.setattr(argon2, "_library", lambda: None)
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def recorded(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", recorded)
    stored = hash_password("secret")
    assert check_password("secret", stored)
    assert not check_password("guess", stored)
    assert [one == other for one, other in compared] == [True, False]


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "secret",
        "$2b$12$abcdefghijklmnopqrstuv",
        CHEAP[:-10].rsplit("$", 1)[0],  # cut off before the key
        CHEAP.rsplit("$", 1)[0] + "$",  # an empty key would fit any password
        CHEAP.replace("c2FsdHNhbHRzYWx0c2FsdA", ""),
        CHEAP.replace("ln=4", "ln=40"),  # a day and 128 TB
        CHEAP.replace("ln=4", "ln=17"),  # 128 MB
        CHEAP.replace("p=1", "p=1000000"),
        CHEAP.replace("ln=4", "ln=0"),
        CHEAP.replace("ln=4,", ""),
        CHEAP.replace("ln=4", "ln=four"),
        CHEAP.replace("k" * 43, "é" * 43),
        CHEAP.replace("k" * 43, "k" * 42 + "!"),
        "$argon2 secret",
        CHEAP_ARGON2[:-30],
        CHEAP_ARGON2.rsplit("$", 1)[0],
        CHEAP_ARGON2.rsplit("$", 1)[0] + "$",
        CHEAP_ARGON2.replace("c2FsdHNhbHRzYWx0c2FsdA", ""),
        CHEAP_ARGON2.replace("m=8", "m=9999999"),
        CHEAP_ARGON2.replace("m=8", "m=1048576"),  # 1 GB
        CHEAP_ARGON2.replace("m=8", "m=0"),
        CHEAP_ARGON2.replace("t=1", "t=99"),
        CHEAP_ARGON2.replace("p=1", "p=99"),  # more lanes than memory
        CHEAP_ARGON2.replace("argon2id", "argon2x"),
        CHEAP_ARGON2.replace("v=19", "v=99"),
        CHEAP_ARGON2.replace("k" * 43, "é" * 43),
        CHEAP_ARGON2.replace("k" * 43, "k" * 42),  # no length of base64 that there is
    ],
)
def test_a_stored_value_that_is_no_hash_is_an_error_and_stays_out_of_its_message(stored: str) -> None:
    with pytest.raises(PasswordError, match="The stored password is not one that hash_password made") as caught:
        check_password("secret", stored)
    assert stored == "" or stored not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# Two kinds, and what they cost


def test_an_old_kind_is_hashed_anew(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not needs_rehash(hash_password("secret"))
    assert needs_rehash(RFC_7914)
    assert needs_rehash(CHEAP)
    if kind == "argon2":
        assert needs_rehash(STARTS["scrypt"] + CHEAP.split("$", 3)[3])
        assert needs_rehash(ARGON2)
        assert needs_rehash(CHEAP_ARGON2.replace("m=8,t=1", "m=19456,t=2").replace("argon2id", "argon2i"))
        monkeypatch.setattr(argon2, "TIME", 3)
    else:
        monkeypatch.setattr(scrypt, "P", 6)
    assert needs_rehash(STARTS[kind] + CHEAP.split("$", 3)[3])


def test_a_hash_of_argon2_without_argon2_is_an_error_that_says_so() -> None:
    program = f"""
import sys
sys.modules["argon2"] = None
from demijohn.errors import PasswordError
from demijohn.security import check_password, hash_password, needs_rehash, scrypt
scrypt.LOG_N = 4
print(hash_password("x")[:8], check_password("x", hash_password("x")))
for act in (lambda: check_password("x", {ARGON2!r}), lambda: needs_rehash({ARGON2!r})):
    try:
        print(act())
    except PasswordError as error:
        print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said[0] == "$scrypt$ True"
    assert (
        said[1]
        == said[2]
        == (
            "The stored password was made by argon2, which is not installed, so nobody who has such a one can sign in. "
            "Install it: pip install 'demijohn[argon2]'"
        )
    )


def test_argon2_is_not_imported_before_the_first_password() -> None:
    program = (
        "import sys, demijohn, demijohn.security; print('argon2' in sys.modules, 'concurrent.futures' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]


def test_eight_threads_that_hash_hold_the_memory_of_two() -> None:
    """glibc keeps what a thread has given back with the thread: 160 MB of eight threads."""
    program = """
import threading
from demijohn.security import hash_password
import concurrent.futures
def resident():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * 4096 / 1e6
before = resident()
ready = threading.Barrier(9)
def work():
    hash_password("secret")
    ready.wait()  # while it lives, its memory does
    ready.wait()
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
ready.wait()
print(resident() - before)
ready.wait()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 55


def test_threads_that_wait_get_their_own_answers(cheap: None) -> None:
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(hash_password, (f"password {number}" for number in range(40))))
        right = list(threads.map(check_password, (f"password {number}" for number in range(40)), stored))
        wrong = list(threads.map(check_password, (f"password {number + 1}" for number in range(40)), stored))
    assert right == [True] * 40
    assert wrong == [False] * 40


@pytest.fixture
def crunchers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads that no other test has."""
    own = crunching._Crunchers()
    monkeypatch.setattr(crunching, "_crunchers", own)
    yield
    own.threads().shutdown()


def test_no_more_than_two_are_hashed_at_a_time(crunchers: None) -> None:
    at_once, most, counting = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def work() -> None:
        nonlocal at_once, most
        with counting:
            at_once += 1
            most = max(most, at_once)
        both.wait(PATIENCE)  # two run at the same time, or this breaks
        with counting:
            at_once -= 1

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: crunching.crunch(work), range(6)))
    assert most == 2


def test_where_no_thread_can_be_started_passwords_are_hashed_all_the_same(
    cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(crunching, "_crunchers", crunching._Crunchers())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert check_password("correct horse", hash_password("correct horse"))
    crunching.start_no_threads()
    monkeypatch.setattr(crunching._Crunchers, "threads", refuse)
    assert check_password("correct horse", hash_password("correct horse"))


def test_a_fork_hashes_with_threads_of_its_own(cheap: None) -> None:
    stored = hash_password("secret")
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)  # or it would wait for its parent's threads for good
        os._exit(0 if check_password("secret", stored) and not check_password("guess", stored) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert check_password("secret", stored)
