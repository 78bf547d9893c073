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
from typing import TYPE_CHECKING, Any

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
#: Of these, how many that claim something: each request is searched for them.
_MOST_CLAIMS = 64
#: How many judgements are remembered, and characters of what one is about.
_MOST_SAID, _LONGEST_SAID = 1024, 256


class Judged:
    """What a request's trusted proxies say. None: nothing that can be believed."""

    __slots__ = ("address", "scheme", "whole", "written")

    def __init__(self, address: str | None, scheme: str | None, written: dict[str, Any], whole: bool) -> None:
        self.address = address
        self.scheme = scheme
        #: What of it is written into the environ.
        self.written = written
        #: Whether it leaves nothing to be asked of what else is claimed.
        self.whole = whole


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
        #: What routers send is among them: no visitor who makes up names can crowd it out.
        self._claims = {name for name in (*self._said, _FOR, _PROTO, "HTTP_X_FORWARDED_PORT") if name}
        self._known = self._claims.copy()
        #: By the peer and the three headers.
        self._judged_before: dict[tuple[str, str, str, str], Judged | None] = {}

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self.open)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def open(self, environ: WSGIEnvironment) -> None:
        """Write what is true into `environ`, and take out what is only claimed."""
        if self._known.issuperset(environ):
            claims = environ.keys() & self._claims
        else:
            claims = {name for name in environ if self._is_claim(name)}
        if claims:
            self._settle(environ, claims)

    def _is_claim(self, name: str) -> bool:
        known, claims = self._known, self._claims
        claim = name in _CLAIM or name.startswith(_CLAIMS) or name in self._said
        if name not in known and len(known) < _MOST and len(name) <= _LONGEST:
            if claim and len(claims) >= _MOST_CLAIMS:
                return True
            if claim:
                claims.add(name)
            known.add(name)  # last: another thread takes what is known, and not among the claims, for harmless
        return claim

    def _settle(self, environ: WSGIEnvironment, claims: set[str]) -> None:
        judged = None
        if self._believes:
            get = environ.get
            client, scheme, host = self._said
            said = get("REMOTE_ADDR", ""), get(client, ""), get(scheme, ""), get(host, "")
            try:
                judged = self._judged_before[said]
            except KeyError:
                judged = self._judge_and_remember(said)
        if judged is None or not judged.whole:
            self._doubt(environ, claims, judged)
        if judged is None:
            for name in claims:
                del environ[name]
            return
        own, written = self._own, judged.written
        for name in claims:
            if name not in written and not (own and name.startswith(own)):
                del environ[name]
        environ.update(written)

    def _judge_and_remember(self, said: tuple[str, str, str, str]) -> Judged | None:
        judged = self.judge(*said)
        if sum(map(len, said)) < _LONGEST_SAID:
            if len(self._judged_before) >= _MOST_SAID:
                self._judged_before.clear()
            self._judged_before[said] = judged
        return judged

    def _doubt(self, environ: WSGIEnvironment, claims: set[str], judged: Judged | None) -> None:
        """Write down what of the claims is not believed and matters all the same."""
        if _PROTO in claims and "https" in environ[_PROTO].lower():
            environ[CLAIMED] = True
        if (judged is None or judged.scheme is None) and not _OF_SCHEMES.isdisjoint(claims):
            environ["wsgi.url_scheme"] = _server_scheme(environ)
        if (judged is None or judged.address is None) and (_FOR in claims or _FORWARDED in claims):
            environ[HIDDEN] = True

    def judge(self, peer: str, client: str, scheme: str, host: str) -> Judged | None:
        """What can be believed of a request that `peer` has handed in with these values of the three headers."""
        if self._peers is not None and not self._peers(peer):
            return None
        elements: list[Element] = []
        if self._forwarded:
            elements = parse_forwarded(client)
            addresses = [element.address for element in elements]
        else:
            addresses = read_list(client)
        if not addresses:
            # A proxy that says over what, and not for whom, is one that stands alone.
            alone = scheme if self.hops < 2 and not self._forwarded else ""
            return self._judged(None, "", read_list(alone), [], 1)
        found = self._find(addresses)
        if found is None:
            return None
        address, count = found
        route = ", ".join([address, *addresses[len(addresses) - count + 1 :]])
        if self._forwarded:
            schemes = [element.scheme for element in elements]
            return self._judged(address, route, schemes, [element.host for element in elements], count)
        return self._judged(address, route, read_list(scheme), read_list(host), count)

    def _find(self, addresses: list[str]) -> tuple[str, int] | None:
        """The visitor's address, and how many values from the right it stands."""
        count = max(self.hops, 1)
        if len(addresses) < count:
            return None
        address = read_address(addresses[-count])
        while address is not None and self._trusted(address) and count < len(addresses):
            further = read_address(addresses[-count - 1])
            if further is None:  # what this proxy was told is no address; the proxy is as far as can be known
                break
            address, count = further, count + 1
        return None if address is None else (address, count)

    def _judged(self, address: str | None, route: str, schemes: list[str], hosts: list[str], count: int) -> Judged:
        scheme = _of_hop(schemes, count).lower()
        host = _of_hop(hosts, count)
        written: dict[str, Any] = {}
        if address:
            written.update({"REMOTE_ADDR": address, _FOR: route})  # for Bottle's `request.remote_route`
        if scheme in ("http", "https"):
            written.update({"wsgi.url_scheme": scheme, _PROTO: scheme})
            if scheme == "https" or "https" not in map(str.lower, schemes):  # no proxy further out says https
                written[KNOWN] = True
        if host and _is_host(host):
            written["HTTP_HOST"] = host
        whole = bool(address) and _PROTO in written and self._said[1] == _PROTO and not self._forwarded
        if whole and "https" in ",".join(schemes).lower():
            written[CLAIMED] = True
        return Judged(address, written.get("wsgi.url_scheme"), written, whole)


def _is_host(value: str) -> bool:
    from demijohn.security.hosts import is_host

    return is_host(value)


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
