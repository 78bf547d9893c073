"""A visitor without a network: calls a WSGI app as a server would, by the letter of the standard, keeps its cookies,
and says as browsers do where a request comes from: a page of the same site."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    #: What was written to wsgi.errors.
    errors: str

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Client:
    """:param app: any WSGI app."""

    def __init__(self, app: Any) -> None:
        self._app = validator(app)
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **environ: Any) -> Answer:
        return self.ask("GET", path, **environ)

    def post(self, path: str, form: dict[str, str] | None = None, **environ: Any) -> Answer:
        body = urlencode(form or {}).encode()
        environ.setdefault("CONTENT_TYPE", "application/x-www-form-urlencoded")
        return self.ask("POST", path, body, **environ)

    def ask(self, method: str, path: str, body: bytes = b"", **environ: Any) -> Answer:
        """One request. The body is read and closed to the end."""
        started = self.begin(method, path, body, **environ)
        try:
            pieces = b"".join(started.pieces)
        finally:
            started.close()
        return Answer(started.status, started.headers, pieces, started.errors.getvalue())

    def begin(self, method: str, path: str, body: bytes = b"", **environ: Any) -> Started:
        """One request whose body is left to the caller, who must close it. A key that is given as None is left out."""
        path, _, query = path.partition("?")
        whole: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "HTTP_SEC_FETCH_SITE": "same-origin",
        }
        if self.cookies:
            whole["HTTP_COOKIE"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        whole.update(environ)
        whole = {key: value for key, value in whole.items() if value is not None}
        setup_testing_defaults(whole)
        return Started(self, self._app, whole)

    def keep(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.strip().partition("=")
                if "Max-Age=0" in value:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = rest.partition(";")[0]


class Started:
    """An answer whose head has come."""

    def __init__(self, client: Client, app: Any, environ: dict[str, Any]) -> None:
        self.errors: io.StringIO = environ["wsgi.errors"]
        self.status = 0
        self.headers: list[tuple[str, str]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.status, self.headers = int(status[:3]), headers
            return lambda _data: None

        self._body = app(environ, start_response)
        self.pieces = iter(self._body)
        client.keep(self.headers)

    def close(self) -> None:
        self._body.close()
