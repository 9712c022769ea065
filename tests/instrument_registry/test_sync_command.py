"""The command: what it prints, its exit codes, and mending by a real `warehouse export`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from instrument_registry import factory
from instrument_registry.records import RegistryType
from instrument_registry.registry_sync_monitor import RegistrySyncMonitor
from instrument_registry.sync import command
from instrument_registry.sync.check import HOLDERS
from instrument_registry.sync.synchronizer import RegistrySynchronizer, SyncOutcome
from tests.instrument_registry.sync_market import PROJECT, Site, make_site


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    factory.forget_registries()
    yield
    factory.forget_registries()


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that this process's environment points to."""
    site = make_site(tmp_path, postgres_dsn)
    for name, value in site.settings().registry.environment.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    return site


def damage(site: Site) -> None:
    site.execute("delete from marts.focus_instruments where underlying = 'SENSEX'")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "instrument_registry.registry_sync_monitor", *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT)} | environment, cwd=PROJECT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


# --- exit codes ---------------------------------------------------------------------------------


def test_in_step_is_0_trouble_1_and_no_source_3(site: Site, tmp_path: Path) -> None:
    """As a cron job sees it: a real process."""
    done = run("--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Registry check: in step\npublication 7 of 2026-08-17")
    damage(site)
    done = run("--check")
    assert done.returncode == 1
    assert "! published_table: of 258 contracts: 86 missing" in done.stdout
    assert done.stderr.startswith("ERROR registry_out_of_step verdict=trouble")
    done = run("--check", DATABASE_URL="", WAREHOUSE_HOME=str(tmp_path / "nowhere"))
    assert done.returncode == 3
    assert done.stdout.startswith("Registry check: NO SOURCE")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such"], ["--holder", "nobody", "--check"], ["--history", "-1"],
        ["--history", "0"], ["--history", "x"], ["--samples", "-1", "--check"], ["--chec"],
    ],
)  # fmt: skip
def test_a_wrong_option_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_no_action_is_2_and_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 2
    assert command.main(["--json"]) == 2
    assert "exit codes:" in capsys.readouterr().err


