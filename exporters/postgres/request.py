"""What a publication is asked for, and what it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from exporters.destination import Plan

PUBLISHED_SCHEMA = "marts"
BROKER_INSTRUMENTS = "broker_instruments"
ACTIVE_SUBSCRIPTIONS = "active_subscriptions"
EXP_INSTRUMENTS = "exp_postgres__instruments"

DEFAULT_LOCK_TIMEOUT_MS = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """A candidate that passed the gate, to be published.

    Attributes:
        tables: Names of the relations to publish, tables and views, in the candidate schema.
        as_of_date: The trading day that the dump describes.
        published_at: The instant of the publication, aware.
        filter: The subscription filter as typed.
        fingerprint: What tells this publication's input from another's.
        candidate_schema: Where the candidate is.
        run_id: The sync run that asks.
        load_id: The load that the candidate was built from.
        dump_sha256: The dump that was loaded.
        feeds: What the candidate was built from, by feed: plain values for the ledger.
        destinations: Names of the destinations outside PostgreSQL, recorded as pending.
        expected_oids: `candidate_oids` after the build, before the audit; None skips the guard.
        lock_timeout_ms: How long a lock is waited for, milliseconds.
    """

    tables: tuple[str, ...]
    as_of_date: date
    published_at: datetime
    filter: str
    fingerprint: str
    candidate_schema: str = "candidate"
    run_id: str | None = None
    load_id: int | None = None
    dump_sha256: str | None = None
    feeds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    destinations: tuple[str, ...] = ()
    expected_oids: Mapping[str, int] | None = None
    lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS

    def __post_init__(self) -> None:
        if self.published_at.tzinfo is None:
            message = "published_at needs a time zone"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A publication as it was made, or as it would be.

    Attributes:
        publication_id: Its number; of a plan, the number that it would get.
        is_plan: Whether it was rolled back after the plan.
        tables: The difference of each published table, by name.
        instruments: The difference of `public.instruments`; None when it was not asked for.
        migrations: What was changed in the shape of published relations, a line each.
        rows_total: Kite's rows of `marts.broker_instruments`.
        rows_by_exchange: The same by exchange.
        subscriptions: Rows of `marts.active_subscriptions`.
        overrides_dropped: Canonical ids of overrides whose contract has expired.
        seconds: Time by stage.
    """

    publication_id: int
    published_at: datetime
    as_of_date: date
    filter: str
    fingerprint: str
    run_id: str | None
    load_id: int | None
    dump_sha256: str | None
    rollback_of: int | None
    is_plan: bool
    tables: Mapping[str, Plan]
    instruments: Plan | None
    migrations: tuple[str, ...] = ()
    rows_total: int = 0
    rows_by_exchange: Mapping[str, int] = field(default_factory=dict)
    subscriptions: int = 0
    overrides_dropped: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
