"""What the host's limits forbid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from demijohn.deploy.bundle.manifest import File
from demijohn.deploy.vendor.contents import compiled
from demijohn.hosts import Host


def excesses(tree: Path, files: dict[str, File], host: Host) -> Iterator[str]:
    """What is more than the host allows, a sentence each, with the figures."""
    limits = host.limits
    sizes = {name: file.size for name, file in files.items()}
    largest = max(sizes, key=sizes.__getitem__)
    if limits.file is not None and sizes[largest] > limits.file:
        yield f"{largest} has {_bytes(sizes[largest])}; {_bytes(limits.file)} is the most for a file"
    folders = Counter(name.rpartition("/")[0] for name in files)
    fullest, count = folders.most_common(1)[0]
    if limits.folder is not None and count > limits.folder:
        yield f"{fullest or 'the folder itself'} holds {count:,} files; {limits.folder:,} is the most for a folder"
    if limits.files is not None and len(files) > limits.files:
        yield f"it has {len(files):,} files; {limits.files:,} is the most ({_where(Counter(map(_top, files)), str)})"
    if limits.total is not None and sum(sizes.values()) > limits.total:
        tops: Counter[str] = Counter()
        for name, size in sizes.items():
            tops[_top(name)] += size
        total = _bytes(sum(sizes.values()))
        yield f"it has {total}; {_bytes(limits.total)} is the most ({_where(tops, _bytes)})"
    native = [] if host.native else compiled(tree, tuple(files))
    if native:
        more = f" and {len(native) - 3} more" if len(native) > 3 else ""
        yield f"{', '.join(native[:3])}{more}: compiled code, which is not let in"


def _top(name: str) -> str:
    """The folder that a reader thinks of: a package, or a folder of the site."""
    parts = name.split("/")
    return "/".join(parts[: 2 if parts[0] == "site-packages" and len(parts) > 2 else 1])


def _where(tops: Counter[str], show: Callable[[int], str]) -> str:
    return ", ".join(f"{top} {show(count)}" for top, count in tops.most_common(3))


def _bytes(count: int) -> str:
    for unit, size in (("MB", 1024**2), ("kB", 1024)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,} bytes"
