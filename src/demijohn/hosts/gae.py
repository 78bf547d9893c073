"""Google App Engine, standard environment, Python 3."""

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
    return of_cloud_sql(environ, "gae")


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import google, left_out, merged

    return {
        "app.yaml": google.app_yaml(plan),
        ".gcloudignore": left_out.gcloudignore(plan),
        ".gitignore": merged.lines(plan, ".gitignore", f"/{google.SECRETS}"),
    }


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET, google

    names = ["SECRET_KEY"]
    values = [f'"{SECRET}"']
    if plan.database:
        names += ["INSTANCE_UNIX_SOCKET", "DB_USER", "DB_PASS", "DB_NAME"]
        values += ["/cloudsql/PROJECT:REGION:INSTANCE", "'USER'", "'PASSWORD'", "'DATABASE'"]
    lines = "".join(f'  {name}: "%s"\\n' for name in names)
    release = [
        "# The tables are made from here, through cloud-sql-proxy, before the site is uploaded:",
        f"DATABASE_URL='mysql://USER:PASSWORD@127.0.0.1:3306/DATABASE' {plan._replace(demijohn='demijohn').release}",
    ]
    return [
        "# The variables, in a file that stays here:",
        f"printf 'env_variables:\\n{lines}' {' '.join(values)} > {google.SECRETS}",
        f"chmod 600 {google.SECRETS}",
        *(release if plan.release else []),
        "gcloud app deploy app.yaml",
        "gcloud app browse",
        "# There is no cron.yaml: App Engine's cron asks for addresses, and the site has none that needs to be asked.",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.google import app_engine

    return app_engine(plan, HOST.pythons)


HOST = Host(
    name="gae",
    title="Google App Engine",
    disk="none",  # but for /tmp, which is a part of the instance's memory
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only the front end reaches it)
        "static.hash": "query",  # its own servers send static/, by the names that lie there
        "server.workers": 2,  # the smallest instance has room for no more
    },
    gives=gives,
    release=("GAE_VERSION", "GAE_DEPLOYMENT_ID"),
    environ={
        "GAE_ENV": "standard",
        "GAE_APPLICATION": "e~site",
        "GAE_INSTANCE": "0087599d42",
        "GAE_SERVICE": "default",
        "GAE_VERSION": "20260101t000000",
        "GAE_RUNTIME": "python313",
        "GAE_MEMORY_MB": "384",
        "GOOGLE_CLOUD_PROJECT": "site",
        "PORT": "8081",
        "PYTHONUNBUFFERED": "TRUE",
    },
    pythons=("3.11", "3.12", "3.13", "3.14"),
    port=8081,
    start="gunicorn main:app",
    freezes=True,
    limits=Limits(
        request=600,  # automatic scaling
        grace=3,
        body=32 * 1024**2,
        memory=384,  # F1
        file=32 * 1024**2,
        files=10_000,
    ),
    proxies=Proxies(
        hops=1,
        # X-Forwarded-For has an address of the host's own behind the visitor's.
        client="X-Appengine-User-IP",
        scheme="X-Forwarded-Proto",
        own=("X-Appengine-", "X-Google-", "X-Cloud-Trace-Context"),
    ),
    https=True,
    log="google",
    logs="gcloud app logs tail",
    caution=(
        "It runs no command at a release: the tables are made from your computer. Variables stand in app.yaml, secret "
        "ones in a file that it includes. Memcache of App Engine is not used. Not verified here: 3 s of grace, 32 MB "
        "for a body and a file, 10,000 files, X-Forwarded-Proto, X-Appengine-User-IP, and that gcloud "
        "reads `includes` for this runtime."
    ),
    source="https://docs.cloud.google.com/appengine/docs/standard/python3/runtime, "
    "https://github.com/GoogleCloudPlatform/appengine-python-standard, "
    "https://github.com/GoogleCloudPlatform/python-docs-samples",
    files=files,
    commands=commands,
    checks=checks,
)
