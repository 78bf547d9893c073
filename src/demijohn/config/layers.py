"""One layer over the other, each value judged, all that is wrong collected."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from demijohn import hosts
from demijohn.config import plain, prepared
from demijohn.config.draft import Draft, Given
from demijohn.config.options import APP, OPTIONS, SECTIONS, Option, nearest
from demijohn.config.rules import settle
from demijohn.config.settings import Config
from demijohn.errors import ConfigError, Problem, UnknownHostError

PREFIX = "DEMIJOHN_"
#: Set where a host is only played: its database is one of the machine at hand.
REHEARSAL = "DEMIJOHN_REHEARSAL"
#: Variables of that prefix that are not settings.
OTHERS = ("DEMIJOHN_HOST", REHEARSAL)


_preferred: dict[str, object] = {}
_insisted: dict[str, object] = {}


def prefer(base: Mapping[str, object]) -> None:
    """Have these settings in place of the defaults, in this process, wherever settings are read. The command line
    prefers `environment: development`, and the site that it loads reads its settings by itself."""
    _preferred.clear()
    _preferred.update(base)


def insist(values: Mapping[str, object]) -> None:
    """Have these values, which are not judged any more, above all others, in this process, wherever settings are read.
    A rehearsal puts a database of its own in the place of the site's, whoever has set that."""
    _insisted.clear()
    _insisted.update(values)


def load(
    root: Path | str,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    base: Mapping[str, object] | None = None,
) -> Config:
    """The settings of the site in the folder `root`.

    :param arguments: the strongest layer, by dotted names: `{"session.timeout": 600}`.
    :param environ: the variables; by default those of the process.
    :param base: the weakest layer but the defaults; if it is not given, what `prefer` has set.
    :raises ConfigError: with everything that is wrong.
    """
    config, problems = read(root, arguments, environ, base=base)
    if problems:
        raise ConfigError(problems)
    return config


def read(
    root: Path | str,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    base: Mapping[str, object] | None = None,
) -> tuple[Config, list[Problem]]:
    """As `load`, but nothing is raised: what could be read, with the next layer's value in place of a wrong one; and
    what is wrong."""
    environ = os.environ if environ is None else environ
    root = Path(os.path.abspath(root))
    problems: list[Problem] = []
    host = _host(environ, problems)
    if not os.path.isdir(root):
        problems.append(Problem("", "root", f"there is no folder {str(root)!r}"))
    in_file, name = _file(root / "config.yaml", problems)
    draft = Draft(host, root, problems)
    draft.rehearsal = bool(environ.get(REHEARSAL))
    if not all(problem.name for problem in problems):
        draft.wrong.update(OPTIONS)  # what seems to be missing may stand where nothing could be read
    for given in (
        *_mapping(_preferred if base is None else base, "the command line's default", problems),
        *(Given(name, value, source) for name, (value, source) in host.settings(environ).items()),
        *in_file,
        *_environment(environ, problems),
        *_mapping(arguments or {}, "argument", problems),
    ):
        _take(draft, given)
    for insisted, value in _insisted.items():
        draft.put(insisted, value, "rehearsal")
    settle(draft, name)
    problems.sort(key=_line)
    return Config(_ordered(draft.values), draft.sources, host, root), problems


def _line(problem: Problem) -> tuple[bool, int]:
    """Sorts the file's problems by their lines, and before the others, which stay as they are."""
    line = problem.source.partition(":")[2].partition(" ")[0]
    return not line.isdigit(), int(line) if line.isdigit() else 0


def _host(environ: Mapping[str, str], problems: list[Problem]) -> hosts.Host:
    try:
        return hosts.detect(environ)
    except UnknownHostError as error:
        near = nearest(error.name, error.known)
        problems.append(Problem("host", "DEMIJOHN_HOST", f"{error.name} is not a host that is known{near}"))
        return hosts.find("local")


def _file(path: Path, problems: list[Problem]) -> tuple[list[Given], Given | None]:
    """What is in config.yaml, and the site's name in it."""
    if not os.path.exists(path):
        return [], None
    known = prepared.find(path)
    if known is None:
        known = plain.find(path)
    if known is not None:
        return known
    from demijohn.config import document  # yaml takes 11 ms, which most sites need not pay

    read = document.read(path)
    problems += read.problems
    return read.given, read.name


def _take(draft: Draft, given: Given) -> None:
    """Judge a value, and let it cover the one below."""
    option = OPTIONS.get(given.name)
    if option is None:
        draft.put(given.name, given.value, given.source)
        return
    try:
        draft.put(given.name, option.kind.read(given.value), given.source)
    except ValueError as error:
        draft.wrong.add(given.name)
        draft.problems.append(Problem(given.name, given.source, _refusal(option, given.value, str(error))))


def _refusal(option: Option, value: object, detail: str) -> str:
    quoted = "" if detail and isinstance(value, Mapping) else _quoted(option, value)  # the detail says what is in it
    sentence = f"{option.name} must be {option.kind.says}{quoted}"
    return f"{sentence}: {detail}" if detail else sentence


def _quoted(option: Option, value: object) -> str:
    """`, not VALUE`; nothing where the value is a secret, or could be an address with a password in it."""
    if isinstance(value, (list, tuple, Mapping)):
        return ", not a mapping" if isinstance(value, Mapping) else ", not a list" if not _is_list(option) else ""
    if option.secret or option.name.endswith((".url", ".replicas")):
        return ""
    return f", not {str(value)[:60]!r}" if isinstance(value, str) else f", not {str(value)[:60]}"


def _is_list(option: Option) -> bool:
    return isinstance(option.default, tuple)


def _environment(environ: Mapping[str, str], problems: list[Problem]) -> Iterator[Given]:
    """What the variables set, the strongest name of each setting last. An empty one counts as not set."""
    ours = {name for name in environ if name.startswith(PREFIX) and name not in OTHERS}
    for option in OPTIONS.values():
        for variable in reversed(option.variables):
            ours.discard(variable)
            if value := environ.get(variable, "").strip():
                yield Given(option.name, value, variable)
    start = f"{PREFIX}{APP.upper()}_"
    for variable in sorted(ours):
        if variable.startswith(start) and len(variable) > len(start):
            yield Given(f"{APP}.{variable[len(start) :].lower()}", environ[variable], variable)
        else:
            known = [name for option in OPTIONS.values() for name in option.variables if name.startswith(PREFIX)]
            near = nearest(variable, (*known, *OTHERS))
            problems.append(Problem(variable, variable, f"there is no setting of this name{near}"))


def _mapping(settings: Mapping[str, object], source: str, problems: list[Problem]) -> Iterator[Given]:
    for name, value in settings.items():
        if name == APP and isinstance(value, Mapping):
            yield from (Given(f"{APP}.{key}", inner, source) for key, inner in value.items())
        elif name in OPTIONS or (isinstance(name, str) and name.startswith(APP + ".")):
            if value is not None:
                yield Given(name, value, source)
        elif name in SECTIONS:
            problems.append(Problem(name, source, f"{name} is a section; its settings are written {name}.KEY"))
        else:
            problems.append(Problem(str(name), source, f"{name} is not a setting{nearest(str(name))}"))


def _ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    own: Iterable[str] = (name for name in values if name not in OPTIONS)
    return {name: values[name] for name in (*OPTIONS, *own)}
