"""`demijohn deploy`, called wrongly, or for a site with a fault in it: what it says, and that it writes nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from demijohn.cli import main


@pytest.fixture(autouse=True)
def nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("name: shop\n")
    return tmp_path


def deploy(folder: Path, *words: str) -> int:
    return main(["deploy", "--root", str(folder), "--no-requirements", *words])


def test_a_folder_without_a_site_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(tmp_path, "heroku") == 1
    assert f"{tmp_path} holds no site: there is neither config.yaml, index.wsgi nor main.py." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "main.py").write_text("app = None\n")
    assert deploy(tmp_path, "heroku") == 0


@pytest.mark.parametrize("user", ["Ann O", "ann/../bob", "-ann", "ann$", "a;b"])
def test_who_cannot_be_a_user_is_refused(user: str, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(site, "pythonanywhere", f"--user={user}") == 1
    assert f"--user {user!r} can be no user's name" in capsys.readouterr().err
    assert [path.name for path in site.iterdir()] == ["config.yaml"]


def test_a_user_that_is_not_named_is_asked_for(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(site, "pythonanywhere") == 0
    assert "--user NAME" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("host", "name", "text"), [("heroku", "app.json", '{"name": mine'), ("railway", "railway.json", "[1]\n")]
)
def test_json_that_cannot_be_read_is_kept_and_told(
    host: str, name: str, text: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / name).write_text(text)
    assert deploy(site, host, "--overwrite") == 0
    assert (site / name).read_text() == text
    assert f"\n{name}: {name} " in capsys.readouterr().out


def test_without_requirements_it_says_that_nothing_is_installed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(site, "heroku")
    assert "There is no requirements.txt, and without it the host installs nothing." in capsys.readouterr().out
    (site / "requirements.txt").write_text("gunicorn\n")
    deploy(site, "heroku")
    assert "There is no requirements.txt" not in capsys.readouterr().out
