"""Static files of releases before this one: two releases on one database, where no disk lasts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import bottle
import pytest

from demijohn import Site
from demijohn.cli import main
from demijohn.cli.static import keep_if_asked
from demijohn.database import Database
from demijohn.errors import ConfigError
from demijohn.static import Static
from demijohn.static.kept import LARGEST, KeepError, Kept, static_table
from tests.client import Client

FOREVER = "public, max-age=31536000, immutable"
Put = Callable[..., "Running"]


class Running:
    """A release that is up."""

    def __init__(self, folder: Path, url: str, releases: int, contents: dict[str, str]) -> None:
        for name, content in contents.items():
            path = folder / name.replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.db = Database(url)
        self.kept = Kept(self.db, releases)
        static_table(self.db.metadata)
        self.db.create_all()
        app = bottle.Bottle()
        self.static = app.install(Static(folder, kept=self.kept))
        self.client = Client(app)


@pytest.fixture
def release(tmp_path: Path, database_url: str) -> Iterator[Put]:
    """Puts up a release that has these files, `style_css="a {}"`, on a disk of its own."""
    running: list[Running] = []

    def put(releases: int = 2, **contents: str) -> Running:
        running.append(Running(tmp_path / str(len(running)), database_url, releases, contents))
        return running[-1]

    yield put
    for each in running:
        each.db.close()


def test_an_open_page_of_the_last_release_keeps_its_style(release: Put) -> None:
    style = "a { color: red } /* " + "red " * 200 + "*/"
    old = release(style_css=style, gone_js="1", same_svg="<svg/>")
    assert old.kept.keep(old.static)[:4] == (1, 3, 3, 0)
    assert old.kept.keep(old.static)[:4] == (1, 3, 0, 0), "done again, it does nothing"
    new = release(style_css="b {}", same_svg="<svg/>", new_js="2")
    addresses = [old.static.url(name) for name in ("style.css", "gone.js")]
    assert new.kept.keep(new.static)[:4] == (2, 3, 2, 0)
    for _ in range(2):
        for address, content in zip(addresses, (style, "1"), strict=True):
            answer = new.client.get(address)
            assert (answer.text, answer.header("Cache-Control")) == (content, FOREVER)
            was = old.client.get(address)
            assert (answer.header("ETag"), answer.header("Content-Type")) == (
                was.header("ETag"),
                was.header("Content-Type"),
            )
    packed = new.client.get(addresses[0], HTTP_ACCEPT_ENCODING="gzip")
    assert packed.header("ETag") == old.client.get(addresses[0], HTTP_ACCEPT_ENCODING="gzip").header("ETag")
    assert new.client.get(addresses[0], HTTP_RANGE="bytes=0-1").status == 206
    assert new.client.get(f"/static/style.css?v={addresses[0].split('.')[-2]}").text == style
    assert new.client.get("/static/gone.js").status == 404, "without the hash it is gone"


def test_what_is_kept_is_packed_however_much_was_asked_for(release: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demijohn.static.kept._MEMORY", 30_000)
    old = release(**{f"s{number}_css": f"/* {number} */" + os.urandom(8000).hex() for number in range(5)})
    old.kept.keep(old.static)
    addresses = [old.static.url(f"s{number}.css") for number in range(5)]
    new = release(s0_css="b {}")
    new.kept.keep(new.static)
    for address in addresses * 2:
        answer = new.client.get(address, HTTP_ACCEPT_ENCODING="gzip")
        assert (answer.status, answer.header("Content-Encoding")) == (200, "gzip")


def test_a_copy_of_the_old_release_that_still_runs_has_the_files_of_the_new(release: Put) -> None:
    old, new = release(style_css="a {}"), release(style_css="b {}")
    address = new.static.url("style.css")
    before = old.client.get(address)
    assert (before.status, before.header("Cache-Control")) == (404, "no-store")
    new.kept.keep(new.static)
    assert old.client.get(address).text == "b {}"


def test_so_many_releases_and_no_more(release: Put) -> None:
    releases = [release(2, style_css=f"a{n} {{}}", same_css="same") for n in range(5)]
    done = [each.kept.keep(each.static) for each in releases]
    assert [(each.number, each.added, each.dropped) for each in done] == [
        (1, 2, 0),
        (2, 1, 0),
        (3, 1, 0),
        (4, 1, 1),
        (5, 1, 1),
    ]
    found = [releases[4].client.get(each.static.url("style.css")).status for each in releases]
    assert found == [404, 404, 200, 200, 200]
    back = release(2, style_css="a3 {}", same_css="same")  # the release before is put up again
    assert back.kept.keep(back.static)[:4] == (6, 2, 0, 1)
    assert back.client.get(releases[2].static.url("style.css")).status == 404
    assert back.client.get(releases[4].static.url("style.css")).text == "a4 {}"


def test_a_large_file_is_not_kept_and_its_name_is_said(release: Put) -> None:
    old = release(video_mp4="x" * (LARGEST + 1), style_css="x" * 1_500_000)
    done = old.kept.keep(old.static)
    assert (done.too_large, done.files) == (["video.mp4"], 1)
    new = release(style_css="b")
    assert new.client.get(old.static.url("style.css")).body == b"x" * 1_500_000
    assert new.client.get(old.static.url("video.mp4")).status == 404


@pytest.mark.parametrize("why", ["no table", "down"])
def test_without_the_database_an_old_address_is_not_there(
    tmp_path: Path, sqlite_url: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "style.css").write_text("a {}")
    url = sqlite_url if why == "no table" else "mysql+pymysql://nobody@127.0.0.1:1/none"
    kept, app = Kept(Database(url), 1), bottle.Bottle()
    static, client = app.install(Static(tmp_path, kept=kept)), Client(app)
    with caplog.at_level(logging.WARNING, "demijohn"):
        for _ in range(2):
            answer = client.get("/static/style.0123456789ab.css")
            assert (answer.status, answer.header("Cache-Control")) == (404, "no-store")
    assert caplog.text.count("of older releases cannot be read") == 1
    assert client.get(static.url("style.css")).text == "a {}"
    with pytest.raises(KeepError, match=r"were not kept: .*demijohn db create"):
        kept.keep(static)


# In a site


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site's folder with two releases of one style sheet to come."""
    root = tmp_path / "site"
    (root / "static").mkdir(parents=True)
    (root / "static" / "style.css").write_text("a {}")
    (root / "index.wsgi").write_text("from demijohn import Site\napplication = Site(__file__.rpartition('/')[0])\n")
    (root / "config.yaml").write_text(f"demijohn:\n  database.url: {sqlite_url}\n  static.keep: 1\n")
    return root


