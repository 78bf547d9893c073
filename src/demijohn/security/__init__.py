"""Security: forged requests, sign-in, limits, passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demijohn.security.csrf import Csrf as Csrf
    from demijohn.security.login import Login as Login
    from demijohn.security.login import login_required as login_required
    from demijohn.security.passwords import check_password as check_password
    from demijohn.security.passwords import hash_password as hash_password
    from demijohn.security.passwords import needs_rehash as needs_rehash
    from demijohn.security.redirects import redirect_back as redirect_back
    from demijohn.security.redirects import safe_path as safe_path

#: Where each name is from. A module is imported when one of its names is first asked for: not every site has passwords.
_FROM = {
    "Csrf": "csrf",
    "Login": "login",
    "login_required": "login",
    "check_password": "passwords",
    "hash_password": "passwords",
    "needs_rehash": "passwords",
    "redirect_back": "redirects",
    "safe_path": "redirects",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FROM})
