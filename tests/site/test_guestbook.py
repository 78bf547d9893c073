"""The guestbook, asked over HTTP: what a visitor may do, and everything that a visitor may send."""

from __future__ import annotations

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import Barrier
from urllib.parse import quote, urlencode

import pytest

from .serving import served
from .visitor import PASSWORD, Answer, Visitor, entry_id, picture_of, png, unique, written


@pytest.fixture
def visitor(address: str) -> Visitor:
    return Visitor(address)


@pytest.fixture(scope="module")
def signed_up(address: str) -> Visitor:
    return Visitor(address).sign_up(unique("Anna"))


@pytest.fixture
def anna(signed_up: Visitor) -> Visitor:
    """A visitor who is signed in, and has read all messages. Always the same, for a password takes its time to hash."""
    signed_up.get("/")
    return signed_up


# Signing up and in


def test_after_signing_up_one_is_signed_in_and_welcomed_once(visitor: Visitor) -> None:
    name = unique("Tomás ")
    answer = visitor.post("/sign-up", name=f"  {name} ", password=PASSWORD, next="/?q=cake")
    assert answer.location.path + "?" + answer.location.query == "/?q=cake"
    page = visitor.get("/").page
    assert f"Welcome, {name}." in page
    assert f'<b dir="auto">{name}</b>' in page
    assert "Welcome" not in visitor.get("/").page


def test_signing_out_ends_the_session_for_whoever_kept_its_cookie(visitor: Visitor, address: str) -> None:
    anna, kept = visitor.sign_up(unique("Anna")), Visitor(address)
    for cookie in anna.cookies:
        kept.cookies.set_cookie(cookie)
    assert "Sign out" in kept.get("/").page
    answer = anna.post("/sign-out")
    assert answer.status in (302, 303)
    page = anna.get("/").page
    assert "You are signed out. Come back soon." in page
    assert "Sign in" in page
    assert "Sign out" not in kept.get("/").page


def test_signing_in_gives_a_new_session(visitor: Visitor, address: str) -> None:
    name = unique("Eve")
    Visitor(address).sign_up(name)
    visitor.sign_up(unique("Mallory"))
    (planted,) = [cookie.value for cookie in visitor.cookies]
    visitor.post("/sign-in", name=name, password=PASSWORD)
    (own,) = [cookie.value for cookie in visitor.cookies]
    assert own != planted


@pytest.mark.parametrize("typed", [str.upper, str.lower, lambda name: f"  {name}\t"])
def test_a_name_is_the_same_in_capitals_or_among_spaces(typed: object, visitor: Visitor, address: str) -> None:
    assert callable(typed)
    name = unique("Müller Übel ")
    Visitor(address).sign_up(name)
    answer = visitor.post("/sign-up", name=typed(name), password="something else")
    assert answer.status == 400
    assert "here. Please choose another name." in answer.page
    assert visitor.post("/sign-in", name=typed(name), password=PASSWORD).status in (302, 303)


def test_names_that_only_look_alike_to_a_database_are_two(visitor: Visitor) -> None:
    for name in map(unique, ["Jose ", "José ", "😀 ", "😁 "]):
        visitor.sign_up(name)
    tail = unique(" ")
    for name in ["Jose", "José", "😀", "😁"]:
        visitor.sign_up(name + tail)


