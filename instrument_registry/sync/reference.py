"""The last publication: what every holder should hold, and the published table beside it.

From PostgreSQL only the contracts of the focus underlyings are read, in one snapshot of the
database with the table that is compared. Without a database the local snapshot file stands in.
Redis does not: it holds one broker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from instrument_registry.broker_names import public_name
from instrument_registry.errors import RegistryUnavailable, SourceRefused
from instrument_registry.records import Publication
from instrument_registry.sources import postgres, snapshot
from instrument_registry.sync.comparison import HolderState
from instrument_registry.sync.focus_rows import (
    KITE,
    FocusRow,
    Listings,
    ids_of,
    listings_of,
    rows_of_contents,
)
from instrument_registry.sync.focus_rule import GIVEN, FocusSet, focus_set
from instrument_registry.sync.money import explained_prices
from instrument_registry.sync.settings import MonitorSettings

if TYPE_CHECKING:
    import psycopg

STATEMENT_SECONDS = 30
TABLE: Final = "marts.focus_instruments"
_LISTED: Final = """
    select canonical_id, broker, tradingsymbol, broker_token, coalesce(lot_size, 0),
        coalesce(tick_size_inr, 0), coalesce(strike, 0)
    from marts.broker_instruments
    where canonical_id ^@ any(%s) and expiry_date >= %s
"""
_FOCUS: Final = """
    select canonical_id, 'kite', tradingsymbol, instrument_token::text, coalesce(lot_size, 0),
        coalesce(tick_size_inr, 0), coalesce(strike, 0), underlying, reference_price,
        reference_price_source
    from marts.focus_instruments
"""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the published table.

    Attributes:
        row: as holders are compared.
        underlying: whose money it is.
        price: the money that was recorded with it.
        source: `given` or `middle_strike`.
    """

    row: FocusRow
    underlying: str
    price: Decimal | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """The published table, or why it could not be read."""

    rows: tuple[TableRow, ...] = ()
    failure: HolderState | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """What should be held.

    Attributes:
        publication: the last one, and where it was read.
        focus: which contracts.
        listings: how every broker lists them.
        listed_ids: every contract of the same underlyings that Kite lists.
        table: what the published table holds.
        pending: destinations that the publication has not reached, as the database knows it.
    """

    publication: Publication
    focus: FocusSet
    listings: Listings
    listed_ids: frozenset[str]
    table: Table
    pending: frozenset[str] = frozenset()

    def of_broker(self, broker: str) -> Listings:
        """The listings of one broker."""
        return {key: rows for key, rows in self.listings.items() if key[0] == broker}


def read_reference(settings: MonitorSettings) -> Reference:
    """The last publication, from the database or else from the snapshot file.

    Raises:
        RegistryUnavailable: neither holds one; the message has a reason each.
    """
    database_url = settings.database_url()
    if database_url is None:
        failure, why = HolderState.ABSENT, settings.registry.no_database
    else:
        try:
            return _from_database(database_url, settings)
        except RegistryUnavailable as error:
            failure, why = HolderState.UNREADABLE, str(error)
    try:
        return _from_snapshot(settings, Table(failure=failure, reason=why))
    except RegistryUnavailable as error:
        raise RegistryUnavailable(
            f"no publication to compare with: {why}; {error}. Set DATABASE_URL, or have a "
            "snapshot written after each publication"
        ) from error


def newest_number(reference: Reference, settings: MonitorSettings) -> int | None:
    """The number of the last publication where the reference was read; None if it cannot be said.

    Asked after the holders were read: a publication that came meanwhile explains differences.
    """
    try:
        database_url = settings.database_url()
        if reference.publication.source == "postgresql" and database_url:
            with postgres.connected(database_url) as connection:
                return postgres.newest_publication(connection)
        return snapshot.publication_of(settings.registry.snapshot_file).number
    except RegistryUnavailable:
        return None


