"""Content codings: which of them a visitor takes (RFC 9110 section 12.5.3), and how bytes are packed in them. A coding
whose package is not installed is none; brotli and zstd come with the extra `compression`, gzip is Python's own."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

IDENTITY = "identity"
#: The codings, the smallest result first.
PREFERRED = ("br", "zstd", "gzip")
#: How hard each tries while a visitor waits, about 1 ms for 40 KB, and at leisure.
_LEVELS = {"br": (5, 11), "zstd": (9, 19), "gzip": (6, 9)}
#: What the file beside a packed one ends in.
SUFFIXES = {"br": ".br", "gzip": ".gz"}

Pack = Callable[[bytes], bytes]


def accepted(header: str | None) -> tuple[str, ...]:
    """The codings that can be sent to who has sent this Accept-Encoding, `identity` among them, the best first. None of
    them may be there: then nothing pleases the visitor."""
    if header is None:
        return (IDENTITY,)  # anything goes, and who does not speak of codings often knows none
    weights = _weights(header)
    rest = weights.get("*")
    found: list[tuple[float, str]] = []
    for coding in PREFERRED:
        weight = weights.get(coding, rest)
        if weight and packer(coding) is not None:
            found.append((weight, coding))
    plain = weights.get(IDENTITY, rest)
    if plain or plain is None:
        # Whoever does not say how much the plain bytes are wanted takes them last.
        found.append((plain if IDENTITY in weights and plain is not None else -1, IDENTITY))
    found.sort(key=lambda pair: -pair[0])
    return tuple(coding for _, coding in found)


def _weights(header: str) -> dict[str, float]:
    weights = {}
    for part in header.lower().split(","):
        coding, semicolon, weight = part.partition(";")
        match = re.fullmatch(_WEIGHT, weight) if semicolon else None
        if semicolon and match is None:
            continue  # not a weight: as if it were not there
        coding = coding.strip(" \t")
        coding = "gzip" if coding == "x-gzip" else coding  # section 8.4.1.3
        weights[coding] = float(match[1]) if match is not None else 1.0
    return weights


_WEIGHT = r"[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*"


@functools.cache
def packer(coding: str, *, at_leisure: bool = False) -> Pack | None:
    """What packs bytes in this coding, always to the same bytes; None where it is not installed.

    :param at_leisure: take all the time that it takes: in a bundle.
    """
    level = _LEVELS[coding][at_leisure]
    if coding == "gzip":
        import zlib

        def gzip(data: bytes) -> bytes:
            stream = zlib.compressobj(level, zlib.DEFLATED, 31)  # 31: gzip's frame, without a name or a time
            return stream.compress(data) + stream.flush()

        return gzip
    module = module_of(coding)
    if module is None:
        return None
    return functools.partial(module.compress, **{"quality" if coding == "br" else "level": level})


def module_of(coding: str) -> Any:
    """The module that packs and unpacks this coding; None where none is installed."""
    for name in _MODULES[coding]:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


#: Where each is found; Python has zstd from 3.14 on.
_MODULES = {"br": ("brotli",), "zstd": ("compression.zstd", "backports.zstd"), "gzip": ("gzip",)}