def test_of_many_who_sign_up_by_one_name_at_the_same_time_one_gets_it(address: str) -> None:
    name, barrier = unique("Everybody"), Barrier(6)

    def sign_up(_: int) -> Answer:
        visitor = Visitor(address)
        barrier.wait()
        return visitor.post("/sign-up", name=name, password=PASSWORD)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(sign_up, range(6)))
    refused = [answer for answer in answers if answer.status == 400]
    assert len(refused) == 5, [answer.status for answer in answers]
    assert all(f"Somebody else is called {name} here." in answer.page for answer in refused)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Please choose a name."),
        (" \t\N{NO-BREAK SPACE}", "Please choose a name."),
        ("x" * 41, "This name has 41 characters, and 40 is the most."),
        ("x" * 10_000, "This name has 10,000 characters, and 40 is the most."),
        ("e\N{COMBINING ACUTE ACCENT}" * 4000, "This name has 8,000 characters"),  # not put together: it takes minutes
        ("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 3, "This name has 54 characters, and 40 is the most."),
        ("An\0na", "This name holds a character that cannot be seen."),
        ("An\N{RIGHT-TO-LEFT OVERRIDE}na", "This name holds a character that cannot be seen."),
        ("An\N{ZERO WIDTH SPACE}na", "This name holds a character that cannot be seen."),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_beside_its_field(name: str, message: str, visitor: Visitor) -> None:
    answer = visitor.post("/sign-up", name=name, password=PASSWORD)
    assert answer.status == 400
    assert f'<p class="error" id="name-error">{message}' in answer.page
    assert re.search(r'<input id="name"[^>]* aria-invalid="true" aria-describedby="name-error" autofocus', answer.page)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("", "Please choose a password of at least 8 characters."),
        ("seven77", "Please choose a password of at least 8 characters."),
        ("x" * 20_000, "This password has 20,000 characters, and 1,024 is the most."),
    ],
)
def test_a_password_that_cannot_be_had_is_refused_and_the_name_kept(
    password: str, message: str, visitor: Visitor
) -> None:
    name = unique("Anna")
    answer = visitor.post("/sign-up", name=name, password=password)
    assert answer.status == 400
    assert f'<p class="error" id="password-error">{message}' in answer.page
    assert f'value="{name}"' in answer.page
    assert password == "" or password not in answer.page
    assert "autofocus" in answer.page


@pytest.mark.parametrize("name", ["", "nobody", "%", "x" * 10_000, "An\0na", "😀"])
def test_who_is_nobody_is_told_what_a_wrong_password_is_told(name: str, visitor: Visitor) -> None:
    answer = visitor.post("/sign-in", name=name, password=PASSWORD)
    assert answer.status == 403
    assert "This name and this password do not belong together. Please try again." in answer.page


def test_a_wrong_password_is_refused_and_the_name_kept(visitor: Visitor, address: str) -> None:
    name = unique("Anna")
    Visitor(address).sign_up(name)
    for password in ("", PASSWORD.upper(), "x" * 10_000, "\0"):
        answer = visitor.post("/sign-in", name=name, password=password)
        assert answer.status == 403
        assert "This name and this password do not belong together." in answer.page
        assert f'value="{name}"' in answer.page


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\",
        "javascript:alert(1)",
        "",
    ],
)
def test_after_signing_in_one_stays_on_this_site(next: str, visitor: Visitor, address: str) -> None:
    shown = visitor.get("/sign-in?next=" + quote(next)).page
    assert '<input type="hidden" name="next" value="/">' in shown
    answer = visitor.post("/sign-up", name=unique("Anna"), password=PASSWORD, next=next)
    assert f"{answer.location.scheme}://{answer.location.netloc}" == address
    assert answer.location.path == "/"


# Writing and deleting


@pytest.mark.parametrize(
    "text",
    [
        "🍾🧺 👩‍👩‍👧‍👦",
        "نور العين, 山中何所有",
        "Three lines,\nthe second one\n\nand the last.",
        "<script>alert('no')</script> & \"quotes\" {{ 7 * 7 }} %(x)s",
        "x" * 2000,
        "🍾" * 2000,
    ],
)
def test_an_entry_is_shown_as_it_was_written(text: str, anna: Visitor) -> None:
    answer = anna.write(f"  {text}\r\n")
    assert answer.status in (302, 303), answer.page
    page = anna.get("/").page
    assert "Thank you, your entry is in the book." in page
    assert f'<p class="text" dir="auto">{text}</p>' in page


