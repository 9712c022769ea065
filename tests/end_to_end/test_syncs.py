"""What a sync does to what is published already: nothing, a difference, or what a person asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import dumps, expected
from tests.end_to_end.conftest import ENV, Published, PublishedTwice
from tests.installation import Installation

# Commands that leave the data alone.
READS = frozenset(
    {"hgetall", "hget", "hlen", "get", "scan", "keys", "ttl", "pttl", "exists", "type", "dbsize"}
    | {"ping", "info", "hello", "command", "select", "config", "watch", "unwatch", "client"}
)


def touched(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of every file that consumers read."""
    found = [folder, *folder.rglob("*")]
    paths = [path for path in found if path.is_file()]
    return {
        str(path): (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
    }


def versions(at: Installation) -> Mapping[str, Any]:
    """The row versions of every published table: a write, even of the same values, changes them."""
    names = [
        row[0]
        for row in at.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables "
            "where schemaname = 'marts'"
        )
    ]
    return {
        name: at.execute(f"select count(*), max(xmin::text::bigint), max(ctid) from {name}")
        for name in [*names, "public.instruments", "ops.publications"]
    }


def writes_to_redis(at: Installation) -> set[str]:
    with at.redis() as client:
        used = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    return {name for name in used if name.partition("|")[0] not in READS}


def test_the_same_dump_again_changes_nothing_at_all(published: Published) -> None:
    at = published.at
    files = touched(at.env_file.parent) | touched(at.files) | touched(at.snapshot)
    rows = versions(at)
    with at.redis() as client:
        client.config_resetstat()
    done = at.sync(published.dump).ok()
    assert writes_to_redis(at) == set()
    assert "Already published as 1" in done.out
    assert "build:" not in done.out
    assert versions(at) == rows
    assert touched(at.env_file.parent) | touched(at.files) | touched(at.snapshot) == files
    assert at.seen() == published.seen


def test_the_first_publication_is_what_contracts_say(published: Published) -> None:
    seen, rows = published.seen, published.rows
    tokens = dumps.tokens_of(rows, "NIFTY")
    assert seen.redis == expected.redis_hashes(rows)
    assert list(seen.instruments) == expected.instruments(rows, tokens)
    assert seen.env == expected.env_with(ENV, tokens)
    backups = list((published.at.env_file.parent / "backups").iterdir())
    assert [path.read_bytes() for path in backups] == [ENV]
    assert backups[0].name.startswith(".env.backup.")


def test_a_program_without_the_database_finds_the_publication(published: Published) -> None:
    at = published.at
    code = (
        "import instrument_registry as ir; registry = ir.get_registry(max_age_hours=None);"
        "focus = ir.get_registry('intraday_focus', max_age_hours=None);"
        "told = registry.publication;"
        "found = registry.require_for_broker('RELIANCE', 'zerodha');"
        "print(told.source, told.number, told.as_of_date, len(registry), len(focus) > 0,"
        " found['symboltoken'])"
    )
    program = at.start_program([sys.executable, "-c", code], DATABASE_URL="", REDIS_URL="")
    rows = len(published.rows)
    assert program.done().ok().out == f"snapshot 1 2026-08-17 {rows} True 738561\n"


def test_a_next_day_is_published_by_difference(published_twice: PublishedTwice) -> None:
    seen, rows = published_twice.seen, published_twice.first.next_rows
    tokens = dumps.tokens_of(rows, "NIFTY")
    assert seen.publication == 2
    assert seen.redis == expected.redis_hashes(rows)
    assert list(seen.instruments) == expected.instruments(rows, tokens)
    assert seen.env == expected.env_with(ENV, tokens)
    assert seen.token_lookup
    assert json.loads(seen.token_lookup) == expected.token_lookup(rows)
    assert "redis: written: 1 added, 3 changed, 2 removed" in published_twice.done.out


def test_only_rows_that_changed_are_new_versions(published_twice: PublishedTwice) -> None:
    at = published_twice.at
    [(published_at,)] = at.execute("select published_at from ops.publications order by 1 limit 1")
    [(later, removed)] = at.execute(
        "select count(*) filter (where last_updated > %s), count(*) filter (where not is_active) "
        "from public.instruments",
        published_at,
    )
    assert later == 4  # one new contract, three changed shares
    assert removed > 0


def test_history_keeps_what_a_publication_undid(published_twice: PublishedTwice) -> None:
    rows = published_twice.at.execute(
        "select change, count(*), count(before) from history.publication_changes "
        "where publication_id = 2 and table_name = 'exp_redis__instruments' group by 1 order by 1"
    )
    assert rows == [("added", 1, 0), ("changed", 3, 3), ("removed", 2, 2)]


def test_changes_of_instruments_are_told(published_twice: PublishedTwice) -> None:
    changes = dict(
        published_twice.at.execute(
            "select change, count(*) from marts.instrument_changes group by 1"
        )
    )
    assert changes["listed"] >= 1
    assert changes["delisted"] >= 2
    assert changes["symbol_changed"] == 1
    assert changes["tick_changed"] == 1


def test_listeners_and_subscribers_are_told_of_a_publication(
    published_twice: PublishedTwice,
) -> None:
    told = published_twice.heard
    assert published_twice.notified["publication_id"] == 2
    assert (told["publication"], told["as_of"]) == (2, "2026-08-17")
    assert (told["added"], told["changed"], told["removed"]) == (1, 3, 2)


# --- subscriptions --------------------------------------------------------------------------


