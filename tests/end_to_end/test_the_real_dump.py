"""The whole of Kite's dump of 2026-08-17, against what CONTRACTS says, worked out independently."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from tests.end_to_end import dumps, expected
from tests.installation import Done, Installation, Seen

AS_OF = date(2026, 8, 17)
TRUTHS = {"nifty": 1_725, "banknifty": 963, "sensex": 2_401}


@dataclass(frozen=True)
class Whole:
    at: Installation
    rows: list[dumps.Row]
    first: Done
    seen: Seen


@pytest.fixture(scope="module")
def whole(installation: Installation, kite_dump: Path) -> Iterator[Whole]:
    """The real dump, published into empty servers."""
    installation.wipe()
    first = installation.sync(kite_dump, "--json")
    yield Whole(installation, dumps.read_dump(kite_dump), first, installation.seen())
    installation.close()


def test_the_sync_ends_well_and_says_so(whole: Whole) -> None:
    assert whole.first.code == 0, whole.first.err
    said = whole.first.document
    assert (said["status"], said["verdict"], said["publication_id"]) == ("published", "green", 1)
    assert sum(said["rows_by_exchange"].values()) == 125_581
    assert {one["status"] for one in said["destinations"]} == {"complete"}


def test_every_redis_hash_is_what_contracts_say_field_by_field(whole: Whole) -> None:
    wanted = expected.redis_hashes(whole.rows)
    assert len(wanted) == 125_581
    assert whole.seen.redis == wanted


def test_the_marker_tells_the_publication_and_its_rows(whole: Whole) -> None:
    assert whole.seen.marker["publication"] == "1"
    assert whole.seen.marker["rows"] == "125581"


def test_public_instruments_holds_every_row_but_strikes_that_it_would_round(whole: Whole) -> None:
    withheld = [row for row in whole.rows if expected.is_withheld(row)]
    assert len(withheld) == 300
    tokens = dumps.tokens_of(whole.rows, "NIFTY")
    assert list(whole.seen.instruments) == expected.instruments(whole.rows, tokens)


def test_ingestion_streams_the_nifty_contracts(whole: Whole) -> None:
    tokens = dumps.tokens_of(whole.rows, "NIFTY")
    assert len(tokens) == TRUTHS["nifty"]
    assert list(whole.seen.active) == sorted(tokens)


def test_the_env_line_lists_them_in_dump_order(whole: Whole) -> None:
    assert whole.at.env_tokens() == dumps.tokens_of(whole.rows, "NIFTY")


def test_the_token_lookup_file_is_what_contracts_say(whole: Whole) -> None:
    assert whole.seen.token_lookup
    assert json.loads(whole.seen.token_lookup) == expected.token_lookup(whole.rows)


def test_the_focus_file_holds_258_contracts(whole: Whole) -> None:
    assert whole.seen.focus
    document = json.loads(whole.seen.focus)
    wanted = expected.focus_symbols(whole.rows, AS_OF, {})
    assert len(wanted) == 258
    assert document["symbols"] == wanted
    assert document["total_symbols"] == 258
    assert document["underlying_indices"] == ["BANKNIFTY", "NIFTY", "SENSEX"]
    assert document["source"]["zerodha"]["total"] == 258
    assert document["source"]["zerodha"]["by_type"] == {"CE": 126, "PE": 126, "FUT": 6}
    assert document["description"]
    assert date.fromisoformat(document["generated_date"])


def test_the_ledger_and_the_report_tell_the_publication(whole: Whole) -> None:
    [(number, as_of, filter_name, rows)] = whole.at.execute(
        "select publication_id, as_of_date, filter, "
        "summary -> 'tables' -> 'instruments' ->> 'rows' "
        "from ops.publications"
    )
    assert (number, as_of, filter_name) == (1, AS_OF, "nifty")
    assert int(rows) > 125_000
    exports = whole.at.execute("select destination, status from ops.exports order by 1")
    assert {status for _, status in exports} == {"complete"}
    assert len(exports) == 5
    page = Path(whole.first.document["report"])
    assert "green" in page.read_text().lower()
    verdict = json.loads(page.with_name("summary.json").read_text())
    assert verdict["verdict"]["colour"] == "green"


# In `make test` the models are asked for these, in tests/dbt/test_real_dumps.py.
@pytest.mark.exhaustive
def test_other_filters_give_the_tokens_that_are_known(whole: Whole, kite_dump: Path) -> None:
    done = whole.at.sync(kite_dump, "--filter", "banknifty,sensex", "--json").ok()
    tokens = dumps.tokens_of(whole.rows, "BANKNIFTY", "SENSEX")
    assert len(tokens) == TRUTHS["banknifty"] + TRUTHS["sensex"]
    assert whole.at.env_tokens() == tokens
    seen = whole.at.seen()
    assert list(seen.active) == sorted(tokens)
    assert seen.redis == whole.seen.redis
    redis = next(one for one in done.document["destinations"] if one["destination"] == "redis")
    assert (redis["added"], redis["changed"], redis["removed"]) == (0, 0, 0)