def _from_database(database_url: str, settings: MonitorSettings) -> Reference:
    with postgres.connected(database_url) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        # A table that somebody has locked must not hold up one check after the other.
        connection.execute(f"set local statement_timeout = '{STATEMENT_SECONDS}s'")
        found = connection.execute(
            "select publication_id, published_at, as_of_date from ops.publications "
            "order by publication_id desc limit 1"
        ).fetchone()
        if found is None:
            raise SourceRefused("the database holds no publication yet; run `warehouse sync`")
        number, published_at, as_of_date = found
        publication = Publication(number, published_at.astimezone(UTC), as_of_date, "postgresql")
        listed = connection.execute(_LISTED, (list(settings.rule.prefixes), as_of_date)).fetchall()
        table = _table(connection)
        pending = _pending(connection, number)
    rows = [_row(values) for values in listed]
    known = {one.underlying for one in table.rows}
    said = {name: one for name, one in settings.reference_prices.items() if name not in known}
    prices = said | recorded_prices(table.rows)
    return replace(_reference(publication, rows, prices, table, settings), pending=pending)


def _from_snapshot(settings: MonitorSettings, table: Table) -> Reference:
    contents = snapshot.read(settings.registry.snapshot_file)
    rows = list(rows_of_contents(contents, settings.rule.prefixes))
    known = settings.reference_prices
    day = contents.publication.as_of_date
    if contents.focus is not None and day is not None:
        listed = {row.canonical_id for row in rows if row.broker == KITE}
        known = {**known, **explained_prices(listed, contents.focus, day, known, settings.rule)}
    return _reference(contents.publication, rows, known, table, settings)


def _reference(
    publication: Publication, rows: Iterable[FocusRow], prices: Mapping[str, Decimal],
    table: Table, settings: MonitorSettings,
) -> Reference:  # fmt: skip
    if publication.as_of_date is None:
        raise SourceRefused("the publication does not say its as-of date")
    listings = listings_of(rows)
    of_kite = frozenset(ids_of(listings, KITE))
    focus = focus_set(of_kite, publication.as_of_date, prices, settings.rule)
    chosen = {key: found for key, found in listings.items() if key[1] in focus.ids}
    return Reference(publication, focus, chosen, of_kite, table)


def _table(connection: psycopg.Connection) -> Table:
    """The published table; that it cannot be read does not lose the rest of the transaction."""
    import psycopg  # noqa: PLC0415 - there is a connection, so it is there

    try:
        with connection.transaction():
            found = connection.execute(_FOCUS).fetchall()
    except psycopg.errors.UndefinedTable:
        return Table(failure=HolderState.ABSENT, reason=f"{TABLE} does not exist")
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.errors.QueryCanceled) as error:
        told = error.diag.message_primary or type(error).__name__
        return Table(failure=HolderState.UNREADABLE, reason=f"{TABLE} cannot be read: {told}")
    return Table(tuple(TableRow(_row(values[:7]), *values[7:]) for values in found))


def _pending(connection: psycopg.Connection, number: int) -> frozenset[str]:
    """What is left to export; nothing if the database does not say."""
    import psycopg  # noqa: PLC0415 - there is a connection, so it is there

    try:
        with connection.transaction():
            found = connection.execute(
                "select destination from ops.exports "
                "where publication_id = %s and status in ('pending', 'failed')",
                (number,),
            ).fetchall()
    except (psycopg.ProgrammingError, psycopg.errors.QueryCanceled):
        return frozenset()
    return frozenset(name for (name,) in found)


def _row(values: tuple[object, ...]) -> FocusRow:
    identity, broker, symbol, token, lot_size, tick_size, strike = values
    return FocusRow(
        str(identity), public_name(str(broker)), str(symbol), str(token),
        int(str(lot_size)), float(str(tick_size)), float(str(strike)),
    )  # fmt: skip


def recorded_prices(rows: Iterable[TableRow]) -> dict[str, Decimal]:
    """The reference prices that were given to the publication, as most rows have them.

    One that was worked out is worked out again, so that a damaged table does not vouch for itself.
    """
    votes: dict[str, Counter[Decimal | None]] = {}
    for one in rows:
        price = one.price if one.source == GIVEN else None
        votes.setdefault(one.underlying, Counter())[price] += 1
    likeliest = {
        # Of as many votes the lowest price, so that two checks agree.
        name: min(found, key=lambda price: (-found[price], price or 0))
        for name, found in votes.items()
    }
    return {name: price for name, price in likeliest.items() if price is not None}
