"""History for people: an instrument on a day, and what changed, as the other summaries look."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from warehouse.history import Changes, Looked

SHOWN = 40
EVENT_COLUMNS = (
    "as_of_date", "event", "canonical_id", "instrument_id", "broker", "broker_token", "old_value",
    "new_value", "is_active", "publication_id",
)  # fmt: skip
_TERMS = ("kind", "underlying", "name", "option_type", "strike", "expiry_date", "lot_size",
          "tick_size_inr")  # fmt: skip


def print_looked(console: Console, looked: Looked) -> None:
    """What it was that day, how brokers had it, its versions, and what happened since."""
    if not looked.is_found:
        told = f"[bold red]No one instrument is {escape(looked.asked)}[/] as of {looked.at}."
        console.print(told, soft_wrap=True)
        if looked.suggestions:
            near = ", ".join(map(escape, looked.suggestions))
            console.print(f"  perhaps       {near}", soft_wrap=True)
        return
    then = looked.instrument
    console.print(
        f"[bold]{escape(then['canonical_id'])}[/] as of {looked.at}: instrument"
        f" {then['instrument_id']}, {escape(then['tradingsymbol'])}",
        soft_wrap=True,
    )
    terms = [f"{name} {_shown(then[name])}" for name in _TERMS if then.get(name) not in {None, ""}]
    console.print(f"  {escape(', '.join(terms))}", soft_wrap=True)
    _print_rows(
        console, looked.brokers, ("broker", "exchange", "broker_token", "tradingsymbol", "lot_size")
    )
    console.print("  versions")
    _print_rows(
        console, looked.versions,
        ("valid_from", "valid_to", "canonical_id", "tradingsymbol", "lot_size", "publication_id"),
    )  # fmt: skip
    if looked.events:
        console.print("  since then")
        _print_rows(
            console, looked.events,
            ("as_of_date", "event", "broker", "old_value", "new_value", "publication_id"),
        )  # fmt: skip


def print_changes(console: Console, changes: Changes) -> None:
    """Counts by event and exchange; then, one by one, what touches subscriptions."""
    if not changes.events:
        console.print(f"Nothing changed since {changes.since}.")
        return
    console.print(f"[bold]{len(changes.events):,} changes since {changes.since}[/]")
    _print_rows(console, changes.groups, ("event", "exchange", "changed", "of_subscriptions"))
    active = [event for event in changes.events if event["is_active"]]
    if not active:
        console.print("  none of them touches a subscription")
        return
    console.print(f"  [bold]{len(active):,} of subscriptions[/]")
    _print_rows(
        console, active[:SHOWN],
        ("as_of_date", "event", "canonical_id", "broker", "old_value", "new_value"),
    )  # fmt: skip
    if len(active) > SHOWN:
        console.print(f"  and {len(active) - SHOWN:,} more: --csv has all of them")


def write_csv(out: TextIO, events: Iterable[Mapping[str, Any]]) -> None:
    """The events as CSV, with a header."""
    writer = csv.DictWriter(out, EVENT_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(events)


def _print_rows(
    console: Console, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]
) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(("  " if number == 0 else "") + name, overflow="fold")
    for row in rows:
        first, *rest = (escape(_shown(row.get(name))) for name in columns)
        table.add_row(f"  {first}", *rest)
    console.print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    is_number = "." in text and text.replace(".", "").isdigit()
    return text.rstrip("0").rstrip(".") if is_number else text
