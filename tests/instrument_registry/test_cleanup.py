"""The command that takes old token files away: what it shows, what it keeps, what it refuses."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instrument_registry.cleanup_old_token_files import main
from tests.instrument_registry import old_project

NOBODY = 65534
COMMAND = [sys.executable, "-m", "instrument_registry.cleanup_old_token_files"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return old_project.make(tmp_path / "project")


def asked(capsys: pytest.CaptureFixture[str], root: Path, *more: str) -> dict[str, Any]:
    """The command's JSON; it ended with 0."""
    assert main(["--root", str(root), "--json", *more]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {one["path"]: one["verdict"] for one in document["files"]}


def entry(document: dict[str, Any], path: str) -> dict[str, Any]:
    return next(one for one in document["files"] if one["path"] == path)


def test_without_being_told_it_shows_and_touches_nothing(root: Path, capsys) -> None:
    before = old_project.content(root)
    for more in ([], ["--dry-run"], ["--json"]):
        assert main(["--root", str(root), *more]) == 0
    shown = capsys.readouterr().out
    assert all(path in shown for path in old_project.DEPRECATED)
    assert old_project.content(root) == before
    assert not (root / ".trash").exists()


def test_it_moves_what_is_deprecated_and_nothing_else(root: Path, capsys) -> None:
    before = old_project.content(root)
    document = asked(capsys, root, "--no-dry-run")
    assert document["moved"] == sorted(old_project.DEPRECATED)
    after = old_project.content(root)
    assert before.keys() - after.keys() == set(map(os.fsencode, old_project.DEPRECATED))
    assert after.items() <= before.items()
    assert old_project.trashed(root).keys() == set(old_project.DEPRECATED)
    assert asked(capsys, root, "--no-dry-run")["files"] == []
    assert len(list((root / ".trash").glob("*.journal"))) == 1


@pytest.mark.parametrize("path", old_project.PROTECTED)
def test_everything_that_the_overview_says_to_keep_is_protected(
    root: Path, tmp_path: Path, capsys, path: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        f'version = 1\n[[deprecated]]\npatterns = ["{path}", "{Path(path).name}"]\nreason = "old"\n'
    )
    document = asked(capsys, root, "--manifest", str(own), "--include-named", "--no-dry-run")
    found = verdicts(document)
    assert found[path] == "protected"
    assert document["moved"] == [one for one in found if found[one] == "move"]
    assert (root / path).exists()


def test_size_age_and_same_bytes_are_shown(root: Path, capsys) -> None:
    path = root / "jsonl/zerodha_token_lookup_consolidated.json"
    aged = path.stat().st_mtime - 212.5 * 86_400
    os.utime(path, (aged, aged))
    one = entry(asked(capsys, root), "jsonl/zerodha_token_lookup_consolidated.json")
    assert one["bytes"] == path.stat().st_size
    assert 212 < one["age_days"] < 213
    assert one["same_bytes"] == [
        {"path": "clickhouse_setup/zerodha_token_lookup_consolidated.json", "is_protected": True}
    ]
    assert main(["--root", str(root)]) == 0
    told = capsys.readouterr().out
    assert "212 days  jsonl/zerodha_token_lookup_consolidated.json" in told
    assert "clickhouse_setup/zerodha_token_lookup_consolidated.json (protected)" in told
    assert "To be moved (dry run): 6 files" in told


def test_a_file_of_the_same_size_is_no_copy(root: Path, capsys) -> None:
    path = root / "clickhouse_setup/zerodha_token_lookup_consolidated.json"
    path.write_bytes(path.read_bytes()[::-1])
    assert entry(asked(capsys, root), f"jsonl/{path.name}")["same_bytes"] == []


def test_what_is_still_named_stays_unless_told_otherwise(root: Path, capsys) -> None:
    path = "intraday_trading/indices_tokens_final.json"
    old_project.write(root, {
        "scanner/load.py": b"import json\n\nopen('indices_tokens_final.json')\n",
        "docs/files.md": b"`indices_tokens_final.json`\n",
    })  # fmt: skip
    found = asked(capsys, root)
    assert entry(found, path)["verdict"] == "named"
    assert entry(found, path)["named_in"] == [
        {"path": "docs/files.md", "line": 1}, {"path": "scanner/load.py", "line": 3},
    ]  # fmt: skip
    assert verdicts(asked(capsys, root, "--include-named", "*.md"))[path] == "named"
    assert verdicts(asked(capsys, root, "--include-named", "scanner/**"))[path] == "named"
    both = ("--include-named", "*.md", "--include-named", "scanner/**")
    assert verdicts(asked(capsys, root, *both))[path] == "move"
    assert path in asked(capsys, root, "--include-named", "--no-dry-run")["moved"]


def test_a_namesake_in_another_folder_is_told_apart(root: Path, capsys) -> None:
    path = "jsonl/zerodha_token_lookup_consolidated.json"
    old_project.write(root, {"a.py": b"'clickhouse_setup/zerodha_token_lookup_consolidated.json'"})
    assert verdicts(asked(capsys, root))[path] == "move"
    old_project.write(root, {"b.sh": b"cat $HOME/zerodha_token_lookup_consolidated.json"})
    assert [one["path"] for one in entry(asked(capsys, root), path)["named_in"]] == ["b.sh"]
    assert verdicts(asked(capsys, root))[path] == "named"


def test_names_are_found_on_long_lines_and_across_what_is_read_at_once(root, capsys) -> None:
    name = b"indices_tokens_final.json"
    for number, before in enumerate((8190, (1 << 20) - 10, (1 << 20) + 8192 - 12, 3 << 20)):
        filler = (b"x" * 99 + b"\n") * (before // 100) + b"y" * (before % 100)
        old_project.write(root, {f"big{number}.txt": filler + name + b"\n" + name})
    old_project.write(root, {"binary.bin": b"\0" + name, ".venv/pyvenv.cfg": b"", ".venv/a": name})
    found = entry(asked(capsys, root), "intraday_trading/indices_tokens_final.json")
    assert [(one["path"], one["line"]) for one in found["named_in"]] == [
        (f"big{number}.txt", before // 100 + more)
        for number, before in enumerate((8190, (1 << 20) - 10, (1 << 20) + 8192 - 12, 3 << 20))
        for more in (1, 2)
    ]


def test_the_list_of_what_is_to_go_is_no_reader(root: Path, tmp_path: Path, capsys) -> None:
    names = "\n".join(old_project.DEPRECATED).encode()
    old_project.write(root, {"shared_core/instrument_token/cleanup_old_token_files.py": names})
    assert set(verdicts(asked(capsys, root)).values()) == {"move"}
    own = root / "own.toml"
    own.write_text('version = 1\n[[deprecated]]\npatterns = ["mine.json"]\nreason = "old"\n')
    (root / "mine.json").write_text("")
    assert verdicts(asked(capsys, root, "--manifest", str(own))) == {"mine.json": "move"}
    own.rename(root / "moved.toml")
    other = tmp_path / "other.toml"
    other.write_text((root / "moved.toml").read_text())
    assert verdicts(asked(capsys, root, "--manifest", str(other))) == {"mine.json": "named"}


# --- symlinks ---


def test_symlinks_are_neither_followed_nor_moved(root: Path, tmp_path: Path, capsys) -> None:
    outside = tmp_path / "outside"
    old_project.write(outside, dict.fromkeys(old_project.DEPRECATED, b"outside"))
    for folder in ("jsonl", "intraday_trading"):
        (root / "linked").mkdir(exist_ok=True)
        (root / "linked" / folder).symlink_to(outside / folder)
    (root / "loop").symlink_to(root)
    (root / "other").mkdir()
    link = root / "other/intraday_trading"
    link.mkdir()
    (link / "session_tokens_metadata.json").symlink_to(outside / "absent.json")
    before = old_project.content(outside)
    document = asked(capsys, root, "--no-dry-run")
    assert document["moved"] == sorted(old_project.DEPRECATED)
    path = "other/intraday_trading/session_tokens_metadata.json"
    assert verdicts(document)[path] == "symlink"
    assert (root / path).is_symlink()
    assert old_project.content(outside) == before


def test_what_a_protected_symlink_leads_to_is_protected(root: Path, capsys) -> None:
    (root / "zerodha/crawlers/lookup.json").symlink_to(root / old_project.DEPRECATED[-1])
    (root / "zerodha/crawlers/config").symlink_to("../../intraday_trading/config")
    (root / "latest.json").symlink_to("intraday_trading/session_tokens_metadata.json")
    found = asked(capsys, root, "--no-dry-run")
    assert verdicts(found) == {
        "clickhouse_setup/token_analysis_2025.json": "move",
        "intraday_trading/comprehensive_session_lookup.json": "move",
        "intraday_trading/config/mapping_report.txt": "protected",
        "intraday_trading/indices_tokens_final.json": "move",
        "intraday_trading/session_tokens_metadata.json": "named",
        "jsonl/zerodha_token_lookup_consolidated.json": "protected",
    }
    assert "through the symlink zerodha/crawlers/config" in entry(
        found, "intraday_trading/config/mapping_report.txt"
    )["why"]  # fmt: skip


def test_a_trash_that_is_a_symlink_is_refused(root: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / ".trash").symlink_to(tmp_path / "elsewhere")
    assert main(["--root", str(root), "--no-dry-run"]) == 2
    assert "is a symlink or a file; expected a folder" in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert all((root / path).exists() for path in old_project.DEPRECATED)


# --- refusals ---


def test_dangerous_roots_are_refused(root: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HOME", str(root))
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "x/.trash/y").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for given, why in (
        ("/", "everything"), (str(root), "home folder"), (str(tmp_path / "link"), "home folder"),
        (str(tmp_path), "above"), (str(tmp_path / "absent"), "No such file"), ("~", "home folder"),
        (str(tmp_path / "file"), "no folder"), (str(tmp_path / "x/.trash/y"), "inside a .trash"),
    ):  # fmt: skip
        assert main(["--root", given, "--no-dry-run"]) == 2
        assert why in capsys.readouterr().err
    assert all((root / path).exists() for path in old_project.DEPRECATED)
    # A folder inside the home folder is where projects are.
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["--root", str(root)]) == 0


@pytest.mark.parametrize(
    "more",
    [["--no-dry"], ["--include-named", "a[b]"], ["--manifest", "/absent.toml"], ["--undo", "x"],
     ["--undo", "20260101-000000-abcd"], ["--undo", "../../etc"]],
)  # fmt: skip
def test_what_is_wrong_in_the_command_is_two(root: Path, more: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--root", root, *more], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert more[1:] == [] or more[1] in done.stderr
    assert "Traceback" not in done.stderr


def test_names_of_any_bytes_are_moved_and_shown_on_one_line(root: Path) -> None:
    folder = root / "clickhouse_setup"
    names = [
        b"a\nreport.json",
        b"\xff\xfe report.json",
        b"'\"$(x)report.json",
        b"\x1b[31mreport.txt",
    ]
    names += ["\u0928\u093f report.json".encode()]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*COMMAND, "--root", root, "--no-dry-run"],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode("ascii").splitlines()
    assert any(line.endswith(r"clickhouse_setup/a\nreport.json") for line in lines)
    assert any(line.endswith(r"clickhouse_setup/\xff\xfe report.json") for line in lines)
    assert b"\x1b" not in done.stdout
    assert [one.name for one in folder.iterdir()] == ["zerodha_token_lookup_consolidated.json"]


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is for this one alone."""
    folder = Path(tempfile.mkdtemp(prefix="iw-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_or_moved_is_said_file_by_file(anybodys: Path) -> None:
    root = old_project.make(anybodys / "project")
    for path in (root, *root.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    (root / "intraday_trading/indices_tokens_final.json").chmod(0)
    (root / "jsonl").chmod(0o555)
    (root / "secret").mkdir(mode=0)
    # Once as root: what Python imports then, nobody may not read.
    code = (
        "import contextlib, io, os, sys;"
        "from instrument_registry.cleanup_old_token_files import main;"
        f"ask = ['--root', {str(root)!r}, '--json'];"
        "contextlib.redirect_stdout(io.StringIO()).__enter__(); main(ask);"
        "sys.stdout = sys.__stdout__;"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY});"
        "sys.exit(main([*ask, *sys.argv[1:]]))"
    )
    run = [sys.executable, "-c", code]
    dry = subprocess.run(run, capture_output=True, text=True, check=False)
    assert dry.returncode == 0, dry.stderr
    done = subprocess.run([*run, "--no-dry-run"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert verdicts(document)["intraday_trading/indices_tokens_final.json"] == "unreadable"
    path = "jsonl/zerodha_token_lookup_consolidated.json"
    assert document["failed"] == [{"path": path, "why": "Permission denied"}]
    assert {"path": "secret", "why": "Permission denied"} in document["unread"]
    assert len(document["moved"]) == 4
    (root / ".trash").chmod(0o500)
    (root / "jsonl").chmod(0o755)
    done = subprocess.run([*run, "--no-dry-run"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: Permission denied; nothing was moved" in done.stderr


def test_a_full_disk_stops_a_run_before_it_moves_anything(root: Path) -> None:
    before = old_project.content(root)
    done = subprocess.run(
        [*COMMAND, "--root", root, "--no-dry-run"], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: File too large; nothing was moved" in done.stderr
    assert old_project.content(root) == before
    assert [one.name for one in (root / ".trash").iterdir()] == ["lock"]


def test_another_file_system_below_the_root_is_left_alone(root: Path) -> None:
    mounted = root / "jsonl"
    script = 'mount -t tmpfs none "$1" && cp "$2" "$1" && shift 2 && exec "$@"'
    data = str(root / "clickhouse_setup/zerodha_token_lookup_consolidated.json")
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", str(mounted), data,
         *COMMAND, "--root", str(root), "--json", "--no-dry-run"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    document = json.loads(done.stdout)
    path = "jsonl/zerodha_token_lookup_consolidated.json"
    assert verdicts(document)[path] == "other file system"
    assert document["moved"] == sorted(set(old_project.DEPRECATED) - {path})
