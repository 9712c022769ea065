"""Adopt the active rows of a `public.instruments` that older programs filled, at first contact."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import sql

from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.legacy_rows import OUR_SOURCE
from exporters.postgres.legacy_shape import INSTRUMENTS
from exporters.postgres.override_rules import Override, is_expired, spelled_canonical_id
from exporters.postgres.request import BROKER_INSTRUMENTS
from exporters.postgres.session import Cursor

# Rupees; the strikes of older programs are numeric(12,2).
_STRIKE_STEP = Decimal("0.01")


def adopted(
    cursor: Cursor, instruments: Relation, candidate_schema: str, at: datetime, as_of: date
) -> dict[str, Override]:
    """The active rows of ours in a table that older programs filled, but for expired contracts.

    Args:
        cursor: Inside its transaction.
        instruments: The table.
        candidate_schema: Where the model's spelling is looked up, if it was built.
        at: The instant to note.
        as_of: The trading day: what expires on it is still traded.
    """
    spelled = ("exchange", "segment", "trading_symbol", "name", "instrument_type", "expiry",
               "strike")  # fmt: skip
    if any(instruments.column(name) is None for name in ("trading_symbol", *spelled[:1])):
        return {}
    values = sql.SQL(", ").join(
        sql.Identifier("i", name) if instruments.column(name) else sql.SQL("null")
        for name in spelled
    )
    cursor.execute(
        sql.SQL(
            "select i.instrument_token, {} from {} as i where i.is_active and {}"
            " and i.instrument_token between -2147483648 and 2147483647"
            " order by i.instrument_token desc"
        ).format(values, INSTRUMENTS, is_ours(instruments))
    )
    active = {token: dict(zip(spelled, rest, strict=True)) for token, *rest in cursor.fetchall()}
    known = _candidate_ids(cursor, candidate_schema, active)
    overrides: dict[str, Override] = {}
    for token, terms in active.items():
        canonical_id = known.get(token) or spelled_canonical_id(**terms)
        if is_expired(canonical_id, as_of):
            continue
        overrides[canonical_id] = Override(canonical_id, token, True, "adopted", at)
    return overrides


def is_ours(instruments: Relation) -> sql.Composable:
    """Whether a row is of our source: another program's rows tell nothing about our wishes."""
    if instruments.column("source") is None:
        return sql.SQL("true")
    return sql.SQL("coalesce(i.source, {0}) = {0}").format(sql.Literal(OUR_SOURCE))


def _candidate_ids(
    cursor: Cursor, schema: str, active: Mapping[int, Mapping[str, Any]]
) -> dict[int, str]:
    """How the model spells the contracts of tokens that still stand for the same contract."""
    brokers = read_relations(cursor, schema, [BROKER_INSTRUMENTS]).get(BROKER_INSTRUMENTS)
    if brokers is None or not active:
        return {}
    cursor.execute(
        sql.SQL(
            "select instrument_token, canonical_id, exchange, instrument_type, expiry_date, strike"
            " from {} where broker = %s and instrument_token = any(%s)"
        ).format(brokers.identifier),
        [OUR_SOURCE, list(active)],
    )
    return {
        token: canonical_id
        for token, canonical_id, *terms in cursor.fetchall()
        if _is_same_contract(active[token], *terms)
    }


def _is_same_contract(
    row: Mapping[str, Any],
    exchange: str,
    instrument_type: str | None,
    expiry: date | None,
    strike: Decimal | None,
) -> bool:
    """Whether the row's token was not used again for another contract since.

    What the old table does not say agrees with anything; its strikes may have two decimals only.
    """
    if row["exchange"] not in {None, exchange}:
        return False
    if row["instrument_type"] not in {None, instrument_type}:
        return False
    if row["expiry"] not in {None, expiry}:
        return False
    told = Decimal(row["strike"] or 0)
    return not told or abs(told - (strike or 0)) < _STRIKE_STEP
