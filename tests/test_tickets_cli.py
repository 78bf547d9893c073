"""`demijohn tickets`, and tickets out of logs in each dialect."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demijohn.cli import main
from demijohn.logs.formats import Google, Json, Short
from demijohn.secrecy.hiding import Secrets
from demijohn.tickets import lines
from tests.faulty import Faulty

DOOR = """
from pathlib import Path
from tests.faulty import Faulty
application = Faulty(Path(__file__).parent).site
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    (tmp_path / "index.wsgi").write_text(DOOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    faulty = Faulty(tmp_path)
    faulty.site.create_tables()
    yield faulty
    faulty.close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["tickets", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_list_and_show(faulty: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list") == (0, "There is no ticket.\n", "")
    for path in ("/handler", "/other", "/other"):
        faulty.ask(path, HTTP_USER_AGENT="Firefox")
    tickets = {ticket["count"]: ticket for ticket in faulty.tickets()}
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert f"{tickets[2]['id']}  2 times  last " in out
    assert f"{tickets[1]['id']}  once  last " in out
    assert "the inner reason" in out
    assert out.endswith("2 tickets, 3 errors.\n")
    listed = [json.loads(line) for line in run(capsys, "list", "--json")[1].splitlines()]
    assert {ticket["id"]: ticket["count"] for ticket in listed} == {tickets[n]["id"]: n for n in (1, 2)}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", listed[0]["last"])
    id = tickets[2]["id"]
    for spelled in (id, id.upper(), id.replace("-", "")):
        status, out, _ = run(capsys, "show", spelled)
        assert status == 0
        assert "RuntimeError: the inner reason" in out
        assert "path: /other" in out
        assert "Firefox" in out
    assert len(json.loads(run(capsys, "show", id, "--json")[1])["samples"]) == 2
    assert run(capsys, "show", "aaaa-aaaa")[0] == 1


def test_clear(faulty: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("/handler", "/other", "/plugin"):
        faulty.ask(path)
    id = faulty.tickets()[0]["id"]
    assert run(capsys, "clear", "--older", "1d")[1] == "Deleted 0 tickets.\n"
    assert run(capsys, "clear", id)[1] == "Deleted 1 ticket.\n"
    status, _, err = run(capsys, "clear", id)
    assert (status, f"There is no ticket {id}" in err) == (1, True)
    assert run(capsys, "clear")[1] == "Deleted 2 tickets.\n"
    assert faulty.tickets() == []


def test_errors_are_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    (tmp_path / "index.wsgi").write_text(DOOR)
    faulty = Faulty(tmp_path)
    faulty.site.db.create_all()
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "list")
    assert (status, "demijohn db create" in err) == (1, True)
    (tmp_path / "data.sqlite").unlink()
    status, _, err = run(capsys, "list")
    assert (status, "The database is not answering" in err) == (1, True)
    monkeypatch.setenv("DEMIJOHN_TICKETS_STORE", "off")
    status, _, err = run(capsys, "list")
    assert (status, "in its log only" in err) == (1, True)
    faulty.close()


def test_what_a_log_tells_is_collected_once(
    faulty: Faulty, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each dialect, with what hosts put before it; what the database has had is not counted again."""
    told: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.getLogger("demijohn.tickets"), "handle", told.append)
    for _ in range(5):
        faulty.ask("/handler", HTTP_USER_AGENT='Fire"fox\\ 7')
    faulty.ask("/other")
    known = faulty.tickets()
    secrets = Secrets([])
    for form in (Json(secrets), Google(secrets), Short(secrets)):
        log = ["2026-01-31T12:00:00+00:00 app[web.1]: Listening", "not a {line} of a ticket", '{"ticket": 7}', "{"]
        log += [f"2026-01-31T12:00:01.5+00:00 app[web.1]: {form.format(record)}" for record in told]
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(log)))
        result = json.loads(run(capsys, "collect", "--json")[1])
        assert result == {"memcached": 0, "log": 2, "new": 0}, type(form)
        assert run(capsys, "clear")[1] == "Deleted 2 tickets.\n"
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*log, *log])))
        status, out, _ = run(capsys, "collect")
        assert (status, "6 errors that were not known" in out) == (0, True)
        again = faulty.tickets(flush=False)
        assert {t["id"]: t["count"] for t in again} == {t["id"]: t["count"] for t in known}
        sample = next(t for t in again if t["count"] == 5)["samples"][0]
        assert "the inner reason" in sample["traceback"]
        assert sample["traceback"].startswith("Traceback (most recent call last):\n")
        assert sample["request"]["headers"]["User-Agent"] == 'Fire"fox\\ 7'


def test_lines_of_others_are_left_out() -> None:
    good = {"ticket": "aaaa-bbbb", "series": "s", "error": "E", "count": 3, "at": 7.5}
    assert [one["count"] for one in lines.read([json.dumps(good)])] == [3]
    for wrong in ({"count": "3"}, {"series": ""}, {"at": None}, {"ticket": "<b>"}, {"error": 5}, {"count": None}):
        assert lines.read([json.dumps({**good, **wrong})]) == []
    assert lines.read(["", "ticket", '{"ticket"', "[" * 100_000 + "ticket", "ticket=x series=", '"ticket": {}']) == []
    assert [one["count"] for one in lines.read([json.dumps({"jsonPayload": good})])] == [3]
    for wild in ({"count": 0}, {"count": 2**63}, {"series": "s" * 17}, {"at": float("nan")}, {"at": 1e300}, {"at": -1}):
        assert lines.read([json.dumps({**good, **wild})]) == [], "the database would refuse it, and all that follow"


def test_no_visitor_makes_a_ticket_by_what_a_log_says_of_him() -> None:
    forged = "ticket=aaaa-bbbb series=s error=E count=3 at=7"
    assert len(lines.read([forged])) == 1, "a line by itself"
    for form in (Json(Secrets()), Google(Secrets()), Short(Secrets())):
        said = f"No such page: /cake {forged} {{}} \n{forged}"
        record = logging.LogRecord("shop", 20, "app.py", 1, said, (), None)
        assert lines.read([form.format(record), f"app[web.1]: {form.format(record)}"]) == []


def test_a_visitor_tells_the_terminal_nothing(faulty: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    id = faulty.site.tickets.record(
        ValueError("\x1b]0;mine\x07\x1b[2J\x9b31m\ttab caf\u00e9"), {"REQUEST_METHOD": "GET", "PATH_INFO": "/\x1b[1m"}
    )
    assert faulty.site.tickets.flush()
    for words in (("list",), ("show", str(id))):
        out = run(capsys, *words)[1]
        assert r"\x1b]0;mine\x07\x1b[2J\x9b31m" in out
        assert "caf\u00e9" in out
        assert out.replace("\n", "").isprintable()
