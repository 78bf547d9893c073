"""What the names in a module stand for, as far as its text tells: `db` for `demijohn.Site().db`, `run` for
`bottle.run`. A call is written with its brackets and without its arguments."""

from __future__ import annotations

import ast
import builtins
import os
from typing import NamedTuple

#: Other places of the same thing.
_SAME = {
    "demijohn.site.Site": "demijohn.Site",
    "threading.Timer": "threading.Thread",
    "io.open": "open",
    "builtins.open": "open",
    "posix.mkdir": "os.mkdir",
}
#: What a path is still after one of these.
_PATH = "pathlib.Path()"
_STILL_A_PATH = frozenset(
    ("parent", "resolve()", "absolute()", "joinpath()", "with_suffix()", "with_name()", "expanduser()")
)


class Known(NamedTuple):
    """What all scopes of a site have in common."""

    #: The site's own modules by their dotted names.
    modules: dict[str, Scope]
    #: What the site's own functions give back, as far as it is known, by their names.
    results: dict[str, str]


class Scope:
    """The names of a module, a class or a function."""

    def __init__(self, known: Known, outer: Scope | None = None) -> None:
        self.names: dict[str, str] = dict(outer.names) if outer else {}
        #: The names that stand for a text that is known.
        self.texts: dict[str, str] = dict(outer.texts) if outer else {}
        self._known = known

    def bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = "" if value is None else self.dotted(value)
            self.texts.pop(target.id, None)
            text = None if value is None else self.text(value)
            if text is not None:
                self.texts[target.id] = text
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self.bind(element, None)

    def take(self, name: str, value: ast.expr, other: Scope) -> None:
        """Bind a name to what an expression stands for in another scope."""
        self.names[name] = other.dotted(value)
        text = other.text(value)
        if text is not None:
            self.texts[name] = text

    def dotted(self, node: ast.expr) -> str:
        """What an expression stands for; empty where that is not known."""
        if isinstance(node, ast.Name):
            if node.id in self.names:
                return self.names[node.id]
            return node.id if hasattr(builtins, node.id) else ""
        if isinstance(node, ast.Attribute):
            return self._attribute(self.dotted(node.value), node.attr)
        if isinstance(node, ast.Call):
            called = self.dotted(node.func)
            if called in self._known.results:
                return self._known.results[called]
            return _plain(f"{called}()") if called else ""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _PATH if _PATH in (self.dotted(node.left), self.dotted(node.right)) else ""
        if isinstance(node, (ast.Await, ast.NamedExpr)):
            return self.dotted(node.value)
        return ""

    def _attribute(self, owner: str, name: str) -> str:
        if not owner:
            return ""
        if owner in self._known.modules and name in self._known.modules[owner].names:
            return self._known.modules[owner].names[name]
        return _plain(f"{owner}.{name}")

    def text(self, node: ast.expr) -> str | None:
        """The text that an expression is, or begins with where it is a path in parts; None: not known."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self.texts.get(node.id)
        if isinstance(node, ast.Call) and node.args and self.dotted(node.func) in ("os.path.join", "pathlib.Path"):
            parts = [self.text(part) for part in node.args]
            return None if parts[0] is None else os.path.join(parts[0], *(part or "..." for part in parts[1:]))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left = self.text(node.left)
            return None if left is None else os.path.join(left, self.text(node.right) or "...")
        return None


def _plain(dotted: str) -> str:
    """One spelling for what has several."""
    if dotted in _SAME:
        return _SAME[dotted]
    if dotted.startswith(_PATH + ".") and dotted.removeprefix(_PATH + ".") in _STILL_A_PATH:
        return _PATH
    return dotted
