"""A site whose handlers fail, each in a way of its own, for the tests of tickets and error pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import HTTPError, Site
from demijohn.tickets import table
from tests.client import Answer, Client

SECRET = "only-the-tests-know-this-secret"
PLANTED = "planted-Zx81-never-shown"
ID = re.compile(r"[2-9a-z]{4}-[2-9a-z]{4}")


def id_in(page: str) -> str:
    """The id that a visitor is shown."""
    found = re.search(rf"<code>({ID.pattern})</code>", page)
    assert found is not None, page
    return found[1]


def raises(error: Exception) -> Any:
    def fails(*_args: Any) -> None:
        raise error

    return fails


class Faulty:
    """The site, a visitor, and what is in the table of tickets."""

    def __init__(self, root: Path, **settings: Any) -> None:
        (root / "config.yaml").write_text("name: shop\nversion: 1\n")
        for folder in ("views", "static"):
            (root / folder).mkdir(exist_ok=True)
        (root / "views" / "broken.html").write_text("<p>\n{{ nothing.here.at_all }}\n</p>")
        (root / "views" / "unclosed.html").write_text("<p>\n{% if true %}\n</p>")
        given = {name.replace("__", "."): value for name, value in settings.items()}
        self.root = root
        self.site = Site(root, {"environment": "production", "secret": SECRET, "session.type": "memory", **given})
        self.visitor = Client(self.site)
        add_handlers(self.site)

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **environ: Any) -> Answer:
        return self.visitor.ask(method, path, body, **environ)

    def tickets(self, flush: bool = True) -> list[dict[str, Any]]:
        """Those in the database, with their samples."""
        if flush:
            assert self.site.tickets.flush()
        with self.site.tickets.home.engine.connect() as connection:
            return table.read(connection, samples=True)

    def counts(self) -> dict[str, int]:
        """How often each error has happened."""
        return {ticket["error"]: ticket["count"] for ticket in self.tickets()}

    def close(self) -> None:
        self.site.tickets.waiting.any = False  # a test that leaves a database down does not wait for it
        self.site.tickets.close()
        self.site.db.close()


def add_handlers(site: Site) -> None:
    Model = site.db.Model

    class Item(Model):  # type: ignore[valid-type,misc]
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))

    @site.get("/fine")
    def fine() -> str:
        return "fine"

    @site.route("/handler", method=["GET", "POST"])
    def handler() -> str:
        bottle.request.forms.get("name")
        raise RuntimeError("the inner reason")

    @site.get("/other")
    def other() -> str:
        raise RuntimeError("the inner reason")

    @site.get("/after-writing")
    def after_writing(db: Any) -> str:
        db.add(Item(name="never kept"))
        db.flush()
        raise LookupError("after writing")

    @site.get("/template")
    def template() -> str:
        return site.render("broken")

    @site.get("/unclosed")
    def unclosed() -> str:
        return site.render("unclosed")

    @site.get("/plugin", apply=[_failing_plugin])
    def plugin() -> str:
        return "never"

    @site.get("/first-piece")
    def first_piece() -> Iterator[str]:
        raise ArithmeticError("the first piece")
        yield ""

    @site.get("/middle")
    def middle() -> Iterator[str]:
        yield "one"
        raise EOFError("in the middle")

    @site.get("/closing")
    def closing() -> Iterator[str]:
        try:
            yield "one"
            yield "two"
        finally:
            raise BufferError("while it was closed")

    @site.get("/commit")
    def commit(db: Any) -> str:
        db.add(Item(name=None))
        return "never kept"

    @site.get("/nothing-to-send")
    def nothing_to_send() -> int:
        return 5

    @site.get("/foreseen")
    def foreseen() -> str:
        raise HTTPError(500, "On purpose.")

    @site.get("/database-down")
    def database_down(db: Any) -> str:
        return str(db.scalar(text("SELECT 1")))

    @site.get("/caught")
    def caught() -> str:
        try:
            raise KeyError("caught")
        except KeyError as error:
            return str(site.tickets.record(error))

    @site.get("/secret")
    def secret(session: Any) -> str:
        session.login(17)
        password = PLANTED
        raise ValueError(f"connect(password={password!r}) to postgresql://site:{PLANTED}@db/x with {SECRET}")


def _failing_plugin(_callback: Any) -> Any:
    def fails() -> None:
        raise TimeoutError("a plugin")

    return fails
