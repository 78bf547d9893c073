"""Security: forged requests, sign-in, limits, passwords."""

from __future__ import annotations

from demijohn.security.csrf import Csrf as Csrf
from demijohn.security.login import Login as Login
from demijohn.security.login import login_required as login_required
from demijohn.security.passwords import check_password as check_password
from demijohn.security.passwords import hash_password as hash_password
from demijohn.security.passwords import needs_rehash as needs_rehash
from demijohn.security.redirects import redirect_back as redirect_back
from demijohn.security.redirects import safe_path as safe_path
