"""Static files: hashed, and compressed beside themselves as far as it goes, where nginx's gzip_static and brotli_static
find them, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from demijohn.config.prepared import FOLDER
from demijohn.static.codings import SUFFIXES, module_of, packer
from demijohn.static.files import Known, digest_of, is_smaller
from demijohn.static.names import files_in
from demijohn.static.types import content_type, may_shrink

#: The file, in the folder of what was worked out beforehand.
TABLE = "static.json"


def write(tree: Path, folder: str, advance: Callable[[int], None] = lambda _count: None) -> None:
    """Compress what is worth it in `folder` of `tree`, and write down what there is to know of its files.

    :param advance: is told of each file that is done.
    """
    table = {}
    for name, place in sorted(files_in(str(tree / folder))):
        path = Path(place)
        data = path.read_bytes()
        packed = []
        for coding in SUFFIXES:
            beside = Path(f"{place}{SUFFIXES[coding]}")
            if beside.exists():
                if _is_of(coding, beside, data):
                    packed.append(coding)
            elif _pack(coding, name, data, beside):
                packed.append(coding)
        table[name] = Known(len(data), digest_of([data]), tuple(packed))
        advance(1)
    target = tree / FOLDER / TABLE
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(table, sort_keys=True) + "\n", encoding="utf-8")


def _pack(coding: str, name: str, data: bytes, beside: Path) -> bool:
    """Whether there is now a packed copy."""
    pack = packer(coding, at_leisure=True)
    if pack is None or not may_shrink(content_type(name)):
        return False
    small = pack(data)
    if not is_smaller(len(small), len(data)):
        return False
    beside.write_bytes(small)
    return True


def _is_of(coding: str, packed: Path, data: bytes) -> bool:
    """Whether the site's own NAME.gz or NAME.br is NAME."""
    module = module_of(coding)
    if module is None:
        return False
    try:
        return bool(module.decompress(packed.read_bytes()) == data)
    except (OSError, EOFError, ValueError, getattr(module, "error", ValueError)):  # brotli has an error of its own
        return False
