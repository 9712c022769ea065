"""One database for all tests of the dbt project, and dbt itself, parsed once a session."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

DATABASE = "dbt_project_tests"


@dataclass(slots=True)
class Dbt:
    """dbt, bound to the tests' database.

    Attributes:
        dsn: the database.
        project: the checkout.
        work: where dbt writes what it compiles.
        feeds: what the environment says of them.
    """

    dsn: str
    project: Path
    work: Path
    manifest: Any = None
    feeds: str = "kite"

    def run(self, *arguments: str, target: str = "candidate") -> Any:
        """Run one dbt command in this process; its outcome, successful or not."""
        from dbt.cli.main import dbtRunner  # a second to import

        flags = [
            *("--project-dir", str(self.project / "dbt_project")),
            *("--profiles-dir", str(self.work), "--target", target),
            *("--target-path", str(self.work / "target"), "--log-path", str(self.work / "logs")),
        ]
        quiet = ["--log-level", "none", "--no-print", "--no-version-check", "--no-use-colors"]
        with _environment(self.dsn, self.feeds), warnings.catch_warnings():
            # dbt's own libraries warn of each other; what dbt says of the project is tested.
            warnings.simplefilter("ignore")
            reused = self.manifest if target == "candidate" else None
            outcome = dbtRunner(manifest=reused).invoke([*quiet, *arguments, *flags])
        if outcome.exception is not None:
            raise outcome.exception
        return outcome

    def build(self, *arguments: str) -> dict[str, str]:
        """Build the candidate as production does; each node's name and status."""
        outcome = self.run("build", "--exclude-resource-type", "unit_test", *arguments)
        statuses = {}
        for result in outcome.result.results:
            status = str(result.status)
            statuses[result.node.name] = status
            assert status != "error", f"{result.node.name}: {result.message}"
        return statuses

    def compiled(self, name: str) -> str:
        """The SQL of a data test as the last build ran it."""
        for node in self.manifest.nodes.values():
            if node.name == name:
                folder = self.work / "target" / "compiled" / "instrument_warehouse"
                path = folder / node.original_file_path
                if node.original_file_path.endswith(".yml"):
                    path = path / node.path
                return path.read_text()
        raise LookupError(name)

    def inline(self, template: str) -> str:
        """What dbt makes of a template."""
        outcome = self.run("compile", "--inline", template)
        return str(outcome.result.results[0].node.compiled_code)


@contextmanager
def _environment(dsn: str, feeds: str) -> Iterator[None]:
    parts = conninfo_to_dict(dsn)
    values = {
        "WAREHOUSE_PG_HOST": str(parts.get("host") or "localhost"),
        "WAREHOUSE_PG_PORT": str(parts.get("port") or 5432),
        "WAREHOUSE_PG_USER": str(parts.get("user") or "postgres"),
        "WAREHOUSE_PG_PASSWORD": str(parts.get("password") or ""),
        "WAREHOUSE_PG_DATABASE": str(parts["dbname"]),
        "WAREHOUSE_DBT_SCHEMA": "dev_tests",
        "WAREHOUSE_FEEDS": feeds,
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def dbt(server_dsn: str, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    dsn = make_conninfo(server_dsn, dbname=DATABASE)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"drop database if exists {DATABASE} with (force)")
        connection.execute(f"create database {DATABASE}")
    work = tmp_path_factory.mktemp("dbt")
    # The profile that an analyst copies is the one that the tests run on.
    shutil.copy(project / "profiles.yml.example", work / "profiles.yml")
    made = Dbt(dsn, project, work)
    made.manifest = made.run("parse").result
    yield made
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"drop database if exists {DATABASE} with (force)")


@pytest.fixture(scope="session")
def dbt_of_every_feed(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """dbt on the same database, with every feed switched on."""
    return with_feeds(dbt, "kite,angel_one,dhan,upstox", tmp_path_factory.mktemp("dbt"))


def with_feeds(dbt: Dbt, feeds: str, work: Path) -> Dbt:
    """The same dbt, parsed for other feeds."""
    shutil.copy(dbt.project / "profiles.yml.example", work / "profiles.yml")
    made = Dbt(dbt.dsn, dbt.project, work, feeds=feeds)
    made.manifest = made.run("parse").result
    return made


@pytest.fixture(scope="module")
def database(dbt: Dbt) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to the tests' database, emptied for this module."""
    with psycopg.connect(dbt.dsn, row_factory=dict_row) as connection:
        for schema in ("candidate", "marts", "staging", "ops", "history", "dev_tests"):
            connection.execute(f"drop schema if exists {schema} cascade")
        connection.commit()
        yield connection
        connection.rollback()


def rows_of(
    connection: psycopg.Connection[dict[str, Any]], query: str, parameters: Sequence[object] = ()
) -> list[dict[str, Any]]:
    """The rows of a query, with no transaction left open to stand in the next build's way."""
    found = connection.execute(query, parameters or None).fetchall()
    connection.rollback()
    return found
