"""The front: a broker's name, an exchange and a symbol in, one contract out, and back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from instrument_registry.errors import (
    ExpiryContradicted,
    ExpiryUnresolved,
    NotSpellable,
    SymbolAmbiguous,
    SymbolNotRead,
    shown,
)
from instrument_registry.symbols.brokers import grammar_of, read, write
from instrument_registry.symbols.contracts import (
    Contract,
    Derivative,
    Index,
    Kind,
    Reading,
    Share,
    Undated,
)
from instrument_registry.symbols.listing import ListedExpiries


def readings(
    symbol: str, broker: str, exchange: str, *, kind: Kind | None = None, series: str | None = None
) -> tuple[Reading, ...]:
    """What the text alone says: every contract it can name, `Undated` where it has no day.

    Never empty, and of several readings none is better than another. Arguments and errors
    are those of `parse`, save that nothing is resolved and so nothing is left unresolved.

    Example:
        >>> for reading in readings("NIFTY2690326450CE", "kite", "NFO"):
        ...     print(reading.underlying, reading.expiry, reading.strike)
        NIFTY 2026-09-03 26450
        NIFTY26 2090-03-26 450
        >>> (reading,) = readings("NIFTY-Feb2026-25000-CE", "dhan", "NFO")
        >>> print(reading.underlying, reading.month, reading.strike)
        NIFTY an expiry in 2026-02 25000
    """
    grammar = grammar_of(broker)
    found, expected = read(grammar, symbol, exchange, kind, series)
    if found:
        return found
    raise SymbolNotRead(
        symbol,
        broker=grammar.broker,
        seen=f"{shown(symbol)} seen as a symbol of {exchange}"
        + (f", kind {kind}" if kind else "")
        + (f", series {shown(series)}" if series else ""),
        expected=expected,
        next_step="Check the broker and the exchange: formats overlap and are never detected",
    )


def parse(
    symbol: str,
    broker: str,
    exchange: str,
    *,
    kind: Kind | None = None,
    series: str | None = None,
    underlyings: Collection[str] | None = None,
    listed: ListedExpiries | None = None,
    expiry: date | None = None,
) -> Contract:
    """The one contract that a broker's symbol names.

    Args:
        symbol: exactly as the broker spells it: no blanks around it, no other case.
        broker: whose spelling it is, one of `BROKERS`. It is never detected: most Kite options
            read as another contract in Angel One's format.
        exchange: where it trades: NSE, BSE, NFO, BFO, CDS, BCD, MCX, NCO or NCDEX.
        kind: what it is, where the exchange does not say so. Without it a symbol of NSE or BSE is
            a share (`RELIANCE` is no call) and one of any other exchange a future or an option.
            An index has to be called one.
        series: NSE's series, for brokers that keep it in another column (Dhan, Upstox).
        underlyings: the names that exist. Asked only where the digits can be split in several ways.
        listed: the expiries that exist. Asked where the text has no day, and where the digits can
            be split in several ways.
        expiry: the day on which the contract ends, as another column of the broker's row says. It
            decides between readings, and stands where the text has no day; it never overrules what
            the text, or `listed`, does say.

    Raises:
        UnknownBroker, UnknownExchange: nobody knows the grammar.
        SymbolNotRead: the text is not in it.
        SymbolAmbiguous: several contracts fit; `candidates` has them.
        ExpiryUnresolved: the text has no day, and `listed` is missing or lists none that month.
        ExpiryContradicted: the text names another day or month than `expiry`, or nothing that
            expires; or it names the month's monthly expiry, and `listed` says another day for it.

    Example:
        >>> parse("NIFTY28OCT2524800CE", "angel_one", "NFO").strike
        Decimal('24800')
        >>> parse("BAJFINANCE", "kite", "NSE")
        Share(exchange='NSE', symbol='BAJFINANCE', series='EQ')
        >>> parse("NIFTY2690326450CE", "kite", "NFO", underlyings={"NIFTY", "BANKNIFTY"}).expiry
        datetime.date(2026, 9, 3)
        >>> august = ListedExpiry("NFO", "NIFTY", Kind.FUTURE, date(2026, 8, 25))
        >>> listed = ListedExpiries.of([august])
        >>> parse("NIFTY26AUGFUT", "kite", "NFO", listed=listed)
        Future(exchange='NFO', underlying='NIFTY', expiry=datetime.date(2026, 8, 25))
        >>> row = {"symbol": "NIFTY-Feb2026-25000-CE", "expiry": date(2026, 2, 17)}
        >>> parse(row["symbol"], "dhan", "NFO", expiry=row["expiry"]).expiry
        datetime.date(2026, 2, 17)
    """
    found = readings(symbol, broker, exchange, kind=kind, series=series)
    if expiry is not None:
        ending = _ending_on(found, expiry, listed)
        if not ending:
            raise ExpiryContradicted(
                symbol,
                broker=broker,
                candidates=found,
                seen=f"{shown(symbol)} of {exchange} names {' or '.join(map(_ending, found))}",
                expected=f"a contract that expires on {expiry}",
                next_step="Symbol and expiry are of two contracts: look the token up",
            )
        found = ending
    if len(found) > 1:
        found = _narrowed(found, underlyings, listed)
    if len(found) > 1:
        raise SymbolAmbiguous(
            symbol,
            broker=broker,
            candidates=found,
            seen=f"{shown(symbol)} of {exchange} can be read as {_list(found)}",
            expected="one reading",
            next_step="Give underlyings=... or listed=... that hold only one of them",
        )
    (reading,) = found
    return _dated(symbol, broker, reading, listed) if isinstance(reading, Undated) else reading


def format(  # noqa: A001 - the pair of `parse`, called as symbols.format
    contract: Contract, broker: str, *, listed: ListedExpiries | None = None
) -> str:
    """The broker's symbol of a contract. What it writes is read back first.

    Args:
        contract: what is to be spelled.
        broker: one of `BROKERS`.
        listed: the expiries that exist, for `kite` and wherever else the year comes first: whether
            the month is a name or a number hangs on whether the expiry is the month's monthly one.

    Raises:
        UnknownBroker, UnknownExchange: nobody knows the grammar.
        ExpiryUnresolved: `listed` is needed and missing, or does not hold the contract's expiry.
        NotSpellable: the grammar cannot say this contract (a series that is not known, an
            underlying whose digits would run into the expiry, an index at any broker but Kite).

    Example:
        >>> contract = Option("NFO", "NIFTY", date(2026, 11, 24), Decimal("26450"), OptionType.CE)
        >>> format(contract, "upstox")
        'NIFTY 26450 CE 24 NOV 26'
        >>> format(contract, "dhan")
        'NIFTY-Nov2026-26450-CE'
        >>> listed = ListedExpiries.of([ListedExpiry("NFO", "NIFTY", Kind.OPTION, contract.expiry)])
        >>> format(contract, "kite", listed=listed)
        'NIFTY26NOV26450CE'
    """
    grammar = grammar_of(broker)
    text = write(grammar, contract, listed)
    exchange = "" if isinstance(contract, Index) else contract.exchange
    series = contract.series if isinstance(contract, Share) else None
    back = () if text is None else read(grammar, text, exchange, contract.kind, series)[0]
    if text is None or not any(_says(reading, contract) for reading in back):
        raise NotSpellable(
            contract,
            broker=grammar.broker,
            seen=f"{contract} leaves open what its symbol holds"
            if text is None
            else f"{contract} would be {shown(text)}, which reads as {_list(back) or 'nothing'}",
            expected="terms that the broker's grammar can say",
        )
    return text


def _ending_on(
    found: tuple[Reading, ...], expiry: date, listed: ListedExpiries | None
) -> tuple[Reading, ...]:
    """The readings that end on that day, dated."""
    return tuple(
        reading.on(expiry) if isinstance(reading, Undated) else reading
        for reading in found
        if _ends_on(reading, expiry, listed)
    )


def _ends_on(reading: Reading, expiry: date, listed: ListedExpiries | None) -> bool:
    if isinstance(reading, Derivative):
        return reading.expiry == expiry
    if not isinstance(reading, Undated):
        return False
    month = reading.month
    if (month.year, month.month) != (expiry.year, expiry.month):
        return False
    if not month.is_monthly or listed is None:
        return True
    where = (reading.exchange, reading.underlying, reading.kind, month.year, month.month)
    monthly = listed.monthly(*where)
    return not monthly or expiry in monthly


def _ending(reading: Reading) -> str:
    """When it ends, in words."""
    if isinstance(reading, Undated):
        return str(reading.month)
    return str(reading.expiry) if isinstance(reading, Derivative) else "nothing that expires"


def _narrowed(
    found: tuple[Reading, ...],
    underlyings: Collection[str] | None,
    listed: ListedExpiries | None,
) -> tuple[Reading, ...]:
    """The readings that exist; all of them again if none does, for then nothing was decided."""
    kept = [reading for reading in found if _exists(reading, underlyings, listed)]
    return tuple(kept) or found


def _exists(
    reading: Reading, underlyings: Collection[str] | None, listed: ListedExpiries | None
) -> bool:
    if not isinstance(reading, Derivative):
        return True
    return (underlyings is None or reading.underlying in underlyings) and (
        listed is None
        or listed.holds(reading.exchange, reading.underlying, reading.kind, reading.expiry)
    )


def _dated(symbol: str, broker: str, reading: Undated, listed: ListedExpiries | None) -> Derivative:
    month = reading.month
    where = (reading.exchange, reading.underlying, reading.kind, month.year, month.month)
    days: tuple[object, ...] = ()
    if listed is not None:
        found = listed.monthly(*where) if month.is_monthly else listed.in_month(*where)
        if len(found) == 1:
            return reading.on(found[0])
        days = found
    seen = f"{shown(symbol)} of {reading.exchange} names {month}, not the day"
    if not days:
        raise ExpiryUnresolved(
            symbol,
            broker=broker,
            seen=seen + ("" if listed is None else ", and none is listed"),
            expected=f"listed expiries of {reading.underlying} in {month.year}-{month.month:02d}",
            next_step="Give listed=ListedExpiries.of(...), made from a dump of that time",
        )
    raise SymbolAmbiguous(
        symbol,
        broker=broker,
        candidates=[reading.on(day) for day in found],
        seen=f"{seen}; listed are {', '.join(map(str, days))}",
        expected="one expiry",
        next_step="Take the expiry from the broker's own column, or look the token up",
    )


def _says(reading: Reading, contract: Contract) -> bool:
    if isinstance(reading, Undated) and isinstance(contract, Derivative):
        same_month = (reading.month.year, reading.month.month) == (
            contract.expiry.year,
            contract.expiry.month,
        )
        return same_month and reading.on(contract.expiry) == contract
    return reading == contract


def _list(found: Collection[Reading]) -> str:
    return " or ".join(str(reading) for reading in found)
