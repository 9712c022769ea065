"""Every kind of trouble in every holder is seen, told apart, and never taken for agreement."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from instrument_registry import factory
from instrument_registry.errors import SettingRefused
from instrument_registry.records import Publication, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.registry_sync_monitor import RegistrySyncMonitor
from instrument_registry.settings import read_settings
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from instrument_registry.sync import check as checking
from instrument_registry.sync import reference
from instrument_registry.sync.check import HOLDERS, Verdict
from instrument_registry.sync.comparison import HolderReport, HolderState
from instrument_registry.sync.focus_rows import shown_by
from instrument_registry.sync.focus_rule import FocusRule, focus_set
from instrument_registry.sync.settings import read_monitor_settings
from tests.instrument_registry import published, sync_market
from tests.instrument_registry.sync_market import AT, DAY, Site, focus_ids, make_site

CALL = "NFO:NIFTY:2026-08-25:25200:CE"
OUTSIDE = "NFO:NIFTY:2026-08-25:24000:CE"
STRANGER = "NFO:NIFTY:2026-08-25:25150:CE"
NOBODY = "postgresql://me:s3cret@127.0.0.1:1/dw?connect_timeout=2"


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    factory.forget_registries()
    yield
    factory.forget_registries()


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path) -> Site:
    return make_site(tmp_path, postgres_dsn)


def counts(report: HolderReport) -> tuple[int, int, int]:
    found = report.differences
    return len(found.missing), len(found.surplus), len(found.stale)


def told(report: HolderReport) -> list[str]:
    found = report.differences
    return [str(one) for one in (*found.missing, *found.surplus, *found.stale)]


# --- in step ------------------------------------------------------------------------------------


def test_what_was_just_published_is_in_step_everywhere(site: Site) -> None:
    status = site.check()
    assert status.verdict is Verdict.IN_STEP, status.problems
    assert not status.sync_needed
    held = {one.name: (one.expected, one.held) for one in status.holders}
    assert held == {
        "focus_registry": (516, 516),
        "published_table": (258, 258),
        "focus_file": (516, 516),
        "token_lookup": (258, 258),
        "registry_snapshot": (516, 516),
    }
    assert status.reference is not None
    assert status.reference.focus.ids == focus_ids()
    assert status.reference.publication.source == "postgresql"


def test_facts_are_plain_values(site: Site) -> None:
    site.execute("delete from marts.focus_instruments where canonical_id = %s", CALL)
    facts = site.check().facts(5)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["sync_needed"] is True
    assert facts["publication"]["number"] == 7
    assert facts["focus"]["underlyings"][1]["money"] == "25200"
    assert facts["holders"]["published_table"]["missing"] == 1


def test_a_hand_that_is_full_shows_samples_and_counts_all(site: Site) -> None:
    site.execute("delete from marts.focus_instruments where underlying = 'NIFTY'")
    found = site.report("published_table").facts(3)
    assert found["missing"] == 86
    assert len(found["samples"]["missing"]) == 3


# --- the published table ------------------------------------------------------------------------


def test_a_row_deleted_from_the_table_is_missing(site: Site) -> None:
    site.execute("delete from marts.focus_instruments where canonical_id = %s", CALL)
    report = site.report("published_table")
    assert report.state is HolderState.OUT_OF_STEP
    assert counts(report) == (1, 0, 0)
    assert CALL in told(report)[0]


def test_a_row_too_many_in_the_table_is_surplus(site: Site) -> None:
    site.execute(
        "insert into marts.focus_instruments select %s, 1, 'X', 'NIFTY', 'NFO', 'option', 'CE', 1,"
        " 0, reference_price_source, 24000, reference_price, 0.05, 75, expiry_date"
        " from marts.focus_instruments where canonical_id = %s",
        OUTSIDE, CALL,
    )  # fmt: skip
    report = site.report("published_table")
    assert counts(report) == (0, 1, 0)
    assert told(report)[0].startswith(OUTSIDE)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("instrument_token = 12345", "token 12345"),
        ("tradingsymbol = 'OLD'", "symbol OLD"),
        ("lot_size = 65", "lot_size 65 (published 75)"),
        ("tick_size_inr = 0.01", "tick_size 0.01 (published 0.05)"),
        ("strike = 25250", "strike 25250.0 (published 25200.0)"),
        ("reference_price = 24000", "the money is 25200"),
    ],
)
def test_a_changed_value_in_the_table_is_stale(site: Site, change: str, word: str) -> None:
    site.execute(f"update marts.focus_instruments set {change} where canonical_id = %s", CALL)
    report = site.report("published_table")
    assert counts(report) == (0, 0, 1)
    assert word in told(report)[0]


def test_an_emptied_table_lacks_everything(site: Site) -> None:
    site.execute("truncate marts.focus_instruments")
    assert counts(site.report("published_table")) == (258, 0, 0)


def test_a_table_that_is_gone_is_absent_and_the_others_are_still_compared(site: Site) -> None:
    site.execute("drop table marts.focus_instruments")
    status = site.check("published_table", "token_lookup")
    assert [one.state for one in status.holders] == [HolderState.ABSENT, HolderState.IN_STEP]
    assert status.verdict is Verdict.TROUBLE
    assert "does not exist" in status.problems[0]


def test_a_table_that_somebody_has_locked_is_unreadable_and_holds_nobody_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "STATEMENT_SECONDS", 0.1)
    with psycopg.connect(site.dsn) as connection:
        connection.execute("lock table marts.focus_instruments in access exclusive mode")
        status = site.check("published_table", "token_lookup")
    assert [one.state for one in status.holders] == [HolderState.UNREADABLE, HolderState.IN_STEP]
    assert "statement timeout" in status.problems[0]
    assert status.reference is not None
    assert status.reference.publication.source == "postgresql"


def test_a_table_of_another_shape_is_unreadable(site: Site) -> None:
    site.execute("alter table marts.focus_instruments rename lot_size to lots")
    report = site.report("published_table")
    assert report.state is HolderState.UNREADABLE
    assert "lot_size" in report.reason


def test_a_given_reference_price_is_the_money(site: Site) -> None:
    """The recorded price decides; with it the holders are wrong that were made around another."""
    site.execute(
        "update marts.focus_instruments set reference_price = 24900,"
        " reference_price_source = 'given' where underlying = 'NIFTY'"
    )
    report = site.report("published_table")
    # Three strikes down, where only two more are listed: of two expiries, calls and puts.
    assert counts(report) == (8, 12, 0)
    status = site.check("published_table")
    assert status.reference is not None
    assert status.reference.focus.chosen[1].money == Decimal(24900)
    assert status.reference.focus.chosen[1].money_source == "given"


# --- focus_instruments.json ---------------------------------------------------------------------


def focus_symbol(site: Site, broker: str = "kite") -> str:
    (row,) = (row for row in site.focus_rows(broker) if row.canonical_id == CALL)
    return row.tradingsymbol


def test_a_symbol_that_left_the_focus_file_is_missing_with_its_broker(site: Site) -> None:
    symbols = json.loads(site.focus_file.read_text())["symbols"]
    symbols.remove(focus_symbol(site, "upstox"))
    site.change_focus_file(symbols=symbols, total_symbols=len(symbols))
    report = site.report("focus_file")
    assert counts(report) == (1, 0, 0)
    assert "(upstox)" in told(report)[0]
    assert CALL in told(report)[0]


def test_a_symbol_too_many_in_the_focus_file_is_surplus(site: Site) -> None:
    symbols = sorted([*json.loads(site.focus_file.read_text())["symbols"], "NIFTYBEES"])
    site.change_focus_file(symbols=symbols, total_symbols=len(symbols))
    report = site.report("focus_file")
    assert counts(report) == (0, 1, 0)
    assert told(report) == ["NIFTYBEES"]


def test_a_focus_file_of_an_earlier_day_is_outdated(site: Site) -> None:
    site.change_focus_file(generated_date="2026-08-14")
    report = site.report("focus_file")
    assert report.state is HolderState.OUT_OF_STEP
    assert "2026-08-14" in report.outdated
    assert counts(report) == (0, 0, 0)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("total_symbols", 3),
        ("underlying_indices", ["NIFTY"]),
        ("source", {}),
        ("source", {"zerodha": {"total": 1, "by_type": {}}, "upstox": 3}),
    ],
)
def test_a_focus_file_that_miscounts_itself_is_stale(
    site: Site, member: str, value: object
) -> None:
    site.change_focus_file(**{member: value})
    report = site.report("focus_file")
    assert report.state is HolderState.OUT_OF_STEP
    assert all(one.key == member for one in report.differences.stale)
    assert counts(report)[2] > 0


def test_a_focus_file_with_a_broker_of_no_publication_is_stale(site: Site) -> None:
    document = json.loads(site.focus_file.read_text())
    document["source"]["dhan"] = {"file": "dhan_csv", "total": 3, "by_type": {"FUT": 3}}
    site.change_focus_file(source=document["source"])
    assert "dhan" in told(site.report("focus_file"))[0]


def test_a_focus_file_out_of_order_is_stale(site: Site) -> None:
    symbols = json.loads(site.focus_file.read_text())["symbols"]
    site.change_focus_file(symbols=[*symbols[1:], symbols[0]])
    assert counts(site.report("focus_file")) == (0, 0, 1)


# --- token_lookup_enriched.json -----------------------------------------------------------------


def token_of(site: Site, identity: str) -> str:
    (row,) = (row for row in site.rows if (row.broker, row.canonical_id) == ("kite", identity))
    return row.broker_token


def test_a_token_that_left_the_lookup_is_missing(site: Site) -> None:
    entries = site.lookup()
    del entries[token_of(site, CALL)]
    site.lookup_file.write_text(json.dumps(entries))
    report = site.report("token_lookup")
    assert counts(report) == (1, 0, 0)
    assert told(report)[0].startswith(CALL)


def test_a_contract_that_nobody_lists_is_surplus_in_the_lookup(site: Site) -> None:
    entries = site.lookup()
    entries["999"] = entries[token_of(site, CALL)] | {
        "strike": 25150.0, "instrument_token": 999, "tradingsymbol": "X",
    }  # fmt: skip
    site.lookup_file.write_text(json.dumps(entries))
    report = site.report("token_lookup")
    assert counts(report) == (0, 1, 0)
    assert told(report)[0].startswith(STRANGER)


def test_what_kite_lists_outside_of_the_focus_set_is_surplus_to_nobody(site: Site) -> None:
    entries = site.lookup()
    del entries[token_of(site, OUTSIDE)]
    site.lookup_file.write_text(json.dumps(entries))
    assert site.report("token_lookup").state is HolderState.IN_STEP


def test_a_strike_that_left_the_lookup_makes_its_neighbours_no_surplus(site: Site) -> None:
    """Chosen of the file, the set would reach one strike further: Kite lists that one too."""
    entries = site.lookup()
    for identity in (CALL, f"{CALL[:-2]}PE"):
        del entries[token_of(site, identity)]
    site.lookup_file.write_text(json.dumps(entries))
    assert counts(site.report("token_lookup")) == (2, 0, 0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tradingsymbol": "OLD"}, "symbol OLD"),
        ({"lot_size": 65}, "lot_size 65"),
        ({"tick_size": 0.1}, "tick_size 0.1"),
        ({"instrument_token": 5}, "inside 5"),
    ],
)
def test_a_changed_value_in_the_lookup_is_stale(site: Site, change: dict, word: str) -> None:
    entries = site.lookup()
    entries[token_of(site, CALL)] |= change
    site.lookup_file.write_text(json.dumps(entries))
    report = site.report("token_lookup")
    assert counts(report) == (0, 0, 1)
    assert word in told(report)[0]


def test_a_contract_under_another_token_is_stale_in_the_lookup(site: Site) -> None:
    entries = site.lookup()
    entries["999"] = entries.pop(token_of(site, CALL)) | {"instrument_token": 999}
    site.lookup_file.write_text(json.dumps(entries))
    report = site.report("token_lookup")
    assert counts(report) == (0, 0, 1)
    assert "token 999 (published" in told(report)[0]


def test_a_contract_under_two_tokens_is_stale_in_the_lookup(site: Site) -> None:
    entries = site.lookup()
    entries["999"] = entries[token_of(site, CALL)] | {"instrument_token": 999}
    site.lookup_file.write_text(json.dumps(entries))
    assert counts(site.report("token_lookup")) == (0, 0, 1)


# --- both files ---------------------------------------------------------------------------------

FILES = {"focus_file": "focus_instruments.json", "token_lookup": "token_lookup_enriched.json"}


@pytest.mark.parametrize("holder", FILES)
@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda data: data[: len(data) // 2], "torn"),
        (lambda _: b"", "line 1, column 1"),
        (lambda _: b"[1, 2]", "expected an object"),
        (lambda _: b"\xff\xfe\x00", "no JSON"),
        (lambda _: b"[" * 100_000, "no JSON"),
    ],
    ids=["torn", "empty", "a list", "no text", "deep"],
)
def test_a_file_that_is_no_object_is_unreadable_with_its_place(
    site: Site, holder: str, damage: Callable[[bytes], bytes], word: str
) -> None:
    path = site.folder / "files" / FILES[holder]
    path.write_bytes(damage(path.read_bytes()))
    report = site.report(holder)
    assert report.state is HolderState.UNREADABLE
    assert word in report.reason
    assert str(path) in report.reason


@pytest.mark.parametrize("holder", FILES)
def test_a_file_that_is_not_there_is_absent_and_names_its_setting(site: Site, holder: str) -> None:
    (site.folder / "files" / FILES[holder]).unlink()
    report = site.report(holder)
    assert report.state is HolderState.ABSENT
    assert "_FILE says where it is" in report.reason


@pytest.mark.parametrize("holder", FILES)
def test_a_folder_in_the_place_of_a_file_is_unreadable(site: Site, holder: str) -> None:
    path = site.folder / "files" / FILES[holder]
    path.unlink()
    path.mkdir()
    assert site.report(holder).state is HolderState.UNREADABLE


@pytest.mark.parametrize(
    ("holder", "content"),
    [
        ("focus_file", {"symbols": "NIFTY"}),
        ("focus_file", {"symbols": [1]}),
        ("token_lookup", {"1": 3}),
        ("token_lookup", {"1": {"name": "NIFTY", "exchange": "NFO", "instrument_type": "CE"}}),
        ("token_lookup", {"1": {
            "name": "NIFTY", "exchange": "NFO", "instrument_type": "FUT", "strike": 1e400,
            "expiry": 3, "instrument_token": 1, "tradingsymbol": "", "lot_size": 1, "tick_size": 1,
        }}),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_unreadable(site: Site, holder: str, content: dict) -> None:
    (site.folder / "files" / FILES[holder]).write_text(json.dumps(content))
    report = site.report(holder)
    assert report.state is HolderState.UNREADABLE
    assert report.reason


def test_files_are_looked_for_where_the_settings_say(site: Site, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere.json"
    site.focus_file.rename(there)
    assert site.report("focus_file").state is HolderState.ABSENT
    found = site.report("focus_file", FOCUS_INSTRUMENTS_FILE=str(there))
    assert found.state is HolderState.IN_STEP


# --- the registries -----------------------------------------------------------------------------


def without(site: Site, identity: str) -> Contents:
    rows = [row for row in site.rows if row.canonical_id != identity]
    return Contents.of(rows, Publication(7, AT, DAY), focus_ids() - {identity})


def test_a_registry_of_this_process_that_was_not_refreshed_is_outdated(site: Site) -> None:
    settings = site.settings().registry
    factory.get_registry(RegistryType.INTRADAY_FOCUS, settings=settings)
    site.publish(8)
    report = site.report("focus_registry")
    assert report.state is HolderState.OUT_OF_STEP
    assert "publication 7 of 2026-08-17; the last is publication 8" in report.outdated
    assert counts(report) == (0, 0, 0)
    assert "this process's" in report.where


def test_a_registry_that_holds_other_contracts_is_told_row_by_row(site: Site) -> None:
    registry = factory.get_registry(RegistryType.INTRADAY_FOCUS, settings=site.settings().registry)
    registry.show(without(site, CALL))
    report = site.report("focus_registry")
    # One of each broker.
    assert counts(report) == (2, 0, 0)
    changed = [row._replace(lot_size=65) if row.canonical_id == CALL else row for row in site.rows]
    extra = focus_ids() | {OUTSIDE}
    registry.show(Contents.of(changed, Publication(7, AT, DAY), extra))
    report = site.report("focus_registry")
    assert counts(report) == (0, 2, 2)
    assert "lot_size 65 (published 75)" in told(report)[-1]


def test_a_registry_that_is_swapped_meanwhile_is_read_of_one_publication(site: Site) -> None:
    old = Contents.of(site.rows[:40], Publication(7, AT, DAY))
    new = Contents.of(site.rows[:30], Publication(8, AT, DAY))
    registry = Registry(old)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            registry.show(new)
            registry.show(old)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(500):
            shown, found = shown_by(registry)
            assert len(list(found)) == {7: 40, 8: 30}[shown.number or 0]
    finally:
        done.set()
        thread.join()


def test_without_a_registry_yet_one_is_loaded_as_a_module_would_get_it(site: Site) -> None:
    report = site.report("focus_registry")
    assert (report.state, report.publication) == (HolderState.IN_STEP, 7)
    assert "loaded for this check" in report.where
    assert factory.made_registries() == ()


def test_a_publication_that_is_too_old_for_modules_is_unreadable_to_them(site: Site) -> None:
    report = site.report("focus_registry", REGISTRY_MAX_AGE_HOURS="1")
    assert report.state is HolderState.UNREADABLE
    assert "REGISTRY_MAX_AGE_HOURS" in report.reason


def test_a_snapshot_of_an_earlier_publication_is_outdated(site: Site) -> None:
    site.write_snapshot(6, AT - timedelta(days=3), DAY - timedelta(days=3))
    report = site.report("registry_snapshot")
    assert "publication 6 of 2026-08-14; the last is publication 7 of 2026-08-17" in report.outdated
    assert (report.publication, str(report.as_of_date)) == (6, "2026-08-14")


def test_a_snapshot_with_other_rows_is_told_row_by_row(site: Site) -> None:
    snapshot.write(site.snapshot_file, without(site, CALL))
    assert counts(site.report("registry_snapshot")) == (2, 0, 0)
    extra = Contents.of(site.rows, Publication(7, AT, DAY), focus_ids() | {OUTSIDE})
    snapshot.write(site.snapshot_file, extra)
    assert counts(site.report("registry_snapshot")) == (0, 2, 0)
    retold = [row._replace(broker_token=f"9{row.broker_token}") for row in site.rows]
    snapshot.write(site.snapshot_file, Contents.of(retold, Publication(7, AT, DAY), focus_ids()))
    assert counts(site.report("registry_snapshot")) == (0, 0, 516)


def test_a_torn_snapshot_is_unreadable_and_none_is_absent(site: Site) -> None:
    site.snapshot_file.write_bytes(site.snapshot_file.read_bytes()[:-9])
    report = site.report("registry_snapshot")
    assert report.state is HolderState.UNREADABLE
    assert "was not taken" in report.reason
    site.snapshot_file.unlink()
    assert site.report("registry_snapshot").state is HolderState.ABSENT


def test_a_snapshot_without_a_focus_set_is_unreadable(site: Site) -> None:
    snapshot.write(site.snapshot_file, Contents.of(site.rows, Publication(7, AT, DAY)))
    assert site.report("registry_snapshot").state is HolderState.UNREADABLE


# --- nothing expected, nothing to compare with --------------------------------------------------


def test_an_empty_focus_set_is_trouble_though_every_holder_agrees_on_it(site: Site) -> None:
    site.rows = [row for row in site.rows if row.canonical_id == "NSE:RELIANCE"]
    site.publish()
    site.change_focus_file(underlying_indices=[], source={"zerodha": {"total": 0, "by_type": {}}})
    contents = Contents.of(site.rows, Publication(7, AT, DAY), ())
    snapshot.write(site.snapshot_file, contents)
    status = site.check()
    assert [one.state for one in status.holders] == [HolderState.IN_STEP] * 5
    assert status.verdict is Verdict.TROUBLE
    assert len(status.problems) == 3
    assert "no future or option on NIFTY at NFO" in status.problems[1]


def test_an_underlying_that_vanished_is_trouble(site: Site) -> None:
    site.execute("delete from marts.broker_instruments where canonical_id like 'BFO:SENSEX:%'")
    status = site.check("token_lookup")
    assert "SENSEX at BFO" in status.problems[0]


def test_other_underlyings_can_be_said(site: Site) -> None:
    only = "REGISTRY_FOCUS_UNDERLYINGS"
    status = site.check("published_table", **{only: "NIFTY:NFO, BANKNIFTY:NFO"})
    # SENSEX is too much then.
    assert counts(status.holders[0]) == (0, 86, 0)
    assert site.settings(**{only: ""}).rule == FocusRule()
    for text in ("NIFTY", "NIFTY:", ":NFO", "A:B:C"):
        with pytest.raises(SettingRefused, match=only):
            site.settings(**{only: text})


def test_without_any_source_nothing_is_in_step(tmp_path: Path) -> None:
    settings = read_monitor_settings(read_settings({"WAREHOUSE_HOME": str(tmp_path)}))
    status = RegistrySyncMonitor(settings).check()
    assert status.verdict is Verdict.NO_SOURCE
    assert status.sync_needed
    assert "DATABASE_URL is not set" in status.problems[0]


def test_a_database_without_a_publication_is_no_source(postgres_dsn: str, tmp_path: Path) -> None:
    published.create(postgres_dsn)
    status = Site(tmp_path, postgres_dsn, []).check()
    assert status.verdict is Verdict.NO_SOURCE
    assert "no publication yet" in status.problems[0]


def test_with_the_database_gone_the_snapshot_says_what_should_be_held(site: Site) -> None:
    status = site.check(DATABASE_URL=NOBODY)
    states = {one.name: one.state for one in status.holders}
    assert states == {
        "focus_registry": HolderState.IN_STEP,
        "published_table": HolderState.UNREADABLE,
        "focus_file": HolderState.IN_STEP,
        "token_lookup": HolderState.IN_STEP,
        "registry_snapshot": HolderState.IN_STEP,
    }
    assert status.verdict is Verdict.TROUBLE
    assert "s3cret" not in json.dumps(status.facts(5))


def test_without_a_database_the_table_is_absent_and_the_rest_is_compared(site: Site) -> None:
    status = site.check(DATABASE_URL="")
    (table,) = (one for one in status.holders if one.name == "published_table")
    assert table.state is HolderState.ABSENT
    assert "DATABASE_URL is not set" in table.reason
    scanner = [name for name in HOLDERS if name != "published_table"]
    assert site.check(*scanner, DATABASE_URL="").verdict is Verdict.IN_STEP


def test_without_a_database_the_setting_says_the_money(site: Site) -> None:
    status = site.check("registry_snapshot", DATABASE_URL="", REFERENCE_PRICES="NIFTY=24900.5")
    assert status.reference is not None
    assert status.reference.focus.chosen[1].money == Decimal("24900.5")
    for text in ("NIFTY", "NIFTY=x", "NIFTY=-1", "=3", "NIFTY=nan"):
        with pytest.raises(SettingRefused, match="REFERENCE_PRICES"):
            site.settings(REFERENCE_PRICES=text)


def test_without_a_database_a_snapshot_chosen_by_a_given_price_is_not_called_wrong(
    site: Site,
) -> None:
    """The price is recorded in the database alone; some price has to explain what is held."""
    listed = [str(row.canonical_id) for row in site.rows if row.broker == "kite"]
    chosen = focus_set(listed, DAY, {"NIFTY": Decimal(25010), "SENSEX": Decimal(1)}, FocusRule())
    told_of = Publication(7, AT, DAY)
    snapshot.write(site.snapshot_file, Contents.of(site.rows, told_of, chosen.ids))
    status = site.check("registry_snapshot", DATABASE_URL="")
    assert status.verdict is Verdict.IN_STEP, status.problems
    assert status.reference is not None
    assert status.reference.focus.ids == chosen.ids
    # What no price explains is damage all the same.
    less = chosen.ids - {f"NFO:NIFTY:2026-08-25:{25010 - 10}:CE"}
    assert len(less) == len(chosen.ids) - 1
    snapshot.write(site.snapshot_file, Contents.of(site.rows, told_of, less))
    assert site.check("registry_snapshot", DATABASE_URL="").verdict is Verdict.TROUBLE


def test_a_publication_that_arrives_during_a_check_is_compared_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holders are read after what they are compared with; meanwhile one may be published."""
    begun = []

    def publish_first(found, settings, now) -> HolderReport:
        begun.append(found.publication.number)
        if len(begun) == 1:
            site.publish(8)
        return HOLDERS["registry_snapshot"](found, settings, now)

    monkeypatch.setattr(checking, "HOLDERS", dict(HOLDERS) | {"registry_snapshot": publish_first})
    status = site.check("registry_snapshot")
    assert begun == [7, 8]
    assert status.verdict is Verdict.IN_STEP
    assert status.publication_id == 8


