"""`Proxies`: who is asking, over what, and under which name, where proxies stand before the site. Works in any Bottle
app:

    app = bottle.Bottle()
    app.install(Proxies(hops=1, peers=("127.0.0.0/8", "unix")))

What a trusted proxy says is written where every WSGI app looks for it: REMOTE_ADDR, wsgi.url_scheme, HTTP_HOST. What
anybody else says of these things is taken out of the environ, so that neither Bottle nor a handler is fooled by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from demijohn import lifetime
from demijohn.security.forwarded import Element, parse_forwarded, read_address, read_list

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from wsgiref.types import WSGIEnvironment

#: Whether somebody who can know has said that the visitor came by the scheme in wsgi.url_scheme.
KNOWN = "demijohn.scheme_is_known"
#: Where somebody who is not believed says that the visitor came by https.
CLAIMED = "demijohn.https_is_claimed"
#: Where somebody names the visitor and is not believed: REMOTE_ADDR may be a proxy's.
HIDDEN = "demijohn.visitor_is_hidden"
_FOR, _PROTO, _FORWARDED = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED"
#: What visitors write who would like to be somebody else: each of these is set by some proxy, and believed by some app.
_CLAIMS = ("HTTP_X_FORWARDED", "HTTP_X_APPENGINE_", "HTTP_X_GOOGLE_", "HTTP_X_GOOG_", "HTTP_X_ORIGINAL_", "HTTP_FLY_")
_CLAIM = frozenset(
    f"HTTP_{name}"
    for name in (
        *("FORWARDED", "FORWARDED_FOR", "X_REAL_IP", "X_CLIENT_IP", "X_CLUSTER_CLIENT_IP", "CLIENT_IP"),
        *("TRUE_CLIENT_IP", "FASTLY_CLIENT_IP", "CF_CONNECTING_IP", "CF_CONNECTING_IPV6", "CF_PSEUDO_IPV4"),
        *("X_ENVOY_EXTERNAL_ADDRESS", "X_REMOTE_ADDR", "X_REMOTE_IP", "X_HOST", "X_SCHEME", "X_URL_SCHEME"),
        *("X_REWRITE_URL", "FRONT_END_HTTPS", "X_CLOUD_TRACE_CONTEXT"),
    )
)
#: Of these some servers make wsgi.url_scheme: uWSGI of anybody's, gunicorn of those of a peer on the same machine.
_OF_SCHEMES = frozenset((_PROTO, "HTTP_X_FORWARDED_SSL", "HTTP_X_FORWARDED_PROTOCOL"))
#: How REMOTE_ADDR names a peer on a unix socket: gunicorn and uWSGI, waitress.
_UNIX = ("", "localhost")
#: How many names of headers, and how many characters of one, are remembered.
_MOST, _LONGEST = 2048, 64
#: How many sets of names, and how many names of one. A browser, a server and a router send the same again and again.
_MOST_SETS, _LARGEST = 512, 128


class Judged(NamedTuple):
    """What a request's trusted proxies say. None: nothing that can be believed."""

    address: str | None
    scheme: str | None
    #: What of it is written into the environ.
    written: dict[str, Any]


class Claims(NamedTuple):
    """What is claimed in a request, by the names of its variables."""

    names: tuple[str, ...]
    #: Those that do not belong to the host.
    foreign: tuple[str, ...]
    #: Whether X-Forwarded-Proto is among them, what servers make wsgi.url_scheme of, what names a visitor.
    proto: bool
    scheme: bool
    visitor: bool


