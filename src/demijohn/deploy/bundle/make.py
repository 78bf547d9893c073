"""Makes a bundle: beside its place first, and in its place when all of it is good."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from demijohn import config
from demijohn.deploy.bundle import archive, bytecode, limits, manifest, packages, secrets, settings, statics, templates
from demijohn.deploy.bundle.contents import PACKAGES, Contents, choose
from demijohn.deploy.bundle.errors import BundleError, HostRefusesError, SecretsError
from demijohn.deploy.bundle.manifest import MANIFEST, Manifest
from demijohn.deploy.plan import make_plan
from demijohn.hosts import Host, Plan

#: Shows how far a long step has come: how many of what there are; it is entered, and then told how many more are done.
Bar = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]
#: They say what is not to be uploaded from the folder of the site. Everything in a bundle is to be.
_IGNORES = (".gcloudignore", ".dockerignore", "Dockerfile.dockerignore", ".slugignore", ".gitignore")
_ALL = "# Everything in this folder is to be uploaded, __pycache__ too.\n"


def _no_bar(_total: int, _unit: str) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda _count: None)


class Order(NamedTuple):
    """What is to be made."""

    plan: Plan
    host: Host
    #: The folder of the templates, in the site's; empty where it lies elsewhere.
    views: str
    #: The same of the static files.
    static: str
    vendor: bool | None
    environ: Mapping[str, str]
    bar: Bar
    say: Callable[[str], None]

    @property
    def whole(self) -> list[str]:
        """The folders of which all is taken, and no Python imported."""
        return [folder for folder in (self.static, self.views) if folder]


def make(
    root: Path,
    host: Host,
    target: Path,
    *,
    zip: bool = False,
    vendor: bool | None = None,
    python: str | None = None,
    include: Collection[str] = (),
    environ: Mapping[str, str] | None = None,
    bar: Bar = _no_bar,
    say: Callable[[str], None] = lambda _step: None,
) -> Manifest:
    """Make the bundle of the site at `root` for `host`. The same site gives the same bytes.

    :param target: the folder, or with `zip` the file. An older bundle there is replaced.
    :param vendor: fetch the packages; None: if the host installs none. Otherwise those in site-packages/ are taken.
    :param python: `3.13`; None: as `make_plan` chooses.
    :param include: files that are taken although their names are those of secrets, or of what no host needs.
    :param environ: where secrets are known from; None: the environment of this process.
    :param bar: shows how far the compiling has come.
    :param say: is told what begins, a few words.
    :raises BundleError: (of `deploy.bundle.errors`) there is no bundle; what is at `target` is as it was.
    :raises DemijohnError: the settings hold a mistake, or packages could not be fetched.
    """
    root, target = root.absolute(), target.absolute()
    environ = os.environ if environ is None else environ
    plan = make_plan(root, host, python)
    views = config.read(root, environ={"DEMIJOHN_HOST": host.name}, base={})[0]["views.path"]
    order = Order(plan, host, _inside(views), _inside(plan.static_path), vendor, environ, bar, say)
    wanted = host.files(plan)
    include = {os.path.relpath(root / name, root) for name in include}
    unknown = [name for name in include if name.startswith(os.pardir) or not (root / name).is_file()]
    if unknown:
        raise BundleError(f"There is no file {', '.join(unknown)} in {root} to be included.")
    hidden = secrets.known(root, environ)
    try:
        contents = choose(root, {*wanted, *include}, order.whole)
        leaks = list(secrets.leaks(contents.files, hidden))
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read, and so not be bundled: {error.strerror}.") from error
    if leaks:
        raise SecretsError(leaks)
    _refuse_to_replace(target, zip)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".demijohn-", dir=target.parent) as folder:
            tree = Path(folder).resolve() / "bundle"
            made = _fill(tree, order, contents)
            others = {name: tree / name for name in made.files if name not in contents.files}
            leaks = list(secrets.leaks(others, hidden, of_others=True))
            if leaks:
                raise SecretsError(leaks)
            excesses = list(limits.excesses(tree, _with_manifest(tree, made), host))
            if excesses:
                raise HostRefusesError(host.title, excesses)
            archive.settle(tree, PACKAGES)
            _put(tree, target, zip)
    except OSError as error:
        raise BundleError(f"The bundle could not be written: {error}. Choose another place: --output") from error
    missing = tuple(sorted(set(wanted) - made.files.keys()))
    return made._replace(path=target, left_out=contents.left_out, missing=missing)


def _inside(folder: str) -> str:
    """The path of a folder, as names of files begin with it; empty where it is not a folder within the site's."""
    path = os.path.normpath(folder)
    return "" if os.path.isabs(path) or path.split(os.sep)[0] in ("..", ".") else Path(path).as_posix()


def _fill(tree: Path, order: Order, contents: Contents) -> Manifest:
    plan, host, say = order.plan, order.host, order.say
    for name, source in contents.files.items():
        archive.copy(source, tree / name)
    for name in _IGNORES:
        if (tree / name).is_file():
            (tree / name).write_text(_ALL, encoding="utf-8")
    notes = packages.put(plan, host, tree, order.vendor, say)
    if not host.installs and (tree / PACKAGES / "demijohn").is_dir():
        shutil.rmtree(tree / "src" / "demijohn", ignore_errors=True)  # the same once more
    if (tree / "config.yaml").is_file() and not settings.write(tree):
        notes.append("config.yaml holds what JSON cannot say, so the host will read it at each start.")
    if order.views:
        say("compiling templates")
        start = f"{order.views}/"
        names = [name[len(start) :] for name in contents.files if name.startswith(start)]
        notes += templates.write(plan.root, tree, names, order.environ).problems
    if order.static and (tree / order.static).is_dir():
        say("compressing static files")
        statics.write(tree, order.static)
    interpreter = bytecode.find_python(plan.python, order.environ)
    if interpreter is not None:
        names = bytecode.sources(tree, order.whole)
        with order.bar(len(names), "files compiled") as advance:
            bytecode.write(tree, names, interpreter, advance)
    files = manifest.describe(tree)
    release = manifest.release_of(files)
    made = Manifest(tree, plan.name, host.name, plan.python, release, interpreter is not None, files)
    manifest.write(tree, made)
    return made._replace(notes=tuple(notes))


def _with_manifest(tree: Path, made: Manifest) -> dict[str, manifest.File]:
    return {**made.files, MANIFEST: manifest.File((tree / MANIFEST).stat().st_size, "")}


def _refuse_to_replace(target: Path, zip: bool) -> None:
    """:raises BundleError: there is something at `target` that would be lost."""
    if not os.path.lexists(target):
        return
    if target.is_dir() and not zip:
        is_ours = (target / MANIFEST).is_file()
        foreign = manifest.foreign(target) if is_ours else []
        if foreign:
            more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
            raise BundleError(
                f"{target} holds what would be lost: {', '.join(foreign[:5])}{more} came, or changed, after it was "
                "bundled. Move it away, or choose another: --output"
            )
        is_free = is_ours or not any(target.iterdir())
    else:
        is_free = zip and target.is_file() and (not target.stat().st_size or manifest.is_packed(target))
    if not is_free:
        raise BundleError(f"{target} is there already, and is no bundle. Move it away, or choose another: --output")


def _put(tree: Path, target: Path, zip: bool) -> None:
    if zip:
        packed = tree.with_name("bundle.zip")
        archive.pack(tree, packed)
        packed.replace(target)
        return
    old = tree.with_name("old")
    if target.exists():
        target.rename(old)
    try:
        tree.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
