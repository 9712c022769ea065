"""Mend: have the warehouse export the last publication anew, then refresh this process.

The warehouse is run as a program of the same Python, `python -m warehouse export`: this package
imports none of it. Killed or cut off at any moment, the export is finished by the next one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

from instrument_registry import clock, factory
from instrument_registry.errors import RegistryError
from instrument_registry.sources.loading import load
from instrument_registry.sync.settings import MonitorSettings, read_monitor_settings

_GRACE_SECONDS: Final = 10
_LONGEST_TOLD: Final = 600
_LONGEST_READ: Final = 1 << 20
# The exit codes of the warehouse's README.
_MEANINGS: Final = {
    0: "exported",
    2: "the warehouse refused its settings, a right is missing, or nothing has been published yet",
    3: "PostgreSQL or Redis could not be reached",
    4: "PostgreSQL refused to bring public.instruments to what is published",
    5: "some destinations are still pending, or the published tables themselves are damaged",
    6: "another run of the warehouse holds the lock; it brings the destinations up to date",
    70: "a defect of the warehouse",
}
_NOT_INSTALLED: Final = "No module named warehouse"


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What became of mending.

    Attributes:
        is_done: whether the export ended well and every registry was refreshed.
        exit_code: of `warehouse export`; None if it did not run to its end.
        told: what that means, and the warehouse's own words if it failed.
        seconds: how long it all took.
        destinations: what was written where, as the warehouse said it.
        refreshed: this process's registries, and what each shows now.
    """

    is_done: bool
    exit_code: int | None
    told: str
    seconds: float
    destinations: Mapping[str, str] = field(default_factory=dict)
    refreshed: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "success": self.is_done,
            "exit_code": self.exit_code,
            "told": self.told,
            "seconds": round(self.seconds, 3),
            "destinations": dict(self.destinations),
            "refreshed": list(self.refreshed),
        }


class RegistrySynchronizer:
    """Brings every holder of the focus set to the last publication.

    Args:
        settings: what the environment says if not given.
        python: the Python that the warehouse is installed in.
        monotonic: a clock that only goes on.
    """

    def __init__(
        self,
        settings: MonitorSettings | None = None,
        *,
        python: str = sys.executable,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or read_monitor_settings()
        self._python = python
        self._monotonic = monotonic

    async def sync_new_instruments(self) -> dict[str, Any]:
        """`synchronize` in a thread, as plain values."""
        return (await asyncio.to_thread(self.synchronize)).facts()

    def synchronize(self) -> SyncOutcome:
        """Export anew, then refresh the registries of this process; it blocks.

        What goes wrong is told in the outcome: nothing is raised, and a failed export does not
        keep the registries from being refreshed.
        """
        begun = self._monotonic()
        code, told, destinations = self._export()
        try:
            refreshed, trouble = self._refresh(), ""
        except RegistryError as error:
            refreshed, trouble = (), f"; this process's registries are as they were: {error}"
        return SyncOutcome(
            code == 0 and not trouble, code, told + trouble, self._monotonic() - begun,
            destinations, refreshed,
        )  # fmt: skip

    def _export(self) -> tuple[int | None, str, dict[str, str]]:
        command = [self._python, "-m", "warehouse", "export", "--json"]
        limit = self._settings.timeout_seconds
        # Files, not pipes: an embedded server that the export starts outlives it, and would hold
        # the other end of a pipe.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                code = _run(command, self._settings.registry.environment, out, err, limit)
            except OSError as error:
                told = f"{self._python} cannot be started: {error.strerror}"
                return None, told, {}
            said = _text(err)
            if code is None:
                told = (
                    f"the export took longer than {limit:g} s (REGISTRY_SYNC_TIMEOUT_SECONDS) and "
                    "was stopped; running it again finishes it"
                )
                return None, told, {}
            if code and _NOT_INSTALLED in said:
                told = (
                    f"the warehouse is not installed in {self._python}: run `warehouse export` "
                    "where it is, or --sync with the Python that has it"
                )
                return code, told, {}
            return code, _meaning(code, said), _destinations(_text(out))

    def _refresh(self) -> tuple[str, ...]:
        told = []
        settings = self._settings.registry
        for registry in factory.made_registries():
            contents = load(registry.registry_type, settings, clock.now(), None)
            found, shown = contents.publication, registry.publication
            # Never back to an older copy because the database cannot be asked just now.
            if found.source == "postgresql" or (found.number or 0) >= (shown.number or 0):
                registry.show(contents)
            told.append(f"{registry.registry_type.value}: {registry.publication.number}")
        return tuple(told)


def _run(
    command: list[str], environment: Mapping[str, str], out: IO[bytes], err: IO[bytes],
    seconds: float,
) -> int | None:  # fmt: skip
    """The exit code; None if it took too long, and was stopped."""
    process = subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        return None
    finally:
        try:
            process.wait(_GRACE_SECONDS if process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_LONGEST_READ).decode(errors="replace")


def _meaning(code: int, said: str) -> str:
    if code < 0:
        return f"`warehouse export` was killed by signal {-code}; running it again finishes it"
    meaning = _MEANINGS.get(code, "it ended in no way that is known here")
    if code == 0:
        return meaning
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].removeprefix("error: ")[:_LONGEST_TOLD] if lines else "it said nothing"
    return f"`warehouse export` ended with {code}: {meaning}. It said: {last}"


def _destinations(said: str) -> dict[str, str]:
    """`focus_instruments: complete` and so on, of the export's JSON; empty if it said none."""
    try:
        found = json.loads(said)["destinations"]
        return {str(one["destination"]): str(one["status"]) for one in found}
    except (ValueError, KeyError, TypeError):
        return {}