def test_markup_in_an_entry_is_text(anna: Visitor, address: str) -> None:
    anna.write("<b>bold</b>")
    with urllib.request.urlopen(address) as response:  # noqa: S310
        raw = response.read().decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in raw
    assert "<b>bold" not in raw


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There is no text in your entry yet. Please write something."),
        (" \r\n\t ", "There is no text in your entry yet."),
        ("x" * 2001, "Your entry has 2,001 characters, and 2,000 is the most. Please shorten it."),
        ("xyz " * 2500, "Your entry has 9,999 characters, and 2,000 is the most."),
        ("e\N{COMBINING ACUTE ACCENT}" * 4000, "Your entry has 8,000 characters"),  # not put together: it takes minutes
        ("a\0b", "Your entry holds a character that cannot be shown."),
        ("a\x1b[31mb", "Your entry holds a character that cannot be shown."),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused_beside_its_field_and_shown_again(
    text: str, message: str, anna: Visitor
) -> None:
    answer = anna.write(text)
    assert answer.status == 400
    assert f'<p class="error" id="text-error">{message}' in answer.page
    assert f">\n{text.strip()}</textarea>" in answer.page
    assert "Thank you" not in anna.get("/").page


@pytest.mark.parametrize("body", [b"text=%FF%FE", b"text=half%ED%A0%BCa%20surrogate", b"text=\xff"])
def test_bytes_that_are_no_text_are_refused_in_a_sentence(body: bytes, anna: Visitor) -> None:
    answer = anna.post("/", body)
    assert answer.status == 400
    assert "not text" in answer.page or "not UTF-8" in answer.page


def test_who_was_signed_out_while_writing_keeps_the_text(visitor: Visitor) -> None:
    answer = visitor.write("A long letter")
    assert answer.status == 403
    assert "You are not signed in any more. Keep a copy of your text, sign in, and add it again." in answer.page
    assert ">\nA long letter</textarea>" in answer.page


def test_an_entry_is_shown_with_its_picture(anna: Visitor) -> None:
    text = unique("with a picture ")
    written(anna.write(text, png(2400, 1200, 7), 'A "cat" & a dog'))
    tag, path = picture_of(anna.get("/").page, text)
    assert 'alt="A "cat" & a dog"' in tag  # the page is read without its escapes
    assert 'loading="lazy"' in tag
    assert ('width="1200" height="600"' in tag) is (find_spec("PIL") is not None)
    with urllib.request.urlopen(anna.address + path) as response:  # noqa: S310
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response.read().startswith(b"\x89PNG")


def test_an_author_deletes_an_entry_and_nobody_else_does(anna: Visitor, address: str) -> None:
    text = unique("mine ")
    anna.write(text)
    path = f"/entries/{entry_id(anna, text)}/delete"
    assert path in anna.get("/").page
    other = Visitor(address).sign_up(unique("Eve"))
    assert path not in other.get("/").page
    answer = other.post(path)
    assert answer.status == 403
    assert "Only its author can delete an entry." in answer.page
    answer = Visitor(address).post(path)
    assert answer.status == 401
    assert "You are not signed in, or not any more." in answer.page
    assert 'href="/sign-in">Sign in</a>' in answer.page
    assert anna.post(path).status in (302, 303)
    page = anna.get("/").page
    assert "Your entry is deleted." in page
    assert text not in page
    answer = anna.post(path)
    assert answer.status == 404
    assert "This entry is not in the book, or not any more." in answer.page


@pytest.mark.parametrize("id", ["0", "-1", "abc", "1.5", "999999999", "99999999999999999999", "%00", "٣"])
def test_an_entry_that_cannot_be_is_not_found(id: str, anna: Visitor) -> None:
    assert anna.post(f"/entries/{quote(id, safe='%')}/delete").status == 404


@pytest.mark.parametrize("path", ["/entries/1/delete", "/sign-out"])
def test_a_link_cannot_delete_or_sign_out(path: str, anna: Visitor) -> None:
    answer = anna.get(path)
    assert answer.status == 405
    assert "This address does not take that kind of request." in answer.page
    assert "Sign out" in anna.get("/").page


# Reading, searching and paging


def test_a_search_finds_what_is_said_and_nothing_else(anna: Visitor) -> None:
    word = unique("Zwetschge")
    anna.write(f"Such a {word} cake")
    anna.write("Something else")
    page = anna.get("/?q=" + word.upper()).page
    assert f"Such a {word} cake" in page
    assert "Something else" not in page
    assert f"Entries with “<bdi>{word.upper()}</bdi>”" in page
    assert f'value="{word.upper()}"' in page


