"""Static files: hashed, and compressed beside themselves, where nginx's gzip_static finds them, too."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

from demijohn.config.prepared import FOLDER
from demijohn.static import Known, digest_of, files_in
from demijohn.static.types import content_type

#: The file, in the folder of what was worked out beforehand.
TABLE = "static.json"
#: Types that shrink, beside text: the others are compressed already.
_SHRINK = frozenset(
    (
        *("application/json", "application/manifest+json", "application/wasm", "application/xml"),
        *("font/otf", "font/ttf", "image/svg+xml", "image/x-icon"),
    )
)
#: Bytes, and the part of the whole, that have to be saved.
_SAVES, _PART = 200, 0.1


def write(tree: Path, folder: str) -> None:
    """Compress what is worth it in `folder` of `tree`, and write down what there is to know of its files."""
    root = str(tree / folder)
    for name, place in list(files_in(root)):
        path, packed = Path(place), Path(f"{place}.gz")
        if _may_shrink(name) and not packed.exists():
            data = path.read_bytes()
            small = _compress(data)
            if len(data) - len(small) >= max(_SAVES, _PART * len(data)):
                packed.write_bytes(small)
    table = {}
    for name, place in files_in(root):
        data, packed = Path(place).read_bytes(), Path(f"{place}.gz")
        table[name] = Known(len(data), digest_of([data]), packed.is_file() and _is_of(packed, data))
    target = tree / FOLDER / TABLE
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(table, sort_keys=True) + "\n", encoding="utf-8")


def _may_shrink(name: str) -> bool:
    kind = content_type(name).partition(";")[0]
    return kind.startswith("text/") or kind in _SHRINK


def _compress(data: bytes) -> bytes:
    """The same bytes whenever it is asked: gzip would put in the time and the name."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
        file.write(data)
    return packed.getvalue()


def _is_of(packed: Path, data: bytes) -> bool:
    """Whether the site's own NAME.gz is NAME."""
    try:
        return gzip.decompress(packed.read_bytes()) == data
    except (OSError, EOFError, ValueError):
        return False
