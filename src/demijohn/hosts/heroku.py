"""Heroku, of the generations Cedar and Fir. DATABASE_URL, REDIS_URL, PORT, WEB_CONCURRENCY and the variables of
MemCachier are understood on every host and not named here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from demijohn.hosts.addresses import Given, has_own
from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan

#: What add-ons for MySQL set. HEROKU_POSTGRESQL_COLOR_URL is a database beside the site's own, or a follower of it, and
#: which of the two, nothing says: it is for `database.replicas`, by hand.
_MYSQL = ("JAWSDB_URL", "JAWSDB_MARIA_URL", "CLEARDB_DATABASE_URL")


def gives(environ: Mapping[str, str]) -> Given:
    """The database of an add-on for MySQL, where DATABASE_URL names none."""
    variable = next((name for name in _MYSQL if environ.get(name)), "")
    if not variable or has_own(environ):
        return {}
    source = f"{variable} (host heroku)"
    # Whether those servers speak TLS is theirs to say; Heroku's own Postgres always does.
    return {"database.url": (environ[variable], source), "database.tls": ("auto", source)}


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import merged

    wanted = {
        "name": plan.name,
        "env": {"SECRET_KEY": {"description": "Signs the cookies.", "generator": "secret"}},
        "formation": {"web": {"quantity": 1}},
        "buildpacks": [{"url": "heroku/python"}],
    }
    if plan.database:
        wanted["addons"] = ["heroku-postgresql:essential-0"]
    return {
        "Procfile": merged.procfile(plan, web=HOST.start, release=plan.release),
        ".python-version": merged.python_version(plan),
        "app.json": merged.json_file(plan, "app.json", wanted),
    }


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET

    return [
        "# Once. The name must be nobody else's; without one, Heroku makes one up:",
        f"heroku create {plan.name}",
        *(["heroku addons:create heroku-postgresql:essential-0 --wait"] if plan.database else []),
        f'heroku config:set SECRET_KEY="{SECRET}"',
        "# For each release:",
        "git push heroku HEAD:main",
        "heroku open",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import app_json

    return app_json(plan)


HOST = Host(
    name="heroku",
    title="Heroku",
    disk="forgets",  # a dyno restarts every day, and with every push, from the files that were pushed
    database="postgresql",
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (the router stands in front, and reaches no other address)
        "database.max_connections": 20,  # of the smallest plans; who has a larger one says so
        "database.tls": "require",  # its databases are on public addresses, with certificates signed by themselves
        "redis.verify": False,  # its Redis speaks TLS with a certificate that it has signed by itself
    },
    gives=gives,
    release=("HEROKU_RELEASE_VERSION", "HEROKU_SLUG_COMMIT"),
    environ={"DYNO": "web.1", "PORT": "5000", "WEB_CONCURRENCY": "2", "PYTHONUNBUFFERED": "true"},
    pythons=("3.10", "3.11", "3.12", "3.13", "3.14"),
    port=5000,
    start="gunicorn main:app",
    access_log=True,
    limits=Limits(
        first_byte=30,  # H12; then 55 s between two pieces of the body (H15, H28)
        boot=60,  # R10
        grace=30,  # R12
        keep_alive=90,  # router 2.0; a server that hangs up first is H13 or H18
        memory=512,
        total=500 * 1024**2,  # compressed
        connections=20,  # Essential-0 and Essential-1
    ),
    proxies=Proxies(hops=1, client="X-Forwarded-For", scheme="X-Forwarded-Proto"),
    https=True,
    log="short",
    request_id="X-Request-ID",  # https://devcenter.heroku.com/articles/http-request-id
    logs="heroku logs --tail",
    caution=(
        "The release id is set only with the feature Dyno Metadata (heroku labs:enable runtime-dyno-metadata). "
        "HEROKU_POSTGRESQL_COLOR_URL is another database or a follower: name it in database.replicas if it is one. "
        "Fir builds by Cloud Native Buildpacks from the same files. Not verified here: 512 MB on the smallest dynos, "
        "the names of the variables of Dyno Metadata, and how app.json is taken."
    ),
    source="https://devcenter.heroku.com/articles/limits, https://devcenter.heroku.com/articles/http-routing, "
    "https://devcenter.heroku.com/articles/generations, https://github.com/heroku/heroku-buildpack-python",
    files=files,
    by_git=True,
    commands=commands,
    checks=checks,
)
