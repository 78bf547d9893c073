"""How the guestbook's pages are made, each as Chromium shows it: for everybody, on every width, in light and dark."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.ready import demijohn_run
from tests.services import until
from tests.site.serving import served
from tests.site.visitor import PASSWORD, Visitor, unique
from tests.sites import ROOT, clean_environment
from tests.windows import Open, make_tables, sign_in, sign_up, write

#: A phone and a desk, one in light and one in dark.
LOOKS: list[tuple[int, Literal["light", "dark"]]] = [(375, "light"), (1280, "dark")]
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
ENTRIES = [
    "One line.",
    "Three\nshort\nlines.",
    LONG,
    "https://example.org/" + "a" * 300,
    "كانت الإقامة رائعة",
    "Long. " * 333,
]


@pytest.fixture(scope="module")
def furnished(embedded: str) -> str:
    """The address of a guestbook with more than a page of entries of every kind."""
    for name in (unique("Ann "), "W" * 32 + unique("")):
        visitor = Visitor(embedded).sign_up(name)
        for text in ENTRIES:
            assert visitor.write(text).status in (302, 303)
    return embedded


def show_nothing(page: Page) -> None:
    """The page as it is."""


def show_second(page: Page) -> None:
    page.goto("/?page=2")


def show_signed_in(page: Page) -> None:
    sign_up(page, "W" * 32 + unique(""))
    write(page, "My own entry.")
    page.get_by_text("Delete this entry").first.click()
    expect(page.get_by_role("button", name="Yes, delete it").first).to_be_visible()


def show_account(page: Page) -> None:
    name = "W" * 32 + unique("")
    sign_up(page, name)
    Visitor(page.url.rstrip("/"), "Firefox; Windows").post("/sign-in", name=name, password=PASSWORD)
    page.get_by_role("link", name=f"Signed in as {name}").click()
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_role("button", name="Sign out everywhere")).to_be_visible()


def show_refused_entry(page: Page) -> None:
    sign_up(page, unique("Anna "))
    page.get_by_label("Your entry").fill("x" * 2001)
    page.get_by_role("button", name="Add to the guestbook").click()
    expect(page.get_by_text("Your entry has 2,001 characters")).to_be_visible()
    expect(page.get_by_label("Your entry")).to_be_focused()
    expect(page.get_by_label("Your entry")).to_have_value("x" * 2001)
    expect(page.get_by_label("Your entry")).to_have_accessible_description(
        re.compile("Your entry has 2,001 characters")
    )


def show_search_in_vain(page: Page) -> None:
    page.goto("/?q=" + "w" * 100)


def show_sign_up(page: Page) -> None:
    page.goto("/sign-up")


def show_refused_sign_up(page: Page) -> None:
    page.goto("/sign-up")
    page.get_by_label("Name").fill("n" * 41)
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_label("Name")).to_have_accessible_description(re.compile("This name has 41 characters"))
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("at least 8 characters"))
    expect(page.get_by_label("Name")).to_be_focused()


def show_sign_in(page: Page) -> None:
    page.goto("/sign-in")


def show_refused_sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("do not belong together"))


def show_nowhere(page: Page) -> None:
    page.goto("/nowhere")
    expect(page.get_by_role("heading", name="Nothing is here")).to_be_visible()


SHOWS = [
    show_nothing,
    show_second,
    show_signed_in,
    show_account,
    show_refused_entry,
    show_search_in_vain,
    show_sign_up,
    show_refused_sign_up,
    show_sign_in,
    show_refused_sign_in,
    show_nowhere,
]


@pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.__name__[5:])
def test_a_page_is_for_everybody(show: Callable[[Page], None], furnished: str, open_page: Open) -> None:
    page = open_page(furnished, refusals=True, reduced_motion="reduce")
    show(page)
    judge(page)


def judge(page: Page) -> None:
    """Everything that is asked of each page."""
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page).to_have_title(re.compile("Guestbook"))
    refused = page.locator("[aria-invalid]").count() > 0 or page.locator("#form-error").count() > 0
    assert page.title().startswith("Error: ") == refused
    expect(page.locator("style, [style], [onclick], [onload], [onsubmit], iframe, object")).to_have_count(0)
    expect(page.locator("script:not([src][integrity])")).to_have_count(0)
    moving = "e => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none'"
    assert page.evaluate(f"[...document.querySelectorAll('*')].filter({moving}).length") == 0

    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        fits(page, width)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
    page.set_viewport_size({"width": 320, "height": 800})  # WCAG 2.2, 1.4.10
    fits(page, 320)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")  # WCAG 2.2, 1.4.4
    fits(page, 1280)


def fits(page: Page, width: int) -> None:
    """Nothing has to be scrolled sideways."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = "e => e.getBoundingClientRect().right > innerWidth + 1"
    wide = page.evaluate(f"[...document.body.querySelectorAll('*')].filter({outside}).map(e => e.outerHTML)")
    assert wide == []


