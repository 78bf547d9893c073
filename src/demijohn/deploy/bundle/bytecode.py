"""Byte code for the host's Python, by a Python of that version on this machine.

With hashes that are not compared (PEP 552): upload tools lose the times that Python otherwise goes by, and a host that
cannot write would compile everything at each start, which takes three times as long.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from demijohn.deploy.bundle.contents import PACKAGES
from demijohn.deploy.bundle.errors import BundleError, SourceError

#: Where the files seem to have been compiled, so that the folder does not matter. Python puts in the true one.
_SHOWN = "/srv/"
#: Runs under the host's Python, which may have no Demijohn. optimize=0: with -O hosts look for other files. Where the
#: disk is full, Python's own py_compile leaves a part of a file and says nothing.
_PROGRAM = """
import json, marshal, os, sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
with open(sys.argv[1], encoding="utf-8") as file:
    order = json.load(file)
for path, shown in order:
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = marshal.dumps(compile(source, shown, "exec", dont_inherit=True, optimize=0))
    except Exception as error:
        line, why = getattr(error, "lineno", None), getattr(error, "msg", None)
        print(json.dumps([shown, line or 1, why or str(error)]), flush=True)
        continue
    target = cache_from_source(path, optimization="")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(MAGIC_NUMBER + bytes((1, 0, 0, 0)) + source_hash(source) + code)
    print(flush=True)
"""


def find_python(version: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """A CPython of this version, `3.13`, on this machine."""
    return next((path for path in _candidates(version, environ) if _is_one(path, version)), None)


def sources(tree: Path, apart: Iterable[str] = ()) -> list[str]:
    """What is to be compiled in `tree`, by paths in it.

    :param apart: folders whose Python nobody imports: static files, templates.
    """
    names = [path.relative_to(tree).as_posix() for path in tree.rglob("*.py")]
    names = [name for name in names if not name.startswith(tuple(f"{folder}/" for folder in apart))]
    # A loader finds the code of index.wsgi where that of index.py would be.
    if (tree / "index.wsgi").is_file() and "index.py" not in names:
        names.append("index.wsgi")
    return sorted(names)


def write(tree: Path, names: list[str], python: str, advance: Callable[[int], None]) -> None:
    """Compile the files `names` in `tree`, each into the __pycache__ beside it.

    :raises SourceError: one of the site's own is not Python. Packages may hold files that are for other Pythons.
    """
    with tempfile.TemporaryDirectory() as folder:
        order = Path(folder) / "order.json"
        order.write_text(json.dumps([(str(tree / name), _SHOWN + name) for name in names]), encoding="utf-8")
        # The order of the elements of a set goes by this seed, up to Python 3.10.
        surroundings = {**_without_options(os.environ), "PYTHONHASHSEED": "0"}
        command = [python, "-s", "-S", "-W", "ignore", "-c", _PROGRAM, str(order)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=surroundings, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            faults = []
            for line in process.stdout:
                advance(1)
                if line.strip():
                    faults.append(json.loads(line))
            words = process.stderr.read().strip().splitlines()
        if process.returncode:
            raise BundleError(
                f"{python} ended with {process.returncode} while it compiled: {(words or ['no word'])[-1]}"
            )
    for shown, line, why in faults:
        name = shown.removeprefix(_SHOWN)
        if not name.startswith(f"{PACKAGES}/"):
            raise SourceError(name, line, why)


def _without_options(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("PYTHON")}


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[str]:
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        yield sys.executable
    for folder in environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(f"python{version}", path=folder) if folder else None
        if found:
            yield found
    home = Path(environ.get("HOME", "~")).expanduser()
    for start in (
        Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"),
    ):
        for path in sorted(start.glob(f"*{version}.*/bin/python{version}"), reverse=True):
            yield str(path)


def _is_one(path: str, version: str) -> bool:
    """Whether it runs and is what its name says: pyenv has a `python3.13` that may have nothing behind it."""
    program = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.split() == ["cpython", version]
