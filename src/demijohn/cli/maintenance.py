"""`demijohn maintenance`: close the site to visitors, or to their writing, on every copy of it."""

from __future__ import annotations

import argparse
import os
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

from demijohn.cli.root import HELP, find_root, prefer_development
from demijohn.doors import load_site
from demijohn.errors import DemijohnError
from demijohn.health.notice import KEPT, KEY, OFF, ON, READ_ONLY, Notice
from demijohn.health.operators import GOOD, PATH, make_pass
from demijohn.site.health import in_database, in_memcached, notice_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demijohn.shared import Shared
    from demijohn.site import Site

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WITHIN = "Each copy of the site that answers sees it within 2 s."


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    parser.add_argument("action", choices=(ON, OFF, "status"), help="begin it, end it, or say how the site stands")
    parser.add_argument("--message", default="", help="what visitors read")
    parser.add_argument(
        "--until",
        type=_moment,
        metavar="TIME",
        help="when it will be over: 30m, 18:30, 2030-01-31T18:30 (in the time of this machine, unless it says "
        "another); it goes on until it is ended",
    )
    parser.add_argument("--read-only", action="store_true", help="visitors can read, and write nothing")
    parser.add_argument(
        "--file", action="store_true", help="write it into a file in the site's folder, for the copies on this machine"
    )


def run(args: argparse.Namespace) -> int:
    root = find_root(args.root)
    prefer_development()
    site = load_site(root)
    try:
        if args.action == ON:
            return _begin(site, args)
        return _end(site) if args.action == OFF else _status(site)
    finally:
        site.db.close()
        if site.memcached is not None:
            site.memcached.close()


def _begin(site: Site, args: argparse.Namespace) -> int:
    notice = Notice(READ_ONLY if args.read_only else ON, args.message, args.until)
    nowhere_else = args.file or not list(_stores(site))
    where = [_write_file(site, notice)] if nowhere_else else _write(site, notice)
    print(f"Maintenance is {notice.mode}, in {' and '.join(where)}. {_WITHIN}")
    if where == ["memcached"]:
        print("memcached forgets it when it restarts, and the site is then open again.")
    _print_link(site)
    return 0


def _end(site: Site) -> int:
    file = notice_file(site.settings)
    if os.path.lexists(file):
        try:
            os.remove(file)
        except OSError as error:
            raise DemijohnError(f"{file} keeps the site closed, and cannot be deleted: {error.strerror}.") from error
    if list(_stores(site)):
        _write(site, Notice())
    if site.settings["maintenance.mode"]:
        raise DemijohnError(
            f"The site stays closed: {site.settings.source('maintenance.mode')} says so (maintenance.mode). Change it "
            "there, and start the site anew."
        )
    print(f"Maintenance is off. {_WITHIN}")
    return 0


def _status(site: Site) -> int:
    found = site.maintenance.found()
    print(f"Maintenance is {found.mode}.")
    if found.message:
        print(f"Message: {found.message}")
    if found.until is not None:
        print(f"Until: {datetime.fromtimestamp(found.until).astimezone():%Y-%m-%d %H:%M %z}")
    if found.mode != OFF:
        _print_link(site)
    return 0


def _stores(site: Site) -> Iterator[Shared]:
    """The places that the copies of the site look at. An SQLite file is not made for it."""
    for store in (in_database(site), in_memcached(site)):
        if store is not None and not (store.durable and site.db.migrations.is_absent):
            yield store


def _write(site: Site, notice: Notice) -> list[str]:
    """Tell each place. Returns the names of those that could be told.

    :raises DemijohnError: none could.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from demijohn.shared.sql import SqlShared

    told: list[str] = []
    failed: list[tuple[str, Exception]] = []
    for store in _stores(site):
        try:
            if isinstance(store, SqlShared):
                store.table.create(site.db.engine, checkfirst=True)
            store.put(KEY, notice.write(), KEPT)
        except (SQLAlchemyError, DemijohnError) as error:
            failed.append((store.name, error))
        else:
            told.append(store.name)
    if not told:
        advice = "Where there is a disk, --file does it; else set DEMIJOHN_MAINTENANCE, and start the site anew."
        raise DemijohnError(
            f"Nobody could be told: {'; '.join(f'{name} says {_why(why)}' for name, why in failed)}. "
            + ("Say it again when it is back." if notice.mode == OFF else advice)
        )
    for name, why in failed:
        print(f"{name[0].upper()}{name[1:]} could not be told, and what it says counts when it is back: {_why(why)}")
    return told


def _why(error: Exception) -> str:
    """What the driver says, without SQLAlchemy's words around it."""
    return str(getattr(error, "orig", None) or getattr(error, "original_error", None) or error)


def _write_file(site: Site, notice: Notice) -> str:
    file = notice_file(site.settings)
    try:
        with open(file, "wb") as opened:
            opened.write(notice.write())
    except OSError as error:
        raise DemijohnError(
            f"The site has neither a database nor memcached by which its copies could be told, and {file} cannot be "
            f"written: {error.strerror}. Set the variable DEMIJOHN_MAINTENANCE=on, and start the site anew."
        ) from error
    return f"the file {file}"


def _print_link(site: Site) -> None:
    secrets = [str(secret) for secret in site.settings["secret"]]
    if not secrets:
        return
    names = site.settings["security.hosts"]
    address = f"https://{names[0].lstrip('.')}" if names else ""
    print(f"Who opens this address is let through for {GOOD // 3600} hours: {address}{PATH}?pass={make_pass(secrets)}")


def _moment(text: str) -> float:
    """Seconds since the epoch; not before now."""
    moment = _read_moment(text)
    if moment < time.time() - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is over already")
    return moment


def _read_moment(text: str) -> float:
    span = re.fullmatch(r"\+?([0-9]{1,6})([smhd])", text.strip())
    if span:
        return time.time() + int(span[1]) * _UNITS[span[2]]
    today = datetime.now().astimezone()
    clock = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text.strip())
    try:
        if clock:
            moment = today.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0).timestamp()
            return moment if moment > today.timestamp() else moment + 86_400
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone().timestamp()
    except (ValueError, OverflowError):  # the latter for the year 9999, west of Greenwich
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 30m, 18:30 or 2030-01-31T18:30") from None
