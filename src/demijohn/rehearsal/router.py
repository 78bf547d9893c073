"""A small router in front of a site, with the limits and the headers of a host's. For rehearsals and tests: it speaks
HTTP/1.1, streams, and forgives nothing.

    with routing(8001, host.limits, host.proxies) as router:
        urllib.request.urlopen(router.url)
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from demijohn.hosts import Limits, Proxies
from demijohn.rehearsal.forwarded import forwarded
from demijohn.rehearsal.wire import (
    BROKEN,
    CHUNKED,
    HEAD,
    UNTIL_CLOSED,
    BadMessageError,
    GoneError,
    Head,
    RefusedError,
    chunk,
    pieces,
    read_answer,
    read_off,
    read_request,
    written,
)

#: Seconds that a visitor's connection may rest.
REST = 60.0
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Router:
    """:param site: the port on this machine at which the site listens, or the path of its socket. It can be changed.
    :param limits: what is enforced: `request`, `first_byte`, `body`, and `keep_alive`, without which each request has a
        connection of its own.
    :param scheme: what the visitors are said to have come over.
    :param tell: called with a line for each request that the router ends by itself.
    """

    def __init__(
        self,
        site: int | str,
        limits: Limits | None = None,
        proxies: Proxies | None = None,
        *,
        scheme: str = "http",
        tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        self.site = site
        self.limits = limits or Limits()
        self.proxies = proxies or Proxies()
        self.scheme = scheme
        self.tell = tell
        self.port = 0
        self.url = ""
        #: Requests that were passed on to the site, that it has answered to the end, and that it has dropped.
        self.passed = self.answered = self.lost = 0
        self._resting: list[tuple[float, _Stream]] = []
        self._visitors: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0: any that is free.

        :raises OSError: it is taken.
        """
        server = self._server = await asyncio.start_server(self._visitor, address, port, limit=HEAD)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://[{address}]:{self.port}" if ":" in address else f"http://{address}:{self.port}"

    def close(self) -> None:
        """Let no more visitors in."""
        if self._server is not None:
            self._server.close()

    async def stop(self) -> None:
        """The same, and cut off those that are there."""
        self.close()
        for task in self._visitors:
            task.cancel()
        await asyncio.gather(*self._visitors, return_exceptions=True)
        while self._resting:
            self._resting.pop()[1][1].close()
        for _ in range(2):
            await asyncio.sleep(0)  # for what is closed to be so

    async def connect(self) -> _Stream:
        """A connection to the site: one that rests, or a new one.

        :raises RefusedError: nobody listens there.
        """
        while self._resting:
            since, (reader, writer) = self._resting.pop()
            fresh = time.monotonic() - since < (self.limits.keep_alive or 0) and not reader.at_eof()
            if fresh and _leads_to(writer) == self.site:
                return reader, writer
            writer.close()
        try:
            if isinstance(self.site, str):
                return await asyncio.open_unix_connection(self.site, limit=HEAD)
            return await asyncio.open_connection("127.0.0.1", self.site, limit=HEAD)
        except OSError as error:
            raise RefusedError(503, f"the site lets nobody in ({error.strerror or error})") from None

    def rest(self, stream: _Stream) -> None:
        """Keep a connection to the site for the next request."""
        self._resting.append((time.monotonic(), stream))

    async def _visitor(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._visitors.add(task)
        try:
            while await _Exchange(self, reader, writer).run():
                pass
        except (GoneError, *BROKEN, asyncio.CancelledError):
            pass  # the visitor has gone, or the router ends
        finally:
            self._visitors.discard(task)
            writer.close()


def _leads_to(writer: asyncio.StreamWriter) -> int | str:
    """The port or the socket at the other end: where the site was when the connection was made."""
    peer: tuple[str, int] | str = writer.get_extra_info("peername")
    return peer if isinstance(peer, str) else peer[1]


class _Exchange:
    """One request of a visitor's, and its answer."""

    def __init__(self, router: Router, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.router = router
        self.reader = reader
        self.writer = writer
        self.request = Head("", "", 1, [])
        self.began = False  # something of the answer has gone out
        self.fault: Exception | None = None  # of the visitor's, while the body was read

    async def run(self) -> bool:
        """Returns whether there may be another on this connection."""
        limit = self.router.limits.request
        try:
            request = await asyncio.wait_for(read_request(self.reader), REST)
            if request is None:
                return False
            self.request = request
            return await asyncio.wait_for(self._pass_on(self._judged()), limit)
        except asyncio.TimeoutError:
            if not self.request.first:
                return False
            return await self._refuse(RefusedError(503, f"it was not done after {limit} s"))
        except BadMessageError as error:
            return await self._refuse(RefusedError(400, str(error)))
        except RefusedError as error:
            return await self._refuse(error)

    def _judged(self) -> int:
        """The framing of the request's body."""
        framing, most = self.request.framing() or 0, self.router.limits.body
        if most is not None and framing > most:
            raise RefusedError(413, f"its body has {framing} bytes, and {most} is the most")
        if self.request.version == 1 and self.request.get("host") is None:
            raise BadMessageError("it names no host")
        return framing

    async def _refuse(self, error: RefusedError) -> bool:
        end = "it was cut off" if self.began else str(error.status)
        self.router.tell(f"router: {self.request.first} {self.request.second}: {error}: {end}")
        if not self.began:
            headers = [("Content-Type", "text/plain"), ("Content-Length", "0"), ("Connection", "close")]
            self.writer.write(written(f"HTTP/1.1 {error.status} {_REASONS[error.status]}", headers))
            await self._linger()
        return False

    async def _linger(self) -> None:
        """Read on what the visitor still sends. Closed at once, the connection would be reset and the answer be lost
        (RFC 9112 section 9.6)."""
        with contextlib.suppress(*BROKEN, asyncio.TimeoutError):
            await self.writer.drain()
            if self.writer.can_write_eof():
                self.writer.write_eof()
            await asyncio.wait_for(read_off(self.reader), 2)

    async def _pass_on(self, framing: int) -> bool:
        stream = await self.router.connect()
        sending = asyncio.create_task(self._send(stream[1], framing))
        reusable = False
        try:
            answer = await self._first_byte(stream[0], sending)
            reusable = await self._relay(answer, stream[0], sending)
            self.router.answered += 1
            return self.request.keeps() and sending.done() and not self.writer.is_closing()
        except BROKEN as error:
            if self.fault is not None:
                raise self.fault from None
            self.router.lost += 1
            raise RefusedError(503, f"the site has hung up ({type(error).__name__})") from None
        finally:
            if reusable:
                self.router.rest(stream)
            else:
                stream[1].close()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, site: asyncio.StreamWriter, framing: int) -> None:
        """Write the request to the site, its body as it comes. What the site does not take, its answer will tell."""
        peer = self.writer.get_extra_info("peername")
        headers = forwarded(self.request, self.router.proxies, str(peer[0]), self.router.port, self.router.scheme)
        if framing == CHUNKED:
            headers.append(("Transfer-Encoding", "chunked"))
        headers.append(("Connection", "keep-alive" if self.router.limits.keep_alive else "close"))
        site.write(written(f"{self.request.first} {self.request.second} HTTP/1.1", headers))
        self.router.passed += 1
        size, most = 0, self.router.limits.body
        try:
            async for piece in pieces(self.reader, framing):
                size += len(piece)
                if most is not None and size > most:
                    raise RefusedError(413, f"its body has more than {most} bytes")
                site.write(chunk(piece) if framing == CHUNKED else piece)
                with contextlib.suppress(OSError):
                    await site.drain()
            if framing == CHUNKED:
                site.write(chunk(b""))
        except RefusedError as error:
            self.fault = error
            site.close()
        except BROKEN:
            self.fault = GoneError()
            site.close()

    async def _first_byte(self, site: asyncio.StreamReader, sending: asyncio.Task[None]) -> Head:
        heading = asyncio.create_task(self._final_head(site))
        limit = self.router.limits.first_byte
        try:
            await asyncio.wait({heading, sending}, return_when=asyncio.FIRST_COMPLETED)
            return await asyncio.wait_for(heading, limit)
        except asyncio.TimeoutError:
            raise RefusedError(503, f"it had no first byte after {limit} s") from None
        finally:
            heading.cancel()
            await asyncio.gather(heading, return_exceptions=True)

    async def _final_head(self, site: asyncio.StreamReader) -> Head:
        """The head of the answer; what goes before it, such as 100 Continue, is handed on."""
        while True:
            head = await read_answer(site)
            if head is None:
                raise ConnectionResetError
            if head.first[0] != "1":
                return head
            if self.request.version == 1:
                await self._write(written(f"HTTP/1.1 {head.first} {head.second}", head.for_next()))

    async def _relay(self, answer: Head, site: asyncio.StreamReader, sending: asyncio.Task[None]) -> bool:
        """Write the answer to the visitor. Returns whether the connection to the site can be used again."""
        bodiless = self.request.first == "HEAD" or answer.first in ("204", "304")
        known = answer.framing()
        framing = 0 if bodiless else UNTIL_CLOSED if known is None else known
        headers = answer.for_next()
        chunks = framing < 0 and self.request.version == 1
        if chunks:
            headers.append(("Transfer-Encoding", "chunked"))
        if (framing < 0 and not chunks) or not sending.done():
            self.request.headers.append(("Connection", "close"))
        headers.append(("Connection", "keep-alive" if self.request.keeps() else "close"))
        self.began = True
        await self._write(written(f"HTTP/1.1 {answer.first} {answer.second}", headers))
        async for piece in pieces(site, framing):
            await self._write(chunk(piece) if chunks else piece)
        if chunks:
            await self._write(chunk(b""))
        return bool(self.router.limits.keep_alive) and answer.keeps() and framing != UNTIL_CLOSED and sending.done()

    async def _write(self, data: bytes) -> None:
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            raise GoneError from None


_REASONS = {400: "Bad Request", 413: "Content Too Large", 503: "Service Unavailable"}


@contextlib.contextmanager
def routing(
    site: int | str,
    limits: Limits | None = None,
    proxies: Proxies | None = None,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    scheme: str = "http",
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> Iterator[Router]:
    """A router in a thread of its own, listening. As `Router`; at the end those who still wait are cut off.

    :raises OSError: the port is taken.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="router", daemon=True)
    thread.start()
    router = Router(site, limits, proxies, scheme=scheme, tell=tell)
    try:
        asyncio.run_coroutine_threadsafe(router.start(address, port), loop).result()
        yield router
    finally:
        asyncio.run_coroutine_threadsafe(router.stop(), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
