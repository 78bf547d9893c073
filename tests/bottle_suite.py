"""Run as a program, `bottle_suite.py FOLDER [site] [bodies] [lifetime]`: Bottle's own tests, which lie in FOLDER.

With `site` they find Site in Bottle's place, with `bodies` the request as `Bodies` leaves it once an app of the process
has it, with `lifetime` each app answers as one does that has a part. Writes one JSON object: each test's id and what
became of it.
"""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path
from typing import Any

import bottle


class Outcomes(unittest.TestResult):
    """What became of each test: "passed", "skipped", or the traceback."""

    def __init__(self, *ignored: Any, **options: Any) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcomes[test.id()] = "passed"

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.outcomes[test.id()] = "skipped"

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.outcomes[test.id()] = self.errors[-1][1]

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.outcomes[test.id()] = self.failures[-1][1]

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = (self.failures or self.errors)[-1][1]

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.outcomes[test.id()] = "passed, though it is marked as failing"


def put_site_in_place_of_bottle() -> None:
    """Before the tests are imported, so that `from bottle import Bottle` and the default app are a Site, too."""
    from demijohn import Site

    bottle.Bottle = Site
    assert type(bottle.AppStack().push()) is Site
    assert type(bottle.app()) is Site


def swap_the_request() -> None:
    from demijohn.bodies import Bodies

    before = type(bottle.request)
    bottle.Bottle().install(Bodies())
    assert type(bottle.request) is not before


def attach_to_each_app() -> None:
    from demijohn import lifetime

    make = bottle.Bottle.__init__

    def make_and_attach(app: Any, *args: Any, **options: Any) -> None:
        make(app, *args, **options)
        lifetime.attach(app)

    bottle.Bottle.__init__ = make_and_attach


def main(folder: str, *names: str) -> None:
    if "site" in names:
        put_site_in_place_of_bottle()
    if "bodies" in names:
        swap_the_request()
    if "lifetime" in names:
        attach_to_each_app()
    outcomes = Outcomes()
    unittest.TestLoader().discover(str(Path(folder, "test")), top_level_dir=folder).run(outcomes)
    json.dump(outcomes.outcomes, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
