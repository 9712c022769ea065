"""Adopt the active rows of a `public.instruments` that older programs filled, at first contact."""

from __future__ import annotations

from datetime import datetime

from psycopg import sql

from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.legacy_rows import OUR_SOURCE
from exporters.postgres.legacy_shape import INSTRUMENTS
from exporters.postgres.override_rules import Override, spelled_canonical_id
from exporters.postgres.request import BROKER_INSTRUMENTS
from exporters.postgres.session import Cursor


def adopted(
    cursor: Cursor, instruments: Relation, candidate_schema: str, at: datetime
) -> dict[str, Override]:
    """The active rows of ours in a table that older programs filled."""
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
    known = _candidate_ids(cursor, candidate_schema, list(active))
    overrides: dict[str, Override] = {}
    for token, terms in active.items():
        canonical_id = known.get(token) or spelled_canonical_id(**terms)
        overrides[canonical_id] = Override(canonical_id, token, True, "adopted", at)
    return overrides


def is_ours(instruments: Relation) -> sql.Composable:
    """Whether a row is of our source: another program's rows tell nothing about our wishes."""
    if instruments.column("source") is None:
        return sql.SQL("true")
    return sql.SQL("coalesce(i.source, {0}) = {0}").format(sql.Literal(OUR_SOURCE))


def _candidate_ids(cursor: Cursor, schema: str, tokens: list[int]) -> dict[int, str]:
    brokers = read_relations(cursor, schema, [BROKER_INSTRUMENTS]).get(BROKER_INSTRUMENTS)
    if brokers is None or not tokens:
        return {}
    cursor.execute(
        sql.SQL(
            "select instrument_token, canonical_id from {} where broker = %s"
            " and instrument_token = any(%s)"
        ).format(brokers.identifier),
        [OUR_SOURCE, tokens],
    )
    return dict(cursor.fetchall())
