"""The settings of what stands between the server and the handlers."""

from __future__ import annotations

from demijohn.config import kinds
from demijohn.config.option import Option

FRONT: tuple[Option, ...] = (
    Option("views.path", kinds.TEXT, "views", "The folder of the templates, beside config.yaml."),
    Option("static.path", kinds.TEXT, "static", "The folder of the static files, beside config.yaml."),
    Option("static.url", kinds.PATH, "/static", "Where the static files are served."),
    Option("body.limit", kinds.SIZE, 4 * 1024**2, "The largest request body that is read.", "bytes"),
)
