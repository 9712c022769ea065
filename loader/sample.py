"""A made-up Kite dump of any size, the same bytes for the same arguments.

`python -m loader.sample --rows 126000 --as-of 2026-08-17 --seed 1 --out dump.csv` writes one. It
has every exchange and segment in about Kite's proportions, Kite's symbol grammar and token rule,
and the rows that every consumer looks for. Contracts keep their tokens from one as-of day to the
next.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import zlib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from loader import sample_shares as shares
from loader.archive import gzipped
from loader.feeds import KITE
from loader.sample_contracts import (
    COMMODITIES,
    CURRENCIES,
    INDICES,
    Row,
    contracts,
    milli,
    plain,
    stock,
)

DEFAULT_ROWS = 126_000
DEFAULT_SEED = 1
LEAST_ROWS = 4_000
_STOCKS = 208
# What a bigger sample's index contracts, which stay as many, leave to those on shares.
_STOCKS_FOR_INDICES = 32
_NSE_PART = 0.0717
_LINES = 4_096
# Of the 8,388,608 exchange tokens whose instrument token fits int32.
_FIRST_TOKEN, _TOKENS, _FIRST_NEW_TOKEN = 2_000, 8_000_000, 8_100_000
# CONTRACTS: instrument_token = exchange_token * 256 + b. NCO's and GLOBAL's b are made up.
_LOW_BYTES = {
    "NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "BFO": 5, "BCD": 6, "MCX": 7, "INDICES": 9,
    "GLOBAL": 11, "NCO": 12,
}  # fmt: skip
_FOCUS = frozenset({"NIFTY", "BANKNIFTY", "SENSEX"})
_CHANCES = 1 << 32


def sample_chunks(
    *, rows: int, as_of: date, seed: int = DEFAULT_SEED, churn: float = 0.0
) -> Iterator[bytes]:
    """Yield the sample as CSV, some thousand lines at a time.

    Args:
        rows: how many instruments, at least 4,000.
        as_of: the trading day that it describes.
        seed: another seed gives other tokens and prices.
        churn: above 0, the dump of the day after: contracts that expired on `as_of` are gone, and
            about this part of the rows is changed (half of it), removed or added (a quarter each).

    Raises:
        ValueError: `rows` or `churn` is out of range.
    """
    if rows < LEAST_ROWS:
        raise ValueError(
            f"a sample of {rows} rows cannot hold every segment: at least {LEAST_ROWS:,}"
        )
    if not 0 <= churn <= 1:
        raise ValueError(f"churn is {churn}; it is a part of the rows, from 0 to 1")
    listed = _tokened(_rows(rows, as_of, seed), seed)
    if churn:
        listed = _next_day(listed, as_of, seed, churn)
    lines = (_line(token, row) for token, row in listed)
    yield (",".join(KITE.columns) + "\n").encode()
    while batch := list(itertools.islice(lines, _LINES)):
        yield "".join(batch).encode()


def next_day_chunks(
    *, rows: int, as_of: date, seed: int = DEFAULT_SEED, churn: float = 0.02
) -> Iterator[bytes]:
    """Yield the sample of the day after `as_of`, with about this part of the rows different."""
    return sample_chunks(rows=rows, as_of=as_of, seed=seed, churn=churn)


def _rows(rows: int, as_of: date, seed: int) -> Iterator[Row]:
    """Derivatives first, as Kite lists them; shares fill up what is left."""
    scale = rows / DEFAULT_ROWS
    # A bigger market has more shares and commodity strikes, not a NIFTY that nobody can stream.
    names = shares.written_on(max(3, round(_STOCKS * scale + _STOCKS_FOR_INDICES * (scale - 1))))
    left = rows
    for underlying, times in (
        *((underlying, min(1.0, scale)) for underlying in INDICES),
        *((stock(name, seed), 1.0) for name in names),
        *((underlying, scale) for underlying in (*COMMODITIES, *CURRENCIES)),
    ):
        for row in contracts(underlying, as_of, times):
            left -= 1
            yield row
    for row in shares.indices():
        left -= 1
        yield row
    nse = min(round(rows * _NSE_PART), left // 2)
    yield from shares.nse_shares(nse)
    yield from shares.bse_shares(left - nse)


def _tokened(rows: Iterator[Row], seed: int) -> Iterator[tuple[int, Row]]:
    """Give every row its exchange token, from its symbol: the same one on every day."""
    fixed = {
        **{("INDICES", *key): token for key, token in shares.INDEX_TOKENS.items()},
        **{("NSE", *key): token for key, token in shares.SHARE_TOKENS.items()},
    }
    used: dict[int, set[int]] = {byte: set() for byte in set(_LOW_BYTES.values())}
    for (segment, _, _), token in fixed.items():
        used[_LOW_BYTES[segment]].add(token)
    start = seed & 0xFFFFFFFF
    for row in rows:
        key = (row.segment, row.exchange, row.symbol)
        if key in fixed:
            yield fixed[key], row
            continue
        taken = used[_low_byte(row)]
        draw = zlib.crc32(f"{row.exchange}:{row.symbol}".encode(), start)
        token = _FIRST_TOKEN + draw % _TOKENS
        while token in taken:
            token += 1
        taken.add(token)
        yield token, row


def _low_byte(row: Row) -> int:
    is_index = row.segment == "INDICES" and row.exchange != "GLOBAL"
    return _LOW_BYTES["INDICES" if is_index else row.exchange]


def _next_day(
    listed: Iterator[tuple[int, Row]], as_of: date, seed: int, churn: float
) -> Iterator[tuple[int, Row]]:
    today, limit = as_of.isoformat(), round(churn * _CHANCES)
    new_tokens = itertools.count(_FIRST_NEW_TOKEN)
    for token, row in listed:
        if row.expiry and row.expiry <= today:
            continue
        draw = zlib.crc32(f"{token} {row.symbol}".encode(), seed & 0xFFFFFFFF)
        if draw >= limit or _is_always_there(row):
            yield token, row
            continue
        match draw * 4 // limit:
            case 0 | 1:
                yield token, _changed(row)
            case 2:
                yield token, row
                yield next(new_tokens), _newcomer(row)
            case _:
                pass  # removed


def _is_always_there(row: Row) -> bool:
    return (
        row.kind == "EQ"
        and (row.segment in {"INDICES", "NCO"} or (row.exchange, row.symbol) in shares.SHARE_TOKENS)
    ) or (row.kind == "FUT" and row.name in _FOCUS)


def _changed(row: Row) -> Row:
    """A share renamed, or a contract with its lot doubled."""
    if row.kind == "EQ":
        return row._replace(name=f"{row.name or row.symbol} NEW")
    return row._replace(lot=row.lot * 2)


def _newcomer(row: Row) -> Row:
    """A strike beside this row's, such as corporate actions make; for the rest a new share."""
    if row.strike != "0" and row.exchange not in {"CDS", "BCD"} and row.name not in _FOCUS:
        strike = plain(milli(row.strike) + 50)
        start = row.symbol.removesuffix(f"{row.strike}{row.kind}")
        return row._replace(symbol=f"{start}{strike}{row.kind}", strike=strike)
    if row.kind == "EQ":
        return row._replace(symbol=f"{row.symbol.partition('-')[0]}2", name=f"{row.name} TWO")
    symbol = f"{row.symbol}-{row.exchange}"
    return Row(symbol, f"{symbol} LTD", "", "0", "0.01", 1, "EQ", "BSE", "BSE")


