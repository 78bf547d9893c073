"""config.yaml, read for its lines: what is under the key `demijohn`, flat, each value with the line that it stands on.
Everything else in the file is the host's (SAE's `handlers`, `cron`), and is not judged.

This module imports yaml, and is imported only where there is a config.yaml that `plain` leaves to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from demijohn.config.draft import Given
from demijohn.config.options import APP, KEY, OPTIONS, SECTIONS, nearest
from demijohn.errors import Problem

#: Levels of nesting. libyaml's composer is recursive in C: at some 50,000 it takes the process down with it.
DEPTH = 50
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(("str", "int", "float", "bool", "timestamp", "value", "seq", "map"))


class Document(NamedTuple):
    """What a config.yaml holds."""

    given: list[Given]
    problems: list[Problem]
    #: The top-level `name`, if there is one: SAE's name of the site.
    name: Given | None


def read(path: Path) -> Document:
    """Read the file at `path`. Whatever is wrong with it is a problem, never an exception."""
    reader = _Reader(path.name)
    try:
        reader.read(path.read_bytes())
    except OSError as error:
        reader.problems.append(Problem("", path.name, f"cannot be read: {error.strerror}"))
    return Document(reader.given, reader.problems, reader.name)


class _Reader:
    def __init__(self, label: str) -> None:
        self._label = label
        self.given: list[Given] = []
        self.problems: list[Problem] = []
        self.name: Given | None = None
        self._lines: dict[str, int] = {}

    def read(self, data: bytes) -> None:
        root = self._compose(data)
        if root is None or _is_null(root):
            return
        if not isinstance(root, yaml.MappingNode):
            self._problem("", root, f"must be keys with values, with all of ours under the key {KEY}")
            return
        for name, key, value in self._pairs(root):
            if name == KEY:
                self._section("", key, value)
            elif name == "name" and isinstance(value, yaml.ScalarNode):
                self.name = Given(name, value.value, f"{self._label}:{_line(key)} (name)")
            elif name.lower() == KEY:
                self._problem(name, key, f"{name} must be spelt {KEY}")
            elif name.partition(".")[0] in (*SECTIONS, *OPTIONS):
                self._problem(name, key, f"{name} must be under the key {KEY}; at the top it belongs to the host")

    def _compose(self, data: bytes) -> yaml.Node | None:
        text = ""
        try:
            text = data.decode("utf-8-sig")
            depth = 0
            for event in yaml.parse(text, Loader=_LOADER):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > DEPTH:
                    self._problem("", event, f"is nested more than {DEPTH} deep")
                    return None
            return yaml.compose(text, Loader=_LOADER)
        except UnicodeDecodeError as error:
            what = "is UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "is not UTF-8"
            self._problem("", 1 + data.count(b"\n", 0, error.start), f"{what}; save it as UTF-8")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._problem("", mark.line + 1 if mark else 1, _syntax(error))
        except yaml.reader.ReaderError as error:
            self._problem("", 1 + text.count("\n", 0, error.position), "holds a control character")
        except (yaml.YAMLError, ValueError, OverflowError):
            self._problem("", 1, "is not YAML")
        return None

    def _section(self, prefix: str, key: yaml.Node, node: yaml.Node) -> None:
        """What is under `key`, whose own dotted name, with a dot after it, is `prefix`."""
        if _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            name = prefix[:-1] or KEY
            self._problem(name, key, f"{name} is a section; it must hold keys with values")
            return
        for short, inner, value in self._pairs(node):
            name = prefix + short
            if name in SECTIONS:
                self._section(name + ".", inner, value)
            elif name in OPTIONS or name.startswith(APP + "."):
                self._setting(name, inner, value)
            else:
                self._problem(name, inner, f"{name} is not a setting{nearest(name)}")

    def _setting(self, name: str, key: yaml.Node, node: yaml.Node) -> None:
        if name in self._lines:  # nested in one place and dotted in another
            self._problem(name, key, f"{name} is written twice, first in line {self._lines[name]}")
            return
        self._lines[name] = _line(key)
        if _is_null(node):
            return
        try:
            value = self._value(node) if name in OPTIONS else _any(node)
        except (yaml.YAMLError, ValueError, OverflowError, TypeError):
            self._problem(name, key, f"{name} holds a value that plain YAML does not have; a text may need quotes")
        else:
            self.given.append(Given(name, value, f"{self._label}:{_line(key)}"))

    def _value(self, node: yaml.Node) -> object:
        """As `_plain`; a mapping with the values of its keys."""
        if isinstance(node, yaml.MappingNode):
            return {key: _plain(value) for key, _, value in self._pairs(node)}
        return _plain(node)

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """The pairs of a mapping, without those that have no plain key and those that repeat one."""
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _TAG + "merge":
                self._problem("", key, "a key must be a plain word, and << is not read here")
            elif key.value in lines:
                self._problem(key.value, key, f"{key.value} is written twice, first in line {lines[key.value]}")
            else:
                lines[key.value] = _line(key)
                yield key.value, key, value

    def _problem(self, name: str, where: yaml.Node | yaml.Event | int, message: str) -> None:
        line = where if isinstance(where, int) else _line(where)
        self.problems.append(Problem(name, f"{self._label}:{line}", message))


def _any(node: yaml.Node) -> object:
    return yaml.constructor.SafeConstructor().construct_document(node)


def _line(where: yaml.Node | yaml.Event) -> int:
    return where.start_mark.line + 1 if where.start_mark else 1


def _is_null(node: yaml.Node) -> bool:
    return node.tag == _TAG + "null"


def _plain(node: yaml.Node) -> object:
    """A text as it stands in the file, so that 0123 and 12:30 are not taken for numbers in other bases; or a bool; or a
    list of those.

    :raises ValueError: it has a tag of another kind (!!binary, !!python/name).
    """
    if node.tag.removeprefix(_TAG) not in _PLAIN:
        raise ValueError
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) if isinstance(item, yaml.ScalarNode) else {} for item in node.value]
    if not isinstance(node, yaml.ScalarNode):
        return {}
    return node.value.lower() in ("true", "yes", "on") if node.tag == _TAG + "bool" else node.value


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, without what it quotes: that may be a secret."""
    problem = error.problem or "cannot be read"
    if closing := re.search("expected ',' or '([]}])'", problem):
        opened = f", as line {error.context_mark.line + 1} opens a bracket" if error.context_mark else ""
        return f"is not YAML: expected , or {closing[1]} here{opened}"
    if "expected '-' indicator" in problem:  # libyaml's; PyYAML's own parser has other words
        return "is not YAML: expected a - here, for the next item of the list, or fewer spaces before the line"
    said = re.sub(r"\s*(['\"]).*\1", "", problem)
    if "cannot start any token" in said or "tab character" in said:
        said += "; indent with spaces, not with tabs, and quote a text that begins with @ ` or %"
    return f"is not YAML: {said}"
