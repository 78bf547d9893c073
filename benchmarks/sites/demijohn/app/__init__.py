"""What the glue does by hand, as a site of Demijohn's."""

# mypy: disable-error-code="name-defined, untyped-decorator"

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.orm import Mapped, Session, mapped_column

from demijohn import Site, response

NAV = ["home", "news", "account", "help"]
ITEMS = [f'line {n} of "the list" & <more>' for n in range(20)]

site = Site(Path(__file__).parent.parent)


class World(site.db.Model):
    __tablename__ = "world"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


class Account(site.db.Model):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]


def show(account: Account | None, user: int) -> str:
    return site.render("page.html", account=account, user=user, nav=NAV, items=ITEMS)


@site.get("/plaintext")
def plaintext() -> bytes:
    response.content_type = "text/plain"
    return b"Hello, World!"


@site.get("/login")
def login(session: Any) -> dict[str, Any]:
    session.update(user=42, count=0, name="Jane Doe", roles=["user", "editor"])
    return {"ok": True}


@site.get("/session-read")
def session_read(session: Any) -> dict[str, Any]:
    return {"user": session.get("user")}


@site.get("/session-write")
def session_write(session: Any) -> dict[str, Any]:
    session["count"] = session.get("count", 0) + 1
    return {"count": session["count"]}


@site.get("/db/<key:int>")
def one(key: int, db: Session) -> dict[str, Any]:
    world = db.get(World, key)
    return {"id": world.id, "number": world.number} if world else {}


@site.get("/account/<key:int>")
def account(key: int, db: Session) -> str:
    return show(db.get(Account, key), key)


@site.get("/page")
def page(db: Session, session: Any) -> str:
    user = session["user"]
    return show(db.get(Account, user), user)
