"""`demijohn config`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demijohn import config
from demijohn.cli import main
from demijohn.cli.root import find_root
from demijohn.errors import DemijohnError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    known = {variable for option in config.OPTIONS.values() for variable in option.variables}
    for name in os.environ:
        if name.startswith("DEMIJOHN_") or name in known:
            monkeypatch.delenv(name)
    monkeypatch.setenv("DEMIJOHN_HOST", "local")
    (tmp_path / "config.yaml").write_text("demijohn:\n  session:\n    timeout: 10m\n")
    yield tmp_path
    config.prefer({})


def test_every_value_is_printed_with_its_source(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ann:hunter2@h/d")
    assert main(["config", "--root", str(root)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split() for line in lines if "session.timeout" in line] == [
        ["*", "session.timeout", "600", "seconds", "config.yaml:3"]
    ]
    assert [line.split() for line in lines if "server.port" in line] == [["server.port", "8080", "default"]]
    assert next(line for line in lines if "environment" in line).endswith("the command line's default")
    assert next(line for line in lines if "database.url" in line).startswith("* database.url")
    assert "Host: your own server." in lines[-1]
    assert "hunter2" not in out
    assert err == ""


def test_problems_come_after_what_could_be_read(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "config.yaml").write_text("demijohn:\n  server:\n    prot: 1\n    threads: 3\n")
    assert main(["config", "--root", str(root)]) == 1
    out, err = capsys.readouterr()
    assert ["*", "server.threads", "3", "config.yaml:4"] in [line.split() for line in out.splitlines()]
    assert (
        err
        == "The settings hold a mistake:\n  config.yaml:3: server.prot is not a setting; did you mean server.port?\n"
    )


def test_one_setting_in_detail(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "server.port", "--root", str(root)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "server.port",
        "  The port that it listens on.",
        "",
        "  value      8080",
        "  source     default",
        "  default    8080",
        "  allowed    a whole number from 1 to 65535",
        "  variables  DEMIJOHN_SERVER_PORT, PORT",
    ]


def test_store_that_was_chosen_is_printed_with_the_reason(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMCACHED_URL", "memcached://ann:hunter2@cache")
    assert main(["config", "--root", str(root)]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "session.type" in line]
    name, value, source = line.split(None, 2)
    assert (name, value, source) == ("session.type", "cached-sql", "chosen: a database and memcached are set")
    assert "hunter2" not in out
    assert main(["config", "session.type", "--root", str(root)]) == 0
    out = capsys.readouterr().out
    assert "auto takes cached-sql (the database, with memcached in front) where both are set; else sql" in out
    assert "  value      cached-sql\n  source     chosen: a database and memcached are set\n" in out
    assert "  default    auto\n" in out


def test_one_section(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "views", "--root", str(root)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["views.path"]


def test_unknown_setting(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "sesion.timeout", "--root", str(root)]) == 1
    assert capsys.readouterr().err == "There is no setting called sesion.timeout; did you mean session.timeout?\n"


def test_root_is_the_nearest_folder_with_a_config_yaml(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = root / "app" / "pages"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_root() == root
    assert find_root("..") == below / ".."
    (root / "config.yaml").unlink()
    assert find_root() in (below, *root.parents)
    with pytest.raises(DemijohnError, match=r"There is no folder nowhere\. --root takes the folder of a site"):
        find_root("nowhere")
