"""A first sync into a system that was there before: its table, its keys, its `.env`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.end_to_end import dumps, expected
from tests.end_to_end.conftest import Published
from tests.installation import Done, Installation, Seen

# Fewer columns than ours, one of its own, an index, a view and a foreign key.
SCHEMA = """
create table public.instruments (
    instrument_token integer primary key,
    trading_symbol text not null,
    exchange text not null,
    name text,
    segment text,
    is_active boolean default false,
    note text
);
create index on public.instruments (trading_symbol);
create view public.streamed as
    select instrument_token, trading_symbol from public.instruments where is_active;
create table public.orders (
    order_id integer primary key,
    instrument_token integer not null references public.instruments
);
insert into public.instruments values
    (738561, 'RELIANCE', 'NSE', 'RELIANCE', 'NSE', true, 'ours'),
    (256265, 'NIFTY 50', 'NSE', 'NIFTY 50', 'INDICES', false, null),
    (999999991, 'GONE', 'NSE', 'GONE', 'NSE', false, null),
    (999999992, 'HELD', 'NSE', 'HELD', 'NSE', true, 'an order points here');
insert into public.orders values (1, 999999992), (2, 738561);
"""
ENV = (
    b"\xef\xbb\xbf# caf\xc3\xa9\r\nexport TOKEN=abc=def\r\nINSTRUMENTS_OLD=1\r\n"
    b"#INSTRUMENTS=7\r\n\r\nLAST=1"
)


@dataclass(frozen=True)
class Adopted:
    at: Installation
    done: Done
    seen: Seen


@pytest.fixture(scope="module")
def adopted(installation: Installation, first_publication: Published) -> Iterator[Adopted]:
    installation.wipe()
    installation.execute(SCHEMA)
    installation.env_file.write_bytes(ENV)
    installation.env_file.chmod(0o640)
    with installation.redis() as client:
        client.set("orders:1", "kept")
        client.hset("instrument:738561", mapping={"tradingsymbol": "OLD", "extra": "field"})
        client.hset("instrument:999999991", mapping={"tradingsymbol": "GONE"})
        client.set("instrument:256265", "a string, not a hash")
    done = installation.sync(first_publication.dump)
    yield Adopted(installation, done, installation.seen())
    installation.close()


def rows_by_token(adopted: Adopted) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row for row in adopted.seen.instruments}


def test_it_is_taken_over_without_a_question(adopted: Adopted) -> None:
    assert adopted.done.code == 0, adopted.done


def test_the_table_has_every_row_and_column_and_keeps_its_own(
    adopted: Adopted, first_publication: Published
) -> None:
    # RELIANCE was switched on by hand before: it is adopted as a subscription.
    tokens = [*dumps.tokens_of(first_publication.rows, "NIFTY"), 738561]
    wanted = {row[0]: row for row in expected.instruments(first_publication.rows, tokens)}
    found = rows_by_token(adopted)
    assert {token: found[token] for token in wanted} == wanted
    [(note,)] = adopted.at.execute(
        "select note from public.instruments where instrument_token = 738561"
    )
    assert note == "ours"


def test_rows_that_left_go_unless_something_points_at_them(adopted: Adopted) -> None:
    found = rows_by_token(adopted)
    assert 999999991 not in found
    held = found[999999992]
    assert held[2] == "HELD"
    assert held[11] is False
    assert adopted.at.execute("select count(*) from public.orders") == [(2,)]


def test_a_view_on_the_table_goes_on_working(adopted: Adopted) -> None:
    found = adopted.at.execute("select instrument_token from public.streamed order by 1")
    assert [row[0] for row in found] == list(adopted.seen.active)


def test_other_keys_stay_and_foreign_ones_are_mended(
    adopted: Adopted, first_publication: Published
) -> None:
    assert adopted.seen.redis == expected.redis_hashes(first_publication.rows)
    with adopted.at.redis() as client:
        assert client.get("orders:1") == "kept"
        others = {key for key in client.scan_iter() if not key.startswith("instrument:")}
    assert others == {"orders:1", "instruments:publication"}


def test_every_other_byte_of_the_env_file_stays(
    adopted: Adopted, first_publication: Published
) -> None:
    assert adopted.seen.env
    assert adopted.seen.env.startswith(ENV)
    added = adopted.seen.env[len(ENV) :].decode()
    tokens = adopted.at.env_tokens()
    assert sorted(tokens) == sorted([*dumps.tokens_of(first_publication.rows, "NIFTY"), 738561])
    assert added.strip().splitlines()[-1] == f"INSTRUMENTS={','.join(map(str, tokens))}"
    assert adopted.at.env_file.stat().st_mode & 0o777 == 0o640


def test_the_file_as_it_was_is_beside_it(adopted: Adopted) -> None:
    [backup] = (adopted.at.env_file.parent / "backups").iterdir()
    assert backup.read_bytes() == ENV


def test_what_was_streamed_before_is_adopted(adopted: Adopted) -> None:
    found = adopted.at.execute("select canonical_id, origin from ops.subscription_overrides")
    assert ("NSE:RELIANCE", "adopted") in found
    assert adopted.seen.focus
    assert json.loads(adopted.seen.focus)["total_symbols"] == 258
