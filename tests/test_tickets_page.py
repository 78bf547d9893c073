"""The page that development shows of an error."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.chromium import chromium
from tests.faulty import PLANTED, SECRET, Faulty, raises
from tests.readonly import readonly
from tests.sites import EMBEDDED, clean_environment, running


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Faulty]:
    faulty = Faulty(tmp_path, environment="development", tickets__store="off")
    yield faulty
    faulty.close()


def shown(faulty: Faulty, fail: Any, **environ: Any) -> str:
    faulty.site.route("/shown", callback=fail)
    answer = faulty.ask("/shown", **environ)
    assert answer.status == 500
    return answer.text


def test_source_and_variables_of_each_line(faulty: Faulty) -> None:
    def pour(volume: int) -> None:
        bottle = ["<green>", {"of": "glass"}]
        raise RuntimeError(f"{volume} litres do not fit <here> & {bottle[0]}")

    def fail() -> None:
        pour(54)

    page = shown(faulty, fail)
    assert "RuntimeError" in page
    assert "54 litres do not fit &lt;here&gt; &amp; &lt;green&gt;" in page
    assert "<green>" not in page
    assert re.search(r'class="here"><b>\d+</b>\s+raise RuntimeError', page)
    assert "<th>volume</th><td><code>54</code>" in page
    assert "{&#039;of&#039;: &#039;glass&#039;}" in page
    assert "<textarea readonly" in page
    assert "REQUEST_METHOD" in page
    assert "<script" not in page.lower()
    assert re.search(r"ticket <code>[2-9a-z]{4}-[2-9a-z]{4}</code>", page)


def test_its_style_is_allowed_by_its_own_policy(faulty: Faulty) -> None:
    answer = faulty.ask("/handler")
    (policy,) = [value for name, value in answer.headers if name.lower() == "content-security-policy"]
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert " style=" not in answer.text


def test_nothing_secret_is_shown(faulty: Faulty) -> None:
    def fail(session: Any) -> None:
        class Card:
            def __repr__(self) -> str:
                return f"Card(owner='ann', pin='{PLANTED}', api_key=\"{PLANTED}\")"

        settings = {"user": "ann", "db_password": PLANTED, "nested": [{"Authorization": f"Basic {PLANTED}"}]}
        api_token, csrf, card = PLANTED, PLANTED, Card()
        harmless = f"postgresql://site:{PLANTED}@db/x?sslkey={PLANTED} {SECRET}"
        note = "no secret"
        raise ValueError(settings, api_token and csrf and card, harmless, note)

    page = shown(
        faulty,
        fail,
        QUERY_STRING=f"token={PLANTED}&page=7",
        HTTP_COOKIE=f"session={PLANTED}",
        HTTP_AUTHORIZATION=f"Bearer {PLANTED}",
        HTTP_X_CSRF_TOKEN=PLANTED,
    )
    assert PLANTED not in page
    assert SECRET not in page
    assert "(hidden)" in page
    assert "no secret" in page
    assert "page=7" in page
    assert "owner=&#039;ann&#039;" in page


def test_values_that_are_huge_or_cannot_be_shown(faulty: Faulty) -> None:
    def fail() -> None:
        class Mute:
            def __repr__(self) -> str:
                raise OSError("no words")

        mute, rows, text = Mute(), list(range(1_000_000)), "x" * 5_000_000
        deep: list[Any] = []
        deep.append(deep)
        number = 10**6000
        raise LookupError(len([mute, rows, text, deep, number]))

    page = shown(faulty, fail)
    assert len(page) < 200_000
    assert "&lt;Mute, whose repr raises OSError&gt;" in page
    assert "999,970 more" in page
    assert "(5,000,000 in all)" in page
    assert "bits&gt;" in page


def test_an_error_that_cannot_say_anything(faulty: Faulty) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    def fail() -> None:
        raise MuteError

    assert "MuteError" in shown(faulty, fail)


@pytest.mark.parametrize("notes", [["<first>", 17, Faulty], 17])
def test_notes_of_any_kind(faulty: Faulty, notes: Any) -> None:
    error = LookupError("it")
    error.__notes__ = notes
    page = shown(faulty, raises(error))
    assert '<pre class="said">17</pre>' in page
    assert "<first>" not in page
    assert "Click into it" in page


def test_chained_errors(faulty: Faulty) -> None:
    def fail() -> None:
        try:
            try:
                raise KeyError("the first")
            except KeyError:
                raise IndexError("the second")  # noqa: B904
        except IndexError as error:
            raise RuntimeError("the third") from error

    page = shown(faulty, fail)
    main = page.partition("<main>")[2].partition("<textarea")[0]
    assert main.index("the first") < main.index("the second") < main.index("the third")
    assert main.count("led directly to") == 1
    assert main.count("was handled, the next one") == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no groups of exceptions before 3.11")
def test_groups_of_errors(faulty: Faulty) -> None:
    def fail() -> None:
        members = [ValueError("one of it"), ExceptionGroup("inner", [TypeError("two of it")])]  # noqa: F821
        group = ExceptionGroup("all of it", members)  # noqa: F821
        group.add_note("a note to it")
        raise group

    main = shown(faulty, fail).partition("<main>")[2].partition("<textarea")[0]
    for words in ("one of it", "two of it", "a note to it"):
        assert words in main


def test_a_deep_recursion_is_cut(faulty: Faulty) -> None:
    def dig(depth: int) -> int:
        return dig(depth + 1)

    def fail() -> int:
        route = bottle.request.route  # whose repr does not end, for a function that names itself
        return dig(route is None)

    page = shown(faulty, fail)
    assert "calls are left out" in page
    assert len(page) < 500_000


@pytest.mark.parametrize(("path", "line"), [("/template", "{{ nothing.here.at_all }}"), ("/unclosed", "{% if true %}")])
def test_an_error_in_a_template_points_at_its_line(faulty: Faulty, path: str, line: str) -> None:
    page = faulty.ask(path).text
    assert f'<span class="here"><b>2</b> {line}</span>' in page


def test_a_program_gets_the_traceback_too(faulty: Faulty) -> None:
    told = faulty.ask("/handler", HTTP_ACCEPT="application/json").json
    assert "RuntimeError: the inner reason" in told["traceback"]
    assert "traceback" not in faulty.ask("/nowhere", HTTP_ACCEPT="application/json").json


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    Faulty(tmp_path, environment="development").close()
    program = f"""
