"""Templates compiled to modules, by the environment that the site itself gives them: in a process that loads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

import demijohn
from demijohn import config
from demijohn.config.prepared import FOLDER
from demijohn.doors import load_site
from demijohn.views import Views
from demijohn.views.compiled import INDEX, digest, traits

_PROGRAM = "from demijohn.deploy.bundle.templates import main; main()"


class Outcome(NamedTuple):
    """What has become of the templates."""

    #: How many are compiled.
    compiled: int
    #: What could not be, and why, a sentence each.
    problems: list[str]


def write(root: Path, tree: Path, names: Iterable[str], environ: Mapping[str, str]) -> Outcome:
    """Compile the templates `names` of the site at `root` into `tree`.

    :param names: as they lie in the folder of templates.
    """
    names = sorted(names)
    if not names:
        return Outcome(0, [])
    with tempfile.TemporaryDirectory() as folder:
        order = Path(folder) / "order.json"
        order.write_text(json.dumps({"names": names, "target": str(tree / FOLDER / "views")}), encoding="utf-8")
        command = [sys.executable, "-B", "-c", _PROGRAM, str(root), str(order)]
        paths = [str(Path(demijohn.__file__).parents[1]), environ.get("PYTHONPATH", "")]
        surroundings = {**environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, cwd=root)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            return Outcome(0, [f"The site could not be loaded to compile its templates, so the host will: {last}"])
        outcome = json.loads(order.read_text(encoding="utf-8"))
    return Outcome(outcome["compiled"], outcome["problems"])


def main() -> None:
    """What the other process does: load the site, as the command line does, and compile."""
    root, order = map(Path, sys.argv[1:])
    config.prefer({"environment": "development"})
    compile_all(load_site(root).views, order)


def compile_all(views: Views, order: Path) -> None:
    """Do what `order` says, and write into it what has come of that."""
    wanted = json.loads(order.read_text(encoding="utf-8"))
    target, problems, known = Path(wanted["target"]), [], {}
    environment = _without_filters(views.environment)
    for name in wanted["names"]:
        source = Path(views.folder, name).read_bytes()
        try:
            code = environment.compile(source.decode(), name, raw=True, defer_init=True)
        except UnicodeDecodeError:
            continue  # a picture among the templates
        except Exception as error:  # of Jinja2, or of an extension
            line = getattr(error, "lineno", None)
            problems.append(f"{name}{f':{line}' if line else ''} cannot be compiled: {error}")
            continue
        path = target / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
        escape = environment.autoescape
        known[name] = [digest(source), escape(name) if callable(escape) else escape]
    if known and traits(views.environment)[0]:
        content = json.dumps({"traits": traits(views.environment), "views": known}, sort_keys=True)
        (target / INDEX).write_text(content + "\n", encoding="utf-8")
    order.write_text(json.dumps({"compiled": len(known), "problems": problems}), encoding="utf-8")


def _without_filters(environment: jinja2.Environment) -> jinja2.Environment:
    """The same environment, with nothing to call of the site's own. Jinja2 calls a filter, or a test, that is applied
    to a constant when it compiles, and writes down what it gives: here that would be this machine's word."""
    other = environment.overlay()
    other.filters = {name: _stand_in(each, FILTERS.get(name)) for name, each in environment.filters.items()}
    other.tests = {name: _stand_in(each, TESTS.get(name)) for name, each in environment.tests.items()}
    return other


def _stand_in(function: Any, known: Any) -> Any:
    def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise NotImplementedError("It is called on the host.")  # Jinja2 then leaves the call in its place

    if function is known:
        return function
    if hasattr(function, "jinja_pass_arg"):
        refuse.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
    return refuse
