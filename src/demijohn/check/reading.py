"""The settings as a host would see them: config.yaml, what the code hands to `Site`, and the host's own variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from demijohn import config
from demijohn.check.boot import Boot
from demijohn.check.folder import Folder
from demijohn.config.settings import by_itself
from demijohn.errors import Problem
from demijohn.hosts import Host

#: What is set on the host and nowhere in the folder. Nothing is signed with it and nobody is asked at it.
_SECRET = "stands-for-the-one-that-is-set-on-the-host"  # noqa: S105
_DATABASE = "postgresql://user@database.invalid/site"
_MEMCACHED = "memcached.invalid:11211"
_REDIS = "redis://redis.invalid"


class Place(NamedTuple):
    """Where something is written; ("", 0) where nobody has written it."""

    path: str
    line: int


class Reading:
    """The settings, what is wrong with them, and where each stands."""

    def __init__(self, folder: Folder, boot: Boot, host: Host) -> None:
        self._arguments, self._places = _arguments(boot)
        environ = {**host.environ, "DEMIJOHN_HOST": host.name}
        self.config, self.problems = config.read(folder.root, self._arguments, environ, base={})
        given = _given_there(self.config, host)
        if given:
            self.config, self.problems = config.read(folder.root, self._arguments, {**environ, **given}, base={})

    def __getitem__(self, name: str) -> Any:
        return self.config[name]

    def is_written(self, name: str) -> bool:
        """Whether the value stands in the site's folder, and not on the host or in the defaults."""
        return bool(self.place(name).path)

    def place(self, name: str) -> Place:
        return self._place(name, self.config.source(name))

    def place_of(self, problem: Problem) -> Place:
        return self._place(problem.name, problem.source)

    def _place(self, name: str, source: str) -> Place:
        if source == "argument":
            return self._places.get(name, Place("", 0))
        match = re.match(r"(config\.yaml)(?::(\d+))?", source)
        return Place(match[1], int(match[2] or 0)) if match else Place("", 0)


def _given_there(settings: config.Config, host: Host) -> dict[str, str]:
    """Stand-ins for what is set in the host's panel, as far as the folder does not say it."""
    given: dict[str, str] = {}
    if not settings["secret"]:
        given["SECRET_KEY"] = _SECRET
    if by_itself(settings.source("database.url")) and host.disk != "kept":
        given["DATABASE_URL"] = _DATABASE
    if settings["session.type"] in ("memcached", "cached-sql") and not settings["memcached.url"]:
        given["MEMCACHED_URL"] = _MEMCACHED
    if settings["session.type"] == "redis" and not settings["redis.url"]:
        given["REDIS_URL"] = _REDIS
    return given


def _arguments(boot: Boot) -> tuple[Mapping[str, object], dict[str, Place]]:
    """What the code hands to `Site`, where it is a literal, and the place of each."""
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    for call in boot.calls:
        if call.name != "demijohn.Site":
            continue
        given = [*call.node.args[1:2], *(word.value for word in call.node.keywords if word.arg == "settings")]
        for mapping in given:
            if not isinstance(mapping, ast.Dict):
                continue
            for key, value in zip(mapping.keys, mapping.values, strict=True):
                if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                    continue
                try:
                    values[key.value] = ast.literal_eval(value)
                except (ValueError, TypeError):  # known when it is run
                    continue
                places[key.value] = Place(call.path, key.lineno)
    return values, places
