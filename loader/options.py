"""How patient and how trusting a fetch is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

MIB = 1 << 20


def _user_agent() -> str:
    try:
        return f"instrument-warehouse/{version('instrument-warehouse')}"
    except PackageNotFoundError:
        return "instrument-warehouse"


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How patient and how trusting a fetch is.

    Attributes:
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the next bytes.
        deadline: seconds for the whole fetch with its retries; it ends a server that drips.
        attempts: how often a request is tried, at least 1.
        backoff: seconds before the second attempt; doubles each time, with jitter.
        max_bytes: how many bytes a dump may have, zipped or not.
        headers: sent with the request (`X-Kite-Version`, `Authorization`), to its own host only.
        user_agent: sent with the request.
        sample_rows: how many rows the sample has.
        offline_command: what a person may run when the broker is down, for the message.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 300.0
    attempts: int = 4
    backoff: float = 1.0
    max_bytes: int = 512 * MIB
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    user_agent: str = field(default_factory=_user_agent)
    sample_rows: int = 126_000
    offline_command: str = "make sync FILTER=nifty SOURCE=sample"
