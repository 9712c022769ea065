"""What the project promises about itself: contracts, descriptions, exposures, no deprecations."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
import yaml

from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import land, small_dump

Database = psycopg.Connection[dict[str, Any]]

MARTS = {
    "instruments", "broker_instruments", "focus_instruments", "active_subscriptions",
    "rejected_rows", "repeated_rows", "instrument_changes", "instrument_continuity",
    "withheld_rows", "broker_coverage", "broker_disagreements", "excluded_rows",
    "contract_counts", "expiry_calendar", "option_chain",
}  # fmt: skip
EXPORTS = {
    "exp_redis__instruments", "exp_dotenv__instruments", "exp_postgres__instruments",
    "exp_json__token_lookup", "exp_json__focus_instruments",
}  # fmt: skip


def models(dbt: Dbt) -> dict[str, Any]:
    return {
        node.name: node
        for node in dbt.manifest.nodes.values()
        if str(node.resource_type) == "model"
    }


@pytest.fixture(scope="module")
def built(dbt: Dbt, database: Database) -> Database:
    land(database, small_dump(), as_of="2026-08-17")
    dbt.build()
    return database


def test_marts_and_exports_are_what_is_published(dbt: Dbt) -> None:
    published = {name for name, node in models(dbt).items() if node.config.meta.get("publish")}
    assert published == MARTS | EXPORTS


@pytest.mark.parametrize("name", sorted(MARTS | EXPORTS))
def test_published_models_have_contracts_and_describe_every_column(
    dbt: Dbt, built: Database, name: str
) -> None:
    node = models(dbt)[name]
    assert node.contract.enforced
    assert node.access == "public"
    assert node.group
    assert node.description.startswith("One row")
    described = {column.name: column.description for column in node.columns.values()}
    held = rows_of(
        built,
        "select attname as name from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 order by attnum",
        [f"candidate.{name}"],
    )
    assert [column["name"] for column in held] == list(described)
    assert all(described.values())


@pytest.mark.parametrize("name", sorted(MARTS | EXPORTS))
def test_published_tables_have_a_key_and_views_read_published_tables_only(
    built: Database, name: str
) -> None:
    kind = rows_of(
        built, "select relkind::text as kind, relpersistence::text as persistence"
        " from pg_class where oid = %s::regclass", [f"candidate.{name}"],
    )[0]  # fmt: skip
    if kind["kind"] == "r":
        assert kind["persistence"] == "u"
        keys = rows_of(
            built, "select from pg_constraint where contype = 'p' and conrelid = %s::regclass",
            [f"candidate.{name}"],
        )  # fmt: skip
        assert len(keys) == 1
        return
    read = rows_of(
        built,
        "select distinct table_schema as schema, table_name as name"
        " from information_schema.view_table_usage"
        " where view_schema = 'candidate' and view_name = %s",
        [name],
    )
    assert read
    assert {values["schema"] for values in read} == {"candidate"}
    assert {values["name"] for values in read} <= MARTS | EXPORTS


def test_only_staging_reads_sources(dbt: Dbt) -> None:
    readers = {
        name
        for name, node in models(dbt).items()
        if any(key.startswith("source.") for key in node.depends_on.nodes)
    }
    assert {name.partition("__")[0] for name in readers} == {"stg_kite", "stg_warehouse"}


def test_every_destination_is_an_exposure(dbt: Dbt) -> None:
    destinations = {
        destination["name"]: destination["model"]
        for exposure in dbt.manifest.exposures.values()
        for destination in exposure.config.meta["destinations"]
    }
    assert destinations == {
        "postgres": "exp_postgres__instruments",
        "redis": "exp_redis__instruments",
        "dotenv": "exp_dotenv__instruments",
        "token_lookup": "exp_json__token_lookup",
        "focus_instruments": "exp_json__focus_instruments",
        "registry_snapshot": "broker_instruments",
    }
    for exposure in dbt.manifest.exposures.values():
        models_read = {key.rpartition(".")[2] for key in exposure.depends_on.nodes}
        assert models_read == {
            destination[name]
            for destination in exposure.config.meta["destinations"]
            for name in ("model", "focus_model")
            if name in destination
        }


def test_every_model_belongs_to_a_group_and_is_described(dbt: Dbt) -> None:
    lacking = {name for name, node in models(dbt).items() if not node.group or not node.description}
    assert lacking == set()


def test_the_overview_page_is_ours(dbt: Dbt) -> None:
    assert (
        "Instrument warehouse"
        in dbt.manifest.docs["doc.instrument_warehouse.__overview__"].block_contents
    )


def test_singular_tests_open_with_who_is_hurt(dbt: Dbt) -> None:
    folder = dbt.project / "dbt_project" / "tests" / "singular"
    paths = sorted(folder.glob("*.sql"))
    assert len(paths) >= 12
    assert [path.name for path in paths if not path.read_text().startswith("-- ")] == []


def test_parsing_says_nothing_of_deprecations(dbt: Dbt) -> None:
    outcome = dbt.run("--warn-error", "parse", "--no-partial-parse", "--show-all-deprecations")
    assert outcome.success


def test_the_example_profile_holds_no_settings_of_its_own(dbt: Dbt) -> None:
    text = (dbt.project / "profiles.yml.example").read_text()
    outputs = yaml.safe_load(text)["instrument_warehouse"]["outputs"]
    for output in outputs.values():
        for key in ("host", "port", "user", "password", "dbname", "sslmode"):
            assert "env_var(" in output[key]
    names = set(re.findall(r"env_var\('(\w+)'", text))
    assert {name for name in names if name.startswith("WAREHOUSE_PG_")} == {
        f"WAREHOUSE_PG_{part}"
        for part in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE", "SSLMODE")
    }


def test_an_analysts_target_builds_into_a_schema_of_its_own(dbt: Dbt, built: Database) -> None:
    before = rows_of(built, "select oid from pg_class where relname = 'instruments'")
    outcome = dbt.run(
        "build", "--exclude-resource-type", "unit_test", "--select", "+instruments", target="dev"
    )
    assert outcome.success
    schemas = rows_of(
        built,
        "select nspname as schema from pg_namespace where nspname like '%dev%'",
    )
    assert schemas == [{"schema": "dev_tests"}]
    kept = rows_of(built, "select oid from pg_class where relname = 'instruments'")
    assert {row["oid"] for row in before} <= {row["oid"] for row in kept}


def test_freshness_is_told_from_the_ledger(dbt: Dbt, built: Database) -> None:
    assert [str(result.status) for result in dbt.run("source", "freshness").result.results] == [
        "pass"
    ]
    built.execute("update ops.loads set finished_at = now() - interval '6 days'")
    built.commit()
    assert [str(result.status) for result in dbt.run("source", "freshness").result.results] == [
        "error"
    ]
