"""Downloading a dump over HTTP: bounded in time and size, retried where that can help.

What goes wrong is told apart: an outage (unreachable, too slow, 4xx, 5xx, an HTML page) is
`BrokerUnavailable`; an answer that is no dump (a JSON error, too big) is `DumpRefused`. A dump
that lacks its end, or is empty, is asked for again: the broker may be writing it just now.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import requests
import tenacity
import urllib3

from loader import request
from loader.errors import UNCHANGED, BrokerUnavailable, DumpIncomplete, DumpRefused
from loader.feeds.feed import Feed
from loader.gunzip import gunzip, sniff
from loader.options import FetchOptions
from loader.request import Outage
from loader.source import Remote
from loader.wording import shown

_PIECE = 1 << 16
_MAX_WAIT = 60.0
_MAX_ERROR_BODY = 1 << 14
_OK, _NOT_MODIFIED, _TOO_MANY_REQUESTS, _SERVER_ERROR = 200, 304, 429, 500

Progress = Callable[[int, int | None], None]
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its validators and, unless it was a 304, its bytes.

    Attributes:
        etag: for the next conditional request.
        last_modified: for the next conditional request.
        chunks: the body, without its transfer's own gzip; None for "not modified".
    """

    etag: str | None
    last_modified: str | None
    chunks: Iterator[bytes] | None


