"""`demijohn tickets`: the unhandled errors of the site, equal ones as one, with how often they have happened."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

from demijohn.cli.clean import moment, number, seconds
from demijohn.cli.root import HELP, add_action, find_root, prefer_development
from demijohn.doors import load_site
from demijohn.errors import DemijohnError, MemcachedDownError

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.memcached import Memcached
    from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = add_action(actions, "list", "list the tickets, the last one to happen first")
    listed.add_argument("--json", action="store_true", help="as JSON, a line each")
    shown = add_action(actions, "show", "print one ticket: how often, its traceback and its requests")
    shown.add_argument("id", metavar="ID", help="what the visitor was shown, in any case, with or without the dash")
    shown.add_argument("--json", action="store_true", help="as JSON")
    clear = add_action(actions, "clear", "delete tickets: all, one, or old ones")
    clear.add_argument("id", nargs="?", metavar="ID", help="only this one")
    clear.add_argument(
        "--older", type=seconds(1), metavar="TIME", help="only those that have not happened for so long, such as 7d"
    )
    collect = add_action(actions, "collect", "bring home what waits in memcached, and what a log on stdin tells")
    collect.add_argument("--json", action="store_true", help="the result as JSON")


def run(args: argparse.Namespace) -> int:
    prefer_development()
    site = load_site(find_root(args.root))
    try:
        return _ACTIONS[args.action](site, args)
    finally:
        site.tickets.close()
        site.sessions.close()
        site.db.close()


def _list(site: Site, args: argparse.Namespace) -> int:
    tickets = _tickets(site)
    if args.json:
        for ticket in tickets:
            print(json.dumps(_fit(ticket)))
        return 0
    if not tickets:
        print("There is no ticket.")
        return 0
    for ticket in tickets:
        _print(f"{ticket['id']}  {_times(ticket['count'])}  last {moment(ticket['last'])}  {ticket['error']}")
        _print(textwrap.indent("\n".join(filter(None, (ticket["message"], ticket["place"]))), "           "))
    print(f"{number(len(tickets), 'ticket')}, {number(sum(ticket['count'] for ticket in tickets), 'error')}.")
    return 0


def _show(site: Site, args: argparse.Namespace) -> int:
    id = _id(args.id)
    found = _tickets(site, id, samples=True)
    if not found:
        return _unknown(args.id)
    if args.json:
        print(json.dumps(_fit(found[0]), indent=2))
        return 0
    ticket = found[0]
    _print(f"{ticket['id']}  {ticket['error']}: {ticket['message']}")
    _print(
        f"{ticket['place']}\n{_times(ticket['count'])}, first {moment(ticket['first'])}, last {moment(ticket['last'])}"
    )
    for sample in ticket["samples"]:
        print(f"\n{moment(sample.get('time', 0))}")
        for name, value in sample.items():
            if name not in ("time", "traceback", "request"):
                _print(f"  {name}: {value}")
        for name, value in (sample.get("request") or {}).items():
            _print(f"  {name}: {value if isinstance(value, str) else json.dumps(value)}")
        _print(textwrap.indent(sample.get("traceback", ""), "  "))
    return 0


def _clear(site: Site, args: argparse.Namespace) -> int:
    from demijohn.tickets import table

    id = None if args.id is None else _id(args.id)
    before = None if args.older is None else time.time() - args.older
    with _database(site) as connection:
        site.tickets.home.collect(connection)  # else what waits in memcached would be back soon
        count = table.forget(connection, id, before)
    if not count and args.id is not None and args.older is None:
        return _unknown(args.id)
    print(f"Deleted {number(count, 'ticket')}.")
    return 0


def _collect(site: Site, args: argparse.Namespace) -> int:
    from demijohn.tickets import lines, table

    with _database(site) as connection:
        waited = site.tickets.home.collect(connection)
        read = lines.read(sys.stdin) if not sys.stdin.isatty() else []
        before = sum(ticket["count"] for ticket in table.read(connection))
        for record in read:
            table.keep(connection, record)
        new = sum(ticket["count"] for ticket in table.read(connection)) - before
    if args.json:
        print(json.dumps({"memcached": waited, "log": len(read), "new": new}))
        return 0
    print(f"From memcached: {number(waited, 'record')}. From the log: {number(new, 'error')} that were not known yet.")
    return 0


_ACTIONS = {"list": _list, "show": _show, "clear": _clear, "collect": _collect}


def _print(text: str) -> None:
    """What visitors have sent may hold sequences by which a terminal is told what to do."""
    from demijohn.logs.formats import printable

    print("\n".join(map(printable, text.split("\n"))))


def _tickets(site: Site, id: str | None = None, samples: bool = False) -> list[dict[str, Any]]:
    """The tickets in the database, with what waits in memcached; or only the latter, where there is no database."""
    from demijohn.tickets import spill, table

    if site.settings["database.url"]:
        with _database(site) as connection:
            site.tickets.home.collect(connection)
            return table.read(connection, id, samples)
    cache = _cache(site)
    try:
        records, _ = spill.look(cache)
    except MemcachedDownError as error:
        raise DemijohnError(f"{error}. The site has no database, so its tickets are there and in the log.") from None
    return [ticket for ticket in table.merge(records) if id in (None, ticket["id"])]


def _cache(site: Site) -> Memcached:
    if site.memcached is None or site.settings["tickets.store"] == "off":
        raise DemijohnError(_ONLY_LOG)
    return site.memcached


def _database(site: Site) -> sqlalchemy.Connection:
    """A connection to the database with the table in it.

    :raises DemijohnError: there is none.
    """
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    from demijohn.tickets.home import MAKE_IT
    from demijohn.tickets.table import TABLE

    if not site.settings["database.url"] or site.settings["tickets.store"] == "off":
        raise DemijohnError(_ONLY_LOG)
    try:
        connection = site.tickets.home.engine.connect()
        if inspect(connection).has_table(TABLE):
            return connection
    except SQLAlchemyError as error:
        raise DemijohnError(f"The database is not answering: {getattr(error, 'orig', None) or error}") from None
    connection.close()
    raise DemijohnError(f"The table {TABLE} is missing, so the tickets are in the log only. Make it: {MAKE_IT}")


_ONLY_LOG = (
    "The site keeps its tickets in its log only: it has no database, or tickets.store is off. "
    "Search the log for the id."
)


def _id(text: str) -> str:
    """An id as it is kept: `K7M2P9XW` is `k7m2-p9xw`."""
    letters = text.strip().lower().replace("-", "")
    return f"{letters[:4]}-{letters[4:]}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _fit(ticket: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: times as people and programs read them."""
    utc = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ticket[name])) for name in ("first", "last")}
    shown = {**ticket, **utc}
    if not shown["samples"]:
        del shown["samples"]
    return shown


def _unknown(text: str) -> int:
    print(f"There is no ticket {text}. It may have been deleted, or be in the log only.", file=sys.stderr)
    return 1
