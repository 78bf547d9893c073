"""docs/hosts.md says of each host what its profile says. `python -m tests.test_hosts_guide` prints those lines."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.hosts import Host, Plan
from demijohn.hosts.host import Limits

GUIDE = Path(__file__).parents[1] / "docs" / "hosts.md"
DISKS = {
    "kept": "what is written stays",
    "forgets": "what is written is gone with the next restart, and seen by one copy of the site only",
    "none": "nothing can be written",
}
#: Of each limit: its words, and what it is counted in.
LIMITS = {
    "request": ("a request", "s"),
    "first_byte": ("first byte", "s"),
    "boot": ("boot", "s"),
    "grace": ("grace after SIGTERM", "s"),
    "keep_alive": ("idle connection of its router", "s"),
    "idle": ("idle connection to its database", "s"),
    "body": ("body", "bytes"),
    "memory": ("memory", "MB"),
    "file": ("one file", "bytes"),
    "folder": ("files in a folder", ""),
    "files": ("files", ""),
    "total": ("all files", "bytes"),
    "connections": ("connections to its smallest database", ""),
}


def facts(host: Host) -> list[str]:
    """What the profile says, a line each."""
    plan = Plan(root=Path("/nowhere"))
    lines = [
        f"Recognised by: {_marks(host.name)}",
        f"Disk: {_disk(host)}",
        f"Limits: {_limits(host.limits)}",
        f"Forbidden: {_forbidden(host)}",
        f"Python: {', '.join(host.pythons) or 'any'}",
        f"Start: {_start(host)}",
        f"Proxy's headers: {_proxies(host)}",
        f"Over http: {'sent to https' if host.https else '-'}",
        f"Settings: {_ticked(f'{name}: {_value(value)}' for name, value in host.defaults.items())}",
        f"Database: {_database(host)}",
        f"Release: {_ticked(host.release)}",
        f"Files: {_ticked(host.files(plan))}",
        f"Logs: {host.logs}",
    ]
    return [f"- {line}" for line in lines if not line.endswith(": -")]


def _ticked(words: object) -> str:
    return ", ".join(f"`{word}`" for word in words) or "-"  # type: ignore[attr-defined]


def _marks(name: str) -> str:
    marks = [f"{variable}={start}" if start else variable for variable, start in hosts.MARKS[name].items()]
    return _ticked(marks or ([] if name == "local" else [f"DEMIJOHN_HOST={name}"]))


def _disk(host: Host) -> str:
    return DISKS[host.disk] + (", but for `/tmp`" if host.disk == "none" and host.temp else "")


def _limits(limits: Limits) -> str:
    found = [(LIMITS[name], value) for name, value in limits._asdict().items() if value is not None]
    return ", ".join(f"{words} {_number(value, unit)}" for (words, unit), value in found) or "-"


def _number(value: float, unit: str) -> str:
    if unit == "bytes":
        value, unit = value / 1024**2, "MB"
    return f"{value:,.0f} {unit}".rstrip()


def _forbidden(host: Host) -> str:
    words = [
        ("threads", host.threads),
        ("processes", host.processes),
        ("compiled packages", host.native),
        ("installing packages", host.installs),
    ]
    return ", ".join(word for word, allowed in words if not allowed) or "-"


def _start(host: Host) -> str:
    if host.start:
        return f"`{host.start}`, port {host.port}"
    return "-" if host.port is not None else f"the host loads `{host.door}`" + (" and forks" if host.forks else "")


def _proxies(host: Host) -> str:
    proxies = host.proxies
    if not proxies.hops:
        return "none is believed"
    words = [f"the address in `{proxies.client}`, the scheme in `{proxies.scheme}`; proxies: {proxies.hops}"]
    if proxies.peers:
        words.append(f"believed from {_ticked(proxies.peers)}")
    if proxies.own:
        own = (f"{name}..." if name.endswith("-") else name for name in proxies.own)
        words.append(f"sent by nobody else: {_ticked(own)}")
    return "; ".join(words)


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _database(host: Host) -> str:
    return {"postgresql": "PostgreSQL", "mysql": "MySQL"}.get(host.database, "-")


def sections() -> dict[str, str]:
    """The text below each heading of a host, by the host's name, in one line a paragraph."""
    parts = re.split(r"(?m)^## `([\w-]+)`: .*\n", GUIDE.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_every_host_has_a_section_in_the_order_of_the_profiles() -> None:
    assert sorted(sections()) == sorted(hosts.MARKS)
    titles = dict(re.findall(r"(?m)^## `([\w-]+)`: (.*)$", GUIDE.read_text(encoding="utf-8")))
    assert titles == {name: hosts.find(name).title for name in hosts.MARKS}


@pytest.mark.parametrize("name", hosts.MARKS)
def test_guide_says_what_the_profile_says(name: str) -> None:
    host, text = hosts.find(name), sections()[name]
    told = re.findall(r"(?m)^- [A-Z][\w' ]+: .*(?:\n  .*)*", text)
    assert [flat(line) for line in told] == facts(host)
    assert flat(host.caution) in flat(text)
    assert [url for url in host.source.split(", ") if url and f"<{url}>" not in text] == []


@pytest.mark.parametrize("name", [name for name in hosts.MARKS if name != "local"])
def test_guide_says_how_to_deploy(name: str) -> None:
    assert f"demijohn deploy {name}\n" in sections()[name] or f"demijohn deploy {name} " in sections()[name]


def test_every_limit_has_its_words() -> None:
    assert [*LIMITS] == [*Limits._fields]


if __name__ == "__main__":
    for each in map(hosts.find, hosts.MARKS):
        print(f"\n## `{each.name}`: {each.title}\n")
        for line in facts(each):
            print(textwrap.fill(line, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
        print("\n" + textwrap.fill(each.caution, 120, break_on_hyphens=False))
        print(
            "\n"
            + textwrap.fill(
                f"Sources: {', '.join(f'<{url}>' for url in each.source.split(', '))}.",
                120,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
