from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from demijohn.errors import DemijohnError, PasswordError
from demijohn.security import check_password, hash_password, passwords

# Section 12 of RFC 7914, the third vector: what any other library makes of the same password and salt.
RFC_7914 = (
    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
    "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
)
#: The stored form with parameters that cost a thousandth: what is tested there is the text around them.
CHEAP = "$scrypt$ln=4,r=8,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA$" + "k" * 43


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what surrounds the hash; the ones without it pay the full price."""
    monkeypatch.setattr(passwords, "LOG_N", 4)


def test_a_password_is_known_again_and_no_other_is() -> None:
    stored = hash_password("correct horse")
    assert check_password("correct horse", stored)
    assert not check_password("correct Horse", stored)


def test_the_stored_form_describes_itself_and_fits_a_column_of_100() -> None:
    stored = hash_password("x" * passwords.MAX_LENGTH)
    assert stored.startswith("$scrypt$ln=14,r=8,p=5$")
    assert len(stored) <= 100
    assert stored.isascii()


def test_the_same_password_is_stored_differently_each_time(cheap: None) -> None:
    assert hash_password("secret") != hash_password("secret")


def test_hashes_of_other_costs_and_other_libraries_are_checked_with_their_own() -> None:
    assert check_password("pleaseletmein", RFC_7914)
    assert not check_password("pleaseletmeout", RFC_7914)


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


def test_no_such_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[dict[str, Any]] = []
    scrypt = hashlib.scrypt

    def counted(password: bytes, **options: Any) -> bytes:
        worked.append({**options, "salt": len(options["salt"])})
        return scrypt(password, **options)

    stored = hash_password("secret")
    monkeypatch.setattr(hashlib, "scrypt", counted)
    assert not check_password("guess", stored)
    assert not check_password("guess", None)
    assert worked[0] == worked[1]
    assert len(worked) == 2


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, cheap: None) -> None:
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
    ],
)
def test_a_stored_value_that_is_no_hash_is_an_error_and_stays_out_of_its_message(stored: str) -> None:
    with pytest.raises(PasswordError, match="The stored password is not one that hash_password made") as caught:
        check_password("secret", stored)
    assert stored == "" or stored not in str(caught.value)
    assert caught.value.__suppress_context__
