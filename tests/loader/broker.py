"""A broker on loopback that misbehaves as it is told, and a small dump for it to give."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from loader.feeds import KITE, Feed

AS_OF = date(2026, 8, 17)
NOW = datetime(2026, 8, 17, 3, 10, tzinfo=UTC)
HEADER = ",".join(KITE.columns)
ROW = "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.1,1,EQ,NSE,NSE"
DUMP = f"{HEADER}\n{ROW}\n256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE\n".encode()

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Broker:
    """A real HTTP server: each request takes the next answer; the last one stays.

    `done` is set when the test ends: what an answer that hangs waits for.
    """

    url: str
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def answer(self, *answers: Answer) -> str:
        self.answers = list(answers)
        return self.url

    def feed(self) -> Feed:
        return KITE.with_url(self.url)


def reply(body: bytes = DUMP, status: int = 200, kind: str = "text/csv", **headers: str) -> Answer:
    """An answer with its length; header names are spelled with underscores."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        if kind:
            request.send_header("Content-Type", kind)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def gzipped(body: bytes = DUMP, **headers: str) -> Answer:
    return reply(gzip.compress(body, mtime=0), **headers)


def raw(*pieces: bytes | threading.Event) -> Answer:
    """Bytes as they are, headers included; an event is waited for; then the connection closes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        for piece in pieces:
            if isinstance(piece, threading.Event):
                piece.wait(20)
            else:
                request.wfile.write(piece)
                request.wfile.flush()
        request.close_connection = True

    return answer


def drip(piece: bytes, until: threading.Event, *, start: bytes, every: float = 0.02) -> Answer:
    """A server that sends a little all the time and never ends."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(start)
        while not until.wait(every):
            request.wfile.write(piece)
            request.wfile.flush()

    return answer


@contextmanager
def serving() -> Iterator[Broker]:
    """Run a broker for the length of a test."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            broker.requests.append({"path": self.path, **dict(self.headers.items())})
            answers = broker.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            with suppress(ConnectionError):  # the client gave up, as it should
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    broker = Broker(f"http://127.0.0.1:{server.server_address[1]}/instruments")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield broker
    finally:
        broker.done.set()
        server.shutdown()
        thread.join()
        server.server_close()
