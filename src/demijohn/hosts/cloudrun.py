"""Google Cloud Run. PORT is set by it; the container contract asks for a server on 0.0.0.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from demijohn.hosts.addresses import Given, of_cloud_sql
from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def gives(environ: Mapping[str, str]) -> Given:
    """The database of Cloud SQL."""
    return of_cloud_sql(environ, "cloudrun")


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import docker, left_out

    ignored = left_out.gcloudignore(plan, image=True)
    return {**docker.files(plan, 8080, container="docker"), ".gcloudignore": ignored}


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET, without_shell

    name, options = plan.name, "--set-secrets SECRET_KEY=SECRET_KEY:latest"
    if plan.database:
        options += ",DATABASE_URL=DATABASE_URL:latest --set-cloudsql-instances PROJECT:REGION:INSTANCE"
    job = f"gcloud run jobs deploy {name}-release --source . {options} --command {','.join(_words(plan))}"
    return [
        f'printf %s "{SECRET}" | gcloud secrets create SECRET_KEY --data-file=-',
        *(
            [
                "printf %s 'mysql://USER:PASSWORD@localhost/DATABASE?unix_socket=/cloudsql/PROJECT:REGION:INSTANCE' "
                "| gcloud secrets create DATABASE_URL --data-file=-",
                f"# Before each release: {without_shell(plan.release)}",
                job,
                f"gcloud run jobs execute {name}-release --wait",
            ]
            if plan.release
            else []
        ),
        f"gcloud run deploy {name} --source . {options} --allow-unauthenticated",
    ]


def _words(plan: Plan) -> list[str]:
    import shlex

    from demijohn.hosts.texts import without_shell

    return shlex.split(without_shell(plan.release))


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.docker import image
    from demijohn.hosts.checks.google import gcloudignore

    yield from image(plan)
    yield from gcloudignore(plan)


HOST = Host(
    name="cloudrun",
    title="Google Cloud Run",
    disk="forgets",  # files lie in the instance's memory
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only the front end reaches it)
    },
    gives=gives,
    release=("K_REVISION",),
    environ={"K_SERVICE": "site", "K_REVISION": "site-00001-abc", "K_CONFIGURATION": "site", "PORT": "8080"},
    start="gunicorn main:app",
    freezes=True,  # Google's own samples start gunicorn with --timeout 0
    limits=Limits(request=300, grace=10, body=32 * 1024**2, memory=512),
    proxies=Proxies(hops=1, client="X-Forwarded-For", scheme="X-Forwarded-Proto", own=("X-Cloud-Trace-Context",)),
    https=True,
    log="google",
    logs="gcloud run services logs tail NAME",
    caution=(
        "What is written to the disk is taken from the instance's memory. Not verified here: 10 s of grace, 32 MB for "
        "a body, 300 s for a request (3,600 s at most), 512 MB of memory, and the commands."
    ),
    source="https://docs.cloud.google.com/run/docs/container-contract",
    files=files,
    commands=commands,
    checks=checks,
)
