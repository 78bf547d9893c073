"""The guestbook's account page: where one is signed in, and out of all of that."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .serving import served
from .visitor import PASSWORD, Visitor, unique

AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0": "Firefox on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 "
    "Edg/120.0.0.0": "Edge on Windows",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36": (
        "Chrome on Android"
    ),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 "
    "Mobile/15E148 Safari/604.1": "Safari on iPhone",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15": "Safari on Mac",
    "curl/8.0 (Linux)": "Linux",
    "<script>alert(1)</script>\xff" + "x" * 3000: "A browser",
    "": "A browser",
}


@pytest.mark.parametrize("agent", AGENTS, ids=AGENTS.get)
def test_the_account_says_by_which_browser_one_came_in_words_of_the_site_s_own(agent: str, embedded: str) -> None:
    page = Visitor(embedded, agent).sign_up(unique("Anna")).get("/account").page
    assert "You are signed in with this browser only:" in page
    assert re.findall(r"<b>(.*)</b>.*this browser", page) == [AGENTS[agent]]
    assert re.search(r"Signed in on [1-3]?\d [A-Z][a-z]+ 20\d\d", page)


def test_signing_out_everywhere_signs_out_everywhere_and_nobody_else(embedded: str) -> None:
    name, anna = unique("Eve"), Visitor(embedded).sign_up(unique("Anna"))
    one, other = Visitor(embedded, "Firefox").sign_up(name), Visitor(embedded, "Chrome; Windows")
    other.post("/sign-in", name=name, password=PASSWORD)
    page = one.get("/account").page
    assert "You are signed in with 2 browsers:" in page
    assert re.findall(r"<b>(.*)</b>(.*)", page) == [
        ("Chrome on Windows", ""),
        ("Firefox", ' <span class="own">this browser</span>'),
    ]
    assert "last seen around " in page
    assert one.post("/sign-out", everywhere="yes").status in (302, 303)
    page = one.get("/").page
    assert "You are signed out everywhere." in page
    assert "Sign in" in page
    assert "Sign in" in other.get("/").page
    assert "Sign out" in anna.get("/").page


def test_signing_out_in_one_browser_leaves_the_others(embedded: str) -> None:
    name = unique("Eve")
    one, other = Visitor(embedded).sign_up(name), Visitor(embedded)
    other.post("/sign-in", name=name, password=PASSWORD)
    one.post("/sign-out")
    assert "You are signed in with this browser only:" in other.get("/account").page


def test_nobody_has_no_account_and_can_sign_out_everywhere_without_harm(embedded: str) -> None:
    stranger, anna = Visitor(embedded), Visitor(embedded).sign_up(unique("Anna"))
    answer = stranger.get("/account")
    assert answer.status in (302, 303)
    assert f"{answer.location.path}?{answer.location.query}" == "/sign-in?next=%2Faccount"
    assert '<input type="hidden" name="next" value="/account">' in stranger.get("/sign-in?next=%2Faccount").page
    assert stranger.post("/sign-out", everywhere="yes").status in (302, 303)
    assert "Sign out" in anna.get("/").page


def test_where_sessions_cannot_be_listed_the_account_says_so(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="Sessions in a cookie want it: pip install 'demijohn[cookie]'")
    with served(DATABASE_URL=f"sqlite:///{tmp_path / 'test.sqlite'}", DEMIJOHN_SESSION_TYPE="cookie") as address:
        answer = Visitor(address).sign_up("Anna").get("/account")
    assert answer.status == 200
    assert "This site keeps no list of where you are signed in." in answer.page
    assert "Sign out everywhere" not in answer.page


def test_who_is_no_longer_among_the_users_is_nobody(tmp_path: Path) -> None:
    file = tmp_path / "test.sqlite"
    with served(DATABASE_URL=f"sqlite:///{file}") as address:
        anna = Visitor(address).sign_up("Anna")
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("DELETE FROM users")
        answer = anna.get("/account")
        assert answer.status == 404
        assert "This account is not here any more." in answer.page
        page = anna.get("/").page
        assert "Sign in" in page
        assert anna.write("Am I still here?").status == 403


def test_guessing_a_password_is_slow(embedded: str) -> None:
    name = unique("anna")
    Visitor(embedded).sign_up(name)
    guesser = Visitor(embedded)
    statuses = [guesser.post("/sign-in", name=name, password="a guess").status for name in (name, name.upper()) * 6]
    assert statuses[:5] == [403] * 5
    assert 429 in statuses[5:], "a wait of seconds, which grows"
    answer = guesser.post("/sign-in", name=unique("Nobody"), password="a guess")
    assert answer.status == 403, "of somebody else nothing was counted"


def test_a_form_of_another_site_does_nothing(embedded: str) -> None:
    anna = Visitor(embedded).sign_up(unique("Anna"))
    text = unique("forged ")
    anna.headers["Sec-Fetch-Site"] = "cross-site"
    answer = anna.write(text)
    assert answer.status == 403
    assert "came from a page of another site" in answer.page
    del anna.headers["Sec-Fetch-Site"]
    assert anna.write(text).status == 403, "an old browser, without the token"
    token = re.search('name="csrf" value="([^"]+)"', anna.get("/").page)
    assert token
    assert text not in anna.get("/").page
    assert anna.post("/", text=text, csrf=token[1]).status in (302, 303)
    assert text in anna.get("/").page
