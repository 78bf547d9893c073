"""Draws docs/guestbook.png, the picture in the README: `python -m tests.screenshot`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.chromium import chromium
from tests.site.visitor import Visitor
from tests.sites import EMBEDDED, ROOT, running

PICTURE = ROOT / "docs" / "guestbook.png"
ENTRIES = [
    ("Ingrid", "The key was under the third pot, as promised, and so was a note about the bees. They were polite."),
    ("Tomás Ferreira", "Three days of rain.\nTwo games of chess lost.\nOne excellent library."),
    ("Wanjiru", "We only stopped to ask the way. That was on Tuesday. Thank you for the plum cake, and for Wednesday."),
    ("Marguerite", "Whoever mended the gate: it swings like a door in a film now. I went through it twice."),
    ("Anselm", "Carried the demijohn up from the cellar without spilling a drop. Carrying it down again was easier."),
]


def draw(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"DATABASE_URL": f"sqlite:///{folder}/site.sqlite"}
        with running(EMBEDDED, settings) as address, chromium() as browser:
            for name, text in reversed(ENTRIES):
                visitor = Visitor(address).sign_up(name)
                visitor.get("/")  # takes the welcome away
                visitor.write(text)
            context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme="light")
            for cookie in visitor.cookies:
                context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": address}])
            page = context.new_page()
            page.goto(address)
            page.reload()  # without the thanks for the last entry
            page.get_by_label("Your entry").fill("The bees send their regards, too.")
            page.locator("textarea").blur()
            page.screenshot(path=picture)
            context.close()


if __name__ == "__main__":
    draw(PICTURE)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")
