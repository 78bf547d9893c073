"""Mistakes in how a handler reads a body. What a visitor does wrong is a `bottle.HTTPError`."""

from __future__ import annotations

from demijohn.errors import DemijohnError


class BodyStreamedError(DemijohnError):
    """The body was asked for once more after it had begun to be read as it arrived, and nothing of it is kept."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"request.{what} was asked for after request.parts() or request.stream() had begun, which keep nothing of "
            "what they hand out. Take all that the handler needs in that one loop, or read the body before it."
        )
        #: What was asked for: `forms`.
        self.what = what


class PartGoneError(DemijohnError):
    """A part of a form was read after the next one had been taken."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The part {name!r} of the form has gone by, and nothing of it is kept. Read each part, by a loop or by "
            "text(), before request.parts() is asked for the next."
        )
        #: The part's name.
        self.name = name
