"""What is secret: the log and the tickets ask the same module."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from demijohn import config
from demijohn.config import OPTIONS
from demijohn.errors import ConfigError
from demijohn.logs.formats import Json
from demijohn.logs.settings import output_of
from demijohn.logs.slow import without_literals
from demijohn.secrecy import SHORTEST, in_url, is_secret, of_environment, of_settings, spelled
from demijohn.secrecy.hiding import Secrets
from demijohn.tickets import Tickets

PLANTED = "planted-value-1"


@pytest.mark.parametrize(
    "name", ["password", "new_Password", "X-Api-Key", "csrf", "SECRET_KEY", "session_id", b"token", "accessKey", "pin"]
)
def test_names_of_secrets(name: object) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["path", "keyboard", "author", "monkey_id", "text", "passenger", "", 7, None])
def test_names_of_others(name: object) -> None:
    assert not is_secret(name)


def test_a_shell_s_folder_is_no_secret() -> None:
    """PWD sounds like a password, and is where the site lies: hidden, no traceback said where an error was."""
    environ = {"PWD": "/srv/site-of-mine", "SESSION_MANAGER": "local/me", "KEY_FILE_TOKEN": "/run/secrets/token"}
    environ |= {"STRIPE_API_KEY": PLANTED, "REDIS_URL": "redis://u:p%40ss-word@h/0", "MODE_PASSWORD": "short"}
    assert sorted(of_environment(environ)) == ["p%40ss-word", "p@ss-word", PLANTED]


def test_each_secret_setting_is_found(tmp_path: Path) -> None:
    """Whatever is declared as secret, and the passwords in all addresses."""
    names = [option.name for option in OPTIONS.values() if option.secret and option.name != "secret"]
    assert names
    settings = {"secret": "a-secret-of-the-tests", "database.url": "mysql://u:in-the-address@h/d"}
    written = "demijohn:\n  app:\n    mail: {password: in-the-tree, pin: 471147}\n    hook: https://a:in-a-hook@h\n"
    (tmp_path / "config.yaml").write_text(written)
    found = of_settings(config.load(tmp_path, settings, {}))
    for secret in ("a-secret-of-the-tests", "in-the-address", "in-the-tree", "471147", "in-a-hook"):
        assert secret in found
    for name in names:
        try:
            loaded = config.load(tmp_path, {**settings, name: PLANTED}, {})
        except ConfigError:  # it is an address, or goes with others only
            continue
        assert PLANTED in of_settings(loaded), name


def test_values_in_any_spelling_and_none_too_short() -> None:
    assert set(spelled(['pa"ss /ü'])) == {'pa"ss /ü', "pa%22ss%20%2F%C3%BC", "pa%22ss+%2F%C3%BC", 'pa\\"ss /\\u00fc'}
    assert spelled(["x" * (SHORTEST - 1), ""]) == []
    assert in_url("smtp://me:a@b%2Fc@h/?api_key=k1&page=2") == ["a@b%2Fc", "a@b/c", "k1"]


def test_the_log_and_the_tickets_hide_what_the_environment_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", PLANTED)
    settings = config.load(tmp_path, {"secret": "a-secret-of-the-tests", "database.url": ""}, {})
    text = f"refused: {PLANTED}"
    assert output_of(settings).words.secrets.hide(text) == "refused: (hidden)"
    assert Tickets().secrets.hide(text) == "refused: (hidden)"


def test_what_stands_under_a_secret_s_name_is_hidden_whole() -> None:
    facts = {"token": "planted", "cookies": {"a": "planted"}, "api_keys": ["planted"], "tokens": 1200, "session": None}
    record = logging.makeLogRecord({"levelno": 20, "facts": {**facts, "tree": {"credentials": ("planted",)}}})
    event = json.loads(Json(Secrets()).format(record))
    assert [event[name] for name in ("token", "cookies", "api_keys")] == ["(hidden)"] * 3
    assert event["tree"] == {"credentials": "(hidden)"}
    assert (event["tokens"], event["session"]) == (1200, None)


@pytest.mark.parametrize(
    "literal", ["'planted'", "'it''s planted'", r"'it\'s planted'", "$$planted$$", "$x$planted$$ $x$"]
)
def test_no_statement_shows_what_was_written_into_it(literal: str) -> None:
    assert without_literals(f"SELECT 1 WHERE a = {literal} AND b = %s") == "SELECT 1 WHERE a = '...' AND b = %s"
    for length in range(len(literal)):  # where a long one is cut
        told = without_literals("x" * (8000 - length) + literal + "y" * 8000)
        assert "plant" not in told
