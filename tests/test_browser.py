"""The guestbook in Chromium: the journey, pictures, in comfort and where nothing can be written."""

from __future__ import annotations

import io
import re
import signal
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.readonly import Sealed
from tests.services import HOST, free_port, until
from tests.site.visitor import PASSWORD, Visitor, unique
from tests.sites import ROOT, answers, clean_environment
from tests.windows import GUNICORN, Open, sign_in, sign_up, write


def journey(page: Page, stranger: Page, address: str) -> None:
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
    elsewhere = Visitor(address)
    elsewhere.post("/sign-in", name=name, password=PASSWORD)
    for number in range(2, 12):
        elsewhere.write(f"{word} number {number}.")
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


def test_the_journey_where_nothing_can_be_written(travelling: str, open_page: Open) -> None:
    journey(open_page(travelling, refusals=True), open_page(travelling), travelling)


def test_the_journey_on_a_phone_without_javascript(embedded: str, open_page: Open) -> None:
    page = open_page(embedded, 375, refusals=True, java_script_enabled=False)
    journey(page, open_page(embedded, java_script_enabled=False), embedded)
    text = unique("A wall. ")
    sign_up(page, unique("Zoë "))
    page.get_by_label("Your entry").fill(text)
    page.get_by_text("Add a picture").click()
    page.get_by_label("Picture", exact=True).set_input_files(payload("wall.png", picture()))
    page.get_by_label("What it shows").fill("A wall")
    page.get_by_role("button", name="Add to the guestbook").click()
    entry = page.get_by_role("article").filter(has_text=text)
    expect(entry.get_by_role("img", name="A wall")).to_be_visible()
    expect(entry.locator("time")).to_have_text(re.compile(r"^[1-3]?\d [A-Z][a-z]+ 20\d\d$"))


def test_signing_out_everywhere_reaches_another_browser_at_its_next_click(travelling: str, open_page: Open) -> None:
    phone, desk, name = open_page(travelling, 375), open_page(travelling), unique("Zoë ")
    sign_up(phone, name)
    desk.get_by_role("banner").get_by_role("link", name="Sign in").click()
    sign_in(desk, name)
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
    sign_in(phone, name)
    expect(phone.get_by_role("heading", name="Your account")).to_be_visible()
    expect(phone.get_by_role("main").get_by_role("listitem")).to_have_count(1)


