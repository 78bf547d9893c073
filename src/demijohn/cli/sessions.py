"""`demijohn sessions`: what is in the site's session store, from outside. Nothing here moves a session's end on."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from demijohn.cli import clean
from demijohn.cli.clean import moment, number
from demijohn.cli.root import HELP, add_action, find_root, prefer_development
from demijohn.doors import load_site
from demijohn.errors import DemijohnError, StoreCannotError
from demijohn.sessions.stores import LISTING

if TYPE_CHECKING:
    from demijohn.sessions.stores.base import Record
    from demijohn.site import Site

_ID = "a session's id, or the value of its cookie"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Action)
    clean.arguments(add_action(actions, "clean", "delete the sessions whose time is over"))
    add_action(actions, "count", "say how many sessions there are")
    add_action(actions, "show", "print one session as JSON").add_argument("id", metavar="ID", help=_ID)
    end = add_action(actions, "end", "end one session, or all of one user").add_mutually_exclusive_group(required=True)
    end.add_argument("id", nargs="?", metavar="ID", help=_ID)
    end.add_argument("--user", help="the key that session.login() was given: ends all sessions of this user")
    listed = add_action(actions, "list", "list the sessions of one user, the newest first")
    listed.add_argument("--user", required=True, help="the key that session.login() was given")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.root)
    prefer_development()
    site = load_site(root)
    try:
        return _ACTIONS[args.action](site, args)
    finally:
        site.sessions.close()  # which may still have something to tell memcached
        site.db.close()


class _Action(argparse.ArgumentParser):
    """A parser for which an id is an id: one in 64 begins with a dash."""

    def _parse_optional(self, arg_string: str) -> Any:
        if re.fullmatch(r"-[\w.~-]{42,}", arg_string, re.ASCII):
            return None
        return super()._parse_optional(arg_string)


def _clean(site: Site, args: argparse.Namespace) -> int:
    return clean.run(args, site.sessions.store, site.sessions.options.timeout)


def _count(site: Site, args: argparse.Namespace) -> int:
    from demijohn.sessions.stores.base import Cleaning, Counting

    store = _shared(site, "count its sessions")
    if not isinstance(store, Counting):
        raise StoreCannotError(store.name, "count its sessions", LISTING)
    alive, over = store.count()
    line = f"{number(alive, 'session')} alive"
    if isinstance(store, Cleaning):
        line += f", {over:,} over and waiting for `demijohn sessions clean`"
    print(f"{line}.")
    return 0


def _show(site: Site, args: argparse.Namespace) -> int:
    from demijohn.sessions.kept import CREATED, USER

    record = _read(site, args.id)
    if record is None:
        return _unknown(args.id)
    try:
        data = json.loads(record.payload)
        shown = {
            "begun": moment(data.pop(CREATED)),
            "last_used": moment(record.ends - site.sessions.options.timeout),
            "ends": moment(record.ends),
            "user": data.pop(USER, None),
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        print("The record of this session cannot be read. Is it another program's?", file=sys.stderr)
        return 1
    data.pop("_id", None)  # of a session that travels in its cookie
    print(json.dumps({**shown, "data": data}, indent=2))
    return 0


def _end(site: Site, args: argparse.Namespace) -> int:
    if args.user is not None:
        _shared(site, "find all the sessions of a user")
        print(f"Ended {number(site.sessions.end_all(args.user), 'session')} of user {args.user!r}.")
    else:
        store = _shared(site, "end a session")
        if store.name == "cookie":
            raise StoreCannotError("cookie", "end a session, which lies with its visitor", (*LISTING, "memcached"))
        id = _id(site, args.id)
        if id is None or not store.delete(id):
            return _unknown(args.id)
        print("Ended 1 session.")
    return _told(site)


def _list(site: Site, args: argparse.Namespace) -> int:
    _shared(site, "find all the sessions of a user")
    visits = site.sessions.of(args.user)
    for visit in visits:
        # The values may be private, and the id is a key to the session.
        keys = ", ".join(key if key.isascii() and key.isprintable() else ascii(key) for key in visit.data)
        print(f"begun {moment(visit.created)}, last used {moment(visit.last_accessed)}, holds {keys or 'nothing'}")
    if not visits:
        print(f"User {args.user!r} is signed in nowhere.")
    return 0


_ACTIONS = {"clean": _clean, "count": _count, "show": _show, "end": _end, "list": _list}


def _shared(site: Site, what: str) -> Any:
    """The site's store, if another process than the site's can see into it."""
    store: Any = site.sessions.store
    if store.name == "memory":
        raise DemijohnError(
            f"The session store 'memory' cannot {what} from here: each process of the site has its own, in its memory. "
            f"Set session.type to one that can: {', '.join(LISTING)}."
        )
    return store


def _read(site: Site, text: str) -> Record | None:
    """The session of this id, or with this cookie, as the truth has it."""
    from demijohn.sessions.stores.base import FRESH

    store = _shared(site, "show a session")
    if store.name == "cookie":
        opened: Record | None = store.open(text)
        return opened
    id = _id(site, text)
    return None if id is None else store.read(id, FRESH)


def _id(site: Site, text: str) -> str | None:
    """The id in `text`: the id itself, or `id.mark~fence`. None where it is neither."""
    id, dot, _ = text.partition("~")[0].partition(".")
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", id):
        return None
    if dot and site.sessions.options.seal.open(text) is None:
        print("Note: the site's secret has not signed this cookie, so the site does not accept it.", file=sys.stderr)
    return id


def _unknown(text: str) -> int:
    if re.fullmatch(r"[A-Za-z0-9_.~-]{43,}", text):
        print("There is no such session, or its time is over.", file=sys.stderr)
    else:
        print("This is not a session's id, nor the value of its cookie.", file=sys.stderr)
    return 1


def _told(site: Site) -> int:
    """Say so if an ended session may live on in memcached."""
    store = site.sessions.store
    store.close()  # it tries once more
    if not getattr(store, "owes", 0):
        return 0
    from demijohn.sessions.stores.cached import BELIEVED

    print(
        "memcached is not answering. If it comes back with what it held before, a session that was ended here may go "
        f"on for {BELIEVED:,} s. Restarting it ends that.",
        file=sys.stderr,
    )
    return 1
