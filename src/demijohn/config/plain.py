"""A config.yaml as most of them are, names with short values, read without yaml: importing that takes longer than all
the rest that the settings need.

Nothing is guessed. A file with a line of which it is not certain that YAML means by it what is taken for it here, and
one with a mistake, is left to `document` as a whole.
"""

from __future__ import annotations

import re
from pathlib import Path

from demijohn.config.draft import Given
from demijohn.config.options import KEY, OPTIONS, SECTIONS

#: A name with a value of one line, without quotes, or none yet; then a comment, which may also stand alone.
_LINE = (
    r"(?a)( *)(?:([A-Za-z_][\w.-]{0,60}):(?: +([A-Za-z0-9/](?:[\w./@%+=,&?~-]|:(?=[\w/])| (?=[\w/]))*))? *(?: #.*)?"
    r"|(?:#.*)?)"
)
#: YAML 1.1, as PyYAML has it: in these spellings only.
_WORDS: dict[str, bool | None] = {
    spelt: value
    for value, words in ((True, "true yes on"), (False, "false no off"), (None, "null"))
    for word in words.split()
    for spelt in (word, word.title(), word.upper())
}
#: What stands before the keys of the file itself, so that none of them is taken for a setting.
_TOP = "/"


def find(path: Path) -> tuple[list[Given], Given | None] | None:
    """The settings in the config.yaml at `path`, and the site's name in it. None: it is not as plain as that."""
    try:
        lines = path.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    given: list[Given] = []
    site: Given | None = None
    seen: set[str] = set()
    levels = [(0, _TOP)]  # the mappings that a line may belong to: their indent, and what stands before their keys
    begun: str | None = None  # of a mapping of which the first key may come
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(_LINE, line)
        if match is None or not line.isprintable():
            return None
        if match[2] is None:
            continue
        indent, value, source = len(match[1]), match[3], f"{path.name}:{number}"
        if begun is not None and indent > levels[-1][0]:
            levels.append((indent, begun))
        while levels[-1][0] > indent:
            levels.pop()
        if levels[-1][0] != indent:
            return None
        name = levels[-1][1] + match[2]
        if name in seen:
            return None
        seen.add(name)
        begun = _begins(name) if value is None else None
        if name == f"{_TOP}name" and value is not None:
            site = Given("name", value, f"{source} (name)")
        elif name in OPTIONS and name not in SECTIONS:
            read = _WORDS.get(value, value)
            if read is not None:
                given.append(Given(name, read, source))
        elif begun is None and not (value is not None and _is_the_hosts(name)):
            return None
    return given, site


def _begins(name: str) -> str | None:
    """What stands before the keys below `name`; None where no mapping of ours begins."""
    if name == _TOP + KEY:
        return ""
    return f"{name}." if name in SECTIONS else None


def _is_the_hosts(name: str) -> bool:
    """Whether a key of the file itself is none of ours, nor one that is spelt wrong or stands in the wrong place."""
    key = name.removeprefix(_TOP)
    return key != name and key.lower() != KEY and key.partition(".")[0] not in (*SECTIONS, *OPTIONS)
