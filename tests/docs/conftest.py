"""One warehouse for the pages: three days of a small market, one of them with a fifth broker.

The project is a copy in which adding-a-broker was followed to the letter, and nothing else.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.docs import market
from tests.docs.pages import PROJECT, blocks
from tests.end_to_end.conftest import drop_databases, with_database
from tests.installation import Done, Installation, Kept

# What a checkout has beside its files.
_NOT_COPIED = (".git", ".venv", ".warehouse", ".mypy_cache", ".ruff_cache", ".pytest_cache",
               ".hypothesis", "target", "logs", "backups", "build", "dist")  # fmt: skip
ALONE, BOTH = "kite", "kite,acme"


@dataclass(frozen=True)
class Documented:
    """What three syncs left: with Kite alone, with Acme beside it, and with Kite alone again.

    Attributes:
        project: the copy of the project, with Acme.
        at: the installation, after the third.
        market: what was in the dumps.
        done: how each sync ended.
        with_acme: what was kept after the second.
        canonical: canonical_instruments.yaml after each; None where there was none.
        status: what `status` said after the second and the third.
        unit_tests: how the unit tests of Acme's folder ended.
    """

    project: Path
    at: Installation
    market: market.Market
    done: tuple[Done, ...]
    with_acme: Kept
    canonical: tuple[str | None, ...]
    status: tuple[Done, ...]
    unit_tests: subprocess.CompletedProcess[str]

    @property
    def dsn(self) -> str:
        """The database after the third sync."""
        return self.at.database_url

    @property
    def dsn_with_acme(self) -> str:
        """A copy of the database as it was after the second."""
        return with_database(self.at.database_url, self.with_acme.template)


def _follow_the_page(folder: Path) -> Path:
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    for block in blocks():
        path = project / block.path
        assert path.exists() is block.is_appended, block.path
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(block.text)
    return project


@pytest.fixture(scope="session")
def documented(
    tmp_path_factory: pytest.TempPathFactory, server_dsn: str, redis_server_url: str
) -> Iterator[Documented]:
    folder = tmp_path_factory.mktemp("documented")
    project = _follow_the_page(folder)
    name = f"documented_{uuid.uuid4().hex[:8]}"
    at = Installation(
        folder / "it", with_database(server_dsn, name), redis_server_url,
        settings={"PYTHONPATH": str(project), "ACME_SOURCE": str(folder / "acme.csv")},
    )  # fmt: skip
    made = market.market()
    columns = made.first[0].keys()
    first = market.write(folder / "first.csv", made.first, columns)
    rows = [*made.second, market.untyped(made.second)]
    second = market.write(folder / "second.csv", rows, columns)
    market.write(folder / "acme.csv", made.acme, market.ACME_COLUMNS)
    at.wipe()
    done, canonical, status = [], [], []
    for number, (dump, day, feeds) in enumerate(
        [(first, market.FIRST, ALONE), (second, market.SECOND, BOTH),
         (second, market.THIRD, ALONE)]
    ):  # fmt: skip
        told = {"FEEDS": feeds, "AS_OF": day.isoformat()}
        done.append(at.sync(dump, **told).ok())
        written = at.files / "canonical_instruments.yaml"
        canonical.append(written.read_text() if written.exists() else None)
        if number == 0:
            at.execute(
                "update public.instruments set is_active = true"
                " where name = 'FINNIFTY' and segment = 'NFO-FUT'"
            )
        else:
            status.append(at.run("status", **told))
        if number == 1:
            kept = at.keep("with_acme")
            unit_tests = _unit_tests(at, project, told)
    yield Documented(
        project, at, made, tuple(done), kept, tuple(canonical), tuple(status), unit_tests
    )
    at.close()
    drop_databases(server_dsn, name)


def _unit_tests(
    at: Installation, project: Path, told: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """dbt's own command, as adding-a-broker's reader has it."""
    printed = at.run("url", "postgres", "--dbt-env", **told).ok().out
    exports = (shlex.split(line)[1].partition("=") for line in printed.splitlines())
    variables = {name: value for name, _, value in exports}
    assert variables["WAREHOUSE_PG_DATABASE"] == conninfo_to_dict(at.database_url)["dbname"]
    work = at.home / "dbt"
    return subprocess.run(
        [
            Path(sys.executable).with_name("dbt"), "test", "--no-use-colors",
            "--select", "test_type:unit,stg_acme__instruments",
            "--project-dir", project / "dbt_project", "--profiles-dir", work / "profiles",
            "--target-path", work / "target", "--log-path", work / "logs",
        ],
        env=at.environment(**told, **variables), capture_output=True, text=True, check=False,
    )  # fmt: skip
