"""The contract of sessions once more, where no file can be made or changed anywhere, on each store that needs no disk
of its own. Only SQLite is left out: its database is a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lent import lend
from tests.readonly import readonly
from tests.services import Service
from tests.visits import STORES

ROOT = Path(__file__).parent.parent
CONTRACT = ["test_sessions", *(f"test_session_{part}" for part in ("values", "time", "together", "lock", "users"))]
FILES = [f"tests/{name}.py" for name in (*CONTRACT, "test_session_attacks")]
#: A process each. What could write is a store, a client or a driver: each of them is here, not each pair of them.
GROUPS = [
    ["memory", "cookie", "redis", "sql-mariadb", "memcached-bmemcached"],
    ["cached-mariadb-pylibmc", "cached-postgresql-pymemcache"],
]


@pytest.mark.parametrize("names", GROUPS, ids=["simple", "cached"])
def test_the_contract_holds_where_nothing_can_be_written(names: list[str], request: pytest.FixtureRequest) -> None:
    servers: list[Service] = [request.getfixturevalue(name) for name in ("mariadb", "postgresql", "redis", "memcached")]
    if find_spec("pylibmc") is None:  # it has no wheel for this Python
        names = [name for name in names if not name.endswith("pylibmc")]
    which = " or ".join(f"[{name}] or [{name}-" for name in names)
    environment = {**os.environ, **lend(*servers), "PYTHONDONTWRITEBYTECODE": "1"}
    for variable in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[variable]  # of the process of the tests that this one is in
    # Without a file for what is printed, and without a folder for what failed last.
    options = ["-q", "--maxfail=5", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", which]
    result = subprocess.run(
        readonly([sys.executable, "-m", "pytest", *options, *FILES], shown=[server.folder for server in servers]),
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = result.stdout[-6000:] + result.stderr[-1000:]
    assert result.returncode == 0, said
    counted = re.search(r"(\d+) passed", result.stdout)
    assert counted is not None, said
    assert int(counted[1]) >= 200 * len(names), said
    assert "skipped" not in result.stdout, said


def test_the_groups_are_all_the_stores_clients_and_drivers() -> None:
    parts = {part for name in STORES for part in name.split("-")} - {"sqlite"}
    assert {part for group in GROUPS for name in group for part in name.split("-")} == parts
    assert {name for group in GROUPS for name in group} <= set(STORES)
