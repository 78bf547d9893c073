"""The log: one line an event, with the id of the request, in the words of the host, and without secrets.

`output` writes it and `formats` words it; neither imports Bottle, so that gunicorn's first process can use them too.
`plugin` has `Logs`, the part of a site that gives each request its id and tells of slow ones.
"""

from __future__ import annotations
