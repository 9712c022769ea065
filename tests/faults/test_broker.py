"""A broker on loopback that hangs, drips, breaks off, redirects, lies: nothing is published."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable

import pytest

from tests.faults.conftest import Laboratory
from tests.installation import Done
from tests.loader.broker import Answer, Broker, drip, raw, reply

IMPATIENT = {
    "FETCH_CONNECT_TIMEOUT_SECONDS": "1", "FETCH_READ_TIMEOUT_SECONDS": "0.5",
    "FETCH_TOTAL_TIMEOUT_SECONDS": "2", "FETCH_ATTEMPTS": "1", "FETCH_MAX_BYTES": "2000000",
}  # fmt: skip
START = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"

UNAVAILABLE, REFUSED = 3, 1


def truncated(body: bytes) -> Answer:
    packed = gzip.compress(body)
    return reply(packed[: len(packed) // 2], Content_Encoding="gzip")


# How the broker misbehaves, given the dump that it should give; and the exit code of the sync.
ANSWERS: dict[str, tuple[Callable[[Broker, bytes], Answer], set[int]]] = {
    "hangs before it answers": (lambda b, _: raw(b.done), {UNAVAILABLE}),
    "hangs in the middle": (
        lambda b, dump: raw(START + b"\r\n" + dump[:5_000], b.done),
        {UNAVAILABLE},
    ),
    "drips for ever": (lambda b, _: drip(b"1", b.done, start=START + b"\r\n"), {UNAVAILABLE}),
    "closes half way": (
        lambda _, dump: raw(
            START + f"Content-Length: {len(dump)}\r\n\r\n".encode() + dump[: len(dump) // 2]
        ),
        {UNAVAILABLE},
    ),
    "closes half way without a length": (
        lambda _, dump: raw(START + b"\r\n" + dump[: len(dump) // 2 + 7]),
        {UNAVAILABLE, REFUSED},
    ),
    "closes at once": (lambda *_: raw(b""), {UNAVAILABLE}),
    "speaks no HTTP": (lambda *_: raw(b"220 ftp ready\r\n"), {UNAVAILABLE}),
    "502": (lambda *_: reply(b"<html>bad gateway</html>", 502, "text/html"), {UNAVAILABLE}),
    "429": (lambda *_: reply(b"slow down", 429, "text/plain"), {UNAVAILABLE}),
    "403": (lambda *_: reply(b"no", 403, "text/plain"), {UNAVAILABLE, REFUSED}),
    "404": (lambda *_: reply(b"no", 404, "text/plain"), {UNAVAILABLE, REFUSED, 2}),
    "HTML with status 200": (
        lambda *_: reply(b"<html><body>maintenance</body></html>", kind="text/html"),
        {UNAVAILABLE},
    ),
    "HTML called CSV": (lambda *_: reply(b"<!doctype html><p>hi"), {UNAVAILABLE, REFUSED}),
    "a JSON error": (
        lambda *_: reply(b'{"status":"error","message":"Too many"}', kind="application/json"),
        {UNAVAILABLE, REFUSED},
    ),
    "redirects to plain http": (
        lambda *_: reply(b"", 302, Location="http://example.invalid/instruments"),
        {UNAVAILABLE, REFUSED},
    ),
    "redirects in a circle": (
        lambda b, _: reply(b"", 302, Location=b.url),
        {UNAVAILABLE, REFUSED},
    ),
    "a gzip that is cut off": (lambda _, dump: truncated(dump), {UNAVAILABLE, REFUSED}),
    "a gzip bomb": (
        lambda *_: reply(gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip"),
        {UNAVAILABLE, REFUSED},
    ),
    "an empty body": (lambda *_: reply(b""), {UNAVAILABLE, REFUSED}),
    "a header without rows": (
        lambda _, dump: reply(dump[: dump.index(b"\n") + 1]),
        {UNAVAILABLE, REFUSED},
    ),
    "304 that nobody asked for": (lambda *_: reply(b"", 304), {UNAVAILABLE, REFUSED}),
}


def from_broker(lab: Laboratory, broker: Broker) -> Done:
    return lab.at.run("sync", KITE_INSTRUMENTS_URL=broker.url, **IMPATIENT)


@pytest.mark.parametrize("how", ANSWERS)
def test_it_is_told_and_nothing_is_published(
    standing: Laboratory, broker: Broker, how: str
) -> None:
    answer, codes = ANSWERS[how]
    broker.answer(answer(broker, standing.next_dump.read_bytes()))
    done = from_broker(standing, broker)
    assert done.code in codes, done
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert "land:" not in done.out
    assert broker.requests, "the broker was not even asked"
    standing.assert_old()


def test_after_all_of_these_a_good_answer_is_published(
    standing: Laboratory, broker: Broker
) -> None:
    dump = standing.next_dump.read_bytes()
    broker.answer(reply(gzip.compress(dump), Content_Encoding="gzip", ETag='"two"'))
    from_broker(standing, broker).ok()
    standing.assert_new()
    # The broker has nothing newer, and what it gave last is gone from the archive: asked again.
    shutil.rmtree(standing.at.home / "landing")
    broker.answer(reply(dump, ETag='"two"'))
    done = from_broker(standing, broker).ok()
    assert "Already published as 2" in done.out
    standing.assert_new()
    # Now it says so, and is believed.
    broker.answer(reply(b"", 304, ETag='"two"'))
    done = from_broker(standing, broker).ok()
    assert "Already published as 2" in done.out
    assert broker.requests[-1]["If-None-Match"] == '"two"'
    standing.assert_new()
    # Unchanged at the broker, but damaged in the archive: asked again, without the validator.
    for path in (standing.at.home / "landing").rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:-20])
    broker.answer(reply(b"", 304, ETag='"two"'), reply(dump, ETag='"two"'))
    done = from_broker(standing, broker).ok()
    assert "Already published as 2" in done.out
    assert "If-None-Match" not in broker.requests[-1]
    standing.assert_new()
