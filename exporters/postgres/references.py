"""Which departed instruments may be deleted: those that no foreign key points at.

The rules `on delete cascade` and `on delete set null` would let our delete change somebody's
rows, and `no action` would stop it: a referenced row is kept, whatever its rule.
"""

from __future__ import annotations

from psycopg import sql

from exporters.postgres.catalog import Relation
from exporters.postgres.legacy_shape import INSTRUMENTS
from exporters.postgres.session import Cursor

# Locked, so that nobody can refer to them between the look and the delete; a row that somebody
# is referring to at this moment is skipped, hence kept.
_DEPARTED = sql.SQL("""
create temporary table publish_departed on commit drop as
select i.instrument_token from {instruments} as i
where i.instrument_token in (
    select p.instrument_token from publish_instruments as p where p.change = 'removed'
)
for update skip locked
""")

# One row per foreign key; a partition's copy of its parent's key is left out.
_FOREIGN_KEYS = """
select
    n.nspname,
    c.relname,
    array_agg(a.attname::text order by part.position),
    array_agg(b.attname::text order by part.position)
from pg_constraint as k
cross join lateral unnest(k.conkey, k.confkey) with ordinality as part (held, meant, position)
inner join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = part.held
inner join pg_attribute as b on b.attrelid = k.confrelid and b.attnum = part.meant
inner join pg_class as c on c.oid = k.conrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where k.contype = 'f' and k.confrelid = %s and k.conparentid = 0
group by k.oid, n.nspname, c.relname
order by n.nspname, c.relname, k.oid
"""

_KEEP = sql.SQL("""
delete from publish_departed as d
using {instruments} as i
where
    i.instrument_token = d.instrument_token
    and exists (select from {referring} as r where {refers})
""")


def keep_referenced(cursor: Cursor, table: Relation) -> int:
    """Write the departed tokens that may be deleted to the temporary `publish_departed`.

    Returns:
        How many departed rows have to be kept.
    """
    cursor.execute(_DEPARTED.format(instruments=INSTRUMENTS))
    deletable = cursor.rowcount
    for schema, name, held, meant in cursor.execute(_FOREIGN_KEYS, [table.oid]).fetchall():
        refers = sql.SQL(" and ").join(
            sql.SQL("r.{} = i.{}").format(sql.Identifier(column), sql.Identifier(target))
            for column, target in zip(held, meant, strict=True)
        )
        cursor.execute(
            _KEEP.format(
                instruments=INSTRUMENTS, referring=sql.Identifier(schema, name), refers=refers
            )
        )
        deletable -= cursor.rowcount
    departed = cursor.execute(
        "select count(*) from publish_instruments where change = 'removed'"
    ).fetchone()
    return (int(departed[0]) if departed else 0) - deletable
