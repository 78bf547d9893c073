"""Fill a folder with the packages that a site needs: fetched, stripped, trimmed, tried, and put in place at once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demijohn.deploy.vendor import contents, fetch, manifest, own, wanted
from demijohn.deploy.vendor import engine as engines
from demijohn.deploy.vendor.errors import TooLargeError, VendorError
from demijohn.deploy.vendor.pack import Way, pack
from demijohn.deploy.vendor.report import Report, excesses, make_report
from demijohn.deploy.vendor.target import Target, make_target, running

if TYPE_CHECKING:
    from demijohn.hosts import Host

#: How often `say` is called.
STEPS = 4
#: What a site is for where nothing is said: what most hosts are.
_PLATFORM = "linux-x86_64"
#: Beside a site's own Python; nothing in them is imported where it runs.
_NOT_THE_SITE = ("site-packages", "tests", "node_modules", "build", "dist")


def fill(
    root: Path,
    target: Path,
    python: str | None = None,
    platform: str | None = None,
    pure: bool = False,
    *,
    packages: Sequence[str] = (),
    requirements: Path | None = None,
    host: Host | None = None,
    engine: str | None = None,
    find_links: Sequence[str] = (),
    index: bool = True,
    keep_tests: bool = False,
    replace: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda _step: None,
) -> Report:
    """Put into the folder `target` what the site at `root` needs to run with nothing else installed.

    What is there of an earlier run is replaced; a README.md, hidden files and what others have put there stay. The
    folder may be missing. The same packages give the same files, byte for byte.

    :param python: `3.13`; None: what .python-version says, else the newest that the host has, else the running one.
    :param platform: `linux-x86_64`, `manylinux_2_28_x86_64`, `musllinux_1_2_x86_64`, ...; None: `linux-x86_64`.
    :param pure: leave compiled files out, and refuse a package that does not work without them.
    :param packages: requirements beside those of the site.
    :param requirements: a file of requirements; None: requirements.txt of the site where there is one, else what its
        pyproject.toml says, else what Demijohn itself needs.
    :param host: whose limits hold; one that lets no compiled files in makes `pure` true.
    :param engine: `uv` or `pip`; None: uv where it is installed.
    :param find_links: folders or addresses with wheels, beside the index or (`index=False`) instead of it.
    :param replace: files that others have put in the way, or have changed, are replaced too.
    :param dry_run: do everything, but leave `target` as it is.
    :param say: is told what begins, a few words, STEPS times.
    :raises VendorError: (of `deploy.vendor.errors`) it could not be done; `target` is as it was.
    """
    there = make_target(python or default_python(root, host), platform or _PLATFORM)
    because = _because(pure, host)
    target = target.resolve()  # a link stays one
    with _scratch(target) as scratch:
        fresh = scratch / "fresh"
        say("fetching")
        by = engines.find(engine)
        links = [str(Path(place).absolute()) if Path(place).exists() else place for place in find_links]
        order = engines.Order(there, fresh, scratch / "requirements.txt", root.absolute(), False, links, index)
        origins = _fetch(by, order, wanted.read(root, packages, requirements, _without(there, because)), scratch)
        say("trying")
        uses = wanted.used_extras(root).union(map(wanted.name_of, packages))
        way = Way(there, because, keep_tests, frozenset(uses), tuple(_own_files(root, target)))
        packed = pack(fresh, way, origins, scratch / "aside")
        say("comparing")
        manifest.write(fresh, there, bool(because), packed)
        kept = manifest.keep(manifest.look(target), target, fresh, replace) if target.is_dir() else []
        report = make_report(fresh, target, there, by.version(), packed, kept)
        if host and (too_much := excesses(report, host.limits)):
            raise TooLargeError(host.title, too_much)
        say("done")
        if not dry_run:
            manifest.exchange(target, fresh)
    return report


def default_python(root: Path, host: Host | None) -> str:
    """The Python that a site is for where nobody says."""
    file = root / ".python-version"
    if file.is_file() and (said := file.read_text(encoding="utf-8").split()):
        return said[0]
    return host.pythons[-1] if host and host.pythons else running()


def _because(pure: bool, host: Host | None) -> str:
    if host is not None and not host.native:
        return f"{host.title} lets no compiled files in"
    return "Compiled files are not wanted" if pure else ""


def _without(target: Target, pure: str) -> list[str]:
    # There is a wheel of pylibmc for glibc only, and no marker of a requirement that would tell musl from it.
    return ["pylibmc"] if pure or target.platform.startswith("musllinux") else []


def _fetch(by: engines.Engine, order: engines.Order, want: wanted.Wanted, scratch: Path) -> dict[str, str]:
    """Fill the folder; the origins of what is no wheel of an index."""
    order.folder.mkdir()
    order.file.write_text("\n".join([*want.lines, ""]), encoding="utf-8")
    built = fetch.fetch(by, order._replace(hashed=want.hashed), scratch)
    installed = contents.read(order.folder)
    fetch.judge(order.folder, installed, built)
    origins = dict.fromkeys(built, "sdist")
    if not want.fetched:
        own.copy(order.folder)
        origins[wanted.NAME] = "folder"
    lacking = set(wanted.needed()) - {one.name for one in installed}
    if lacking:
        raise VendorError(
            f"Demijohn does not run without {', '.join(sorted(lacking))}, and {want.source} does not name it. Nothing "
            "was changed. Add it there."
        )
    return origins


def _own_files(root: Path, target: Path) -> Iterator[Path]:
    """The site's own Python."""
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name[0] != "." and name not in _NOT_THE_SITE]
        names[:] = [name for name in names if Path(folder, name) != target and not _is_environment(Path(folder, name))]
        yield from (Path(folder, file) for file in files if file.endswith((".py", ".wsgi")))


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file()


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder beside `target`, so that what is in it can be moved there in one step. What a run that was killed has
    left is put in order."""
    manifest.restore(target)
    start = f".{target.name}."
    for left in target.parent.glob(f"{start}[0-9]*"):
        if re.fullmatch(r"\d+", left.name[len(start) :]) and not _lives(int(left.name[len(start) :])):
            shutil.rmtree(left, ignore_errors=True)
    scratch = target.parent / f"{start}{os.getpid()}"
    try:
        scratch.mkdir(parents=True)
    except OSError as error:
        raise VendorError(f"Nothing can be written in {target.parent}: {error}.") from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere this is no question, but a signal
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
