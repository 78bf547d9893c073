"""A relay in front of a server that hangs up on connections which rest too long, as hosts' databases do."""

from __future__ import annotations

import asyncio
import contextlib
import time


class Relay:
    """:param host: the server's address, or the path of its socket, and `port`.
    :param idle: seconds after which a connection on which nothing moves is cut.
    """

    def __init__(self, host: str, port: int | None, idle: float) -> None:
        self.host = host
        self.port = port
        self.idle = idle
        #: Where the relay listens.
        self.listens = 0
        #: Connections that were cut.
        self.cut = 0
        self._server: asyncio.AbstractServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        server = self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.listens = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(2):
            await asyncio.sleep(0)  # for what is closed to be so

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        moved = [time.monotonic()]
        out: asyncio.StreamWriter | None = None
        pumps: list[asyncio.Task[None]] = []
        try:
            if self.host.startswith("/"):
                back, out = await asyncio.open_unix_connection(self.host)
            else:
                back, out = await asyncio.open_connection(self.host, self.port)
            pumps = [asyncio.create_task(_pump(reader, out, moved)), asyncio.create_task(_pump(back, writer, moved))]
            while not any(pump.done() for pump in pumps):
                left = moved[0] + self.idle - time.monotonic()
                if left <= 0:
                    self.cut += 1
                    break
                await asyncio.wait(pumps, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for pump in pumps:
                pump.cancel()
            for stream in (writer, out):
                if stream is not None:
                    stream.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, moved: list[float]) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            moved[0] = time.monotonic()
            writer.write(piece)
            await writer.drain()
