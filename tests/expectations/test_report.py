"""The report: whole, self-contained, and safe whatever a dump holds."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest

from expectations.audit import CELL_CHARACTERS, RuleResult, cell, visible
from expectations.changes import (
    Change,
    Touched,
    read_broker_changes,
    read_changes,
    read_rows,
    read_touched,
)
from expectations.chart import WIDTH, exchange_bars
from expectations.coverage import BrokerCoverage, Counted, FeedDay
from expectations.gate import DbtTestResult, Verdict, decide
from expectations.report import (
    PlanLine,
    ReportContext,
    as_document,
    as_page,
    write_report,
)
from expectations.rules import RULES

HOSTILE = (
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "'; drop table instruments; --",
    "{{ 7 * 7 }}{% raw %}",
    "line\nbreak\r\x00\x07\x1b[31m",
    "\u202eturned\u2066",
    "\ud800",
    "</title></style></svg>",
    "javascript:alert(1)",
    "&amp;&lt;",
    "A" * 10_000,
)


class Elements(HTMLParser):
    """What a browser would find: the tags, their attributes, and that they nest."""

    VOID = frozenset({"meta", "img", "br", "rect", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser.found


def verdict_of(status: str = "failed", text: str = "x") -> Verdict:
    """Every rule passed but one error, one warning and one dbt test, with `text` everywhere."""
    results = []
    for rule in RULES:
        changed = {"marker-sensex": status, "withheld-none": "warned"}.get(rule.id, "passed")
        samples = ({text: text, "b": text},)
        results.append(
            RuleResult(
                rule=rule.id,
                title=rule.title,
                severity=rule.severity,
                status=changed,  # type: ignore[arg-type]
                observed=text,
                limit=text,
                unexpected_count=12,
                samples=samples,
                explanation=text,
                action=text,
            )
        )
    tests = [
        DbtTestResult("a_test", "error", "pass"),
        DbtTestResult(text, "error", "fail", 2, text, text, text, ({text: text},)),
    ]
    return decide(results, tests)


def brokers_of(text: str = "x") -> tuple[BrokerCoverage, ...]:
    """Kite; another broker with every status, with `text` everywhere; one that never landed."""
    statuses = ("matched", "matched_terms_only", "token_conflict", "unmatched")
    return (
        BrokerCoverage(
            "kite",
            FeedDay(date(2026, 8, 18)),
            (Counted("NFO", "option", "reference", "", 1000),),
        ),
        BrokerCoverage(
            text,
            FeedDay(date(2026, 8, 14), is_stale=True),
            (
                *(Counted(text, "option", status, text, 10, (text,)) for status in statuses),
                Counted(text, "", "excluded", text, 7, (text,)),
                Counted(text, "", "rejected", text, 3, (text,)),
            ),
            {text: 5, "lot_size": 5, "contract": 10},
            ({"what": text, text: text},),
            (
                Change(
                    text, 2, 1, ({"tradingsymbol": text, "old_value": text, "subscribed": "yes"},)
                ),
            ),
            {"": 0.6, text: 0.5},
        ),
        BrokerCoverage("dhan", FeedDay(None, is_stale=True)),
    )


def context_of(text: str = "x", **changes: object) -> ReportContext:
    values: dict[str, object] = {
        "run_id": text,
        "started_at": datetime(2026, 8, 18, 3, 10, tzinfo=UTC),
        "as_of_date": date(2026, 8, 18),
        "source": text,
        "dump_sha256": text,
        "filter": text,
        "rows_now": {"NFO": 100, text: 50},
        "rows_before": {"NFO": 90, "BSE": 10},
        "changes": (Change(text, 2, 1, ({"tradingsymbol": text, "old_value": text},)),),
        "touched": Touched(7, ({"change": text, text: text},)),
        "consumers_see": text,
        "stage_seconds": {text: 1.5},
        "plan": (PlanLine(text, 1, 2, 3, text),),
        "brokers": brokers_of(text),
    }
    return ReportContext(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_stay_text(text: str, tmp_path: Path) -> None:
    path = write_report(verdict_of(text=text), context_of(text), tmp_path)
    page = path.read_text(encoding="utf-8")
    plain = elements(as_page(verdict_of(), context_of()))
    found = elements(page)
    assert [tag for tag, _ in found] == [tag for tag, _ in plain]
    for tag, attributes in found:
        assert tag not in {"script", "img", "link", "iframe", "object"}
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    document = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert document["run"]["filter"] == text


@pytest.mark.parametrize("status", ["failed", "passed"])
def test_page_loads_nothing(status: str) -> None:
    page = as_page(verdict_of(status), context_of())
    for tag, attributes in elements(page):
        for name in ("src", "href", "srcset", "action", "data"):
            target = attributes.get(name) or ""
            assert not re.match(r"(?i)\s*([a-z]+:|//)", target), (tag, target)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_red_page_says_first_what_blocks_and_what_consumers_see() -> None:
    page = as_page(
        verdict_of(text="no SENSEX"), context_of(consumers_see="Consumers keep publication 41.")
    )
    banner = page[page.index('class="banner') : page.index("</section>")]
    assert "Gate red: nothing was published" in banner
    assert "Consumers keep publication 41." in banner
    assert "SENSEX has its token" in banner
    blocks, warnings, rest = (
        page.index("What blocks"), page.index("Warnings"), page.index("Every other check")
    )  # fmt: skip
    assert blocks < page.index('id="marker-sensex"') < warnings
    assert warnings < page.index('id="withheld-none"') < rest
    assert "--accept marker-sensex=" in page


def test_green_page_names_the_publication() -> None:
    green = decide(
        RuleResult(rule.id, rule.title, rule.severity, "passed", "fine") for rule in RULES
    )
    assert "this dump may be published" in as_page(green, context_of())
    assert "published as number 42" in as_page(green, context_of(publication_id=42))


def test_brokers_are_told_with_their_day_their_rows_and_why() -> None:
    page = as_page(verdict_of("passed"), context_of("upstox"))
    section = page[page.index("<h2>Brokers") : page.index("<h2>What changed")]
    assert "Fri 14 Aug 2026" in section
    assert '<span class="stale">stale</span>' in section
    assert "never had" in section
    summary = section[: section.index("<details")]
    numbers = re.findall(r'<td class="number[^"]*">([^<]*)</td>', summary)
    assert [number.replace("\u2013", "none") for number in numbers] == [
        "1,000", "none", "none", "none",
        "40", "10", "10", "10", "10", "7", "3", "5",
        *["none"] * 8,
    ]  # fmt: skip
    assert '50.0 % <span class="bad">-10.0</span>' in summary
    assert "What changed at Upstox" in section
    assert '<span class="subscribed">upstox</span>' in section
    assert section.count("<details") == 2


def test_kite_alone_has_no_section_of_brokers() -> None:
    page = as_page(verdict_of("passed"), context_of(brokers=brokers_of()[:1]))
    assert "<h2>Brokers" not in page


def touched_section(page: str) -> str:
    return page[page.index("Touches subscriptions") : page.index("Every other check")]


def test_what_touches_subscriptions_is_told_whole_or_with_the_command_for_the_rest() -> None:
    rows = tuple({"change": "lot_changed", "tradingsymbol": f"N{n}"} for n in range(3))
    whole = touched_section(as_page(verdict_of(), context_of(touched=Touched(3, rows))))
    assert [symbol for symbol in ("N0", "N1", "N2") if symbol in whole] == ["N0", "N1", "N2"]
    assert "psql" not in whole
    cut = as_page(verdict_of(), context_of(touched=Touched(500, rows), publication_id=7))
    assert "3 of 500 shown" in touched_section(cut)
    assert "select * from marts.instrument_changes where is_active" in touched_section(cut)
    assert "marts.broker_instrument_changes" in touched_section(cut)
    red = as_page(verdict_of(), context_of(touched=Touched(500, rows), brokers=brokers_of()[:1]))
    assert "candidate.instrument_changes" in touched_section(red)
    assert "broker_instrument_changes" not in touched_section(red)
    none = touched_section(as_page(verdict_of(), context_of(touched=Touched())))
    assert "every contract that is streamed is as it was" in none


def test_first_run_has_nothing_to_compare_with() -> None:
    page = as_page(verdict_of(), context_of(rows_before={}, changes=()))
    assert "Nothing is published yet" in page
    assert "Touches subscriptions" not in page
    assert "last publication, expired" not in page


def test_empty_run_is_still_a_page() -> None:
    bare = ReportContext("r", datetime.now(UTC), date(2026, 8, 18), "", "", "all")
    page = as_page(decide([]), bare)
    assert "No rule of the gate was evaluated" in page
    elements(page)


def test_accepted_rule_is_shown_with_its_reason() -> None:
    results = [
        RuleResult(
            rule.id, rule.title, rule.severity,
            "failed" if rule.id == "churn-lot" else "passed", "fine",
        )
        for rule in RULES
    ]  # fmt: skip
    page = as_page(decide(results, accepted={"churn-lot": "NSE circular 7"}), context_of())
    assert "Accepted by an operator" in page
    assert "NSE circular 7" in page


def test_json_holds_the_same_facts() -> None:
    verdict = verdict_of()
    document = as_document(verdict, context_of())
    assert document["version"] == 1
    assert document["verdict"]["colour"] == "red"
    assert document["verdict"]["reasons"] == list(verdict.reasons)
    assert document["results"][0]["status"] == "failed"
    assert len(document["results"]) == len(verdict.results)
    assert document["rows_by_exchange"]["BSE"] == {"now": 0, "before": 10}
    assert document["plan"][0]["removed"] == 3
    assert document["changes"][0]["active_count"] == 1
    assert document["touched"] == {"count": 7, "rows": [{"change": "x", "x": "x"}]}
    other = document["brokers"][1]
    assert (other["as_of_date"], other["is_stale"]) == ("2026-08-14", True)
    assert (other["rows"], other["left_out"], other["rejected"]) == (40, 7, 3)
    assert other["by_status"]["token_conflict"] == 10
    assert other["counted"][0]["samples"] == ["x"]
    assert (other["matched"][""], other["matched_before"][""]) == (0.5, 0.6)
    assert other["changes"][0]["samples"][0]["subscribed"] == "yes"
    assert json.loads(json.dumps(document)) == document


def test_report_is_replaced_whole(tmp_path: Path) -> None:
    write_report(verdict_of(), context_of(), tmp_path)
    write_report(verdict_of("passed"), context_of(publication_id=7), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"summary.html", "summary.json"}
    assert json.loads((tmp_path / "summary.json").read_text())["run"]["publication_id"] == 7


def test_bars_show_a_lost_exchange_and_stay_inside_the_chart() -> None:
    now = {f"E{n}": 1000 - n for n in range(30)}
    bars = exchange_bars(now, {**now, "GONE": 5, "E0": 2000})
    by_name = {bar.exchange: bar for bar in bars}
    assert by_name["GONE"].mood == "gone"
    assert by_name["E0"].mood == "low"
    assert by_name["E0"].note == "-50.0 %"
    assert by_name["E1"].note == "unchanged"
    assert all(0 <= bar.now_width <= WIDTH and 0 <= bar.before_width <= WIDTH for bar in bars)
    assert len({bar.y for bar in bars}) == len(bars)
    assert exchange_bars({}, {}) == ()
    assert exchange_bars({"NEW": 1}, {"OLD": 1})[0].exchange in {"NEW", "OLD"}


def test_long_and_invisible_values_are_made_readable() -> None:
    assert cell(None) == ""
    assert len(cell("A" * 10_000)) == CELL_CHARACTERS + 3
    assert visible("a\x07\u202eb\n") == "a\\x07\\u202eb\\n"


def test_what_touches_subscriptions_is_read_of_every_broker_what_to_act_on_first(
    healthy_dsn: str,
) -> None:
    with psycopg.connect(healthy_dsn) as connection:
        connection.execute(
            """
            insert into candidate.instrument_changes values
            ('NFO:A', 'listed', null, 'A', 1, 'A', 'NFO', true),
            ('NFO:B', 'lot_changed', '75', '65', 2, 'B', 'NFO', true),
            ('NFO:C', 'lot_changed', '75', '65', 3, 'C', 'NFO', false);
            insert into candidate.broker_instrument_changes values
            ('dhan', 'NFO', 'D|2', 'lot_changed', 'NFO:B', 'B there', '75', '65', true,
                current_date),
            ('dhan', 'NFO', 'D|3', 'lot_changed', 'NFO:C', 'C there', '75', '65', false,
                current_date),
            ('upstox', 'NFO', 'U|2', 'expired', 'NFO:D', 'D', 'D', null, true, current_date);
            create table candidate.instrument_continuity as
            select 'NFO:A' as canonical_id, null as continued_canonical_id, 'relisted' as basis
            """
        )
        touched = read_touched(connection)
        assert [(row["change"], row["broker"], row["token"]) for row in touched.rows] == [
            ("lot_changed", "kite", "2"),
            ("lot_changed", "dhan", "D|2"),
            ("listed", "kite", "1"),
            ("expired", "upstox", "U|2"),
        ]
        assert touched.rows[2]["besides"] == "was listed before, and is back"
        assert touched.count == 4
        assert read_touched(connection, limit=1).count == 4
        assert len(read_touched(connection, limit=1).rows) == 1
        assert read_touched(connection, with_brokers=False).count == 2
        assert read_touched(connection, candidate_schema="none") == Touched()
        (lots,) = read_broker_changes(connection, "dhan")
        assert (lots.change, lots.count, lots.active_count) == ("lot_changed", 2, 1)
        assert [sample["subscribed"] for sample in lots.samples] == ["yes", ""]
        assert read_broker_changes(connection, "angel_one") == ()


def test_changes_are_counted_with_samples(healthy_dsn: str) -> None:
    with psycopg.connect(healthy_dsn) as connection:
        connection.execute(
            "insert into candidate.instrument_changes "
            "values ('a', 'lot_changed', '75', '65', 1, 'NIFTY', 'NFO', true)"
        )
        changes = read_changes(connection)
        assert [(each.change, each.count, each.active_count) for each in changes] == [
            ("expired", 201, 0),
            ("lot_changed", 1, 1),
        ]
        assert len(changes[0].samples) == 5
        assert changes[1].samples[0]["new_value"] == "65"
        assert read_rows(connection, "candidate")["NSE"] == 83
        assert read_changes(connection, candidate_schema="none") == ()
        assert read_rows(connection, "none") == {}
