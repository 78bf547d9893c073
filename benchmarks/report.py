"""The results as tables."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from benchmarks.contestants import WORKLOADS
from benchmarks.targets import TARGETS, Results, ratio


def tables(results: Results) -> str:
    """All that was measured, and the verdicts."""
    parts = [_versions(results)]
    if "cpu" in results:
        parts += [_cpu(results, "cpu", "CPU"), _cpu(results, "wall", "Clock")]
    if "front" in results:
        parts.append(_front(results))
    if "static" in results:
        parts += [_static(results), _static_boot(results)]
    if "sessions" in results:
        parts += [_sessions(results, "cpu", "CPU"), _sessions(results, "wall", "clock"), _session_trips(results)]
    if "trips" in results:
        parts.append(_trips(results))
    if "idle" in results:
        parts += [_rests(results), _steady(results)]
    if "cold" in results:
        parts.append(_cold(results))
    if "bundle" in results:
        parts.append(_bundle(results))
    if "memory" in results:
        parts.append(_memory(results))
    return "\n\n".join([*parts, _verdicts(results)])


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    body = [["", *columns], *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in body) for i in range(len(body[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in body
    ]
    return "\n".join([title, *(line.rstrip() for line in lines)])


def _versions(results: Results) -> str:
    machine = results["machine"]
    pinned = ", all on one" if machine["pinned"] else ""
    named = {"services": results["services"], **results["versions"]}
    lines = [f"  {name}: " + ", ".join(f"{k} {v}" for k, v in of.items()) for name, of in named.items()]
    return "\n".join([f"Python {machine['python']}, {machine['system']}, {machine['cores']} cores{pinned}", *lines])


def _cpu(results: Results, clock: str, name: str) -> str:
    glue = results["cpu"].get("glue")
    rows = []
    for who, of in results["cpu"].items():
        rows.append([who, *(f"{median(of[w][clock]):.0f}" for w in WORKLOADS)])
        if glue and who != "glue":
            rows.append(["  to glue", *(f"{ratio(of[w][clock], glue[w][clock]):.2f}" for w in WORKLOADS)])
    return _table(f"{name}, microseconds a request (medians)", WORKLOADS, rows)


def _front(results: Results) -> str:
    rows = []
    for case, of in results["front"].items():
        bare, site = of["bottle alone"], of["demijohn, no models"]
        figures = (f"{median(of['cpu']):.1f}" for of in (bare, site))
        rows.append([case, *figures, f"{ratio(site['cpu'], bare['cpu']):.2f}"])
    title = "Plaintext with everything on, CPU, microseconds a request (medians)"
    return _table(title, ["bottle alone", "demijohn", "demijohn to bottle"], rows)


def _static(results: Results) -> str:
    found, rows = results["static"]["requests"], []
    for who, of in found.items():
        row = [who]
        for case in ("200", "304"):
            row.append(f"{median(of[case]):.1f}")
            row += [f"{ratio(of[case], found[other][case]):.3f}" for other in ("bottle", "whitenoise")]
        rows.append(row)
    columns = [f"{case}{what}" for case in ("200", "304") for what in ("", " to bottle", " to whitenoise")]
    return _table("A static file, CPU, microseconds a request (medians)", columns, rows)


def _static_boot(results: Results) -> str:
    rows = [[case, f"{median(of):.1f}"] for case, of in results["static"]["boot"].items()]
    return _table("500 static files, 12 MB, milliseconds of CPU (medians)", ["at the start"], rows)


def _sessions(results: Results, clock: str, name: str) -> str:
    found = results["sessions"][clock]
    hand, none = found["by hand"], found["no sessions"]["untouched"]
    rows = []
    for who, of in found.items():
        rows.append([who, *(f"{median(of[w]):.1f}" if w in of else "" for w in _SESSIONS)])
        if len(of) > 1:
            ratios = [ratio(of[w], none if w == "untouched" else hand[w]) for w in _SESSIONS]
            rows.append(["  to none; by hand", *(f"{each:.2f}" for each in ratios)])
    return _table(f"Sessions alone, {name}, microseconds a request (medians)", _SESSIONS, rows)


_SESSIONS = ("untouched", "read", "write")


def _session_trips(results: Results) -> str:
    lines = [
        f"  {who}, {what}: " + (", ".join(f"{word} {times:g}" for word, times in said.items()) or "nothing")
        for who, of in results["sessions"]["trips"].items()
        for what, said in of.items()
    ]
    return "\n".join(["Sessions alone, what the servers were asked, times a request", *lines])


def _trips(results: Results) -> str:
    rows = [
        [who, *(f"{of[w]['sql']:g} + {of[w]['memcached']:g}" for w in WORKLOADS)]
        for who, of in results["trips"].items()
    ]
    words = [
        f"  {who}, {w}: " + ", ".join(f"{what} {times:g}" for what, times in of[w]["said"].items())
        for who, of in results["trips"].items()
        for w in WORKLOADS
        if of[w]["said"]
    ]
    return "\n".join([_table("Round trips a request, SQL + memcached", WORKLOADS, rows), *words])


def _rests(results: Results) -> str:
    found = results["idle"]
    columns = ("requests", "errors", "connects", "pings", "trips")
    rows = [[who, *(f"{of[column]:.4g}" for column in columns)] for who, of in found["rests"].items()]
    title = f"Clients who pause for {found['seconds']:g} s; MariaDB hangs up after 2 s of rest; trips a request"
    return _table(title, columns, rows)


def _steady(results: Results) -> str:
    found = results["idle"]["steady"]
    kinds = list(found["demijohn"])
    rows = [[who, *(f"{of[kind]['trips']:.2f}" if kind in of else "" for kind in kinds)] for who, of in found.items()]
    return _table("Clients who do not pause, round trips to MariaDB a request", kinds, rows)


def _cold(results: Results) -> str:
    found, rows = results["cold"], []
    for case, times in found.items():
        row = [case, *(f"{median(times[clock]):.0f}" for clock in ("cpu", "wall"))]
        for who in ("glue", "flask"):
            theirs = found.get(f"{who}: {case.rpartition(': ')[2]}")
            row += [f"{ratio(times[clock], theirs[clock]):.2f}" if theirs else "" for clock in ("cpu", "wall")]
        rows.append(row)
    columns = ["CPU", "clock", "CPU to glue", "clock to glue", "CPU to flask", "clock to flask"]
    return _table("Cold start to the first response, milliseconds (medians)", columns, rows)


def _bundle(results: Results) -> str:
    rows = []
    for case, of in results["bundle"].items():
        sources, bundle = of["sources"], of["bundle"]
        rows.append([case, f"{median(sources):.0f}", f"{median(bundle):.0f}", f"{ratio(bundle, sources):.2f}"])
    title = "Cold start where nothing can be written, milliseconds of CPU (medians)"
    return _table(title, ["sources", "bundle", "bundle to sources"], rows)


def _memory(results: Results) -> str:
    found = {who: median(of) for who, of in results["memory"].items()}
    glue = found.get("glue")
    rows = [[who, f"{size:.1f}", f"{size - glue:+.1f}" if glue else ""] for who, size in found.items()]
    return _table("Memory of a process after 1,000 pages, MB", ["RSS", "to glue"], rows)


def _verdicts(results: Results) -> str:
    rows = []
    for target in TARGETS:
        try:
            figure = target.figure(results)
        except KeyError:
            rows.append([target.what, f"{target.limit:g}", "", "not measured"])
        else:
            rows.append(
                [target.what, f"{target.limit:g}", f"{figure:.3f}", "met" if figure <= target.limit else "MISSED"]
            )
    return _table("Targets", ["at most", "is", ""], rows)
