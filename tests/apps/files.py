"""Static files of the folder FOLDER, for `tests.servers`."""

from __future__ import annotations

import os

import bottle

from demijohn.static import Static

app = bottle.Bottle()
app.install(Static(os.environ["FOLDER"]))