class Proxies:
    """The visitor as the trusted proxies know them.

    :param hops: how many proxies stand before the site, each of which appends to the header `client`. The last `hops`
        values in it are theirs; where there are fewer, nothing is believed.
    :param peers: who may hand requests in: networks, addresses, `unix` for a unix socket. Empty: where there are hops,
        whoever reaches the port.
    :param trusted: networks of further proxies, `unix` for a socket. The addresses in `client` are walked through from
        the right, after `hops`, for as long as they are among these. Without hops the peer must be one of them.
    :param client: the header with the visitor's address: X-Forwarded-For, Forwarded (RFC 7239, which also says scheme
        and host), or one that holds a single address, such as X-Real-IP.
    :param scheme: the header with the scheme.
    :param host: the header with the name that the visitor has asked for; empty: Host, as it comes.
    :param own: what the names of headers begin with that are the host's own, and reach the site from nobody else.
    :raises ValueError: a network cannot be read.
    """

    name = "proxies"
    api = 2

    def __init__(
        self,
        *,
        hops: int = 0,
        peers: Sequence[str] = (),
        trusted: Sequence[str] = (),
        client: str = "X-Forwarded-For",
        scheme: str = "X-Forwarded-Proto",
        host: str = "",
        own: Sequence[str] = (),
    ) -> None:
        self.hops = hops
        self._believes = bool(hops or trusted)
        self._trusted = _network_test(trusted)
        self._peers = _network_test([*peers, *trusted]) if peers or not hops else None
        self._said = _variable(client), _variable(scheme), _variable(host)
        self._forwarded = self._said[0] == _FORWARDED
        self._own = tuple(map(_variable, own))
        #: Names of variables that have been met, and of those the ones that claim something.
        self._known: dict[str, str] = {}
        self._claims: set[str] = set()
        #: What is claimed where these variables are there, in this order; None: nothing.
        self._sets: dict[tuple[str, ...], Claims | None] = {}
        self._remembered = lru_cache(maxsize=1024)(self.judge)

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self.open)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def open(self, environ: WSGIEnvironment) -> None:
        """Write what is true into `environ`, and take out what is only claimed."""
        names = tuple(environ)
        try:
            claims = self._sets[names]
        except KeyError:
            claims = self._claims_among(names)
        if claims is not None:
            self._settle(environ, claims)

    def _claims_among(self, names: tuple[str, ...]) -> Claims | None:
        known = self._known
        claimed = tuple(name for name in names if (name in self._claims if name in known else self._is_claim(name)))
        claims = None
        if claimed:
            own, seen = self._own, set(claimed)
            foreign = tuple(name for name in claimed if not (own and name.startswith(own)))
            claims = Claims(
                claimed, foreign, _PROTO in seen, not _OF_SCHEMES.isdisjoint(seen), _FOR in seen or _FORWARDED in seen
            )
        if len(self._sets) < _MOST_SETS and len(names) <= _LARGEST and all(name in known for name in names):
            self._sets[tuple(known[name] for name in names)] = claims  # of the strings that are kept anyway
        return claims

    def _is_claim(self, name: str) -> bool:
        claim = name in _CLAIM or name.startswith(_CLAIMS) or name in self._said
        if len(self._known) < _MOST and len(name) <= _LONGEST:
            if claim:
                self._claims.add(name)
            self._known[name] = name  # last: another thread takes what is known, and not among the claims, for harmless
        return claim

    def _settle(self, environ: WSGIEnvironment, claims: Claims) -> None:
        judged = None
        if self._believes:
            get = environ.get
            client, scheme, host = self._said
            said = get(client, ""), get(scheme, ""), get(host, "")
            # What is remembered must not grow with what visitors send.
            judge = self._remembered if len(said[0]) + len(said[1]) + len(said[2]) < 256 else self.judge
            judged = judge(get("REMOTE_ADDR", ""), *said)
        if claims.proto and "https" in environ[_PROTO].lower():
            environ[CLAIMED] = True
        for name in claims.names if judged is None else claims.foreign:
            del environ[name]
        if judged is not None:
            environ.update(judged.written)
        if claims.scheme and (judged is None or judged.scheme is None):
            environ["wsgi.url_scheme"] = _server_scheme(environ)
        if claims.visitor and (judged is None or judged.address is None):
            environ[HIDDEN] = True

    def judge(self, peer: str, client: str, scheme: str, host: str) -> Judged | None:
        """What can be believed of a request that `peer` has handed in with these values of the three headers."""
        if self._peers is not None and not self._peers(peer):
            return None
        elements = parse_forwarded(client) if self._forwarded else [Element(address) for address in read_list(client)]
        if not elements:
            # A proxy that says over what, and not for whom, is one that stands alone.
            alone = scheme if self.hops < 2 and not self._forwarded else ""
            return self._judged(None, "", read_list(alone), [], 1)
        found = self._find(elements)
        if found is None:
            return None
        address, count = found
        route = ", ".join([address, *(element.address for element in elements[len(elements) - count + 1 :])])
        if self._forwarded:
            schemes = [element.scheme for element in elements]
            return self._judged(address, route, schemes, [element.host for element in elements], count)
        return self._judged(address, route, read_list(scheme), read_list(host), count)

    def _find(self, elements: list[Element]) -> tuple[str, int] | None:
        """The visitor's address, and how many values from the right it stands."""
        count = max(self.hops, 1)
        if len(elements) < count:
            return None
        address = read_address(elements[-count].address)
        while address is not None and self._trusted(address) and count < len(elements):
            further = read_address(elements[-count - 1].address)
            if further is None:  # what this proxy was told is no address; the proxy is as far as can be known
                break
            address, count = further, count + 1
        return None if address is None else (address, count)

    def _judged(self, address: str | None, route: str, schemes: list[str], hosts: list[str], count: int) -> Judged:
        from demijohn.security.hosts import is_host

        scheme = _of_hop(schemes, count).lower()
        host = _of_hop(hosts, count)
        written: dict[str, Any] = {}
        if address:
            written.update({"REMOTE_ADDR": address, _FOR: route})  # for Bottle's `request.remote_route`
        if scheme in ("http", "https"):
            written.update({"wsgi.url_scheme": scheme, _PROTO: scheme})
            if scheme == "https" or "https" not in map(str.lower, schemes):  # no proxy further out says https
                written[KNOWN] = True
        if host and is_host(host):
            written["HTTP_HOST"] = host
        return Judged(address, written.get("wsgi.url_scheme"), written)


