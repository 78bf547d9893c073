"""A site that takes forms, files, JSON and raw bodies, in memory and as they arrive, and keeps what it is sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import Site, request, response

LARGE = 40 * 1024**2

app = Site(Path(__file__).parent)
Model: Any = app.db.Model


class Kept(Model):
    __tablename__ = "kept"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    size: Mapped[int]


@app.get("/")
def index() -> str:
    """Needs no database."""
    return "ready"


@app.get("/seen")
def seen(session: Any) -> dict[str, Any]:
    """What a request without a body says."""
    session["seen"] = session.get("seen", 0) + 1
    return {"query": list(request.query.decode().allitems()), "cookies": sorted(request.cookies)}


@app.get("/smuggled")
def smuggled() -> str:
    """What nobody asks for."""
    return "SMUGGLED"


@app.get("/kept")
def kept(db: Any) -> str:
    return str(db.scalar(select(func.count()).select_from(Kept)))


@app.post("/form")
def form(db: Any) -> str:
    """Keeps each field and each file, in the order in which they stand."""
    for name, value in request.forms.allitems():
        _keep(db, name, len(value))
    for name, file in request.files.allitems():
        _keep(db, name, len(file.file.read()))
        _folder(file.filename).write_bytes(b"whole")
    return "kept"


@app.post("/form/streamed")
def streamed(db: Any) -> str:
    """The same, as it arrives."""
    written: list[Path] = []
    try:
        for part in request.parts():
            if part.filename is None:
                _keep(db, part.name, len(part.text()))
            else:
                written.append(_folder(part.filename))
                _write(part, written[-1])
                _keep(db, part.name, part.size)
    except BaseException:
        for path in written:
            path.unlink()
        raise
    return "kept"


@app.post("/form/swallowed")
def swallowed(db: Any) -> str:
    """The same, by one who does not care whether it was whole."""
    try:
        return streamed(db)
    except Exception:
        return "kept all the same"


@app.post("/json")
def json(db: Any) -> dict[str, Any]:
    document = request.json
    _keep(db, "json", len(str(document)))
    return {"json": document}


@app.put("/raw")
def raw(db: Any) -> str:
    body = request.body.read()
    _keep(db, "raw", len(body))
    return hashlib.sha256(body).hexdigest()


@app.put("/raw/streamed", body_limit=LARGE)
def raw_streamed(db: Any) -> str:
    digest = hashlib.sha256()
    for piece in request.stream():
        digest.update(piece)
    _keep(db, "raw", 1)
    return digest.hexdigest()


@app.put("/digest", body_limit=LARGE)
def digest() -> str:
    """Needs no database."""
    found = hashlib.sha256()
    for piece in request.stream():
        found.update(piece)
    return found.hexdigest()


@app.get("/download")
def download() -> Iterator[bytes]:
    """30 MB in pieces that the server must put somewhere while they wait."""
    response.content_type = "application/octet-stream"
    for number in range(30):
        yield bytes([number]) * 1_000_000


@app.post("/large", body_limit=LARGE)
def large() -> dict[str, Any]:
    """The parts of a form: name, name of the file, size, hash. Needs no database."""
    found = []
    for part in request.parts():
        digest = hashlib.sha256()
        for piece in part:
            digest.update(piece)
        found.append([part.name, part.filename, part.size, digest.hexdigest()])
    return {"parts": found}


def _keep(db: Any, name: str, size: int) -> None:
    db.add(Kept(name=name, size=size))
    db.flush()


def _folder(name: str) -> Path:
    return Path(os.environ["UPLOADS"]) / name


def _write(part: Any, path: Path) -> None:
    with path.open("wb") as file:
        for piece in part:
            file.write(piece)
