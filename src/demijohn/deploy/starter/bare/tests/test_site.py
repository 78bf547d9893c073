"""The site, asked over HTTP as a browser does."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest


def browser() -> OpenerDirector:
    """Keeps its cookies, and says as browsers do that a page of this site sends what it sends: of whoever has a session
    and says nothing, no form is taken."""
    opener = build_opener(HTTPCookieProcessor())
    opener.addheaders.append(("Sec-Fetch-Site", "same-origin"))
    return opener


@pytest.fixture
def visitor() -> OpenerDirector:
    return browser()


def page(visitor: OpenerDirector, address: str, **fields: str) -> str:
    """What the visitor sees, after the fields were sent if there are any."""
    with visitor.open(address + "/", urlencode(fields).encode() or None, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def test_who_tells_a_name_is_greeted(visitor: OpenerDirector, address: str) -> None:
    assert "<h1>Hello</h1>" in page(visitor, address)
    seen = page(visitor, address, name="Zoë <3")
    assert '<h1>Hello, <span dir="auto">Zoë &lt;3</span></h1>' in seen
    assert "Thank you." in seen
    seen = page(visitor, address)
    assert "Zoë" in seen
    assert "Thank you." not in seen
    assert '<span dir="auto">Zoe</span>' in page(visitor, address, name="Zoe")


def test_others_are_greeted_by_their_own_name(visitor: OpenerDirector, address: str) -> None:
    page(browser(), address, name="Anna")
    seen = page(visitor, address)
    assert "Anna" not in seen
    assert "told so far." in seen


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\0b"])
def test_what_is_no_name_is_refused(name: str, visitor: OpenerDirector, address: str) -> None:
    with pytest.raises(HTTPError) as refused:
        page(visitor, address, name=name)
    with refused.value as answer:
        assert answer.code == 400
        assert "Please tell a name of at most 40 characters." in answer.read().decode()
