"""What the ledger of publications says: the last one, the first one, the days that are believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from loader.archive import ENDINGS, archive_path
from loader.feeds import FEEDS, KITE
from loader.source import SAMPLE

# From the last publication back, past what rollbacks have taken back.
_BELIEVED = """
    believed as (
        (
            select publication_id, as_of_date, coalesce(rollback_of, publication_id - 1) as before
            from ops.publications
            order by publication_id desc
            limit 1
        )
        union all
        select p.publication_id, p.as_of_date, coalesce(p.rollback_of, p.publication_id - 1)
        from believed as b
        inner join ops.publications as p on p.publication_id = b.before
    )
"""


@dataclass(frozen=True, slots=True)
class PublishedFeed:
    """What a publication was built from, of one feed."""

    load_id: int | None
    as_of_date: date
    is_stale: bool

    @property
    def told(self) -> str:
        """The day of its dump, and whether that is the last good one for want of a newer."""
        if self.load_id is None:
            return "none yet"
        return f"{self.as_of_date} (stale)" if self.is_stale else f"{self.as_of_date}"


@dataclass(frozen=True, slots=True)
class LastPublication:
    """What consumers see now."""

    publication_id: int
    published_at: datetime
    as_of_date: date
    filter: str
    fingerprint: str
    dump_sha256: str | None
    load_id: int | None
    rollback_of: int | None
    summary: Mapping[str, Any]
    source: str | None = None

    @property
    def is_sample(self) -> bool:
        """Whether its tokens are made up: it was built from the generated sample."""
        return self.source == SAMPLE

    @property
    def feeds(self) -> dict[str, PublishedFeed]:
        """What it was built from, by feed."""
        told = self.summary.get("feeds") or {}
        return {
            name: PublishedFeed(
                facts["load_id"], date.fromisoformat(facts["as_of_date"]), facts["is_stale"]
            )
            for name, facts in told.items()
        }

    @property
    def told_feeds(self) -> str:
        """Each feed with the day of its dump: `kite 2026-08-17, dhan 2026-08-14 (stale)`."""
        return ", ".join(f"{name} {feed.told}" for name, feed in self.feeds.items())

    @property
    def told(self) -> str:
        """One sentence for messages and reports."""
        origin = ", of the generated sample" if self.is_sample else ""
        origin += f", a rollback to {self.rollback_of}" if self.rollback_of else ""
        return (
            f"publication {self.publication_id} (as of {self.as_of_date}, filter {self.filter}"
            f"{origin}, published {self.published_at:%Y-%m-%d %H:%M:%S} UTC)"
        )

    def facts(self) -> dict[str, Any]:
        """What consumers see, as plain values."""
        return {
            "publication_id": self.publication_id,
            "as_of_date": self.as_of_date.isoformat(),
            "filter": self.filter,
            "source": self.source,
            "published_at": self.published_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class FirstPublication:
    """The day with which history begins, as it is believed now.

    Attributes:
        as_of_date: the day.
        filter: of its publication.
        dumps: of each feed that was read, the hash of its dump of that day; None where an older
            one stood in, or none had been published.
        is_sample: whether its tokens are made up.
    """

    as_of_date: date
    filter: str
    dumps: Mapping[str, str | None]
    is_sample: bool

    def archived(self, landing: Path) -> Iterator[Path]:
        """Where its dumps are kept."""
        for feed, sha256 in self.dumps.items():
            for ending in ENDINGS:
                if sha256 is not None:
                    yield archive_path(landing, feed, self.as_of_date, sha256, ending)


def first_publication(connection: psycopg.Connection) -> FirstPublication | None:
    """What history begins with, or `None` before the first publication."""
    row = connection.execute(
        f"""
        with recursive {_BELIEVED}

        select p.as_of_date, p.filter, p.dump_sha256, p.summary -> 'feeds', l.source
        from believed
        inner join ops.publications as p on p.publication_id = believed.publication_id
        left join ops.loads as l on l.load_id = p.load_id -- one to one
        order by p.as_of_date, p.publication_id desc
        limit 1
        """  # noqa: S608  # a constant
    ).fetchone()
    if row is None:
        return None
    as_of_date, filter_text, dump_sha256, feeds, source = row
    dumps = {
        name: feeds[name]["sha256"] or None if not feeds[name]["is_stale"] else None
        for name in FEEDS
        if name in (feeds or {})
    }
    return FirstPublication(
        as_of_date, filter_text, dumps or {KITE.name: dump_sha256}, source == SAMPLE
    )


def last_publication(connection: psycopg.Connection) -> LastPublication | None:
    """The newest publication, or `None` before the first."""
    return _one(connection, "order by p.publication_id desc limit 1")


def publication(connection: psycopg.Connection, publication_id: int) -> LastPublication | None:
    """A publication by its number, or `None`."""
    return _one(connection, "where p.publication_id = %s", (publication_id,))


def _one(
    connection: psycopg.Connection, which: LiteralString, values: tuple[int, ...] = ()
) -> LastPublication | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"""
            select p.publication_id, p.published_at, p.as_of_date, p.filter, p.fingerprint,
                p.dump_sha256, p.load_id, p.rollback_of, p.summary, l.source
            from ops.publications as p
            left join ops.loads as l on l.load_id = p.load_id -- one to one
            {which}
            """,  # noqa: S608  # constants
            values or None,
        ).fetchone()
    return LastPublication(**row) if row else None


def content_of(connection: psycopg.Connection) -> int | None:
    """The publication whose content consumers see: of a rollback, what was put back."""
    row = connection.execute(
        """
        with recursive origin as (
            (
                select publication_id, rollback_of
                from ops.publications
                order by publication_id desc
                limit 1
            )
            union all
            select p.publication_id, p.rollback_of
            from origin as o
            inner join ops.publications as p on p.publication_id = o.rollback_of
        )

        select min(publication_id) from origin
        """
    ).fetchone()
    return row[0] if row else None


def believed_days(connection: psycopg.Connection) -> frozenset[date]:
    """The trading days that history holds now: not those that a rollback has taken back."""
    rows = connection.execute(
        f"with recursive {_BELIEVED} select distinct as_of_date from believed"  # noqa: S608
    ).fetchall()
    return frozenset(day for (day,) in rows)


def told_to_consumers(publication: LastPublication | None) -> str:
    """What consumers see now, for an error message."""
    if publication is None:
        return "Nothing has been published yet"
    return f"Consumers still see {publication.told}"
