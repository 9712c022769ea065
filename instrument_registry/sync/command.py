"""The command line: `python -m instrument_registry.registry_sync_monitor`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from instrument_registry.errors import RegistryError, RegistryUnavailable
from instrument_registry.sync import display
from instrument_registry.sync.check import HOLDERS, Status, Verdict
from instrument_registry.sync.settings import read_monitor_settings

if TYPE_CHECKING:
    from instrument_registry.registry_sync_monitor import RegistrySyncMonitor

IN_STEP, TROUBLE, USAGE, NO_SOURCE = 0, 1, 2, 3
_CODES: Final = {
    Verdict.IN_STEP: IN_STEP, Verdict.TROUBLE: TROUBLE, Verdict.NO_SOURCE: NO_SOURCE,
}  # fmt: skip
_DESCRIPTION: Final = """\
Compare what the last publication says the focus set should be with what holds it: the
INTRADAY_FOCUS registry, the table marts.focus_instruments, focus_instruments.json, the
focus part of token_lookup_enriched.json, and the registry snapshot."""
_EPILOGUE: Final = """\
exit codes:
  0  everything is in step (or was read and written as asked)
  1  trouble: something is missing, surplus, stale, absent or unreadable
  2  a wrong option, a setting that cannot be read, or a report that cannot be written
  3  no source: no publication (or, for --stats and --history, no history) could be read

settings, from the environment:
  DATABASE_URL, REGISTRY_SNAPSHOT_FILE, WAREHOUSE_HOME
                                where the publication is read
  FOCUS_INSTRUMENTS_FILE, TOKEN_LOOKUP_FILE
                                the exported files
  REGISTRY_ALERT_WEBHOOK        where trouble is posted as JSON
  REGISTRY_SYNC_TIMEOUT_SECONDS how long --sync may take (900)
  REGISTRY_FOCUS_UNDERLYINGS    BANKNIFTY:NFO,NIFTY:NFO,SENSEX:BFO

Several actions may be given; they are done in the order check, sync, stats, history,
export. docs/registry-operations.md says what to do about each kind of trouble."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    from instrument_registry.registry_sync_monitor import (  # noqa: PLC0415 - it imports this
        RegistrySyncMonitor,
    )

    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    parser = _parser()
    given = parser.parse_args(arguments)
    if not (given.check or given.sync or given.stats or given.export or given.history is not None):
        parser.print_help(sys.stderr)
        return USAGE
    try:
        monitor = RegistrySyncMonitor(
            read_monitor_settings(), holders=given.holder, samples=given.samples
        )
        return _act(given, monitor)
    except RegistryUnavailable as error:
        sys.stderr.write(f"error: {error}\n")
        return NO_SOURCE
    except RegistryError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m instrument_registry.registry_sync_monitor", description=_DESCRIPTION,
        epilog=_EPILOGUE, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        usage="%(prog)s ACTION... [--holder NAME] [--samples N] [--json]",
    )  # fmt: skip
    actions = parser.add_argument_group("actions")
    actions.add_argument("--check", action="store_true", help="compare, and say what differs")
    actions.add_argument(
        "--sync", action="store_true",
        help="compare; if something differs run `warehouse export`, and compare again",
    )  # fmt: skip
    actions.add_argument("--stats", action="store_true", help="how checks and syncs ended so far")
    actions.add_argument(
        "--history", type=_number(1), metavar="N", nargs="?", const=20,
        help="the last N checks and syncs (20)",
    )  # fmt: skip
    actions.add_argument(
        "--export", type=Path, metavar="FILE",
        help="write a report as JSON: status (of a new check), statistics, recent history",
    )  # fmt: skip
    parser.add_argument(
        "--holder", action="append", choices=tuple(HOLDERS), metavar="NAME",
        help=f"compare this one only; may be repeated: {', '.join(HOLDERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=_number(0), default=5, metavar="N",
        help="how many differences of each kind are shown (5)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser


def _number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        found = int(text) if text.isdecimal() else -1
        if found < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return found

    return number


def _act(given: argparse.Namespace, monitor: RegistrySyncMonitor) -> int:
    """Do everything that was asked for, then print it; the worst exit code."""
    document: dict[str, Any] = {}
    text: list[Iterable[str]] = []
    codes = [IN_STEP]
    status: Status | None = None
    if given.check:
        status = monitor.check()
        document["status"] = monitor.facts(status)
        text.append(display.status_lines(status, given.samples))
        codes.append(_CODES[status.verdict])
    if given.sync:
        mended, status = monitor.synchronize_and_tell()
        document["sync"] = mended
        text.append(display.sync_lines(mended))
        text.append(display.status_lines(status, given.samples))
        # What was found before it was mended is no trouble any more.
        codes = [IN_STEP, _CODES[status.verdict]]
    if given.stats:
        counted = monitor.get_sync_statistics()
        document["statistics"] = counted
        text.append(display.statistics_lines(counted))
        codes.append(_told("" if counted["history"] == "kept" else counted["history"]))
    if given.history is not None:
        records, why = monitor.recent(given.history)
        document["history"] = [record.facts() for record in records]
        text.append(display.history_lines(records))
        codes.append(_told(why))
    if given.export is not None:
        document["report"] = str(given.export)
        report = monitor.export_monitoring_report(given.export, status)
        verdict = Verdict(report["status"]["verdict"])
        text.append([f"Report: {given.export} ({verdict.value})"])
        codes.append(_CODES[verdict])
    _print(given, document, text)
    return max(codes)


def _told(why: str) -> int:
    """The code of an action that reads the history; says if there is none but this process's."""
    if why:
        sys.stderr.write(f"no history could be read: {why}\n")
    return NO_SOURCE if why else IN_STEP


def _print(
    given: argparse.Namespace, document: dict[str, Any], text: Sequence[Iterable[str]]
) -> None:
    if given.json:
        sys.stdout.write(f"{json.dumps(document, indent=2)}\n")
        return
    sys.stdout.write("\n\n".join("\n".join(lines) for lines in text) + "\n")
