"""An app that keeps what is sent to it in the database that DATABASE_URL names, and tells how much memory it takes."""

from __future__ import annotations

import os
from typing import Any

import bottle

from demijohn.bodies import Bodies
from demijohn.database import Database
from demijohn.files import Files
from demijohn.files.stores.database import DatabaseStore

MB = 1024 * 1024
app = bottle.Bottle()
app.install(Bodies())
db = app.install(Database(os.environ["DATABASE_URL"]))
files = app.install(Files(lambda: DatabaseStore(db.alone, db.joins, db.metadata), limit=40 * MB))
_ = files.store
db.create_all()


@app.post("/files", body_limit=50 * MB, body_part=50 * MB)
def save() -> dict[str, Any]:
    for part in bottle.request.parts():
        if part.filename is not None:
            file = files.save(part)
    return {"url": file.url, "size": file.size}


@app.get("/memory")
def memory() -> dict[str, int]:
    """In bytes: now, and the most there ever was."""
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return {name: int(lines[key].split()[0]) * 1024 for name, key in (("now", "VmRSS"), ("most", "VmHWM"))}


@app.post("/memory")
def forget() -> None:
    """From now on, for the most there ever was."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
