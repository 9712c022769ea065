"""One HTTP request: sent in bounded time, redirected only where that is safe, failed in words."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth

from loader.options import FetchOptions
from loader.source import Remote, is_loopback, redact

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Outage(Exception):  # becomes BrokerUnavailable once the attempts are used up
    """The broker gave no dump.

    Attributes:
        seen: what it did, as the end of a sentence that begins with its URL.
        may_pass: whether another attempt may help.
        retry_after: seconds that the broker asked for.
    """

    def __init__(
        self, seen: str, *, may_pass: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(seen)
        self.seen = seen
        self.may_pass = may_pass
        self.retry_after = retry_after


def send(
    session: requests.Session,
    remote: Remote,
    options: FetchOptions,
    conditions: Mapping[str, str],
    *,
    ends_at: float,
) -> requests.Response:
    """Send the request, follow its redirects, and return the answer with its body unread.

    Args:
        session: the connection's owner.
        remote: where to.
        options: timeouts and headers.
        conditions: headers of this request: what is accepted, and under which conditions.
        ends_at: when patience ends, on `time.monotonic`'s clock.

    Raises:
        Outage: no answer, or a redirect that is not followed.
    """
    url = remote.url
    for _ in range(_MAX_REDIRECTS + 1):
        headers, login = _credentials(url, remote, options)
        left = max(0.001, ends_at - time.monotonic())
        session.trust_env = not is_loopback(urlsplit(url).hostname)  # no proxy to this machine
        get = functools.partial(
            session.get,
            url,
            headers={**headers, **conditions},
            auth=login,
            timeout=(min(options.connect_timeout, left), min(options.read_timeout, left)),
            stream=True,
            allow_redirects=False,
        )
        response = _in_time(get, options, left)
        if response.status_code not in _REDIRECTS:
            return response
        url = _target(url, response)
    raise Outage(f"redirects more than {_MAX_REDIRECTS} times", may_pass=False)


def _credentials(
    url: str, remote: Remote, options: FetchOptions
) -> tuple[dict[str, str], AuthBase]:
    """The headers and login for this URL: secrets go to the host that they were given for only."""
    is_home = _origin(url) == _origin(remote.url)
    headers = {
        "User-Agent": options.user_agent,
        "Accept-Encoding": "gzip",
        **(options.headers if is_home else {}),
    }
    login = HTTPBasicAuth(*remote.login) if remote.login and is_home else _NoLogin()
    return headers, login


class _NoLogin(AuthBase):
    """Sends no credentials; without it requests would look for some in `~/.netrc`."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


def _in_time(
    get: Callable[[], requests.Response], options: FetchOptions, left: float
) -> requests.Response:
    """Send from a thread of its own: a server that drips its headers resets every other timeout."""
    answers: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()
    given_up = threading.Event()

    def work() -> None:
        try:
            answers.put(get())
        except Exception as error:  # noqa: BLE001  # handed to the caller's thread
            answers.put(error)
        if given_up.is_set():
            _close_unread(answers)

    threading.Thread(target=work, name="loader-request", daemon=True).start()
    try:
        answer = answers.get(timeout=left)
    except queue.Empty:
        given_up.set()
        _close_unread(answers)
        raise too_slow(options, 0) from None
    if isinstance(answer, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
        # The library's own words hold the URL with its query: they are not passed on.
        raise Outage(_reason(answer, options), may_pass=not isinstance(answer, ValueError))
    if isinstance(answer, Exception):
        raise answer
    return answer


def _close_unread(answers: queue.SimpleQueue[requests.Response | Exception]) -> None:
    """Close an answer that came when nobody waited for it any more."""
    with suppress(queue.Empty):
        answer = answers.get_nowait()
        if isinstance(answer, requests.Response):
            answer.close()


def _target(url: str, response: requests.Response) -> str:
    """Where a redirect leads, if it may be followed.

    Never off https; from http (which is this machine) only to https or to this machine.
    """
    location = response.headers.get("Location")
    response.close()
    if not location:
        raise Outage(f"answered {response.status_code} without saying where to", may_pass=False)
    target = urlsplit(urljoin(url, location))
    is_safe = target.scheme == "https" or (
        target.scheme == "http" and urlsplit(url).scheme == "http" and is_loopback(target.hostname)
    )
    if not is_safe or "@" in target.netloc:
        raise Outage(
            f"redirects to {redact(target.geturl())}, which is not followed", may_pass=False
        )
    return target.geturl()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def too_slow(options: FetchOptions, received: int) -> Outage:
    """The outage of a server that was not done by the deadline."""
    return Outage(
        f"was not done after {options.deadline:g} seconds ({received:,} bytes had come)",
        may_pass=False,
    )


def broken_off(error: Exception, received: int, total: int | None) -> Outage:
    """The outage of a connection that broke inside the body."""
    of = f" of {total:,}" if total is not None else ""
    how = "went silent" if _is_timeout(error) else "broke off"
    return Outage(f"{how} after {received:,}{of} bytes")


def retry_after(response: requests.Response) -> float | None:
    """Seconds that the `Retry-After` header asks for (RFC 9110: seconds, or a date)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        # Against the server's own clock, which wrote the date.
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(response.headers["Date"])
    except (ValueError, KeyError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def content_length(response: requests.Response) -> int | None:
    """The length that the server promised for the body, as sent."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _reason(error: Exception, options: FetchOptions) -> str:
    """What went wrong, in words that hold nothing of the request."""
    kinds = {
        requests.ConnectTimeout: f"could not be reached within {options.connect_timeout:g} seconds",
        requests.Timeout: f"did not answer within {options.read_timeout:g} seconds",
        requests.exceptions.SSLError: "could not be trusted: the TLS handshake failed",
        requests.exceptions.ProxyError: "could not be reached through the proxy",
    }
    for kind, words in kinds.items():
        if isinstance(error, kind):
            return words
    return _connection_reason(error)


def _connection_reason(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, urllib3.exceptions.NameResolutionError):
            return "could not be reached: its name is unknown here (is this machine offline?)"
        if type(cause).__module__ == "builtins" and isinstance(cause, OSError) and cause.strerror:
            return f"could not be reached: {cause.strerror.lower()}"
    if isinstance(error, requests.ConnectionError):
        return "closed the connection without an answer"
    return f"could not be requested ({type(error).__name__})"


def _is_timeout(error: Exception) -> bool:
    timeouts = (urllib3.exceptions.TimeoutError, TimeoutError)
    return any(isinstance(cause, timeouts) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it came of, however the libraries packed it."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
