"""What a picture's file says of itself, read without a decoder: how large it will be, and how much work. Of Pillow's
own answers some come only after the memory is taken, or the time."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Those that have neither a length nor a meaning here are left out: stuffing, restarts, the start.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_SCAN, _END = 0xDA, 0xD9
_EXIF = b"Exif\0\0"
_COMMENT = 0xFE


def scans(jpeg: bytes, most: int) -> int:
    """How often a JPEG goes over all its pixels, one more than `most` at the most. Ten times is usual; one of 42 bytes
    a scan keeps a decoder busy for an hour. What lies behind the picture, as a phone's little film, is not looked at.
    """
    count, at = 0, 2
    while count <= most and (marker := _MARKER.search(jpeg, at)) is not None:
        kind = marker[0][1]
        if kind == _END:
            break
        count += kind == _SCAN
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return count


def one_note(jpeg: bytes) -> bytes:
    """The same picture with what a camera noted in the first segment (Exif) only, 64 KB, where the way up stands. Of
    ten thousands of segments Pillow copies the first ones again for each of the others."""
    head, mark, rest = jpeg.partition(_EXIF)
    return jpeg if _EXIF not in rest else head + mark + rest.replace(_EXIF, bytes(len(_EXIF)))


def extents(gif: bytes, most: int) -> Iterator[tuple[int, int]]:
    """Pixels to which each frame of a GIF reaches, to the right and down: beyond the size at its beginning, too, which
    Pillow then enlarges as it comes to that frame.

    :param most: bytes that all comments in it may take. Pillow before 13 copies all of them for each piece of one.

    It goes from block to block as Pillow does, step by step: a file that is one thing here and another there would be
    a hole.

    :raises IndexError: it is cut off.
    :raises ValueError: there are more comments.
    """
    at = 13 + (3 << (gif[10] & 7) + 1 if gif[10] & 128 else 0)
    first = True
    while at < len(gif) and (kind := gif[at : at + 1]) != b";":
        at += 1
        if kind == b"!":
            begin, at = at, _behind_extension(gif, at, first)
            if gif[begin] == _COMMENT:
                most -= at - begin
                if most < 0:
                    raise ValueError("comments")
        elif kind == b",":
            left, top, width, height = (int.from_bytes(gif[at + n : at + n + 2], "little") for n in (0, 2, 4, 6))
            yield left + width, top + height
            flags = gif[at + 8]
            at += 9 + (3 << (flags & 7) + 1 if flags & 128 else 0) + 1
            at = _behind_blocks(gif, at)
            first = False


def _behind_extension(gif: bytes, at: int, first: bool) -> int:
    label, length = gif[at], gif[at + 1]
    if label == _COMMENT:
        return _behind_blocks(gif, at + 1)
    block = gif[at + 2 : at + 2 + length]
    at += 2 + length
    if label == 0xFF and first and block.startswith(b"NETSCAPE2.0"):
        at += 1 + gif[at]
    return _behind_blocks(gif, at)


def _behind_blocks(gif: bytes, at: int) -> int:
    while at < len(gif) and gif[at]:
        at += 1 + gif[at]
    return at + 1
