"""The published rows as Redis holds them, packed once into the bytes of the protocol.

A hash is kept as the ten field-value pairs of its HSET command, each with its length before it:
the same bytes go out in the HSET and come back, in the same order, in the reply to HGETALL of
a small hash. Comparing a hash is then comparing bytes.
Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP 2).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

FIELDS = (
    "tradingsymbol",
    "exchange",
    "instrument_type",
    "segment",
    "name",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "exchange_token",
)
"""The fields of a hash, exactly these, in the order in which they have always been written."""

PREFIX = b"instrument:"
"""What every key begins with, and no other key may."""

BLOCK = 250
"""Rows packed, sent and compared at a time: about 80 kB, which a processor's cache holds."""

_TABLE = sql.Identifier("exp_redis__instruments")

# The columns that nearly every row has of its own come first; the rest is one piece of the line,
# shared by hundreds of rows and packed once for all of them.
_OWN = ("tradingsymbol", "instrument_token", "exchange_token", "strike", "name")
_SHARED = ("exchange", "instrument_type", "segment", "expiry", "tick_size", "lot_size")

_COPY = sql.SQL("copy {} ({}) to stdout").format(
    _TABLE, sql.SQL(", ").join(map(sql.Identifier, _OWN + _SHARED))
)
_COUNT = sql.SQL("select count(*) from {}").format(_TABLE)
_SAMPLE = sql.SQL(
    "select instrument_token, tradingsymbol from {} order by instrument_token limit {}"
)

_ARGUMENT = b"$%d\r\n%b\r\n"
# The bytes of a row in the order of FIELDS: its own values between the shared pieces.
_ROW = (
    b"$13\r\ntradingsymbol\r\n$%d\r\n%b\r\n"
    b"%b$%d\r\n%b\r\n"  # exchange, instrument_type, segment and the name's field; the name
    b"%b$%d\r\n%b\r\n"  # expiry and the strike's field; the strike
    b"%b$%d\r\n%b\r\n"  # tick_size, lot_size and the exchange token's field; the token
)
_TO_NAME = (
    b"$8\r\nexchange\r\n$%d\r\n%b\r\n$15\r\ninstrument_type\r\n$%d\r\n%b\r\n"
    b"$7\r\nsegment\r\n$%d\r\n%b\r\n$4\r\nname\r\n"
)
_TO_STRIKE = b"$6\r\nexpiry\r\n$%d\r\n%b\r\n$6\r\nstrike\r\n"
_TO_TOKEN = (
    b"$9\r\ntick_size\r\n$%d\r\n%b\r\n$8\r\nlot_size\r\n$%d\r\n%b\r\n$14\r\nexchange_token\r\n"
)

# COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(slots=True)
class Rows:
    """Keys and, at the same places, their packed field-value pairs."""

    keys: list[bytes]
    packed: list[bytes]

    def __len__(self) -> int:
        return len(self.keys)

    def extend(self, other: Rows) -> None:
        """Append the rows of another."""
        self.keys += other.keys
        self.packed += other.packed


class _Shared(dict[bytes, tuple[bytes, bytes, bytes]]):
    """The ends of lines, packed: what stands before the name, the strike, the exchange token."""

    def __missing__(self, columns: bytes) -> tuple[bytes, bytes, bytes]:
        # COPY escapes a tab inside a value, so every bare tab stands between two columns.
        values = [_unescape(value) for value in columns.split(b"\t")]
        exchange, kind, segment, expiry, tick, lot = values
        self[columns] = packed = (
            _TO_NAME % (len(exchange), exchange, len(kind), kind, len(segment), segment),
            _TO_STRIKE % (len(expiry), expiry),
            _TO_TOKEN % (len(tick), tick, len(lot), lot),
        )
        return packed


def read_blocks(
    connection: psycopg.Connection[Any], size: int = BLOCK
) -> Generator[Rows, None, None]:
    """Read the published rows by COPY and pack them, `size` rows at a time.

    Close the generator when it is not read to its end: it holds the connection.

    Raises:
        psycopg.Error: The table cannot be read.
    """
    shared = _Shared()
    with connection.cursor(row_factory=tuple_row).copy(_COPY) as copy:
        lines = iter(copy)
        while block := b"".join(itertools.islice(lines, size)):
            yield _pack(block, shared)


def _pack(block: bytes, shared: _Shared) -> Rows:
    # List comprehensions over a small block: this is the half of an export that is Python's.
    table = [line.split(b"\t", 5) for line in block.split(b"\n")[:-1]]
    if b"\\" in block:
        table = [[*map(_unescape, own), rest] for *own, rest in table]
    return Rows(
        [PREFIX + token for _, token, _, _, _, _ in table],
        [
            _ROW
            % (
                len(symbol), symbol, to_name, len(name), name,
                to_strike, len(strike), strike, to_token, len(number), number,
            )
            for symbol, _, number, strike, name, rest in table
            for to_name, to_strike, to_token in (shared[rest],)
        ],
    )  # fmt: skip


def _unescape(value: bytes) -> bytes:
    if b"\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), value)


def count(connection: psycopg.Connection[Any]) -> int:
    """How many instruments are published."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_COUNT).fetchone()
    return int(row[0]) if row else 0


def first_lines(connection: psycopg.Connection[Any], lines: int) -> tuple[str, ...]:
    """A few published keys with their symbols, to show."""
    query = _SAMPLE.format(_TABLE, sql.Literal(lines))
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(query).fetchall()
    return tuple(f"{PREFIX.decode()}{token}: {symbol}" for token, symbol in found)


def blocks_of(rows: Rows, size: int = BLOCK) -> Iterator[Rows]:
    """The same rows, `size` at a time."""
    for start in range(0, len(rows), size):
        yield Rows(rows.keys[start : start + size], rows.packed[start : start + size])


def unpack(packed: bytes) -> dict[bytes, bytes]:
    """The fields and values of one packed row."""
    reader = hiredis.Reader()
    reader.feed(b"*%d\r\n%b" % (2 * len(FIELDS), packed))
    return as_mapping(reader.gets())


def as_mapping(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """Field, value, field, value, ... as a mapping."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def command(*arguments: bytes) -> bytes:
    """One packed command."""
    return b"*%d\r\n" % len(arguments) + b"".join(
        [_ARGUMENT % (len(argument), argument) for argument in arguments]
    )


def hset_commands(rows: Rows) -> bytes:
    """One HSET a row."""
    return b"".join(
        [
            b"*22\r\n$4\r\nHSET\r\n$%d\r\n%b\r\n%b" % (len(key), key, packed)
            for key, packed in zip(rows.keys, rows.packed, strict=True)
        ]
    )


def key_commands(verb: bytes, keys: Iterable[bytes], *after: bytes) -> bytes:
    """One command of the verb and a key for each key, with the same arguments after it."""
    head = b"*%d\r\n" % (2 + len(after)) + _ARGUMENT % (len(verb), verb)
    tail = b"".join([_ARGUMENT % (len(argument), argument) for argument in after])
    return b"".join([b"%b$%d\r\n%b\r\n%b" % (head, len(key), key, tail) for key in keys])
