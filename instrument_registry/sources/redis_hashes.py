"""Kite's instruments from Redis: the hashes `instrument:{token}` that the warehouse exports.

They hold one broker, no focus set and no ISINs: the last resort, when neither database nor
snapshot is to be had. The marker `instruments:publication` says which publication they are; an
export that is under way, or was cut off, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from instrument_registry.errors import RegistryUnavailable, SourceRefused, shown
from instrument_registry.records import BrokerRow, Publication, RegistryType
from instrument_registry.sources.contents import Contents
from instrument_registry.symbols.notation import strike_text

if TYPE_CHECKING:
    import redis

_PREFIX: Final = "instrument:"
_MARKER: Final = "instruments:publication"
_CHANNEL: Final = "instruments:updated"
_FIELDS: Final = (
    "exchange", "tradingsymbol", "name", "segment", "instrument_type", "expiry", "strike",
    "tick_size", "lot_size",
)  # fmt: skip
_AT_ONCE: Final = 2000
_SECONDS: Final = 10


def read_contents(
    redis_url: str, registry_type: RegistryType = RegistryType.COMPREHENSIVE
) -> Contents:
    """Kite's rows of the publication that Redis holds.

    Raises:
        RegistryUnavailable: no connection, or no focus set, which Redis does not hold.
        SourceRefused: no instruments, an unfinished export, or hashes that are no instruments.
    """
    if registry_type is RegistryType.INTRADAY_FOCUS:
        raise RegistryUnavailable("Redis holds no focus set, only Kite's instruments")
    with _connected(redis_url) as client:
        before = _marker(client)
        rows = list(_rows(client))
        if _marker(client) != before:
            raise SourceRefused("Redis was filled anew while it was read; try again")
    return Contents.of(rows, _publication(before, len(rows)))


def newest_publication(redis_url: str) -> int:
    """The number of the publication that Redis holds whole; 0 if it does not say.

    Raises:
        RegistryUnavailable: no connection.
    """
    with _connected(redis_url) as client:
        marker = _marker(client)
    number = marker.get("publication", "")
    return int(number) if marker.get("state") == "complete" and number.isdecimal() else 0


@contextmanager
def announcements(redis_url: str) -> Iterator[Callable[[float], bool]]:
    """What waits so many seconds at most for an export into Redis, and says whether one was told.

    Raises:
        RegistryUnavailable: no connection, or it was lost.
    """
    with (
        _connected(redis_url) as client,
        client.pubsub(ignore_subscribe_messages=True) as channel,  # type: ignore[no-untyped-call]
    ):
        channel.subscribe(_CHANNEL)
        yield lambda seconds: channel.get_message(timeout=seconds) is not None


@contextmanager
def _connected(redis_url: str) -> Iterator[redis.Redis]:
    try:
        import redis  # noqa: PLC0415 - only who reads Redis needs it
    except ImportError as error:
        raise RegistryUnavailable("Redis needs the package redis") from error
    try:
        with redis.Redis.from_url(
            redis_url, decode_responses=True, socket_connect_timeout=_SECONDS,
            socket_timeout=_SECONDS,
        ) as client:  # fmt: skip
            yield client
    except redis.RedisError as error:
        raise RegistryUnavailable(f"Redis cannot be read: {type(error).__name__}") from error


def _marker(client: redis.Redis) -> dict[str, str]:
    found: Any = client.hgetall(_MARKER)
    return dict(found)


def _publication(marker: dict[str, str], rows: int) -> Publication:
    if not rows:
        raise SourceRefused("Redis holds no instruments")
    if not marker:
        return Publication(source="redis")
    if marker.get("state") != "complete":
        raise SourceRefused("an export into Redis is under way or was cut off")
    if marker.get("rows") != str(rows):
        raise SourceRefused(
            f"Redis holds {rows} instruments; its marker says {shown(marker.get('rows'))}"
        )
    try:
        return Publication(
            number=int(marker["publication"]),
            published_at=datetime.fromisoformat(marker["published_at"]),
            as_of_date=date.fromisoformat(marker["as_of"]),
            source="redis",
        )
    except (KeyError, ValueError) as error:
        raise SourceRefused(f"the marker {_MARKER} cannot be read: {error}") from error


def _rows(client: redis.Redis) -> Iterator[BrokerRow]:
    keys = iter(client.scan_iter(match=f"{_PREFIX}*", count=_AT_ONCE))
    seen: set[str] = set()
    while some := list(islice(keys, _AT_ONCE)):
        # SCAN may give a key twice.
        new = [key for key in dict.fromkeys(some) if key not in seen]
        seen.update(new)
        pipeline = client.pipeline(transaction=False)
        for key in new:
            pipeline.hmget(key, list(_FIELDS))
        for key, values in zip(new, pipeline.execute(), strict=True):
            if any(value is not None for value in values):
                yield _row(key, values)


def _row(key: str, values: Sequence[str | None]) -> BrokerRow:
    try:
        exchange, symbol, name, segment, kind, expiry, strike, tick, lot = map(_text, values)
        day = date.fromisoformat(expiry) if expiry else None
        price = Decimal(strike) if kind in {"CE", "PE"} else None
        identity = _identity(exchange, symbol, name, segment, day, price, kind)
        return BrokerRow(
            "kite", exchange, str(int(key.removeprefix(_PREFIX))), identity, symbol, name,
            segment, kind, None, price, Decimal(tick), int(lot), day,
        )  # fmt: skip
    except (ValueError, InvalidOperation) as error:
        raise SourceRefused(f"{shown(key)} in Redis is no instrument: {error}") from error


def _text(value: str | None) -> str:
    if value is None:
        raise ValueError("a field is missing")
    return value


def _identity(  # noqa: PLR0917 - a row's columns, in their order
    exchange: str, symbol: str, name: str, segment: str, day: date | None,
    strike: Decimal | None, kind: str,
) -> str:  # fmt: skip
    """The canonical id, as dbt spells it in `int_kite_instruments__identified`."""
    if kind == "EQ":
        where = "INDEX" if segment in {"INDICES", "NSE-INDICES"} else exchange
        return f"{where}:{symbol.strip()}"
    if day is None:
        raise ValueError(f"a contract without an expiry: {shown(symbol)}")
    head = f"{exchange}:{name.strip()}:{day.isoformat()}"
    return f"{head}:FUT" if strike is None else f"{head}:{strike_text(strike)}:{kind}"
