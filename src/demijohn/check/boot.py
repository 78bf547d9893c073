"""What is run when a host loads the site, read from the text and not run: the modules that the doors import, and in
each what stands outside functions, and inside of those that are called there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from demijohn.check.folder import Folder, Unreadable
from demijohn.check.scope import Known, Scope

DOORS = ("index.wsgi", "main.py")
#: What a class is in a scope whose rows lie in the database.
MODEL = "a model"
_BASES = ("demijohn.database.models.Shortcuts", MODEL)
#: Classes whose children do what they do, for whoever calls them.
_PARENTS = ("demijohn.Site", "bottle.Bottle", "flask.Flask", "threading.Thread", "multiprocessing.Process")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Conditions under which a host does not come by, and those of which only the host knows.
_ELSEWHERE = r"(?i)\b(development|debug|testing|argv|platform|version_info|find_spec)\b"
_UNKNOWN = r"\b(environ|getenv)\b"


class Call(NamedTuple):
    """A call at import."""

    path: str
    node: ast.Call
    #: What is called: `os.makedirs`.
    name: str
    scope: Scope
    #: Only if the environment says so.
    maybe: bool


class Assignment(NamedTuple):
    path: str
    target: ast.expr
    value: ast.expr
    scope: Scope


class Import(NamedTuple):
    """A module that is not the site's own."""

    path: str
    line: int
    #: Its name up to the first dot.
    name: str


class Boot:
    """What happens on the way up."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.calls: list[Call] = []
        self.assignments: list[Assignment] = []
        self.imports: list[Import] = []
        #: Files that are loaded, and what is wrong with those that cannot be.
        self.unreadable: dict[str, Unreadable] = {}
        #: The names in each file that was read.
        self.scopes: dict[str, Scope] = {}
        self._known = Known({}, {})
        self._functions: dict[str, tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        self._entered: set[str] = set()
        for door in DOORS:
            if (folder.root / door).is_file():
                self._load(door, "__main__" if door == "main.py" else "")

    @property
    def sources(self) -> list[str]:
        """The Python of the site: what is loaded at boot, and what lies in the same packages and is loaded later."""
        packages = {path.partition("/")[0] + "/" for path in (*self.scopes, *self.unreadable) if "/" in path}
        within = (*packages, "migrations/")
        later = {path for path in self.folder.files if path.endswith(".py") and path.startswith(within)}
        return sorted({*self.scopes, *self.unreadable, *later})

    # Modules

    def _load(self, path: str, name: str) -> None:
        if path in self.scopes or path in self.unreadable:
            return
        try:
            tree = self.folder.tree(path)
        except Unreadable as error:
            self.unreadable[path] = error
            return
        self.scopes[path] = scope = self._known.modules[name] = Scope(self._known)
        scope.names["__file__"] = ""
        _Reader(self, path, name, scope).block(tree.body)

    def own(self, name: str) -> bool:
        """Load a module if it is the site's own; whether it is."""
        parts, found = name.split("."), False
        for count in range(1, len(parts) + 1):
            start = "/".join(parts[:count])
            for path in (f"{start}/__init__.py", f"{start}.py"):
                if (self.folder.root / path).is_file():
                    self._load(path, ".".join(parts[:count]))
                    found = count == len(parts)
                    break
            else:
                found = count == len(parts) and any(file.startswith(f"{start}/") for file in self.folder.files)
                if not found:
                    return False
        return found

    def bring(self, module: str, name: str) -> str:
        """What `from module import name` stands for."""
        if module in self._known.modules and name in self._known.modules[module].names:
            return self._known.modules[module].names[name]
        self.own(f"{module}.{name}")
        return f"{module}.{name}"

    def scope_of(self, module: str) -> Scope:
        return self._known.modules.get(module) or Scope(self._known)

    # Functions

    def define(self, path: str, node: ast.FunctionDef | ast.AsyncFunctionDef, line: int = 0) -> str:
        """The name under which a function is entered.

        :param line: that of its class, where that is what is called.
        """
        name = f"{path}:{line or node.lineno}"
        self._functions[name] = (path, node)
        return name

    def enter(self, name: str, call: ast.Call, caller: Scope, maybe: bool) -> None:
        """Read what a function of the site's own does, once, with what it is called with the first time."""
        if name not in self._functions or name in self._entered:
            return
        self._entered.add(name)
        path, node = self._functions[name]
        if isinstance(node, ast.AsyncFunctionDef) or any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in _own(node)):
            return  # the call alone runs nothing of it
        scope = Scope(self._known, self.scopes[path])
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                scope.bind(ast.Name(argument.arg), None)
        for given, value in _given(node, call):
            scope.take(given, value, caller)
        reader = _Reader(self, path, "", scope, maybe)
        reader.block(node.body)
        if node.name != "__init__":
            self._known.results[name] = reader.result


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, without the functions that it defines."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from _own(child)


