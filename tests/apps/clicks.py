"""A site whose visitors sign in and count, each in a session of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demijohn import Site

app = Site(Path(__file__).parent)


def seen(session: Any) -> dict[str, Any]:
    """Who is signed in, and what the site has put into the session."""
    return {"user": session.user, **{key: value for key, value in session.items() if not key.startswith("_")}}


@app.get("/")
def who(session: Any) -> dict[str, Any]:
    return seen(session)


@app.post("/sign-in/<user:int>")
def sign_in(session: Any, user: int) -> dict[str, Any]:
    session.login(user)
    return seen(session)


@app.post("/sign-out")
def sign_out(session: Any) -> dict[str, Any]:
    session.logout()
    return seen(session)


@app.post("/count/<key>")
def count(session: Any, key: str) -> dict[str, Any]:
    session[key] = session.get(key, 0) + 1
    return seen(session)
