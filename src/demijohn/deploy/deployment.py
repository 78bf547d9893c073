"""All that a host is to be given by a site: its files, requirements.txt, Demijohn itself, and what is left to type."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from demijohn.deploy import bodies, carry, git, needs, requirements, write
from demijohn.deploy.plan import host_settings, make_plan
from demijohn.errors import DemijohnError
from demijohn.hosts import Host, Plan
from demijohn.hosts.texts import existing

#: Of which a site has at least one.
PARTS = ("config.yaml", "index.wsgi", "main.py")
IGNORED = ".gitignore"


class Deployment(NamedTuple):
    """What `demijohn deploy` would write, compared with what is there."""

    plan: Plan
    files: list[write.File]
    #: `new`, `same` or `differs`, of Demijohn itself in site-packages/; empty where the site need not carry it.
    carried: str
    #: What there is to say, sentences.
    notes: list[str]


def prepare(
    root: Path,
    host: Host,
    python: str | None = None,
    user: str | None = None,
    *,
    pin: bool = True,
    upgrade: bool = False,
    engine: str | None = None,
) -> Deployment:
    """Work out everything; nothing is written.

    :param python: `3.13`; see `make_plan`.
    :param pin: look up the packages' versions for requirements.txt; otherwise it is left as it is.
    :param upgrade: the newest versions, instead of those that requirements.txt has.
    :param engine: `uv` or `pip`; by default uv where it is installed.
    :raises DemijohnError: the settings, the Python, the packages or what lies in the folder make it impossible.
    """
    _refuse_no_site(root)
    plan = make_plan(root, host, python, user)
    notes = [*_notes(root, host, pin), *_unread(plan, host)]
    carried = ""
    pins: dict[str, str] = {}
    if host.installs and pin and _ours(root, notes):
        wanted = needs.find(plan, host)
        if wanted.carried:
            carried = carry.state(root)
            plan = plan._replace(demijohn=f"PYTHONPATH={carry.FOLDER} python -m demijohn")
        (there,) = write.compare(root, {requirements.FILE: ""})
        text = requirements.make(plan, wanted, there.old or "", upgrade=upgrade, engine=engine)
        pins = {requirements.FILE: text}
    texts = {**pins, **host.files(plan)}
    if carried:
        notes.append(
            "Demijohn was installed here from a folder, where the host cannot get it, so the site carries it along, in "
            f"{carry.FOLDER}."
        )
        ignored = texts.get(IGNORED, existing(root, IGNORED))
        if ignored:
            texts[IGNORED] = carry.let_in(ignored)
    return Deployment(plan, write.compare(root, texts), carried, notes)


def commands(host: Host, deployment: Deployment) -> list[str]:
    """What is left to type, when the files are written."""
    plan = deployment.plan
    needed = [file.path for file in deployment.files] + ([carry.OURS] if deployment.carried else [])
    return [*(git.steps(plan.root, needed, host.title) if host.by_git else []), *host.commands(plan)]


def _refuse_no_site(root: Path) -> None:
    """A folder that holds nothing of a site is more likely the wrong one than a site to be."""
    if not any((root / name).exists() for name in PARTS):
        raise DemijohnError(
            f"{root} holds no site: there is neither {', '.join(PARTS[:-1])} nor {PARTS[-1]}. Go to the site's folder, "
            "or name it: --root FOLDER. `demijohn new NAME` makes one."
        )


def _ours(root: Path, notes: list[str]) -> bool:
    """Whether requirements.txt is written from here: no other file does its work, and nobody else has written it."""
    others = [name for name in requirements.OTHERS if (root / name).exists()]
    path = root / requirements.FILE
    if others and path.exists():
        notes.append(
            f"{others[0]} and {requirements.FILE} are both there, and hosts refuse two: Heroku's build ends. Keep one."
        )
    elif others:
        notes.append(
            f"{others[0]} says what the host installs, so {requirements.FILE} is not written. It must name gunicorn, "
            "and the driver of the database."
        )
    elif path.is_file() and requirements.read_header(path.read_text(encoding="utf-8", errors="replace")) is None:
        notes.append(
            f"{requirements.FILE} is your own and is left as it is. To have the versions and their hashes found for "
            f"you, rename it: git mv {requirements.FILE} requirements.in"
        )
    else:
        return True
    return False


def _unread(plan: Plan, host: Host) -> list[str]:
    """Of limits that cannot be told, where something is written for the host that depends on them."""
    more = plan._replace(body_limit=plan.body_limit + 1024**2)
    if host.files(plan) == host.files(more) and host.commands(plan) == host.commands(more):
        return []
    return [
        f"{path}:{line}: how much may be sent there cannot be told from the code, and {plan.body_limit:,} bytes are "
        "let through to the site. If it is more, write it as a number, or raise body.limit."
        for limit, path, line in bodies.limits(plan.root, host_settings(plan.root, host))
        if limit is None
    ]


def _notes(root: Path, host: Host, pin: bool) -> list[str]:
    notes = []
    if (root / "runtime.txt").exists() and host.installs:
        notes.append(
            "runtime.txt is there. Where a host reads it, it is stronger than .python-version; delete one of them."
        )
    lists = (requirements.FILE, *requirements.OTHERS)
    if host.installs and not pin and not any((root / name).exists() for name in lists):
        notes.append(f"There is no {requirements.FILE}, and without it the host installs nothing.")
    return notes