def test_contracts_switched_by_hand_stay_so_in_the_next_syncs(published: Published) -> None:
    at = published.at
    at.execute(
        "update instruments set is_active = true "
        "where name = 'BANKNIFTY' and segment in ('NFO-OPT', 'NFO-FUT')"
    )
    both = dumps.tokens_of(published.rows, "NIFTY", "BANKNIFTY")
    # The same dump again: the override waits for a build, so this one builds.
    at.sync(published.dump).ok()
    assert list(at.seen().active) == sorted(both)
    assert at.env_tokens() == both
    # And the next day.
    at.sync(published.next_dump).ok()
    both = dumps.tokens_of(published.next_rows, "NIFTY", "BANKNIFTY")
    assert list(at.seen().active) == sorted(both)
    assert at.env_tokens() == both
    # Switched off again by hand, they leave; and so does a single one of the filter.
    nifty = dumps.tokens_of(published.next_rows, "NIFTY")
    off = nifty.pop(7)
    at.execute(
        "update instruments set is_active = false "
        "where name = 'BANKNIFTY' or instrument_token = %s",
        off,
    )
    at.sync(published.next_dump).ok()
    assert at.env_tokens() == nifty
    assert list(at.seen().active) == sorted(nifty)


def test_filter_all_stores_everything_and_leaves_subscriptions_alone(published: Published) -> None:
    at = published.at
    done = at.sync(published.next_dump, "--filter", "all").ok()
    seen = at.seen()
    assert seen.env == published.seen.env
    assert seen.redis == expected.redis_hashes(published.next_rows)
    # What was streamed goes on, but for the contract that left the dump.
    kept = {int(row["instrument_token"]) for row in published.next_rows}
    assert list(seen.active) == [token for token in published.seen.active if token in kept]
    assert "nothing to restart: the filter leaves the INSTRUMENTS line alone" in done.out


def test_a_comma_list_streams_several_underlyings_and_a_reference_price_moves_the_focus_set(
    published: Published,
) -> None:
    at = published.at
    strikes = sorted({float(r["strike"]) for r in published.rows if r["name"] == "SENSEX"})
    price = strikes[len(strikes) // 4] + 1
    at.sync(published.dump, "--filter", "nifty,sensex", REFERENCE_PRICES=f"SENSEX={price}").ok()
    assert at.env_tokens() == dumps.tokens_of(published.rows, "NIFTY", "SENSEX")
    seen = at.seen()
    assert seen.redis == published.seen.redis
    assert json.loads(seen.focus or b"")["symbols"] == expected.focus_symbols(
        published.rows, date(2026, 8, 17), {"SENSEX": price}
    )
    sources = at.execute(
        "select distinct reference_price, reference_price_source from marts.focus_instruments "
        "where underlying = 'SENSEX'"
    )
    assert sources == [(Decimal(str(price)), "given")]


@pytest.mark.parametrize("text", ["nfty", "", "all,nifty", "NIFTY'; drop table x"])
def test_an_unknown_filter_is_refused_before_anything(published: Published, text: str) -> None:
    done = published.at.sync(published.next_dump, "--filter", text)
    assert done.code == 2, done
    assert "ilter" in done.err
    assert "Traceback" not in done.err
    assert published.at.seen() == published.seen


# --- repairs --------------------------------------------------------------------------------


def test_the_same_dump_again_mends_what_somebody_damaged(published: Published) -> None:
    at = published.at
    with at.redis() as client:
        client.flushall()
    at.env_file.write_bytes(ENV)
    os.truncate(at.files / "token_lookup_enriched.json", 1_000)
    (at.files / "focus_instruments.json").unlink()
    at.execute("delete from public.instruments where exchange = 'MCX'")
    at.execute("update public.instruments set lot_size = 1 where name = 'SENSEX'")
    done = at.sync(published.dump).ok()
    assert "Already published as 1" in done.out
    assert at.seen().is_like(published.seen)


def test_damaged_published_tables_are_not_spread_and_are_published_anew(
    published: Published,
) -> None:
    at = published.at
    at.execute("delete from marts.exp_redis__instruments where exchange = 'MCX'")
    at.execute("update marts.instruments set lot_size = 1 where underlying = 'SENSEX'")
    refused = at.run("export")
    assert refused.code == 5
    assert "Nothing was exported" in refused.err
    assert at.seen().redis == published.seen.redis
    at.sync(published.dump).ok()
    seen = at.seen()
    assert seen.publication == 2
    differing = {name for name in seen.marts if seen.marts[name] != published.seen.marts[name]}
    assert differing <= {"instrument_changes"}
    assert seen.redis == published.seen.redis


# --- dry run --------------------------------------------------------------------------------


def test_a_dry_run_plans_everything_and_writes_nothing(published: Published) -> None:
    at = published.at
    files = touched(at.env_file.parent) | touched(at.files) | touched(at.snapshot)
    rows = versions(at)
    with at.redis() as client:
        client.config_resetstat()
    done = at.sync(published.next_dump, "--dry-run").ok()
    assert writes_to_redis(at) == set()
    assert versions(at) == rows
    assert touched(at.env_file.parent) | touched(at.files) | touched(at.snapshot) == files
    assert at.seen() == published.seen
    assert "Dry run" in done.out
    assert "run it again without the dry run" in done.out


@pytest.mark.exhaustive
def test_a_dry_run_of_the_first_sync_leaves_nothing_behind(
    empty: Installation, first_publication: Published
) -> None:
    empty.sync(first_publication.dump, "--dry-run").ok()
    seen = empty.seen()
    assert (seen.publication, seen.instruments, dict(seen.marts)) == (None, (), {})
    assert (seen.redis, seen.marker, seen.env, seen.token_lookup) == ({}, {}, None, None)
