"""The findings of several hosts together: one fault is one line, whichever hosts it is on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from demijohn.check.codes import titles
from demijohn.findings import Finding
from demijohn.hosts import Host

#: Of the JSON. It changes when something that was there is called otherwise, or is gone.
VERSION = 1


class Row(NamedTuple):
    """One fault, on one host or several."""

    finding: Finding
    #: Names.
    hosts: tuple[str, ...]


class Report:
    """What was found on which hosts, in the order of files and lines."""

    def __init__(self, hosts: Iterable[Host], found: Mapping[str, list[Finding]]) -> None:
        self.hosts = tuple(hosts)
        self.rows = sorted(_rows(self.hosts, found), key=_order)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def count(self, level: str) -> int:
        return sum(row.finding.level == level for row in self.rows)

    def lines(self) -> Iterator[str]:
        """For people: a line each, then how many there are."""
        for row in self.rows:
            yield self._line(row)
        names = ", ".join(host.name for host in self.hosts)
        errors, warnings = self.count("error"), self.count("warning")
        if not self.rows:
            yield f"Nothing found. Checked for: {names}."
        else:
            yield f"{_many(errors, 'error')}, {_many(warnings, 'warning')}. Checked for: {names}."

    def _line(self, row: Row) -> str:
        finding = row.finding
        place = f"{finding.path}:{finding.line}" if finding.line else finding.path or "(no file)"
        hosts = "all hosts" if len(row.hosts) == len(self.hosts) > 1 else ", ".join(row.hosts)
        level = "" if finding.level == "error" else f" {finding.level}"
        line = f"{place}: {finding.code}{level} [{hosts}] {finding.message} -> {finding.fix}"
        return "".join(c if c.isprintable() else "?" for c in line)  # a file may be called anything

    def as_json(self) -> dict[str, Any]:
        """For programs; docs/checks.md describes it."""
        named = titles()
        return {
            "version": VERSION,
            "hosts": [host.name for host in self.hosts],
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "findings": [
                {
                    "code": row.finding.code,
                    "title": named.get(row.finding.code, ""),
                    "level": row.finding.level,
                    "path": row.finding.path,
                    "line": row.finding.line,
                    "hosts": list(row.hosts),
                    "message": row.finding.message,
                    "fix": row.finding.fix,
                }
                for row in self.rows
            ],
        }


def _rows(hosts: tuple[Host, ...], found: Mapping[str, list[Finding]]) -> Iterator[Row]:
    same: dict[Finding, list[tuple[Host, Finding]]] = {}
    for host in hosts:
        for finding in dict.fromkeys(found.get(host.name, ())):
            same.setdefault(_nameless(host, finding), []).append((host, finding))
    for nameless, members in same.items():
        finding = members[0][1] if len(members) == 1 else nameless
        yield Row(finding, tuple(host.name for host, _ in members))


def _nameless(host: Host, finding: Finding) -> Finding:
    """The finding, without the host's name in its sentences."""

    def without(text: str) -> str:
        text = re.sub(rf"\bdemijohn (deploy|bundle) {host.name}\b", r"demijohn \1 HOST", text)
        text = text.replace(host.title, "the host")
        return text.replace(". the host", ". The host").replace("the host", "The host", text.startswith("the host"))

    return finding._replace(message=without(finding.message), fix=without(finding.fix))


def _order(row: Row) -> tuple[str, int, str]:
    return row.finding.path, row.finding.line, row.finding.code


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
