"""What has been put into the folder, package by package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from demijohn.deploy.vendor.target import Target
    from demijohn.hosts import Limits


class Package(NamedTuple):
    """One distribution, as it lies in the folder."""

    name: str
    version: str
    #: `wheel`; `sdist`: built here from its source; `folder`: copied from where it is imported.
    origin: str
    #: Bytes and files as installed, and as they are carried.
    size_before: int
    files_before: int
    size: int
    files: int
    #: Compiled files that are carried, by their paths in the folder.
    compiled: tuple[str, ...] = ()
    #: Compiled files that were left out, because it also works without them.
    dropped: tuple[str, ...] = ()
    #: What there is to say of it, sentences.
    notes: tuple[str, ...] = ()


class Report(NamedTuple):
    """What a folder of packages holds, the largest package first."""

    #: The folder, its Python (`3.13`) and its platform (`manylinux_2_28_x86_64`).
    target: Path
    python: str
    platform: str
    #: `uv 0.8.0`, `pip 25.1`.
    engine: str
    packages: tuple[Package, ...]
    #: Files of others in the folder, by their paths in it, which were left as they are.
    kept: tuple[str, ...] = ()
    #: Of what is carried: bytes of the largest file and its path, files in the fullest folder and its path.
    largest: tuple[int, str] = (0, "")
    fullest: tuple[int, str] = (0, "")

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(package.size for package in self.packages)

    @property
    def files(self) -> int:
        """Files in all."""
        return sum(package.files for package in self.packages)

    @property
    def compiled(self) -> tuple[Package, ...]:
        """The packages of which compiled files are carried."""
        return tuple(package for package in self.packages if package.compiled)


def make_report(
    folder: Path, target: Path, there: Target, engine: str, packages: Sequence[Package], kept: Sequence[str]
) -> Report:
    """What is in `folder`, which is to be at `target`."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    counts = Counter(path.rpartition("/")[0] or "." for path in sizes)
    largest = max(((size, path) for path, size in sizes.items()), default=(0, ""))
    fullest = max(((count, path) for path, count in counts.items()), default=(0, ""))
    return Report(target, *there, engine, tuple(packages), tuple(kept), largest, fullest)


def excesses(report: Report, limits: Limits) -> list[str]:
    """What is more than a host takes, a sentence each. The site itself comes on top."""
    return list(_excesses(report, limits))


def _excesses(report: Report, limits: Limits) -> Iterator[str]:
    size, path = report.largest
    if limits.file and size > limits.file:
        yield f"{path} has {size / 1e6:.1f} MB; one file may have {limits.file / 1e6:.1f} MB."
    count, path = report.fullest
    if limits.folder and count > limits.folder:
        yield f"The folder {path} holds {count} files; one folder may hold {limits.folder}."
    if limits.files and report.files > limits.files:
        yield f"They are {report.files} files; there may be {limits.files}."
    if limits.total and report.size > limits.total:
        yield f"They have {report.size / 1e6:.1f} MB; there may be {limits.total / 1e6:.1f} MB."
