"""Why packages could not be carried along. Whatever the error, the folder is as it was."""

from __future__ import annotations

from collections.abc import Iterable

from demijohn.errors import DemijohnError


class VendorError(DemijohnError):
    """The folder could not be filled. It is as it was."""


class EngineMissingError(VendorError):
    """Neither uv nor pip is here, or not the one that was asked for."""

    def __init__(self, asked: str | None) -> None:
        super().__init__(
            f"Packages are fetched by {asked or 'uv or pip'}, and {'it is' if asked else 'neither is'} installed here. "
            f"Install it: python -m {'ensurepip' if asked == 'pip' else 'pip install uv'}"
        )
        #: Which one was asked for, if any.
        self.asked = asked


class EngineError(VendorError):
    """uv or pip has failed."""

    def __init__(self, engine: str, why: str, cure: str, words: str) -> None:
        lines = "\n".join(f"  {line}" for line in words.splitlines())
        super().__init__(f"{why} {cure} Nothing was changed. The last words of {engine}:\n{lines}")
        #: `uv` or `pip`.
        self.engine = engine
        #: A sentence.
        self.why = why
        #: The end of what it has printed.
        self.words = words


class NotPureError(VendorError):
    """Packages do not work without their compiled files, and those are not wanted."""

    def __init__(self, refusals: dict[str, str], because: str) -> None:
        super().__init__(
            "\n".join(
                [
                    f"{because}, and these packages do not work without theirs. Nothing was changed.",
                    *(f"  {name}: {reason}" for name, reason in refusals.items()),
                    "Leave them out of the requirements, or choose a host that lets compiled files in.",
                ]
            )
        )
        #: Each package, and why it cannot do without.
        self.refusals = refusals


class NotOursError(VendorError):
    """There are files in the folder that would be overwritten, and they are not from here."""

    def __init__(self, folder: str, edited: Iterable[str], foreign: Iterable[str]) -> None:
        #: Files that were put there by `demijohn vendor` and have been changed since.
        self.edited = sorted(edited)
        #: Files that somebody else has put there.
        self.foreign = sorted(foreign)
        said = [("changed since they were put there", self.edited), ("not from demijohn vendor", self.foreign)]
        lines = [f"  {_several(names)}: {what}" for what, names in said if names]
        super().__init__(
            f"{folder} holds files that would be lost. Nothing was changed.\n"
            + "\n".join(lines)
            + "\nMove them elsewhere, or lose them: demijohn vendor --replace"
        )


class TooLargeError(VendorError):
    """What the site needs is more than the host takes."""

    def __init__(self, host: str, excesses: list[str]) -> None:
        super().__init__(
            f"{host} would not take these packages. Nothing was changed.\n"
            + "\n".join(f"  {excess}" for excess in excesses)
            + "\nLeave packages out, or compiled files (--pure)."
        )
        #: The host's title.
        self.host = host
        #: What is more than is allowed, a sentence each.
        self.excesses = excesses


def _several(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