from pathlib import Path
from demijohn import Site
from tests.client import Client
site = Site(Path({str(tmp_path)!r}), {{"environment": "development"}})
site.route("/boom", callback=lambda: {{}}["missing"])
print(Client(site).get("/boom").text)
"""
    command = readonly([sys.executable, "-c", program])
    run = subprocess.run(command, capture_output=True, text=True, env=clean_environment(PYTHONDONTWRITEBYTECODE="1"))
    assert "KeyError" in run.stdout, run.stderr
    assert "Shown because" in run.stdout


def test_in_a_browser_nothing_is_refused(tmp_path: Path) -> None:
    Faulty(tmp_path).close()
    (tmp_path / "index.wsgi").write_text(
        "import os\nfrom demijohn import Site\n"
        "application = site = Site(os.path.dirname(os.path.abspath(__file__)))\n"
        "@site.get('/boom')\ndef boom():\n    volume = 54\n    raise RuntimeError('too much')\n"
    )
    said: list[str] = []
    with running(EMBEDDED, {"DEMIJOHN_ENV": "development"}, tmp_path, [tmp_path]) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.goto(address + "/boom")
        assert page.locator("h1").inner_text() == "RuntimeError"
        assert page.locator("header").evaluate("element => getComputedStyle(element).color") == "rgb(255, 255, 255)"
        page.locator("details").first.locator("summary").click()
        assert page.locator("details").first.get_attribute("open") is not None
        left = [page.locator(words).first.bounding_box()["x"] for words in ("h1", "details")]  # type: ignore[index]
        assert left[0] == left[1]
        for width, scheme in ((1280, "light"), (320, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert Axe().run(page).response["violations"] == []
        page.close()
    assert [line for line in said if "500" not in line and "favicon" not in line] == []
