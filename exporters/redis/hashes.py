"""The Redis destination: `instrument:{token}` hashes, a marker and an announcement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from exporters.destination import SAMPLE_LINES, Plan
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from exporters.published import PUBLISHED_SCHEMA, Published, snapshot
from exporters.redis import failures
from exporters.redis.address import is_cluster, redacted
from exporters.redis.cluster import Cluster
from exporters.redis.marker import KEY as MARKER_KEY
from exporters.redis.marker import Marker, announcement_of, marker_of, note_on
from exporters.redis.replies import Difference
from exporters.redis.rows import Rows, blocks_of, count, first_lines, read_blocks
from exporters.redis.server import Server
from exporters.redis.work import Work


@dataclass(frozen=True, slots=True)
class _Found:
    """What a comparison found; the payload of a plan.

    Attributes:
        published: The publication that Redis was compared with.
        rows: All of its rows; None if Redis holds none of them, so that they are read as they
            are written.
        put: The rows to write; None for all.
        reset: Keys among them that hold something foreign.
        removed: Keys of instruments that left.
        touch: Keys whose expiry is not as it should be.
        marker: The marker to write.
        held_marker: The marker found.
    """

    published: Published
    rows: Rows | None
    put: Rows | None
    reset: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    touch: tuple[bytes, ...]
    marker: Marker
    held_marker: Marker | None


class RedisHashes:
    """Redis as a destination: one hash an instrument, as `marts.exp_redis__instruments` says.

    A single server is written in one MULTI/EXEC: a reader sees the old publication or the new
    one, and a client or server that dies on the way leaves the old one. A cluster cannot do that
    over its nodes: there each key is old or new, and the marker says `writing` meanwhile.

    Args:
        url: `REDIS_URL`; see `exporters.redis.address`.
        connection: A PostgreSQL connection with no transaction open.
        ttl_seconds: After how long without an export the keys expire; None for never.
        schema: Where the rows are read; see `exporters.published.snapshot`.

    Attributes:
        on_progress: If set, called with how many keys have been sent, and how many will be.

    Raises:
        ValueError: `ttl_seconds` is not positive.
    """

    name = "redis"
    on_progress: Callable[[int, int], None] | None = None

    def __init__(
        self,
        url: str,
        connection: psycopg.Connection[Any],
        ttl_seconds: int | None = None,
        *,
        schema: str = PUBLISHED_SCHEMA,
    ) -> None:
        if ttl_seconds is not None and ttl_seconds <= 0:
            raise ValueError(f"ttl_seconds is {ttl_seconds}; expected a positive number or None")
        self._url = url
        self._place = redacted(url)
        self._connection = connection
        self._ttl_seconds = ttl_seconds
        self._schema = schema
        self._found: _Found | None = None

    def _open(self) -> Server | Cluster:
        return Cluster(self._url) if is_cluster(self._url) else Server(self._url)

    def plan(self) -> Plan:
        """Read every hash that Redis holds and compare it field by field.

        Raises:
            DestinationUnavailable: Redis or PostgreSQL is out of reach.
            DestinationRefused: Redis refuses a read, or no instruments are published.
        """
        with (
            failures.explained(self._place, failures.UNTOUCHED),
            snapshot(self._connection, self._schema) as published,
            self._open() as store,
        ):
            held = store.keys()
            held_marker = store.marker()
            if held:
                return self._compare(store, published, held, held_marker)
            return self._fill(published, held_marker)

    def _fill(self, published: Published, held_marker: Marker | None) -> Plan:
        """The plan for a Redis without a single instrument: count now, read while writing."""
        rows = count(self._connection)
        _refuse_nothing(rows)
        marker = marker_of(published, rows)
        self._found = _Found(published, None, None, (), (), (), marker, held_marker)
        return Plan(
            added=rows,
            samples={"added": first_lines(self._connection, SAMPLE_LINES)},
            payload=self._found,
            note=note_on(held_marker, marker, 0),
            upkeep=int(marker != held_marker),
        )

    def _compare(
        self,
        store: Server | Cluster,
        published: Published,
        held: set[bytes],
        held_marker: Marker | None,
    ) -> Plan:
        rows = Rows([], [])
        differences: list[Difference] = []
        with closing(read_blocks(self._connection)) as blocks:
            found = store.compare(_held_blocks(blocks, held, rows, differences))
        _refuse_nothing(len(rows))
        # A key that expired between SCAN and HGETALL is as good as one that was never there.
        differences += found
        removed = tuple(sorted(held.difference(rows.keys)))
        marker = marker_of(published, len(rows))
        put = Rows([d.key for d in differences], [d.packed for d in differences])
        touch = self._touch(store, rows, frozenset(put.keys))
        reset = tuple(d.key for d in differences if d.needs_reset)
        payload = _Found(published, rows, put, reset, removed, touch, marker, held_marker)
        self._found = payload
        return replace(
            _plan_of(differences, removed),
            payload=payload,
            note=note_on(held_marker, marker, len(held)),
            upkeep=len(touch) + int(marker != held_marker),
        )

    def _touch(
        self, store: Server | Cluster, rows: Rows, put: frozenset[bytes]
    ) -> tuple[bytes, ...]:
        """The keys whose expiry has to be set anew, or taken away."""
        if self._ttl_seconds is None:
            return tuple(store.expiring([*rows.keys, MARKER_KEY]))
        return tuple(key for key in rows.keys if key not in put)

    def apply(self, plan: Plan) -> None:
        """Write what the plan found, in one transaction where Redis has them.

        Raises:
            DestinationUnavailable: Redis is out of reach, read-only or full, or somebody else
                has published or exported meanwhile.
            DestinationRefused: Redis refuses the write.
        """
        found = plan.payload
        if not isinstance(found, _Found):
            raise TypeError("the plan is not one of this destination")
        if found.put is not None:
            self._write(found, plan, blocks_of(found.put))
            return
        with snapshot(self._connection, self._schema) as published:
            if published != found.published:
                raise _moved_on(found.published, published)
            rows = Rows([], [])
            # Closed before the snapshot ends: a COPY cut short holds its connection.
            with closing(read_blocks(self._connection)) as blocks:
                self._write(found, plan, _kept(blocks, rows))
        self._found = _Found(published, rows, None, (), (), (), found.marker, found.held_marker)

    def _write(self, found: _Found, plan: Plan, put: Iterable[Rows]) -> None:
        is_news = plan.added or plan.changed or plan.removed or found.marker != found.held_marker
        work = Work(
            put=self._counted(put, plan.added + plan.changed),
            reset=found.reset,
            remove=found.removed,
            touch=found.touch,
            ttl_seconds=self._ttl_seconds,
            marker=found.marker,
            held_marker=found.held_marker,
            announcement=announcement_of(found.published, plan) if is_news else None,
        )
        whole, cut_off = failures.OLD_STATE, failures.EITHER_STATE
        if is_cluster(self._url):
            whole = cut_off = failures.CLUSTER_STATE
        with failures.explained(self._place, whole, cut_off=cut_off), self._open() as store:
            store.write(work)

    def _counted(self, blocks: Iterable[Rows], total: int) -> Iterator[Rows]:
        done = 0
        for block in blocks:
            yield block
            done += len(block)
            if self.on_progress is not None:
                self.on_progress(done, total)

    def verify(self) -> None:
        """Read every hash again, and the marker, and that what left is gone.

        Raises:
            VerificationError: Redis does not hold the publication.
            DestinationUnavailable: Redis is out of reach.
        """
        found = self._found
        if found is None or found.rows is None:
            self._verify_afresh()
            return
        with failures.explained(self._place, failures.EITHER_STATE), self._open() as store:
            differences = store.compare(blocks_of(found.rows))
            still_there = store.existing(found.removed)
            held_marker = store.marker()
        is_marked = held_marker == found.marker
        if differences or still_there or not is_marked:
            raise self._not_as_published(_plan_of(differences, still_there), is_marked=is_marked)

    def _verify_afresh(self) -> None:
        plan = self.plan()
        found = plan.payload
        is_marked = isinstance(found, _Found) and found.marker == found.held_marker
        if plan.added or plan.changed or plan.removed or not is_marked:
            raise self._not_as_published(plan, is_marked=is_marked)

    def _not_as_published(self, plan: Plan, *, is_marked: bool) -> VerificationError:
        marker = "" if is_marked else "; the marker instruments:publication is another"
        samples = "; ".join(f"{kind} {'; '.join(some)}" for kind, some in plan.samples.items())
        return VerificationError(
            f"Redis at {self._place} lacks {plan.added} keys, holds {plan.changed} with other "
            f"values and {plan.removed} too many{marker}. To be {samples or 'nothing else'}",
            expected="every hash as published, ten fields each",
            consumers="Consumers see what Redis holds now, which is not the publication.",
            remedy="Something else writes to this Redis, or it evicts keys (maxmemory-policy): "
            "stop that, then run the export again.",
        )


def _held_blocks(
    blocks: Iterable[Rows], held: set[bytes], rows: Rows, missing: list[Difference]
) -> Iterator[Rows]:
    """The part of each block whose keys Redis holds; all rows, and the rest, are kept aside."""
    for block in blocks:
        rows.extend(block)
        if held.issuperset(block.keys):
            yield block
            continue
        there = Rows([], [])
        for key, packed in zip(block.keys, block.packed, strict=True):
            if key in held:
                there.keys.append(key)
                there.packed.append(packed)
            else:
                missing.append(Difference(key, packed, {}))
        yield there


def _kept(blocks: Iterable[Rows], rows: Rows) -> Iterator[Rows]:
    for block in blocks:
        rows.extend(block)
        yield block


def _plan_of(differences: Sequence[Difference], removed: Sequence[bytes]) -> Plan:
    """The counts and samples of what was found."""
    missing = [difference for difference in differences if difference.is_missing]
    changed = [difference for difference in differences if not difference.is_missing]
    samples = {
        "added": tuple(difference.describe() for difference in missing[:SAMPLE_LINES]),
        "changed": tuple(difference.describe() for difference in changed[:SAMPLE_LINES]),
        "removed": tuple(key.decode(errors="replace") for key in removed[:SAMPLE_LINES]),
    }
    return Plan(
        added=len(missing),
        changed=len(changed),
        removed=len(removed),
        samples={kind: lines for kind, lines in samples.items() if lines},
    )


def _refuse_nothing(rows: int) -> None:
    if not rows:
        raise DestinationRefused(
            "No instruments are published: marts.exp_redis__instruments is empty",
            expected="a row for every instrument",
            consumers="Consumers see what Redis held before.",
            remedy="Publish a dump; an empty Redis is never exported.",
        )


def _moved_on(planned: Published, found: Published) -> DestinationUnavailable:
    return DestinationUnavailable(
        f"Publication {found.publication_id} took the place of {planned.publication_id} "
        "between plan and apply",
        consumers="Consumers see what Redis held before.",
        remedy="Run the export again.",
    )
