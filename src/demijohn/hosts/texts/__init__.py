"""The texts of the files that hosts want. Imported when somebody deploys, never by a site."""

from __future__ import annotations

from pathlib import Path

#: For a shell: what puts a secret that nobody can guess into a command.
SECRET = "$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"  # noqa: S105  (it makes one)


def existing(root: Path, name: str) -> str:
    """What is in a file of the site's; nothing where it is not there or no text."""
    try:
        return (root / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def without_shell(command: str) -> str:
    """A command that may begin with variables, for those who start it without a shell."""
    return f"env {command}" if "=" in command.partition(" ")[0] else command
