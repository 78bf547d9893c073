"""Dockerfile."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from demijohn.hosts.plan import Plan
from demijohn.hosts.texts.left_out import dockerignore

_TEXT = """\
# Packages are installed where there are compilers, and run where there are none.
FROM python:{python} AS packages
RUN python -m venv /packages
COPY requirements.txt ./
RUN /packages/bin/pip install --no-cache-dir --requirement requirements.txt

FROM python:{python}-slim
ENV PATH=/packages/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 {variables}
RUN useradd --system --uid 10001 --no-create-home --home-dir /site --shell /usr/sbin/nologin site
WORKDIR /site
COPY --from=packages /packages /packages
COPY . .
# Nothing writes bytecode when the site runs; a start without it takes three times as long.
RUN python -m compileall -q --invalidation-mode unchecked-hash .
USER site
EXPOSE {port}
# As a list, so that the server is the process that gets SIGTERM, and not a shell.
CMD {command}
"""


def files(plan: Plan, port: int, **variables: str) -> dict[str, str]:
    """Dockerfile and .dockerignore of an image that listens on `port`, with these variables in it."""
    return {"Dockerfile": dockerfile(plan, port, variables), ".dockerignore": dockerignore(plan)}


def dockerfile(plan: Plan, port: int, variables: Mapping[str, str]) -> str:
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in {**variables, "PORT": str(port)}.items())
    command = json.dumps(["gunicorn", "main:app"])
    return _TEXT.format(python=plan.python, variables=words, port=port, command=command)
