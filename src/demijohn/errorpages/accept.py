"""Whether a page or a problem is wanted, by Accept (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re

# Not compiled at boot, but for the first error page.
_RANGE = r"(?:^|,)\s*([^\s;,\"/]+)/([^\s;,\"/]+)\s*((?:;[^,\"]*(?:\"(?:[^\"\\]|\\.)*\"[^,\"]*)*)?)(?=,|$)"
_QUALITY = r";\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)"
_PROBLEMS = (("application", "problem+json"), ("application", "json"))
#: Characters of Accept that are read. Browsers send some 150.
_LONGEST = 2000


def wants_problem(accept: str | None, content_type: str = "") -> bool:
    """Whether a program asks, which wants JSON rather than a page.

    What is named counts for more than what a wildcard covers: `application/json, text/plain, */*`, which axios sends,
    is JSON. Who has no preference (no Accept at all, or `*/*`, as curl, crawlers and `<img>` send it) gets what the
    site gives anybody, a page, unless it has itself sent JSON.
    """
    ranges = _ranges(accept) if accept else []
    page = _quality(ranges, "text", "html")
    problem = max(_quality(ranges, *kind) for kind in _PROBLEMS)
    if page != problem:
        return problem > page
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _ranges(accept: str) -> list[tuple[str, str, float]]:
    """The media ranges and their qualities. What is not well-formed is left out."""
    found = []
    for match in re.finditer(_RANGE, accept[:_LONGEST].lower()):
        kind, name, parameters = match.groups()
        quality = re.search(_QUALITY, parameters)
        if quality is None and re.search(r";\s*q\s*=", parameters):
            continue
        found.append((kind, name, float(quality[1]) if quality else 1.0))
    return found


def _quality(ranges: list[tuple[str, str, float]], kind: str, name: str) -> tuple[float, int]:
    """The quality that the most specific range gives a type, and how specific that is: 2, 1, 0."""
    best = (-1, 0.0)
    for range_kind, range_name, quality in ranges:
        if range_kind == kind and range_name == name:
            level = 2
        elif range_kind == kind and range_name == "*":
            level = 1
        elif range_kind == range_name == "*":
            level = 0
        else:
            continue
        best = max(best, (level, quality))
    level, quality = best
    return (quality, level) if quality else (0.0, -1)
