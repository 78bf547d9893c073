"""The guestbook in Chromium: the journey, in comfort and where nothing can be written; and how its pages are made."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.chromium import chromium
from tests.readonly import readonly
from tests.services import HOST, free_port, until
from tests.sites import EMBEDDED, ROOT, answers, clean_environment, running
from tests.visitor import PASSWORD, Visitor, unique

#: A phone and a desk; 320 is where WCAG 2.2, 1.4.10 asks that nothing has to be scrolled sideways.
WIDTHS = {"phone": 375, "desk": 1280, "narrowest": 320}
GUNICORN = [sys.executable, "-m", "gunicorn", "--workers=2", "--config", str(ROOT / "gunicorn.conf.py"), "main:app"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The guestbook on nothing but Python: `demijohn run` and an SQLite file."""
    url = f"sqlite:///{tmp_path_factory.mktemp('guestbook') / 'test.sqlite'}"
    with running(EMBEDDED, {"DATABASE_URL": url}) as address:
        yield address


@pytest.fixture(scope="module")
def travelling(request: pytest.FixtureRequest) -> Iterator[str]:
    """The guestbook as a host has it: two gunicorn workers, MariaDB, memcached, and nothing that can be written."""
    mariadb, memcached = request.getfixturevalue("the_mariadb"), request.getfixturevalue("the_memcached")
    mariadb.start()
    memcached.start()
    settings = {
        "DATABASE_URL": mariadb.create("browser"),
        "MEMCACHED_URL": memcached.address,
        "SECRET_KEY": "of-this-test-alone-and-long-enough",
    }
    make_tables(settings)
    with running(readonly(GUNICORN), settings) as address:
        yield address


def make_tables(settings: dict[str, str]) -> None:
    command = [sys.executable, "-m", "demijohn", "db", "create"]
    subprocess.run(command, cwd=ROOT, env=clean_environment(**settings), check=True, capture_output=True)


@pytest.fixture(params=["embedded", "travelling"])
def address(request: pytest.FixtureRequest) -> str:
    address: str = request.getfixturevalue(request.param)
    return address


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a page in a window of its own. In the end no page may have complained or asked another site for a thing."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by going on to the next page
            complaints.append(f"failed: {request.url}")

    def open_page(address: str, width: int = 1280, *, refusals: bool = False, **options: object) -> Page:
        """:param refusals: pages with a status of 400 and above are expected, of which the console speaks."""
        context = browser.new_context(base_url=address, viewport={"width": width, "height": 800}, **options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if not refusals or "status of 4" not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", failed)
        host = urlsplit(address).netloc
        page.on("request", lambda r: complaints.append(f"asked: {r.url}") if urlsplit(r.url).netloc != host else None)
        page.goto("/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def sign_up(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Your account").get_by_role("link", name="Sign up").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("status")).to_have_text(f"Welcome, {name}.")


def write(page: Page, text: str) -> None:
    page.get_by_label("Your entry").fill(text)
    page.get_by_role("button", name="Add to the guestbook").click()
    expect(page.get_by_role("status")).to_have_text("Thank you, your entry is in the book.")


def journey(page: Page, stranger: Page) -> None:
    """Sign up, out and in, write, read, search, page, delete, sign out. `stranger` is not signed in, and reads."""
    name, word = unique("Zoë 🍾 "), unique("basket")
    header, entries = page.get_by_role("banner"), page.get_by_role("article")
    sign_up(page, name)
    expect(header).to_contain_text(name)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out. Come back soon.")
    expect(page.get_by_label("Your entry")).to_have_count(0)

    header.get_by_role("link", name="Sign in").click()
    page.get_by_label("Name").fill(name.upper())
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This name and this password do not belong together.")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status")).to_have_text(f"Good to see you again, {name}.")

    write(page, f"The first {word}.\n<b>Willow</b> & glass 🧺")
    for number in range(2, 12):
        write(page, f"{word} number {number}.")
    page.reload()
    expect(page.get_by_role("status")).to_have_count(0)
    expect(entries.first).to_contain_text(f"{word} number 11.")
    expect(entries.first).to_contain_text(name)

    stranger.reload()
    expect(stranger.get_by_role("article").first).to_contain_text(f"{word} number 11.")
    expect(stranger.get_by_text("Delete")).to_have_count(0)

    page.get_by_role("searchbox", name="Search the entries").fill(word.upper())
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name=f"Entries with “{word.upper()}”")).to_be_visible()
    expect(entries).to_have_count(10)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Older").click()
    expect(page.get_by_role("heading", name="page 2")).to_be_visible()
    expect(entries).to_have_count(1)
    expect(entries.locator(".text")).to_have_text(f"The first {word}.\n<b>Willow</b> & glass 🧺", use_inner_text=True)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Newer").click()
    expect(entries).to_have_count(10)
    page.get_by_role("link", name="Show all entries").click()

    entries.first.get_by_text("Delete this entry").click()
    entries.first.get_by_role("button", name="Yes, delete it").click()
    expect(page.get_by_role("status")).to_have_text("Your entry is deleted.")
    expect(entries.first).to_contain_text(f"{word} number 10.")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out. Come back soon.")
    page.go_back()
    page.reload()
    expect(header.get_by_role("link", name="Sign in")).to_be_visible()


def test_the_journey(address: str, open_page: Open) -> None:
    journey(open_page(address, refusals=True), open_page(address))


def test_the_journey_on_a_phone_without_javascript(address: str, open_page: Open) -> None:
    page = open_page(address, 375, refusals=True, java_script_enabled=False)
    journey(page, open_page(address, java_script_enabled=False))


# gunicorn, where nothing can be written


def test_gunicorn_replaces_a_worker_that_hangs_where_nothing_can_be_written(tmp_path: Path) -> None:
    """The heartbeat that gunicorn.conf.py keeps in memory is one: a worker whose heart stands still is killed."""
    port, log = free_port(), tmp_path / "log"
    command = readonly([*GUNICORN, "--workers=1", "--timeout=2", f"--bind={HOST}:{port}"])
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=clean_environment(DEMIJOHN_ENV="development"), stderr=output)

    def workers() -> list[str]:
        return re.findall(r"Booting worker with pid: (\d+)", log.read_text())

    with server:
        try:
            until(lambda: answers(f"http://{HOST}:{port}"), "gunicorn does not answer.")
            (worker,) = workers()
            subprocess.run(["kill", f"-{signal.SIGSTOP.value}", worker], check=True)
            until(lambda: len(workers()) == 2, "The worker was not replaced.")
            until(lambda: answers(f"http://{HOST}:{port}"), "The new worker does not answer.")
            assert f"WORKER TIMEOUT (pid:{worker})" in log.read_text()
        finally:
            server.terminate()


# How the pages are made

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