class Download:
    """One download, with its retries and its deadline."""

    def __init__(
        self,
        remote: Remote,
        feed: Feed,
        options: FetchOptions,
        on_progress: Progress | None = None,
    ) -> None:
        self._remote = remote
        self._feed = feed
        self._options = options
        self._on_progress = on_progress
        self._ends_at = time.monotonic() + options.deadline

    def run(self, consume: Callable[[Answer], T], conditions: Mapping[str, str]) -> T:
        """Request the dump and hand the answer to `consume`, which reads it to the end.

        `consume` is called anew for each attempt, as a connection may break on the way.

        Args:
            consume: given a good answer, returns what this method returns.
            conditions: headers of a conditional request; empty for a plain one.

        Raises:
            BrokerUnavailable: an outage, after the last attempt.
            DumpRefused: an answer that is not a dump; after the last attempt, where it is a
                dump that is not whole.
        """
        options = self._options
        backoff = tenacity.wait_exponential(options.backoff, _MAX_WAIT) + tenacity.wait_random(
            0, options.backoff
        )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=tenacity.stop_after_attempt(options.attempts)
            | tenacity.stop_before_delay(max(0.0, self._ends_at - time.monotonic())),
            wait=lambda state: max(_retry_after(state), backoff(state)),
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            with _no_urls_in_logs():
                return retrying(functools.partial(self._attempt, consume, conditions))
        except Outage as outage:
            tries = retrying.statistics.get("attempt_number", 1)
            raise self._unavailable(outage, tries) from outage

    def _unavailable(self, outage: Outage, tries: int) -> BrokerUnavailable:
        times = f" ({tries} attempts)" if tries > 1 else ""
        offline = (
            "; to try things out without the broker, on generated data whose tokens are made up"
            f" (never stream them): {self._options.offline_command}"
            if self._feed.has_sample
            else "."
        )
        return BrokerUnavailable(
            f"{self._feed.title} gave no dump: {self._remote.shown} {outage.seen}{times}",
            expected=f"a {self._feed.formats} dump",
            next_step=f"{UNCHANGED} Try again later{offline}",
        )

    def _attempt(self, consume: Callable[[Answer], T], conditions: Mapping[str, str]) -> T:
        with requests.Session() as session:
            response = request.send(
                session,
                self._remote,
                self._options,
                {"Accept": _accepted(self._feed), **conditions},
                ends_at=self._ends_at,
            )
            try:
                return consume(self._answer(response, is_conditional=bool(conditions)))
            finally:
                response.close()

    def _answer(self, response: requests.Response, *, is_conditional: bool) -> Answer:
        status = response.status_code
        headers = response.headers
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        if status == _NOT_MODIFIED and is_conditional:
            return Answer(etag, modified, None)
        if status != _OK:
            raise Outage(
                f"answered {status}{self._said(response)}",
                may_pass=status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR,
                retry_after=request.retry_after(response),
            )
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if "json" in kind and not self._feed.json:
            raise self._json_error(response)
        if kind and not any(part in kind for part in self._feed.content_types):
            page = "an HTML page" if "html" in kind else f"content of type {shown(kind)}"
            raise Outage(f"answered 200 with {page} instead of {self._feed.formats}")
        return Answer(etag, modified, self._chunks(response))

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        chunks = self._body(response)
        if encoding in {"gzip", "x-gzip"}:
            is_zipped, chunks = sniff(chunks)
            chunks = gunzip(chunks) if is_zipped else chunks
        elif encoding not in {"", "identity"}:
            raise DumpRefused(
                f"the answer is in content encoding {shown(encoding)}",
                expected="gzip or none",
            )
        start = b""
        for chunk in chunks:
            if not start.strip():
                start = (start + chunk)[:_MAX_ERROR_BODY]
                self._check_start(start.lstrip())
            yield chunk

    def _check_start(self, start: bytes) -> None:
        """Catch the pages and errors that come as 200 and call themselves a dump."""
        if start.startswith(b"<"):
            raise Outage(f"answered 200 with an HTML page instead of {self._feed.formats}")
        if start.startswith(b"{") or (start.startswith(b"[") and not self._feed.json):
            raise self._refused_json(start)

    def _body(self, response: requests.Response) -> Iterator[bytes]:
        """The bytes as they came over the wire.

        `read1` returns what has arrived, so a server that drips cannot hide from the deadline.
        """
        total = request.content_length(response)
        if total is not None and total > self._options.max_bytes:
            raise too_big(self._options.max_bytes, self._feed)
        received = 0
        while True:
            if time.monotonic() > self._ends_at:
                raise request.too_slow(self._options, received)
            try:
                piece = response.raw.read1(_PIECE, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise request.broken_off(error, received, total) from None
            if not piece:
                break
            received += len(piece)
            if self._on_progress:
                self._on_progress(received, total)
            yield piece

    def _json_error(self, response: requests.Response) -> DumpRefused:
        return self._refused_json(self._first_bytes(response))

    def _refused_json(self, body: bytes) -> DumpRefused:
        return DumpRefused(
            "the answer is a JSON error instead of a dump:"
            f" {_json_message(body) or shown(body.decode(errors='replace'))}",
            expected=self._feed.formats,
        )

    def _said(self, response: requests.Response) -> str:
        message = _json_message(self._first_bytes(response))
        return f" ({message})" if message else ""

    def _first_bytes(self, response: requests.Response) -> bytes:
        body = b""
        try:
            for piece in self._body(response):
                body += piece
                if len(body) >= _MAX_ERROR_BODY:
                    break
            is_zipped, chunks = sniff([body])
            return b"".join(gunzip(chunks)) if is_zipped else body
        except (Outage, DumpRefused):
            return body  # what an error page says is a help, no more


def too_big(max_bytes: int, feed: Feed) -> DumpRefused:
    """The error for a dump over the cap."""
    return DumpRefused(
        f"the dump is bigger than {max_bytes:,} bytes",
        expected=f"a dump under that size (a real one has about {feed.usual_bytes:,})",
    )


def _accepted(feed: Feed) -> str:
    kinds = [("application/json", feed.json), ("text/csv", feed.csv)]
    return ", ".join([*(kind for kind, form in kinds if form), "*/*;q=0.5"])


def _json_message(body: bytes) -> str | None:
    """What a JSON error says in words (Kite: `{"status": "error", "message": ...}`)."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    message = said.get("message") if isinstance(said, dict) else None
    return shown(message) if isinstance(message, str) and message else None


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, Outage):
        return error.may_pass
    return isinstance(error, DumpIncomplete)


def _retry_after(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after or 0.0) if isinstance(error, Outage) else 0.0


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(
        "event=fetch_retry attempt=%d wait_seconds=%.1f seen=%r",
        state.attempt_number,
        state.upcoming_sleep,
        str(error),
    )


@contextmanager
def _no_urls_in_logs() -> Iterator[None]:
    """Keep the HTTP library from logging URLs, whose query may hold a secret."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)
