"""What is published of each broker: matched, on terms only, in conflict, unmatched, left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expectations.audit import visible
from expectations.coverage import BrokerCoverage, Counted, FeedDay
from expectations.coverage_reader import read_coverage
from warehouse.coverage_before import read_matched_before
from warehouse.publications import LastPublication, last_publication

PUBLISHED_SCHEMA: Final = "marts"
CSV_COLUMNS: Final = (
    "broker", "as_of_date", "is_stale", "exchange", "kind", "status", "reason", "rows", "samples",
)  # fmt: skip
EXAMPLES: Final = 3
# Kite alone is matched with nobody.
MATCHED_FROM: Final = 2
# A part that fell by more than this is worth a look; the gate has limits of its own.
FELL: Final = -0.01
# What people read for a status.
WORDS: Final = {
    "matched_terms_only": "terms only",
    "token_conflict": "conflict",
    "excluded": "left out",
}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is published, by broker; Kite first.

    Attributes:
        publication: what consumers see; None before the first publication.
        brokers: empty too where the publication is older than the table of coverage.
    """

    publication: LastPublication | None
    brokers: tuple[BrokerCoverage, ...] = ()

    def facts(self) -> dict[str, Any]:
        """One JSON object."""
        publication = self.publication
        return {
            "publication_id": publication and publication.publication_id,
            "as_of_date": publication and publication.as_of_date.isoformat(),
            "brokers": [broker.as_json() for broker in self.brokers],
        }

    def as_csv(self) -> str:
        """One line a broker, exchange, kind, status and reason, with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for broker in self.brokers:
            day = broker.day
            for each in broker.counted:
                writer.writerow(
                    (
                        broker.broker, day.as_of_date, str(day.is_stale).lower(), each.exchange,
                        each.kind, each.status, each.reason, each.rows, "; ".join(each.samples),
                    )
                )  # fmt: skip
        return text.getvalue()


def read_published_coverage(connection: psycopg.Connection) -> Coverage:
    """The coverage of what consumers see, with feeds that have no row as well."""
    publication = last_publication(connection)
    if publication is None:
        return Coverage(None)
    days = {
        name: FeedDay(None if feed.load_id is None else feed.as_of_date, feed.is_stale)
        for name, feed in publication.feeds.items()
    }
    brokers = read_coverage(connection, PUBLISHED_SCHEMA, days)
    if len(brokers) < MATCHED_FROM:
        return Coverage(publication, brokers)
    before = read_matched_before(connection, publication)
    return Coverage(
        publication,
        tuple(replace(broker, matched_before=before.get(broker.broker, {})) for broker in brokers),
    )


def print_coverage(console: Console, found: Coverage) -> None:
    """One line a broker and exchange, then why rows are not simply matched."""
    if found.publication is None:
        console.print("Nothing is published yet: run `warehouse sync` first.")
        return
    console.print(f"[bold]{escape(found.publication.told)}[/]", soft_wrap=True)
    if not found.brokers:
        console.print("It does not say what it covers: the next sync's publication will.")
        return
    if len(found.brokers) == 1:
        kite = found.brokers[0]
        console.print(
            f"Only {kite.title} is published ({kite.rows:,} rows): there is no other broker to "
            f"match with it. Set FEEDS to have more.",
            soft_wrap=True,
        )
        return
    console.print()
    _print_numbers(console, found.brokers)
    for broker in found.brokers:
        _print_reasons(console, broker)
        _print_disagreements(console, broker)


def _table(columns: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    right = set(numbers)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table


def _print_numbers(console: Console, brokers: Sequence[BrokerCoverage]) -> None:
    numbers = (
        "rows", "known elsewhere", "matched", "terms only", "conflicts", "unmatched",
        "not published",
    )  # fmt: skip
    table = _table(("  broker", "dump of", *numbers), numbers)
    for broker in brokers:
        not_published = broker.left_out + broker.rejected
        cells = _cells(broker, "", broker.by_status)
        name = f"  [bold]{escape(broker.title)}[/]"
        table.add_row(name, _day(broker.day), *cells, _number(not_published))
        for exchange, statuses in broker.by_exchange.items():
            cells = _cells(broker, exchange, statuses)
            table.add_row(f"    {escape(visible(exchange))}", "", *cells, "")
    console.print(table)


def _cells(broker: BrokerCoverage, exchange: str, statuses: dict[str, int]) -> tuple[str, ...]:
    rows = sum(statuses.values())
    if statuses["reference"]:
        return (_number(rows), "reference", "", "", "", "")
    conflicts = _number(statuses["token_conflict"])
    return (
        _number(rows),
        _part(broker, exchange),
        _number(statuses["matched"]),
        _number(statuses["matched_terms_only"]),
        f"[red]{conflicts}[/]" if statuses["token_conflict"] else conflicts,
        _number(statuses["unmatched"]),
    )


def _part(broker: BrokerCoverage, exchange: str) -> str:
    """The matched part, and by how many points it moved since the publication before."""
    share = broker.matched.get(exchange)
    if share is None:
        return "-"
    points = broker.matched_moved.get(exchange)
    if points is None:
        return f"{share:.1%}"
    told = f"{100 * points:+.1f}"
    return f"{share:.1%} " + (f"[red]{told}[/]" if points < FELL else told)


def _day(day: FeedDay) -> str:
    if day.as_of_date is None:
        return "[yellow]never had[/]"
    return f"[yellow]{day.as_of_date} (stale)[/]" if day.is_stale else f"{day.as_of_date}"


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _print_reasons(console: Console, broker: BrokerCoverage) -> None:
    lines = (*broker.reasons, *broker.reasons_left_out)
    if not lines:
        return
    console.print(f"\n[bold]{escape(broker.title)}[/]: what is not simply matched, and why")
    table = _table(("  rows", "status", "exchanges", "reason"), ("  rows",))
    # What there is too much of gives way to the rest of the line.
    table.add_column("for example", overflow="fold")
    for line in lines:
        table.add_row(f"  {line.rows:,}", *(escape(visible(text)) for text in _words(line)))
    console.print(table)


def _words(line: Counted) -> tuple[str, ...]:
    status = WORDS.get(line.status, line.status)
    return (status, line.exchange, line.reason, ", ".join(line.samples[:EXAMPLES]))


def _print_disagreements(console: Console, broker: BrokerCoverage) -> None:
    if not broker.disagreements:
        return
    counts = ", ".join(f"{what} {rows:,}" for what, rows in broker.disagreements.items())
    console.print(f"\n[bold]{escape(broker.title)}[/]: differs from another broker ({counts})")
    table = _table(("  what", "exchange", "symbol", "here", "there", "", ""), ())
    for sample in broker.disagreement_samples:
        cells = (
            f"  {sample['what']}", sample["exchange"], sample["tradingsymbol"], sample["here"],
            sample["there"], f"at {sample['elsewhere']}",
            "subscribed" if sample["subscribed"] else "",
        )  # fmt: skip
        table.add_row(*(escape(visible(cell)) for cell in cells))
    console.print(table)
