"""What is in a request: forms, JSON, the query, cookies. Whatever comes in, only an HTTPError comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from json import JSONDecoder, dumps
from typing import Any

from bottle import FileUpload, FormsDict, HTTPError


class Fields(FormsDict):
    """A query as Bottle keeps it, one latin1 character for each byte; a 400 when bytes are asked for as text and are
    not UTF-8."""

    def _fix(self, text: str, encoding: str | None = None) -> Any:
        try:
            return super()._fix(text, encoding)
        except UnicodeError:
            raise HTTPError(400, "The address is not valid: what follows the question mark is not UTF-8.") from None


_PERCENT = re.compile("%([0-9A-Fa-f]{2})")


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The fields of a query or an urlencoded form, one latin1 character for each byte."""
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.replace("+", " ").partition("=")
            yield _unquoted(name), _unquoted(value)


def _unquoted(text: str) -> str:
    # urllib's unquote takes three seconds for 4 MB of bare percent signs.
    return _PERCENT.sub(lambda found: chr(int(found[1], 16)), text) if "%" in text else text


def urlencoded(body: bytes, limit: int) -> Any:
    """A form of `limit` fields at most."""
    if body.count(b"&") >= limit:
        raise HTTPError(413, f"The form has too many fields: {limit:,} can be sent here at most.")
    form = FormsDict()
    for name, value in pairs(body.decode("latin1")):
        for text in (name, value):
            if not text.isascii():
                _decoded(text.encode("latin1"))
        form[name] = value
    return form


def _decoded(value: bytes, charset: str = "utf8") -> str:
    try:
        return value.decode(charset)
    except UnicodeDecodeError:
        raise HTTPError(400, "The form holds text that is not UTF-8.") from None


_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"


def multipart(body: bytes, content_type: str, limit: int) -> Any:
    """A form of RFC 7578, of `limit` fields and files at most. Its text is text, not latin1."""
    import multipart

    form = FormsDict()
    form.recode_unicode = False
    boundary = multipart.parse_options_header(content_type)[1].get("boundary", "").encode("latin1", "replace")
    try:
        with multipart.PushMultipartParser(boundary, max_segment_count=limit) as parser:
            for event in parser.parse(body):
                if isinstance(event, multipart.MultipartSegment):
                    part, value = event, b""
                elif event is not None:  # one at most: the whole body is in hand
                    value = event
                else:
                    form[part.name] = _part(part, value)
    except multipart.ParserLimitReached as error:
        raise HTTPError(413, f"The form is more than can be sent here, {limit:,} fields at most: {error}.") from None
    except multipart.MultipartError as error:
        raise HTTPError(400, f"The form was cut off or damaged on its way: {error}.") from None
    return form


# Apache's HttpClient for Java sends a text field as ISO-8859-1 unless told otherwise.
_CHARSETS = {"utf-8": "utf8", "utf8": "utf8", "us-ascii": "utf8", "ascii": "utf8", "iso-8859-1": "latin1"}


def _part(part: Any, value: bytes) -> Any:
    """The text of a field; of a file, Bottle's FileUpload over memory."""
    for name, header in part.headerlist:
        if re.search(_CONTROL, header):
            raise HTTPError(400, f"The form is damaged: the header {name} of a part holds control characters.")
        if name == "Content-Transfer-Encoding" and header.strip().lower() not in ("7bit", "8bit", "binary"):
            raise HTTPError(400, "The form has an encoding that RFC 7578 has given up. Send each part as it is.")
    if part.filename:
        return FileUpload(BytesIO(value), part.name, part.filename, part.headerlist)
    charset = _CHARSETS.get((part.charset or "utf8").lower())
    if charset is None:
        raise HTTPError(400, "The form holds text in a character set that is not understood here. Send UTF-8.")
    return _decoded(value, charset)


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


_DECODER = JSONDecoder(parse_constant=_refuse)
_ESCAPED = r"\\(?:([0-3][0-7]{2})|(.))"


def cookies(header: str) -> Any:
    """The cookies of RFC 6265; what is none is left out. Python's SimpleCookie raises for one bad name, and drops every
    cookie for one bad value."""
    found = FormsDict()
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if not (name and equals) or re.search(_CONTROL, pair):
            continue
        if len(value) > 1 and value[0] == value[-1] == '"':  # as SimpleCookie, and with it `set_cookie`, writes it
            value = re.sub(_ESCAPED, lambda at: chr(int(at[1], 8)) if at[1] else at[2], value[1:-1])
        found[name] = value
    return found
