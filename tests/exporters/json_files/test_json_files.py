"""The JSON files: whole content, types, order, and when they are left alone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from exporters import standalone
from exporters.destination import Plan, export
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from exporters.json_files import FocusInstrumentsFile, TokenLookupFile
from tests.exporters.json_files.conftest import Published


def lookup(published: Published) -> TokenLookupFile:
    return TokenLookupFile(published.folder / "token_lookup_enriched.json", published.connection)


def focus(published: Published) -> FocusInstrumentsFile:
    return FocusInstrumentsFile(published.folder / "focus_instruments.json", published.connection)


def typed(value: object) -> object:
    """The same with the type of every number: 65 and 65.0 compare equal."""
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    return (type(value), value)


def test_the_lookup_holds_every_token_with_its_fields_and_types(published: Published) -> None:
    tokens = [5, 1000, 70, 256, *range(2000, 7000)]
    published.publish(*tokens)
    path = published.folder / "token_lookup_enriched.json"

    outcome = export(lookup(published))

    found = json.loads(path.read_bytes())
    assert typed(found) == typed({str(token): Published.member(token) for token in tokens})
    assert list(found) == [str(token) for token in sorted(tokens)]
    assert list(found["5"]) == list(Published.member(5))
    assert (outcome.status, outcome.plan.added) == ("complete", 5004)
    assert len(outcome.plan.samples["added"]) == 5
    assert "does not exist yet" in outcome.plan.note
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in published.folder.iterdir()] == [path.name]


def test_the_focus_file_holds_the_set_and_the_indian_date(published: Published) -> None:
    published.publish(1, at=datetime(2026, 8, 17, 19, 0, tzinfo=UTC))

    export(focus(published))

    found = json.loads((published.folder / "focus_instruments.json").read_bytes())
    assert found == {
        "symbols": ["A10", "A9", "B2"],
        "total_symbols": 3,
        "source": {"zerodha": {"total": 3}},
        "underlying_indices": ["NIFTY", "SENSEX"],
        "generated_date": "2026-08-18",
        "description": "d",
    }


@pytest.mark.parametrize("build", [lookup, focus])
def test_a_second_export_touches_nothing(
    published: Published, build: type[TokenLookupFile]
) -> None:
    published.publish(1, 2, 3)
    export(build(published))
    before = [path.stat() for path in published.folder.iterdir()]

    outcome = export(build(published))

    assert (outcome.status, outcome.plan.is_empty) == ("unchanged", True)
    assert [path.stat() for path in published.folder.iterdir()] == before


def test_the_same_day_s_second_publication_of_the_same_set_leaves_the_file(
    published: Published,
) -> None:
    published.publish(1, at=datetime(2026, 8, 17, 3, tzinfo=UTC))
    export(focus(published))
    published.publish(1, at=datetime(2026, 8, 17, 9, tzinfo=UTC))
    assert export(focus(published)).status == "unchanged"

    published.publish(1, at=datetime(2026, 8, 18, 3, tzinfo=UTC))
    outcome = export(focus(published))
    assert outcome.plan.samples == {"changed": ('generated_date: "2026-08-17" -> "2026-08-18"',)}


def test_only_what_differs_is_counted(published: Published) -> None:
    published.publish(1, 2, 3, 4)
    export(lookup(published))
    path = published.folder / "token_lookup_enriched.json"
    document = json.loads(path.read_bytes())
    document["2"]["lot_size"] = 65.0
    document["3"]["more"] = None
    document["9"] = {}
    del document["4"]
    path.write_text(json.dumps(document))

    outcome = export(lookup(published))

    plan = outcome.plan
    assert (plan.added, plan.changed, plan.removed) == (1, 2, 1)
    assert plan.samples["removed"] == ("9: {}",)
    assert json.loads(path.read_bytes()) == {str(n): Published.member(n) for n in (1, 2, 3, 4)}


def test_another_spacing_and_order_is_the_same_document(published: Published) -> None:
    published.publish(1, 2, 3)
    export(lookup(published))
    path = published.folder / "token_lookup_enriched.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=4, sort_keys=True))
    before = path.stat()

    assert export(lookup(published)).status == "unchanged"
    lookup(published).verify()
    assert path.stat() == before


@pytest.mark.parametrize(
    "damage", [b"", b'{"1": ', b"[1]", b"null", b"\xff", b'{"1": NaN}', b"<html>502</html>"]
)
@pytest.mark.parametrize("build", [lookup, focus])
def test_a_damaged_file_is_written_anew(
    published: Published, build: type[TokenLookupFile], damage: bytes
) -> None:
    published.publish(1, 2)
    export(build(published))
    (path,) = published.folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage)

    outcome = export(build(published))

    assert outcome.plan.note.endswith("holds no JSON object")
    assert path.read_bytes() == whole


def test_nothing_published_is_refused(published: Published) -> None:
    with pytest.raises(DestinationRefused, match="Nothing has been published"):
        export(lookup(published))
    published.publish()
    with pytest.raises(DestinationRefused, match="exp_json__token_lookup is empty"):
        export(lookup(published))
    with published.connection.transaction():
        published.connection.execute("truncate marts.exp_json__focus_instruments")
    with pytest.raises(DestinationRefused, match="exp_json__focus_instruments is empty"):
        export(focus(published))
    assert not published.folder.exists()


def test_verify_tells_what_differs(published: Published) -> None:
    published.publish(1, 2)
    destination = lookup(published)
    with pytest.raises(VerificationError, match="lacks 2 entries"):
        destination.verify()
    export(destination)
    path = published.folder / "token_lookup_enriched.json"
    path.write_bytes(path.read_bytes().replace(b"390.75", b"391", 1))
    with pytest.raises(VerificationError, match="lacks 0 entries, holds 1 with other values"):
        destination.verify()


def test_mode_symlink_and_folder(published: Published, tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    target.write_bytes(b"{}")
    target.chmod(0o600)
    published.folder.mkdir()
    (published.folder / "token_lookup_enriched.json").symlink_to(target)
    published.publish(1)

    export(lookup(published))

    assert (published.folder / "token_lookup_enriched.json").is_symlink()
    assert json.loads(target.read_bytes()) == {"1": Published.member(1)}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_file_in_the_place_of_the_folder_is_unavailable(published: Published) -> None:
    published.folder.write_bytes(b"")
    published.publish(1)
    with pytest.raises(DestinationUnavailable):
        export(lookup(published))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_a_device_is_refused(published: Published) -> None:
    published.publish(1)
    with pytest.raises(DestinationRefused, match="not a regular file"):
        export(TokenLookupFile(Path("/dev/full"), published.connection))


def test_the_exporter_runs_alone(published: Published) -> None:
    published.publish(1, 2)
    arguments = ["--database-url", published.dsn, "--path", str(published.folder)]
    for options, status in ((["--dry-run"], "planned"), ([], "complete"), ([], "unchanged")):
        done = subprocess.run(
            [sys.executable, "-m", "exporters.json_files", *arguments, *options],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert f"token_lookup: {status}, " in done.stdout
        assert f"focus_instruments: {status}, " in done.stdout
    assert sorted(path.name for path in published.folder.iterdir()) == [
        "focus_instruments.json",
        "token_lookup_enriched.json",
    ]


class Late(TokenLookupFile):
    """Written after a sync has published, and exported, what came next."""

    published: ClassVar[Published]

    def apply(self, plan: Plan) -> None:
        if self.published.number == 1:
            self.published.publish(1, 2, 3)
            export(lookup(self.published))
        super().apply(plan)


def test_an_exporter_alone_leaves_no_older_publication_than_a_sync_beside_it(
    published: Published,
) -> None:
    published.publish(1)
    Late.published = published
    path = published.folder / "token_lookup_enriched.json"

    code = standalone.run(
        standalone.options("late", "Late."),
        ["--database-url", published.dsn],
        lambda _, connection: [Late(path, connection)],
    )

    assert code == 0
    assert list(json.loads(path.read_bytes())) == ["1", "2", "3"]
