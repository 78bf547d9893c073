"""What docs/data.md shows is what happens."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from demijohn.cli.db import arguments
from tests.sites import ROOT
from tests.trove import Trove

GUIDE = (ROOT / "docs" / "data.md").read_text()
#: In blocks and within the text, as far as a pipe, a quote or a comment.
COMMANDS = re.findall(r"demijohn db ((?:populate|dummy|dump|load|shell)[^\n`|#]*)", GUIDE)


@pytest.mark.parametrize("command", sorted({command.strip() for command in COMMANDS} - {"populate", "dummy"}))
def test_command_is_understood(command: str) -> None:
    parser = argparse.ArgumentParser()
    arguments(parser)
    words = shlex.split(
        re.sub(r"[\[\]]|< .*|'$", "", command) if command.count("'") == 1 else command.partition(" <")[0]
    )
    if words == ["dummy", "N"] or words == ["load"]:
        return
    assert parser.parse_args(words).action == words[0]


def test_complaints(sqlite_trove: Trove) -> None:
    (shown,) = re.findall(r"```\n(Nothing was put.*?)```", GUIDE, re.S)
    rows = [[f"name{row}", str(row), ""] for row in range(1, 60)]
    rows[15][1], rows[38][0] = "abc", "name1"
    path = sqlite_trove.file("users.csv", "name,age,bio\n" + "".join(f"{','.join(row)}\n" for row in rows))
    assert sqlite_trove.run("populate", path) == (1, "", shown)


def test_seed_files(sqlite_trove: Trove) -> None:
    """An offset is turned into UTC, a flag is on, an interval has days."""
    cells = dict(re.findall(r"^\| (date, time, both|interval) \| (.*) \|$", GUIDE, re.M))
    *_, both = re.findall("`([^`]+)`", cells["date, time, both"])
    *_, span = re.findall("`([^`]+)`", cells["interval"])
    row = {"code": "a", "moment": both, "span": span, "flag": "on"}
    assert sqlite_trove.run("populate", sqlite_trove.file("things.json", [row]))[0] == 0
    moment, length, flag = sqlite_trove.rows("things", "moment", "span", "flag")[0]
    assert (str(moment), str(length), flag) == ("2025-01-31 17:30:00.500000", "3 days, 4:05:06", True)
