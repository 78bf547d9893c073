"""How much a request may send, how many pieces of it, and how long it may take."""

from __future__ import annotations

from typing import Any, NamedTuple

from bottle import HTTPError


class Limits(NamedTuple):
    """What one request is held to. Each is the setting `body.x`, and for one route the option `body_x`."""

    #: Bytes of the whole body.
    limit: int
    #: Bytes of a body that is read into memory. None: as many as the whole may have.
    memory: int | None
    #: Bytes of one file in a form. None: as many as the whole may have.
    part: int | None
    #: Bytes of one text field in a form, name and value.
    field: int
    #: Fields and files in one form.
    parts: int
    #: Seconds that the visitor may be waited for, however much comes; beyond them it takes `rate`.
    timeout: float
    #: Bytes a second.
    rate: int

    def of(self, options: Any) -> Limits:
        """These, where a route's options do not say otherwise."""
        found = {name: options[option] for name, option in OPTIONS.items() if option in options}
        return self._replace(**found) if found else self


OPTIONS = {name: f"body_{name}" for name in Limits._fields}


def too_large(limit: int) -> HTTPError:
    return _refusal(f"That is too large: {limit:,} bytes can be sent here at most.", "limit")


def too_large_for_memory(limit: int) -> HTTPError:
    return _refusal(
        f"That is too large: {limit:,} bytes can be sent here at most.",
        "memory",
        "; request.parts() and request.stream() hold nothing in memory",
    )


def part_too_large(limit: int) -> HTTPError:
    return _refusal(f"One of the files is too large: {limit:,} bytes can be sent here at most.", "part")


def field_too_large(limit: int) -> HTTPError:
    return _refusal(f"One of the form's fields is too long: {limit:,} bytes can be sent here at most.", "field")


def line_too_long(limit: int) -> HTTPError:
    return _refusal(f"One of the lines is too long: {limit:,} bytes can be sent here at most.", "field")


def too_many(limit: int) -> HTTPError:
    return _refusal(f"The form has too many fields: {limit:,} can be sent here at most.", "parts")


def _refusal(sentence: str, name: str, more: str = "") -> HTTPError:
    return HTTPError(413, f"{sentence} (The setting is body.{name}, a route's option {OPTIONS[name]}{more}.)")