def _line(token: int, row: Row) -> str:
    name = row.name
    if "," in name or '"' in name:
        name = '"' + name.replace('"', '""') + '"'
    return (
        f"{token * 256 + _low_byte(row)},{token},{row.symbol},{name},0,{row.expiry},{row.strike},"
        f"{row.tick},{row.lot},{row.kind},{row.segment},{row.exchange}\n"
    )


def write_sample(path: Path, chunks: Iterator[bytes]) -> None:
    """Write the chunks to a file, in gzip form where its name ends in `.gz`."""
    with path.open("wb") as file:
        for chunk in gzipped(chunks) if path.suffix == ".gz" else chunks:
            file.write(chunk)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a sample to a file or to standard output; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m loader.sample", description="Write a made-up Kite dump, always the same."
    )
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS, help="how many (%(default)s)")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="YYYY-MM-DD")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="which (%(default)s)")
    parser.add_argument(
        "--churn",
        type=float,
        default=0.0,
        help="write the dump of the day after instead, with this part of the rows different"
        " (0.02: two in a hundred)",
    )
    parser.add_argument("--out", type=Path, help="a .csv or .csv.gz file (standard output)")
    given = parser.parse_args(arguments)
    chunks = sample_chunks(rows=given.rows, as_of=given.as_of, seed=given.seed, churn=given.churn)
    try:
        if given.out:
            write_sample(given.out, chunks)
        else:
            sys.stdout.buffer.writelines(chunks)
            sys.stdout.buffer.flush()
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