def test_who_was_signed_out_elsewhere_is_shown_the_way_in(embedded: str, open_page: Open) -> None:
    page, name = open_page(embedded, refusals=True), unique("Zoë ")
    sign_up(page, name)
    write(page, unique("Mine. "))
    other = Visitor(embedded)
    other.post("/sign-in", name=name, password=PASSWORD)
    other.post("/sign-out", everywhere="yes")
    page.get_by_text("Delete this entry").first.click()
    page.get_by_role("button", name="Yes, delete it").first.click()
    expect(page.get_by_role("heading", name="Please sign in")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(page, name)
    expect(page.get_by_role("status")).to_have_text(f"Good to see you again, {name}.")


# Pictures, and what the script does


def test_a_picture_is_added_shown_and_deleted_by_the_keyboard(travelling: str, open_page: Open) -> None:
    page, text = open_page(travelling, 375, refusals=True, color_scheme="dark"), unique("The tower. ")
    field, words = page.get_by_label("Picture", exact=True), page.get_by_label("What it shows")
    sign_up(page, unique("Zoë "))
    page.get_by_label("Your entry").fill(text)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Add a picture")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(field).to_be_focused()
    expect(words).to_be_hidden()
    field.set_input_files(payload("no.png", b"<html>"))
    page.keyboard.press("Tab")
    expect(words).to_be_focused()
    page.keyboard.type("A tower")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This file is not one of these: PNG, JPEG, GIF or WebP.")).to_be_visible()
    expect(field).to_be_focused()
    expect(page.get_by_label("Your entry")).to_have_value(text)
    expect(words).to_have_value("A tower")
    expect(page.get_by_role("img", name="The picture you have chosen")).to_have_count(0)

    field.set_input_files(payload("tower.png", picture()))
    preview = page.get_by_role("img", name="The picture you have chosen")
    expect(preview).to_be_visible()
    assert preview.evaluate("canvas => [canvas.width, canvas.height]") == [560, 840]
    assert Axe().run(page).response["violations"] == []
    words.press("Tab")
    expect(page.get_by_role("button", name="Add to the guestbook")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Thank you, your entry is in the book.")
    entry = page.get_by_role("article").filter(has_text=text)
    shown = entry.get_by_role("img", name="A tower")
    shown.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete", arg=shown.element_handle())
    assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [800, 1200]
    box = shown.bounding_box()
    assert box is not None
    assert box["width"] <= 375
    assert box["height"] <= 600  # three quarters of the window
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert Axe().run(page).response["violations"] == []

    source = shown.get_attribute("src")
    entry.locator("summary").press("Enter")
    page.keyboard.press("Tab")
    expect(entry.get_by_role("button", name="Yes, delete it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your entry is deleted.")
    assert page.request.get(f"{travelling}{source}").status == 404


def test_the_script_counts_what_is_left_as_the_site_does(embedded: str, open_page: Open, tmp_path: Path) -> None:
    page = open_page(embedded, timezone_id="Pacific/Kiritimati")
    sign_up(page, unique("Zoë "))
    field, left = page.get_by_label("Your entry"), page.locator("#text-left")
    for text, said in {
        "x" * 1500: "",
        " " + "x" * 1501 + "\n": "499 left",
        "🍾" * 9 + "u\N{COMBINING DIAERESIS}" * 1992: "1 too many",
        "🍾" * 9 + "x" * 1991: "0 left",
    }.items():
        field.fill(text)
        expect(left).to_have_text(said)
    page.get_by_text("Add a picture").click()
    picture_field = page.get_by_label("Picture", exact=True)
    (tmp_path / "large.png").write_bytes(bytes(10 * 1024**2 + 1))
    picture_field.set_input_files(tmp_path / "large.png")
    assert (
        picture_field.evaluate("field => field.validationMessage") == "This file is too large. Please choose another."
    )
    picture_field.set_input_files(payload("small.png", picture()))
    assert picture_field.evaluate("field => field.checkValidity()")
    page.get_by_role("button", name="Add to the guestbook").click()
    expect(page.get_by_role("status")).to_have_text("Thank you, your entry is in the book.")
    time = page.get_by_role("article").first.locator("time")
    instant = datetime.fromisoformat((time.get_attribute("datetime") or "").replace("Z", "+00:00"))
    there = instant.astimezone(timezone(timedelta(hours=14)))
    expect(time).to_have_text(f"{there.day} {there:%B %Y} at {there:%H:%M}")


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def picture() -> bytes:
    output = io.BytesIO()
    Image.radial_gradient("L").resize((1600, 2400)).save(output, "PNG", compress_level=1)
    return output.getvalue()


# gunicorn, where nothing can be written


def test_gunicorn_replaces_a_worker_that_hangs_where_nothing_can_be_written(tmp_path: Path) -> None:
    """The heartbeat that gunicorn.conf.py keeps in memory is one: a worker whose heart stands still is killed."""
    port, log = free_port(), tmp_path / "log"
    command = [*GUNICORN, "--workers=1", "--timeout=10", f"--bind={HOST}:{port}"]
    with log.open("wb") as output:
        server = Sealed(command, cwd=ROOT, env=clean_environment(DEMIJOHN_ENV="development"), stderr=output)

    def workers() -> list[str]:
        return re.findall(r"Booting worker with pid: (\d+)", log.read_text())

    with server:
        try:
            until(lambda: answers(f"http://{HOST}:{port}"), "gunicorn does not answer.")
            worker = workers()[-1]  # the first may have taken too long to begin
            subprocess.run(["kill", f"-{signal.SIGSTOP.value}", worker], check=True)
            until(lambda: workers()[-1] != worker, "The worker was not replaced.")
            until(lambda: answers(f"http://{HOST}:{port}"), "The new worker does not answer.")
            assert f"WORKER TIMEOUT (pid:{worker})" in log.read_text()
        finally:
            server.terminate()
