"""End a publication: complete its ledger row, say which exports have to follow, and notify."""

from __future__ import annotations

import json
from collections.abc import Sequence

from exporters.postgres.content import Applied, rows_by_exchange, subscriptions, summary
from exporters.postgres.ledger import Facts, close_publication, expect_exports
from exporters.postgres.override_rules import Override
from exporters.postgres.published_overrides import remember_published
from exporters.postgres.request import Publication
from exporters.postgres.session import Cursor

NOTIFY_CHANNEL = "instruments_published"
"""The channel of `NOTIFY`; the payload is a JSON object."""


def seal(
    cursor: Cursor,
    publication_id: int,
    facts: Facts,
    applied: Applied,
    *,
    destinations: Sequence[str],
    overrides_dropped: tuple[Override, ...] = (),
    is_plan: bool,
) -> Publication:
    """Write the ledger and send the notification with the commit."""
    waiting = remember_published(cursor)
    exchanges = rows_by_exchange(cursor)
    rows_total = sum(exchanges.values())
    close_publication(
        cursor,
        publication_id,
        rows_total=rows_total,
        summary=summary(applied, exchanges, overrides_dropped, waiting)
        | {"feeds": {name: dict(told) for name, told in facts.feeds.items()}},
    )
    expect_exports(cursor, publication_id, destinations)
    payload = {
        "publication_id": publication_id,
        "as_of_date": facts.as_of_date.isoformat(),
        "published_at": facts.published_at.isoformat(),
        "rollback_of": facts.rollback_of,
        "rows": rows_total,
        "subscriptions": subscriptions(applied),
    }
    cursor.execute("select pg_notify(%s, %s)", [NOTIFY_CHANNEL, json.dumps(payload)])
    return Publication(
        publication_id=publication_id,
        published_at=facts.published_at,
        as_of_date=facts.as_of_date,
        filter=facts.filter,
        fingerprint=facts.fingerprint,
        run_id=facts.run_id,
        load_id=facts.load_id,
        dump_sha256=facts.dump_sha256,
        rollback_of=facts.rollback_of,
        is_plan=is_plan,
        tables=dict(applied.tables),
        instruments=applied.instruments,
        migrations=tuple(applied.migrations),
        rows_total=rows_total,
        rows_by_exchange=exchanges,
        subscriptions=subscriptions(applied),
        overrides_dropped=tuple(one.canonical_id for one in overrides_dropped),
    )
