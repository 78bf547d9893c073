"""Flask, Flask-SQLAlchemy and Flask-Session on memcached, with the defaults of each."""

# Flask is in an environment of its own.
# mypy: ignore-errors
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import flask
import pylibmc
from flask import Flask, jsonify, render_template, session
from flask_session import Session
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SHARED = Path(__file__).resolve().parent.parent / "demijohn"
MEMCACHED = os.environ["MEMCACHED_URL"].rpartition("/")[2]
NAV = ["home", "news", "account", "help"]
ITEMS = [f'line {n} of "the list" & <more>' for n in range(20)]


class Base(DeclarativeBase):
    pass


app = Flask(__name__, template_folder=SHARED / "views", static_folder=SHARED / "static")
app.config.update(
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
    SESSION_TYPE="memcached",
    SESSION_MEMCACHED=pylibmc.Client([MEMCACHED], behaviors={"tcp_nodelay": True}),
)
db = SQLAlchemy(app, model_class=Base)
Session(app)


class World(db.Model):
    __tablename__ = "world"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


class Account(db.Model):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]


def show(account: Account, user: int) -> str:
    return render_template("page.html", account=account, user=user, nav=NAV, items=ITEMS)


@app.get("/plaintext")
def plaintext() -> Any:
    return flask.Response(b"Hello, World!", content_type="text/plain")


@app.get("/login")
def login() -> Any:
    session.update(user=42, count=0, name="Jane Doe", roles=["user", "editor"])
    return jsonify(ok=True)


@app.get("/session-read")
def session_read() -> Any:
    return jsonify(user=session.get("user"))


@app.get("/session-write")
def session_write() -> Any:
    session["count"] = session.get("count", 0) + 1
    return jsonify(count=session["count"])


@app.get("/db/<int:key>")
def one(key: int) -> Any:
    world = db.session.get(World, key)
    return jsonify(id=world.id, number=world.number)


@app.get("/account/<int:key>")
def account(key: int) -> Any:
    return show(db.session.get(Account, key), key)


@app.get("/page")
def page() -> Any:
    user = session["user"]
    return show(db.session.get(Account, user), user)
