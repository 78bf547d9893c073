"""I301 to I311: what happens while the site is loaded, and should not. Read from the text; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from demijohn.check.boot import Call
from demijohn.check.calls import OPEN, RANDOM, READ, RULES, Said, writes
from demijohn.check.scope import Scope
from demijohn.check.subject import Subject
from demijohn.findings import Finding
from demijohn.hosts import Host

#: What a name says of a value that nobody may guess.
_SECRET = r"(?i)(secret|(?<![a-z])key(?![a-z])|salt|signing|password|passphrase)"  # noqa: S105
#: Keys of which nobody is kept out by not knowing them.
_NO_SECRET = r"(?i)(cache|partition|sort|primary|foreign|public|row|idempotency|prefix)"  # noqa: S105
_ENVIRONMENT = r"os\.(environ\.(get|setdefault|pop)|getenv)"
_FROM_FILE = "Take it from the file: os.path.dirname(os.path.abspath(__file__))"
_NOT_THERE = "which under mod_wsgi and on PythonAnywhere is another folder"


def check(subject: Subject) -> Iterator[Finding]:
    for call in subject.boot.calls:
        if not call.maybe:
            for part in (_ruled, _files, _whereabouts, _debugging):
                yield from part(subject.host, call)
    yield from _random(subject)


def _told(call: Call, code: str, said: Said | None) -> Iterator[Finding]:
    if said is not None:
        yield Finding(code, call.path, call.node.lineno, *said)


def _ruled(host: Host, call: Call) -> Iterator[Finding]:
    for rule in RULES:
        if re.fullmatch(rule.called, call.name) and not (rule.code == "I306" and _is_temporary(host, call)):
            yield from _told(call, rule.code, rule.says(host))


def _files(host: Host, call: Call) -> Iterator[Finding]:
    opens = re.fullmatch(OPEN, call.name)
    if (opens and _is_for_writing(call)) or _logs_to_a_file(call):
        if not _is_temporary(host, call):
            yield from _told(call, "I306", writes(host))
    elif (opens or re.fullmatch(READ, call.name)) and _is_relative(_path(call)):
        message = f"A path is taken from the working directory, {_NOT_THERE}."
        yield from _told(call, "I307", (message, f"{_FROM_FILE}, and join the rest to it.", "warning"))


def _whereabouts(_host: Host, call: Call) -> Iterator[Finding]:
    """`Site(".")` and `os.chdir(...)`."""
    root = call.node.args[0] if call.node.args else _word(call, "root")
    if call.name == "os.chdir":
        message = "The working directory is changed while the site is loaded, for all else in the process, too."
        yield from _told(call, "I308", (message, f"{_FROM_FILE}, and let the working directory be.", "error"))
    elif call.name == "demijohn.Site" and root is not None and _is_working_directory(call.scope, root):
        message = f"The site's folder is taken to be the working directory, {_NOT_THERE}."
        yield from _told(call, "I308", (message, f"{_FROM_FILE}, with one more dirname() from within app/.", "error"))


def _debugging(_host: Host, call: Call) -> Iterator[Finding]:
    if call.name == "bottle.debug" and not _is_false(call.node.args[:1]):
        message = "Debugging is switched on wherever the site is: visitors are shown tracebacks."
        yield from _told(call, "I311", (message, "Take it out: `demijohn run` shows them by itself.", "error"))


def _is_working_directory(scope: Scope, root: ast.expr) -> bool:
    text = scope.text(root)
    return _is_relative(text) if text is not None else scope.dotted(root) in ("os.getcwd()", "pathlib.Path.cwd()")


def _word(call: Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.node.keywords if word.arg == name), None)


def _is_for_writing(call: Call) -> bool:
    place = 0 if call.name == "pathlib.Path().open" else 1
    mode = call.node.args[place] if len(call.node.args) > place else _word(call, "mode")
    text = None if mode is None else call.scope.text(mode)
    return text is not None and bool(re.search("[wax+]", text))


def _logs_to_a_file(call: Call) -> bool:
    return call.name == "logging.basicConfig" and _word(call, "filename") is not None


def _path(call: Call) -> str | None:
    """The path that a call is about, as far as it is known."""
    func = call.node.func
    if call.name.startswith("pathlib.Path()") and isinstance(func, ast.Attribute):
        return call.scope.text(func.value)
    first = call.node.args[0] if call.node.args else _word(call, "filename") or _word(call, "file")
    return None if first is None else call.scope.text(first)


def _is_relative(path: str | None) -> bool:
    return path is not None and not path.startswith(("/", "\\", "~")) and not re.match(r"[A-Za-z]:", path)


def _is_temporary(host: Host, call: Call) -> bool:
    """Whether it is in /tmp, where there is one, or no file at all."""
    path = _path(call)
    return path is not None and (path.startswith("/dev/") or (host.temp and path.startswith("/tmp/")))  # noqa: S108


def _is_false(args: list[ast.expr]) -> bool:
    return bool(args) and not (isinstance(args[0], ast.Constant) and args[0].value)


# Secrets


def _random(subject: Subject) -> Iterator[Finding]:
    lines = set()
    for item in subject.boot.assignments:
        name = ast.unparse(item.target)
        if re.search(_SECRET, name) and not re.search(_NO_SECRET, name) and _has_random(item.scope, item.value):
            lines.add((item.path, item.value.lineno))
    for call in subject.boot.calls:
        lines |= {(call.path, value.lineno) for value in _secret_values(call) if _has_random(call.scope, value)}
    for path, line in sorted(lines):
        message = "Each process makes a secret of its own: what one has signed, the next does not believe."
        fix = "Make one, once, and set it in the variable SECRET_KEY on the host."
        yield Finding("I302", path, line, message, fix)


def _secret_values(call: Call) -> Iterator[ast.expr]:
    """The values in a call's arguments that are given to a secret, by the name before them."""
    args = call.node.args
    yield from (word.value for word in call.node.keywords if re.search(_SECRET, word.arg or ""))
    if re.fullmatch(_ENVIRONMENT, call.name) and args and re.search(_SECRET, call.scope.text(args[0]) or ""):
        yield from args[1:]
    for mapping in args:
        if isinstance(mapping, ast.Dict):
            pairs = zip(mapping.keys, mapping.values, strict=True)
            yield from (value for key, value in pairs if key is not None and re.search(_SECRET, ast.unparse(key)))


def _has_random(scope: Scope, value: ast.expr) -> bool:
    calls = (node for node in ast.walk(value) if isinstance(node, ast.Call))
    return not isinstance(value, ast.Lambda) and any(re.fullmatch(RANDOM, scope.dotted(call.func)) for call in calls)
