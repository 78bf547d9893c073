"""The process in which a site is played: `python -m demijohn.rehearsal.play ORDERS`.

ORDERS is JSON, as `stage.py` writes it. What happens is told in lines of JSON on the descriptor that it names.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import secrets
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from demijohn import config
from demijohn.doors import find_site, open_door
from demijohn.errors import ConfigError, DemijohnError
from demijohn.rehearsal.visits import Outcome, Visit, find_app, pay, visits
from demijohn.rehearsal.watch import Rules, Watch, owner
from demijohn.rehearsal.words import in_words, is_sqlites, last_error, mistakes, not_set, stand_in
from demijohn.site import Site

#: How many variables that are not set here get a stand-in in one visit.
VARIABLES = 30


class Play:
    """:param orders: what `stage.py` has written."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders = orders
        self.root = Path(orders["rules"]["root"])
        self._report: int = orders["report"]
        self._lock = threading.Lock()
        self._stack = open(orders["stack"], "w")  # noqa: SIM115  (faulthandler writes to it until the end)
        self.watch = Watch(Rules(**orders["rules"]), self.tell)
        self.heard = _Heard()

    def tell(self, event: dict[str, Any]) -> None:
        if "message" in event:  # the rehearsal's own folders are others each time, and no one has seen them
            rules = self.orders["rules"]
            event["message"] = event["message"].replace(rules["root"] + os.sep, "").replace(rules["scratch"], "...")
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            os.write(self._report, line)

    def run(self) -> None:
        _stand_in(self.root, self.orders["rules"]["database"])
        logging.getLogger().addHandler(self.heard)
        self.watch.start()
        application = self._load()
        if application is None:
            return
        self.tell({"event": "started", "seconds": time.monotonic() - self.orders["began"]})
        site = find_site(application) or find_app(application, Site)
        if site is not None:
            self.tell({"event": "settings", "workers": site.settings["server.workers"]})
            if site.db.url and not self._make_tables(site):
                return
        self._visit_all(application, site)
        self.tell({"event": "memory", "bytes": _memory()})
        self.tell({"event": "end"})

    def _load(self) -> Any:
        self.watch.visit = ""
        self._time_out(self.orders["boot"])
        try:
            return open_door(self.root, self.orders["door"])
        except BaseException as error:
            refused = sorted(self.watch.refused)
            self.watch.visit = None
            trace = "".join(traceback.format_exception(error))
            told = {"variable": not_set(trace), "refused": refused + self._own_database(trace)}
            self.tell({"event": "broken", "message": in_words(error), **told, **self._where(error)})
            return None
        finally:
            self.watch.visit = None
            self.watch.refused.clear()
            faulthandler.cancel_dump_traceback_later()

    def _make_tables(self, site: Any) -> bool:
        """In a process of its own, as the release command is one, so that nothing of it stays in the memory."""
        with contextlib.suppress(Exception):  # the site may have closed it
            sys.stdout.flush()
        _ = site.db.engine  # what it imports is needed on both sides of the fork; nothing is connected yet
        child = os.fork()
        if child == 0:
            status = 0
            try:
                if site.db.migrations.history:
                    from demijohn.database.migrations import steps

                    steps.upgrade(site.db, site.db.migrations.folder, site.db.migrations.history)
                site.create_tables()  # the sessions' may be in no migration, where they are usually kept elsewhere
            except BaseException as error:
                sqlite = is_sqlites("".join(traceback.format_exception(error)))
                self.tell({"event": "tables", "message": in_words(error), "sqlite": sqlite, **self._where(error)})
                status = 1
            os._exit(status)
        return os.waitpid(child, 0)[1] == 0

    def _visit_all(self, application: Any, site: Any) -> None:
        import bottle

        app = find_site(application, bottle.Bottle) or find_app(application, bottle.Bottle)
        if app is None:
            self.tell({"event": "late", "why": "what the door serves is no Bottle app, so its routes are not known"})
        asked, unknown = visits(app, _static(site))
        for rule in unknown:
            self.tell({"event": "unknown", "visit": rule})
        done = self.orders["done"]

        def run() -> None:
            for visit in asked:
                if str(visit) not in done:
                    self._pay(application, visit)

        if self.orders["rules"]["threads"]:  # as a server with threads does
            worker = threading.Thread(target=run)
            worker.start()
            worker.join()
        else:
            run()

    def _pay(self, application: Any, visit: Visit) -> None:
        place = self._line([(code.co_filename, code.co_firstlineno)] if (code := _code(visit.handler)) else [])
        self.tell({"event": "visit", "visit": str(visit), **place})
        outcome, trace, given = self._ask(application, visit), "", 0
        while outcome.error is not None or outcome.status >= 500:
            error = outcome.error
            trace = "".join(traceback.format_exception(error)) if error else outcome.said or "\n".join(self.heard.text)
            name = not_set(trace)
            if not name or given == VARIABLES:
                break
            given += 1
            os.environ[name] = stand_in(name)
            outcome, trace = self._ask(application, visit), ""
        # What stands in for something may be what fails.
        refused = sorted(self.watch.refused) + self._own_database(trace) + ["rehearsal"] * bool(given and trace)
        answer: dict[str, Any] = {"event": "answer", "visit": str(visit), "status": outcome.status, **place}
        answer |= {"first": outcome.first, "whole": outcome.whole, "refused": refused, "sqlite": is_sqlites(trace)}
        found: dict[str, Any] = {}
        if outcome.error is not None:
            found = {"message": in_words(outcome.error), **self._where(outcome.error)}
        elif outcome.status >= 500:
            found = {"message": last_error(trace), **self._line(mistakes(trace))}
        # What has no line of its own has the handler's.
        self.tell(answer | {name: value for name, value in found.items() if value})

    def _ask(self, application: Any, visit: Visit) -> Outcome:
        self._time_out(self.orders["patience"])
        self.heard.text.clear()
        self.watch.refused.clear()
        self.watch.visit = str(visit)
        try:
            return pay(application, visit, self.orders["environ"])
        finally:
            self.watch.visit = None
            faulthandler.cancel_dump_traceback_later()

    def _own_database(self, trace: str) -> list[str]:
        """Who is to blame where the address of the rehearsal's database is what an error is about."""
        return ["rehearsal"] if self.orders["rules"]["database"] in trace else []

    def _time_out(self, seconds: float) -> None:
        """End this process, and write down where it was, unless that is called off in time. It works while a compiled
        package holds Python's lock, too."""
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._stack)

    def _where(self, error: BaseException) -> dict[str, Any]:
        """The line of the site's own at which `error` has arisen."""
        if isinstance(error, ConfigError):
            source, _, line = error.problems[0].source.partition(":") if error.problems else ("", "", "")
            message = "; ".join(str(problem) for problem in error.problems)
            return {"file": source if line else "", "line": int(line) if line.isdigit() else 0, "message": message}
        if isinstance(error, SyntaxError) and error.filename:
            found = [(error.filename, error.lineno or 0)]
        else:
            found = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
        more = {"message": str(error)} if isinstance(error, DemijohnError) else {}
        return {**self._line(found), **more}

    def _line(self, found: list[tuple[str, int]]) -> dict[str, Any]:
        for file, line in reversed(found):
            whose = owner(file, self.watch.rules.root, self.watch.rules.foreign)
            if whose.startswith("own:"):
                return {"file": whose[4:], "line": line}
        return {"file": "", "line": 0}


