"""Fetching from a broker that is well, slow, broken, rude or gone: a real server on loopback."""

from __future__ import annotations

import dataclasses
import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loader.archive import read_archived
from loader.errors import BrokerUnavailable, DumpRefused, SourceNotFound
from loader.fetch import Dump, FetchOptions, Validator
from tests.loader.broker import DUMP, HEADER, Broker, drip, gzipped, raw, reply

Get = Callable[..., Dump]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def contents(dump: Dump) -> bytes:
    return b"".join(read_archived(dump.path))


def files(landing: Path) -> list[str]:
    return sorted(path.name for path in landing.rglob("*") if path.is_file())


def test_a_gzipped_dump_is_kept_whole(broker: Broker, get: Get) -> None:
    dump = get(broker.answer(gzipped()))
    assert contents(dump) == DUMP
    assert dump.size == len(DUMP)
    assert dump.path.read_bytes() == gzip.compress(DUMP, mtime=0), "the broker's own bytes"
    assert dump.path.name == f"{dump.sha256}.csv.gz"
    assert dump.path.parent.name == "2026-08-17"


@pytest.mark.parametrize(
    "answer",
    [
        reply(DUMP),
        reply(gzip.compress(DUMP), Content_Encoding="gzip"),
        reply(gzip.compress(gzip.compress(DUMP)), Content_Encoding="gzip"),
        reply(DUMP, Content_Encoding="gzip"),
        reply(DUMP, kind="text/csv; charset=utf-8"),
        reply(DUMP, kind="application/octet-stream"),
        reply(DUMP, kind=""),
        raw(
            OK + b"Transfer-Encoding: chunked\r\n\r\n",
            f"{len(DUMP):x}\r\n".encode() + DUMP + b"\r\n0\r\n\r\n",
        ),
        raw(OK + b"Connection: close\r\n\r\n", DUMP),
    ],
    ids=[
        "plain", "transfer-gzip", "gzip-in-gzip", "gzip-in-name-only", "charset", "octets",
        "untyped", "chunked", "until-close",
    ],
)  # fmt: skip
def test_however_it_is_sent_the_dump_is_the_same(
    broker: Broker, get: Get, answer: Callable[..., None]
) -> None:
    dump = get("kite", broker.feed().with_url(broker.answer(answer)))
    assert contents(dump) == DUMP


def test_one_request_is_enough(broker: Broker, get: Get) -> None:
    get(broker.answer(gzipped()))
    assert len(broker.requests) == 1
    assert broker.requests[0]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_passing_outage_is_tried_again(broker: Broker, get: Get, status: int) -> None:
    dump = get(broker.answer(reply(HTML, status, "text/html"), reply(b"", status), gzipped()))
    assert contents(dump) == DUMP
    assert len(broker.requests) == 3


def test_a_connection_that_breaks_is_tried_again(broker: Broker, get: Get) -> None:
    half = raw(OK + b"Content-Length: 900\r\n\r\n", DUMP[:40])
    assert contents(get(broker.answer(half, raw(), gzipped()))) == DUMP
    assert len(broker.requests) == 3


def test_an_outage_that_stays_ends_and_names_the_offline_command(
    broker: Broker, get: Get, landing: Path
) -> None:
    with pytest.raises(BrokerUnavailable) as outage:
        get("kite", broker.feed().with_url(broker.answer(reply(HTML, 502, "text/html"))))
    assert len(broker.requests) == 3
    assert outage.value.exit_code == 3
    assert f"{broker.url} answered 502 (3 attempts)" in str(outage.value)
    assert "make sync FILTER=nifty SOURCE=sample" in str(outage.value)
    assert files(landing) == []


