"""Sina App Engine's shared runtime: a Python without packages, nothing that can be written, and `sae.const`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hosts import standins
from tests.readonly import readonly
from tests.services import MariaDB
from tests.services.database import ACCOUNT, PASSWORD

STANDINS = Path(standins.__file__).parent


def constants(folder: Path, server: MariaDB, database: str) -> Path:
    """Make `folder`, a stand-in for SAE's module `sae.const` in it. All its constants are texts, the port too."""
    (folder / "sae").mkdir(parents=True)
    (folder / "sae" / "__init__.py").touch()
    shown = {
        "MYSQL_DB": database,
        "MYSQL_USER": ACCOUNT,
        "MYSQL_PASS": PASSWORD,
        "MYSQL_HOST": server.host,
        "MYSQL_PORT": str(server.port),
        "MYSQL_HOST_S": "localhost",  # the same server, by another name: a copy without lag
    }
    (folder / "sae" / "const.py").write_text("".join(f"{name} = {value!r}\n" for name, value in shown.items()))
    return folder


def sealed(port: int, bundle: Path, modules: Path) -> list[str]:
    """The command line that serves a bundle.

    :param modules: the folder of the stand-ins for SAE's own modules.
    """
    python = [sys.executable, "-S", "-E", "-I", "-W", "error"]
    return readonly([*python, str(STANDINS / "direwolf.py"), str(port), str(bundle), str(modules)])
