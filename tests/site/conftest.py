"""Here the site's own tests, which go along with every copy of it, run on each kind of database. A copy has a
conftest.py of its own."""

from __future__ import annotations

import pytest

from tests.services import Database
from tests.site.serving import address as address


@pytest.fixture(scope="module", params=["sqlite", "the_mariadb", "the_postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The url of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('guestbook') / 'test.sqlite'}"
    server: Database = request.getfixturevalue(request.param)
    server.start()
    return server.create("guestbook")
