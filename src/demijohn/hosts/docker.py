"""A container of your own, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from demijohn.hosts.host import Host, Limits

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import docker, merged

    ignored = merged.lines(plan, ".gitignore", f"/{plan.name}.env")
    return {**docker.files(plan, 8080, container="docker"), ".gitignore": ignored}


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET, without_shell

    name = plan.name
    variables = "SECRET_KEY=%s\\nDATABASE_URL=%s\\n" if plan.database else "SECRET_KEY=%s\\n"
    values = f'"{SECRET}"' + (" 'postgresql://USER:PASSWORD@SERVER/DATABASE'" if plan.database else "")
    return [
        f"docker build --tag {name} .",
        f"printf '{variables}' {values} > {name}.env && chmod 600 {name}.env",
        *([f"docker run --rm --env-file {name}.env {name} {without_shell(plan.release)}"] if plan.release else []),
        f"docker run --detach --init --name {name} --env-file {name}.env --publish 8080:8080 --stop-timeout 30 {name}",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.docker import image

    return image(plan)


HOST = Host(
    name="docker",
    title="Docker",
    disk="forgets",  # what is not in a volume goes with the container
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (the container's own address; --publish says who reaches it)
        "server.workers": 2,
    },
    environ={"container": "docker", "PORT": "8080"},
    start="gunicorn main:app",
    access_log=True,
    limits=Limits(grace=10),
    logs="docker logs --follow NAME",
    caution=(
        "No header of a proxy's is believed: put one before it, and DEMIJOHN_HOST=vm into its variables, to change "
        "that. Not verified here: that `docker stop` waits 10 s."
    ),
    source="https://docs.docker.com/reference/dockerfile/, https://docs.docker.com/reference/cli/docker/container/stop/",
    files=files,
    commands=commands,
    checks=checks,
)
