"""What a person or a machine sees while a command runs."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO, cast

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from warehouse.errors import FailedRun

log = logging.getLogger(__name__)

Advance = Callable[[int, int | None, str], None]
BYTES = "MB"


def fall_silent(out: TextIO) -> None:
    """Send what is still to be said nowhere: whoever read along (`| head`) has left.

    That is no reason to stop publishing, nor to end with another exit code.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)


class SteadyConsole(Console):
    """A console that goes on when its reader has left (Rich's own ends the process with 1)."""

    def on_broken_pipe(self) -> None:
        """Say no more."""
        self.quiet = True
        fall_silent(cast("TextIO", self.file))


def write_json(document: object) -> None:
    """One JSON document on standard output."""
    try:
        sys.stdout.write(json.dumps(document, default=str, indent=2) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        fall_silent(sys.stdout)


@dataclass(slots=True)
class Stage:
    """One stage of a run, while it goes on.

    `advance` is called with done, total (or `None`) and a few words; `unit` says of what, if they
    are not things to be counted: `BYTES`; `detail` is what the closing line says.
    """

    name: str
    advance: Advance
    detail: str = ""
    unit: str = ""

    def done(self, detail: str) -> None:
        """Say what came of it."""
        self.detail = detail


class Display(Protocol):
    """How stages, notes and the closing summary are shown."""

    failed_run: FailedRun | None
    """The run that failed, if one was begun."""

    def stage(self, name: str, what: str) -> Any:
        """A context manager yielding a `Stage`."""

    def note(self, text: str) -> None:
        """One line that is not tied to a stage."""

    def warn(self, text: str) -> None:
        """One line that a person must not miss."""

    def close(self, document: Mapping[str, Any], lines: Callable[[Console], None]) -> None:
        """The closing summary: a document for machines, lines for people."""

    def fail(self, document: Mapping[str, Any]) -> None:
        """The same of a failure, for machines; people read standard error."""


class TimedStages:
    """Measures each stage; wraps any display."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[Stage]:
        """Show and time a stage; a stage entered twice adds up."""
        started = time.perf_counter()
        log.info("event=stage_started stage=%s", name)
        try:
            with self.display.stage(name, what) as stage:
                yield stage
        finally:
            took = time.perf_counter() - started
            self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
            log.info("event=stage_ended stage=%s seconds=%.3f", name, took)


@dataclass(slots=True)
class PlainDisplay:
    """Timed lines, for cron, pipes and log files."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    started: float = field(default_factory=time.perf_counter)
    failed_run: FailedRun | None = None

    def _line(self, text: str) -> None:
        elapsed = time.perf_counter() - self.started
        try:
            self.out.write(f"[{elapsed:7.2f}s] {text}\n")
            self.out.flush()
        except BrokenPipeError:
            fall_silent(self.out)

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[Stage]:
        """A line at its beginning and one at its end."""
        self._line(f"{name}: {what} ...")
        stage = Stage(name, lambda _done, _total, _text: None)
        started = time.perf_counter()
        ended = "failed"
        try:
            yield stage
            ended = stage.detail or "done"
        finally:
            self._line(f"{name}: {ended} ({time.perf_counter() - started:.2f} s)")

    def note(self, text: str) -> None:
        """A line."""
        self._line(text)

    def warn(self, text: str) -> None:
        """A line that begins with WARNING."""
        self._line(f"WARNING {text}")

    def close(self, document: Mapping[str, Any], lines: Callable[[Console], None]) -> None:
        """The summary, uncoloured."""
        del document
        lines(SteadyConsole(file=self.out, width=100, no_color=True, highlight=False))

    def fail(self, document: Mapping[str, Any]) -> None:
        """Nothing more: the error itself says it."""


@dataclass(slots=True)
class QuietDisplay:
    """Nothing but errors (the command line prints those)."""

    failed_run: FailedRun | None = None

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[Stage]:
        """Silence."""
        del what
        yield Stage(name, lambda _done, _total, _text: None)

    def note(self, text: str) -> None:
        """Silence."""

    def warn(self, text: str) -> None:
        """Silence: the log and the report hold it."""

    def close(self, document: Mapping[str, Any], lines: Callable[[Console], None]) -> None:
        """Silence."""

    def fail(self, document: Mapping[str, Any]) -> None:
        """Silence: the error itself is on standard error."""


@dataclass(slots=True)
class JsonDisplay(QuietDisplay):
    """One JSON object on standard output at the end, of a failure too."""

    is_closed: bool = False

    def close(self, document: Mapping[str, Any], lines: Callable[[Console], None]) -> None:
        """Print the document."""
        del lines
        self.is_closed = True
        write_json(document)

    def fail(self, document: Mapping[str, Any]) -> None:
        """Print the document, unless one was printed: a pending destination is told in that."""
        if not self.is_closed:
            write_json(document)


class _CountColumn(ProgressColumn):
    """Done of total, in the stage's own unit, while the stage goes on."""

    def render(self, task: Task) -> str:
        if task.finished or not task.completed:
            return ""
        unit = task.fields["unit"]
        of = (task.completed, task.total) if task.total else (task.completed,)
        counts = (f"{count / 1e6:,.1f}" if unit == BYTES else f"{count:,.0f}" for count in of)
        return f"{'/'.join(counts)} {unit}".rstrip()


def _fixed(width: int, *, justify: JustifyMethod = "left") -> Column:
    return Column(width=width, no_wrap=True, justify=justify)


class RichDisplay:
    """Live progress in a terminal."""

    def __init__(self) -> None:
        self.failed_run: FailedRun | None = None
        self.console = SteadyConsole(highlight=False)
        self.progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]", table_column=_fixed(1)),
            TextColumn("[bold]{task.fields[stage]}[/]", table_column=_fixed(17)),
            # What there is too much of gives way to the rest of the line.
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True)),
            _CountColumn(table_column=_fixed(23, justify="right")),
            TimeElapsedColumn(table_column=_fixed(7)),
            console=self.console,
            expand=True,
        )

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[Stage]:
        """A line with a spinner that turns into a tick or a cross."""
        if not self.progress.live.is_started:
            self.progress.start()
        task = self.progress.add_task(escape(what), stage=name, unit="", total=None)

        def advance(done: int, total: int | None, text: str) -> None:
            self.progress.update(
                task, completed=done, total=total, description=escape(text), unit=stage.unit
            )

        stage = Stage(name, advance)
        try:
            yield stage
        except BaseException:
            self.progress.update(task, description=f"[red]{escape(what)}: failed[/]")
            self.progress.stop_task(task)
            self.progress.stop()
            raise
        told = escape(stage.detail or what)
        self.progress.update(task, description=told, total=1, completed=1, refresh=True)

    def note(self, text: str) -> None:
        """A line above the live ones."""
        self.console.print(escape(text))

    def warn(self, text: str) -> None:
        """A yellow line above the live ones."""
        self.console.print(f"[yellow]![/] {escape(text)}")

    def close(self, document: Mapping[str, Any], lines: Callable[[Console], None]) -> None:
        """End the live part, then the summary."""
        del document
        self.progress.stop()
        lines(self.console)

    def fail(self, document: Mapping[str, Any]) -> None:
        """End the live part; the error itself is on standard error."""
        del document
        self.progress.stop()


def choose_display(*, as_json: bool, quiet: bool) -> Display:
    """The display that fits the options and where standard output goes."""
    if as_json:
        return JsonDisplay()
    if quiet:
        return QuietDisplay()
    return RichDisplay() if sys.stdout.isatty() else PlainDisplay()


def people_console() -> Console:
    """For answers on standard output."""
    return SteadyConsole(highlight=False)


def wide_console() -> Console:
    """For tables on standard output: a terminal's own width, and room enough in a pipe."""
    return SteadyConsole(highlight=False, width=None if sys.stdout.isatty() else 160)
