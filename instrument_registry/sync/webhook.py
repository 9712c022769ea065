"""Post an alert to a URL: once, within seconds, and never elsewhere.

The URL may hold a secret (most chat services put theirs into the path): only scheme and host are
ever shown, and of an error only its kind.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

TIMEOUT_SECONDS: Final = 5.0
_HOPS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_GOOD: Final = range(200, 300)


class WebhookFailed(Exception):
    """The alert was not taken; the message holds nothing of the URL but scheme and host."""


def place(url: str) -> str:
    """What may be shown of a URL."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}/..."


def post(url: str, document: Mapping[str, Any], seconds: float = TIMEOUT_SECONDS) -> None:
    """Post a document as JSON; it is taken when the answer is 2xx.

    Args:
        url: http or https.
        document: plain values.
        seconds: how long all of it may take; a server that trickles does not get more.

    Raises:
        WebhookFailed: it was not taken, or nobody knows.
    """
    outcome: list[str] = []

    def attempt() -> None:
        outcome.append(_attempt(url, json.dumps(document).encode(), seconds))

    # Sockets have a limit a read, not one for the whole; a thread can be left behind.
    thread = threading.Thread(target=attempt, name="registry-alert", daemon=True)
    thread.start()
    thread.join(seconds)
    why = outcome[0] if outcome else f"no answer within {seconds:g} s"
    if why:
        raise WebhookFailed(f"{place(url)}: {why}")


def _attempt(url: str, data: bytes, seconds: float) -> str:
    """Why it was not taken; empty if it was."""
    try:
        for _ in range(_HOPS):
            answer = _post_once(url, data, seconds)
            if isinstance(answer, int):
                return "" if answer in _GOOD else f"it answered {answer}"
            if _origin(answer) != _origin(url):
                return "it redirects elsewhere, which is not followed"
            url = answer
    except urllib.error.URLError as error:
        reason = error.reason
        told = reason.strerror if isinstance(reason, OSError) else None
        return f"it cannot be reached: {told or type(reason).__name__}"
    except (OSError, HTTPException, ValueError) as error:
        return f"it cannot be reached: {type(error).__name__}"
    return f"it redirects more than {_HOPS - 1} times"


def _post_once(url: str, data: bytes, seconds: float) -> int | str:
    """The status of the answer, or where it redirects to.

    Redirects are followed by hand: urllib would turn the alert into a GET, which some server
    answers with 200, and an alert that nobody got would be taken for delivered.
    """
    headers = {"Content-Type": "application/json", "User-Agent": "instrument-registry"}
    # The scheme is checked where the setting is read, and a redirect may not change it.
    request = urllib.request.Request(url, data, headers, method="POST")  # noqa: S310
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            to = error.headers.get("Location")
            return urljoin(url, to) if error.code in _REDIRECTS and to else error.code


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Let a redirect come out as an answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No."""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