def test_the_offline_command_is_the_one_given(
    broker: Broker, get: Get, options: FetchOptions
) -> None:
    patient = dataclasses.replace(options, offline_command="make sync FILTER=all SOURCE=sample")
    with pytest.raises(BrokerUnavailable, match="FILTER=all SOURCE=sample"):
        get(broker.answer(reply(b"", 404)), options=patient)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(HTML, 200, "text/html"), "answered 200 with an HTML page instead of CSV"),
        (reply(HTML, 200, "text/csv"), "answered 200 with an HTML page instead of CSV"),
        (reply(b" \n" + HTML, 200, ""), "answered 200 with an HTML page instead of CSV"),
        (reply(b"\x89PNG", 200, "image/png"), "content of type 'image/png' instead of CSV"),
        (raw(), "closed the connection without an answer"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "closed the connection without an answer"),
        (
            raw(OK + b"Content-Length: 900\r\n\r\n", DUMP[:40]),
            "broke off after 40 of 900 bytes",
        ),
        (
            raw(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"28\r\n" + DUMP[:40] + b"\r\n"),
            "broke off after 40 bytes",
        ),
    ],
    ids=["html", "html-as-csv", "html-untyped", "png", "closes", "not-http", "half", "chunk"],
)
def test_an_outage_is_called_by_its_name(
    broker: Broker, get: Get, landing: Path, answer: Callable[..., None], words: str
) -> None:
    with pytest.raises(BrokerUnavailable) as outage:
        get(broker.answer(answer))
    assert words in str(outage.value)
    assert files(landing) == []


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, b'{"message": "Incorrect api_key"}', "answered 403 ('Incorrect api_key')"),
        (403, b"<html>", "answered 403;"),
        (404, b"", "answered 404;"),
        (304, b"", "answered 304;"),
        (204, b"", "answered 204;"),
    ],
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    broker: Broker, get: Get, status: int, body: bytes, words: str
) -> None:
    with pytest.raises(BrokerUnavailable) as outage:
        get(broker.answer(reply(body, status)))
    assert words in str(outage.value)
    assert len(broker.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            reply(b'{"status":"error","message":"Token is invalid"}', kind="application/json"),
            "the answer is a JSON error instead of a dump: 'Token is invalid'",
        ),
        (
            reply(b'{"status":"error","message":"Token is invalid"}'),
            "the answer is a JSON error instead of a dump: 'Token is invalid'",
        ),
        (reply(b"[1, 2]"), "the answer is a JSON error instead of a dump: '[1, 2]'"),
        (reply(gzip.compress(DUMP) + b"tail"), "bytes follow the end of the gzip data"),
        (reply(gzip.compress(DUMP)[:30] + b"\xff" * 60), "the gzip data is damaged"),
        (reply(DUMP, Content_Encoding="br"), "the answer is in content encoding 'br'"),
        (reply(b"a,b\n1,2\n"), "line 1 is not the header of a Kite dump: 'a,b'"),
    ],
    ids=[
        "json", "json-as-csv", "json-list", "gzip-and-more", "damaged-gzip", "brotli", "other-csv",
    ],
)  # fmt: skip
def test_an_answer_that_is_no_dump_is_refused_in_its_own_words(
    broker: Broker, get: Get, landing: Path, answer: Callable[..., None], words: str
) -> None:
    with pytest.raises(DumpRefused) as refusal:
        get(broker.answer(answer))
    assert words in str(refusal.value)
    assert str(refusal.value).startswith(f"{broker.url}: ")
    assert refusal.value.exit_code == 1
    assert len(broker.requests) == 1, "the same bytes would come again"
    assert files(landing) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b""), "the dump is empty: not one byte"),
        (reply(gzip.compress(b"")), "the dump is empty: not one byte"),
        (reply(HEADER.encode() + b"\n"), "a header and no rows"),
        (reply(DUMP + b"1,2,NIF"), "ends in the middle of line 4, after 3 fields"),
        (reply(gzip.compress(DUMP)[:-9]), "the gzip data ends before its end"),
        (reply(DUMP[:-2]), "it ends with line 3 and without a newline, in exchange 'NS'"),
    ],
    ids=["empty", "empty-gzip", "header-only", "cut-row", "cut-gzip", "cut-field"],
)
def test_a_dump_that_is_not_whole_is_asked_for_again_then_refused(
    broker: Broker, get: Get, landing: Path, answer: Callable[..., None], words: str
) -> None:
    with pytest.raises(DumpRefused) as refusal:
        get(broker.answer(answer))
    assert words in str(refusal.value)
    assert refusal.value.exit_code == 1
    assert len(broker.requests) == 3
    assert files(landing) == []
    # Kite, while it writes its file anew: the next answer is whole.
    assert contents(get(broker.answer(answer, gzipped()))) == DUMP


def test_a_server_that_hangs_before_its_answer_is_left(
    broker: Broker, get: Get, impatient: FetchOptions
) -> None:
    with pytest.raises(BrokerUnavailable, match=r"did not answer within 0\.3 seconds"):
        get(broker.answer(raw(broker.done)), options=impatient)


def test_a_server_that_hangs_inside_the_body_is_left(
    broker: Broker, get: Get, impatient: FetchOptions
) -> None:
    silent = raw(OK + b"Content-Length: 900\r\n\r\n" + DUMP[:40], broker.done)
    with pytest.raises(BrokerUnavailable, match="went silent after 40 of 900 bytes"):
        get(broker.answer(silent), options=impatient)


@pytest.mark.parametrize(
    "start", [OK + b"Content-Length: 90000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "],
    ids=["body", "headers"],
)  # fmt: skip
def test_a_server_that_drips_cannot_outlast_the_deadline(
    broker: Broker, get: Get, options: FetchOptions, start: bytes
) -> None:
    hasty = dataclasses.replace(options, deadline=0.5)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=r"was not done after 0\.5 seconds"):
        get(broker.answer(drip(b"a", broker.done, start=start)), options=hasty)
    assert time.monotonic() - began < 30
    assert len(broker.requests) == 1