@pytest.mark.parametrize("sign", ["%", "_", "/", "\\", "'", '"', ";"])
def test_a_search_takes_signs_for_themselves(sign: str, anna: Visitor) -> None:
    word = unique("sign")
    anna.write(f"a{word}{sign}b")
    anna.write(f"a{word}xb")
    page = anna.get("/?" + urlencode({"q": word + sign})).page
    assert f"a{word}{sign}b" in page
    assert f"a{word}xb" not in page


def test_a_search_for_an_emoji_finds_it(anna: Visitor) -> None:
    word = unique("basket ")
    anna.write(f"{word} 🧺")
    anna.write(f"{word} 🍾")
    page = anna.get("/?" + urlencode({"q": f"{word} 🧺"})).page
    assert f"{word} 🧺</p>" in page
    assert f"{word} 🍾</p>" not in page


def test_a_search_without_a_find_says_so(visitor: Visitor) -> None:
    answer = visitor.get("/?q=%3Cb%3Enothing%20says%20this")
    assert answer.status == 200
    assert "No entry says “<bdi><b>nothing says this</bdi>”." in answer.page


@pytest.mark.parametrize("q", ["x" * 101, "x" * 1000, "a\0b", "\x7f"])
def test_a_search_that_cannot_be_is_refused_in_a_sentence(q: str, visitor: Visitor) -> None:
    answer = visitor.get("/?" + urlencode({"q": q}))
    assert answer.status == 400
    assert "Please search for something shorter, or typed by hand: at most 100 characters." in answer.page


@pytest.mark.parametrize("page", ["abc", "-1", "0", "1.5", "٣", "1e3", " 1", "0x1", "\0"])
def test_a_page_that_is_not_a_number_is_refused_in_a_sentence(page: str, visitor: Visitor) -> None:
    answer = visitor.get("/?" + urlencode({"page": page}))
    assert answer.status == 400
    assert "The address asks for a page that is not a number." in answer.page


@pytest.mark.parametrize("page", ["99999", "99999999999999999999", "9" * 5000])
def test_a_page_behind_the_last_is_not_found(page: str, visitor: Visitor) -> None:
    answer = visitor.get(f"/?page={page}")
    assert answer.status == 404
    assert "The book does not go on that far." in answer.page


@pytest.mark.parametrize("query", ["q=%FF", "page=%FF", "q=%ED%A0%BC"])
def test_an_address_that_is_no_text_is_refused_in_a_sentence(query: str, visitor: Visitor) -> None:
    answer = visitor.get("/?" + query)
    assert answer.status == 400
    assert "not text" in answer.page or "not UTF-8" in answer.page


def test_pages_hold_ten_entries_the_newest_first_and_lead_to_each_other(anna: Visitor) -> None:
    word = unique("paged")
    for number in range(11):
        anna.write(f"{word} number {number}.")
    first, second = anna.get(f"/?q={word}").page, anna.get(f"/?q={word}&page=2").page
    numbers = rf"{word} number (\d+)\."
    assert re.findall(numbers, first) == [str(number) for number in range(10, 0, -1)]
    assert re.findall(numbers, second) == ["0"]
    assert f'<a rel="next" href="/?q={word}&page=2">' in first
    assert 'rel="prev"' not in first
    assert f'<a rel="prev" href="/?q={word}">' in second
    assert 'rel="next"' not in second


def test_who_only_reads_gets_no_cookie(visitor: Visitor) -> None:
    for path in ("/", "/sign-in", "/sign-up", "/static/style.css", "/nowhere"):
        visitor.get(path)
    assert not list(visitor.cookies)


def test_an_address_with_nothing_behind_it_says_so_in_the_site_s_own_dress(visitor: Visitor) -> None:
    answer = visitor.get("/nowhere")
    assert answer.status == 404
    assert "There is nothing at this address." in answer.page
    assert "Back to the guestbook" in answer.page
    assert "Guestbook</title>" in answer.page


def test_an_empty_book_invites_to_write(tmp_path: Path) -> None:
    with served(DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite'}") as address:
        answer = Visitor(address).get("/")
    assert answer.status == 200
    assert "The bottle is still empty. The first entry could be yours." in answer.page
