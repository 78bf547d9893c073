"""What docs/models.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from demijohn import Site, request
from tests.client import Client
from tests.sites import ROOT

GUIDE = (ROOT / "docs" / "models.md").read_text()


def run(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "models.md", "exec", dont_inherit=True), names)  # noqa: S102


def test_the_guide_to_models(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    (template,) = re.findall(r"```html\n(.*?)```", GUIDE, re.S)
    models, job, typed, pages = blocks
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "notes.html").write_text(template)
    url = f"sqlite:///{tmp_path / 'notes.sqlite'}"
    site = Site(tmp_path, {"environment": "development", "database.url": url, "session.type": "memory"})
    names: dict[str, Any] = {"site": site, "request": request, "__name__": "guide"}
    for block in (models, typed, pages.replace('"/notes")', '"/notes", name="notes")')):
        run(block, names)
    assert {"notes", "authors"} <= set(site.create_tables())
    visitor = Client(site)
    assert visitor.post("/notes", {"text": "first"}).json == {"id": 1}
    assert visitor.get("/notes/1").json == {"text": "first"}
    assert visitor.post("/notes/1", {"text": "changed"}).status == 200
    run(job, names)
    assert visitor.get("/notes/1").json == {"text": "So is this."}
    assert visitor.ask("DELETE", "/notes/1").status == 200
    missing = visitor.get("/notes/1")
    assert missing.status == 404
    assert "There is no such note." in missing.text
    for number in range(30):
        visitor.post("/notes", {"text": f"note {number}"})
    page = visitor.get("/notes").text
    assert "1 to 20 of 31" in page
    assert "note 29" in page
    assert 'href="/notes?page=2">On' in page
    assert "21 to 31 of 31" in visitor.get("/notes?page=2").text
    assert visitor.get("/notes?page=x").status == 400
    site.close()
