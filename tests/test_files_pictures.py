"""Pictures are taken apart and written anew: what can be seen stays, and nothing else."""

from __future__ import annotations

import io
import logging
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageOps

from demijohn.files import Files, FileTypeError, PictureError
from demijohn.files.errors import FileTooLargeError
from demijohn.files.stores.memory import MemoryStore


@pytest.fixture
def files() -> Files:
    return Files(MemoryStore())


def drawn(size: tuple[int, int], mode: str = "RGB", color: Any = None) -> Image.Image:
    """A picture whose left upper corner is red."""
    picture = Image.new("RGB", size, "white")
    picture.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    return picture.convert(mode) if color is None else Image.new(mode, size, color)


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    output = io.BytesIO()
    picture.save(output, kind, **options)
    return output.getvalue()


def read(files: Files, name: str) -> Image.Image:
    picture = Image.open(io.BytesIO(b"".join(files.open(name))))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("kind", "type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("GIF", "image/png"), ("WEBP", "image/webp")],
)
def test_a_picture_is_made_as_small_as_is_of_use(kind: str, type: str, files: Files) -> None:
    file = files.save_picture(written(drawn((2000, 1000)), kind), max_side=400)
    assert (file.type, file.width, file.height) == (type, 400, 200)
    picture = read(files, file.name)
    assert picture.size == (400, 200)
    red, green, blue = picture.convert("RGB").getpixel((20, 20))  # type: ignore[misc]
    assert red > 200 > 60 > max(green, blue)
    small = files.save_picture(written(drawn((40, 20)), kind), max_side=400)
    assert (small.width, small.height) == (40, 20)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG"), ("1", "PNG")]
)
def test_whatever_its_pixels_are_made_of(mode: str, kind: str, files: Files) -> None:
    color = {"I;16": 40000, "CMYK": (0, 255, 255, 0)}.get(mode)
    file = files.save_picture(written(drawn((300, 200), mode, color), kind), max_side=100)
    picture = read(files, file.name)
    assert picture.size == (100, 67)
    assert picture.mode in ("RGB", "L")
    if mode == "I;16":
        assert picture.convert("L").getpixel((50, 30)) == 40000 // 256
    if mode == "CMYK":
        assert picture.getpixel((50, 30))[0] > 180  # type: ignore[index]


def test_what_is_seen_through_stays_so(files: Files) -> None:
    clear = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
    palette = clear.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    for upload in (
        written(clear, "PNG"),
        written(clear, "WEBP", lossless=True),
        written(palette, "GIF", transparency=0),
    ):
        picture = read(files, files.save_picture(upload).name)
        assert picture.convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]


def test_it_stands_upright_and_says_nothing_of_where_it_was_taken(files: Files) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the left: it must be turned to the right
    exif[0x010F] = "A Camera"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)  # GPSLatitude
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "WEBP", "PNG"):
        upload = written(drawn((200, 100)), kind, exif=exif, icc_profile=profile)
        assert Image.open(io.BytesIO(upload)).getexif()[0x0112] == 6
        file = files.save_picture(upload + b"<script>behind the picture</script>")
        assert (file.width, file.height) == (100, 200)
        content = b"".join(files.open(file.name))
        for planted in (b"A Camera", b"Exif", b"eXIf", b"script", b"iCCP", b"ICC_PROFILE", b"ICCP"):
            assert planted not in content, (kind, planted)
        picture = read(files, file.name)
        assert not picture.getexif()
        red, green, _ = picture.convert("RGB").getpixel((90, 20))  # type: ignore[misc]
        assert red > 200 > 60 > green  # the left upper corner has become the right upper one


def test_what_moves_goes_on_moving(files: Files) -> None:
    frames = [drawn((300, 150)), Image.new("RGB", (300, 150), "blue"), drawn((300, 150))]
    upload = written(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0)
    file = files.save_picture(upload, max_side=100)
    assert (file.type, file.width, file.height) == ("image/webp", 100, 50)
    film: Any = read(files, file.name)
    assert (film.n_frames, film.info["loop"]) == (3, 0)
    film.seek(1)
    assert film.convert("RGB").getpixel((50, 25))[2] > 200


