"""A Content-Security-Policy as it is written in settings and on routes: sources by directive, to be added to those that
a page has anyway. As a mapping, or as the header itself: `img-src https://images.example.org; script-src 'self'`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from demijohn.config.kinds import is_off

#: Directives with a list of sources (CSP3 section 6), those with another kind of value, and those without any.
SOURCES = (
    *("default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem"),
    *("style-src-attr", "img-src", "font-src", "connect-src", "media-src", "object-src", "frame-src", "child-src"),
    *("worker-src", "manifest-src", "form-action", "base-uri", "frame-ancestors"),
)
OTHERS = (
    "sandbox",
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "trusted-types",
    "upgrade-insecure-requests",
)
# Not compiled at boot: most sites add nothing.
_QUOTED = (
    r"(?i)(none|self|unsafe-inline|unsafe-eval|unsafe-hashes|wasm-unsafe-eval|strict-dynamic|report-sample"
    r"|sha(256|384|512)-[A-Za-z0-9+/_-]+=*)\Z"
)
_SOURCE = r"[!-+\--:<-~]+\Z"  # what can be seen, but for the comma and the semicolon


def read(value: object) -> dict[str, tuple[str, ...]] | None:
    """Directives with their sources. None: there is to be no policy at all (`off`). A directive without sources is
    `off` itself, unless it never has any.

    :raises ValueError: it is not a policy; the text says why.
    """
    if is_off(value):
        return None
    if isinstance(value, str):
        return dict(_directive(*part.split(None, 1)) for part in value.split(";") if part.strip())
    if isinstance(value, Mapping):
        return dict(_directive(str(name), sources) for name, sources in value.items())
    raise ValueError


def written(policy: Mapping[str, tuple[str, ...]] | None) -> str:
    """The policy as a text that `read` reads."""
    if policy is None:
        return "off"
    return "; ".join(" ".join((name, *sources)) for name, sources in policy.items())


def only(style: str) -> str:
    """The policy of a page that has this style, and nothing else."""
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _directive(name: str, value: object = "") -> tuple[str, tuple[str, ...]]:
    name = name.strip().lower()
    if name not in SOURCES and name not in OTHERS:
        import difflib

        near = difflib.get_close_matches(name, (*SOURCES, *OTHERS), 1)
        raise ValueError(f"there is no directive {name[:40]}" + (f"; did you mean {near[0]}?" if near else ""))
    if value is False or (isinstance(value, str) and value.strip().lower() == "off"):
        return name, ()
    if value is True:
        value = ""
    items = value if isinstance(value, (list, tuple)) else (value,)
    sources = [source for item in items for source in str(item).split()]
    if wrong := next((source for source in sources if not re.match(_SOURCE, source)), None):
        raise ValueError(f"{wrong[:40]!r} is no source")
    return name, tuple(f"'{source}'" if name in SOURCES and re.match(_QUOTED, source) else source for source in sources)
