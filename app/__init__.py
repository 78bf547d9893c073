"""A guestbook: sign up, sign in, write, with a picture, read, search, page, sign out, here or everywhere."""

from __future__ import annotations

import os
import re
import unicodedata
from datetime import datetime, timezone
from typing import Any, Literal

from sqlalchemy import ForeignKey, String, Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from demijohn import FormsDict, HTTPError, Site, redirect, request, response
from demijohn.database.models import Shortcuts
from demijohn.errors import PasswordError
from demijohn.files import UploadError
from demijohn.security import check_password, hash_password, login_required, needs_rehash, redirect_back, safe_path

site = Site(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PER_PAGE, NAME, TEXT, QUERY, PASSWORD = 10, 40, 2000, 100, 8  # entries; characters, of a password at least
PICTURE, FORM, SIDE, ALT = 10 * 1024**2, 16 * 1024**2, 1200, 200  # bytes of a picture, of a form; pixels; characters
CONTROLS = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
BROWSERS, SYSTEMS = ("Edge", "Firefox", "Chrome", "Safari"), ("Windows", "Android", "iPhone", "iPad", "Mac", "Linux")
EXACT = {"mysql_collate": "utf8mb4_bin"}  # MariaDB usually takes "é" for "e", and any emoji for any other


def now() -> datetime:
    """The time in UTC, without a zone: what every database keeps alike."""
    return datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)


class Model(Shortcuts, DeclarativeBase, db=site.db):
    """What all models have: `get`, `create`, `delete`, ..."""


class User(Model):
    __tablename__ = "users"
    __table_args__ = EXACT
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME))
    key: Mapped[str] = mapped_column(String(3 * NAME), unique=True)  # of the name: "Anna" and "ANNA" are one person
    password: Mapped[str] = mapped_column(String(100))
    created: Mapped[datetime] = mapped_column(default=now)


class Entry(Model):
    __tablename__ = "entries"
    __table_args__ = EXACT
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    author: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    text: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(default=now)
    picture: Mapped[str | None] = site.files.column()  # its name; width and height in pixels, None where not known
    width: Mapped[int | None]
    height: Mapped[int | None]
    alt: Mapped[str] = mapped_column(String(ALT), default="")  # what can be seen on it


@site.get("/", name="entries")
def entries(session: Any, text: str = "", alt: str = "", errors: dict[str, str] | None = None) -> str:
    """The page of entries that the address asks for, with the form to write; or a draft, and what is wrong with it."""
    q, number = typed(request.query, "q").strip(), typed(request.query, "page")
    if len(q) > QUERY or CONTROLS.search(q):
        raise HTTPError(400, f"Please search for something shorter, or typed by hand: at most {QUERY} characters.")
    query = select(Entry).order_by(Entry.id.desc())
    if q:
        query = query.where(Entry.text.icontains(q, autoescape=True))
    page = site.db.page(query, number, PER_PAGE, text="The book does not go on that far.")
    draft = {"text": text, "alt": alt, "errors": errors or {}}
    return site.render(
        "index", user=signed_in(session), page=page, q=q, at=address, most=TEXT, largest=PICTURE, **draft
    )


@site.post("/", name="write", body_limit=FORM, body_memory=FORM)
def write(session: Any) -> str:  # without @login_required, whose answer would not show the text again
    user, text, alt = signed_in(session), typed(request.forms, "text").strip(), one_line(request.forms, "alt")
    upload, picture, errors = request.files.get("picture"), None, {}
    if user is None:
        errors["text"] = "You are not signed in any more. Keep a copy of your text, sign in, and add it again."
    elif not text:
        errors["text"] = "There is no text in your entry yet. Please write something."
    elif len(text) > TEXT:
        errors["text"] = f"Your entry has {len(text):,} characters, and {TEXT:,} is the most. Please shorten it."
    elif CONTROLS.search(text):
        errors["text"] = "Your entry holds a character that cannot be shown. Please type it again where it was pasted."
    if len(alt) > ALT or CONTROLS.search(alt):
        errors["alt"] = f"Please say it in other words, in {ALT} characters at most."
    if upload and errors:
        errors["picture"] = "Please choose your picture again, too."  # no browser lets a page fill it in
    try:
        picture = site.files.save_picture(upload, max_side=SIDE, limit=PICTURE) if upload and not errors else None
    except UploadError as error:
        errors["picture"] = error.message
    if user and not errors:
        entry = Entry.create(author_id=user.id, text=text, alt=alt)
        if picture:
            entry.picture, entry.width, entry.height = picture.name, picture.width, picture.height
        session.flash("Thank you, your entry is in the book.")
        redirect(site.get_url("entries"))
    response.status = 400 if user else 403
    return entries(session, text, alt, errors)


@site.post("/entries/<id>/delete", name="delete")
@login_required
def delete(id: str, session: Any) -> None:
    entry = Entry.get_or_404(id, "This entry is not in the book, or not any more.")
    if entry.author_id != session.user:
        raise HTTPError(403, "Only its author can delete an entry.")
    site.files.delete(entry.picture)
    entry.delete()
    session.flash("Your entry is deleted.")
    redirect(site.get_url("entries"))


