"""Several brokers in one sync: each down, refused, stale, back again; Kite's consumers see Kite."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import dumps, feeds
from tests.end_to_end.conftest import Published
from tests.installation import DOTENV, LOOKUP, Done, Kept

NOWHERE = "http://localhost:9/dump"
IMPATIENT = {"FETCH_ATTEMPTS": "1", "FETCH_CONNECT_TIMEOUT_SECONDS": "1"}
UNAVAILABLE = 3
GATE_RED = 4
DAY_ONE, DAY_TWO = "2026-08-17", "2026-08-18"


@dataclass(frozen=True)
class ThreeFeeds:
    """An installation with Kite, Upstox and Dhan, published once."""

    first: Published
    upstox: Path
    dhan: Path
    kept: Kept

    @property
    def at(self) -> Any:
        return self.first.at

    def sync(self, dump: Path | str | None = None, *arguments: str, **settings: str) -> Done:
        """A sync of all three, unless the settings say otherwise."""
        told = self.settings(**settings)
        done: Done = self.at.sync(dump or self.first.dump, *arguments, **told)
        return done

    def settings(self, **settings: str) -> dict[str, str]:
        """The environment of a sync of all three."""
        return {
            "FEEDS": "kite,upstox,dhan",
            "UPSTOX_SOURCE": str(self.upstox),
            "DHAN_SOURCE": str(self.dhan),
            **IMPATIENT,
            **settings,
        }

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
def kept_feeds(
    first_publication: Published, tmp_path_factory: pytest.TempPathFactory
) -> ThreeFeeds:
    folder = tmp_path_factory.mktemp("feeds")
    at, rows = first_publication.at, first_publication.rows
    at.wipe()
    published = ThreeFeeds(
        first_publication,
        feeds.upstox(folder / "upstox.json", rows),
        feeds.dhan(folder / "dhan.csv", rows),
        first_publication.kept,
    )
    published.sync().ok()
    return ThreeFeeds(first_publication, published.upstox, published.dhan, at.keep("three-feeds"))


@pytest.fixture
def three(kept_feeds: ThreeFeeds) -> Any:
    kept_feeds.at.put_back(kept_feeds.kept)
    yield kept_feeds
    kept_feeds.at.close()


def test_every_brokers_rows_are_matched_and_kites_consumers_see_what_they_did(
    three: ThreeFeeds,
) -> None:
    contracts = len(feeds.contracts(three.first.rows))
    assert three.rows("match_status = 'matched'") == {"upstox": contracts, "dhan": contracts}
    assert three.rows()["kite"] == len(three.first.rows)
    ((instruments,),) = three.at.execute("select count(*) from marts.instruments")
    assert instruments == three.rows()["kite"]
    seen, alone = three.at.seen(), three.first.seen
    assert seen.redis == alone.redis
    assert seen.active == alone.active
    assert three.at.env_tokens() == list(dumps.tokens_of(three.first.rows, "NIFTY"))
    assert seen.token_lookup == alone.token_lookup
    assert seen.registry
    listed = {row[5][3] for row in seen.registry[2]}
    assert listed == {"zerodha", "upstox", "dhan"}
    told = three.feeds()
    assert {name: feed["is_stale"] for name, feed in told.items()} == dict.fromkeys(
        ("kite", "upstox", "dhan"), False
    )
    assert "upstox" in (three.at.files / "canonical_instruments.yaml").read_text()


def test_the_registrys_monitor_finds_every_brokers_spelling_in_step(three: ThreeFeeds) -> None:
    program = [sys.executable, "-m", "instrument_registry.registry_sync_monitor"]
    done = three.at.start_program([*program, "--check", "--json"]).done().ok()
    found = done.document["status"]
    assert found["focus"] | {"underlyings": []} == {
        "contracts": 258, "listings": 774, "underlyings": [],
    }  # fmt: skip
    held = {name: one["held"] for name, one in found["holders"].items()}
    # Dhan spells contracts of two weeks alike, so there are fewer symbols than listings.
    assert 258 < held.pop("focus_file") < 774
    assert held == {
        "focus_registry": 774, "published_table": 258, "token_lookup": 258,
        "registry_snapshot": 774,
    }  # fmt: skip


def test_the_same_dumps_again_build_nothing(three: ThreeFeeds) -> None:
    before = three.at.seen()
    done = three.sync().ok()
    assert "Already published" in done.out
    assert three.at.seen().is_like(before)


def test_a_broker_that_is_down_stays_as_published_and_is_marked_stale(three: ThreeFeeds) -> None:
    before = three.rows()
    done = three.sync(three.first.next_dump, "--as-of", DAY_TWO, DHAN_SOURCE=NOWHERE).ok()
    assert "Dhan has no dump for today: its rows of 2026-08-17 stay, marked stale" in done.out
    assert three.rows()["dhan"] == before["dhan"]
    assert three.rows("is_stale") == {"dhan": before["dhan"]}
    ((day,),) = three.at.execute(
        "select distinct stale_as_of_date::text from marts.broker_instruments where is_stale"
    )
    assert day == DAY_ONE
    assert three.feeds()["dhan"]["is_stale"] is True
    assert "dhan 2026-08-17 (stale)" in three.at.run("status").out

    # The same trouble again is nothing new; the broker's return is.
    again = three.sync(three.first.next_dump, "--as-of", DAY_TWO, DHAN_SOURCE=NOWHERE).ok()
    assert "Already published" in again.out
    three.sync(three.first.next_dump, "--as-of", DAY_TWO).ok()
    assert three.rows("is_stale") == {}


def test_a_broker_whose_dump_is_refused_does_not_stop_the_others(
    three: ThreeFeeds, tmp_path: Path
) -> None:
    before = three.rows()
    lines = three.dhan.read_text().splitlines(keepends=True)
    broken = tmp_path / "ragged.csv"
    broken.write_text("".join([*lines[:700], "NSE,D,1\n", *lines[700:]]))
    text = three.upstox.read_text()
    nested = tmp_path / "nested.json"
    nested.write_text(text.replace('"weekly": false', '"weekly": [1]', 1))

    done = three.sync(
        three.first.next_dump,
        "--as-of",
        DAY_TWO,
        DHAN_SOURCE=str(broken),
        UPSTOX_SOURCE=str(nested),
    ).ok()

    assert "line 701" in done.out
    assert "element 1" in done.out
    assert three.rows("is_stale") == {"dhan": before["dhan"], "upstox": before["upstox"]}


def test_kite_down_leaves_its_own_consumers_alone(three: ThreeFeeds, tmp_path: Path) -> None:
    newer = feeds.upstox(tmp_path / "newer.json", three.first.rows[:-200])
    before = three.at.seen().by_destination()
    done = three.sync(
        "kite", "--as-of", DAY_ONE, KITE_INSTRUMENTS_URL=NOWHERE, UPSTOX_SOURCE=str(newer)
    ).ok()
    assert "Kite has no dump for today" in done.out
    assert three.rows("is_stale")["kite"] == len(three.first.rows)
    seen = three.at.seen().by_destination()
    for destination in (DOTENV, LOOKUP):
        assert seen[destination] == before[destination], destination


def test_with_every_broker_down_nothing_is_published(three: ThreeFeeds) -> None:
    before = three.at.seen()
    done = three.sync(
        "kite", "--as-of", DAY_TWO,
        KITE_INSTRUMENTS_URL=NOWHERE, UPSTOX_SOURCE=NOWHERE, DHAN_SOURCE=NOWHERE,
    )  # fmt: skip
    assert done.code == UNAVAILABLE
    assert "Kite gave no dump" in done.err
    assert three.at.seen().is_like(before)


def test_a_dump_that_was_never_published_does_not_stand_in(
    three: ThreeFeeds, tmp_path: Path
) -> None:
    """Staging may hold the rows of a dry run: the last good ones are landed again."""
    before = three.rows()
    other = feeds.dhan(tmp_path / "other.csv", three.first.rows[: len(three.first.rows) // 2])
    done = three.sync(
        three.first.next_dump, "--as-of", DAY_TWO, "--dry-run", DHAN_SOURCE=str(other)
    )
    assert done.code == GATE_RED
    assert "feed-rows-collapsed failed" in done.err
    ((staged,),) = three.at.execute("select count(*) from staging.dhan_instruments")
    assert staged < before["dhan"]

    three.sync(three.first.next_dump, "--as-of", DAY_TWO, DHAN_SOURCE=NOWHERE).ok()

    assert three.rows()["dhan"] == before["dhan"]


@pytest.mark.parametrize("line", ["land upstox: copying"])
def test_killed_between_feeds_the_next_sync_converges(three: ThreeFeeds, line: str) -> None:
    before = three.at.seen()
    running = three.at.start_sync(
        three.first.next_dump, "--as-of", DAY_TWO, **three.settings(UPSTOX_SOURCE=str(three.upstox))
    )
    running.wait_for(line)
    running.kill()
    assert three.at.seen().is_like(before)

    three.sync(three.first.next_dump, "--as-of", DAY_TWO).ok()

    assert three.rows("is_stale") == {}
    assert three.feeds()["upstox"]["as_of_date"] == DAY_TWO


def test_a_feed_that_never_came_is_left_out_and_told(published: Published) -> None:
    at = published.at
    told = {"FEEDS": "kite,dhan", "DHAN_SOURCE": "not-there-yet.csv"}
    done = at.sync(published.next_dump, "--as-of", DAY_TWO, **told).ok()
    assert "nothing of it was ever published, so it is left out" in done.out
    assert at.execute("select distinct broker from marts.broker_instruments") == [("kite",)]


def test_a_feed_that_is_switched_off_leaves(three: ThreeFeeds) -> None:
    three.sync(three.first.next_dump, "--as-of", DAY_TWO, FEEDS="kite,dhan").ok()
    assert set(three.rows()) == {"kite", "dhan"}


def test_an_unknown_feed_is_a_usage_error(three: ThreeFeeds) -> None:
    before = three.at.seen()
    done = three.sync(FEEDS="kite,zerodha")
    assert done.code == 2
    assert (
        done.err == "error: FEEDS names 'zerodha'; the feeds are angel_one, dhan, kite, upstox.\n"
    )
    assert three.at.seen().is_like(before)


def test_rollback_goes_back_to_the_brokers_of_then(three: ThreeFeeds) -> None:
    before = three.rows()
    three.sync(three.first.next_dump, "--as-of", DAY_TWO, FEEDS="kite,dhan").ok()
    three.at.run("rollback", FEEDS="kite,upstox,dhan").ok()
    assert three.rows() == before
    assert set(three.feeds()) == {"kite", "upstox", "dhan"}
