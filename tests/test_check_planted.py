"""`demijohn check` finds every fault that is planted in a site, where it is, and nothing in a clean one."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.check import check
from demijohn.check.codes import CODES, titles
from demijohn.check.report import Report
from demijohn.rehearsal.codes import CODES as REHEARSAL
from tests.planted import PLANTS, Plant, Trial
from tests.sites import ROOT

TESTS = ROOT / "tests"
#: Python reads TOML, and with it fly.toml, from 3.11 on.
HERE = [plant for plant in PLANTS if plant.host != "fly" or sys.version_info >= (3, 11)]
#: The hosts whose files lie in the clean site.
HOSTS = (
    "heroku",
    "gae",
    "docker",
    "fly",
    "render",
    "railway",
    "piku",
    "pythonanywhere",
    "sae",
    "cloudrun",
    "vm",
    "local",
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that has no fault."""
    root = tmp_path_factory.mktemp("clean") / "trial"
    root.mkdir()
    return Trial(root).make(*HOSTS).root


@pytest.fixture
def trial(clean: Path, tmp_path: Path) -> Trial:
    shutil.copytree(clean, tmp_path / "trial", symlinks=True)
    return Trial(tmp_path / "trial")


def carry(trial: Trial) -> None:
    """What the site imports, for a host that installs nothing."""
    for package in ("demijohn", "bottle", "sqlalchemy"):
        trial.write(f"site-packages/{package}/__init__.py", "")


def look(trial: Trial, *names: str, named: bool = True) -> Report:
    trial.git("add", "--all", "--intent-to-add")
    return check(trial.root, [hosts.find(name) for name in names], named=named, rehearsal=False)


def places(report: Report) -> set[tuple[str, str]]:
    return {(finding.code, f"{finding.path}:{finding.line}".removesuffix(":0")) for finding, _ in report}


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_is_found_in_a_clean_site(trial: Trial, host: str) -> None:
    if host == "sae":
        carry(trial)
    assert list(look(trial, host).lines())[:-1] == []


@pytest.mark.parametrize("plant", HERE, ids=lambda plant: f"{plant.code}-{plant.host}")
def test_a_fault_alone_is_found_where_it_is(trial: Trial, plant: Plant) -> None:
    if plant.host == "sae" and plant.code != "F229":
        carry(trial)
    place = plant.put(trial)
    assert places(look(trial, plant.host)) == {(plant.code, place)}


def test_all_faults_together_are_found_and_nothing_else(trial: Trial) -> None:
    carry(trial)
    together = [plant for plant in HERE if not plant.alone]
    wanted = {(plant.code, plant.put(trial)) for plant in together}
    assert len({code for code, _ in wanted}) >= 25
    assert places(look(trial, *dict.fromkeys(plant.host for plant in together))) == wanted


def test_every_code_is_planted_and_explained() -> None:
    planted = {plant.code for plant in PLANTS}
    assert planted == CODES.keys()
    text = (ROOT / "docs/checks.md").read_text()
    explained = re.findall(r"(?m)^### ([A-Z]\d{3}) (.*)$", text)
    assert dict(explained) == titles()
    assert len(explained) == len(titles())


def test_every_code_of_the_rehearsal_is_planted() -> None:
    texts = [path.read_text() for pattern in ("test_rehearsal*.py", "test_check.py") for path in TESTS.glob(pattern)]
    assert [code for code in REHEARSAL if not any(f'"{code}"' in text for text in texts)] == []


def test_what_a_rehearsal_finds_is_explained_in_its_own_words() -> None:
    text = " ".join((ROOT / "docs/checks.md").read_text().split())
    assert [code for code, said in REHEARSAL.items() if f"{said.meaning} {said.fix}" not in text] == []
