"""What is left to do by git, for a host that builds what is pushed to it."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

#: How many of the files that the host does not ask for are named.
NAMED = 3


def steps(root: Path, needed: Sequence[str], title: str) -> list[str]:
    """The lines to type before a push, as `Host.commands` has them; none where git holds everything.

    :param needed: what the host asks for: files relative to the site's folder; `*` stands for anything.
    :param title: the host's name, for the message of the commit.
    """
    within = _ask(root, "rev-parse", "--show-prefix")
    if within is None:
        return ["# The site is in no git repository yet:", "git init", *_everything(root, needed)]
    if within.strip():
        return [
            f"# The site is {within.strip()} of a repository, and the host looks at its top. So it gets its own;",
            "# or leave this out, and push the folder alone: git subtree push --prefix FOLDER ...",
            "git init",
            *_everything(root, needed),
        ]
    if _ask(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        return _everything(root, needed)
    return _what_is_missing(root, needed, title)


def _everything(root: Path, needed: Sequence[str]) -> list[str]:
    # What .gitignore of the folder says is asked of a repository that is made for it.
    with tempfile.TemporaryDirectory() as folder:
        _ask(root, "init", "--quiet", "--bare", folder)
        ignored = [name for name in needed if _ignored(root, name, f"--git-dir={folder}", f"--work-tree={root}")]
    force = [f"git add --force {_quoted(ignored)}"] if ignored else []
    return ["git add .", *force, 'git commit --message "The site"']


def _what_is_missing(root: Path, needed: Sequence[str], title: str) -> list[str]:
    lines = []
    others = [name for name in _changed(root, ".") if not any(fnmatchcase(name, mine) for mine in needed)]
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        lines.append(f"# Not committed, and so not pushed: {', '.join(others[:NAMED])}{more}")
    ignored = [name for name in needed if _ignored(root, name)]
    changed = [name for name in needed if name not in ignored and _changed(root, name)]
    lines += [f"git add {_quoted(changed)}"] if changed else []
    lines += [f"git add --force {_quoted(ignored)}"] if ignored else []
    lines += [f'git commit --message "What {title} wants"'] if changed or ignored else []
    return lines


def _quoted(names: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, names))


def _changed(root: Path, name: str) -> list[str]:
    """The files that are not as git holds them, or that it does not hold."""
    return [entry[3:] for entry in _entries(root, "status", "-z", "--porcelain", "--no-renames", "--", name)]


def _ignored(root: Path, name: str, *options: str) -> bool:
    """Whether .gitignore keeps files from git; bytecode is not missed."""
    found = _entries(root, *options, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", name)
    return any(not path.endswith(".pyc") for path in found)


def _entries(root: Path, *words: str) -> list[str]:
    return [entry for entry in (_ask(root, *words) or "").split("\0") if entry]


def _ask(root: Path, *words: str) -> str | None:
    """What git prints, asked in the site's folder; None where it fails, or there is none."""
    # Set where a hook of git's calls this; they would name another repository than the folder's.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        run = subprocess.run(["git", *words], cwd=root, env=environ, capture_output=True, check=False)
    except OSError:
        return None
    return run.stdout.decode(errors="replace") if run.returncode == 0 else None
