"""Read the last publication from PostgreSQL: one row a broker, its columns already put together.

PostgreSQL strings each column into one text, so that half a million rows come as a few long values
that are split here: a fraction of what a row at a time costs. Everything is read in one snapshot of
the database; a publication that arrives meanwhile is not half of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, Final

from instrument_registry.broker_names import public_name
from instrument_registry.errors import RegistryUnavailable, SourceRefused
from instrument_registry.records import Publication, RegistryType
from instrument_registry.sources.collector import collector_paused
from instrument_registry.sources.contents import (
    NO_ID,
    BrokerColumns,
    Contents,
    Listing,
    picked,
    unlike,
)

if TYPE_CHECKING:
    import psycopg

_SEPARATOR: Final = "\x1f"
_WITHIN: Final = "\x1e"
_PARTS: Final = 7
_CONNECT_SECONDS: Final = 10
_FIRST_DAY: Final = date(1, 1, 1)
_FOCUS_ONLY: Final = "where canonical_id in (select canonical_id from marts.focus_instruments)"
# What all strikes of an expiry share is one text: most of it is split once, not once a row. Numbers
# keep their trailing zeros, and a day is a number: what repeats is read once, here.
_COLUMNS: Final = (
    "tradingsymbol",
    "broker_token",
    "coalesce(canonical_id, '')",
    """concat_ws(chr(30), exchange, segment, name, coalesce(lot_size, 0),
        coalesce(tick_size_inr, 0), coalesce(expiry_date - date '0001-01-01', -1),
        instrument_type)""",
    "coalesce(strike, 0)",
)
_ISINS: Final = """
    select canonical_id, isin from marts.broker_instruments
    where isin <> '' and canonical_id is not null and exchange in ('NSE', 'BSE')
"""
# What a broker calls a row of the focus set and others outside of it.
_ELSEWHERE: Final = """
    with focus as (select canonical_id from marts.focus_instruments),
    called as (
        select distinct broker, tradingsymbol from marts.broker_instruments
        where canonical_id in (select canonical_id from focus)
    )
    select distinct r.broker, r.exchange, r.tradingsymbol
    from marts.broker_instruments as r
    inner join called on called.broker = r.broker and called.tradingsymbol = r.tradingsymbol
    where r.canonical_id is null or r.canonical_id not in (select canonical_id from focus)
"""
_PUBLICATION: Final = """
    select publication_id, published_at, as_of_date from ops.publications
    order by publication_id desc limit 1
