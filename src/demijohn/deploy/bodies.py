"""The largest body that a site takes, read from its code: what stands before the site must let it through."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from demijohn.config import Config

#: What hosts load first.
_DOORS = ("index.wsgi", "main.py")
OPTION = "body_limit"
#: Methods of the request that are told a limit in the handler.
_METHODS = ("parts", "stream")
_MENTIONED = re.compile(rf"{OPTION}|\.({'|'.join(_METHODS)})\(")
_IMPORTED = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}


class Limit(NamedTuple):
    """What may be sent somewhere."""

    #: Bytes; None: that cannot be told from the code.
    limit: int | None
    #: Where the code says it.
    path: str
    line: int


def widest(root: Path, settings: Config) -> int:
    """Bytes of the largest body that the site takes, as far as it can be told."""
    most: int = settings["body.limit"]
    return max([most, *(found.limit or 0 for found in limits(root, settings))])


def limits(root: Path, settings: Config) -> Iterator[Limit]:
    """The routes' `body_limit`, and what handlers tell `request.parts` and `request.stream`. What can be told is a
    number, a name that a module gives one, a setting, and sums, products and the like of them."""
    code = _Code(root, settings)
    for path in code.files():
        module = code.module(path)
        for value in _limits(module.tree):
            if not (isinstance(value, ast.Constant) and value.value is None):  # which means: the usual one
                limit = code.number(value, module)
                name = path.relative_to(root).as_posix()
                yield Limit(None if limit is None else int(limit), name, value.lineno)


def _limits(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == OPTION:
                    yield value
        elif isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == OPTION)
            if _asks_for_the_body(node.func):
                yield from node.args[:1]
                yield from (word.value for word in node.keywords if word.arg == "limit")


def _asks_for_the_body(called: ast.expr) -> bool:
    """Whether it is `request.parts`, `bottle.request.stream` or the like."""
    if not isinstance(called, ast.Attribute) or called.attr not in _METHODS:
        return False
    return ast.unparse(called.value).rpartition(".")[2] == "request"


class _Module:
    """A file of the site's own, with what its names are given at its top."""

    def __init__(self, path: Path, package: tuple[str, ...]) -> None:
        self.path = path
        self._package = package
        #: The values of the names, and of those that are imported the module and the name there.
        self.values: dict[str, ast.expr] = {}
        self.imports: dict[str, tuple[tuple[str, ...], str]] = {}
        try:
            self.tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):  # `demijohn check` tells
            self.tree = ast.Module([], [])
        for node in self.tree.body:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._bind(target, node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._bind(node.target, node.value)
            elif isinstance(node, ast.ImportFrom):
                module = (*self._base(node.level), *(node.module.split(".") if node.module else ()))
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (module, alias.name)

    def _base(self, level: int) -> tuple[str, ...]:
        return self._package[: len(self._package) - level + 1] if level else ()

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._bind(one, its)


class _Code:
    def __init__(self, root: Path, settings: Config) -> None:
        self._root = root
        self._settings = settings
        self._modules: dict[Path, _Module] = {}

    def files(self) -> list[Path]:
        """The files of what the doors import, and of what those import, in which a limit may stand."""
        waiting = [self._root / door for door in _DOORS]
        seen, found = set(waiting), []
        while waiting:
            path = waiting.pop()
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
            if _MENTIONED.search(text):
                found.append(path)
            for name in set(_IMPORTED.findall(text)):
                new = {self._root / f"{name}.py", *(self._root / name).rglob("*.py")} - seen
                seen |= new
                waiting += new
        return sorted(found)

    def module(self, path: Path) -> _Module:
        if path not in self._modules:
            self._modules[path] = _Module(path, path.relative_to(self._root).parent.parts)
        return self._modules[path]

    def number(self, node: ast.expr, module: _Module, depth: int = 0) -> float | None:
        """What an expression comes to; None: it cannot be told."""
        if depth > 20:  # names that go round in circles
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, (int, float)) else None
        if isinstance(node, ast.Name):
            return self._named(node.id, module, depth)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in module.imports:
            place, name = module.imports[node.value.id]
            return self._elsewhere((*place, name), node.attr, depth)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return self._set(node.slice.value)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = (self.number(side, module, depth + 1) for side in (node.left, node.right))
            if left is None or right is None or (abs(right) > 64 and isinstance(node.op, (ast.Pow, ast.LShift))):
                return None
            try:
                value: float = _OPERATORS[type(node.op)](left, right)
                return value
            except (ArithmeticError, TypeError, ValueError):
                return None
        return None

    def _set(self, name: object) -> float | None:
        value = self._settings[name] if isinstance(name, str) and name in set(self._settings) else None
        return value if isinstance(value, (int, float)) else None

    def _named(self, name: str, module: _Module, depth: int) -> float | None:
        if name in module.values:
            return self.number(module.values[name], module, depth + 1)
        if name in module.imports:
            return self._elsewhere(*module.imports[name], depth)
        return None

    def _elsewhere(self, place: tuple[str, ...], name: str, depth: int) -> float | None:
        start = self._root.joinpath(*place)
        for path in (start.with_suffix(".py"), start / "__init__.py"):
            if place and path.is_file():
                return self._named(name, self.module(path), depth + 1)
        return None
