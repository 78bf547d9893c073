"""Every setting, declared once. `demijohn config` prints this table; docs/config.md explains it."""

from __future__ import annotations

from collections.abc import Iterable

from demijohn.config.declared.files import FILES
from demijohn.config.declared.front import FRONT
from demijohn.config.declared.logs import LOGS
from demijohn.config.declared.services import SERVICES
from demijohn.config.option import Option as Option

OPTIONS: dict[str, Option] = {option.name: option for option in (*SERVICES, *FRONT, *FILES, *LOGS)}

#: In config.yaml all of ours is under this key.
KEY = "demijohn"
#: The site's own settings: any keys, not judged. They come last.
APP = "app"
#: The names that stand before a dot.
SECTIONS: tuple[str, ...] = (*dict.fromkeys(name.partition(".")[0] for name in OPTIONS if "." in name), APP)


#: Options of Beaker's that there are not: what does their work.
_BEAKERS = dict.fromkeys(("session.validate_key", "session.encrypt_key"), "session.secret signs and encrypts")


def nearest(name: str, names: Iterable[str] = (*OPTIONS, *SECTIONS)) -> str:
    """`; did you mean session.timeout?`, or nothing, if no name is near."""
    if name.lower() in _BEAKERS:
        return f"; {_BEAKERS[name.lower()]}"
    import difflib  # only for those who have made a mistake

    known = {other.lower(): other for other in names}
    key = name.rpartition(".")[2].lower()
    same = [other for other in known if other.rpartition(".")[2] == key]
    # A key without its section is that of any section; else a slip is likelier than another section.
    found = same if "." not in name and same else difflib.get_close_matches(name.lower(), known, 1) or same[:1]
    return f"; did you mean {' or '.join(known[other] for other in found)}?" if found else ""
