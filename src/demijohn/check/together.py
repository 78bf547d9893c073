"""What reading and rehearsing have found, each fault once."""

from __future__ import annotations

from collections.abc import Mapping

from demijohn.findings import Finding

#: What a rehearsal sees of a fault that is also found by reading, in the same line.
_SAME: Mapping[str, tuple[str, ...]] = {
    "R401": ("F202", "F203", "I301", "I303", "I306", "I309"),
    "R402": ("I303",),
    "R403": ("I306", "I309"),
    "R404": ("I306",),
    "R405": ("I303",),
    "R406": ("I304",),
    "R407": ("I305",),
    "R408": ("I301", "I310"),
    "R409": ("I307",),
    "R410": ("F221", "F222", "F223", "F224"),
}
#: With one of these a site does not start, whatever its code does.
_FATAL = ("F201", "F202", "F203", "S101", "S104", "S110", "S113")
#: What a rehearsal says of a site that does not start.
_DID_NOT_START = ("R401", "R402", "R415")


def join(read: Mapping[str, list[Finding]], rehearsed: Mapping[str, list[Finding]]) -> dict[str, list[Finding]]:
    """The findings of both, by the names of the hosts."""
    return {name: _join(found, rehearsed.get(name, [])) for name, found in read.items()}


def _join(read: list[Finding], rehearsed: list[Finding]) -> list[Finding]:
    places = {(finding.code, finding.path, finding.line) for finding in read}
    fatal = any(finding.code in _FATAL and finding.level == "error" for finding in read)
    seen = [
        finding
        for finding in rehearsed
        if not (fatal and finding.code in _DID_NOT_START)
        and not any((code, finding.path, finding.line) in places for code in _SAME.get(finding.code, ()))
    ]
    # What was measured is better than what was reckoned.
    started = not any(finding.code in _DID_NOT_START for finding in rehearsed)
    return [finding for finding in read if not (started and finding.code == "S114")] + seen
