"""uv and pip, either of which fetches the packages."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.vendor.errors import EngineError, EngineMissingError, VendorError
from demijohn.deploy.vendor.target import Target

#: Variables by which somebody may have told uv or pip to install elsewhere, or something else.
_OTHERS = re.compile(r"(PIP|UV)_(TARGET|PREFIX|ROOT|USER|REQUIREMENT|NO_DEPS|NO_BINARY|ONLY_BINARY|DRY_RUN|REPORT)")
_AS_TARGET = Path(__file__).with_name("as_target.py")
#: What they say when the network or the index is not there.
_NETWORK = re.compile(
    r"error sending request|Request failed after|Failed to fetch|dns error|ConnectionError|NewConnectionError|"
    r"ConnectTimeout|ReadTimeout|Connection refused|Name or service not known|Temporary failure in name resolution|"
    r"ProxyError|SSLError|problem confirming the ssl"
)
_HASHES = re.compile(
    r"Hash mismatch|DO NOT MATCH THE HASHES|--require-hashes|Hashes are required|have their versions pinned"
)


class Order(NamedTuple):
    """What is to be fetched, and where to."""

    target: Target
    folder: Path
    #: A requirements file.
    file: Path
    #: The site's folder: relative paths in the file start there.
    root: Path
    hashed: bool
    #: More places to find packages in, and whether the index is asked at all.
    links: Sequence[str]
    ask_index: bool


class Engine(NamedTuple):
    """A program that installs packages."""

    #: `uv` or `pip`.
    name: str
    #: The beginning of its command line.
    command: tuple[str, ...]

    def install(self, order: Order, from_source: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Install wheels, and none but wheels.

        :param from_source: packages that may be built here (uv).
        """
        sources = [word for place in order.links for word in ("--find-links", place)]
        sources += ["--no-index"] if not order.ask_index else []
        checks = ["--require-hashes"] if order.hashed else []
        words = ["--only-binary", ":all:", "--target", str(order.folder), *checks, *sources, "-r", str(order.file)]
        if self.name == "uv":
            there = ["--python-version", order.target.python, "--python-platform", order.target.uv_platform()]
            built = [word for name in from_source for word in ("--no-binary", name)]
            # Copies: with links, a file changed here would change in uv's cache and in every environment.
            mode = ["--python", sys.executable, "--link-mode", "copy", "--no-progress"]
            return _run([*self.command, "pip", "install", *mode, *there, *built, *words], order.root)
        there = ["--python-version", order.target.python, "--implementation", "cp"]
        there += [word for tag in order.target.pip_platforms() for word in ("--platform", tag)]
        mode = ["--no-compile", "--no-warn-conflicts", "--progress-bar", "off", "--retries", "2"]
        start = [sys.executable, "-I", "-B", str(_AS_TARGET), json.dumps(order.target.markers())]
        return _run([*start, "install", *mode, *there, *words], order.root)

    def build(self, order: Order, requirement: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Make a wheel of a package's source (pip).

        :param requirement: with its hash, where hashes are checked.
        """
        sources = [word for place in order.links for word in ("--find-links", place)]
        sources += ["--no-index"] if not order.ask_index else []
        (folder / "requirement.txt").write_text(requirement + "\n", encoding="utf-8")
        words = ["--no-deps", "--no-binary", name, "--wheel-dir", str(folder), "-r", str(folder / "requirement.txt")]
        return _run([*self.command, "wheel", *sources, "--retries", "2", *words], order.root)

    def version(self) -> str:
        """`uv 0.8.0`, `pip 25.1`."""
        words = _run([*self.command, "--version"], Path.cwd()).stdout.split()
        return " ".join([self.name, *words[1:2]])


def find(asked: str | None) -> Engine:
    """uv, if it is installed, else pip; or the one that is asked for.

    :raises EngineMissingError: it is not installed.
    """
    if asked in (None, "uv"):
        if importlib.util.find_spec("uv"):
            return Engine("uv", _own_uv())
        on_path = shutil.which("uv")
        if on_path:
            return Engine("uv", (on_path,))
    if asked in (None, "pip") and importlib.util.find_spec("pip"):
        return Engine("pip", (sys.executable, "-m", "pip"))
    if asked not in (None, "uv", "pip"):
        raise VendorError(f"Packages are fetched by uv or pip, not by {asked}.")
    raise EngineMissingError(asked)


def _own_uv() -> tuple[str, ...]:
    """The command of the uv that is installed where this runs."""
    try:
        return (str(importlib.import_module("uv").find_uv_bin()),)
    except (ImportError, AttributeError, OSError):
        return sys.executable, "-m", "uv"


def without_wheel(text: str) -> str | None:
    """The package of which the engine says that it has no wheel; for pip, as the requirement is written."""
    match = re.search(r"Wheels are required for `([\w.-]+)`", text) or re.search(
        r"satisfies the requirement (.+?) \(from (?:.+\) \(from )?versions: none\)", text
    )
    return match[1].split(" (from")[0].strip() if match else None


def explain(engine: Engine, order: Order, output: str) -> EngineError:
    """What went wrong, as far as the words tell."""
    words = "\n".join(line for line in output.splitlines() if line.strip())[-2000:]
    missing = without_wheel(output)
    there = f"CPython {order.target.python} on {order.target.platform}"
    if _NETWORK.search(output):
        why = "The packages could not be fetched: the network, or the index, did not answer."
        cure = "Try again, or take them from a folder of wheels: --find-links FOLDER --no-index."
    elif _HASHES.search(output):
        why = "A package is not the one whose hash the requirements name, or they name none for it."
        cure = "If you have changed a version, write the hashes anew; if not, do not trust the package."
    elif missing:
        why = f"{missing} has no wheel for {there}, and none could be made here."
        cure = "Ask for another version or platform, or leave it out."
    else:
        why, cure = f"{engine.name} could not install the packages for {there}.", "Mend what it complains of."
    return EngineError(engine.name, why, cure, words)


def _run(command: Sequence[str], root: Path) -> subprocess.CompletedProcess[str]:
    usual = {name: value for name, value in os.environ.items() if not _OTHERS.fullmatch(name)}
    settings = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=root,
        env={**usual, **settings, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
