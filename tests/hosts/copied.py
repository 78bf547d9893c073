"""The site of this repository as a push or an upload takes it: what git holds, and nothing that lies about besides."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ready import demijohn_run
from tests.services import missing
from tests.sites import ROOT, clean_environment


def copied(folder: Path) -> Path:
    """Make `folder`, a copy of the files that git holds, or will once they are added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        missing(f"Only git can tell which files belong to the site: {listing.stderr.strip()}")
    for name in filter(None, listing.stdout.split("\0")):
        if not name.startswith(("benchmarks/", "tests/")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def written_for(host: str, folder: Path, *options: str) -> Path:
    """The same, with the files that `demijohn deploy HOST` writes."""
    copied(folder)
    # Without --no-requirements it would ask a registry which versions there are.
    demijohn(folder, "deploy", host, "--overwrite", "--no-requirements", *options)
    return folder


def demijohn(site: Path, *words: str, **variables: str) -> str:
    """What a command of ours prints, asked in the site's folder; a failure where it fails."""
    done = demijohn_run(*words, folder=site, environment=clean_environment(**variables))
    if "could not be fetched: the network" in done.stderr:
        missing(done.stderr)
    if done.returncode:
        pytest.fail(f"demijohn {' '.join(words)}: {done.stdout}{done.stderr}", pytrace=False)
    return done.stdout
