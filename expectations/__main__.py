"""`python -m expectations`: the gate alone, over a candidate that is built already.

Exit codes: 0 green, 2 usage, 3 the audit could not be done, 4 red.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from expectations.audit import AuditRequest
from expectations.changes import read_changes, read_rows, read_touched
from expectations.coverage_reader import read_report_coverage
from expectations.errors import AuditFailed, GateError
from expectations.gate import GateWorker, Thresholds, Verdict, check_acceptances, decide
from expectations.report import ReportContext, write_report
from expectations.rules import RULE_IDS

GREEN, USAGE, RED = 0, 2, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Audits, writes the report, prints the verdict; gives the exit code."""
    options = _parser().parse_args(arguments)
    if not options.database_url:
        sys.stderr.write("--database-url is missing (or set DATABASE_URL)\n")
        return USAGE
    try:
        return _run(options)
    except GateError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    accepted = dict(options.accept)
    check_acceptances(accepted, known=RULE_IDS)
    started_at = datetime.now(UTC)
    run_id = f"{started_at:%Y%m%dT%H%M%SZ}-gate"
    folder = options.report_dir or Path(".warehouse/reports") / run_id
    request = AuditRequest(
        dsn=options.database_url,
        run_id=run_id,
        started_at=started_at,
        as_of_date=options.as_of,
        filter=options.filter,
        report_dir=folder,
        thresholds=Thresholds(required_exchanges=options.required_exchanges),
    )
    with GateWorker.start() as worker:
        results = worker.audit(request)
        context = _context(request, started_at, worker.audit_seconds)
    verdict = decide(results, accepted=accepted)
    page = write_report(verdict, context, folder)
    _tell(verdict, page)
    return GREEN if verdict.is_green else RED


def _context(request: AuditRequest, started_at: datetime, seconds: float) -> ReportContext:
    try:
        with psycopg.connect(request.dsn) as connection:
            return ReportContext(
                run_id=request.run_id,
                started_at=started_at,
                as_of_date=request.as_of_date,
                source="the candidate as it stands",
                dump_sha256="",
                filter=request.filter,
                rows_now=read_rows(connection, request.candidate_schema),
                rows_before=read_rows(connection, request.published_schema),
                changes=read_changes(connection, candidate_schema=request.candidate_schema),
                touched=read_touched(connection, candidate_schema=request.candidate_schema),
                brokers=read_report_coverage(
                    connection, request.candidate_schema, request.published_schema
                ),
                consumers_see="Consumers keep the last publication: the gate alone publishes "
                "nothing.",
                stage_seconds={"gate": seconds},
            )
    except psycopg.OperationalError as error:
        raise AuditFailed(
            f"PostgreSQL went away: {' '.join(str(error).split())}",
            expected="the database that holds the candidate",
        ) from error


def _tell(verdict: Verdict, page: Path) -> None:
    lines = [
        verdict.told,
        *(f"  {reason}" for reason in verdict.reasons),
        *(f"  warning: {warning.rule}: {warning.observed}" for warning in verdict.warnings),
        f"report: {page}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m expectations", description=main.__doc__)
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"))
    parser.add_argument("--as-of", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument("--filter", default="nifty", help="as it was given to the build")
    parser.add_argument("--report-dir", type=Path, help="default .warehouse/reports/<run>")
    parser.add_argument(
        "--accept", action="append", default=[], type=_acceptance, metavar="RULE=reason"
    )
    parser.add_argument(
        "--required-exchanges",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=Thresholds().required_exchanges,
        help="comma separated",
    )
    return parser


def _acceptance(text: str) -> tuple[str, str]:
    rule, _, reason = text.partition("=")
    return rule, reason


if __name__ == "__main__":
    sys.exit(main())