"""


def read_contents(
    database_url: str, registry_type: RegistryType = RegistryType.COMPREHENSIVE
) -> Contents:
    """The last publication.

    Args:
        database_url: a PostgreSQL URL or DSN.
        registry_type: INTRADAY_FOCUS reads the rows of the focus set alone.

    Raises:
        RegistryUnavailable: no connection, or no right to read.
        SourceRefused: nothing is published, or a value that cannot be carried.
    """
    with connected(database_url) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        return contents_of(connection.cursor(), registry_type)


def contents_of(
    cursor: psycopg.Cursor[tuple[Any, ...]],
    registry_type: RegistryType = RegistryType.COMPREHENSIVE,
) -> Contents:
    """The last publication, in the transaction of a cursor.

    Raises:
        SourceRefused: nothing is published, or a value that cannot be carried.
    """
    found = cursor.execute(_PUBLICATION).fetchone()
    if found is None:
        raise SourceRefused("the database holds no publication yet; run `warehouse sync`")
    where = _FOCUS_ONLY if registry_type is RegistryType.INTRADAY_FOCUS else ""
    # Unordered: one pass hands each row to all of them, so that they agree on its place.
    columns = ", ".join(
        f"string_agg(({column})::text, chr({ord(_SEPARATOR)}))" for column in _COLUMNS
    )
    with collector_paused():
        rows = cursor.execute(
            f"select broker, count(*), bool_or(is_stale), {columns} "  # noqa: S608 - constants
            f"from marts.broker_instruments {where} group by broker"
        ).fetchall()
        rows.sort(key=lambda row: (row[0] != "kite", row[0]))
        isins = cursor.execute(_ISINS).fetchall()
        focus = cursor.execute("select canonical_id from marts.focus_instruments").fetchall()
        stale = tuple(public_name(row[0]) for row in rows if row[2])
        number, published_at, as_of_date = found
        publication = Publication(number, published_at, as_of_date, "postgresql", stale)
        its_isins: dict[str, set[str]] = {}
        for identity, isin in isins:
            its_isins.setdefault(identity, set()).add(isin)
        different, focused = unlike(its_isins), frozenset(identity for (identity,) in focus)
        made = _contents(publication, rows, different, focused)
        return replace(made, elsewhere=_elsewhere(cursor)) if where else made


def _elsewhere(cursor: psycopg.Cursor[tuple[Any, ...]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for broker, exchange, symbol in cursor.execute(_ELSEWHERE).fetchall():
        found.setdefault(public_name(broker), set()).update({symbol, f"{exchange}:{symbol}"})
    return {broker: frozenset(texts) for broker, texts in found.items()}


def newest_publication(connection: psycopg.Connection) -> int:
    """The number of the last publication, 0 if there is none."""
    found = connection.execute("select max(publication_id) from ops.publications").fetchone()
    return int(found[0] or 0) if found else 0


@contextmanager
def connected(database_url: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """A connection for reading.

    Raises:
        RegistryUnavailable: it cannot be had, was lost, or may not read; never with the URL.
    """
    try:
        import psycopg  # noqa: PLC0415 - only who reads a database needs it
    except ImportError as error:
        raise RegistryUnavailable("PostgreSQL needs the package psycopg") from error
    try:
        with psycopg.connect(
            database_url, autocommit=autocommit, connect_timeout=_CONNECT_SECONDS,
            application_name="instrument_registry",
        ) as connection:  # fmt: skip
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise SourceRefused(
            f"the database is no warehouse that this registry knows: {error.diag.message_primary}; "
            "run `warehouse sync` with a version of the same time"
        ) from error
    except psycopg.Error as error:
        told = (error.diag.message_primary or type(error).__name__).strip()
        raise RegistryUnavailable(f"PostgreSQL cannot be read: {told}") from error


def _contents(
    publication: Publication,
    rows: list[tuple[Any, ...]],
    different: frozenset[str],
    focus: frozenset[str],
) -> Contents:
    ids: dict[str, int] = {"": NO_ID}
    pools = _Pools()
    brokers = []
    for broker, counted, _, *texts in rows:
        columns = [text.split(_SEPARATOR) for text in texts]
        if any(len(column) != counted for column in columns):
            raise _shifted(broker)
        symbols, tokens, identities, shared, strikes = columns
        _number(ids, identities)
        listings, types = pools.shared(broker, shared)
        brokers.append(
            BrokerColumns(
                public_name(broker), symbols, tokens,
                array("i", map(ids.__getitem__, identities)),
                listings, pools.strikes(strikes), types,
            )
        )  # fmt: skip
    del ids[""]
    return Contents(
        publication, list(ids), pools.listings, [float(text) for text in pools.strike_at],
        list(pools.type_at), tuple(brokers), different, focus,
    )  # fmt: skip


def _number(ids: dict[str, int], identities: list[str]) -> None:
    """Give each id that is new the next number; the empty one has its own."""
    fresh = [identity for identity in dict.fromkeys(identities) if identity not in ids]
    ids.update(zip(fresh, count(len(ids) - 1)))


def _shifted(broker: str) -> SourceRefused:
    return SourceRefused(
        f"a value of {broker} in marts.broker_instruments holds the character 30 or 31, which no "
        "broker's text has; nothing of the publication was taken"
    )


class _Pools:
    """What repeats, once each."""

    def __init__(self) -> None:
        self.listings: list[Listing] = []
        self.strike_at: dict[str, int] = {"0": 0}
        self.type_at: dict[str, int] = {}
        self.texts: dict[str, str] = {}

    def shared(self, broker: str, texts: list[str]) -> tuple[array[int], array[int]]:
        """Positions of a broker's listings and types."""
        distinct = list(dict.fromkeys(texts))
        parts = [text.split(_WITHIN) for text in distinct]
        if set(map(len, parts)) - {_PARTS}:
            raise _shifted(broker)
        columns = zip(*parts, strict=True) if parts else [()] * _PARTS
        exchanges, segments, names, lots, ticks, days, kinds = columns
        expiries = {day: _expiry(day) for day in set(days)}
        first = len(self.listings)
        self.listings += zip(
            self._once(exchanges), self._once(segments), self._once(names),
            repeat(public_name(broker), len(parts)), map(int, lots), map(float, ticks),
            map(expiries.__getitem__, days), strict=True,
        )  # fmt: skip
        for kind in dict.fromkeys(kinds):
            self.type_at.setdefault(kind, len(self.type_at))
        # Long texts are compared once each: what else a row needs is found by their positions.
        place = dict(zip(distinct, range(len(distinct)), strict=True))
        places = list(map(place.__getitem__, texts))
        types = [self.type_at[kind] for kind in kinds]
        return array("I", map(first.__add__, places)), array("B", picked(types, places))

    def _once(self, texts: Sequence[str]) -> Iterable[str]:
        """The same texts, each one object only."""
        return map(self.texts.setdefault, texts, texts)

    def strikes(self, texts: list[str]) -> array[int]:
        """Positions of strikes."""
        for text in dict.fromkeys(texts):
            self.strike_at.setdefault(text, len(self.strike_at))
        return array("I", map(self.strike_at.__getitem__, texts))


def _expiry(days: str) -> str:
    return "" if days == "-1" else str(_FIRST_DAY + timedelta(int(days)))
