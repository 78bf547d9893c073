"""A plain Bottle app that has used its database before its server forks, and goes on using it in the parent."""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import threading
import time
from typing import Any

import bottle
from sqlalchemy import String, bindparam, literal, select, text

from demijohn.database import Database

app = bottle.Bottle()
part: Database = app.install(Database(os.environ["FORKED_URL"], pool_size=4, max_overflow=4))
engine = part.engine
WHO = text("SELECT CONNECTION_ID()" if engine.dialect.name == "mysql" else "SELECT pg_backend_pid()")
MINE = select(literal("mine").label("mine"), bindparam("value", type_=String).label("value"))
PARENT = os.getpid()
#: Memory that parent and children share: how often the parent was answered rightly, and how often not.
SHARED = mmap.mmap(-1, 8)
#: By which a child wakes the thread in the parent. Until then that one sleeps in the kernel: a thread that is at work
#: while uWSGI forks may leave the interpreter's lock taken in the child, for good.
ASLEEP, WAKE = os.pipe()

# In the parent one connection is in use while the server forks, and two are at rest.
with engine.connect() as one, engine.connect() as two:
    at_rest = {connection.execute(WHO).scalar() for connection in (one, two)}
in_use = engine.raw_connection()
with engine.connect() as one, engine.connect() as two:
    at_rest = {connection.execute(WHO).scalar() for connection in (one, two)}
cursor = in_use.cursor()
cursor.execute(str(WHO))
of_parent = {*at_rest, *(row[0] for row in cursor.fetchall())}


def go_on() -> None:
    os.read(ASLEEP, 1)
    while True:
        right, wrong = struct.unpack("2I", SHARED[:])
        try:
            asked = secrets.token_hex(8)
            cursor.execute("SELECT %s", (asked,))
            fine = cursor.fetchall()[0][0] == asked
            with engine.connect() as one, engine.connect() as two:
                fine &= {connection.execute(WHO).scalar() for connection in (one, two)} == at_rest
        except Exception:
            fine = False
        SHARED[:] = struct.pack("2I", right + fine, wrong + (not fine))
        time.sleep(0.01)


threading.Thread(target=go_on, daemon=True).start()


@app.get("/")
def index() -> str:
    return "ready"


@app.get("/ask/<value>")
def ask(value: str, db: Any) -> dict[str, Any]:
    """Whether every answer was that of its question, and on which connections."""
    connections = {db.execute(WHO).scalar()}
    time.sleep(float(bottle.request.query.pause or 0))
    answers = [db.execute(MINE, {"value": value + str(number)}).one()[1] for number in range(3)]
    (row,), _ = part.alone(MINE, {"value": value + "alone"})  # as the sessions do
    right = answers == [value + str(number) for number in range(3)] and row[1] == value + "alone"
    driver = db.connection().connection.dbapi_connection
    socket_of = driver._sock.fileno() if hasattr(driver, "_sock") else driver.fileno()
    return {
        "process": os.getpid(),
        "right": right,
        "connections": sorted(connections),
        "socket": os.readlink(f"/proc/self/fd/{socket_of}"),
    }


@app.get("/parent")
def parent() -> dict[str, Any]:
    os.write(WAKE, b"!")
    right, wrong = struct.unpack("2I", SHARED[:])
    return {"process": PARENT, "right": right, "wrong": wrong, "connections": sorted(of_parent)}
