"""app.yaml."""

from __future__ import annotations

import re

from demijohn.hosts.plan import Plan
from demijohn.hosts.texts.yaml import quoted

#: Where secrets stand: app.yaml includes it, and neither git nor the upload sees it.
SECRETS = "app.secret.yaml"

_START = """\
runtime: python{digits}
entrypoint: gunicorn main:app
# An instance is asked for /_ah/warmup before visitors are sent to it. That it answers 404 does no harm: it is up then.
inbound_services:
- warmup
# SECRET_KEY, DATABASE_URL and other variables that nobody else may read. gcloud reads it here and does not upload it.
includes:
- {secrets}
handlers:
"""
_FOLDER = """\
- url: {url}
  static_dir: {path}
  expiration: 1h
  secure: always
"""
_FILE = """\
- url: {url}
  static_files: {path}
  upload: {pattern}
  expiration: 1h
  secure: always
"""
_REST = """\
- url: /.*
  script: auto
  secure: always
"""


def app_yaml(plan: Plan) -> str:
    """https everywhere; what is static comes from Google's own servers."""
    parts = [_START.format(digits=plan.python.replace(".", ""), secrets=SECRETS)]
    if (plan.root / plan.static_path).is_dir():
        url = re.escape(plan.static_url.rstrip("/"))
        parts.append(_FOLDER.format(url=quoted(url), path=quoted(plan.static_path)))
        for name in plan.at_root:
            path = f"{plan.static_path}/{name}"
            url, pattern = quoted("/" + re.escape(name)), quoted(re.escape(path))
            parts.append(_FILE.format(url=url, path=quoted(path), pattern=pattern))
    return "".join([*parts, _REST])
