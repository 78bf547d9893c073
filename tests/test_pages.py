"""How the guestbook's pages are made, each as Chromium shows it: for everybody, on every width, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.site.visitor import PASSWORD, Visitor, unique
from tests.windows import Open, sign_up, write

#: A phone and a desk; 320 is where WCAG 2.2, 1.4.10 asks that nothing has to be scrolled sideways.
WIDTHS = {"phone": 375, "desk": 1280, "narrowest": 320}
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
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()


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
every_page = pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.__name__[5:])


@every_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_axe_finds_nothing(
    show: Callable[[Page], None], scheme: str, width: int, furnished: str, open_page: Open
) -> None:
    page = open_page(furnished, width, refusals=True, color_scheme=scheme)
    show(page)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@every_page
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_has_to_be_scrolled_sideways(
    show: Callable[[Page], None], width: int, furnished: str, open_page: Open
) -> None:
    page = open_page(furnished, width, refusals=True)
    show(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = "e => e.getBoundingClientRect().right > innerWidth + 1"
    wide = page.evaluate(f"[...document.body.querySelectorAll('*')].filter({outside}).map(e => e.outerHTML)")
    assert wide == []


@every_page
def test_the_page_needs_no_script_and_no_style_of_its_own(
    show: Callable[[Page], None], furnished: str, open_page: Open
) -> None:
    """So that a Content-Security-Policy can forbid them all."""
    page = open_page(furnished, refusals=True)
    show(page)
    expect(page.locator("script, style, [style], [onclick], [onload], [onsubmit], iframe, object")).to_have_count(0)


@every_page
def test_the_page_says_what_it_is(show: Callable[[Page], None], furnished: str, open_page: Open) -> None:
    page = open_page(furnished, refusals=True)
    show(page)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page).to_have_title(re.compile("Guestbook"))
    refused = page.locator("[aria-invalid]").count() > 0 or page.locator("#form-error").count() > 0
    assert page.title().startswith("Error: ") == refused


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


def test_light_and_dark_are_two_looks_and_nothing_moves_for_those_who_ask(furnished: str, open_page: Open) -> None:
    looks = set()
    for scheme in ("light", "dark"):
        page = open_page(furnished, color_scheme=scheme, reduced_motion="reduce")
        looks.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        moving = "e => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none'"
        assert page.evaluate(f"[...document.querySelectorAll('*')].filter({moving}).length") == 0
    assert len(looks) == 2
