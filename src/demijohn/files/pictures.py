"""Pictures, taken apart by Pillow and written anew: nothing of the upload is kept but what can be seen.

That drops what a camera writes beside the picture (where it was taken, for one) and whatever else was hidden in the
file. Imported at the first picture.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, NamedTuple

from PIL import Image, ImageCms, ImageOps

from demijohn.files.anatomy import extents, one_note, scans
from demijohn.files.errors import PictureError

#: Of a picture, or of all frames of one that moves. A picture of so many takes 100 MB while it is being read, as much
#: as the smallest hosts have to spare.
PIXELS = 25_000_000
#: Pictures in one that moves, and how often a JPEG may go over all its pixels: each time costs as much as the first.
FRAMES, SCANS = 1000, 50
#: Bytes of what stands beside a picture, which nobody sees: what its camera noted, of which only the way up is of use,
#: and comments. A JPEG has no more in one segment. Before Pillow 13 a megabyte of it may take gigabytes of memory.
NOTES = 64 * 1024
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_QUALITY = 85

# A visitor's file brings about as many as it likes, each with a text of its own, which Python remembers for good.
warnings.filterwarnings("ignore", module=r"PIL\.")


class Picture(NamedTuple):
    """A picture that was written anew."""

    content: bytes
    #: Pixels.
    width: int
    height: int


def renew(upload: bytes, max_side: int) -> Picture:
    """The same picture, the right way up, its longer side of `max_side` pixels at most, in sRGB. A JPEG and a WebP stay
    what they are, what moves becomes a WebP, all else a PNG.

    :raises PictureError: it cannot be read, or has more than `PIXELS`.
    """
    try:
        upload = _judged(upload)
        with Image.open(io.BytesIO(upload), formats=_FORMATS) as picture:
            _measure(picture)
            moves = picture.format in ("GIF", "WEBP", "PNG") and getattr(picture, "is_animated", False)
            return _film(picture, max_side) if moves else _still(picture, max_side)
    except (PictureError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many(0) from None
    except Exception as error:  # Pillow's readers raise what they please: SyntaxError, struct.error, EOFError, ...
        raise PictureError(
            "This picture cannot be read: it is damaged, or was cut off on its way. Please choose it again, or another."
        ) from error


def _judged(upload: bytes) -> bytes:
    """What Pillow is to see of it, without what would cost more than `_measure` can tell."""
    if upload.startswith(b"\xff\xd8"):
        if scans(upload, SCANS) > SCANS:
            raise _too_long()
        return one_note(upload)
    if upload.startswith(b"GIF8"):
        width, height = (int.from_bytes(upload[at : at + 2], "little") for at in (6, 8))
        try:
            for number, (right, lower) in enumerate(extents(upload, NOTES), 1):
                width, height = max(width, right), max(height, lower)
                _weigh(width * height, number)
        except ValueError:
            raise _too_long() from None
    return upload


def _too_long() -> PictureError:
    return PictureError("This picture is made in a way that takes far too long to read. Please choose another.")


def _measure(picture: Any) -> None:
    frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    _weigh(picture.width * picture.height, frames)


def _weigh(pixels: int, frames: int) -> None:
    if pixels > PIXELS:
        raise _too_many(pixels)
    if pixels * frames > PIXELS or frames > FRAMES:
        raise PictureError("This picture moves for too long. Please choose a shorter or a smaller one.")


def _too_many(pixels: int) -> PictureError:
    has = f"has {pixels // 1_000_000} million pixels" if pixels else "has far too many pixels"
    return PictureError(f"This picture {has}, and {PIXELS // 1_000_000} million is the most. Please make it smaller.")


def _still(picture: Any, max_side: int) -> Picture:
    kind = "JPEG" if picture.format in ("JPEG", "MPO") else "WEBP" if picture.format == "WEBP" else "PNG"
    if kind == "JPEG":
        picture.draft(picture.mode, (max_side, max_side))  # reads an eighth of a large one, where that is enough
    profile = picture.info.get("icc_profile")
    picture.load()
    for name in ("exif", "Raw profile type exif"):
        if len(picture.info.get(name, "")) > NOTES:
            del picture.info[name]
    small = _fit(_plain(ImageOps.exif_transpose(picture)), max_side)
    small = _in_srgb(small, profile)
    if kind == "JPEG" and small.mode not in ("RGB", "L"):
        small = small.convert("RGB")
    options: dict[str, Any] = {"optimize": True}
    if kind != "PNG":
        options = {"quality": _QUALITY, "progressive": True} if kind == "JPEG" else {"quality": _QUALITY}
    return _written(small, kind, options)


def _film(picture: Any, max_side: int) -> Picture:
    frames, durations = [], []
    for number in range(picture.n_frames):
        picture.seek(number)
        durations.append(max(int(picture.info.get("duration") or 0), 20))  # ms; browsers take 0 for 100
        frames.append(_fit(picture.convert("RGBA"), max_side))
    options = {
        "save_all": True,
        "append_images": frames[1:],
        "duration": durations,
        "loop": picture.info.get("loop", 1),
        "quality": _QUALITY,
    }
    return _written(frames[0], "WEBP", options)


def _plain(picture: Any) -> Any:
    """In a mode that can be made smaller well."""
    if picture.mode.startswith("I"):  # 16 bits a pixel; convert() would cut them off
        return picture.point(lambda value: value / 256).convert("L")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode in ("RGB", "L", "CMYK") else picture.convert("RGB")


def _fit(picture: Any, max_side: int) -> Any:
    if max(picture.size) > max_side:
        picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return picture


def _in_srgb(picture: Any, profile: bytes | None) -> Any:
    """What the picture's own colours look like in those of the web: its profile is dropped, too."""
    if profile and picture.mode in ("RGB", "RGBA", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = "RGB" if picture.mode == "CMYK" else picture.mode
            return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile of nonsense: the colours are taken for the web's
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def _written(picture: Any, kind: str, options: dict[str, Any]) -> Picture:
    picture.info = {}  # else PNG and WebP are written with the old one's profile and camera data
    output = io.BytesIO()
    picture.save(output, kind, **options)
    return Picture(output.getvalue(), picture.width, picture.height)