def test_publications_that_never_cease_end_the_check_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_another(found, settings, now) -> HolderReport:
        site.execute(
            "insert into ops.publications values (%s, now(), %s)",
            found.publication.number + 1, DAY,
        )  # fmt: skip
        return HOLDERS["registry_snapshot"](found, settings, now)

    monkeypatch.setattr(checking, "HOLDERS", {"registry_snapshot": publish_another})
    assert site.check("registry_snapshot").verdict is Verdict.TROUBLE


def test_a_contract_that_kite_lists_twice_may_be_held_under_either_token(site: Site) -> None:
    (row,) = (r for r in site.rows if (r.broker, r.canonical_id) == ("kite", CALL))
    site.rows.append(row._replace(broker_token="777"))
    site.publish()
    for token in (row.broker_token, "777"):
        site.execute(
            "update marts.focus_instruments set instrument_token = %s where canonical_id = %s",
            int(token), CALL,
        )  # fmt: skip
        status = site.check()
        assert status.verdict is Verdict.IN_STEP, status.problems
    site.execute(
        "update marts.focus_instruments set instrument_token = 8 where canonical_id = %s", CALL
    )
    assert counts(site.report("published_table")) == (0, 0, 1)


def test_an_export_that_is_pending_explains_a_difference_and_excuses_none(site: Site) -> None:
    site.execute(
        "create table ops.exports (publication_id bigint, destination text, status text);"
        "insert into ops.exports values (7, 'focus_instruments', 'pending'),"
        " (7, 'token_lookup', 'complete'), (6, 'token_lookup', 'pending')"
    )
    assert site.check().verdict is Verdict.IN_STEP
    site.focus_file.unlink()
    site.lookup_file.unlink()
    status = site.check()
    assert status.verdict is Verdict.TROUBLE
    of_focus, of_lookup = status.problems
    assert "its export is pending" in of_focus
    assert "export is pending" not in of_lookup


