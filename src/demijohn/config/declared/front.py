"""The settings of what stands between the server and the handlers."""

from __future__ import annotations

from demijohn.config import kinds, outside
from demijohn.config.kinds import one_of
from demijohn.config.option import Option

FRONT: tuple[Option, ...] = (
    # proxies
    Option(
        "proxies.hops",
        kinds.whole_or_auto(0, 10),
        "auto",
        "How many proxies stand before the site, each of which adds to the header with the visitor's address. auto: "
        "those that the host has.",
    ),
    Option(
        "proxies.trusted",
        outside.NETWORKS,
        (),
        "Networks of proxies: with proxies.hops, who may hand requests in; without, further proxies before those of "
        "the host. unix is a socket.",
    ),
    Option(
        "proxies.client",
        outside.HEADER,
        None,
        "The header with the visitor's address: X-Forwarded-For, Forwarded (which also has scheme and host), or one "
        "with a single address. By default the host's, else X-Forwarded-For.",
    ),
    Option(
        "proxies.host",
        outside.HEADER,
        None,
        "The header in which the proxies pass on the name that was asked for, where Host is one of theirs: "
        "X-Forwarded-Host.",
    ),
    # security
    Option(
        "security.hosts",
        outside.HOSTS,
        (),
        "The names that the site is served under: example.org, .example.org for all below it as well, "
        "example.org:8080. Empty: any.",
    ),
    Option(
        "security.https",
        kinds.BOOLEAN_OR_AUTO,
        "auto",
        "Whoever comes over http is sent to https. auto: in production on hosts that give each site a certificate.",
    ),
    Option(
        "security.hsts",
        outside.AGE,
        31_536_000,
        "How long a browser that has come over https comes over nothing else. off: it is not told so.",
        "seconds",
    ),
    Option("security.hsts_subdomains", kinds.BOOLEAN, False, "The same for all names below the site's."),
    Option(
        "security.csp",
        outside.CSP,
        "",
        "What is added to the Content-Security-Policy, by directive: img-src: https://images.example.org. A directive "
        "that is off is left out; off: there is no policy.",
    ),
    Option(
        "security.headers",
        outside.HEADERS,
        (),
        "Other values for the safety headers, or further headers: Cross-Origin-Resource-Policy: cross-origin. One that "
        "is off is not sent; off: none of them is.",
    ),
    Option(
        "security.csrf",
        kinds.BOOLEAN,
        True,
        "A request that may change something is refused if another site's page has sent it. off: nothing is looked at.",
    ),
    Option(
        "security.origins",
        kinds.ORIGINS,
        (),
        "Other origins whose pages may send requests that change something: https://www.example.org.",
    ),
    Option(
        "security.login",
        kinds.TEXT,
        "sign-in",
        "Where visitors sign in, for login_required: the name of a route, or a path that begins with /.",
    ),
    Option(
        "security.throttle",
        kinds.BOOLEAN,
        True,
        "Attempts to sign in are counted and slowed down, and the routes' limits hold. off: neither.",
    ),
    Option(
        "security.tries",
        kinds.whole(1, 1000),
        5,
        "How often one may try to sign in to an account from one address, in an hour, before one has to wait.",
    ),
    # health and maintenance
    Option(
        "health.key",
        kinds.PASSWORD,
        None,
        "Who shows it to /_health/ready, as the header X-Health-Key or as ?key=, is told what is wrong. By default "
        "only who asks on the same machine.",
        secret=True,
    ),
    Option(
        "maintenance.mode",
        kinds.BOOLEAN_OR_READ_ONLY,
        False,
        "on: visitors see the page for it. read-only: they can read. A process looks at this once, as it starts; see "
        "`demijohn maintenance` for one that runs.",
        env=("DEMIJOHN_MAINTENANCE",),
    ),
    Option("views.path", kinds.TEXT, "views", "The folder of the templates, beside config.yaml."),
    Option("static.path", kinds.TEXT, "static", "The folder of the static files, beside config.yaml."),
    Option("static.url", kinds.PATH, "/static", "Where the static files are served."),
    Option(
        "static.hash",
        one_of("path", "query"),
        "path",
        "Where the address of a static file carries the hash of its content: style.8d1f6a0b3c5e.css, or "
        "style.css?v=8d1f6a0b3c5e, which a server in front that serves the folder by itself finds, too.",
    ),
    Option(
        "static.keep",
        kinds.whole(0, 100),
        0,
        "Of how many releases before this one the static files are kept, in the database. `demijohn db create`, "
        "`db upgrade` and `static keep` put them there.",
    ),
    Option("body.limit", kinds.SIZE, 4 * 1024**2, "The largest request body.", "bytes"),
    Option("body.memory", kinds.SIZE, 4 * 1024**2, "The largest body that is not streamed.", "bytes"),
    Option("body.part", kinds.SIZE_OR_AUTO, "auto", "The largest file in a form, in bytes. auto: as the body."),
    Option("body.field", kinds.SIZE, 1024**2, "The longest text field in a form.", "bytes"),
    Option("body.parts", kinds.whole(1, 1_000_000), 1000, "The most fields and files in a form."),
    Option(
        "body.timeout", kinds.SECONDS, 30, "How long a body is waited for; then it must come at body.rate.", "seconds"
    ),
    Option("body.rate", kinds.SIZE, 4 * 1024, "The bytes a second at which a long body must come.", "bytes"),
    # tickets
    Option(
        "tickets.store",
        one_of("auto", "off"),
        "auto",
        "Where unhandled errors are kept. auto: in the database, and in memcached while that is down. off: only in the "
        "log.",
    ),
    Option(
        "tickets.keep",
        kinds.SECONDS,
        90 * 86400,
        "How long a ticket is kept after its error has last happened.",
        "seconds",
    ),
)
