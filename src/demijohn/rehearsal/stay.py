"""A site's stay in a house: started, watched, and ended as its host ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from demijohn import config
from demijohn.errors import DemijohnError
from demijohn.hosts import Host
from demijohn.rehearsal.errors import RehearsalError
from demijohn.rehearsal.house import House
from demijohn.rehearsal.relay import Relay
from demijohn.rehearsal.router import Router
from demijohn.rehearsal.sealed import inside, memory

#: Seconds that are waited where the host does not say: for the boot, and between SIGTERM and SIGKILL.
BOOT, GRACE = 60.0, 10.0
_MEGABYTE = 1024**2


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_as(root: Path, host: Host, address: str, port: int | None, outside: Mapping[str, str]) -> int:
    """Serve the site in `root` as `host` would, until Ctrl+C or SIGTERM. The exit status.

    :param port: the visitors'; None: `server.port`. 0: any that is free.
    :raises DemijohnError: the settings hold a mistake, the port is taken, or the host cannot be played here.
    """
    if os.name == "nt":
        raise RehearsalError("A host cannot be played on Windows. In WSL it can.")
    if port is None:
        port = config.read(root, environ=outside)[0]["server.port"]
    with tempfile.TemporaryDirectory(prefix="demijohn-", ignore_cleanup_errors=True) as folder:
        house = House(root, host, Path(folder), _free_port(), outside)
        return asyncio.run(_Stay(house, address, port).run())


class _Stay:
    def __init__(self, house: House, address: str, port: int) -> None:
        self.house = house
        self.host = house.host
        self.address = address
        self.port = port
        self.stopping = asyncio.Event()

    async def run(self) -> int:
        router = Router(self.house.port, self.host.limits, self.host.proxies, tell=say)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        relay = await self._relay()
        process: subprocess.Popen[bytes] | None = None
        try:
            try:
                await router.start(self.address, self.port)
            except OSError as error:
                raise DemijohnError(
                    f"Cannot listen on {self.address}:{self.port}: {error.strerror}. Take another: --port PORT"
                ) from None
            await self._release()
            self._tell()
            process = subprocess.Popen(
                self.house.command(), cwd=self.house.cwd(), env=self.house.environ, start_new_session=True
            )
            if not await self._boot(process):
                return 1
            print(
                f"Demijohn serves {self.house.root.name} as {self.host.title} on {router.url}  (Ctrl+C stops)",
                flush=True,
            )
            return await self._watch(process, router)
        finally:
            await router.stop()
            if relay is not None:
                await relay.stop()
            if process is not None:
                _kill(process)

    async def _relay(self) -> Relay | None:
        server, idle = self.house.database.server, self.host.limits.idle
        if server is None or idle is None:
            return None
        relay = Relay(*server, idle)
        await relay.start()
        self.house.through(relay.listens)
        return relay

    async def _release(self) -> None:
        command = self.house.release()
        if command is None:
            return
        release = await asyncio.create_subprocess_exec(
            *command, cwd=self.house.root, env=self.house.environ, stdout=subprocess.DEVNULL
        )
        if await release.wait():
            raise RehearsalError("The release command has failed: demijohn db. What it said stands above.")

    def _tell(self) -> None:
        """What is as on the host, and what is not."""
        limits, house = self.host.limits, self.house
        for value, words in (
            (limits.first_byte, "a first byte after {:g} s: 503"),
            (limits.request, "a request of more than {:g} s: 503, or cut off"),
            (limits.body, "a body of more than {:,} bytes: 413"),
            (limits.memory, "more than {:,} MB of memory: the site is ended"),
            (limits.keep_alive, "connections to the site rest for up to {:g} s"),
            (limits.grace, "{:g} s between SIGTERM and SIGKILL"),
        ):
            if value is not None:
                house.enforced.append(words.format(value))
        if not self.host.threads:
            house.enforced.append("no threads")
        if not self.host.processes:
            house.enforced.append("no other processes")
        if self.host.proxies.hops:
            house.enforced.append(f"the headers of its router: X-Forwarded-For, {self.host.proxies.scheme}, ...")
        house.missing.append("TLS: visitors come by http, and the site is told so")
        house.missing.append(f"its Python and its packages: this is Python {'.'.join(map(str, sys.version_info[:3]))}")
        if limits.memory is not None and not Path("/proc/self/smaps_rollup").exists():
            house.missing.append("the memory cannot be measured here")
        say(f"As on {self.host.title}:")
        for line in house.enforced:
            say(f"  {line}")
        say("Not as there:")
        for line in house.missing:
            say(f"  {line}")

    async def _boot(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until the site listens."""
        limit = self.host.limits.boot or BOOT
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(self._listening(process), limit)
        say(f"The site does not listen after {limit:g} s: {self.host.title} gives it up.")
        return False

    async def _listening(self, process: subprocess.Popen[bytes]) -> bool:
        while process.poll() is None and not self.stopping.is_set():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.house.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return True
        if process.poll() is not None:
            say(f"The site ended as it started, with status {process.returncode}. What it said stands above.")
        return False

    async def _watch(self, process: subprocess.Popen[bytes], router: Router) -> int:
        limit = self.host.limits.memory
        while not self.stopping.is_set():
            if process.poll() is not None:
                say(f"The site has ended by itself, with status {process.returncode}.")
                return 1
            size = memory(process.pid) if limit is not None else 0
            if limit is not None and size > limit * _MEGABYTE:
                say(f"The site takes {size // _MEGABYTE} MB, and {self.host.title} has {limit} MB: it ends the site.")
                return 1
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 0.25)
        router.close()
        return await self._end(process)

    async def _end(self, process: subprocess.Popen[bytes]) -> int:
        grace = GRACE if self.host.limits.grace is None else self.host.limits.grace
        with contextlib.suppress(ProcessLookupError):
            # bubblewrap's own end is SIGKILL to what it wraps.
            wrapped = self.house.program is not None and self.host.disk != "kept"
            os.kill(inside(process.pid) if wrapped else process.pid, signal.SIGTERM)
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        while process.poll() is None and loop.time() < until:
            await asyncio.sleep(0.05)
        if process.poll() is None:
            say(f"The site has not ended {grace:g} s after SIGTERM: {self.host.title} kills it.")
            return 1
        return 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    """One that nothing listens on now. One of those that the kernel hands out by itself, from 32768 on where it is
    Linux, it may have handed out again before the site listens: to whoever connects to anything."""
    while True:
        port = secrets.randbelow(12_000) + 20_000
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