class _Heard(logging.Handler):
    """Keeps what is logged with a traceback, for a route that answers 503 by itself has none in its answer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))


def _stand_in(root: Path, database: str) -> None:
    """Servers of the rehearsal's own, or none, in the place of the site's."""
    config.prefer({"secret": secrets.token_urlsafe(32)})
    settings, _ = config.read(root)
    url = config.Url(f"sqlite:///{database}") if settings["database.url"] else config.Url("")
    kept = settings["session.type"]
    if kept not in ("cookie", "memory"):
        kept = "sql" if url else "memory"
    config.insist(
        {
            "database.url": url,
            "database.replicas": (),
            **dict.fromkeys(("database.tls_ca", "memcached.username", "memcached.password", "redis.url"), None),
            "memcached.url": (),
            "session.url": None,
            "session.type": kept,
        }
    )


def _code(handler: Any) -> Any:
    return getattr(getattr(handler, "__func__", handler), "__code__", None)


def _static(site: Any) -> str | None:
    """The address of some static file."""
    if site is None or not os.path.isdir(site.static.folder):
        return None
    names = sorted(name for name in os.listdir(site.static.folder) if not name.startswith("."))
    name = next((name for name in names if os.path.isfile(os.path.join(site.static.folder, name))), None)
    return None if name is None else str(site.static_url(name)).partition("?")[0]


def _memory() -> int:
    """Bytes that this process occupies; 0 where nobody says."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024 if "VmRSS:" in text else 0


if __name__ == "__main__":
    Play(json.loads(sys.argv[1])).run()