@site.get("/sign-up", name="sign-up")
@site.get("/sign-in", name="sign-in")
def show_form() -> str:
    return site.render(request.route.name, name="", next=next_path(request.query), errors={})


@site.post("/sign-up")
def sign_up(db: Session, session: Any) -> str:
    name, password = typed_name(), typed(request.forms, "password")
    errors = {}
    if not name:
        errors["name"] = "Please choose a name."
    elif len(name) > NAME:
        errors["name"] = f"This name has {len(name):,} characters, and {NAME} is the most. Please choose a shorter one."
    elif not name.isprintable():
        errors["name"] = "This name holds a character that cannot be seen. Please choose another."
    if len(password) < PASSWORD:
        errors["password"] = f"Please choose a password of at least {PASSWORD} characters."
    try:
        if not errors:
            user = User.create(name=name, key=name.casefold(), password=hash_password(password))
            enter(session, user, f"Welcome, {name}.")
    except PasswordError as error:
        errors["password"] = str(error)
    except IntegrityError:
        db.rollback()
        errors["name"] = f"Somebody else is called {name} here. Please choose another name."
    response.status = 400
    return site.render("sign-up", name=name, next=next_path(request.forms), errors=errors)


@site.post("/sign-in")
def sign_in(db: Session, session: Any) -> str:
    name, password = typed_name(), typed(request.forms, "password")
    attempt = site.throttle.attempt(name.casefold())  # raises a 429 where there have been too many
    user = db.scalar(select(User).where(User.key == name.casefold())) if name.isprintable() else None
    db.commit()  # a password takes 0.3 s to check; others can write meanwhile
    if check_password(password, user.password if user else None) and user:
        attempt.succeeded()
        if needs_rehash(user.password):
            user.password = hash_password(password)
        enter(session, user, f"Good to see you again, {user.name}.")
    response.status = 403
    errors = {"form": "This name and this password do not belong together. Please try again."}
    return site.render("sign-in", name=name, next=next_path(request.forms), errors=errors)


@site.post("/sign-out", name="sign-out")
def sign_out(session: Any) -> None:
    everywhere = "everywhere" in request.forms and site.sessions.can_list
    if everywhere and session.user is not None:
        site.sessions.end_all(session.user)
    session.logout()
    session.flash("You are signed out everywhere." if everywhere else "You are signed out. Come back soon.")
    redirect(site.get_url("entries"))


@site.get("/account", name="account")
@login_required
def show_account(session: Any) -> str:
    user = User.get_or_404(session.user, "This account is not here any more.")
    can = site.sessions.can_list  # memcached alone, for one, cannot find the sessions of a user
    return site.render("account", user=user, visits=site.sessions.of(user.id) if can else None, own=session.id, day=day)


def day(seconds: float) -> str:
    """The day of a moment, in UTC."""
    date = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{date.day} {date:%B %Y}"


def address(q: str, page: int) -> str:
    """Where this page of the entries that say `q` is."""
    wanted = {"q": q, "page": page if page > 1 else None}
    return str(site.get_url("entries", **{key: value for key, value in wanted.items() if value}))


def signed_in(session: Any) -> User | None:
    """Who is signed in, or None."""
    return User.get(session.user)


def enter(session: Any, user: User, welcome: str) -> None:
    """Sign `user` in, and go on to where they came from: a path of this site, whatever the form says."""
    session.login(user.id)
    session["browser"] = browser()
    session.flash(welcome)
    redirect_back(site.get_url("entries"))


def browser() -> str:
    """Which browser the visitor has, as far as it says, in words of ours only: "Firefox on Linux"."""
    agent = request.environ.get("HTTP_USER_AGENT", "").replace("Edg/", "Edge/")
    found = [next(filter(agent.count, names), "") for names in (BROWSERS, SYSTEMS)]
    return " on ".join(filter(None, found)) or "A browser"


def next_path(fields: FormsDict) -> str:
    """Where to go after signing in: what the field `next` says, if it is a path of this site."""
    return safe_path(typed(fields, "next"), site.get_url("entries"))


def typed_name() -> str:
    """The name in the form, each character in one spelling, with single spaces between words."""
    return " ".join(in_one_spelling(typed(request.forms, "name"), "NFKC").split())


def one_line(fields: FormsDict, name: str) -> str:
    """What was typed into a field, with single spaces between words."""
    return " ".join(typed(fields, name).split())


def typed(fields: FormsDict, name: str) -> str:
    """What was typed into a field; one that is missing is empty."""
    text: str | None = fields.getunicode(name)
    if text is None and name in fields:
        raise HTTPError(400, "The form holds something that is not text: it should be UTF-8.")
    return in_one_spelling(text or "").replace("\r\n", "\n")


def in_one_spelling(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """An "é" is one character, and not an "e" with an accent. What is too long for any field stays as it is, and is
    refused: the time that this takes grows with the square of the length, to minutes for what a form may hold."""
    return unicodedata.normalize(form, text) if len(text) <= 3 * TEXT else text
