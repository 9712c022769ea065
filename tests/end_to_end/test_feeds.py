"""Four brokers in one sync: each down, refused, stale, back again; Kite's consumers see Kite."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import dumps, expected, feeds
from tests.end_to_end.conftest import Published
from tests.installation import DOTENV, LOOKUP, Done, Kept
from tests.loader.broker import Broker, reply, serving

NOWHERE = "http://localhost:9/dump"
IMPATIENT = {"FETCH_ATTEMPTS": "1", "FETCH_CONNECT_TIMEOUT_SECONDS": "1"}
UNAVAILABLE = 3
GATE_RED = 4
DAY_ONE, DAY_TWO = "2026-08-17", "2026-08-18"


@dataclass(frozen=True)
class FourFeeds:
    """An installation with Kite, Angel One, Upstox and Dhan, published once."""

    first: Published
    dumps: feeds.Dumps
    kept: Kept

    @property
    def at(self) -> Any:
        return self.first.at

    def sync(self, dump: Path | str | None = None, *arguments: str, **settings: str) -> Done:
        """A sync of all four, unless the settings say otherwise."""
        told = self.settings(**settings)
        done: Done = self.at.sync(dump or self.first.dump, *arguments, **told)
        return done

    def settings(self, **settings: str) -> dict[str, str]:
        """The environment of a sync of all four."""
        return {**self.dumps.settings, **IMPATIENT, **settings}

    @property
    def canonical(self) -> Path:
        path: Path = self.at.files / "canonical_instruments.yaml"
        return path

    def rows(self, which: str = "true") -> Counter[str]:
        """Published rows by broker."""
        query = f"select broker, count(*) from marts.broker_instruments where {which} group by 1"
        return Counter(dict(self.at.execute(query)))

    def feeds(self) -> dict[str, Any]:
        """What the last publication was built from."""
        ((found,),) = self.at.execute(
            "select summary -> 'feeds' from ops.publications order by publication_id desc limit 1"
        )
        return dict(found)


@pytest.fixture(scope="session")
def kept_feeds(first_publication: Published, tmp_path_factory: pytest.TempPathFactory) -> FourFeeds:
    folder = tmp_path_factory.mktemp("feeds")
    at, rows = first_publication.at, first_publication.rows
    at.wipe()
    published = FourFeeds(
        first_publication,
        feeds.Dumps.of(folder, rows),
        first_publication.kept,
    )
    published.sync().ok()
    return replace(published, kept=at.keep("four-feeds"))


@pytest.fixture
def four(kept_feeds: FourFeeds) -> Any:
    kept_feeds.at.put_back(kept_feeds.kept)
    yield kept_feeds
    kept_feeds.at.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with serving() as served:
        yield served


def test_every_brokers_rows_are_matched_and_kites_consumers_see_what_they_did(
    four: FourFeeds,
) -> None:
    contracts = len(feeds.contracts(four.first.rows))
    assert four.rows("match_status = 'matched'") == {
        "angel_one": len(feeds.of_angel_one(four.first.rows)),
        "upstox": contracts,
        "dhan": contracts,
    }
    assert four.rows()["kite"] == len(four.first.rows)
    ((instruments,),) = four.at.execute("select count(*) from marts.instruments")
    assert instruments == four.rows()["kite"]
    seen, alone = four.at.seen(), four.first.seen
    assert seen.redis == alone.redis
    assert seen.active == alone.active
    assert four.at.env_tokens() == list(dumps.tokens_of(four.first.rows, "NIFTY"))
    assert seen.token_lookup == alone.token_lookup
    assert seen.registry
    listed = {row[5][3] for row in seen.registry[2]}
    assert listed == {"zerodha", "angel_one", "upstox", "dhan"}
    told = four.feeds()
    assert {name: feed["is_stale"] for name, feed in told.items()} == dict.fromkeys(
        feeds.FEEDS, False
    )
    assert feeds.mappings_in(four.canonical) == four.dumps.mappings()


def test_every_brokers_units_are_one(four: FourFeeds) -> None:
    """Rupees, lots and days of one contract are the same, whatever each broker counted in."""
    compared = four.at.execute(
        """
        select
            other.broker,
            count(*) filter (where other.exchange in ('CDS', 'NCO')),
            count(*) filter (
                where (other.strike, other.tick_size_inr, other.lot_size, other.expiry_date)
                is distinct from (kite.strike, kite.tick_size_inr, kite.lot_size, kite.expiry_date)
            )
        from marts.broker_instruments as other
        inner join marts.broker_instruments as kite
            on other.canonical_id = kite.canonical_id and kite.broker = 'kite'
        where other.broker <> 'kite' and other.expiry_date is not null
        group by 1 order by 1
        """
    )
    assert [(broker, differing) for broker, _, differing in compared] == [
        ("angel_one", 0), ("dhan", 0), ("upstox", 0),
    ]  # fmt: skip
    assert compared[0][1] > 100, "currencies and NCO's commodities have units of their own"
    assert four.at.execute("select * from marts.broker_disagreements") == []


def test_the_registrys_monitor_finds_every_brokers_spelling_in_step(four: FourFeeds) -> None:
    program = [sys.executable, "-m", "instrument_registry.registry_sync_monitor"]
    done = four.at.start_program([*program, "--check", "--json"]).done().ok()
    found = done.document["status"]
    assert found["focus"] | {"underlyings": []} == {
        "contracts": 258, "listings": 1_032, "underlyings": [],
    }  # fmt: skip
    held = {name: one["held"] for name, one in found["holders"].items()}
    # Dhan spells contracts of two weeks alike, so there are fewer symbols than listings.
    assert 258 < held.pop("focus_file") < 1_032
    assert held == {
        "focus_registry": 1_032, "published_table": 258, "token_lookup": 258,
        "registry_snapshot": 1_032,
    }  # fmt: skip


def test_the_same_dumps_again_build_nothing(four: FourFeeds) -> None:
    before = four.at.seen()
    done = four.sync().ok()
    assert "Already published" in done.out
    assert four.at.seen().is_like(before)


def test_a_broker_that_is_down_stays_as_published_and_is_marked_stale(four: FourFeeds) -> None:
    before = four.rows()
    done = four.sync(four.first.next_dump, "--as-of", DAY_TWO, DHAN_SOURCE=NOWHERE).ok()
    assert "Dhan has no dump for today: its rows of 2026-08-17 stay, marked stale" in done.out
    assert four.rows()["dhan"] == before["dhan"]
    assert four.rows("is_stale") == {"dhan": before["dhan"]}
    ((day,),) = four.at.execute(
        "select distinct stale_as_of_date::text from marts.broker_instruments where is_stale"
    )
    assert day == DAY_ONE
    assert four.feeds()["dhan"]["is_stale"] is True
    assert "dhan 2026-08-17 (stale)" in four.at.run("status").out

    # The same trouble again is nothing new; the broker's return is.
    again = four.sync(four.first.next_dump, "--as-of", DAY_TWO, DHAN_SOURCE=NOWHERE).ok()
    assert "Already published" in again.out
    four.sync(four.first.next_dump, "--as-of", DAY_TWO).ok()
    assert four.rows("is_stale") == {}


def said_by_angel_one(four: FourFeeds) -> list[tuple[Any, ...]]:
    """Its published rows, without what the warehouse says of them."""
    return [
        tuple(row[0].items())
        for row in four.at.execute(
            "select to_jsonb(t) - array['is_stale', 'stale_as_of_date', 'canonical_id', "
            "'match_status', 'match_reason'] from marts.broker_instruments as t "
            "where broker = 'angel_one' order by exchange, broker_token"
        )
    ]


def test_a_broker_whose_dump_is_refused_does_not_stop_the_others(
    four: FourFeeds, tmp_path: Path, broker: Broker
) -> None:
    """A nested value; its error page with status 200; an array that is cut off."""
    before, counts = said_by_angel_one(four), four.rows()
    text = four.dumps.angel_one.read_text()
    cut, nested = tmp_path / "cut.json", tmp_path / "nested.json"
    cut.write_text(text[: len(text) // 2])
    nested.write_text(text.replace('"lotsize": "65"', '"lotsize": {"units": 65}', 1))
    page = b'{"status": false, "message": "Invalid Token", "errorcode": "AG8001", "data": ""}'
    broker.answer(reply(page, kind="application/json"))
    day_two = (four.first.next_dump, "--as-of", DAY_TWO)
    newer = feeds.Dumps.of(tmp_path / "newer", four.first.next_rows)
    at_its_url = {"ANGEL_ONE_SOURCE": "angel_one", "ANGEL_ONE_INSTRUMENTS_URL": broker.url}

    done = four.sync(*day_two, **{**newer.settings, "ANGEL_ONE_SOURCE": str(nested)}).ok()

    assert "Angel One has no dump for today: its rows of 2026-08-17 stay, marked stale" in done.out
    assert "holds an object" in done.out
    assert said_by_angel_one(four) == before
    assert four.rows("is_stale") == {"angel_one": counts["angel_one"]}
    assert four.at.seen().redis == expected.redis_hashes(four.first.next_rows)
    assert four.at.env_tokens() == dumps.tokens_of(four.first.next_rows, "NIFTY")
    assert feeds.mappings_in(four.canonical) == newer.mappings_with_angel_one_of(four.dumps)

    # However it is refused, the rows that stand in are the same: nothing new to publish.
    for source, word in (
        (at_its_url, "Invalid Token"),
        ({"ANGEL_ONE_SOURCE": str(cut)}, "cut short"),
        ({"ANGEL_ONE_SOURCE": str(nested)}, "holds an object"),
    ):
        again = four.sync(*day_two, **{**newer.settings, **source}).ok()
        assert word in again.out
        assert "Already published" in again.out
    assert broker.requests
    assert said_by_angel_one(four) == before


@pytest.mark.exhaustive
def test_two_brokers_refused_at_once_do_not_stop_the_others(
    four: FourFeeds, tmp_path: Path
) -> None:
    before = four.rows()
    lines = four.dumps.dhan.read_text().splitlines(keepends=True)
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("".join([*lines[:700], "NSE,D,1\n", *lines[700:]]))
    nested = tmp_path / "nested.json"
    text = four.dumps.upstox.read_text()
    nested.write_text(text.replace('"weekly": false', '"weekly": [1]', 1))

    done = four.sync(
        *(four.first.next_dump, "--as-of", DAY_TWO),
        DHAN_SOURCE=str(ragged),
        UPSTOX_SOURCE=str(nested),
    ).ok()

    assert "line 701" in done.out
    assert "element 1" in done.out
    assert four.rows("is_stale") == {"dhan": before["dhan"], "upstox": before["upstox"]}


def test_kite_down_leaves_its_own_consumers_alone(four: FourFeeds, tmp_path: Path) -> None:
    newer = feeds.upstox(tmp_path / "newer.json", four.first.rows[:-200])
    before = four.at.seen().by_destination()
    done = four.sync(
        "kite", "--as-of", DAY_ONE, KITE_INSTRUMENTS_URL=NOWHERE, UPSTOX_SOURCE=str(newer)
    ).ok()
    assert "Kite has no dump for today" in done.out
    assert four.rows("is_stale")["kite"] == len(four.first.rows)
    seen = four.at.seen().by_destination()
    for destination in (DOTENV, LOOKUP):
        assert seen[destination] == before[destination], destination


def test_with_every_broker_down_nothing_is_published(four: FourFeeds) -> None:
    before = four.at.seen()
    done = four.sync(
        "kite", "--as-of", DAY_TWO,
        KITE_INSTRUMENTS_URL=NOWHERE, ANGEL_ONE_SOURCE=NOWHERE, UPSTOX_SOURCE=NOWHERE,
        DHAN_SOURCE=NOWHERE,
    )  # fmt: skip
    assert done.code == UNAVAILABLE
    assert "Kite gave no dump" in done.err
    assert four.at.seen().is_like(before)


def test_a_dump_that_the_gate_refuses_stops_nobody_else(four: FourFeeds, tmp_path: Path) -> None:
    """Dhan counts lots in another unit on day two: what landed of that never stands in."""
    before = four.rows()
    lots = "select broker_token, lot_size from marts.broker_instruments where broker = 'dhan'"
    published = sorted(four.at.execute(lots))
    rows = [{**row, "lot_size": f"{float(row['lot_size']) * 10:.0f}"} for row in four.first.rows]
    told = {"DHAN_SOURCE": str(feeds.dhan(tmp_path / "lots.csv", rows))}

    done = four.sync(four.first.next_dump, "--as-of", DAY_TWO, **told).ok()

    assert (
        "its rows of 2026-08-17 stay, marked stale (the gate refuses it: feed-churn-lot" in done.out
    )
    assert four.rows("is_stale") == {"dhan": before["dhan"]}
    assert sorted(four.at.execute(lots)) == published
    assert "the gate refuses it: feed-churn-lot" in four.feeds()["dhan"]["trouble"]
    assert four.feeds()["kite"] | {"sha256": ""} | {"load_id": 0} == {
        "as_of_date": DAY_TWO, "is_stale": False, "sha256": "", "load_id": 0, "trouble": None,
    }  # fmt: skip
    ((verdict, page),) = four.at.execute(
        "select verdict, report_path from ops.sync_runs order by started_at desc limit 1"
    )
    assert verdict == "green"
    assert "Gate red" in Path(page).with_name("refused.html").read_text()
    assert "Gate green: published" in Path(page).read_text()

    seen = four.at.seen()
    again = four.sync(four.first.next_dump, "--as-of", DAY_TWO, **told).ok()
    assert "Already published" in again.out, again.out
    assert four.at.seen().is_like(seen)


def test_a_feed_that_never_came_is_left_out_and_told(published: Published) -> None:
    at = published.at
    told = {"FEEDS": "kite,dhan", "DHAN_SOURCE": "not-there-yet.csv"}
    done = at.sync(published.next_dump, "--as-of", DAY_TWO, **told).ok()
    assert "it was not in the last publication, so it is left out" in done.out
    assert at.execute("select distinct broker from marts.broker_instruments") == [("kite",)]


def test_a_feed_that_is_switched_off_leaves_and_a_rollback_brings_it_back(four: FourFeeds) -> None:
    before = four.rows()
    four.sync(four.first.next_dump, "--as-of", DAY_TWO, FEEDS="kite,dhan").ok()
    assert set(four.rows()) == {"kite", "dhan"}
    four.at.run("rollback", FEEDS=",".join(feeds.FEEDS)).ok()
    assert four.rows() == before
    assert set(four.feeds()) == set(feeds.FEEDS)


def test_an_unknown_feed_is_a_usage_error(four: FourFeeds) -> None:
    before = four.at.seen()
    done = four.sync(FEEDS="kite,zerodha")
    assert done.code == 2
    assert (
        done.err == "error: FEEDS names 'zerodha'; the feeds are angel_one, dhan, kite, upstox.\n"
    )
    assert four.at.seen().is_like(before)