def huge(width: int, height: int) -> bytes:
    """A PNG of a few kB that becomes gigabytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress(bytes(100_000))
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(5001, 5000), (10_000, 10_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_not_lit(size: tuple[int, int], files: Files) -> None:
    with pytest.raises(PictureError, match="25 million is the most"):
        files.save_picture(huge(*size))


def test_a_film_is_measured_as_a_whole(files: Files) -> None:
    frames = [Image.new("P", (1000, 1000), number) for number in range(30)]
    upload = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="This picture moves for too long"):
        files.save_picture(upload)


#: A GIF of one white pixel, without its last byte; and the frame in it.
DOT = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
FRAME = b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"


def test_a_film_does_not_grow_while_it_is_read(files: Files) -> None:
    """Its first frame is a pixel, its second 36 million: Pillow takes the memory on the way to it."""
    large = written(Image.new("P", (6000, 6000)), "GIF")
    frame = large[large.rindex(b",\0\0\0\0" + struct.pack("<HH", 6000, 6000)) : -1]
    for before in (b"", FRAME, b"!\xf9\0" + b"\0" + FRAME, b"!\xff\x0bNETSCAPE2.0\0" + b"\1\1\0" + FRAME):
        with pytest.raises(PictureError, match="has 36 million pixels, and 25 million is the most"):
            files.save_picture(DOT + before + frame + b";")


def test_a_film_of_many_small_frames_is_too_long(files: Files) -> None:
    assert files.save_picture(DOT + FRAME * 300 + b";").size
    with pytest.raises(PictureError, match="This picture moves for too long"):
        files.save_picture(DOT + FRAME * 1001 + b";")


def test_no_picture_is_gone_over_again_and_again(files: Files) -> None:
    """A progressive JPEG of 4 MB may go over all of its pixels a hundred thousand times."""
    upload = written(Image.new("L", (600, 600)), "JPEG", progressive=True)
    last = upload[upload.rindex(b"\xff\xda") : -2]
    assert files.save_picture(upload[:-2] + last * 20 + upload[-2:]).size
    assert files.save_picture(upload + last * 60).size  # behind the picture: a phone's film, say
    with pytest.raises(PictureError, match="takes far too long to read"):
        files.save_picture(upload[:-2] + last * 60 + upload[-2:])


def test_what_stands_beside_a_picture_is_read_as_far_as_it_is_of_use(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow copies all segments of a JPEG's notes again for each further one. Before 13 it does so with a GIF's
    comments, too, and takes gigabytes for notes of a megabyte in which ten thousand fields share their content."""
    lengths: list[int] = []
    transpose = ImageOps.exif_transpose

    def noting(picture: Image.Image) -> Any:
        lengths.append(len(picture.info.get("exif", b"")))
        return transpose(picture)

    monkeypatch.setattr("demijohn.files.pictures.ImageOps.exif_transpose", noting)
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = written(drawn((200, 100)), "JPEG", exif=exif)
    at = upload.index(b"\xff\xe1")
    at += 2 + int.from_bytes(upload[at + 2 : at + 4], "big")
    for further in (0, 1000):
        file = files.save_picture(upload[:at] + b"\xff\xe1\0\x0eExif\0\0abcdef" * further + upload[at:])
        assert (file.width, file.height) == (100, 200)
    assert lengths[0] == lengths[1] < 100
    for kind in ("PNG", "WEBP"):
        for size, turned in ((50_000, True), (100_000, False)):
            exif[0x927C] = bytes(size)
            file = files.save_picture(written(drawn((200, 100)), kind, exif=exif))
            assert (file.width, file.height) == ((100, 200) if turned else (200, 100))
    assert files.save_picture(DOT + b"!\xfe" + b"\1a" * 30_000 + b"\0" + FRAME + b";").size
    for comments in (b"!\xfe" + b"\1a" * 40_000 + b"\0", b"!\xfe\1a\0" * 20_000):
        for around in ((DOT + comments, FRAME), (DOT + FRAME, comments)):
            with pytest.raises(PictureError, match="takes far too long to read"):
                files.save_picture(b"".join(around) + b";")