def _of_hop(values: list[str], count: int) -> str:
    """The value that the proxy wrote which stands `count` from the right; a single one is the last proxy's."""
    if len(values) == 1:
        return values[0]
    return values[-count] if 0 < count <= len(values) else ""


def _server_scheme(environ: WSGIEnvironment) -> str:
    """The scheme by what no visitor can write: what nginx and Apache say besides headers, and the server's own TLS."""
    said = environ.get("HTTPS", ""), environ.get("REQUEST_SCHEME", ""), environ.get("UWSGI_SCHEME", "")
    encrypted = any(str(word).lower() in ("https", "on", "1", "yes") for word in said)
    return "https" if encrypted or hasattr(environ.get("gunicorn.socket"), "getpeercert") else "http"


def _variable(header: str) -> str:
    """A header's name in the environ."""
    return "HTTP_" + header.upper().replace("-", "_") if header else ""


def _network_test(networks: Sequence[str]) -> Callable[[str], bool]:
    """Whether an address is in one of these networks; '' and `localhost`, as servers have it, in `unix`."""
    if not networks:
        return lambda _address: False
    read = [_network(network) for network in networks if network != "unix"]
    unix = "unix" in networks

    @lru_cache(maxsize=256)
    def test(address: str) -> bool:
        from ipaddress import ip_address

        if address in _UNIX:
            return unix
        plain = read_address(address)
        return plain is not None and any(ip_address(plain) in network for network in read)

    return test


def _network(text: str) -> IPv4Network | IPv6Network:
    from ipaddress import ip_network

    return ip_network(text, strict=False)
