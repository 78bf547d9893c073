"""What has been read: values by their dotted names, each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from demijohn.config.options import APP, OPTIONS, SECTIONS, Option, nearest
from demijohn.config.secret import Secret, Url, fingerprint, mask
from demijohn.hosts import Host

DEFAULT = "default"
#: Of a value that follows from other settings; the reason stands behind it.
CHOSEN = "chosen"


def by_itself(source: str) -> bool:
    """Whether a value with this source is one that nobody has set."""
    return source.startswith((DEFAULT, CHOSEN))


class Row(NamedTuple):
    """A line of what `demijohn config` prints."""

    name: str
    #: Fit to be seen: secrets and passwords are fingerprints, and so is all that the site keeps under `app`.
    value: str
    source: str
    unit: str
    help: str
    #: Somebody has set it: it is neither the default nor chosen from other settings.
    changed: bool


class Config(Mapping[str, Any]):
    """The settings of a site: `config["session.timeout"]`. Does not change once it has been read."""

    __slots__ = ("_sources", "_values", "host", "root")

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str], host: Host, root: Path) -> None:
        self._values = values
        self._sources = sources
        #: The profile of the host that the site runs on.
        self.host = host
        #: The folder of config.yaml, absolute.
        self.root = root

    def __getitem__(self, name: str) -> Any:
        """The value of a setting; `config["app"]` is a dict.

        :raises KeyError: there is no such setting. The message names the nearest.
        """
        if name == APP:
            return self.section(APP)
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(self.unknown(name)) from None

    def __contains__(self, name: object) -> bool:
        return name == APP or name in self._values

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of their declaration, then `app`."""
        yield from OPTIONS
        yield APP

    def __len__(self) -> int:
        return len(OPTIONS) + 1

    def __repr__(self) -> str:
        return f"<Config of {self.host.name}, {sum(row.changed for row in self.rows())} values set>"

    def source(self, name: str) -> str:
        """Where the value stands: `config.yaml:12`, the variable's name, `host heroku`, `argument`, `default`, or
        `chosen: ` and the reason, where it follows from other settings.

        :raises KeyError: there is no such setting.
        """
        try:
            return self._sources[name]
        except KeyError:
            raise KeyError(self.unknown(name)) from None

    def section(self, name: str) -> dict[str, Any]:
        """The settings of a section by their short names: `config.section("session")["timeout"]`.

        :raises KeyError: there is no such section.
        """
        if name not in SECTIONS:
            raise KeyError(f"There is no section called {name}{nearest(name, SECTIONS)}")
        start = name + "."
        return {key[len(start) :]: value for key, value in self._values.items() if key.startswith(start)}

    def rows(self) -> list[Row]:
        """Everything, fit to be printed, in the order of declaration."""
        return [self._row(name) for name in self._values]

    def _row(self, name: str) -> Row:
        option, source = OPTIONS.get(name), self._sources[name]
        value = shown(option, self._values[name])
        if option is None:
            return Row(name, value, source, "", "a setting of the site's own", True)
        return Row(name, value, source, option.unit, option.help, not by_itself(source))

    def unknown(self, name: object) -> str:
        """What to say of a name that is not a setting's."""
        return f"There is no setting called {name}{nearest(str(name), (*self._values, *SECTIONS))}"


def shown(option: Option | None, value: object) -> str:
    """`value` as it may be seen. `option` None: the site's own, of which nobody knows what is secret."""
    if option is None:
        return f"({fingerprint(repr(value))})"
    if value is None or value in ((), ""):
        return "-"
    if isinstance(value, tuple):
        return ", ".join(shown(option, item) for item in value)
    if option.secret or isinstance(value, Secret):
        return f"({fingerprint(str(value))})"
    if isinstance(value, Url):
        return mask(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
