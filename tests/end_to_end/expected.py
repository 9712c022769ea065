"""What each destination must hold, worked out from the dump alone, with the csv module and Python.

Nothing here knows the warehouse: it follows CONTRACTS, so that the two can disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from tests.end_to_end.dumps import FOCUS, OPTIONS, Row

STRIKES_EACH_SIDE = 10
NEAREST = 2


def _number(text: str) -> str:
    """As `str(float)` writes it; a bare 0 for nothing."""
    value = float(text or 0)
    return str(value) if value else "0"


def redis_hashes(rows: Iterable[Row]) -> dict[str, dict[str, str]]:
    """CONTRACTS 4."""
    return {
        f"instrument:{row['instrument_token']}": {
            "tradingsymbol": row["tradingsymbol"],
            "exchange": row["exchange"],
            "instrument_type": row["instrument_type"],
            "segment": row["segment"],
            "name": row["name"],
            "expiry": row["expiry"],
            "strike": _number(row["strike"]),
            "tick_size": _number(row["tick_size"]),
            "lot_size": str(int(float(row["lot_size"] or 0))),
            "exchange_token": str(int(row["exchange_token"])),
        }
        for row in rows
    }


def is_withheld(row: Row) -> bool:
    """Whether numeric(12,2) cannot hold the strike, or numeric(10,4) the tick."""
    strike, tick = Decimal(row["strike"] or 0), Decimal(row["tick_size"] or 0)
    return strike != round(strike, 2) or tick != round(tick, 4)


def instruments(rows: Iterable[Row], active: Iterable[int]) -> list[tuple[object, ...]]:
    """CONTRACTS 5: the rows of public.instruments, without last_updated."""
    streamed = set(active)
    return sorted(
        (
            (
                int(row["instrument_token"]),
                int(row["exchange_token"]),
                row["tradingsymbol"],
                row["name"],
                row["exchange"],
                row["segment"],
                row["instrument_type"],
                date.fromisoformat(row["expiry"]) if row["expiry"] else None,
                Decimal(row["strike"]) if float(row["strike"] or 0) else None,
                Decimal(row["tick_size"] or 0),
                int(float(row["lot_size"] or 0)),
                int(row["instrument_token"]) in streamed,
                None,
                "kite",
            )
            for row in rows
            if not is_withheld(row)
        ),
        key=lambda found: int(str(found[0])),
    )


def token_lookup(rows: Iterable[Row]) -> dict[str, dict[str, object]]:
    """CONTRACTS 6."""
    return {
        row["instrument_token"]: {
            "instrument_token": int(row["instrument_token"]),
            "exchange_token": row["exchange_token"],
            "tradingsymbol": row["tradingsymbol"],
            "name": row["name"],
            "last_price": 0.0,
            "expiry": row["expiry"],
            "strike": float(row["strike"] or 0),
            "tick_size": float(row["tick_size"] or 0),
            "lot_size": int(float(row["lot_size"] or 0)),
            "instrument_type": row["instrument_type"],
            "segment": row["segment"],
            "exchange": row["exchange"],
            "key": f"{row['exchange']}:{row['tradingsymbol']}",
            "source": "zerodha_csv",
        }
        for row in rows
    }


def focus_symbols(rows: Sequence[Row], as_of: date, prices: dict[str, float]) -> list[str]:
    """CONTRACTS 8, sorted. Of two strikes equally near to the price, the lower is the money."""
    symbols = []
    for name, exchange in FOCUS.items():
        live = [
            row
            for row in rows
            if row["name"] == name
            and row["exchange"] == exchange
            and row["expiry"] >= as_of.isoformat()
        ]
        futures = [row for row in live if row["instrument_type"] == "FUT"]
        near = sorted(futures, key=lambda row: row["expiry"])[:NEAREST]
        symbols += [row["tradingsymbol"] for row in near]
        options = [row for row in live if row["instrument_type"] in OPTIONS]
        expiries = sorted({row["expiry"] for row in options})[:NEAREST]
        nearest = _strikes(options, expiries[0])
        money = prices.get(name, nearest[(len(nearest) - 1) // 2])
        for expiry in expiries:
            strikes = _strikes(options, expiry)
            centre = min(range(len(strikes)), key=lambda n: (abs(strikes[n] - money), strikes[n]))
            around = set(
                strikes[max(0, centre - STRIKES_EACH_SIDE) : centre + STRIKES_EACH_SIDE + 1]
            )
            symbols += [
                row["tradingsymbol"]
                for row in options
                if row["expiry"] == expiry and float(row["strike"]) in around
            ]
    return sorted(symbols)


def _strikes(options: Iterable[Row], expiry: str) -> list[float]:
    return sorted({float(row["strike"]) for row in options if row["expiry"] == expiry})


def env_with(before: bytes, tokens: Iterable[int]) -> bytes:
    """The file with its INSTRUMENTS line replaced where it stands, every other byte kept."""
    line = b"INSTRUMENTS=" + ",".join(map(str, tokens)).encode()
    return b"\n".join(
        line if part.startswith(b"INSTRUMENTS=") else part for part in before.split(b"\n")
    )