def test_a_broker_that_is_gone_is_an_outage(get: Get) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(BrokerUnavailable, match="could not be reached: connection refused"):
        get(f"http://127.0.0.1:{port}/instruments")


def test_retry_after_is_honoured(broker: Broker, get: Get) -> None:
    began = time.monotonic()
    get(broker.answer(reply(b"", 429, Retry_After="1"), gzipped()))
    assert time.monotonic() - began >= 1


def test_retry_after_may_be_a_date_by_the_servers_own_clock(broker: Broker, get: Get) -> None:
    busy = raw(
        b"HTTP/1.1 503 Busy\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: 0\r\n"
        b"Retry-After: Sat, 01 Jan 2000 00:00:01 GMT\r\n\r\n"
    )
    began = time.monotonic()
    assert contents(get(broker.answer(busy, gzipped()))) == DUMP
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("text", ["soon", "-1", "Sat, 01 Jan 2000 00:00:01 GMT"])
def test_retry_after_that_says_nothing_is_not_waited_for(
    broker: Broker, get: Get, text: str
) -> None:
    assert contents(get(broker.answer(reply(b"", 503, Retry_After=text), gzipped()))) == DUMP


def test_a_wait_beyond_the_deadline_is_not_begun(
    broker: Broker, get: Get, options: FetchOptions
) -> None:
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="answered 429"):
        get(
            broker.answer(reply(b"", 429, Retry_After="3600")),
            options=dataclasses.replace(options, deadline=120),
        )
    assert time.monotonic() - began < 60


def test_redirects_on_this_machine_are_followed(broker: Broker, get: Get) -> None:
    moved = reply(b"", 302, Location="/elsewhere")
    assert contents(get(broker.answer(moved, gzipped()))) == DUMP
    assert [request["path"] for request in broker.requests] == ["/instruments", "/elsewhere"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://example.org/dump.csv", "redirects to http://example.org/dump.csv, which is not"),
        ("ftp://127.0.0.1/dump.csv", "redirects to ftp://127.0.0.1/dump.csv, which is not"),
        ("file:///etc/passwd", "redirects to file:///etc/passwd, which is not followed"),
        ("http://u:secret@127.0.0.1/x?k=secret", "redirects to http://***@127.0.0.1/x?k=***"),
        ("/instruments", "redirects more than 5 times"),
    ],
)
def test_redirects_that_could_betray_are_refused(
    broker: Broker, get: Get, target: str, words: str
) -> None:
    with pytest.raises(BrokerUnavailable) as outage:
        get(broker.answer(reply(b"", 302, Location=target)))
    assert words in str(outage.value)
    assert "secret" not in str(outage.value)


def test_a_redirect_to_nowhere_is_an_outage(broker: Broker, get: Get) -> None:
    with pytest.raises(BrokerUnavailable, match="answered 301 without saying where to"):
        get(broker.answer(reply(b"", 301)))


@pytest.mark.parametrize("url", ["http://api.kite.trade/instruments", "http://10.0.0.1/x.csv"])
def test_plain_http_to_another_machine_is_not_even_tried(get: Get, url: str) -> None:
    with pytest.raises(SourceNotFound, match="is not encrypted") as refusal:
        get(url)
    assert refusal.value.exit_code == 2


def test_headers_and_login_go_to_the_broker_and_no_further(
    broker: Broker, get: Get, options: FetchOptions
) -> None:
    own = dataclasses.replace(
        options, headers={"X-Kite-Version": "3", "Authorization": "token a:b"}, user_agent="me/1"
    )
    other = broker.url.replace("127.0.0.1", "localhost")
    get(broker.answer(reply(b"", 302, Location=other), gzipped()), options=own)
    first, second = broker.requests
    assert (first["X-Kite-Version"], first["Authorization"]) == ("3", "token a:b")
    assert first["User-Agent"] == second["User-Agent"] == "me/1"
    assert "Authorization" not in second
    assert "X-Kite-Version" not in second


