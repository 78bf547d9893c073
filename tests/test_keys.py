"""Primary keys as they come from an address, by the same tests on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import BigInteger, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from demijohn.database import Database
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


NOT_KEYS: list[Any] = [
    None,
    "",
    "12x",
    " 12",
    "1_2",
    "+12",
    "12.0",
    12.0,
    "١٢",
    "\0",
    "é",
    "\ud800",
    True,
    [12],
    {},
    b"12",
    Shop,
]
TOO_LARGE = [10**30, -(10**30), "9" * 20, "9" * 5000, 2**31, 2**63, -(2**63) - 1, "-12", "NaN"]


def test_what_cannot_be_a_key_is_not_found(shop: Shop) -> None:
    with shop.db.unit() as db:
        shop.Note.create(db=db, id=12, text="twelve")
    for key in NOT_KEYS + TOO_LARGE:
        with shop.db.unit() as db:
            assert shop.Note.get(key, db=db) is None, key
            with pytest.raises(bottle.HTTPError):
                shop.Note.get_or_404(key, db=db)
            assert shop.Note.get("012", db=db).text == "twelve"  # the transaction has not failed
            assert shop.Note.get(key, db=db) is None, key


class Colour(enum.Enum):
    RED = 1


class Keys:
    """Models with keys of all kinds."""

    def __init__(self, db: Any) -> None:
        class Pair(db.Model):
            __tablename__ = "pairs"
            left: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            right: Mapped[str] = mapped_column(String(20), primary_key=True)

        def model(name: str, kind: Any, type_: Any = None) -> Any:
            columns = {"id": mapped_column(type_, primary_key=True), "__annotations__": {"id": Mapped[kind]}}
            return type(name, (db.Model,), {"__tablename__": name, **columns})

        self.Pair = Pair
        self.Word = model("words", str, String(20))
        self.Thing = model("things", uuid.UUID)
        self.Day = model("days", datetime.date)
        self.Small = model("smalls", int, SmallInteger)
        self.Big = model("bigs", int, BigInteger)
        self.Paint = model("paints", Colour)


def test_keys_of_each_kind(database_url: str) -> None:
    database = Database(database_url)
    keys = Keys(database)
    database.create_all()
    id = uuid.uuid4()
    today = datetime.date(2024, 2, 29)
    rows: list[tuple[Any, Any, list[Any], list[Any]]] = [
        # model, key, other ways to write it, what is not found
        (keys.Word, "5 apples", [], [5, "5", "\0", "5 apples\0", "\udc00", b"5 apples", 5.0, None, ["5 apples"]]),
        (keys.Thing, id, [str(id), id.hex], ["no", "", 7, None, str(uuid.uuid4()), b"0" * 16]),
        (keys.Day, today, ["2024-02-29"], ["2024-02-30", "today", "", 20240229, None]),
        (keys.Small, 300, ["300"], [40000, "40000", 2**40, 2**70, "2" * 19]),
        (keys.Big, 2**40, [str(2**40)], [2**63, -(2**63), 10**30, str(2**63), 5]),
        (keys.Paint, Colour.RED, ["RED"], ["GREEN", 1, "", None, b"RED"]),
    ]
    with database.unit() as db:
        for model, key, _, _ in rows:
            model.create(db=db, id=key)
        keys.Pair.create(db=db, left=1, right="a")
    with database.unit() as db:
        for model, key, others, missing in rows:
            for other in missing:
                assert model.get(other, db=db) is None, (model, other)
            for other in [key, *others]:
                assert model.get(other, db=db).id == key, (model, other)
        for pair in [(1, "a"), ("1", "a")]:
            assert keys.Pair.get(pair, db=db).left == 1
        for no_pair in [(1, "b"), ("1x", "a"), (1, None), (10**30, "a"), (1, "\0")]:
            assert keys.Pair.get(no_pair, db=db) is None
        for wrong in [1, "a", (1,), (1, "a", 2)]:
            with pytest.raises(TypeError, match=r"Pair is found by left, right: 2 in a tuple\. \d came\."):
                keys.Pair.get(wrong, db=db)
    database.close()


def test_a_large_key_is_found_where_the_column_holds_it(sqlite_url: str) -> None:
    shop = Shop(sqlite_url)  # whose keys have 64 bits, whatever the column says
    with shop.db.unit() as db:
        shop.Note.create(db=db, id=2**40, text="far")
    with shop.db.unit() as db:
        assert shop.Note.get(str(2**40), db=db).text == "far"
    shop.db.close()


def test_all_is_in_the_order_of_the_keys(database_url: str) -> None:
    database = Database(database_url)
    Word = Keys(database).Word
    database.create_all()
    with database.unit() as db:
        assert Word.all(db=db) == []
        for id in ("c", "a", "b"):
            Word.create(db=db, id=id)
    with database.unit() as db:
        assert [word.id for word in Word.all(db=db)] == ["a", "b", "c"]
    database.close()
