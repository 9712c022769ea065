"""Which overrides a publication heeds, which it makes pointless, and which wait for a build."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

from psycopg import sql

from exporters.postgres.catalog import read_relations
from exporters.postgres.legacy_rows import OUR_SOURCE
from exporters.postgres.override_rules import Override, is_expired
from exporters.postgres.request import ACTIVE_SUBSCRIPTIONS, BROKER_INSTRUMENTS, PUBLISHED_SCHEMA
from exporters.postgres.rows import columns
from exporters.postgres.session import Cursor

SUBSCRIPTION_OVERRIDES = sql.Identifier("ops", "subscription_overrides")
PUBLISHED_OVERRIDES = sql.Identifier("ops", "published_overrides")

_NAMES = tuple(field.name for field in fields(Override))
COLUMNS = columns(_NAMES)

_WAITING = """
select coalesce(o.canonical_id, p.canonical_id)
from ops.subscription_overrides as o
full outer join ops.published_overrides as p on p.canonical_id = o.canonical_id
where o.is_active is distinct from p.is_active
order by 1
"""

# An override is heeded when its contract is active, or is not, as it says. A contract that is not
# in the dump cannot show it: such an override sleeps.
_REMEMBER = sql.SQL("""
with present as (
    select o.canonical_id, bool_or(b.instrument_token = o.instrument_token) as has_token
    from ops.subscription_overrides as o
    -- one contract to one token, seldom to several
    inner join {brokers} as b on b.canonical_id = o.canonical_id and b.broker = {source}
    group by o.canonical_id
),

active as (
    select s.canonical_id, array_agg(s.instrument_token) as tokens
    from {active} as s
    group by s.canonical_id
)

insert into ops.published_overrides ({columns})
select {o_columns}
from ops.subscription_overrides as o
-- one to one, or none
left join present as p on p.canonical_id = o.canonical_id
-- one to one, or none
left join active as a on a.canonical_id = o.canonical_id
where
    p.canonical_id is null
    or o.is_active = (
        a.canonical_id is not null and (not p.has_token or o.instrument_token = any(a.tokens))
    )
""")

# What was taken back since stays to be unlearned while the content still shows it.
_FORGET = sql.SQL("""
delete from ops.published_overrides as p
where
    not p.is_active
    or exists (select from ops.subscription_overrides as o where o.canonical_id = p.canonical_id)
    or not exists (
        select from {active} as s where s.canonical_id = p.canonical_id and s.origin = 'override'
    )
""")


def drop_spent(cursor: Cursor, *, filter_name: str, as_of: date) -> tuple[Override, ...]:
    """Forget overrides that the publication just applied makes pointless.

    Those are: of contracts that have expired; adopted ones that the filter covers; and changes
    back, which have done their work: those that switch on, when this filter is the one that
    says so too. One whose contract is merely absent from a dump sleeps until the contract is
    back: its row may have been rejected this once.

    Args:
        cursor: Inside the publication's transaction, when its content is applied.
        filter_name: The filter of the publication.
        as_of: The trading day of the publication: what expires on it is still traded.

    Returns:
        Those whose contract has expired.
    """
    held = read_overrides(cursor, SUBSCRIPTION_OVERRIDES).values()
    gone = tuple(one for one in held if is_expired(one.canonical_id, as_of))
    cursor.execute(
        "delete from ops.subscription_overrides"
        " where canonical_id = any(%s)"
        " or (is_change_back and (not is_active or filter = %s))",
        [[override.canonical_id for override in gone], filter_name],
    )
    published = read_relations(cursor, PUBLISHED_SCHEMA, [ACTIVE_SUBSCRIPTIONS])
    if published:
        cursor.execute(
            sql.SQL(
                "delete from ops.subscription_overrides as o where o.origin = 'adopted'"
                " and exists (select from {} as s"
                " where s.canonical_id = o.canonical_id and s.origin = 'filter')"
            ).format(published[ACTIVE_SUBSCRIPTIONS].identifier)
        )
    return gone


def remember_published(cursor: Cursor) -> tuple[str, ...]:
    """Note the overrides that the content just applied heeds: later changes are against them.

    Returns:
        Canonical ids of those that it does not: of a rollback, what was changed since then; and
        what another program wrote after the build. They wait for the next build.
    """
    published = read_relations(
        cursor, PUBLISHED_SCHEMA, [BROKER_INSTRUMENTS, ACTIVE_SUBSCRIPTIONS]
    )  # fmt: skip
    if len(published) < 2:  # noqa: PLR2004  # the two names above
        cursor.execute("delete from ops.published_overrides")
        cursor.execute(
            sql.SQL(
                "insert into ops.published_overrides ({0})"
                " select {0} from ops.subscription_overrides"
            ).format(COLUMNS)
        )
        return ()
    active = published[ACTIVE_SUBSCRIPTIONS].identifier
    cursor.execute(_FORGET.format(active=active))
    cursor.execute(
        _REMEMBER.format(
            brokers=published[BROKER_INSTRUMENTS].identifier,
            active=active,
            source=sql.Literal(OUR_SOURCE),
            columns=COLUMNS,
            o_columns=columns(_NAMES, "o"),
        )
    )
    return waiting(cursor)


def waiting(cursor: Cursor) -> tuple[str, ...]:
    """Canonical ids whose override is not the published one."""
    return tuple(name for (name,) in cursor.execute(_WAITING).fetchall())


def read_overrides(cursor: Cursor, table: sql.Identifier) -> dict[str, Override]:
    """The overrides of `ops.subscription_overrides` or `ops.published_overrides`, by contract."""
    cursor.execute(sql.SQL("select {} from {}").format(COLUMNS, table))
    return {row[0]: Override(*row) for row in cursor.fetchall()}
