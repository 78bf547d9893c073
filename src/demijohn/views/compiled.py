"""Templates as `demijohn bundle` has compiled them, so that the host need not.

A compiled template counts for as long as its source is what it was compiled from, and the environment has the settings
that it was compiled with; otherwise the source is compiled, as without a bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import MutableMapping
from importlib import import_module
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

#: What there is, and what it was compiled with: in the folder of the compiled templates.
INDEX = "index.json"


def digest(source: bytes) -> str:
    """By what a template's source is told from another."""
    return hashlib.blake2b(source, digest_size=16).hexdigest()


def traits(environment: jinja2.Environment) -> list[Any]:
    """What decides, beside the source, what a template is compiled to; as JSON would give it back."""
    import jinja2

    names = ("block", "variable", "comment")
    marks = [getattr(environment, f"{name}_{side}_string") for name in names for side in ("start", "end")]
    finalize = environment.finalize
    return [
        vars(jinja2).get("__version__"),
        *marks,
        environment.line_statement_prefix,
        environment.line_comment_prefix,
        environment.trim_blocks,
        environment.lstrip_blocks,
        environment.newline_sequence,
        environment.keep_trailing_newline,
        environment.optimized,
        environment.sandboxed,
        environment.is_async,
        getattr(finalize, "__qualname__", str(finalize)),
        sorted(environment.extensions),
        getattr(environment, "newstyle_gettext", None),
        environment.policies.get("ext.i18n.trimmed"),
    ]


def make_loader(folder: str, compiled: str | os.PathLike[str]) -> jinja2.BaseLoader | None:
    """A loader that takes what is in `compiled`, where it is good; None if there is nothing that could be taken."""
    try:
        with open(os.path.join(compiled, INDEX), "rb") as file:
            index = json.load(file)
    except (OSError, ValueError):
        return None
    _import_without_compiler()
    import jinja2

    class Loader(jinja2.FileSystemLoader):
        @jinja2.utils.internalcode
        def load(
            self, environment: jinja2.Environment, name: str, globals: MutableMapping[str, Any] | None = None
        ) -> jinja2.Template:
            path = os.path.join(folder, *name.split("/"))
            code = _find(index, environment, name, path, compiled)
            if code is None:
                return super().load(environment, name, globals)
            namespace: dict[str, Any] = {"__file__": path}  # errors name the template, and its line
            exec(code, namespace)  # noqa: S102
            return environment.template_class.from_module_dict(environment, namespace, globals or {})

    return Loader(folder)


def _find(
    index: dict[str, Any], environment: jinja2.Environment, name: str, path: str, compiled: str | os.PathLike[str]
) -> CodeType | None:
    known = index["views"].get(name)
    if known is None or index["traits"] != traits(environment):
        return None
    escape = environment.autoescape
    if known != [_digest_of(path), escape(name) if callable(escape) else escape]:
        return None
    return SourceFileLoader(name, os.path.join(compiled, f"{name}.py")).get_code(name)


def _digest_of(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return digest(file.read())
    except OSError:
        return None


# Jinja2's compiler is a tenth of the cold start of a small site, and of no use where the templates are compiled. The
# environment imports it at once; these names stand in for it until a template has to be compiled after all.
_LATER = {
    "jinja2.compiler": ("CodeGenerator", "generate"),
    "jinja2.lexer": ("Lexer", "TokenStream", "get_lexer"),
    "jinja2.parser": ("Parser",),
}


def _import_without_compiler() -> None:
    if "jinja2" in sys.modules:
        return
    for module, names in _LATER.items():
        later = sys.modules[module] = ModuleType(module)
        for name in names:
            setattr(later, name, _stand_in(module, name))
    try:
        import_module("jinja2")
    except (ImportError, AttributeError):  # another Jinja2 than these names are from
        for name in [name for name in sys.modules if name.partition(".")[0] == "jinja2"]:
            del sys.modules[name]
    finally:
        for module in _LATER:
            sys.modules.pop(module, None)


def _stand_in(module: str, name: str) -> type:
    def make(cls: type, *args: Any, **kwargs: Any) -> Any:
        _put_compiler_in()
        return getattr(import_module(module), name)(*args, **kwargs)

    return type(name, (), {"__new__": make})


def _put_compiler_in() -> None:
    environment: Any = import_module("jinja2.environment")
    for module, names in _LATER.items():
        for name in names:
            setattr(environment, name, getattr(import_module(module), name))
    environment.Environment.code_generator_class = environment.CodeGenerator
