"""The server of `demijohn run`: the standard library's, with a thread for each request. Not for production."""

from __future__ import annotations

import contextlib
import signal
import socket
import socketserver
import sys
import threading
import time
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from demijohn.logs.formats import printable


class Handler(WSGIRequestHandler):
    """One connection: one request."""

    timeout = 60  # seconds that a visitor may stay silent

    def handle(self) -> None:
        self.began = time.perf_counter()
        with contextlib.suppress(TimeoutError, ConnectionError):  # the visitor has gone
            super().handle()

    def finish(self) -> None:
        """Read on for a moment what the visitor still sends. Closed with unread bytes, the connection would be reset,
        and the answer (a 413, say) lost on its way (RFC 9112 section 9.6)."""
        try:
            super().finish()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            until = time.monotonic() + 2
            while time.monotonic() < until and self.connection.recv(65536):
                pass
        except OSError:
            pass

    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.server.site_tells:  # type: ignore[attr-defined]
            return
        took = (time.perf_counter() - self.began) * 1000
        # Of a line that makes no sense there is neither a method nor a path.
        asked = f"{self.command or '?'} {getattr(self, 'path', '?')}"
        print(f"{printable(asked)} {str(code)[:3]} {took:.0f} ms", file=sys.stderr, flush=True)


class DevelopmentServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves on a socket that listens already."""

    daemon_threads = True
    #: Whether the site itself has a line in the log for each request.
    site_tells = False

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self._answering = 0
        self._one_less = threading.Condition()
        #: Whether it ends when what was begun is answered.
        self.is_told_to_end = False

    def serve_until_told(self) -> None:
        """Serve until `shutdown()`, SIGTERM or Ctrl+C.

        :raises KeyboardInterrupt: it was a signal. Raised by its handler, wherever that finds the program, it could be
            taken for the failure of a request, and be lost.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_end)
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.default_int_handler)

    def _note_end(self, _signal: int, _frame: Any) -> None:
        self.is_told_to_end = True

    def service_actions(self) -> None:
        """What is done between two requests."""
        if self.is_told_to_end:
            raise KeyboardInterrupt

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._one_less:
            self._answering += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._one_less:
                self._answering -= 1
                self._one_less.notify_all()

    def finish_requests(self, seconds: float) -> None:
        """Wait until what was begun is answered, but no longer than this."""
        with self._one_less:
            self._one_less.wait_for(lambda: self._answering == 0, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
