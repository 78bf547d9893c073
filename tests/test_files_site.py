"""Files in a site: with the request or not at all, found again by their address, known to what makes the tables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import HTTPError, Site, request
from demijohn.errors import DemijohnError
from demijohn.files import Files, FileTypeError, UploadError
from demijohn.files.serve import disposition
from demijohn.files.stores.base import Store
from demijohn.files.stores.database import DatabaseStore
from demijohn.files.stores.memory import MemoryStore
from tests.client import Client

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7 " + b"0123456789" * 10
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
HTML = b"  <!doctype html><script>alert(1)</script>"


def make_site(root: Path, url: str, **settings: Any) -> Site:
    # What stands in the address counts as a default, as it does where nobody has set files.store.
    return Site(root, {"environment": "development", "database.url": url, **settings})


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    site = make_site(tmp_path, database_url)

    class Note(site.db.Model):  # type: ignore[name-defined]
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)
        picture: Mapped[str | None] = site.files.column(nullable=True)

    @site.post("/save")
    def save(db: Any) -> dict[str, Any]:
        if "begun" in request.query:
            db.add(Note())  # the transaction begins before the file is saved: on SQLite the file is a part of it
            db.flush()
        file = site.files.save(request.body)
        db.add(Note(picture=file.name))
        if "fail" in request.query:
            raise HTTPError(400, "No.")
        if "break" in request.query:
            raise RuntimeError("No.")
        if "refused" in request.query:
            db.add(Note(id=1))
            db.add(Note(id=1))  # which the database refuses at the commit
        return {"name": file.name}

    @site.post("/delete/<name>")
    def delete(name: str, db: Any) -> str:
        site.files.delete(name)
        assert site.files.exists(name)  # not before the rest is committed
        if "fail" in request.query:
            raise HTTPError(400, "No.")
        return "gone"

    @site.post("/stream")
    def stream() -> Iterator[bytes]:
        yield b"begun "
        yield site.files.save(request.body).name.encode()
        if "fail" in request.query:
            raise RuntimeError("No.")

    @site.get("/mine/<name>")
    def mine(name: str) -> Any:
        return site.files.serve(name, filename=request.query.getunicode("as"))

    site.create_tables()
    yield site
    site.db.close()


@pytest.fixture
def client(site: Site) -> Client:
    return Client(site)


def kept(site: Site) -> dict[str, int]:
    return {file.name: file.uses for file in site.files.store.kept()}


def pieces(site: Site) -> int:
    store: Any = site.files.store
    with site.db.unit() as db:
        return len(db.execute(select(store.tables[1].c.mark)).all())


@pytest.mark.parametrize("begun", ["", "begun"])
@pytest.mark.parametrize("how", ["fail", "break", "refused"])
def test_a_request_that_fails_leaves_no_file(how: str, begun: str, site: Site, client: Client) -> None:
    other = site.files.save(PDF).name  # by somebody else
    answer = client.ask("POST", f"/save?{how}&{begun}", PNG)
    assert answer.status >= 400
    assert (kept(site), pieces(site)) == ({other: 1}, 1)
    answer = client.ask("POST", f"/save?{how}&{begun}", PDF)  # what is there already is not taken from him
    assert answer.status >= 400
    assert (kept(site), pieces(site)) == ({other: 1}, 1)
    assert b"".join(site.files.open(other)) == PDF


@pytest.mark.parametrize("begun", ["", "begun"])
def test_a_request_that_succeeds_leaves_the_file_and_its_row(begun: str, site: Site, client: Client) -> None:
    name = client.ask("POST", f"/save?{begun}", PNG).json["name"]
    assert client.ask("POST", f"/save?{begun}", PNG).json["name"] == name
    assert (kept(site), pieces(site)) == ({name: 2}, 1)
    assert client.get(f"/files/{name}").body == PNG


def test_a_file_goes_with_the_commit_and_not_without(site: Site, client: Client) -> None:
    name = site.files.save(PNG).name
    assert client.post(f"/delete/{name}?fail").status == 400
    assert kept(site) == {name: 1}
    assert client.post(f"/delete/{name}").status == 200
    assert (kept(site), pieces(site)) == ({}, 0)
    assert client.get(f"/files/{name}").status == 404


def test_a_file_that_is_saved_while_the_answer_is_sent_stays_if_that_comes_to_its_end(
    site: Site, client: Client
) -> None:
    with pytest.raises(RuntimeError):
        client.ask("POST", "/stream?fail", PNG)
    assert (kept(site), pieces(site)) == ({}, 0)
    name = client.ask("POST", "/stream", PNG).text.split()[1]
    assert kept(site) == {name: 1}


def test_out_of_a_request_it_is_at_once(site: Site) -> None:
    name = site.files.save(PNG).name
    assert kept(site) == {name: 1}
    site.files.delete(name)
    assert kept(site) == {}


# What goes out


@pytest.fixture
def files() -> Files:
    return Files(MemoryStore())


@pytest.fixture
def served(files: Files) -> Client:
    app = bottle.Bottle()
    app.install(files)
    return Client(app)


@pytest.mark.parametrize(
    ("content", "type", "shown"),
    [
        (PNG, "image/png", "inline"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg", "inline"),
        (b"GIF89a" + HTML, "image/gif", "inline"),
        (b"RIFF\1\2\3\4WEBPrest", "image/webp", "inline"),
        (PDF, "application/pdf", "attachment"),
        (SVG, "application/octet-stream", "attachment"),
        (HTML, "application/octet-stream", "attachment"),
        (b"PK\3\4", "application/octet-stream", "attachment"),
        (b"\x89PNG", "application/octet-stream", "attachment"),
        (b"", "application/octet-stream", "attachment"),
    ],
)
def test_nothing_that_is_served_can_be_taken_for_a_page(
    content: bytes, type: str, shown: str, files: Files, served: Client
) -> None:
    file = files.save(content)
    answer = served.get(file.url)
    assert (answer.status, answer.body, file.type) == (200, content, type)
    headers = dict(answer.headers)
    assert headers == {
        "Content-Type": type,
        "Content-Length": str(len(content)),
        "Content-Disposition": shown,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "Etag": f'"{file.name.partition(".")[0]}"',
    }


def test_conditions_and_ranges(files: Files, served: Client) -> None:
    file = files.save(PDF)
    etag = served.get(file.url).header("ETag")
    assert served.get(file.url, HTTP_IF_NONE_MATCH=f'"x", W/{etag}').status == 304
    part = served.get(file.url, HTTP_RANGE="bytes=5-8")
    assert (part.status, part.body, part.header("Content-Range")) == (206, PDF[5:9], f"bytes 5-8/{len(PDF)}")
    assert served.get(file.url, HTTP_RANGE="bytes=5-8", HTTP_IF_RANGE='"other"').body == PDF
    beyond = served.get(file.url, HTTP_RANGE="bytes=1000-")
    assert (beyond.status, beyond.header("Content-Range")) == (416, f"bytes */{len(PDF)}")
    assert served.get(file.url, HTTP_IF_MATCH='"other"').status == 412
    head = served.ask("HEAD", file.url)
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(PDF)))
    assert served.ask("POST", file.url, b"x").status == 405


def test_a_file_that_is_not_there_may_come_yet(served: Client) -> None:
    for name in ("a" * 32 + ".png", "nothing", "private-" + "a" * 32 + ".png"):
        answer = served.get(f"/files/{name}")
        assert (answer.status, answer.header("Cache-Control")) == (404, "no-store")


def test_a_private_file_goes_out_by_its_handler_alone(site: Site, client: Client) -> None:
    file = site.files.save(PDF, private=True)
    assert client.get(file.url).status == 404
    answer = client.get(f"/mine/{file.name}")
    assert (answer.status, answer.body) == (200, PDF)
    assert answer.header("Cache-Control") == "private, no-cache"
    assert answer.header("Content-Disposition") == "attachment"
    named = client.get(f"/mine/{file.name}?as=R%C3%A9sum%C3%A9.pdf")
    expected = "attachment; filename=\"R_sum_.pdf\"; filename*=UTF-8''R%C3%A9sum%C3%A9.pdf"
    assert named.header("Content-Disposition") == expected
    assert client.get(f"/mine/{file.name}", HTTP_IF_NONE_MATCH=answer.header("ETag")).status == 304
    assert client.get("/mine/" + "a" * 32 + ".pdf").status == 404


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("plan.pdf", 'attachment; filename="plan.pdf"'),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\Users\\x\\plan.pdf", 'attachment; filename="plan.pdf"'),
        ('a"b%c.pdf', "attachment; filename=\"a_b_c.pdf\"; filename*=UTF-8''a%22b%25c.pdf"),
        ("two\r\nSet-Cookie: x=1", 'attachment; filename="two__Set-Cookie: x=1"'),
        ("exe.\N{RIGHT-TO-LEFT OVERRIDE}fdp", 'attachment; filename="exe._fdp"'),
        ("..", f'attachment; filename="{"a" * 32}.pdf"'),
        ("", f'attachment; filename="{"a" * 32}.pdf"'),
    ],
)
def test_a_name_for_the_visitor_s_disk_does_no_harm_there(filename: str, said: str) -> None:
    assert disposition("a" * 32 + ".pdf", filename) == said


def test_a_type_is_told_by_content_and_not_by_what_is_declared(files: Files) -> None:
    upload = bottle.FileUpload(io.BytesIO(HTML), "picture", "cat.png", {"Content-Type": "image/png"})
    with pytest.raises(FileTypeError) as caught:
        files.save(upload, types=("image/png", "image/jpeg"))
    assert str(caught.value) == "This file is not one of these: PNG or JPEG. Please choose another."
    assert caught.value.found == "application/octet-stream"
    assert files.save(upload.file.getvalue()).type == "application/octet-stream"


@pytest.mark.parametrize("source", [bottle.FormsDict().picture, bottle.FormsDict().get("picture")])
@pytest.mark.parametrize("save", ["save", "save_picture"])
def test_a_field_that_was_left_empty_is_the_visitor_s_matter(save: str, source: Any, files: Files) -> None:
    with pytest.raises(UploadError, match="Please choose one") as caught:
        getattr(files, save)(source)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("source", ["text", 5])
def test_what_holds_no_bytes_is_a_mistake(source: Any, files: Files) -> None:
    with pytest.raises(TypeError, match="A file is made of bytes, a file object, an upload or an iterable of bytes"):
        files.save(source)


# Where the connection is cut


def test_what_is_said_twice_because_a_connection_was_cut_counts_once(site: Site) -> None:
    """`Database.alone` runs a statement again where its connection turns out to have been cut: perhaps too late."""

    def twice(statement: Any, parameters: Any) -> Any:
        if statement.is_select:
            return site.db.alone(statement, parameters)
        site.db.alone(statement, parameters)
        return site.db.alone(statement, parameters)

    store: Store = DatabaseStore(twice, lambda: False, site.db.metadata)
    files = Files(store)
    for count in (1, 2, 3):
        name = files.save(PNG).name
        assert kept(site) == {name: count}
    assert b"".join(files.open(name)) == PNG
    for left in (2, 1):
        files.delete(name)
        assert kept(site) == {name: left}
    files.delete(name)
    assert (kept(site), pieces(site)) == ({}, 0)


def test_an_error_of_files_is_of_the_family() -> None:
    from demijohn.files import errors

    found = [value for value in vars(errors).values() if isinstance(value, type) and value.__name__.endswith("Error")]
    assert len(found) > 6
    assert all(issubclass(kind, (DemijohnError, bottle.HTTPError)) for kind in found)
