"""F221 to F224: templates, and what they and the code name: static files, routes, other templates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from demijohn.check.folder import Unreadable, nearest
from demijohn.check.scope import Scope
from demijohn.check.subject import Subject
from demijohn.findings import Finding
from demijohn.static.names import is_refused

if TYPE_CHECKING:
    import jinja2

_TEXTS = ("html", "htm", "txt", "xml", "xhtml", "svg", "css", "js", "json", "md", "jinja", "jinja2", "j2")
_EXTENSIONS = ("jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n")
_ROUTES = frozenset(("route", "get", "post", "put", "delete", "patch"))
_SITE = "demijohn.Site()"


class _Mention(NamedTuple):
    """Something that is named where it is needed."""

    path: str
    line: int
    #: `static`, `route` or `template`.
    kind: str
    name: str


def check(subject: Subject) -> Iterator[Finding]:
    views, static = (subject.settings[name].strip("/") for name in ("views.path", "static.path"))
    templates = {path.removeprefix(f"{views}/") for path in subject.folder.files if path.startswith(f"{views}/")}
    # What is refused to visitors is not there for them.
    files = {
        path.removeprefix(f"{static}/")
        for path in subject.folder.files
        if path.startswith(f"{static}/") and not is_refused(path.rpartition("/")[2])
    }
    mentions: list[_Mention] = []
    for name in sorted(templates):
        if name.rpartition(".")[2] in _TEXTS:
            yield from _template(subject, f"{views}/{name}", mentions)
    routes = _routes(subject, mentions)
    known = {
        "static": files if (subject.folder.root / static).is_dir() else None,  # else S117, or there are none to name
        "route": routes,
        "template": templates,
    }
    codes = {"static": ("F222", "static file"), "route": ("F223", "route"), "template": ("F224", "template")}
    for path, line, kind, name in mentions:
        there = known[kind]
        if there is None or name in there or (kind == "template" and "." not in name and f"{name}.html" in there):
            continue
        code, what = codes[kind]
        near = nearest(name, there)
        fix = f"Is it {near}?" if near else "Make it, or name one that is there; capitals count."
        yield Finding(code, path, line, f"There is no {what} {name!r}.", fix)


def _template(subject: Subject, path: str, mentions: list[_Mention]) -> Iterator[Finding]:
    import jinja2

    data = subject.folder.bytes(path)
    try:
        source = data.decode()
    except UnicodeDecodeError as error:
        yield Finding(
            "F221", path, 1 + data.count(b"\n", 0, error.start), "This template is not UTF-8.", "Save it as UTF-8."
        )
        return
    environment = jinja2.Environment(extensions=_EXTENSIONS)
    try:
        tree = environment.parse(source)
    except jinja2.TemplateSyntaxError as error:
        if "unknown tag" not in str(error.message) or not _mentions(subject, "add_extension"):
            message = f"This template cannot be compiled: {str(error.message).rstrip('.')}."
            yield Finding("F221", path, error.lineno, message, "Mend it; every page that uses it answers 500.")
        return
    yield from _unknown_filters(subject, path, tree, environment)
    mentions += _in_template(path, tree)


def _unknown_filters(subject: Subject, path: str, tree: Any, environment: jinja2.Environment) -> Iterator[Finding]:
    import jinja2.nodes as nodes

    for kind, known, what in ((nodes.Filter, environment.filters, "filter"), (nodes.Test, environment.tests, "test")):
        for node in tree.find_all(kind):
            if node.name not in known and not _mentions(subject, node.name.rpartition(".")[2]):
                message = f"This template cannot be compiled: there is no {what} {node.name!r}."
                near = nearest(node.name, known)
                yield Finding("F221", path, node.lineno, message, f"Is it {near}?" if near else "Mend it.")


def _in_template(path: str, tree: Any) -> Iterator[_Mention]:
    import jinja2.nodes as nodes

    kinds = {"static_url": "static", "static_integrity": "static", "url": "route"}
    for node in tree.find_all(nodes.Call):
        called = node.node
        if isinstance(called, nodes.Name) and called.name in kinds and node.args:
            first = node.args[0]
            if isinstance(first, nodes.Const) and isinstance(first.value, str):
                yield _Mention(path, node.lineno, kinds[called.name], first.value)
    for node in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        name = node.template
        if isinstance(name, nodes.Const) and isinstance(name.value, str) and not getattr(node, "ignore_missing", False):
            yield _Mention(path, node.lineno, "template", name.value)


def _routes(subject: Subject, mentions: list[_Mention]) -> set[str] | None:
    """The names of all routes; None where the code does not say them all. What else the code names joins `mentions`."""
    names: set[str] = set()
    whole = True
    for path in subject.boot.sources:
        try:
            tree = subject.folder.tree(path)
        except Unreadable:
            return None
        scope = subject.boot.scopes.get(path)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in ("add_route", "merge", "mount"):
                whole = False
            elif node.func.attr in _ROUTES:
                whole = _route(node, names) and whole
            elif scope is not None:
                mentions += _in_code(path, node, scope)
    return names if whole and any(call.name == "demijohn.Site" for call in subject.boot.calls) else None


def _route(node: ast.Call, names: set[str]) -> bool:
    """Whether the route's name can be told; if there is one, it joins `names`."""
    for word in node.keywords:
        if word.arg is None:
            return False
        if word.arg == "name":
            if not isinstance(word.value, ast.Constant):
                return False
            names.add(str(word.value.value))
    names.update(arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
    return True


def _in_code(path: str, node: ast.Call, scope: Scope) -> Iterator[_Mention]:
    kinds = {
        f"{_SITE}.static_url": "static",
        f"{_SITE}.static.url": "static",
        f"{_SITE}.get_url": "route",
        f"{_SITE}.render": "template",
    }
    kind = kinds.get(scope.dotted(node.func))
    if kind and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
        yield _Mention(path, node.lineno, kind, node.args[0].value)


def _mentions(subject: Subject, word: str) -> bool:
    """Whether the site's code says this word anywhere: then it may have made it what it is."""
    return any(word in subject.folder.text(path) for path in subject.boot.sources)
