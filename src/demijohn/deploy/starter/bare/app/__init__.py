"""A site of one page, which greets whoever tells a name."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from demijohn import HTTPError, Site, redirect, request

site = Site(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = 40  # characters


class Guest(site.db.Model):
    __tablename__ = "guests"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME))


@site.get("/", name="index")
def index(db: Session, session: Any) -> str:
    return site.render("index", name=session.get("name"), count=db.scalar(select(func.count(Guest.id))), most=NAME)


@site.post("/", name="greet")
def greet(session: Any) -> None:
    name = request.forms.name.strip()
    if not (name.isprintable() and 0 < len(name) <= NAME):
        raise HTTPError(400, f"Please tell a name of at most {NAME} characters.")
    Guest.create(name=name)
    session["name"] = name
    session.flash("Thank you.")
    redirect(site.get_url("index"))