def test_what_is_odd_in_a_visitor_s_picture_is_not_in_the_log(tmp_path: Path) -> None:
    """Pillow warns of each field by itself."""
    fields = b"".join(struct.pack("<HHLL", number, 7, 2**20, 8) for number in range(1, 1000))
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 999) + fields + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif
    upload = written(drawn((20, 10)), "JPEG")
    (tmp_path / "odd.jpg").write_bytes(upload[:2] + segment + upload[2:])
    code = "import sys; from demijohn.files.pictures import renew; renew(open(sys.argv[1], 'rb').read(), 100)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "odd.jpg"], capture_output=True, check=True)
    assert done.stderr == b""
    (tmp_path / "odd.jpg").write_bytes(huge(10_000, 10_000))
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "odd.jpg"], capture_output=True)
    assert b"25 million is the most" in done.stderr
    assert b"Warning" not in done.stderr


NOISE = random.Random(5).randbytes(5000)  # noqa: S311
JPEG, PNG = (written(Image.frombytes("RGB", (60, 20), NOISE[:3600]), kind) for kind in ("JPEG", "PNG"))


@pytest.mark.parametrize(
    "upload",
    [
        JPEG[:-300],
        JPEG[:20],
        PNG[:-50],
        PNG[:60],
        PNG[:100] + b"x" + PNG[101:],
        b"GIF89a<script>alert(1)</script>",
        b"RIFF\1\2\3\4WEBPVP8 " + NOISE,
        b"\xff\xd8\xff" + NOISE,
    ],
)
def test_what_is_damaged_is_refused_in_words_for_the_visitor(upload: bytes, files: Files) -> None:
    with pytest.raises(PictureError) as caught:
        files.save_picture(upload)
    expected = (
        "This picture cannot be read: it is damaged, or was cut off on its way. Please choose it again, or another."
    )
    assert str(caught.value) == caught.value.message == expected
    assert caught.value.status_code == 400
    assert list(files.store.kept()) == []


def test_no_garbage_gets_anything_but_a_refusal(files: Files) -> None:
    """Real pictures with some bytes changed: Pillow's readers raise what they please."""
    chance = random.Random(7)  # noqa: S311
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        good = written(Image.frombytes("RGB", (40, 40), NOISE[:4800]), kind)
        for _ in range(40):
            bad = bytearray(good)
            for _ in range(chance.randrange(1, 8)):
                bad[chance.randrange(12, len(bad))] = chance.randrange(256)
            try:
                files.save_picture(bytes(bad))
            except PictureError:
                continue


@pytest.mark.parametrize("upload", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"BM" + NOISE])
def test_what_is_no_picture_is_refused(upload: bytes, files: Files) -> None:
    with pytest.raises(FileTypeError, match="not one of these: PNG, JPEG, GIF or WebP"):
        files.save_picture(upload)


def test_a_limit_is_of_the_upload(files: Files) -> None:
    with pytest.raises(FileTooLargeError, match="This file is too large: 1 kB is the most"):
        files.save_picture(PNG, limit=1024)


def test_without_pillow_it_is_kept_as_it_is_and_the_log_says_so_once(
    files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Files, "has_pillow", False)
    with caplog.at_level(logging.WARNING, "demijohn.files"):
        file = files.save_picture(JPEG, max_side=10)
        files.save_picture(PNG)
    assert (file.width, file.height, file.type) == (None, None, "image/jpeg")
    assert b"".join(files.open(file.name)) == JPEG
    assert caplog.text.count("Pillow is not installed: pictures are kept as they come") == 1
    with pytest.raises(FileTypeError):
        files.save_picture(b"<html>")
