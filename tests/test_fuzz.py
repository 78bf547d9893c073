"""The guestbook under requests that nobody has thought of: no 5xx, no traceback, no way to another site, no page that
takes what was typed for its own. Longer, and different each time: FUZZ=100000 pytest tests/test_fuzz.py"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from demijohn.security import argon2
from tests.client import Client
from tests.fuzzing import Answer, Request, forms, judge, requests, send
from tests.sites import OURS, ROOT

EXAMPLES = int(os.environ.get("FUZZ", "200"))
#: Beside those that the site declares.
ROUTES = [("GET", "/static/<name>"), ("GET", "/files/<name>"), ("GET", "/robots.txt"), ("GET", "/_health/ready")]


@pytest.fixture(scope="module")
def guestbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The site of this repository, in this process, in production; passwords cost nothing."""
    database = tmp_path_factory.mktemp("fuzz") / "test.sqlite"
    given = {
        "DATABASE_URL": f"sqlite:///{database}",
        "SECRET_KEY": "a-secret-of-the-tests",
        "DEMIJOHN_ENV": "production",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OURS)]:
            patch.delenv(name)
        for name, value in {**given, "DEMIJOHN_SECURITY_THROTTLE": "off", "DEMIJOHN_HOST": "vm"}.items():
            patch.setenv(name, value)
        patch.setattr(argon2, "MEMORY", 8)
        module = loaded(ROOT / "app" / "__init__.py")
        module.site.create_tables()
        yield module
        module.site.db.close()
        del sys.modules[module.__name__]


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "fuzzed_guestbook", path, submodule_search_locations=[str(path.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Visitors:
    """Nobody, anna and eve, who are signed in whatever they have done before."""

    def __init__(self, site: Any) -> None:
        self._site = site
        self._cookies: dict[int, str] = {0: ""}

    def cookie(self, number: int) -> str:
        if number not in self._cookies:
            self._cookies[number] = self._sign_in(("anna", "eve")[number - 1])
        return self._cookies[number]

    def answered(self, number: int, answer: Answer) -> None:
        """Take note that a visitor's session may have ended."""
        if number and any(name == "Set-Cookie" for name, _ in answer.headers):
            del self._cookies[number]

    def _sign_in(self, name: str) -> str:
        client, form = Client(self._site), {"name": name, "password": "four words in a row"}
        answer = client.post("/sign-in", form)
        if answer.status == 403:
            answer = client.post("/sign-up", form)
        assert answer.status in (302, 303), answer.text
        assert client.post("/", {"text": "hello"}).status in (302, 303)
        return "; ".join(f"{key}={value}" for key, value in client.cookies.items())


@pytest.mark.filterwarnings("ignore::wsgiref.validate.WSGIWarning")  # of methods that it does not know
@pytest.mark.parametrize("kind", ["anything", "forms"])
def test_nothing_is_found(guestbook: ModuleType, kind: str) -> None:
    site, said = guestbook.site, Said()
    visitors = Visitors(site)
    routes = [(route.method, route.rule) for route in site.routes] + ROUTES
    logging.getLogger().addHandler(said)

    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(requests(routes) if kind == "anything" else forms())
    def fuzz(request: Request) -> None:
        cookie = visitors.cookie(request.visitor)
        said.errors.clear()
        answer = send(site, request, cookie)
        visitors.answered(request.visitor, answer)
        judge(request, answer)
        assert not said.errors
        if request.path == "/" and answer.status in (302, 303):
            judge(request, send(site, request._replace(method="GET"), ""))  # what was written, as others see it

    try:
        fuzz()
    finally:
        logging.getLogger().removeHandler(said)


class Said(logging.Handler):
    """What the log says of errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: Any) -> None:
        self.errors.append(record.getMessage())