def test_a_site_in_trouble(tmp_path: Path, open_page: Open) -> None:
    """To be read only, closed, with a table gone, and asked for too much: each page is as good as the others."""
    file = tmp_path / "site.sqlite"
    settings = {
        "DATABASE_URL": f"sqlite:///{file}",
        "DEMIJOHN_ENV": "production",
        "SECRET_KEY": "of-this-test-alone-and-long-enough",
        "DEMIJOHN_BODY_LIMIT": "20000",
    }
    make_tables(settings)
    with served(**settings) as address:
        page, name = open_page(address, refusals=True, reduced_motion="reduce"), unique("Anna ")
        sign_up(page, name)
        write(page, "Mine.")

        demijohn("maintenance", "on", "--read-only", **settings)
        read_only = "For a while this guestbook can only be read."
        until(lambda: bool(page.goto("/")) and read_only in page.inner_text("body"), "It can be written.")
        expect(page.get_by_text("Mine.")).to_be_visible()
        stranger = open_page(address, refusals=True, reduced_motion="reduce")
        for who, paths in ((page, ("/account", "/")), (stranger, ("/", "/account"))):
            for path in paths:
                who.goto(path)
                expect(who.get_by_text(read_only)).to_be_visible()
                expect(who.locator("form:not([role=search])")).to_have_count(0)
            judge(who)
        assert urlsplit(stranger.url).path == "/sign-in"

        demijohn("maintenance", "on", "--message", "We move to a larger bottle.", **settings)
        until(lambda: page.goto("/").status == 503, "It stands open.")  # type: ignore[union-attr]
        expect(page.get_by_role("heading", name="The bottle is being filled")).to_be_visible()
        expect(page.get_by_text("We move to a larger bottle.")).to_be_visible()
        judge(page)
        demijohn("maintenance", "off", **settings)
        until(lambda: page.goto("/").status == 200, "It stays closed.")  # type: ignore[union-attr]

        stranger.goto("/sign-in")
        stranger.locator("[name=next]").evaluate("field => { field.value = 'x'.repeat(30_000); }")
        sign_in(stranger, name)
        expect(stranger.get_by_role("heading", name="That is too large")).to_be_visible()
        judge(stranger)

        with closing(sqlite3.connect(file)) as database, database:
            database.execute("DROP TABLE entries")
        page.goto("/")
        expect(page.get_by_role("heading", name="Something broke")).to_be_visible()
        expect(page.get_by_text("please name the ticket").locator("code")).to_have_text(
            re.compile("[2-9a-z]{4}-[2-9a-z]{4}")
        )
        judge(page)


def test_tab_goes_through_a_page_in_order_and_shows_where_it_is(furnished: str, open_page: Open) -> None:
    page = open_page(furnished)
    show_signed_in(page)
    page.goto("/")
    page.goto("/")
    page.locator("details").evaluate_all("all => all.forEach(details => { details.open = true; })")
    all_of_them = "a[href], button, input:not([type=hidden]), textarea, summary"
    there = page.locator(all_of_them).evaluate_all("all => all.filter(e => e.checkVisibility()).map(e => e.outerHTML)")
    met = []
    for _ in there:
        page.keyboard.press("Tab")
        html, outline = page.evaluate(
            "[document.activeElement.outerHTML, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert outline == "solid", html
        met.append(html)
    assert met == there


def test_one_signs_in_with_the_keyboard_alone(furnished: str, open_page: Open) -> None:
    name = unique("Anna ")
    Visitor(furnished).sign_up(name)
    page = open_page(furnished)
    page.goto("/sign-in")
    outlines = []

    def tab() -> None:
        page.keyboard.press("Tab")
        outlines.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))

    tab()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab()
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type(name)
    tab()
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    tab()
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"Good to see you again, {name}.")
    assert outlines == ["solid"] * 4


def test_a_password_keeper_knows_the_fields(furnished: str, open_page: Open) -> None:
    page = open_page(furnished)
    for path, kind in {"/sign-in": "current-password", "/sign-up": "new-password"}.items():
        page.goto(path)
        expect(page.get_by_label("Name")).to_have_attribute("autocomplete", "username")
        expect(page.get_by_label("Password")).to_have_attribute("autocomplete", kind)


def test_light_and_dark_are_two_looks(furnished: str, open_page: Open) -> None:
    page, looks = open_page(furnished), set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        looks.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(looks) == 2


def demijohn(*words: str, **settings: str) -> None:
    demijohn_run(*words, folder=ROOT, environment=clean_environment(**settings)).check_returncode()
