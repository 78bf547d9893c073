"""What is in a request: forms, JSON, the query, cookies. Whatever comes in, only an HTTPError comes out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from io import BytesIO
from json import JSONDecoder, dumps
from typing import Any

from bottle import FileUpload, FormsDict, HTTPError

from demijohn.bodies.limits import Limits, field_too_large, too_many


class Fields(FormsDict):
    """A query as Bottle keeps it, one latin1 character for each byte; a 400 when bytes are asked for as text and are
    not UTF-8."""

    def _fix(self, text: str, encoding: str | None = None) -> Any:
        try:
            return super()._fix(text, encoding)
        except UnicodeError:
            raise HTTPError(400, "The address is not valid: what follows the question mark is not UTF-8.") from None


_PERCENT = "%([0-9A-Fa-f]{2})"  # not compiled at boot


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The fields of a query or an urlencoded form, one latin1 character for each byte."""
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.replace("+", " ").partition("=")
            yield _unquoted(name), _unquoted(value)


def _unquoted(text: str) -> str:
    # urllib's unquote takes three seconds for 4 MB of bare percent signs.
    return re.sub(_PERCENT, lambda found: chr(int(found[1], 16)), text) if "%" in text else text


def urlencoded(body: bytes, limits: Limits) -> Any:
    """A form as the address bar would write it."""
    if body.count(b"&") >= limits.parts:
        raise too_many(limits.parts)
    form = FormsDict()
    for name, value in pairs(body.decode("latin1")):
        if len(name) + len(value) > limits.field:
            raise field_too_large(limits.field)
        for text in (name, value):
            if not text.isascii():
                _check_text(text.encode("latin1"))
        form[name] = value
    return form


def _check_text(value: bytes) -> None:
    try:
        value.decode("utf8")
    except UnicodeDecodeError:
        raise HTTPError(400, "The form holds text that is not UTF-8.") from None


CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"


def multipart(body: bytes, content_type: str, limits: Limits) -> Any:
    """A form of RFC 7578. Its text is text, not latin1."""
    from demijohn.bodies.parts import parts  # few requests have one

    form = FormsDict()
    form.recode_unicode = False
    for part in parts((body,), content_type, limits):
        if part.filename is None:
            form[part.name] = part.text()
        else:
            form[part.name] = FileUpload(BytesIO(b"".join(part)), part.name, part.given_name, part.headers)
    return form


def json(body: bytes) -> Any:
    """The document of RFC 8259."""
    try:
        text = body.decode("utf-8-sig")
        document = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:  # half of a character would break whoever encodes it, far from here
            dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise HTTPError(400, "The JSON document is not UTF-8.") from None
    except UnicodeEncodeError:
        raise HTTPError(400, "The JSON document holds half of a character (a lone surrogate).") from None
    except RecursionError:
        raise HTTPError(400, "The JSON document is nested too deeply.") from None
    except ValueError as error:
        raise HTTPError(400, f"The JSON document is not valid: {str(error).split(';')[0]}.") from None
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # which nobody can write as JSON again
        raise ValueError("one of its numbers is too large")
    return number


_DECODER = JSONDecoder(parse_constant=_refuse, parse_float=_float)
_ESCAPED = r"\\(?:([0-3][0-7]{2})|(.))"


def cookies(header: str) -> Any:
    """The cookies of RFC 6265; what is none is left out. Python's SimpleCookie raises for one bad name, and drops every
    cookie for one bad value."""
    found = FormsDict()
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if not (name and equals) or re.search(CONTROL, pair):
            continue
        if len(value) > 1 and value[0] == value[-1] == '"':  # as SimpleCookie, and with it `set_cookie`, writes it
            value = re.sub(_ESCAPED, lambda at: chr(int(at[1], 8)) if at[1] else at[2], value[1:-1])
        found[name] = value
    return found
