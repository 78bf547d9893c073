"""S101 to S110: settings that are wrong, that give something away, or that lose what they should keep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from demijohn.check.subject import Subject
from demijohn.config.rules import DEVELOPMENT_SECRET, MAKE_ONE, SHORTEST_SECRET
from demijohn.config.secret import Url, mask
from demijohn.findings import Finding

_SECRETS = ("secret", "session.secret", "memcached.password")
_URLS = ("database.url", "database.replicas", "redis.url", "session.url")
#: What a setting of the site's own is called that nobody else should read.
_OWN_SECRETS = r"(?i)(secret|password|passwd|token|api_?key|private_?key)$"
_GUESSED = (
    r"(?i)change.?(me|this)|your.?(own.?)?secret|super.?secret|secret.?key|not.?(so|a|very).?secret|development|insecure"
    r"|replace.?me|put.?(a|your)|example|todo|12345678|password"
)
#: Domains below which strangers are neighbours. Browsers throw a cookie for one of them away (publicsuffix.org).
_SHARED = (
    r"\.?([a-z]{2,}|(com?|org|net|ac|gov|edu)\.[a-z]{2}|herokuapp\.com|(\w+\.r\.)?appspot\.com|(\w+\.a\.)?run\.app|"
    r"(eu\.)?pythonanywhere\.com|fly\.dev|onrender\.com|(up\.)?railway\.app|sinaapp\.com|applinzi\.com|vercel\.app)"
)
#: Settings with a code of their own: what the settings themselves say of them is not said twice.
_NAMED = {
    "database.url": "S110",
    "database.max_connections": "S113",
    "secret": "S104",
    "session.secret": "S104",
    "session.type": "S109",
}


def check(subject: Subject) -> Iterator[Finding]:
    for part in (_development, _written_secrets, _guessed_secrets, _cookie, _memory_sessions, _sqlite):
        yield from part(subject)


def mistakes(subject: Subject, others: list[Finding]) -> Iterator[Finding]:
    """S101: what the settings find wrong by themselves, but for what `others` say."""
    said = {(finding.code, finding.path, finding.line) for finding in others}
    for problem in subject.settings.problems:
        path, line = subject.settings.place_of(problem)
        if (_NAMED.get(problem.name), path, line) not in said:
            fix = "`demijohn config` shows every setting and where it comes from."
            yield Finding("S101", path, line, problem.message + ".", fix)


def _finding(subject: Subject, code: str, name: str, message: str, fix: str, level: str = "error") -> Finding:
    path, line = subject.settings.place(name)
    return Finding(code, path, line, message, fix, level)


def _development(subject: Subject) -> Iterator[Finding]:
    if subject.settings["environment"] == "development" and subject.settings.is_written("environment"):
        yield _finding(
            subject,
            "S102",
            "environment",
            "environment is development: every visitor is shown tracebacks, and the secret is one that all know.",
            "Take the line out: `demijohn run` is in development by itself, and a host in production.",
        )


def _written_secrets(subject: Subject) -> Iterator[Finding]:
    settings, found = subject.settings, set()
    own = [f"app.{name}" for name, value in settings["app"].items() if _is_own_secret(name, value)]
    for name in (*_SECRETS, *own, *_URLS):
        place = settings.place(name)
        hidden = name not in _URLS or _has_password(settings[name])
        if not settings[name] or not hidden or place in found:
            continue
        if place.path and subject.folder.goes_along(place.path):
            found.add(place)  # session.secret is `secret` where it is not set
            what = f"{name} holds a password" if name in _URLS else f"{name} is written down"
            yield _finding(
                subject,
                "S103",
                name,
                f"{what} in a file that goes along with the code, for everyone to read who can read that.",
                "Make a new one, set it in a variable on the host, and take this one out of the file.",
            )


def _is_own_secret(name: str, value: object) -> bool:
    return isinstance(value, str) and len(value) >= 8 and " " not in value and bool(re.search(_OWN_SECRETS, name))


def _has_password(value: object) -> bool:
    urls = value if isinstance(value, tuple) else (value,)
    return any(isinstance(url, Url) and mask(url) != str(url) for url in urls)


def _guessed_secrets(subject: Subject) -> Iterator[Finding]:
    found = set()
    for name in ("secret", "session.secret"):
        place = subject.settings.place(name)
        if place in found or not place.path:
            continue
        if any(_is_guessed(secret) for secret in subject.settings[name]):
            found.add(place)
            yield _finding(
                subject,
                "S104",
                name,
                f"{name} is short or well known: whoever guesses it can sign in as anybody.",
                f"{MAKE_ONE[0].upper()}{MAKE_ONE[1:]}, and set it in the variable SECRET_KEY on the host.",
            )


def _is_guessed(secret: str) -> bool:
    if len(secret) < SHORTEST_SECRET or secret == DEVELOPMENT_SECRET or len(set(secret)) < 6:
        return True
    return bool(re.search(_GUESSED, secret))


def _cookie(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if settings["session.secure"] is False:
        message = "session.secure is false: one visit over http, and whoever listens has the visitor's session."
        yield _finding(
            subject, "S105", "session.secure", message, "Leave it out; auto is right on every host.", "warning"
        )
    if not settings["session.httponly"]:
        message = "session.httponly is false: a script that gets into a page can take the session away with it."
        yield _finding(subject, "S106", "session.httponly", message, "Leave it out.", "warning")
    if settings["session.samesite"] == "None":
        message = "session.samesite is None: a form on any other site is sent with the visitor's session."
        fix = "Leave it out, unless the site is shown in frames of other sites."
        yield _finding(subject, "S107", "session.samesite", message, fix, "warning")
    domain = settings["session.cookie_domain"]
    if domain and re.fullmatch(_SHARED, domain.lower()):
        message = (
            f"session.cookie_domain is {domain}, which is shared with strangers. Browsers throw such a cookie away."
        )
        fix = "Leave it out: the cookie is then for the host that was asked for."
        yield _finding(subject, "S108", "session.cookie_domain", message, fix)


def _memory_sessions(subject: Subject) -> Iterator[Finding]:
    if subject.settings["session.type"] == "memory":
        yield _finding(
            subject,
            "S109",
            "session.type",
            "session.type is memory: each process has sessions of its own, and a restart signs everybody out.",
            "Leave it out: the best store that the host has is taken.",
        )


def _sqlite(subject: Subject) -> Iterator[Finding]:
    disk = {"forgets": "forgets its files at the next restart", "none": "has no disk to write to"}.get(
        subject.host.disk
    )
    if disk and subject.settings["database.url"].startswith("sqlite"):
        yield _finding(
            subject,
            "S110",
            "database.url",
            f"database.url is an SQLite file, and {subject.host.title} {disk}.",
            "Leave it out, and set DATABASE_URL on the host to a database server.",
        )
