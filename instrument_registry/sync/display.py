"""What a person at a terminal reads: plain lines, no colours, nothing that a pipe would mangle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from instrument_registry.sync.check import Status, Verdict
from instrument_registry.sync.comparison import Difference, HolderReport, HolderState, named
from instrument_registry.sync.history import Record

_TITLES: Final = {
    Verdict.IN_STEP: "in step",
    Verdict.TROUBLE: "TROUBLE",
    Verdict.NO_SOURCE: "NO SOURCE",
}
_HEADINGS: Final = ("holder", "state", "expected", "held", "missing", "surplus", "stale")


def status_lines(status: Status, samples: int) -> Iterator[str]:
    """A check, with at most so many samples of each kind of difference."""
    yield f"Registry check: {_TITLES[status.verdict]}"
    reference = status.reference
    if reference is None:
        yield from (f"  {problem}" for problem in status.problems)
    else:
        told = reference.publication
        yield f"{named(told)}, published {_instant(told.published_at)}, read from {told.source}"
        parts = [
            f"{one.underlying} {one.contracts}"
            + (f" around {one.money.normalize():f} ({one.money_source})" if one.money else "")
            for one in reference.focus.chosen
        ]
        yield f"focus set: {len(reference.focus.ids)} contracts: {', '.join(parts)}"
        yield ""
        yield from table((_HEADINGS, *(_cells(report) for report in status.holders)))
        for report in status.holders:
            yield from _details(report, samples)
        if status.problems:
            yield ""
            yield from (f"! {problem}" for problem in status.problems)
    if status.alert is not None and status.alert["webhook"]:
        error = status.alert["error"]
        yield f"webhook: {f'NOT delivered: {error}' if error else 'delivered'}"


def _cells(report: HolderReport) -> tuple[str, ...]:
    state = report.state.value.replace("_", " ")
    shown = state if report.state is HolderState.IN_STEP else state.upper()
    counts = report.counts()
    if report.failure is not None:
        return report.name, shown, str(report.expected), "-", "-", "-", "-"
    return report.name, shown, *(str(counts[name]) for name in _HEADINGS[2:])


def _details(report: HolderReport, samples: int) -> Iterator[str]:
    if report.state is HolderState.IN_STEP:
        return
    yield ""
    yield f"{report.name}: {report.where}"
    for told in filter(None, (report.reason, report.outdated)):
        yield f"  {told}"
    found = report.differences
    for kind, group in (
        ("missing", found.missing), ("surplus", found.surplus), ("stale", found.stale),
    ):  # fmt: skip
        yield from _some(kind, group, samples)


def _some(kind: str, group: Sequence[Difference], samples: int) -> Iterator[str]:
    for one in group[:samples]:
        yield f"  {kind:<8} {one}"
    if len(group) > samples:
        yield f"  {kind:<8} ... and {len(group) - samples} more"


def sync_lines(facts: dict[str, Any]) -> Iterator[str]:
    """What became of mending, of `RegistrySyncMonitor.sync_and_monitor`."""
    done = facts["sync"]
    if done is None:
        yield "Nothing to mend."
        return
    yield f"Mending took {done['seconds']:.1f} s: {done['told']}"
    if done["destinations"]:
        shown = ", ".join(f"{name} {state}" for name, state in done["destinations"].items())
        yield f"  {shown}"
    if done["refreshed"]:
        yield f"  registries of this process: {', '.join(done['refreshed'])}"


def statistics_lines(counted: dict[str, Any]) -> Iterator[str]:
    """Statistics, of `history.statistics`."""
    rows = [("", "total", "successful", "failed", "average", "last", "last failed")]
    for name, group in (("all", counted), *((n, counted[n]) for n in ("checks", "syncs"))):
        average = group["average_seconds"]
        rows.append(
            (
                name, str(group["total"]), str(group["successful"]), str(group["failed"]),
                "-" if average is None else f"{average:.2f} s",
                _short(group["last_at"]), _short(group["last_failed_at"]),
            )
        )  # fmt: skip
    yield from table(rows)


def history_lines(records: Iterable[Record]) -> Iterator[str]:
    """Records, the latest first."""
    rows = [("finished", "kind", "verdict", "publication", "seconds", "host", "out of step")]
    for one in records:
        wrong = [
            f"{name} {counts.get('state')}"
            for name, counts in one.holders.items()
            if counts.get("state") != HolderState.IN_STEP.value
        ]
        rows.append(
            (
                _short(one.finished_at.isoformat()), one.kind, one.verdict,
                str(one.publication_id or "-"), f"{one.seconds:.2f}", f"{one.host}:{one.pid}",
                ", ".join(wrong) or one.error or "-",
            )
        )  # fmt: skip
    if len(rows) == 1:
        yield "No check or sync is on record."
    else:
        yield from table(rows)


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows in columns of their own width."""
    known = list(rows)
    widths = [max(map(len, column)) for column in zip(*known, strict=True)]
    for row in known:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _short(instant: str | None) -> str:
    return "-" if instant is None else instant[:19].replace("T", " ")


def _instant(instant: Any) -> str:
    return "at no known time" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"
