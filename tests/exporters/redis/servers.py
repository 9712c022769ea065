"""Redis servers of a test's own, and a proxy that can stop in the middle of a stream."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass
class RedisServer:
    """A server of a test's own."""

    url: str
    folder: Path
    arguments: list[str]
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        self.process = subprocess.Popen(self.arguments)
        wait_for(self.socket, self.process)


def wait_for(place: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server behind a Unix socket answers, if only to ask for a password."""
    for _ in range(1000):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(place))
            client.sendall(b"PING\r\n")
            if client.recv(100).startswith((b"+PONG", b"-NOAUTH")):
                return
        with suppress(subprocess.TimeoutExpired):
            raise RuntimeError(f"redis-server ended with {process.wait(0.02)}")
    raise RuntimeError("redis-server did not answer")


def free_port() -> int:
    """A port that is free together with the one 10,000 above it, where a cluster node gossips."""
    while True:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            if port > 50_000:
                continue
            try:
                high.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return int(port)


StartRedis = Callable[..., RedisServer]


class Relay:
    """A proxy in front of a Redis that can stop in the middle of a stream.

    Args:
        target: The Unix socket of the server.
        stop_after: How many bytes from the client to let through; None for all.
        tls: Speak TLS to the client.
    """

    def __init__(
        self, target: Path, *, stop_after: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._target = target
        self._left = stop_after
        self._tls = tls
        self.stopped = threading.Event()
        self.is_cutting = False
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, outer = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            writer.close()
            return
        directions = [
            asyncio.ensure_future(self._forward(reader, outer)),
            asyncio.ensure_future(self._back(inner, writer)),
        ]
        with suppress(asyncio.CancelledError):
            # Either side's end is the end of both.
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        # At once: what a closed one still has to say would keep it open beyond the loop's end.
        outer.transport.abort()
        writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self._left is not None:
                data = data[: self._left]
                self._left -= len(data)
            writer.write(data)
            await writer.drain()
            if self._left == 0:
                self.stopped.set()
                if self.is_cutting:
                    return
                await asyncio.Event().wait()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
