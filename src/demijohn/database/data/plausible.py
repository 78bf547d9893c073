"""A plausible value for a column: what its name promises, as its type allows."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Dialect
from sqlalchemy.types import TypeDecorator

from demijohn.database.data.kinds import kind_of, plain_type
from demijohn.errors import DataError

Maker = Callable[[], Any]

#: The years that dates are of; not up to today, so that a seed makes the same rows tomorrow.
_FIRST, _LAST = datetime(2020, 1, 1), datetime(2025, 12, 31)
#: What a column of texts holds, by its name: the first that is found in it, and the method of Faker's.
_NAMES = [
    (re.compile(words), method)
    for words, method in (
        (r"e_?mail", "ascii_safe_email"),
        (r"user_?name|login|nick|handle", "user_name"),
        (r"first_?name|given", "first_name"),
        (r"last_?name|surname|family", "last_name"),
        (r"password|passwd|hash|digest|token|secret|salt", "sha256"),
        (r"phone|mobile|tel$|^fax", "phone_number"),
        (r"zip|post_?code|postal", "postcode"),
        (r"country_?code", "country_code"),
        (r"country", "country"),
        (r"city|town|place", "city"),
        (r"street", "street_address"),
        (r"address", "address"),
        (r"compan|organi[sz]ation|employer", "company"),
        (r"job|profession|position", "job"),
        (r"\burl|_url|website|homepage|link", "url"),
        (r"image|picture|photo|avatar|file|path", "file_name"),
        (r"mime|content_?type", "mime_type"),
        (r"domain|host", "domain_name"),
        (r"^ip$|_ip$|^ip_|ip_?addr", "ipv4_public"),
        (r"agent|browser", "user_agent"),
        (r"lang|locale", "language_code"),
        (r"currency", "currency_code"),
        (r"colou?r", "hex_color"),
        (r"slug", "slug"),
        (r"iban", "iban"),
        (r"isbn", "isbn13"),
        (r"title|subject|headline|heading", "sentence"),
        (r"tag|word|categor|label|kind|type|status|state", "word"),
        (r"author|person|customer|name$|^name", "name"),
    )
]


class Plausible:
    """:raises DataError: Faker is not installed, or does not know the locale."""

    def __init__(self, chance: random.Random, seed: int | None, locale: str | None) -> None:
        try:
            from faker import Faker
        except ModuleNotFoundError as error:
            raise DataError(
                "Made-up rows are made by Faker, which is not installed. Install it: pip install 'demijohn[dummy]'"
            ) from error
        try:
            self._faker: Any = Faker(locale or "en_US")
        except AttributeError as error:
            raise DataError(f"Faker knows no locale {locale!r}. It is written as de_DE, fr_FR, ja_JP.") from error
        self._random = chance
        if seed is not None:
            self._faker.seed_instance(seed)

    def maker(self, column: Column[Any], dialect: Dialect) -> Maker | None:
        """What makes values for this column; None: its type is unknown."""
        raw: Any = plain_type(column.type, dialect)
        kind = kind_of(raw)
        if isinstance(column.type, TypeDecorator) and not _takes_the_same(column.type, raw):
            return None
        name = column.name.lower()
        chance = self._random
        if kind == "enum":
            members = list(raw.enum_class) if raw.enum_class else list(raw.enums)
            return lambda: chance.choice(members)
        if kind == "text":
            return self._text(name, getattr(raw, "length", None))
        if kind == "integer":
            low, high = _range(name)
            return lambda: chance.randint(low, high)
        if kind in ("float", "decimal"):
            return self._number(name, raw, kind == "decimal" and getattr(raw, "asdecimal", True))
        if kind == "datetime":
            zone = timezone.utc if raw.timezone and dialect.name == "postgresql" else None
            return lambda: self._moment().replace(tzinfo=zone)
        if kind == "uuid":
            make = uuid.UUID if getattr(raw, "as_uuid", True) else str
            return lambda: make(str(uuid.UUID(int=chance.getrandbits(128), version=4)))
        makers: dict[str, Maker] = {
            "boolean": lambda: chance.random() < 0.5,
            "date": lambda: self._moment().date(),
            "time": lambda: self._moment().time(),
            "interval": lambda: timedelta(seconds=chance.randrange(100_000)),
            "bytes": lambda: chance.randbytes(min(getattr(raw, "length", None) or 16, 16)),
            "json": lambda: {self._faker.word(): self._faker.word(), "number": chance.randrange(100)},
        }
        return makers.get(kind)

    def _text(self, name: str, length: int | None) -> Maker:
        method = next((method for words, method in _NAMES if words.search(name)), None)
        if method is None:
            if length is not None and length < 20:
                make: Maker = self._faker.word
            elif length is not None and length <= 100:
                make = self._faker.sentence
            else:
                make = self._faker.paragraph
        else:
            make = getattr(self._faker, method)
        return make if length is None else lambda: make()[:length].rstrip() or "x"

    def _number(self, name: str, raw: Any, exact: bool) -> Maker:
        low, high = _range(name)
        precision, scale = getattr(raw, "precision", None), getattr(raw, "scale", None)
        places = scale if scale is not None else 2
        if exact and precision is not None:
            high = min(high, 10 ** (precision - places) - 1)

        def make() -> Any:
            number = round(self._random.uniform(min(low, high), high), places)
            return Decimal(f"{number:.{places}f}") if exact else number

        return make

    def _moment(self) -> datetime:
        """A moment by the second: not every column keeps parts of one."""
        return _FIRST + timedelta(seconds=self._random.randrange(int((_LAST - _FIRST).total_seconds())))


def _range(name: str) -> tuple[int, int]:
    """The smallest and the largest number that looks right."""
    for words, low, high in (
        (r"(^|_)age$", 18, 90),
        (r"year", 1990, 2025),
        (r"month", 1, 12),
        (r"(^|_)day$", 1, 28),
        (r"percent|ratio", 0, 100),
        (r"rating|stars", 1, 5),
        (r"(^|_)lat", -90, 90),
        (r"(^|_)(lon|lng)", -180, 180),
        (r"count|quantity|amount|stock", 0, 100),
        (r"price|cost|total|salary", 1, 1000),
    ):
        if re.search(words, name):
            return low, high
    return 1, 1000


def _takes_the_same(own: TypeDecorator[Any], raw: Any) -> bool:
    """Whether an application's own type takes the values that the type inside it takes."""
    try:
        same: bool = own.python_type is raw.python_type
    except NotImplementedError:
        return False
    return same
