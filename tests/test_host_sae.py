"""Sina App Engine's shared runtime, by its contract: `index.wsgi` out of a bundle, in a Python that has no packages,
where nothing can be written, no thread be started, and MySQL hangs up after half a minute.

The runtime itself has Python 2.7, on which none of the libraries of today runs; here it has the Python of the tests."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from demijohn import hosts
from tests.hosts import Instance, demijohn, served_after_rests, visited, written_for
from tests.hosts.sae import STANDINS, constants, sealed
from tests.hosts.standins.direwolf import REPORT
from tests.services import MariaDB, Memcached, free_port

SAE = hosts.find("sae")
DATABASE = "app_book"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_for("sae", tmp_path_factory.mktemp("sae") / "site")


@pytest.fixture(scope="module")
def bundle(site: Path) -> Path:
    """What is uploaded."""
    demijohn(site, "bundle", "sae", "--output", "../bundle", "--python", f"3.{sys.version_info.minor}")
    return site.parent / "bundle"


@pytest.fixture(scope="module")
def instance(
    site: Path, bundle: Path, the_mariadb: MariaDB, the_memcached: Memcached, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    the_mariadb.start()
    the_memcached.start()
    url = the_mariadb.create(DATABASE)
    demijohn(site, "db", "create", DATABASE_URL=url)  # from the developer's machine: the runtime has no shell
    modules = constants(tmp_path_factory.mktemp("modules"), the_mariadb, DATABASE)
    shutil.copy(STANDINS / "pylibmc.py", modules)
    port = free_port()
    variables = {**SAE.environ, "STANDIN_MEMCACHED": the_memcached.address}
    command = sealed(port, bundle, modules)
    with the_mariadb.setting("wait_timeout", 2), Instance(command, variables, bundle, port=port) as instance:
        yield instance


# One test, because a bundle takes its time, and tests are shared out among processes.
def test_the_bundle_is_within_the_limits_and_serves_where_there_is_nothing_else(
    bundle: Path, instance: Instance, the_mariadb: MariaDB, the_memcached: Memcached
) -> None:
    _judge_upload(bundle)
    with the_memcached.commands() as seen:
        guest = visited(instance.url)
    assert [command for command in seen if command.startswith("gets ")], "pylibmc was not asked"
    served_after_rests(guest, the_mariadb, DATABASE)
    _judge_process(instance, bundle)


def _judge_upload(bundle: Path) -> None:
    files = [path for path in bundle.rglob("*") if path.is_file()]
    names = {part for path in files for part in path.relative_to(bundle).parts}
    assert max(path.stat().st_size for path in files) <= 20 * 1024**2
    assert max(len(list(folder.iterdir())) for folder in {path.parent for path in files}) <= 2000
    assert sum(path.stat().st_size for path in files) <= 50 * 1024**2
    assert [path.name for path in files if path.suffix in (".so", ".pyd", ".dylib")] == []
    assert [name for name in names if set(name) & set('"*?<>|')] == []
    assert [name for name in names if name.startswith(".")] == [], "these are not uploaded"
    packages = bundle / "site-packages"
    assert {path.name for path in packages.glob("*.py")} >= {"bottle.py", "typing_extensions.py"}
    assert not (packages / "sqlalchemy" / "testing").exists(), "nothing imports it"


def _judge_process(instance: Instance, bundle: Path) -> None:
    """What the server has seen the site do."""
    with urllib.request.urlopen(instance.url + REPORT) as answer:  # noqa: S310
        report = json.load(answer)
    assert report["forbidden"] == [], "a thread, a process or a listening socket"
    assert report["written"] == []
    assert report["compiled"] == [], "what the bundle has compiled is not used"
    assert report["origins"]["demijohn"].startswith(str(bundle))
    assert report["origins"]["sqlalchemy"].startswith(str(bundle / "site-packages"))
    assert report["origins"]["pylibmc"].startswith(str(bundle.parent.parent)), "no other one is installed"


def test_config_yaml_is_as_sae_reads_it(site: Path) -> None:
    config = yaml.safe_load((site / "config.yaml").read_text())
    assert isinstance(config["version"], int)
    assert config["version"] > 0
    assert isinstance(config["name"], str)
    # The development server takes any other key for an option of its own, such as `mysql` and `port`.
    assert set(config) <= {"name", "version", "worker", "libraries", "handlers", "cron", "demijohn"}
    for handler in config["handlers"]:
        assert (site / handler["static_path"]).exists()
