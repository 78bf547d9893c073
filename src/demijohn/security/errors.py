"""What can go wrong in keeping a site safe."""

from __future__ import annotations

from demijohn.errors import DemijohnError


class CsrfOptionError(DemijohnError):
    """A route's `csrf` is neither True nor False."""

    def __init__(self, rule: str, given: object) -> None:
        super().__init__(f"The route {rule} has csrf={given!r}. It is True, as by default, or False.")
        #: The route's rule.
        self.rule = rule
        #: What stands there.
        self.given = given


class CsrfRefusedError(DemijohnError):
    """A request that may change something was sent by another site's page, or might have been."""

    def __init__(self, method: str, path: str, why: str, said: str, own: str | None) -> None:
        if why == "another site":
            advice = (
                f"If that page is yours, name its origin in security.origins. If {own} is not how visitors know this "
                "site, its proxies are not trusted. If programs send here, give the route csrf=False."
            )
        else:
            advice = (
                "Put {{ csrf }} into the form. A program that keeps the session's cookie, as a test does, sends the "
                "header Sec-Fetch-Site: same-origin; a route for programs that do not has csrf=False."
            )
        super().__init__(f"{ascii(f'{method} {path}')[1:-1]} was refused ({ascii(said)[1:-1]}). {advice}")
        #: The request's method.
        self.method = method
        #: Its path.
        self.path = path
        #: `another site`, `no token` or `another token`.
        self.why = why
        #: What the browser said.
        self.said = said
        #: The site's origin, as the request has it.
        self.own = own


class NoLoginError(DemijohnError):
    """A handler is for those who are signed in, and nothing says who is."""

    def __init__(self) -> None:
        super().__init__(
            "A handler is marked with login_required, and its app has no part that knows who is signed in. Install it: "
            "app.install(demijohn.security.Login('/sign-in')), beside the sessions."
        )


class LoginAddressError(DemijohnError):
    """There is no page for signing in where the settings say."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"Whoever is not signed in is to be sent to the route named {address!r}, and there is none. Give the page "
            f"for signing in that name, @site.get('/sign-in', name={address!r}), or set security.login to its path."
        )
        #: The name that was looked for.
        self.address = address


class LimitOptionError(DemijohnError):
    """A route's `limit` cannot be read."""

    def __init__(self, rule: str, given: object) -> None:
        super().__init__(
            f"The route {rule} has limit={given!r}. It says how often one visitor may come: '10/minute', "
            "'5 per second; 100/hour', or '20/15 minutes'."
        )
        #: The route's rule.
        self.rule = rule
        #: What stands there.
        self.given = given
