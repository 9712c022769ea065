"""The sample is a Kite dump in all that a consumer or a check could look at."""

from __future__ import annotations

import calendar
import csv
import functools
import gzip
import io
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.fetch import Dump
from loader.landing import Load
from loader.sample import LEAST_ROWS, next_day_chunks, sample_chunks
from loader.sample_contracts import milli, plain
from tests.loader.broker import AS_OF

Rows = list[dict[str, str]]
LOW_BYTES = {"NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "BFO": 5, "BCD": 6, "MCX": 7}
MONTHS = [name.upper() for name in calendar.month_abbr[1:]]


def rows_of(rows: int, as_of: date, **more: float) -> Rows:
    data = b"".join(sample_chunks(rows=rows, as_of=as_of, **more))  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


@functools.cache
def next_day(churn: float) -> Rows:
    return rows_of(126_000, AS_OF, churn=churn)


@pytest.fixture(scope="module")
def sample() -> Rows:
    return rows_of(126_000, AS_OF)


def by_key(rows: Rows) -> dict[str, dict[str, str]]:
    return {row["instrument_token"]: row for row in rows}


def filtered(rows: Rows, name: str, exchange: str) -> Rows:
    return [row for row in rows if row["name"] == name and row["exchange"] == exchange]


def test_the_sample_has_the_size_of_a_dump_and_its_proportions(sample: Rows) -> None:
    # Kite's own rows of 2025-12-20; BCD came later.
    real = {
        "NFO": 37_294, "MCX": 32_885, "NCO": 20_896, "BSE": 12_775, "NSE": 9_048, "CDS": 8_454,
        "BFO": 4_809,
    }  # fmt: skip
    counts = Counter(row["exchange"] for row in sample)
    assert len(sample) == 126_000
    assert {name: counts[name] for name in real} == {
        name: pytest.approx(number, rel=0.1) for name, number in real.items()
    }
    assert (counts["GLOBAL"], counts["NSEIX"]) == (12, 1)
    assert counts["BCD"] > 1_000


def test_every_segment_is_there(sample: Rows) -> None:
    derivatives = {f"{name}-{kind}" for name in ("NFO", "BFO", "CDS", "BCD", "MCX", "NCO")
                   for kind in ("FUT", "OPT")}  # fmt: skip
    assert {row["segment"] for row in sample} == {*derivatives, "NSE", "BSE", "NCO", "INDICES"}
    assert {row["instrument_type"] for row in sample} == {"EQ", "FUT", "CE", "PE"}


@pytest.mark.parametrize("rows", [LEAST_ROWS, 20_000, 126_000])
def test_tokens_and_symbols_are_unique_and_fit_int32(rows: int) -> None:
    listed = rows_of(rows, AS_OF)
    assert len(listed) == rows
    assert len({row["instrument_token"] for row in listed}) == rows
    assert len({(row["exchange"], row["tradingsymbol"]) for row in listed}) == rows
    assert max(int(row["instrument_token"]) for row in listed) < 2**31


def test_tokens_follow_the_low_byte_rule(sample: Rows) -> None:
    for row in sample:
        token, exchange_token = int(row["instrument_token"]), int(row["exchange_token"])
        assert token >> 8 == exchange_token
        if row["segment"] == "INDICES" and row["exchange"] != "GLOBAL":
            assert token & 255 == 9
        elif row["exchange"] in LOW_BYTES:
            assert token & 255 == LOW_BYTES[row["exchange"]]


@pytest.mark.parametrize("rows", [LEAST_ROWS, 126_000])
def test_the_rows_that_every_consumer_looks_for_are_there(rows: int) -> None:
    listed = {(r["exchange"], r["tradingsymbol"]): r for r in rows_of(rows, AS_OF)}
    assert listed["NSE", "NIFTY 50"]["instrument_token"] == "256265"
    assert listed["NSE", "NIFTY BANK"]["instrument_token"] == "260105"
    assert listed["BSE", "SENSEX"]["instrument_token"] == "265"
    assert listed["NSE", "RELIANCE"]["exchange_token"] == "2885"
    assert listed["NSE", "94SFL28-YL"]["exchange_token"] == "1001", "the clash with NIFTY 50"
    for key in [
        ("NSE", "NIFTYBEES"), ("NSE", "NIFTYFPI"), ("NSE", "BANKNIFTY1"), ("BSE", "SENSEX50"),
        ("NSE", "NIFTY NEXT 50"), ("NSE", "M&M"), ("NSE", "BAJAJ-AUTO"), ("GLOBAL", "^DJI"),
        ("NSEIX", "GIFT NIFTY"),
    ]:  # fmt: skip
        assert key in listed
    assert {"NIFTYNXT50", "SENSEX50", "FINNIFTY", "MIDCPNIFTY", "BANKEX"} <= {
        row["name"] for row in listed.values() if row["segment"].endswith("-OPT")
    }


@given(as_of=st.dates(date(2025, 1, 1), date(2035, 12, 31)))
@settings(max_examples=25, deadline=None)
def test_on_any_day_the_focus_set_can_be_filled(as_of: date) -> None:
    listed = rows_of(LEAST_ROWS, as_of)
    assert all(row["expiry"] >= as_of.isoformat() for row in listed if row["expiry"])
    for name, exchange in (("NIFTY", "NFO"), ("BANKNIFTY", "NFO"), ("SENSEX", "BFO")):
        contracts = filtered(listed, name, exchange)
        assert len([row for row in contracts if row["instrument_type"] == "FUT"]) == 3
        strikes: dict[str, set[str]] = defaultdict(set)
        for row in contracts:
            if row["instrument_type"] == "CE":
                strikes[row["expiry"]].add(row["strike"])
        nearest = sorted(strikes)[:2]
        assert all(len(strikes[expiry]) >= 21 for expiry in nearest)
        if name == "NIFTY":
            assert date.fromisoformat(nearest[0]) <= as_of + timedelta(days=7)
            assert date.fromisoformat(max(strikes)) > as_of + timedelta(days=4 * 365)


def test_symbols_follow_kites_grammar(sample: Rows) -> None:
    last: dict[tuple[str, str, str], str] = {}
    for row in sample:
        if row["expiry"]:
            kind = "FUT" if row["instrument_type"] == "FUT" else "OPT"
            month = (row["exchange"], row["name"] + kind, row["expiry"][:7])
            last[month] = max(last.get(month, ""), row["expiry"])
    forms = Counter()
    for row in sample:
        if not row["expiry"]:
            continue
        kind = "FUT" if row["instrument_type"] == "FUT" else "OPT"
        expiry = date.fromisoformat(row["expiry"])
        is_last = last[row["exchange"], row["name"] + kind, row["expiry"][:7]] == row["expiry"]
        year = f"{expiry:%y}"
        stamp = (
            f"{year}{MONTHS[expiry.month - 1]}"
            if is_last
            else f"{year}{'123456789OND'[expiry.month - 1]}{expiry:%d}"
        )
        strike = "" if kind == "FUT" else row["strike"]
        wanted = f"{row['name']}{stamp}{strike}{row['instrument_type']}"
        assert row["tradingsymbol"] == wanted
        forms[kind, is_last] += 1
    assert all(forms[key] > 0 for key in [("FUT", True), ("FUT", False), ("OPT", False)])
    assert forms["OPT", True] > forms["OPT", False]


def test_values_are_such_as_kite_writes(sample: Rows) -> None:
    for row in sample:
        assert row["last_price"] == "0"
        assert re.fullmatch(r"\d+(\.\d*[1-9])?", row["strike"])
        is_option = row["instrument_type"] in {"CE", "PE"}
        assert (Decimal(row["strike"]) > 0) == is_option
        assert (row["expiry"] != "") == (row["instrument_type"] != "EQ")
        is_index = row["segment"] == "INDICES"
        assert (int(row["lot_size"]) == 0) == (Decimal(row["tick_size"]) == 0) == is_index


def test_awkward_values_are_there(sample: Rows) -> None:
    nse = [row for row in sample if row["exchange"] == "NSE"]
    blank = sum(row["name"] == "" for row in nse)
    assert 0.1 < blank / len(nse) < 0.25
    names = [row["name"] for row in sample]
    assert sum("," in name for name in names) > 20
    assert sum('"' in name for name in names) > 5
    places = Counter(len(row["strike"].partition(".")[2]) for row in sample)
    assert places[1] > 300
    assert 100 < places[3] < 600
    assert {row["exchange"] for row in sample if len(row["strike"].partition(".")[2]) == 3} == {
        "CDS", "BCD",
    }  # fmt: skip


def test_lots_differ_by_expiry_around_the_change_of_2026() -> None:
    nifty = filtered(rows_of(LEAST_ROWS, date(2025, 12, 1)), "NIFTY", "NFO")
    lots = {(row["expiry"] >= "2026-01-01", row["lot_size"]) for row in nifty}
    assert lots == {(False, "75"), (True, "65")}


def test_a_bigger_sample_has_no_more_subscriptions_than_the_connections_take() -> None:
    rows, streamed = -1, 0
    for chunk in sample_chunks(rows=300_000, as_of=AS_OF):
        rows += chunk.count(b"\n")
        streamed += sum(chunk.count(name) for name in (b",NIFTY,", b",BANKNIFTY,", b",SENSEX,"))
    assert rows == 300_000
    assert 4_000 < streamed < 9_000


def test_the_same_arguments_give_the_same_bytes_and_others_do_not() -> None:
    def data(**more: int) -> bytes:
        given: dict[str, object] = {"rows": 5_000, "as_of": AS_OF, **more}
        return b"".join(sample_chunks(**given))  # type: ignore[arg-type]

    assert data() == data()
    assert data() != data(seed=2)


def test_a_contract_keeps_its_token_from_day_to_day() -> None:
    today, later = (by_key(rows_of(50_000, day)) for day in (AS_OF, AS_OF + timedelta(days=1)))
    both = today.keys() & later.keys()
    assert len(both) > 48_000
    assert sum(today[token] != later[token] for token in both) < 10


@pytest.mark.parametrize("churn", [0.02, 1.0])
def test_the_next_day_differs_by_the_churn_asked_for(sample: Rows, churn: float) -> None:
    today = by_key(sample)
    rows = next_day(churn)
    later = by_key(rows)
    assert len(later) == len(rows) == len({(r["exchange"], r["tradingsymbol"]) for r in rows})
    changed = sum(today[token] != later[token] for token in today.keys() & later.keys())
    removed = [today[token] for token in today.keys() - later.keys()]
    expired = [row for row in removed if row["expiry"] == AS_OF.isoformat()]
    added = later.keys() - today.keys()
    assert changed == pytest.approx(len(sample) * churn / 2, rel=0.1)
    assert len(removed) - len(expired) == pytest.approx(len(sample) * churn / 4, rel=0.1)
    assert len(added) == pytest.approx(len(sample) * churn / 4, rel=0.1)
    assert {later[token]["exchange"] for token in added} >= {"NSE", "BSE", "NFO", "MCX"}
    assert all(int(token) < 2**31 for token in added)


def test_the_next_day_keeps_what_consumers_look_for(sample: Rows) -> None:
    later = {(r["exchange"], r["tradingsymbol"]) for r in next_day(1.0)}
    for row in sample:
        is_anchor = row["segment"] == "INDICES" or row["tradingsymbol"] == "RELIANCE"
        is_future = row["instrument_type"] == "FUT" and row["name"] in {"NIFTY", "SENSEX"}
        if (is_anchor and row["exchange"] == "NSE") or is_future:
            assert (row["exchange"], row["tradingsymbol"]) in later


def test_the_next_day_is_repeatable() -> None:
    once, again = (b"".join(next_day_chunks(rows=5_000, as_of=AS_OF)) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("rows", "churn", "words"),
    [(LEAST_ROWS - 1, 0.0, "at least 4,000"), (0, 0.0, "at least"), (5_000, 1.5, "from 0 to 1")],
)
def test_impossible_samples_are_refused(rows: int, churn: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        next(sample_chunks(rows=rows, as_of=AS_OF, churn=churn))


def test_the_sample_is_fetched_and_lands_whole(
    get: Callable[..., Dump], put: Callable[..., Load]
) -> None:
    dump = get("sample")
    assert dump.source == "sample"
    assert get("sample") == dump
    assert put(dump).rows == 126_000


def test_the_command_writes_a_file_or_standard_output(project: Path, tmp_path: Path) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "loader.sample", "--as-of", "2026-08-17", *more],
            cwd=project, capture_output=True, check=False,
        )  # fmt: skip

    wanted = b"".join(sample_chunks(rows=5_000, as_of=AS_OF, seed=7))
    assert run("--rows", "5000", "--seed", "7").stdout == wanted
    for name, read in (
        ("s.csv", Path.read_bytes),
        ("s.csv.gz", lambda p: gzip.decompress(p.read_bytes())),
    ):
        run("--rows", "5000", "--seed", "7", "--out", str(tmp_path / name))
        assert read(tmp_path / name) == wanted
    refused = run("--rows", "10")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.startswith(b"error: a sample of 10 rows")
    assert refused.stderr.count(b"\n") == 1


@given(st.integers(0, 10**9))
def test_strikes_are_written_and_read_without_loss(thousandths: int) -> None:
    text = plain(thousandths)
    assert milli(text) == thousandths
    assert not text.endswith("0") or "." not in text
