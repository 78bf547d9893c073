"""What docs/migrations.md shows can be typed, and is so."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from demijohn.cli import db
from tests.projects import AGE, NOTE, Project
from tests.sites import ROOT

GUIDE = (ROOT / "docs" / "migrations.md").read_text()


def test_the_commands_in_their_order(tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```\n(.*?)```", GUIDE, re.S)
    commands = {line.split()[2]: shlex.split(line, comments=True)[2:] for line in block.splitlines()}
    assert list(commands) == ["init", "migrate", "upgrade", "check", "current", "downgrade"]
    project = Project(tmp_path, sqlite_url)
    for name in ("init", "migrate", "upgrade"):
        project.does(*commands[name])
    project.models(NOTE + AGE)  # "after each change of the models"
    assert project.db("check") == 1
    for name in ("migrate", "upgrade", "check", "current"):
        project.does(*commands[name])
    assert capsys.readouterr().out.count("ran ") == 2
    project.does(*commands["downgrade"])
    assert project.tables()["notes"] == {"id", "text"}


def test_every_command_in_the_text_is_one() -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    db.arguments(parser)
    shown = re.findall(r"`(?:demijohn )?db ([^`]+)`", GUIDE)
    assert len(shown) > 8
    for command in shown:
        words = shlex.split(command)
        parser.parse_args([*words, "-1"] if words == ["downgrade"] else words)
    for option in re.findall(r"`(--[a-z]+)", GUIDE):
        assert any(option in _help(name) for name in ("migrate", "upgrade", "downgrade")), option
    (seconds,) = re.findall(r"`--wait SECONDS`, (\d+) unless", GUIDE)
    assert parser.parse_args(["upgrade"]).wait == int(seconds)


def _help(action: str) -> str:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"demijohn.cli.db.{action}").arguments(parser)
    return parser.format_help()
