"""Kite's part of the made-up market in Redis, as the warehouse exports it."""

from __future__ import annotations

import redis

from tests.instrument_registry import made_rows, published


def fill(url: str, **marker: str) -> int:
    """Hashes of the made-up market, and the marker of publication 7; returns how many."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        rows = [row for row in made_rows.market() if row.broker == "kite"]
        for row in rows:
            client.hset(
                f"instrument:{row.broker_token}",
                mapping={
                    "tradingsymbol": row.tradingsymbol, "exchange": row.exchange,
                    "instrument_type": row.instrument_type, "segment": row.segment,
                    "name": row.name, "strike": str(float(row.strike or 0)) if row.strike else "0",
                    "expiry": row.expiry_date.isoformat() if row.expiry_date else "",
                    "tick_size": "0.05", "lot_size": str(row.lot_size), "exchange_token": "0",
                },
            )  # fmt: skip
        told = {
            "publication": "7", "rows": str(len(rows)), "as_of": "2026-08-17",
            "published_at": published.AT.isoformat(), "state": "complete",
        } | marker  # fmt: skip
        client.hset("instruments:publication", mapping=told)
        return len(rows)