@pytest.fixture
def made(site: Path) -> Iterator[Callable[[], Site]]:
    """Makes a copy of the site, and closes its connections at the end: from 3.13 on Python minds those of SQLite."""
    copies: list[Site] = []

    def make() -> Site:
        copies.append(Site(site, {"environment": "production", "secret": "a-secret-of-these-tests-and-no-other"}))
        return copies[-1]

    yield make
    for copy in copies:
        copy.db.close()


def test_the_release_command_keeps_them(
    site: Path, made: Callable[[], Site], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "--root", str(site), "create"]) == 0
    said = capsys.readouterr().out
    assert "demijohn_static" in said
    assert "Static files of release 1 are kept: 1, 1 of them new." in said
    old = made().static_url("style.css")
    (site / "static" / "style.css").write_text("b {}")
    assert Client(made()).get(old).text == "a {}"
    assert main(["static", "--root", str(site), "keep"]) == 0
    assert capsys.readouterr().out == "Static files of release 2 are kept: 1, 1 of them new.\n"
    new = made()
    assert [Client(new).get(url).text for url in (old, new.static_url("style.css"))] == ["a {}", "b {}"]
    assert main(["static", "--root", str(site), "list"]) == 0
    assert capsys.readouterr().out == f"style.css  {new.static_url('style.css')}\n"


def test_without_the_setting_there_is_nothing_to_keep(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (site / "config.yaml").read_text()
    (site / "config.yaml").write_text(text.replace("static.keep: 1", "static.keep: 0"))
    assert main(["static", "--root", str(site), "keep"]) == 1
    assert "static.keep is 0, so nothing is kept." in capsys.readouterr().err
    assert main(["db", "--root", str(site), "create"]) == 0
    assert "demijohn_static" not in capsys.readouterr().out


def test_a_release_goes_on_without_it(made: Callable[[], Site], capsys: pytest.CaptureFixture[str]) -> None:
    keep_if_asked(made())  # nobody has made the table
    assert "were not kept" in capsys.readouterr().err


def test_there_must_be_a_database_to_keep_them_in(site: Path, made: Callable[[], Site]) -> None:
    (site / "config.yaml").write_text("demijohn: {database.url: '', static.keep: 1}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1: static\.keep is set, but the site has no database"):
        made()
