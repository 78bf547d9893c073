"""The settings of the process, and of what it keeps things in: the database, memcached, Redis, sessions."""

from __future__ import annotations

from demijohn.config import kinds
from demijohn.config.kinds import one_of, whole, whole_or_auto
from demijohn.config.option import Option
from demijohn.config.secret import Url

_STORES = ("cached-sql", "sql", "memcached", "redis", "cookie", "memory")
#: Beaker's names of stores that are kept here, ours as Beaker knows them, and Beaker's names of those that are not.
_SPELLINGS = {
    "ext:memcached": "memcached",
    "ext:database": "sql",
    "ext:sqla": "sql",
    "ext:redis": "redis",
    **{f"demijohn.{name}": name for name in _STORES},
}
_ON_DISK = dict.fromkeys(("file", "dbm"), "nothing is ever written to disk")

SERVICES: tuple[Option, ...] = (
    Option(
        "environment",
        one_of("development", "production"),
        "production",
        "Development shows errors, reloads files and brings a secret of its own.",
        env=("DEMIJOHN_ENV",),
    ),
    Option(
        "secret",
        kinds.SECRETS,
        (),
        "Signs cookies and tokens. The first of several signs, all of them are believed: put a new one in front, "
        "and take the old one out when its cookies have run out.",
        env=("SECRET_KEY",),
        secret=True,
    ),
    # server
    Option("server.host", kinds.TEXT, "127.0.0.1", "The address that `demijohn run` listens on."),
    Option("server.port", whole(1, 65535), 8080, "The port that it listens on.", env=("PORT",)),
    Option("server.workers", whole(1, 512), 1, "How many processes serve the site.", env=("WEB_CONCURRENCY",)),
    Option("server.threads", whole(1, 512), 8, "How many threads each process has."),
    Option(
        "server.drain",
        whole(0, 600),
        0,
        "A worker of gunicorn that is told to end takes requests for so long while /_health/ready says no, for a load "
        "balancer that asks.",
        "seconds",
    ),
    # database
    Option(
        "database.url",
        kinds.DATABASE_URL,
        Url("sqlite:///data.sqlite"),
        "Where the database is. An SQLite file is looked for beside config.yaml. Empty: the site has no database.",
        env=("DATABASE_URL",),
    ),
    Option(
        "database.max_connections",
        whole(1, 100_000),
        None,
        "How many connections the database allows the whole site. Empty: nothing is counted.",
    ),
    Option(
        "database.pool_size",
        whole_or_auto(1, 1000),
        "auto",
        "Connections that each process keeps open. auto: as many as it has threads, within its share of "
        "database.max_connections.",
    ),
    Option(
        "database.max_overflow",
        whole_or_auto(0, 1000),
        "auto",
        "Connections it may open beyond those, for a moment. auto: as many again, within its share.",
    ),
    Option("database.pool_timeout", kinds.SECONDS, 10, "How long a request waits for a connection.", "seconds"),
    Option(
        "database.idle",
        kinds.SECONDS,
        25,
        "A connection that has rested longer is replaced. The strictest host hangs up after 30 s.",
        "seconds",
    ),
    Option(
        "database.connect_timeout",
        whole(1, 600),
        5,
        "How long the server may take to let a connection in.",
        "seconds",
    ),
    Option(
        "database.tls",
        kinds.TLS,
        "auto",
        "auto: nothing on this machine is encrypted, and elsewhere what the server can encrypt. off. require: "
        "encrypted or nothing. verify: its certificate and its name are checked as well.",
    ),
    Option(
        "database.tls_ca",
        kinds.TEXT,
        None,
        "A file with the authorities that may have signed the server's certificate, beside config.yaml; by default "
        "the system's. For verify.",
    ),
    Option(
        "database.replicas",
        kinds.REPLICAS,
        (),
        "Copies of the database that are read from: database URLs, or hosts with the same user, password, port and "
        "name.",
    ),
    Option(
        "database.replica_choice",
        one_of("round-robin", "random"),
        "round-robin",
        "Which replica is read from next.",
    ),
    Option(
        "database.replica_lag",
        kinds.SECONDS,
        5,
        "Who has written reads the database itself for so long, because the replicas may not have it yet.",
        "seconds",
    ),
    Option("database.echo", kinds.BOOLEAN, False, "Log each statement."),
    # memcached
    Option(
        "memcached.url",
        kinds.SERVERS,
        (),
        "The memcached servers of the site, host:port or memcached://user:password@host:port.",
        env=("MEMCACHED_URL", "MEMCACHIER_SERVERS", "MEMCACHEDCLOUD_SERVERS"),
    ),
    Option(
        "memcached.username",
        kinds.TEXT,
        None,
        "Who the site is, to servers that ask (SASL). An add-on's variable counts for the add-on's own servers only.",
        env=("MEMCACHIER_USERNAME", "MEMCACHEDCLOUD_USERNAME"),
    ),
    Option(
        "memcached.password",
        kinds.PASSWORD,
        None,
        "The password of that user.",
        env=("MEMCACHIER_PASSWORD", "MEMCACHEDCLOUD_PASSWORD"),
        secret=True,
    ),
    Option(
        "memcached.prefix",
        kinds.PREFIX,
        "demijohn",
        "Goes before each key, so that sites can share a server. By default the top-level `name` of config.yaml.",
    ),
    Option("memcached.timeout", whole(1, 60_000), 250, "How long an answer may take.", "milliseconds"),
    # redis
    Option(
        "redis.url",
        kinds.REDIS_URL,
        None,
        "The Redis server of the site. rediss:// is encrypted.",
        env=("REDIS_URL", "REDIS_TLS_URL"),
    ),
    Option(
        "redis.verify",
        kinds.BOOLEAN,
        True,
        "Check the server's certificate, where the address begins with rediss://. Heroku's Redis signs its own, so "
        "there it is false by default: encrypted, but to whom is not known.",
    ),
    Option(
        "redis.prefix",
        kinds.PREFIX,
        "demijohn",
        "Goes before each key, so that sites can share a server. By default the top-level `name` of config.yaml.",
    ),
    Option("redis.timeout", whole(1, 60_000), 250, "How long an answer may take.", "milliseconds"),
    # session: Beaker's names
    Option(
        "session.type",
        one_of("auto", *_STORES, others=_SPELLINGS, refused=_ON_DISK),
        "auto",
        "Where sessions are kept. auto takes cached-sql (the database, with memcached in front) where both are "
        "set; else sql, where there is a database; else redis, where there is a Redis server; else cookie (all of "
        "the session in an encrypted cookie). Beaker's ext:memcached, ext:database, ext:sqla and ext:redis are "
        "understood.",
    ),
    Option(
        "session.url",
        kinds.URL,
        None,
        "Beaker's address of the memcached servers, the database or the Redis server, as session.type says, where "
        "sessions have one of their own.",
    ),
    Option("session.key", kinds.COOKIE_NAME, "session", "The name of the cookie."),
    Option("session.timeout", kinds.SECONDS, 1_209_600, "How long a session lives after its last use.", "seconds"),
    Option(
        "session.cookie_expires",
        kinds.BOOLEAN_OR_SECONDS,
        True,
        "The cookie goes when the browser is closed (true), after so many seconds, or never (false).",
    ),
    Option("session.cookie_domain", kinds.DOMAIN, None, "The cookie's domain; by default the host asked for."),
    Option("session.cookie_path", kinds.PATH, "/", "The cookie's path."),
    Option(
        "session.secure",
        kinds.BOOLEAN_OR_AUTO,
        "auto",
        "The cookie travels over https only. auto: if the request came over https.",
    ),
    Option("session.httponly", kinds.BOOLEAN, True, "The cookie is hidden from scripts."),
    Option("session.samesite", one_of("Lax", "Strict", "None"), "Lax", "Whether other sites' links and forms send it."),
    Option(
        "session.unkept",
        one_of("refuse", "drop"),
        "refuse",
        "What happens to a request whose session could not be kept because its store is not answering: refuse "
        "(503, and its database work is rolled back), or drop (the answer goes out, the change is lost, the log "
        "says so once a minute).",
    ),
    Option("session.auto", kinds.BOOLEAN, True, "Save a changed session without a call of save()."),
    Option(
        "session.secret",
        kinds.SECRETS,
        (),
        "Signs the session's cookie, if not `secret` is to do it.",
        secret=True,
    ),
    Option("session.data_serializer", kinds.JSON, "json", "How sessions are written: as JSON."),
    Option("session.data_dir", kinds.TEXT, None, "Beaker's; ignored, because nothing is written to disk."),
    Option("session.lock_dir", kinds.TEXT, None, "Beaker's; ignored, because nothing is written to disk."),
    Option(
        "session.invalidate_corrupt",
        kinds.BOOLEAN,
        True,
        "Beaker's; ignored, because a session that cannot be read is always an empty one.",
    ),
    Option(
        "session.save_accessed_time",
        kinds.BOOLEAN,
        True,
        "Beaker's; ignored, because the time of the last use is always known.",
    ),
)
