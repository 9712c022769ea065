"""Redis servers of a test's own, and a proxy that can stop in the middle of a stream."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry


@dataclass
class RedisServer:
    """A server of a test's own."""

    url: str
    folder: Path
    arguments: list[str]
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        self.process = subprocess.Popen(self.arguments)
        wait_for(self.url)


def wait_for(url: str) -> None:
    client = redis.Redis.from_url(
        url,
        retry=Retry(ConstantBackoff(0.02), retries=500),
        retry_on_error=[redis.ConnectionError, FileNotFoundError, redis.BusyLoadingError],
    )
    with client:
        try:
            client.ping()
        except redis.AuthenticationError:
            return  # it answers, and wants a password


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
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, outer = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(
                self._forward(reader, outer), self._back(inner, writer), return_exceptions=True
            )
        finally:
            outer.close()
            writer.close()

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
                    raise ConnectionAbortedError
                await asyncio.Event().wait()
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
