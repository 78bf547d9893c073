"""One face for the memcached clients: pylibmc where it is installed, else pymemcache; bmemcached where the server asks
for a user and a password. Bytes in, bytes out.

A pool hands each call a client of its own: one pylibmc client shared by threads gives one user another user's session,
or aborts the process. Keys are bytes, because pylibmc 1.6.3's `gets` with a `str` key frees it too early and may answer
with another key's value (pylibmc pull request 303).
"""

from __future__ import annotations

from demijohn.memcached.pool import LIMIT as LIMIT
from demijohn.memcached.pool import Memcached as Memcached
