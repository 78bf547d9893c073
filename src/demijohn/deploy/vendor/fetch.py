"""Have the packages fetched. Those of which there is only the source are made into wheels, if they are pure Python."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from demijohn.deploy.vendor import engine as engines
from demijohn.deploy.vendor.contents import Installed, is_universal, normal
from demijohn.deploy.vendor.engine import Engine, Order
from demijohn.deploy.vendor.errors import VendorError


def fetch(engine: Engine, order: Order, scratch: Path) -> list[str]:
    """Install what is ordered. Returns the names of the packages that were built here.

    :param scratch: a folder for files that are not needed afterwards.
    :raises EngineError: it could not be done.
    """
    built: list[str] = []
    while True:
        done = engine.install(order, built)
        if not done.returncode:
            return built
        requirement = engines.without_wheel(done.stdout)
        name = normal(re.split(r"[^\w.-]", requirement or "")[0])
        if not name or name in built:
            raise engines.explain(engine, order, done.stdout)
        built.append(name)
        if engine.name == "pip":  # which builds nothing for another Python
            order = _built(engine, order, requirement or name, name, scratch)


def judge(folder: Path, there: list[Installed], built: list[str]) -> None:
    """:raises VendorError: what was built here is for this machine only"""
    for installed in there:
        if installed.name in built and not is_universal(folder, installed):
            raise _compiled(installed.name)


def _built(engine: Engine, order: Order, requirement: str, name: str, scratch: Path) -> Order:
    """The order, with a wheel of this package to be had."""
    wheels = scratch / f"built-{name}"
    wheels.mkdir()
    lines = order.file.read_text(encoding="utf-8").splitlines()
    pinned = next((line for line in lines if normal(re.split(r"[^\w.-]", line)[0]) == name), requirement)
    done = engine.build(order, pinned if order.hashed else requirement, name, wheels)
    made = list(wheels.glob("*.whl"))
    if done.returncode or not made:
        raise engines.explain(engine, order, done.stdout)
    if not made[0].name.endswith("-none-any.whl"):
        raise _compiled(name)
    if order.hashed:  # that of the source has been checked; the wheel has another
        digest = hashlib.sha256(made[0].read_bytes()).hexdigest()
        fresh = f"{pinned.split(' --hash=')[0]} --hash=sha256:{digest}"
        order.file.write_text("\n".join(fresh if line == pinned else line for line in lines) + "\n", encoding="utf-8")
    return order._replace(links=[*order.links, str(wheels)])


def _compiled(name: str) -> VendorError:
    return VendorError(
        f"{name} has no wheel for that Python and platform, only its source, and what is made of that here is for this "
        "machine alone. Nothing was changed. Build its wheel on a machine like the host, put it into a folder, and add "
        "--find-links FOLDER; or leave it out."
    )
