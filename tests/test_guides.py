"""What docs/ shows can be copied: commands are commands, and settings are settings."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from demijohn import config
from demijohn.cli import COMMANDS
from tests.test_readme import PAGES

#: Fenced blocks in a language that is no shell's.
OTHERS = ("python", "yaml", "html", "json", "toml")


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def commands() -> Iterator[tuple[str, list[str], bool]]:
    """Each page's name, what stands there behind `demijohn`, and whether it is only named, between backticks."""
    for page in PAGES:
        text = page.read_text()
        fenced = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
        lines = "".join(code for language, code in fenced if language not in OTHERS)
        lines += "\n".join(re.findall(r"^ {4}\S.*$", text, re.MULTILINE))
        shown = re.findall(r"^ *(?:\$ )?(?:[^#\n]*\| )?demijohn (?=\S)(.*)$", lines, re.MULTILINE)
        named = re.findall(r"`demijohn ([^`]+)`", text)
        for line in [*shown, *named]:
            call = re.split(r" {2,}|\s#| [<>|] | && ", line.replace("...", ""))[0]
            yield page.name, shlex.split(call), line in named


def test_each_command_in_the_guides_is_one() -> None:
    wrong, seen = [], set()
    for page, (command, *words), named in commands():
        parser = Parser()
        seen.add(command)
        try:
            importlib.import_module(f"demijohn.cli.{command}").arguments(parser)
            parser.parse_args(words)
        except ModuleNotFoundError:
            wrong.append(f"{page}: there is no demijohn {command}")
        except ValueError as error:
            if not (named and "required" in str(error)):
                wrong.append(f"{page}: demijohn {command} {shlex.join(words)}: {error}")
    assert wrong == []
    assert seen == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_setting_in_the_guides_is_one(page: Path, tmp_path: Path) -> None:
    for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        if "demijohn:" not in text.splitlines():
            continue
        (tmp_path / "config.yaml").write_text(text)
        environment = {"DATABASE_URL": "mysql://user:password@primary/shop", "DEMIJOHN_ENV": "development"}
        assert config.read(tmp_path, environ=environment)[1] == []
