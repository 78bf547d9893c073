"""A site as the profile of a host is told of it, in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

from demijohn import hosts
from demijohn.hosts import Plan

#: Where a host asks whether the site is up, and how it starts the site.
LIVE, START = "/_health/live", "gunicorn main:app"


def planned(folder: Path) -> Plan:
    """A shop with migrations, of which nothing is there but what the files are made from."""
    root = folder / "shop"
    (root / "static").mkdir(parents=True)
    (root / "static" / "robots.txt").write_text("User-agent: *\n")
    (root / "requirements.txt").write_text("gunicorn\n")
    return Plan(root=root, name="shop", at_root=("robots.txt",), migrations=True)


def file(host: str, name: str, plan: Plan) -> str:
    """One of the files that a host wants."""
    return hosts.find(host).files(plan)[name]


def deployed(host: str, plan: Plan) -> dict[str, str]:
    """All of them, written as `demijohn deploy` does."""
    files = dict(hosts.find(host).files(plan))
    for name, text in files.items():
        (plan.root / name).parent.mkdir(parents=True, exist_ok=True)
        (plan.root / name).write_text(text)
    return files
