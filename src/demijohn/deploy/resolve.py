"""The two programs that find versions and hashes: uv, and pip where uv is not installed."""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.errors import RequirementsError


class Engine(NamedTuple):
    """A program that turns requirements into versions with hashes."""

    name: str
    #: Takes the requirements, the Python, the file as it is, whose versions are kept, and the site's folder.
    pins: Callable[[Sequence[str], str, str, Path], str]
    #: Whether what it finds holds on every machine: uv names all files of a version, pip the one it takes here.
    universal: bool


def engine(name: str | None = None) -> Engine:
    """:raises RequirementsError: it is not installed."""
    uv = _uv()
    if name in (None, "uv") and uv is not None:
        found: list[str] = uv
        return Engine("uv", lambda *words: _by_uv(found, *words), universal=True)
    if name in (None, "pip") and importlib.util.find_spec("pip") is not None:
        return Engine("pip", _by_pip, universal=False)
    raise RequirementsError(
        f"{name or 'uv'} is not installed, and finds the packages' versions. Install it (pip install uv), or leave "
        "requirements.txt alone: --no-requirements"
    )


def machine() -> str:
    """`linux x86_64`"""
    return f"{sys.platform} {platform.machine()}"


def _uv() -> list[str] | None:
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    program = shutil.which("uv")
    return [program] if program else None


def _by_uv(uv: list[str], needs: Sequence[str], python: str, old: str, root: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "requirements.txt")
        output.write_text(old, encoding="utf-8")  # uv prefers the versions that it finds there
        command = [*uv, "pip", "compile", "-", "--output-file", str(output), "--python-version", python]
        command += ["--python", sys.executable, "--no-python-downloads", "--universal", "--generate-hashes", "--quiet"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--color", "never"]
        _run(command, root, "\n".join(needs))
        return output.read_text(encoding="utf-8")


def _by_pip(needs: Sequence[str], python: str, old: str, root: Path) -> str:
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python != running or machine() != "linux x86_64":
        # It judges the markers by the Python and the machine that it runs on, whatever it is told.
        raise RequirementsError(
            f"pip finds packages only for what it runs on, and this is Python {running} on {machine()}, while the "
            f"host is Python {python} on linux x86_64. Install uv, which finds them for any: pip install uv"
        )
    with tempfile.TemporaryDirectory() as folder:
        wanted, kept = Path(folder, "wanted.txt"), Path(folder, "kept.txt")
        wanted.write_text("\n".join(needs), encoding="utf-8")
        kept.write_text("\n".join(re.findall(r"^[\w.-]+==[\w.!+-]+", old, re.MULTILINE)), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--no-input"]
        command += ["--disable-pip-version-check", "--report", "-", "--requirement", str(wanted)]
        report = json.loads(_run([*command, "--constraint", str(kept)], root))
    return "\n".join(sorted(_line(found) for found in report["install"]))


def _line(found: dict[str, dict[str, dict[str, dict[str, str]]]]) -> str:
    """A package of pip's report, as requirements.txt has it."""
    name = re.sub(r"[-_.]+", "-", str(found["metadata"]["name"])).lower()
    digest = found["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
    if digest is None:
        raise RequirementsError(f"pip would install {name} from a folder, where the host cannot get it.")
    return f"{name}=={found['metadata']['version']} \\\n    --hash=sha256:{digest}"


def _run(command: Sequence[str], root: Path, words: str = "") -> str:
    run = subprocess.run(command, cwd=root, input=words, capture_output=True, text=True, check=False)
    if run.returncode:
        lines = (run.stderr.strip() or run.stdout.strip()).splitlines()
        # What pip has tried again, before it gave up.
        said = "\n  ".join([line for line in lines if not line.startswith("WARNING: Retrying")] or lines)
        raise RequirementsError(
            "The versions of the packages could not be found. Without a network, leave requirements.txt as it is: "
            f"--no-requirements. The program says:\n  {said}"
        )
    return run.stdout