def _given(node: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """A function's arguments, each with what this call gives it."""
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    names = names[1:] if node.name == "__init__" else names
    for name, value in zip(names, call.args, strict=False):
        if isinstance(value, ast.Starred):
            return
        yield name, value
    yield from ((word.arg, word.value) for word in call.keywords if word.arg)


class _Reader:
    """Goes through statements in the order in which they are run."""

    def __init__(self, boot: Boot, path: str, module: str, scope: Scope, maybe: bool = False) -> None:
        self._boot = boot
        self._path = path
        self._module = module
        self._scope = scope
        self._maybe = maybe
        self._guarded = False
        #: What the function gives back that is read.
        self.result = ""

    def block(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            method = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if method is not None:
                method(statement)
            else:
                self._others(statement)

    def _others(self, statement: ast.stmt) -> None:
        """Loops, returns, expressions: what stands in them, then what they hold."""
        for field, value in ast.iter_fields(statement):
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.expr) and field not in ("annotation", "returns"):
                    self._expression(item)
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                self.block(value)

    def _import(self, statement: ast.Import) -> None:
        for alias in statement.names:
            first = alias.name.partition(".")[0]
            if not self._boot.own(alias.name):
                self._foreign(first, statement.lineno)
            self._scope.names[alias.asname or first] = alias.name if alias.asname else first

    def _importfrom(self, statement: ast.ImportFrom) -> None:
        module = statement.module or ""
        if statement.level:
            package = self._module.split(".") if self._path.endswith("__init__.py") else self._module.split(".")[:-1]
            base = package[: len(package) - statement.level + 1]
            module = ".".join([*base, *filter(None, [module])])
        own = self._boot.own(module)
        if not own and not statement.level:
            self._foreign(module.partition(".")[0], statement.lineno)
        for alias in statement.names:
            if alias.name == "*" and own:
                self._scope.names.update(self._boot.scope_of(module).names)
            name = self._boot.bring(module, alias.name) if own else f"{module}.{alias.name}"
            self._scope.names[alias.asname or alias.name] = {"demijohn.site.Site": "demijohn.Site"}.get(name, name)

    def _foreign(self, name: str, line: int) -> None:
        if not self._guarded and not self._maybe:
            self._boot.imports.append(Import(self._path, line, name))

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self._expression(part)
        self._scope.names[node.name] = self._boot.define(self._path, node)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self._expression(part)
        bases = [self._scope.dotted(base) for base in node.bases]
        model = any(base in _BASES or base.endswith(".db.Model") for base in bases)
        self._scope.names[node.name] = MODEL if model else next((base for base in bases if base in _PARENTS), "")
        inner = Scope(self._boot._known, self._scope)
        _Reader(self._boot, self._path, self._module, inner, self._maybe).block(node.body)
        begin = next(
            (part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None
        )
        if begin is not None and not self._scope.names[node.name]:
            self._scope.names[node.name] = self._boot.define(self._path, begin, node.lineno)

    def _if(self, statement: ast.If) -> None:
        test = ast.unparse(statement.test)
        if re.search(r"__name__ == |TYPE_CHECKING", test):
            self.block(statement.orelse)
        elif not re.search(_ELSEWHERE, test):
            self._expression(statement.test)
            before, self._maybe = self._maybe, self._maybe or bool(re.search(_UNKNOWN, test))
            self.block(statement.body)
            self.block(statement.orelse)
            self._maybe = before

    def _try(self, statement: ast.Try) -> None:
        before, self._guarded = self._guarded, self._guarded or bool(statement.handlers)
        self.block(statement.body)
        self._guarded = before
        self.block(statement.orelse)
        self.block(statement.finalbody)

    _trystar = _try

    def _match(self, statement: ast.Match) -> None:
        self._expression(statement.subject)
        before, self._maybe = self._maybe, True
        for case in statement.cases:
            self.block(case.body)
        self._maybe = before

    def _with(self, statement: ast.With) -> None:
        before = self._guarded
        for item in statement.items:
            self._expression(item.context_expr)
            if item.optional_vars is not None:
                self._scope.bind(item.optional_vars, item.context_expr)
            self._guarded = self._guarded or self._scope.dotted(item.context_expr) == "contextlib.suppress()"
        self.block(statement.body)
        self._guarded = before

    def _return(self, statement: ast.Return) -> None:
        if statement.value is not None:
            self._expression(statement.value)
            self.result = self.result or self._scope.dotted(statement.value)

    def _assign(self, statement: ast.Assign) -> None:
        for target in statement.targets:
            self._assigned(target, statement.value)

    def _annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self._assigned(statement.target, statement.value)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        self._expression(value)
        self._boot.assignments.append(Assignment(self._path, target, value, self._scope))
        self._scope.bind(target, value)

    def _expression(self, node: ast.AST) -> None:
        """Every call in an expression, the inner ones first. What a lambda or a generator holds is not run yet."""
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.GeneratorExp):
            self._expression(node.generators[0].iter)
            return
        for child in ast.iter_child_nodes(node):
            self._expression(child)
        if isinstance(node, ast.Call):
            name = self._scope.dotted(node.func)
            if name == "importlib.import_module" and node.args and (module := self._scope.text(node.args[0])):
                self._boot.own(module)
            if name:
                self._boot.calls.append(Call(self._path, node, name, self._scope, self._maybe))
                self._boot.enter(name, node, self._scope, self._maybe)
