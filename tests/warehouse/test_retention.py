"""Reports and logs do not fill the disk, and the page of what is published is never lost."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from warehouse.retention import prune_runs, shown_runs
from warehouse.settings import Settings, read_settings

DAYS = ("20260812", "20260813", "20260814", "20260817")


def run_of(day: str, number: int = 1) -> str:
    return f"{day}T03100{number}-0000a{number}"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with two runs a day."""
    monkeypatch.chdir(tmp_path)
    settings = read_settings(warehouse_home=tmp_path / "home", reports_keep_days=2)
    for day in DAYS:
        for number in (1, 2):
            page = settings.reports / run_of(day, number) / "data_docs" / "index.html"
            page.parent.mkdir(parents=True)
            page.write_text("a page")
            settings.logs.mkdir(exist_ok=True)
            (settings.logs / f"{run_of(day, number)}.log").write_text("a line")
    return settings


def left(folder: Path) -> set[str]:
    return {path.name.removesuffix(".log") for path in folder.iterdir()}


def test_the_newest_days_with_runs_are_kept_whole(settings: Settings) -> None:
    assert prune_runs(settings, keep=()) == 8
    kept = {run_of(day, number) for day in DAYS[-2:] for number in (1, 2)}
    assert left(settings.reports) == kept
    assert left(settings.logs) == kept
    assert prune_runs(settings, keep=()) == 0


def test_a_clock_that_jumped_once_empties_nothing(settings: Settings) -> None:
    (settings.logs / f"{run_of('20310101')}.log").write_text("from the future")
    prune_runs(settings, keep=())
    assert left(settings.reports) == {run_of(DAYS[-1], 1), run_of(DAYS[-1], 2)}


def test_what_is_published_keeps_its_report_and_its_log(settings: Settings) -> None:
    prune_runs(settings, keep={run_of(DAYS[0], 2)})
    assert run_of(DAYS[0], 2) in left(settings.reports) & left(settings.logs)
    assert run_of(DAYS[0], 1) not in left(settings.reports) | left(settings.logs)


def test_what_is_no_runs_is_left_alone(settings: Settings) -> None:
    for name in ("mine", "20200101", "20200101T000000-zzzzzz"):
        (settings.reports / name).mkdir()
    (settings.logs / "cron.log").write_text("somebody's")
    prune_runs(settings, keep=())
    assert {"mine", "20200101", "20200101T000000-zzzzzz"} <= left(settings.reports)
    assert "cron" in left(settings.logs)


def test_what_cannot_be_deleted_stops_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    # Another user's file, which root, as whom this may run, could delete.
    monkeypatch.setattr(Path, "unlink", refuse)
    assert prune_runs(settings, keep=()) == 4
    assert len(left(settings.logs)) == 8


def test_an_empty_home_has_nothing_to_prune(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert prune_runs(read_settings(warehouse_home=tmp_path / "none"), keep=()) == 0


def test_a_rollback_shows_what_it_put_back(ledger: psycopg.Connection) -> None:
    assert shown_runs(ledger) == frozenset()
    for number, rollback_of in ((1, None), (2, None), (3, 1), (4, 3)):
        ledger.execute(
            "insert into ops.publications (publication_id, run_id, published_at, as_of_date,"
            " filter, fingerprint, rollback_of)"
            " values (%s, %s, now(), '2026-08-17', 'nifty', '', %s)",
            (number, f"run-{number}", rollback_of),
        )
    assert shown_runs(ledger) == {"run-4", "run-3", "run-1"}
