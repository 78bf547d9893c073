"""What can go wrong with a file. Each is a `bottle.HTTPError` as well: a handler that lets it through has answered with
it, and one that shows it beside the field of a form takes its text, which is written for visitors."""

from __future__ import annotations

import bottle

from demijohn.errors import DemijohnError


class FileError(DemijohnError, bottle.HTTPError):
    """The base of them all."""

    code = 400

    def __init__(self, message: str) -> None:
        bottle.HTTPError.__init__(self, self.code, message)
        #: A sentence or two for the visitor.
        self.message = message

    def __str__(self) -> str:
        return self.message


class UploadError(FileError):
    """What the visitor sent cannot be kept. Nothing of it was."""


class FileTooLargeError(UploadError):
    """A file is over its limit."""

    code = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"This file is too large: {size_in_words(limit)} is the most. (The setting is files.limit.)")
        #: Bytes.
        self.limit = limit


class FileTypeError(UploadError):
    """By its content a file is of none of the types that are taken here."""

    code = 415

    def __init__(self, found: str, wanted: tuple[str, ...]) -> None:
        names = [_NAMES.get(type, type) for type in wanted]
        listed = " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        super().__init__(f"This file is not one of these: {listed}. Please choose another.")
        #: What it is, as far as that can be told: `application/octet-stream` for anything that is not known.
        self.found = found
        #: What is taken.
        self.wanted = wanted


class PictureError(UploadError):
    """A picture cannot be read, or is too large to be taken apart."""


class NoFileError(FileError):
    """There is no file of this name."""

    code = 404

    def __init__(self, name: str) -> None:
        super().__init__("This file is not here, or not any more.")
        self.set_header("Cache-Control", "no-store")  # it may come yet
        #: What was asked for.
        self.name = name


class FilesDownError(FileError):
    """The store of the files is not answering. Nothing was kept, and nothing lost."""

    code = 503

    def __init__(self, store: str, original_error: BaseException | str) -> None:
        super().__init__("The files cannot be reached at the moment. Please try again soon.")
        #: The store's name.
        self.store = store
        #: What its client raised.
        self.original_error = original_error
        self.set_header("Retry-After", "5")


class FilesMissingError(DemijohnError):
    """What the store needs is not installed, not set or not made."""


_NAMES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WebP",
    "application/pdf": "PDF",
    "application/octet-stream": "any other file",
}


def size_in_words(size: int) -> str:
    """`30 MB`, `512 kB`, `100 bytes`: rounded down, so that what fits the words fits the limit."""
    for unit, name in ((1024**2, "MB"), (1024, "kB")):
        if size >= unit:
            return f"{size // unit:,} {name}"
    return f"{size:,} bytes"
