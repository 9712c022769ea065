"""Read the last publication from PostgreSQL: one row a broker, its columns already put together.

PostgreSQL strings each column into one text, so that half a million rows come as a few long values
that are split here: a fraction of what a row at a time costs. Everything is read in one snapshot of
the database; a publication that arrives meanwhile is not half of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from instrument_registry.books import collector_paused
from instrument_registry.broker_names import public_name
from instrument_registry.contents import NO_ID, BrokerColumns, Contents, Listing, unlike
from instrument_registry.errors import RegistryUnavailable, SourceRefused
from instrument_registry.records import Publication, RegistryType

if TYPE_CHECKING:
    import psycopg

_SEPARATOR: Final = "\x1f"
_CONNECT_SECONDS: Final = 10
_FOCUS_ONLY: Final = "where canonical_id in (select canonical_id from marts.focus_instruments)"
# What a value would have to hold for the columns to be torn; NULL is an empty text.
_COLUMNS: Final = (
    "tradingsymbol",
    "broker_token",
    "coalesce(canonical_id, '')",
    "exchange",
    "segment",
    "name",
    "coalesce(lot_size, 0)::text",
    "trim_scale(coalesce(tick_size_inr, 0))::text",
    "coalesce(to_char(expiry_date, 'YYYY-MM-DD'), '')",
    "trim_scale(coalesce(strike, 0))::text",
    "instrument_type",
    "coalesce(isin, '')",
)
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
    with connected(database_url) as connection, collector_paused():
        connection.execute("set transaction isolation level repeatable read, read only")
        found = connection.execute(_PUBLICATION).fetchone()
        if found is None:
            raise SourceRefused("the database holds no publication yet; run `warehouse sync`")
        where = _FOCUS_ONLY if registry_type is RegistryType.INTRADAY_FOCUS else ""
        columns = ", ".join(
            f"string_agg({column}, {_SEPARATOR!r} order by exchange, broker_token)"
            for column in _COLUMNS
        ).replace(repr(_SEPARATOR), "chr(31)")
        rows = connection.execute(
            f"select broker, count(*), bool_or(is_stale), {columns} "  # noqa: S608 - constants
            f"from marts.broker_instruments {where} group by broker "
            "order by (broker <> 'kite'), broker"
        ).fetchall()
        focus = connection.execute("select canonical_id from marts.focus_instruments").fetchall()
    stale = tuple(public_name(row[0]) for row in rows if row[2])
    number, published_at, as_of_date = found
    publication = Publication(number, published_at, as_of_date, "postgresql", stale)
    return _contents(publication, rows, frozenset(identity for (identity,) in focus))


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
    publication: Publication, rows: list[tuple[Any, ...]], focus: frozenset[str]
) -> Contents:
    ids: dict[str, int] = {"": NO_ID}
    pools = _Pools()
    brokers = []
    isins: dict[str, set[str]] = {}
    for broker, counted, _, *texts in rows:
        columns = [text.split(_SEPARATOR) for text in texts]
        if any(len(column) != counted for column in columns):
            raise SourceRefused(
                f"a value of {broker} in marts.broker_instruments holds the character 31, which no "
                "broker's text has; nothing of the publication was taken"
            )
        symbols, tokens, identities, *shared, strikes, types, its_isins = columns
        _number(ids, identities)
        brokers.append(
            BrokerColumns(
                public_name(broker), symbols, tokens,
                array("i", map(ids.__getitem__, identities)),
                pools.listings(public_name(broker), shared),
                pools.strikes(strikes), pools.types(types),
            )
        )  # fmt: skip
        for identity, isin in zip(identities, its_isins, strict=True):
            if isin and identity:
                isins.setdefault(identity, set()).add(isin)
    del ids[""]
    return Contents(
        publication, list(ids), pools.made, [float(text) for text in pools.strike_at],
        list(pools.type_at), tuple(brokers), unlike(isins), focus,
    )  # fmt: skip


def _number(ids: dict[str, int], identities: list[str]) -> None:
    """Give each id that is new the next number; the empty one has its own."""
    for identity in dict.fromkeys(identities):
        if identity not in ids:
            ids[identity] = len(ids) - 1


class _Pools:
    """What repeats, once each."""

    def __init__(self) -> None:
        self.listing_at: dict[tuple[str, ...], int] = {}
        self.made: list[Listing] = []
        self.strike_at: dict[str, int] = {"0": 0}
        self.type_at: dict[str, int] = {}

    def listings(self, broker: str, columns: list[list[str]]) -> array[int]:
        """Positions of what the rows of an expiry share; columns as in the query."""
        found = list(zip(repeat(broker), *columns))
        for key in dict.fromkeys(found):
            _, exchange, segment, name, lot_size, tick_size, expiry = key
            self.listing_at[key] = len(self.made)
            self.made.append(
                (exchange, segment, name, broker, int(lot_size), float(tick_size), expiry)
            )
        return array("I", map(self.listing_at.__getitem__, found))

    def strikes(self, texts: list[str]) -> array[int]:
        """Positions of strikes."""
        return _positions(self.strike_at, texts, "I")

    def types(self, texts: list[str]) -> array[int]:
        """Positions of instrument types."""
        return _positions(self.type_at, texts, "B")


def _positions(pool: dict[str, int], texts: list[str], code: str) -> array[int]:
    for text in dict.fromkeys(texts):
        pool.setdefault(text, len(pool))
    return array(code, map(pool.__getitem__, texts))
