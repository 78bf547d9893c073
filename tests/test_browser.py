"""The guestbook in Chromium: the journey, in comfort and where nothing can be written."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.readonly import readonly
from tests.services import HOST, free_port, until
from tests.site.visitor import PASSWORD, unique
from tests.sites import ROOT, answers, clean_environment
from tests.windows import GUNICORN, Open, sign_up, write


@pytest.fixture(params=["embedded", "travelling"])
def address(request: pytest.FixtureRequest) -> str:
    address: str = request.getfixturevalue(request.param)
    return address


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


def test_signing_out_everywhere_reaches_another_browser_at_its_next_click(address: str, open_page: Open) -> None:
    phone, desk, name = open_page(address, 375), open_page(address), unique("Zoë ")
    sign_up(phone, name)
    desk.get_by_role("banner").get_by_role("link", name="Sign in").click()
    desk.get_by_label("Name").fill(name)
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    expect(desk.get_by_label("Your entry")).to_be_visible()
    desk.get_by_role("link", name=f"Signed in as {name}").click()
    rows = desk.get_by_role("main").get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="this browser")).to_have_count(1)
    desk.get_by_role("button", name="Sign out everywhere").click()
    expect(desk.get_by_role("status")).to_have_text("You are signed out everywhere.")
    expect(desk.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()

    phone.get_by_role("link", name=f"Signed in as {name}").click()
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()
    phone.get_by_label("Name").fill(name)
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Sign in").click()
    expect(phone.get_by_role("heading", name="Your account")).to_be_visible()
    expect(phone.get_by_role("main").get_by_role("listitem")).to_have_count(1)


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
