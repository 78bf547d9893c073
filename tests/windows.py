"""The guestbook, served, and windows of Chromium on it: fixtures of the tests that look at its pages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.chromium import chromium
from tests.ready import demijohn_run
from tests.services import PATIENCE
from tests.site.serving import embedded as embedded
from tests.site.visitor import PASSWORD
from tests.sites import ROOT, clean_environment, running

GUNICORN = [sys.executable, "-m", "gunicorn", "--workers=2", "--config", str(ROOT / "gunicorn.conf.py"), "main:app"]

#: What the console says of each page that is refused.
STATUS = "the server responded with a status of"


expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


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
    with running(GUNICORN, settings) as address:
        yield address


def make_tables(settings: dict[str, str]) -> None:
    demijohn_run("db", "create", folder=ROOT, environment=clean_environment(**settings)).check_returncode()


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
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if not (refusals and STATUS in m.text) else None)
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


def sign_in(page: Page, name: str) -> None:
    """On the page for it."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def write(page: Page, text: str) -> None:
    page.get_by_label("Your entry").fill(text)
    page.get_by_role("button", name="Add to the guestbook").click()
    expect(page.get_by_role("status")).to_have_text("Thank you, your entry is in the book.")