def test_secrets_of_the_url_are_used_and_never_shown(
    broker: Broker, get: Get, caplog: pytest.LogCaptureFixture, landing: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    url = broker.url.replace("http://", "http://user:hunter2@") + "?api_key=hunter2"
    dump = get(url.replace(broker.url, broker.answer(gzipped())))
    assert broker.requests[0]["Authorization"] == "Basic dXNlcjpodW50ZXIy"
    assert broker.requests[0]["path"] == "/instruments?api_key=hunter2"
    assert dump.source == broker.url.replace("http://", "http://***@") + "?api_key=***"
    broker.answer(reply(b"", 500))
    with pytest.raises(BrokerUnavailable) as outage:
        get(url)
    broker.answer(raw())
    with pytest.raises(BrokerUnavailable) as closed:
        get(url)
    said = f"{outage.value} {closed.value} {dump} {caplog.text} {files(landing)}"
    assert "hunter2" not in said
    assert "event=fetch_retry" in caplog.text


def test_no_credentials_are_taken_from_netrc(
    broker: Broker, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    get(broker.answer(gzipped()))
    assert "Authorization" not in broker.requests[0]


def test_a_proxy_is_not_asked_for_this_machine(
    broker: Broker, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert contents(get(broker.answer(gzipped()))) == DUMP


@pytest.mark.parametrize(
    "answer",
    [
        reply(DUMP + b"x" * 5_000),
        reply(gzip.compress(DUMP + b"x\n" * 500_000)),
        reply(gzip.compress(DUMP + b"x\n" * 500_000), Content_Encoding="gzip"),
        raw(OK + b"Connection: close\r\n\r\n", DUMP, b"1,2,3,4\n" * 5_000),
    ],
    ids=["length", "bomb", "transfer-bomb", "endless"],
)
def test_a_dump_over_the_cap_is_refused_zipped_or_not(
    broker: Broker, get: Get, options: FetchOptions, landing: Path, answer: Callable[..., None]
) -> None:
    capped = dataclasses.replace(options, max_bytes=4_000)
    with pytest.raises(DumpRefused, match="the dump is bigger than 4,000 bytes"):
        get(broker.answer(answer), options=capped)
    assert files(landing) == []


def test_progress_tells_bytes_and_their_total(broker: Broker, get: Get) -> None:
    body = gzip.compress(DUMP)
    seen: list[tuple[int, int | None]] = []
    get(broker.answer(reply(body)), on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(body), len(body))


def known(broker: Broker, dump: Dump, **changes: object) -> Validator:
    validator = Validator(broker.url, dump.path, dump.sha256, dump.etag, dump.last_modified)
    return dataclasses.replace(validator, **changes)


def test_an_unchanged_dump_is_not_sent_again(broker: Broker, get: Get) -> None:
    first = get(broker.answer(gzipped(ETag='"v1"', Last_Modified="Mon, 17 Aug 2026 02:50:00 GMT")))
    broker.answer(reply(b"", 304))
    again = get(broker.url, known=known(broker, first))
    assert broker.requests[1]["If-None-Match"] == '"v1"'
    assert broker.requests[1]["If-Modified-Since"] == "Mon, 17 Aug 2026 02:50:00 GMT"
    assert again == dataclasses.replace(first, is_unchanged=True)


def test_an_unchanged_dump_is_kept_under_the_new_day_too(broker: Broker, get: Get) -> None:
    from datetime import date

    first = get(broker.answer(gzipped(ETag='"v1"')))
    broker.answer(reply(b"", 304))
    again = get(broker.url, known=known(broker, first), as_of=date(2026, 8, 18))
    assert again.path.parent.name == "2026-08-18"
    first.path.unlink()
    assert contents(again) == DUMP


def test_a_changed_dump_is_taken(broker: Broker, get: Get) -> None:
    first = get(broker.answer(gzipped(ETag='"v1"')))
    new = DUMP.replace(b"RELIANCE INDUSTRIES", b"RELIANCE")
    again = get(broker.answer(gzipped(new, ETag='"v2"')), known=known(broker, first))
    assert (again.is_unchanged, again.etag, contents(again)) == (False, '"v2"', new)


@pytest.mark.parametrize(
    "damage", [b"", b"not gzip", gzip.compress(b"other")], ids=["empty", "no gzip", "another file"]
)
def test_a_damaged_archive_is_fetched_anew(broker: Broker, get: Get, damage: bytes) -> None:
    first = get(broker.answer(gzipped(ETag='"v1"')))
    first.path.write_bytes(damage)
    again = get(broker.answer(reply(b"", 304), gzipped(ETag='"v1"')), known=known(broker, first))
    assert (again.is_unchanged, contents(again)) == (False, DUMP)


@pytest.mark.parametrize("change", ["archive gone", "other source", "query"])
def test_what_cannot_be_trusted_to_be_the_same_is_asked_for_whole(
    broker: Broker, get: Get, change: str
) -> None:
    first = get(broker.answer(gzipped(ETag='"v1"')))
    validator, url = known(broker, first), broker.url
    if change == "archive gone":
        first.path.unlink()
    elif change == "other source":
        validator = known(broker, first, source="https://other.example/instruments")
    else:
        url += "?day=2"
        validator = known(broker, first, source=f"{broker.url}?day=***")
    get(url, known=validator)
    assert "If-None-Match" not in broker.requests[1]


def test_no_thread_outlives_a_good_fetch(broker: Broker, get: Get) -> None:
    get(broker.answer(gzipped()))
    assert not [t for t in threading.enumerate() if t.name == "loader-request" and t.is_alive()]
