"""The rules as Great Expectations suites over PostgreSQL, run by one checkpoint.

Only the worker process imports this module: Great Expectations takes seconds to import.
Nothing is sent anywhere (1.24 has no telemetry left; it is switched off all the same) and
nothing is written outside the report folder: stores are in memory, Data Docs are files in it.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import great_expectations as gx
from great_expectations.compatibility import pydantic
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent import PostgresDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import Expectation
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from expectations.audit import AuditRequest, visible
from expectations.rules import RULES, SUITES, Rule
from expectations.rules.query import (
    compose,
    for_great_expectations,
    for_sqlalchemy,
    measures,
    rule_query,
)

DATA_DOCS = "data_docs"
# A query of the audit takes a fraction of a second; one that does not is stopped. Grouping a dump
# in memory instead of on disk, and not compiling such short queries, saves a third of the time.
SESSION_OPTIONS = "-c statement_timeout=60s -c work_mem=64MB -c jit=off"


class ExpectRuleToHold(gx.expectations.UnexpectedRowsExpectation):  # type: ignore[misc]  # untyped
    """A rule's query finds something to look at, and nothing unexpected in it.

    The query gives one row: `facts` (JSON, with `evaluated`), the count of `unexpected` rows and
    `samples` of them (JSON). The stock expectation runs its query twice and passes when the
    relation is empty; this one runs once, and nothing evaluated is not a pass.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    @pydantic.validator("unexpected_rows_query")  # type: ignore[untyped-decorator]
    def _validate_query(cls, query: str) -> str:  # noqa: N805  # a validator of pydantic 1
        # Ours compares relations, so the stock notice about a missing {batch} does not apply.
        return query

    def _validate(
        self,
        metrics: Any,
        runtime_configuration: Any = None,  # noqa: ARG002  # the signature is the library's
        execution_engine: Any = None,  # noqa: ARG002
    ) -> Any:
        row = metrics["unexpected_rows_query.table"][0]
        facts = json.loads(row["facts"] or "{}")
        unexpected = int(row["unexpected"])
        evaluated = int(facts.get("evaluated") or 0)
        rule = _RULES[self.meta["rule"]]
        observed = rule.observed_text(facts) if evaluated else "nothing to look at"
        return {
            "success": unexpected == 0 and evaluated > 0,
            "result": {
                # Data Docs write this into their page as it is: a symbol may be a script.
                "observed_value": html.escape(visible(observed)),
                "details": {
                    "facts": facts,
                    "evaluated": evaluated,
                    "unexpected_count": unexpected,
                    "samples": json.loads(row["samples"]),
                    "refuses": json.loads(row["refuses"]),
                },
            },
        }


_RULES: dict[str, Rule] = {rule.id: rule for rule in RULES}


def open_context(report_dir: Path | None) -> EphemeralDataContext:
    """A context that lives in memory and writes Data Docs into the report folder only."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        data_docs_sites={DATA_DOCS: _site(report_dir / DATA_DOCS)} if report_dir else {},
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context: EphemeralDataContext = gx.get_context(
        mode="ephemeral",
        project_config=config,
        # A template, because Great Expectations refuses a PostgreSQL address without a host name,
        # which is what a Unix socket has. Where to connect is said in `connect_args`.
        runtime_environment={"DRIVER": "postgresql+psycopg:///"},
    )
    return context


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }


def write_data_docs(context: EphemeralDataContext, report_dir: Path) -> None:
    """Writes the pages, without 4 MB of fonts and pictures that would be copied for every run."""
    context.build_data_docs(site_names=[DATA_DOCS])
    for folder in ("fonts", "images"):
        shutil.rmtree(report_dir / DATA_DOCS / "static" / folder, ignore_errors=True)


def open_datasource(context: EphemeralDataContext, request: AuditRequest) -> PostgresDatasource:
    """The database, by any libpq address; one connection, so that temporary tables are seen."""
    return context.data_sources.add_postgres(
        "warehouse",
        connection_string="${DRIVER}",
        kwargs={
            "pool_size": 1,
            "max_overflow": 0,
            "connect_args": _connect_arguments(request.dsn),
        },
    )


def _connect_arguments(dsn: str) -> dict[str, Any]:
    given = conninfo_to_dict(dsn)
    options = f"{given.get('options') or ''} {SESSION_OPTIONS}"
    return given | {"options": options.strip(), "application_name": "warehouse-gate"}


def fill_measures(
    engine: SqlAlchemyExecutionEngine, values: Mapping[str, sql.Composable], *, of_feeds: bool
) -> None:
    """Creates the temporary tables that the rules read, on the connection that they use."""
    for statement in measures(values, of_feeds=of_feeds):
        engine.execute_query_in_transaction(text(for_sqlalchemy(statement)))


def expectation_of(
    rule: Rule, request: AuditRequest, values: Mapping[str, sql.Composable]
) -> Expectation:
    """A rule as an expectation, with its id in `meta`."""
    common: dict[str, Any] = {
        "description": f"{rule.title} ({rule.id})",
        "notes": [f"Limit: {rule.limit_text(request.thresholds)}.", rule.explanation, rule.action],
        "severity": "critical" if rule.severity == "error" else "warning",
        "meta": {"rule": rule.id},
    }
    if rule.stock is None:
        query = for_great_expectations(rule_query(rule, values))
        return ExpectRuleToHold(unexpected_rows_query=query, **common)
    if rule.stock.kind == "row_count":
        return gx.expectations.ExpectTableRowCountToBeBetween(min_value=1, **common)
    return gx.expectations.ExpectColumnDistinctValuesToContainSet(
        column=rule.stock.column, value_set=list(rule.stock.values(request.thresholds)), **common
    )


def build_checkpoint(
    context: EphemeralDataContext,
    datasource: PostgresDatasource,
    request: AuditRequest,
    rules: Sequence[Rule],
    values: Mapping[str, sql.Composable],
) -> gx.Checkpoint:
    """One suite and validation definition a group of rules, one checkpoint over all."""
    definitions = []
    for name, batch in SUITES.items():
        members = [rule for rule in rules if rule.suite == name]
        if not members:
            continue
        asset = datasource.add_query_asset(name, compose(batch, values))
        suite = gx.ExpectationSuite(
            name=name, expectations=[expectation_of(rule, request, values) for rule in members]
        )
        definition = gx.ValidationDefinition(
            name=name,
            data=asset.add_batch_definition_whole_table("whole"),
            suite=context.suites.add(suite),
        )
        definitions.append(context.validation_definitions.add(definition))
    checkpoint = gx.Checkpoint(
        name="gate", validation_definitions=definitions, result_format="SUMMARY"
    )
    return context.checkpoints.add(checkpoint)
