"""A plain Bottle app that says what it was sent."""

from __future__ import annotations

from typing import Any

import bottle
from bottle import request, response

from demijohn.bodies import Bodies

LIMIT = 100_000

app = bottle.Bottle()
app.install(Bodies(limit=LIMIT, parts=20))


def say(error: bottle.HTTPError) -> str:
    response.content_type = "text/plain; charset=utf-8"
    return str(error.body)


app.error_handler.update({400: say, 413: say})


@app.get("/")
def index() -> str:
    return "ready"


@app.post("/untouched")
def untouched() -> str:
    return "never read"


@app.post("/echo")
@app.post("/echo/large", body_limit=10 * LIMIT)
def echo() -> bytes:
    response.content_type = "application/octet-stream"
    body: bytes = request.body.read()
    assert request.content_length == len(body)
    assert not request.chunked
    return body


@app.post("/form")
def form() -> dict[str, Any]:
    return {
        "forms": list(request.forms.decode().allitems()),
        "files": [[name, file.filename, len(file.file.read())] for name, file in request.files.allitems()],
    }


@app.post("/json")
def json() -> dict[str, Any]:
    return {"json": request.json}
