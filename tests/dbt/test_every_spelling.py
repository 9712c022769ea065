"""Every instrument of all brokers' real dumps, under every name that any broker has for it.

The rows are those that the warehouse itself publishes: landed by the loader, matched by dbt, read
by the registry from PostgreSQL and once more from its snapshot.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from instrument_registry.records import BrokerRow, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.sources import snapshot
from instrument_registry.sources.postgres import read_contents
from tests.dbt.broker_dumps import Database, build_dumps
from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import publish
from tests.instrument_registry.sweeping import Published, sweep_lost, sweep_others, sweep_own

pytestmark = pytest.mark.real_dumps

DUMPS = {
    "kite": ("kite/2026-08-17_instruments.csv.gz", "2026-08-17"),
    "angel_one": ("angel_one/2025-10-28_OpenAPIScripMaster.json.gz", "2025-10-28"),
    "dhan": ("dhan/2026-02-10_api-scrip-master.csv.gz", "2026-02-10"),
    "upstox": ("upstox/2026-08-17_complete.json.gz", "2026-08-17"),
}
# The day of the oldest dump: of all four, only what Dhan still lists of years before has expired.
# Ten months lie between them, so that many a number has become another contract's meanwhile.
AS_OF = "2025-10-28"
TOKEN = {
    "kite": "exchange_token", "angel_one": "token", "dhan": "SEM_SMST_SECURITY_ID",
    "upstox": "exchange_token",
}  # fmt: skip
# What says that a row is an index.
INDICES = {
    "kite": ("segment", {"INDICES"}), "angel_one": ("instrumenttype", {"AMXIDX"}),
    "dhan": ("SEM_INSTRUMENT_NAME", {"INDEX"}),
    "upstox": (
        "segment", {"NSE_INDEX", "BSE_INDEX", "MCX_INDEX", "GLOBAL_INDEX", "GLOBAL_INDICATOR"},
    ),
}  # fmt: skip
ONE_OF = 40
# Two weeks that Dhan calls by their month, as it does the others of it; and Kite's next.
FOCUS_DAYS = ("2026-02-17", "2026-03-02", "2026-08-18")


KNOWN = {"zerodha": 125_581, "angel_one": 129_586, "dhan": 183_102, "upstox": 125_000}
# Their numbers are another contract's in a dump of months later; 62 % of them Dhan's options.
LOST = {"angel_one": 30_522, "dhan": 67_532, "upstox": 4}
NSES = "a bare share is NSE's"
IN_CASH = "another in the cash market"
ID = "it is another's canonical id"
UNLISTED = "another's canonical id, not listed"
# Every row of every broker, under its own names. What is not found is one of several that the
# broker calls so, or a share whose bare symbol is another's; with its exchange said, one in fifty
# of Dhan's and hardly any of the others'; by canonical id and by token with exchange, all.
OWN = {
    ("zerodha", "symbol"): {"itself": 98_072, "repeated": 23_481, NSES: 2_231, IN_CASH: 1_797},
    ("zerodha", "exchange:symbol"): {"itself": 125_581},
    ("zerodha", "token"): {"itself": 125_581},
    ("angel_one", "symbol"): {"itself": 125_742, "repeated": 8, NSES: 2_072, IN_CASH: 1_764},
    ("angel_one", "exchange:symbol"): {"itself": 129_573, "repeated": 2, ID: 9, UNLISTED: 2},
    ("angel_one", "token"): {"itself": 123_144, "several exchanges": 6_442},
    ("dhan", "symbol"): {"itself": 124_418, "repeated": 56_104, NSES: 2_306, IN_CASH: 274},
    ("dhan", "exchange:symbol"): {"itself": 178_876, "repeated": 4_132, ID: 8, UNLISTED: 86},
    ("dhan", "token"): {"itself": 142_066, "several exchanges": 41_036},
    ("upstox", "symbol"): {"itself": 102_825, "repeated": 19_133, NSES: 2_445, IN_CASH: 597},
    ("upstox", "exchange:symbol"): {"itself": 124_801, "repeated": 3, ID: 6, UNLISTED: 190},
    ("upstox", "token"): {"itself": 125_000},
}
# Asked of another broker, with the exchange said: its own word for another instrument. Four
# currency futures have had their last day moved; the rest are shares of other series.
ANOTHER_DAY = "its own word, for another day of the month"
AT_ANOTHER_EXCHANGE = "its own word, at another exchange"
IN_OTHER_SERIES = "its own word for another in the cash market"
FOUND_ELSEWHERE = {"zerodha": 183_319, "angel_one": 75_249, "dhan": 112_332, "upstox": 183_699}
LISTED_ELSEWHERE = {"zerodha": 184_015, "angel_one": 75_637, "dhan": 112_362, "upstox": 184_101}


@dataclass(frozen=True, slots=True)
class Market:
    """What was published, as rows, as the registry that a process has, and as focus registries."""

    published: Published
    registry: Registry
    focus: tuple[Registry, ...]


def market_of(
    dbt: Dbt, database: Database, dumps: dict[str, tuple[Path, str]], work: Path, extra: str = ""
) -> Market:
    build_dumps(
        dbt, database, dumps, as_of=AS_OF, work=work, selected=f"broker_instruments {extra}"
    )
    publish(database, ["broker_instruments"])
    database.execute(
        "create table marts.focus_instruments as select distinct canonical_id"
        " from marts.broker_instruments where canonical_id like any (%s)",
        [[f"NFO:NIFTY:{day}:%" for day in FOCUS_DAYS]],
    )
    database.execute(
        "create table ops.publications (publication_id bigint, published_at timestamptz,"
        " as_of_date date)"
    )
    database.execute("insert into ops.publications values (1, now(), %s)", [AS_OF])
    database.commit()
    columns = ", ".join(BrokerRow._fields)
    rows = rows_of(database, f"select {columns} from marts.broker_instruments")
    published = Published(BrokerRow(*row.values()) for row in rows)
    path = work / "registry.snapshot"
    snapshot.write(path, read_contents(dbt.dsn))
    focus = RegistryType.INTRADAY_FOCUS
    of_focus = (read_contents(dbt.dsn, focus), snapshot.read(path, focus))
    return Market(
        published, Registry(snapshot.read(path)),
        tuple(Registry(contents, focus) for contents in of_focus),
    )  # fmt: skip


# --- a part of each dump ---


def is_taken(feed: str, row: dict[str, Any]) -> bool:
    """The same contracts of every broker, for they have the same exchange token; every index."""
    column, words = INDICES[feed]
    return row.get(column) in words or zlib.crc32(row[TOKEN[feed]].encode()) % ONE_OF == 0


def some_rows(feed: str, path: Path, folder: Path) -> Path:
    """A part of a dump, as the broker would have written it."""
    taken = folder / path.name.removesuffix(".gz")
    with gzip.open(path, "rt", newline="", encoding="utf-8") as source:
        if path.name.endswith(".json.gz"):
            rows: list[Any] = [row for row in json.load(source) if is_taken(feed, row)]
            taken.write_text(json.dumps(rows))
            return taken
        reader = csv.DictReader(source)
        with taken.open("w", newline="") as target:
            writer = csv.DictWriter(target, reader.fieldnames or ())
            writer.writeheader()
            writer.writerows(row for row in reader if is_taken(feed, row))
    return taken


@pytest.fixture(scope="module")
def some(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Market:
    work = tmp_path_factory.mktemp("some")
    dumps = {
        feed: (some_rows(feed, real_dumps / path, work), day) for feed, (path, day) in DUMPS.items()
    }
    return market_of(dbt, database, dumps, work)


def test_some_instruments_of_each_broker_are_found_under_every_spelling(some: Market) -> None:
    known = Counter(row.broker for row in some.published.known)
    print(known, len(some.published.lost))
    assert min(known[broker] for broker in ("zerodha", "angel_one", "dhan", "upstox")) > 2_500
    for sweep in (sweep_own, sweep_others, sweep_lost):
        swept = sweep(some.published, some.registry)
        assert swept.wrong == [], sweep.__name__
        assert sum(swept.counts.values()) > 1_000


# Of each broker's indices those that Kite, or a broker before it, has by name or alias, and others.
OF_INDICES = {
    ("angel_one", "NSE"): (57, 0), ("angel_one", "BSE"): (29, 11), ("angel_one", "MCX"): (0, 17),
    ("angel_one", "NCDEX"): (0, 6),
    ("dhan", "NSE"): (119, 0), ("dhan", "BSE"): (74, 1),
    ("upstox", "NSE"): (135, 4), ("upstox", "BSE"): (77, 0), ("upstox", "GLOBAL"): (10, 3),
}  # fmt: skip
# What contracts are written on, and what people look at.
MAIN_INDICES = {
    "NIFTY 50", "NIFTY BANK", "SENSEX", "NIFTY FIN SERVICE", "NIFTY MID SELECT", "NIFTY NEXT 50",
    "BANKEX", "SENSEX50", "INDIA VIX", "NIFTY 100", "NIFTY 200", "NIFTY 500", "NIFTY MIDCAP 50",
    "NIFTY MIDCAP 100", "NIFTY MIDCAP 150", "NIFTY SMLCAP 100", "NIFTY SMLCAP 250", "NIFTY AUTO",
    "NIFTY IT", "NIFTY PHARMA", "NIFTY FMCG", "NIFTY METAL", "NIFTY REALTY", "NIFTY ENERGY",
    "NIFTY MEDIA", "NIFTY INFRA", "NIFTY PSU BANK", "NIFTY PVT BANK", "NIFTY CPSE", "BSE100",
    "BSE200", "BSE500",
}  # fmt: skip


@pytest.mark.usefixtures("some")
def test_each_brokers_indices_are_those_of_the_brokers_before_it(database: Database) -> None:
    """Matched by name or alias alone; every index of the four dumps is among the rows."""
    found = rows_of(
        database,
        "select broker, exchange, count(*) filter (where match_status = 'matched') as matched,"
        " count(*) filter (where match_status = 'unmatched') as unmatched, count(*) as rows,"
        " array_agg(canonical_id) filter (where match_status = 'matched') as ids"
        " from candidate.int_broker_instruments__matched where kind = 'index' group by 1, 2",
    )
    told = {(row["broker"], row["exchange"]): (row["matched"], row["unmatched"]) for row in found}
    assert told == OF_INDICES
    assert all(row["rows"] == row["matched"] + row["unmatched"] for row in found)
    for broker in ("angel_one", "dhan", "upstox"):
        ids = [name for row in found if row["broker"] == broker for name in row["ids"] or ()]
        assert {f"INDEX:{name}" for name in MAIN_INDICES} <= set(ids), broker
        # Dhan lists one of them under two tokens.
        assert len(ids) - len(set(ids)) == (broker == "dhan")


# --- all of them ---


@pytest.fixture(scope="module")
def every(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Market:
    """All four dumps, built once for all tests below.

    Half a million rows joined by one wrong plan take hours: no statement may take two minutes.
    """
    work = tmp_path_factory.mktemp("every")
    dumps = {feed: (real_dumps / path, day) for feed, (path, day) in DUMPS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c statement_timeout=120s")
        return market_of(
            dbt, database, dumps, work,
            "instrument_continuity broker_coverage broker_disagreements",
        )  # fmt: skip


@pytest.mark.exhaustive
def test_a_build_of_all_four_real_dumps_ends_with_every_row_told(
    every: Market, database: Database
) -> None:
    found = rows_of(
        database,
        "select feed, sum(covered_rows)::integer as rows from candidate.broker_coverage"
        " group by feed order by feed",
    )
    assert {row["feed"]: row["rows"] for row in found} == {
        "kite": 125_581, "angel_one": 160_161, "dhan": 273_027, "upstox": 125_004,
    }  # fmt: skip
    assert Counter(row.broker for row in every.published.known) == KNOWN
    assert Counter(row.broker for row in every.published.lost) == LOST


@pytest.mark.exhaustive
def test_every_instrument_is_found_under_every_name_that_its_broker_has(every: Market) -> None:
    swept = sweep_own(every.published, every.registry)
    print(*sorted(swept.counts.items()), sep="\n")
    assert swept.wrong == []
    for (broker, asked), expected in OWN.items():
        assert swept.of(broker, asked) == expected, (broker, asked)
    for broker, rows in KNOWN.items():
        for asked in ("token, exchange", "token, segment"):
            assert swept.of(broker, asked) == {"itself": rows}
        # Dhan lists INDEX:CAPINS under two tokens.
        twice = {"listed twice": 2} if broker == "dhan" else {}
        once = {"itself": rows - sum(twice.values())}
        assert swept.of(broker, "canonical id") == once | twice


@pytest.mark.exhaustive
def test_no_name_of_one_broker_is_another_contract_at_another(every: Market) -> None:
    swept = sweep_others(every.published, every.registry)
    print(*sorted(swept.counts.items()), sep="\n")
    assert swept.wrong == []
    for broker, rows in KNOWN.items():
        asked = sum(KNOWN.values()) - rows
        by_id, named = swept.of(broker, "canonical id"), swept.of(broker, "exchange:symbol")
        listed = LISTED_ELSEWHERE[broker]
        assert by_id == {"the same": listed, "nothing": asked - listed}
        assert named["the same"] == FOUND_ELSEWHERE[broker]
        assert sum(named.values()) == sum(swept.of(broker, "symbol").values()) == asked
    told = {
        answer: {broker: rows for broker in KNOWN if (rows := swept.counts[broker, asked, answer])}
        for asked, answer in (
            ("exchange:symbol", ANOTHER_DAY), ("exchange:symbol", IN_OTHER_SERIES),
            ("symbol", AT_ANOTHER_EXCHANGE),
        )
    }  # fmt: skip
    assert told == {
        ANOTHER_DAY: {"zerodha": 4, "angel_one": 4},
        IN_OTHER_SERIES: {"dhan": 140, "upstox": 140},
        # Without the exchange: bonds' and currencies' options of NSE at one, of BSE at the other.
        AT_ANOTHER_EXCHANGE: {"zerodha": 202, "angel_one": 202},
    }


@pytest.mark.exhaustive
def test_no_row_in_conflict_ever_comes_out(every: Market) -> None:
    swept = sweep_lost(every.published, every.registry)
    print(*sorted(swept.counts.items()), sep="\n")
    assert swept.wrong == []
    for broker, rows in LOST.items():
        assert sum(swept.of(broker, "exchange:symbol").values()) == rows
    # One of several that Dhan calls so: that one of them is in conflict makes it no other's.
    assert swept.of("dhan", "symbol") == {
        "token_conflict": 49_749, "ambiguous": 17_778, NSES: 4, "unknown": 1,
    }  # fmt: skip


@pytest.mark.exhaustive
def test_contracts_translate_there_and_back(every: Market) -> None:
    translated = 0
    for row in every.published.known:
        if row.broker == "upstox" and row.exchange in {"NFO", "BFO"}:
            kite = every.registry.translate(row.tradingsymbol, "upstox", "zerodha")
            back = every.registry.translate(f"{row.exchange}:{kite}", "kite", "upstox")
            assert back == row.tradingsymbol
            translated += 1
    assert translated == 39_522


@pytest.mark.exhaustive
def test_no_focus_registry_reads_a_symbol_otherwise_than_the_whole(every: Market) -> None:
    came: Counter[tuple[str, str]] = Counter()
    for row in every.published.known:
        if not str(row.canonical_id).startswith("NFO:NIFTY:"):
            continue
        is_held = row.expiry_date is not None and str(row.expiry_date) in FOCUS_DAYS
        for text in (str(row.canonical_id), f"NFO:{row.tradingsymbol}", row.tradingsymbol):
            whole = every.registry.resolve_for_broker(text, row.broker)
            answer, again = (focus.resolve_for_broker(text, row.broker) for focus in every.focus)
            assert answer == again, text
            assert answer == (whole if is_held else None), text
        if is_held:
            came[row.broker, "found" if answer else "refused"] += 1
    # Dhan's symbol of the one week in the focus set is that of the others of the month as well.
    assert came == {
        ("zerodha", "found"): 210, ("upstox", "found"): 210, ("dhan", "refused"): 437,
    }  # fmt: skip
