"""`Views`: Jinja2 as a Bottle plugin. Autoescaped, found from the root whatever the working directory. Works in any
Bottle app:

    app = bottle.Bottle()
    views = app.install(Views("/srv/site/views"))

    @app.get("/")
    @bottle.view("index")
    def index():
        return {"title": "Hello"}
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import bottle

from demijohn.errors import TemplateMissingError

if TYPE_CHECKING:
    import jinja2

_PLAIN = frozenset((FunctionType, MethodType))
#: Where an app keeps its views, for `bottle.view` and `bottle.template` to find.
CONFIG_KEY = "demijohn.views"


class Views:
    """Renders templates of one folder.

    In reach of every template: `request`, `url(name, **arguments)`, and what is given as `reach`.

    :param folder: the folder with the templates.
    :param development: look for changed templates at each rendering. Otherwise each is compiled once.
    :param reach: further names that every template sees.
    :param timed: makes a context, given the name `view`, in which each template is rendered: to know how long it takes.
    :param compiled: the folder in which `demijohn bundle` has put what the templates compile to. It may be missing, and
        is not looked at in development.
    """

    name = "views"
    api = 2

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        development: bool = False,
        reach: dict[str, Any] | None = None,
        compiled: str | os.PathLike[str] | None = None,
        timed: Callable[[str], AbstractContextManager[None]] | None = None,
    ) -> None:
        self.folder = os.path.abspath(folder)
        self._development = development
        self._prepared = compiled if compiled is not None and not development else None
        self._reach = reach or {}
        self._timed = timed
        self._environment: jinja2.Environment | None = None
        self._compiled: dict[str, jinja2.Template] = {}  # outside development

    @property
    def environment(self) -> jinja2.Environment:
        """The Jinja2 environment, made at the first use: add filters, globals and extensions to it."""
        if self._environment is None:
            self._environment = _make_environment(self.folder, self._development, self._prepared)
            self._environment.globals.update({"request": bottle.request, "url": _url, **self._reach})
            if self._timed is not None:
                self._environment.template_class = _timed_template(self._timed)
        return self._environment

    def render(self, name: str, /, **variables: Any) -> str:
        """The template `name` with these variables, as text.

        :param name: as it lies in the folder; `.html` may be left out.
        :raises TemplateMissingError: there is no such template.
        """
        template = self.find(name)
        if template is None:
            raise TemplateMissingError(name, self.folder, self.environment.list_templates())
        return template.render(variables)

    def find(self, name: str) -> jinja2.Template | None:
        """The compiled template `name`, or None where there is none."""
        if name in self._compiled:
            return self._compiled[name]
        file = name if "." in name else f"{name}.html"
        try:
            template = self.environment.get_template(file)
        except LookupError as error:  # jinja2.TemplateNotFound is one
            if getattr(error, "name", file) != file:  # a template that this one extends
                raise
            return None
        if not self._development:
            self._compiled[name] = template
        return template

    def setup(self, app: Any) -> None:
        app.config[CONFIG_KEY] = self
        bottle.template = template  # bottle.view and the route option template= look it up there

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def close(self) -> None:
        """Nothing to close."""


def _make_environment(
    folder: str, development: bool, compiled: str | os.PathLike[str] | None = None
) -> jinja2.Environment:
    loader = None
    if compiled is not None and os.path.isdir(compiled):
        from demijohn.views.compiled import make_loader

        loader = make_loader(folder, compiled)
    import jinja2

    class Context(jinja2.runtime.Context):
        @jinja2.utils.internalcode
        def call(self, called: Any, /, *args: Any, **kwargs: Any) -> Any:
            # Jinja2's own looks in several places whether `called` wants the context, which takes longer than most
            # calls: a seventh of the time of a page with a loop. For a function or a method one look is enough.
            if type(called) not in _PLAIN or hasattr(called, "jinja_pass_arg"):
                return super().call(called, *args, **kwargs)
            kwargs.pop("_block_vars", None)  # which the compiled template adds inside blocks and loops
            kwargs.pop("_loop_vars", None)
            try:
                return called(*args, **kwargs)
            except StopIteration:  # here it would end the page without a word
                return self.environment.undefined(f"{called.__name__}() was over")

    class Environment(jinja2.Environment):
        context_class = Context

        def make_globals(self, d: Any) -> Any:
            return {**self.globals, **(d or {})}  # Jinja2's own chain of mappings is slow to copy at each rendering

    return Environment(
        loader=loader or jinja2.FileSystemLoader(folder),
        autoescape=_is_escaped,
        auto_reload=development,
        cache_size=-1,
    )


def _timed_template(timed: Callable[[str], AbstractContextManager[None]]) -> type[jinja2.Template]:
    import jinja2

    class Template(jinja2.Template):
        def render(self, *args: Any, **kwargs: Any) -> str:
            with timed("view"):
                return super().render(*args, **kwargs)

    return Template


def _is_escaped(name: str | None) -> bool:
    return name is None or not name.endswith(".txt")


_bottles_template = bottle.template


def template(*args: Any, **kwargs: Any) -> Any:
    """`bottle.template`; in a request to an app with views of its own, a name is looked for among them first."""
    name = args[0] if args else None
    adapter = kwargs.get("template_adapter", bottle.Jinja2Template)
    if isinstance(name, str) and adapter is bottle.Jinja2Template and not any(c in name for c in "\n{%$"):
        views = _views_of_request()
        found = None if views is None else views.find(name)
        if found is not None:
            kwargs.pop("template_adapter", None)
            return found.render(*args[1:], **kwargs)
    return _bottles_template(*args, **kwargs)


def _views_of_request() -> Views | None:
    try:
        environ = bottle.request.environ
    except RuntimeError:
        return None
    route = environ.get("bottle.route")
    app = environ.get("bottle.app") if route is None else route.app
    return None if app is None else app.config.get(CONFIG_KEY)


def _url(name: str, /, **arguments: Any) -> str:
    """The address of the route `name`."""
    return bottle.request.app.get_url(name, **arguments)  # type: ignore[no-any-return]