def test_a_setting_that_cannot_be_read_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGISTRY_SYNC_TIMEOUT_SECONDS", "soon")
    assert command.main(["--check"]) == 2
    assert "REGISTRY_SYNC_TIMEOUT_SECONDS is 'soon'" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_2(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--export", str(site.focus_file / "report.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_help_names_every_holder_action_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in (*HOLDERS, "--check", "--sync", "--stats", "--history", "--export", "--json"):
        assert word in said
    for code in range(4):
        assert f"\n  {code}  " in said


# --- what is printed ----------------------------------------------------------------------------


def test_a_check_shows_each_holder_and_samples(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(site)
    site.focus_file.unlink()
    assert command.main(["--check", "--samples", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines if line.split("  ")[0] in HOLDERS}
    assert cells["token_lookup"] == ["in", "step", "258", "258", "0", "0", "0"]
    assert cells["published_table"] == ["OUT", "OF", "STEP", "258", "172", "86", "0", "0"]
    assert cells["focus_file"] == ["ABSENT", "516", "-", "-", "-", "-"]
    # Two of the table, and two of the registry that is filled by it.
    assert sum(line.startswith("  missing  BFO:SENSEX:") for line in lines) == 4
    assert "  missing  ... and 84 more" in lines
    assert any("FOCUS_INSTRUMENTS_FILE says where it is" in line for line in lines)


def test_one_holder_alone_can_be_compared(site: Site) -> None:
    damage(site)
    assert command.main(["--check", "--holder", "token_lookup", "--holder", "focus_file"]) == 0


def test_json_is_one_object_for_every_action(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    arguments = ["--check", "--stats", "--history", "--export", str(report), "--json"]
    assert command.main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"status", "statistics", "history", "report"}
    assert said["status"]["sync_needed"] is False
    assert said["statistics"]["total"] == 1
    assert said["history"][0]["kind"] == "check"
    # The report is of the check that was made.
    assert json.loads(report.read_text())["status"] == said["status"]


def test_statistics_and_history_are_tables(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--history"]) == 0
    assert "No check or sync is on record." in capsys.readouterr().out
    site.check()
    damage(site)
    site.check()
    assert command.main(["--stats", "--history", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (checks,) = (line for line in lines if line.startswith("checks"))
    assert checks.split()[:4] == ["checks", "2", "1", "1"]
    assert lines[-1].endswith("published_table out_of_step")
    assert sum(" check " in line for line in lines) == 1


def test_without_a_history_its_actions_end_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert command.main(["--stats"]) == 3
    assert command.main(["--history", "20"]) == 3
    assert capsys.readouterr().err.count("there is no database") == 2


# --- mending ------------------------------------------------------------------------------------


def test_sync_of_what_is_in_step_runs_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--sync"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to mend.")
    assert site.execute("select kind from ops.registry_checks") == [("check",)]


class Mends(RegistrySynchronizer):
    """Puts the table back, as an export of a real warehouse puts its files."""

    site: Site

    def synchronize(self) -> SyncOutcome:
        self.site.fill_table()
        return SyncOutcome(True, 0, "exported", 0.1)


def test_a_sync_that_mends_is_on_record_as_one_that_did(site: Site) -> None:
    damage(site)
    mends = Mends(site.settings())
    mends.site = site
    monitor = RegistrySyncMonitor(site.settings(), synchronizer=mends)
    done = monitor.synchronize()
    assert done["success"] is True
    assert (done["before"]["sync_needed"], done["after"]["sync_needed"]) == (True, False)
    assert monitor.last_sync_time is not None
    (kept,) = monitor.get_sync_history()
    assert (kept["kind"], kept["verdict"], kept["error"]) == ("sync", "in_step", None)
    assert monitor.get_sync_statistics()["successful_syncs"] == 1


def test_mending_that_fails_is_told_and_on_record(site: Site, tmp_path: Path) -> None:
    """A database without a real warehouse in it: the export refuses it, in its own words."""
    damage(site)
    monitor = site.monitor(PATH=os.environ["PATH"], PYTHONPATH=str(PROJECT))
    done = monitor.synchronize()
    assert done["success"] is False
    assert done["sync"]["exit_code"] not in {0, None}
    assert "`warehouse export` ended with" in done["sync"]["told"]
    assert done["after"]["holders"]["published_table"]["missing"] == 86
    (kept,) = monitor.get_sync_history()
    assert (kept["kind"], kept["verdict"]) == ("sync", "trouble")
    assert "`warehouse export` ended with" in kept["error"]


def program(folder: Path, text: str) -> str:
    """An executable in the place of Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def outcome_of(site: Site, text: str, **said: str) -> SyncOutcome:
    return RegistrySynchronizer(
        site.settings(**said), python=program(site.folder, text)
    ).synchronize()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (2, "nothing has been published yet"),
        (3, "could not be reached"),
        (4, "refused"),
        (5, "still pending"),
        (6, "holds the lock"),
        (70, "a defect"),
        (99, "no way that is known"),
    ],
)
def test_each_exit_code_of_the_export_is_put_in_words(site: Site, code: int, word: str) -> None:
    done = outcome_of(site, f'echo "first" >&2; echo "error: the reason" >&2; exit {code}')
    assert (done.is_done, done.exit_code) == (False, code)
    assert word in done.told
    assert done.told.endswith("It said: the reason")


def test_what_the_export_wrote_is_told(site: Site) -> None:
    said = '{"destinations": [{"destination": "redis", "status": "complete"}]}'
    done = outcome_of(site, f"echo '{said}'; test \"$*\" = '-m warehouse export --json'")
    assert (done.is_done, done.destinations) == (True, {"redis": "complete"})
    assert outcome_of(site, "echo nonsense").destinations == {}


def test_an_export_that_hangs_is_stopped_after_its_time(site: Site) -> None:
    done = outcome_of(site, "exec sleep 60", REGISTRY_SYNC_TIMEOUT_SECONDS="0.2")
    assert (done.is_done, done.exit_code) == (False, None)
    assert "longer than 0.2 s" in done.told


def test_an_export_that_is_killed_is_told_as_killed(site: Site) -> None:
    done = outcome_of(site, "kill -9 $$")
    assert done.exit_code == -signal.SIGKILL
    assert "killed by signal 9" in done.told


def test_a_python_without_the_warehouse_is_told_as_such(site: Site) -> None:
    """The base interpreter of the tests' environment: nothing is installed in it."""
    base = getattr(sys, "_base_executable", sys.executable)
    settings = site.settings(PYTHONNOUSERSITE="1", PYTHONSAFEPATH="1")
    done = RegistrySynchronizer(settings, python=base).synchronize()
    assert not done.is_done
    assert "the warehouse is not installed in" in done.told


def test_no_python_at_all_is_told(site: Site, tmp_path: Path) -> None:
    done = RegistrySynchronizer(site.settings(), python=str(tmp_path / "none")).synchronize()
    assert (done.is_done, done.exit_code) == (False, None)
    assert "cannot be started" in done.told


def test_mending_refreshes_the_registries_of_this_process(site: Site) -> None:
    settings = site.settings()
    held = [factory.get_registry(kind, settings=settings.registry) for kind in RegistryType]
    site.publish(8)
    done = outcome_of(site, "exit 0")
    assert [registry.publication.number for registry in held] == [8, 8]
    assert sorted(done.refreshed) == ["comprehensive: 8", "intraday_focus: 8"]


def test_a_registry_never_goes_back_to_an_older_copy(site: Site) -> None:
    site.publish(8)
    site.write_snapshot(7)
    registry = factory.get_registry(settings=site.settings().registry)
    done = outcome_of(site, "exit 0", DATABASE_URL="")
    assert registry.publication.number == 8
    assert done.is_done


def test_registries_that_cannot_be_refreshed_are_no_success(site: Site) -> None:
    factory.get_registry(settings=site.settings().registry)
    site.snapshot_file.unlink()
    done = outcome_of(site, "exit 0", DATABASE_URL="")
    assert (done.is_done, done.exit_code) == (False, 0)
    assert "this process's registries are as they were" in done.told
