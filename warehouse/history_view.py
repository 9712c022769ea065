"""History for people: an instrument on a day, and what changed, as the other summaries look."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from warehouse.changes import Asked
from warehouse.history import Looked

SHOWN = 40
EVENT_COLUMNS = (
    "as_of_date", "event", "canonical_id", "instrument_id", "broker", "broker_token", "old_value",
    "new_value", "is_active", "publication_id",
)  # fmt: skip
_CALLED = ("broker", "exchange", "broker_token", "tradingsymbol")
_TERMS = ("kind", "underlying", "name", "option_type", "strike", "expiry_date", "lot_size",
          "tick_size_inr")  # fmt: skip


def print_looked(console: Console, looked: Looked) -> None:
    """What it was that day, how brokers had it, its versions, and what happened since."""
    if looked.ends is not None:
        console.print(
            f"[yellow]History ends on {looked.ends}: nothing newer is known of {looked.at}.[/]",
            soft_wrap=True,
        )
    if not looked.is_found:
        _print_missed(console, looked)
        return
    then = looked.instrument
    console.print(
        f"[bold]{escape(then['canonical_id'])}[/] as of {looked.at}: instrument"
        f" {then['instrument_id']}, {escape(then['tradingsymbol'])}",
        soft_wrap=True,
    )
    terms = [f"{name} {_shown(then[name])}" for name in _TERMS if then.get(name) not in {None, ""}]
    console.print(f"  {escape(', '.join(terms))}", soft_wrap=True)
    _print_rows(console, looked.brokers, (*_CALLED, "lot_size"))
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


def _print_missed(console: Console, looked: Looked) -> None:
    """Why there is not one instrument to tell of."""
    asked = escape(looked.asked)
    if looked.answer == "before history":
        told = f"History begins on {looked.begins}: nothing is known of {looked.at}."
    elif looked.answer == "several":
        told = (
            f"{len(looked.several)} instruments are called {asked} as of {looked.at}: ask for one"
        )
    elif looked.answer == "conflict":
        told = (
            f"{asked} is in conflict as of {looked.at}: listed, and nobody can say which "
            f"instrument it is"
        )
    else:
        told = f"No instrument is called {asked} as of {looked.at}."
    console.print(f"[bold red]{told}[/]", soft_wrap=True)
    if looked.several:
        _print_rows(console, looked.several, ("canonical_id", *_CALLED))
    if looked.answer == "conflict":
        _print_rows(console, looked.brokers, _CALLED)
    if looked.suggestions:
        near = ", ".join(map(escape, looked.suggestions))
        console.print(f"  perhaps       {near}", soft_wrap=True)


def print_changes(
    console: Console,
    asked: Asked,
    groups: Sequence[Mapping[str, Any]],
    of_subscriptions: Iterable[Mapping[str, Any]],
) -> None:
    """Counts by event and exchange; then, one by one, what touches subscriptions."""
    span = f"since {asked.since}" + (f" until {asked.until}" if asked.until else "")
    if not groups:
        console.print(f"Nothing changed {span}.")
        return
    total = sum(group["changed"] for group in groups)
    console.print(f"[bold]{total:,} changes {span}[/]")
    _print_rows(console, groups, ("event", "exchange", "changed", "of_subscriptions"))
    active = sum(group["of_subscriptions"] for group in groups)
    if not active:
        console.print("  none of them touches a subscription")
        return
    console.print(f"  [bold]{active:,} of subscriptions[/]")
    _print_rows(
        console, islice(of_subscriptions, SHOWN),
        ("as_of_date", "event", "canonical_id", "broker", "old_value", "new_value"),
    )  # fmt: skip
    if active > SHOWN:
        console.print(f"  and {active - SHOWN:,} more: --csv has all of them")


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
    # Only numbers: the bond 12.50 is not called 12.5.
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
