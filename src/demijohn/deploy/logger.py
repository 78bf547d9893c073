"""gunicorn's own lines in the words of the site's."""

from __future__ import annotations

from typing import Any

from demijohn.config import Config
from demijohn.logs.settings import output_of, tells_requests
from demijohn.secrecy import query


def logger_class(read: Config) -> type[Any]:
    """gunicorn's logger, but that it writes as the site does, where it was not told to write into a file, or by a
    configuration of `logging`'s; and that it is silent of requests where the site tells of them. Heroku's buildpack
    asks for an access log in GUNICORN_CMD_ARGS, which is stronger than gunicorn.conf.py."""
    from gunicorn.glogging import Logger  # type: ignore[import-untyped, unused-ignore]

    site_tells = tells_requests(read)

    class HostLogger(Logger):
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            if cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json:
                return
            for log, target in ((self.error_log, cfg.errorlog), (self.access_log, cfg.accesslog)):
                if target == "-":
                    self._speak(log)

        def _speak(self, log: Any) -> None:
            for handler in [handler for handler in log.handlers if getattr(handler, "_gunicorn", False)]:
                log.removeHandler(handler)
            output: Any = output_of(read)
            output._gunicorn = True  # by this it is found, and taken off, when the settings are read again
            log.addHandler(output)

        def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
            if not (site_tells and self.cfg.accesslog == "-"):
                super().access(resp, req, environ, request_time)

        def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
            """The query, and that of the page before, without what is secret in them."""
            found: dict[str, Any] = super().atoms(resp, req, environ, request_time)
            found["r"] = f"{environ['REQUEST_METHOD']} {query(environ['RAW_URI'])} {environ['SERVER_PROTOCOL']}"
            found["q"] = query(environ.get("QUERY_STRING", ""))
            found["f"] = query(environ.get("HTTP_REFERER", "-"))
            return found

    return HostLogger
