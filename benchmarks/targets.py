"""What Demijohn sets itself, in one table. A figure is taken from the results as `__main__` gathers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

Results = dict[str, Any]


@dataclass(frozen=True)
class Target:
    what: str
    limit: float
    #: Takes the figure, a KeyError where it was not measured.
    figure: Callable[[Results], float]


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios turn by turn: a neighbour who slows the machine down slows both of a turn."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def _cpu(workload: str) -> Callable[[Results], float]:
    return lambda results: ratio(*(results["cpu"][name][workload]["cpu"] for name in ("demijohn", "glue")))


def _cold(ours: str, theirs: str, clock: str) -> Callable[[Results], float]:
    return lambda results: ratio(results["cold"][ours][clock], results["cold"][theirs][clock])


def _trips(workload: str, server: str) -> Callable[[Results], float]:
    return lambda results: float(results["trips"]["demijohn"][workload][server])


def _session(workload: str, than: str = "by hand", ours: str = "memcached") -> Callable[[Results], float]:
    return lambda results: ratio(*(results["sessions"]["cpu"][name][workload] for name in (ours, than)))


def _session_trips(store: str, workload: str) -> Callable[[Results], float]:
    return lambda results: float(sum(results["sessions"]["trips"][store][workload].values()))


def _rests(what: str, than: str | None = None) -> Callable[[Results], float]:
    def figure(results: Results) -> float:
        rests = results["idle"]["rests"]
        of = rests["demijohn"][what]
        return float(of if than is None else of / rests[than][what])

    return figure


def _steadily(results: Results) -> float:
    """The worst of what is asked."""
    steady = results["idle"]["steady"]
    ours, unprotected = steady["demijohn"], steady["demijohn, unprotected"]
    return float(max(ours[what]["trips"] / unprotected[what]["trips"] for what in ours))


def _bundle(case: str) -> Callable[[Results], float]:
    return lambda results: ratio(results["bundle"][case]["bundle"], results["bundle"][case]["sources"])


def _front(case: str) -> Callable[[Results], float]:
    return lambda results: ratio(
        *(results["front"][case][name]["cpu"] for name in ("demijohn, no models", "bottle alone"))
    )


def _static(case: str, than: str) -> Callable[[Results], float]:
    def figure(results: Results) -> float:
        found = results["static"]["requests"]
        return ratio(found["demijohn, the part alone"][case], found[than][case])

    return figure


def _static_boot(case: str) -> Callable[[Results], float]:
    return lambda results: float(median(results["static"]["boot"][case]))


def _memory(results: Results) -> float:
    return float(median(results["memory"]["demijohn"]) - median(results["memory"]["glue"]))


_PLAIN = ("demijohn, no models: plaintext", "flask: plaintext")
_ACCOUNT = ("demijohn: account", "glue: account")

TARGETS = (
    Target("CPU of a page, of glue's", 0.76, _cpu("page")),
    Target("CPU of one row by its key, of glue's", 0.76, _cpu("db")),
    Target("CPU of plaintext, of glue's", 1.10, _cpu("plaintext")),
    Target("CPU of session-read, of glue's", 1.20, _cpu("session-read")),
    Target("CPU of plaintext with everything on, of bare Bottle's", 1.35, _front("directly")),
    Target("the same behind a router", 1.35, _front("behind a router")),
    Target("CPU of a static file, of Bottle's static_file", 0.10, _static("200", "bottle")),
    Target("CPU of a static file, of WhiteNoise's", 0.35, _static("200", "whitenoise")),
    Target("CPU of a static file that the visitor has, of WhiteNoise's", 1.00, _static("304", "whitenoise")),
    Target("500 static files at the start, each one hashed, ms", 40, _static_boot("sources, all addresses")),
    Target("500 static files at the start of a bundle, ms", 5, _static_boot("bundled")),
    Target("CPU of an untouched session, of none at all", 1.03, _session("untouched", "no sessions")),
    Target("CPU of a session's read on memcached, of one by hand", 1.15, _session("read")),
    Target("CPU of a session's write on memcached, of one by hand", 1.25, _session("write")),
    Target("round trips of a session's read on memcached", 1, _session_trips("memcached", "read")),
    Target("round trips of a session's write on memcached", 2, _session_trips("memcached", "write")),
    Target("round trips of a session's login on memcached", 3, _session_trips("memcached", "login")),
    Target("round trips of a session's read on cached-sql", 1, _session_trips("cached-sql", "read")),
    Target("round trips of a session's write on cached-sql", 3, _session_trips("cached-sql", "write")),
    Target("round trips of a session's login on cached-sql", 5, _session_trips("cached-sql", "login")),
    Target("errors of clients who pause", 0, _rests("errors")),
    Target("pings for them", 0, _rests("pings")),
    Target("reconnects for them, of pool_pre_ping's", 0.99, _rests("connects", "pool_pre_ping")),
    Target("reconnects for them, of pool_recycle's", 0.99, _rests("connects", "pool_recycle")),
    Target("round trips under steady load, of those unprotected", 1.05, _steadily),
    Target("cold start without models, of the Flask stack's, CPU", 0.25, _cold(*_PLAIN, "cpu")),
    Target("cold start without models, of the Flask stack's, clock", 0.25, _cold(*_PLAIN, "wall")),
    Target("cold start with models, of glue's, CPU", 1.00, _cold(*_ACCOUNT, "cpu")),
    Target("cold start with models, of glue's, clock", 1.00, _cold(*_ACCOUNT, "wall")),
    Target("cold start of a bundle with models, of its sources', CPU", 0.40, _bundle("models")),
    Target("cold start of a bundle without models, of its sources', CPU", 0.40, _bundle("no models")),
    Target("memory after 1,000 pages, more than glue's, MB", 1.0, _memory),
    Target("SQL statements of a page", 1, _trips("page", "sql")),
    Target("memcached commands of a page", 1, _trips("page", "memcached")),
    Target("SQL statements with a session untouched", 0, _trips("plaintext, cookie", "sql")),
    Target("memcached commands with a session untouched", 0, _trips("plaintext, cookie", "memcached")),
    Target("SQL statements of a static file", 0, _trips("static", "sql")),
    Target("memcached commands of a static file", 0, _trips("static", "memcached")),
)
