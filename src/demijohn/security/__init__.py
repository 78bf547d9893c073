"""Security: passwords."""

from __future__ import annotations

from demijohn.security.passwords import check_password as check_password
from demijohn.security.passwords import hash_password as hash_password
