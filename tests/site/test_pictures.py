"""An entry may have a picture: what is refused, and what becomes of it."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from .visitor import Visitor, entry_id, picture_of, png, unique, written

HAS_PILLOW = find_spec("PIL") is not None


@pytest.fixture(scope="module")
def anna(embedded: str) -> Visitor:
    return Visitor(embedded).sign_up(unique("Anna "))


def test_a_picture_of_which_nothing_is_said_is_its_author_s(embedded: str) -> None:
    name, text = unique("Zoë "), unique("no words ")
    visitor = Visitor(embedded).sign_up(name)
    written(visitor.write(text, png(8, 8, 9)))
    assert f'alt="A picture by {name}"' in picture_of(visitor.get("/").page, text)[0]


def test_a_form_without_a_picture_is_an_entry_without_one(anna: Visitor) -> None:
    text = unique("none ")
    written(anna.write(text))
    assert not re.search(re.escape(text) + r"</p>\s*<img", anna.get("/").page)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<svg onload=alert(1)>", "This file is not one of these: PNG, JPEG, GIF or WebP. Please choose another."),
        (b"", "This file is not one of these: PNG, JPEG, GIF or WebP. Please choose another."),
        (png(8, 8, 1) + bytes(10 * 1024**2), "This file is too large: 10 MB is the most."),
        (png(90, 90, 1)[:-30], "This picture cannot be read: it is damaged, or was cut off on its way."),
        (png(6000, 6000, 1), "This picture has 36 million pixels, and 25 million is the most."),
    ],
    ids=["no picture", "empty", "too large", "damaged", "too many pixels"],
)
def test_a_picture_that_cannot_be_kept_is_refused_beside_its_field_and_the_text_kept(
    content: bytes, message: str, anna: Visitor
) -> None:
    if not HAS_PILLOW and "picture" in message:
        pytest.skip("only Pillow can tell")
    text = unique("a letter ")
    answer = anna.write(text, content, "A cat")
    assert answer.status == 400
    assert f'<p class="error" id="picture-error">{message}' in answer.page
    assert f">\n{text}</textarea>" in answer.page
    assert '<input id="alt" name="alt" value="A cat"' in answer.page
    assert "<details open>" in answer.page
    assert text not in anna.get("/").page


def test_what_is_wrong_with_the_words_is_said_first(anna: Visitor) -> None:
    answer = anna.write("", png(8, 8, 2))
    assert answer.status == 400
    assert "There is no text in your entry yet." in answer.page
    assert "Please choose your picture again, too." in answer.page
    answer = anna.write("text", png(8, 8, 2), "x" * 201)
    assert '<p class="error" id="alt-error">Please say it in other words, in 200 characters at most.' in answer.page
    assert answer.page.count("autofocus") == 1


def test_who_is_not_signed_in_adds_no_picture(embedded: str) -> None:
    answer = Visitor(embedded).write("A letter", png(8, 8, 3), "A cat")
    assert answer.status == 403
    assert "You are not signed in any more." in answer.page


def test_a_picture_goes_with_its_entry_and_not_with_another_s(anna: Visitor, embedded: str) -> None:
    berta, shared = Visitor(embedded).sign_up(unique("Berta ")), png(31, 17, 4)
    mine, hers = unique("mine "), unique("hers ")
    written(anna.write(mine, shared))
    written(berta.write(hers, shared))
    path = picture_of(anna.get("/").page, mine)[1]
    assert picture_of(anna.get("/").page, hers)[1] == path
    for visitor, text, left in ((anna, mine, 200), (berta, hers, 404)):
        assert visitor.post(f"/entries/{entry_id(visitor, text)}/delete").status in (302, 303)
        assert _status(embedded + path) == left


def test_an_entry_that_is_deleted_many_times_at_once_takes_its_picture_from_nobody_else(address: str) -> None:
    """Equal pictures are one file, which goes with the last entry that has it."""
    anna, berta = (Visitor(address).sign_up(unique(name)) for name in ("Anna ", "Berta "))
    for shade in range(5):
        mine, hers, shared = unique("mine "), unique("hers "), png(13, 17, shade)
        written(berta.write(hers, shared))
        written(anna.write(mine, shared))
        path = f"/entries/{entry_id(anna, mine)}/delete"
        with ThreadPoolExecutor(8) as threads:
            answers = [answer.status for answer in threads.map(anna.post, [path] * 8)]
        assert {303, 404} >= {*answers}, answers
        assert _status(address + picture_of(berta.get("/").page, hers)[1]) == 200


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as response:  # noqa: S310
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