def test_a_wrong_holder_is_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="nobody"):
        site.monitor("nobody")
    with pytest.raises(ValueError, match="none"):
        RegistrySyncMonitor(site.settings(), holders=())


def test_a_role_that_may_not_read_the_table_finds_it_unreadable(
    site: Site, server_dsn: str
) -> None:
    role = f"reader_{site.folder.name[-8:]}".replace("-", "_").lower()
    site.execute(f"create role {role} login")
    try:
        site.execute(f"grant usage on schema marts, ops to {role}")
        site.execute(f"grant select on marts.broker_instruments, ops.publications to {role}")
        parts = psycopg.conninfo.conninfo_to_dict(site.dsn) | {"user": role}
        reader = psycopg.conninfo.make_conninfo("", **parts)
        report = site.report("published_table", DATABASE_URL=reader)
        assert report.state is HolderState.UNREADABLE
        assert "permission denied" in report.reason
    finally:
        site.execute(f"drop owned by {role}")
        site.execute(f"drop role {role}")


def test_the_columns_that_are_read_are_those_of_the_mart(project: Path) -> None:
    import yaml

    found = yaml.safe_load((project / "dbt_project/models/marts/_marts__models.yml").read_text())
    columns = {m["name"]: {c["name"] for c in m["columns"]} for m in found["models"]}
    made = {line.split()[0] for line in sync_market.TABLE.split("(", 1)[1].split(",")}
    assert made >= columns["focus_instruments"]
