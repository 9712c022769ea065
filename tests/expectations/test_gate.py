"""The audit's process: it answers, it fails clearly, it never outlives its parent."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from expectations.audit import AuditRequest
from expectations.errors import AuditFailed, WorkerFailed
from expectations.gate import GateWorker, RuleResult, Thresholds, decide
from expectations.rules import RULES

RequestOf = Callable[..., AuditRequest]
PROJECT = Path(__file__).resolve().parents[2]


def run_python(code: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def has_ended(pid: int, seconds: float) -> bool:
    try:
        psutil.Process(pid).wait(seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_importing_the_gate_does_not_import_great_expectations() -> None:
    done = run_python(
        "import sys, expectations.gate, expectations.report; "
        "print('great_expectations' in sys.modules)"
    )
    assert done.stdout.strip() == "False", done.stderr


def test_requests_and_results_travel_whole(request_of: RequestOf, tmp_path: Path) -> None:
    request = request_of(
        "host=/tmp dbname=x", report_dir=tmp_path, thresholds=Thresholds(required_exchanges=("N",))
    )
    assert AuditRequest.from_json(json.loads(json.dumps(request.as_json()))) == request
    result = RuleResult("r", "t", "error", "failed", "o", "l", 3, ({"a": "b"},), "e", "a")
    assert RuleResult.from_json(json.loads(json.dumps(result.as_json()))) == result


def test_worker_serves_several_audits_and_survives_a_failed_one(
    worker: GateWorker, request_of: RequestOf, healthy_dsn: str
) -> None:
    with pytest.raises(AuditFailed, match="PostgreSQL cannot be reached"):
        worker.audit(request_of("host=/nowhere dbname=nothing"))
    assert len(worker.audit(request_of(healthy_dsn))) == len(RULES)
    assert worker.audit_seconds > 0
    assert worker.import_seconds > 0


def test_a_run_whose_name_reads_like_an_impossible_time_is_audited_as_any(
    worker: GateWorker, request_of: RequestOf, healthy_dsn: str
) -> None:
    """Some twenty in thirty thousand are: 75 hours 50 minutes west of Greenwich."""
    request = request_of(healthy_dsn, run_id="20261121T201102-7550ad")
    assert decide(worker.audit(request)).is_green


def test_address_that_cannot_be_read_is_told_without_its_password(
    worker: GateWorker, request_of: RequestOf
) -> None:
    with pytest.raises(AuditFailed, match="address cannot be read") as caught:
        worker.audit(request_of("host=x password=secret secret"))
    assert "secret" not in str(caught.value)


def test_line_that_is_no_request_is_answered_and_the_worker_serves_on(
    worker: GateWorker, request_of: RequestOf, healthy_dsn: str
) -> None:
    worker.finish()
    worker._ask({"something": "else"})
    assert "error" in worker._answer(10, "an error")
    assert decide(worker.audit(request_of(healthy_dsn))).is_green


def test_worker_leaves_out_what_it_does_not_use_and_loads_it_when_it_is_used() -> None:
    done = run_python(
        "import sys; from expectations.lazy_imports import postpone; "
        "postpone({'colorsys'}); import colorsys; "
        "print(type(colorsys).__name__, colorsys.rgb_to_hsv(0, 0, 0)[1]); "
        "postpone(); import expectations.session; "
        "print([name for name in sys.modules if name.startswith('altair.')])"
    )
    assert done.stdout.splitlines() == ["_LazyModule 0.0", "[]"], done.stderr


def test_worker_knows_what_it_needs_and_says_so_of_the_rest() -> None:
    done = run_python(
        "import sys; from expectations.lazy_imports import leave_out_unneeded; "
        "leave_out_unneeded(); import expectations.session; "
        "from great_expectations.datasource.fluent import PostgresDatasource, SparkDatasource; "
        "print(PostgresDatasource.__fields__['type'].default); "
        "asked = [hasattr(module, 'AnyDatasource') for module in list(sys.modules.values())]; "
        "print(sum(asked)); SparkDatasource(name='x')"
    )
    kind, left_out = done.stdout.splitlines()
    assert kind == "postgres"
    assert int(left_out) > 70
    error = done.stderr.splitlines()[-1]
    assert "great_expectations.datasource.fluent.spark_datasource is left out" in error


@pytest.mark.parametrize("form", ["uri", "keywords"])
def test_any_address_that_libpq_takes_is_good(
    worker: GateWorker, request_of: RequestOf, healthy_dsn: str, form: str
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(healthy_dsn)
    # Characters that configuration languages like to read as their own.
    name = "a $HOME ${DRIVER} %s {batch}"
    if form == "keywords":
        dsn = psycopg.conninfo.make_conninfo(healthy_dsn, application_name=name, password="p$w{x}")
    else:
        dsn = f"postgresql:///{parts['dbname']}?host={parts['host']}&user={parts['user']}"
        dsn += f"&port={parts['port']}" if "port" in parts else ""
        dsn += "&options=-c%20geqo%3Doff&password=p%24%7Bx%7D%25"
    results = worker.audit(request_of(dsn))
    assert decide(results).reasons == ()


def test_data_docs_are_written_into_the_report_folder_and_nowhere_else(
    worker: GateWorker, request_of: RequestOf, healthy_dsn: str, tmp_path: Path
) -> None:
    before = {path.name for path in PROJECT.iterdir()}
    worker.audit(request_of(healthy_dsn, report_dir=tmp_path / "run"))
    worker.finish()
    pages = list((tmp_path / "run" / "data_docs").rglob("*.html"))
    assert (tmp_path / "run" / "data_docs" / "index.html") in pages
    shown = "".join(page.read_text(encoding="utf-8") for page in pages)
    for rule in RULES:
        assert f"({rule.id})" in shown
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["data_docs"]
    assert {path.name for path in PROJECT.iterdir()} == before


def test_hostile_values_are_escaped_in_data_docs(
    worker: GateWorker,
    request_of: RequestOf,
    execute: Callable[[str], None],
    healthy_dsn: str,
    tmp_path: Path,
) -> None:
    execute(
        "update candidate.broker_instruments set tradingsymbol = '<script>alert(1)</script>$x' "
        "where instrument_token = 256265"
    )
    results = worker.audit(request_of(healthy_dsn, report_dir=tmp_path))
    worker.finish()
    assert "<script>alert(1)" in next(r for r in results if r.rule == "marker-nifty-50").observed
    for page in (tmp_path / "data_docs").rglob("*.html"):
        assert "<script>alert(1)" not in page.read_text(encoding="utf-8")


def test_data_docs_that_cannot_be_written_do_not_fail_the_audit(
    worker: GateWorker,
    request_of: RequestOf,
    healthy_dsn: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    results = worker.audit(request_of(healthy_dsn, report_dir=in_the_way))
    assert decide(results).is_green
    worker.finish()
    assert "data_docs=" in caplog.text


def test_killed_worker_is_told_with_its_signal(request_of: RequestOf, healthy_dsn: str) -> None:
    with GateWorker.start() as worker:
        psutil.Process(worker.pid).kill()
        with pytest.raises(WorkerFailed, match=r"signal 9.*consumers see what they saw"):
            worker.audit(request_of(healthy_dsn))


def test_worker_that_cannot_start_says_its_last_words(
    request_of: RequestOf, healthy_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "great_expectations"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('half an installation')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        GateWorker.start() as worker,
        pytest.raises(WorkerFailed, match=r"exit 1.*half an installation"),
    ):
        worker.audit(request_of(healthy_dsn))


def test_audit_that_takes_too_long_is_stopped_and_told(
    request_of: RequestOf, healthy_dsn: str
) -> None:
    with psycopg.connect(healthy_dsn) as holder, GateWorker.start() as worker:
        holder.execute("lock table candidate.broker_instruments")
        with pytest.raises(WorkerFailed, match=r"did not answer in 0\.2 s"):
            worker.audit(request_of(healthy_dsn), audit_seconds=0.2)
        assert has_ended(worker.pid, 5)


def test_closing_ends_the_worker_at_once_even_in_the_middle_of_an_audit(
    request_of: RequestOf, healthy_dsn: str
) -> None:
    with psycopg.connect(healthy_dsn) as holder:
        holder.execute("lock table candidate.broker_instruments")
        worker = GateWorker.start()
        worker._line(time.monotonic() + 60, "ready")
        worker._ask({"audit": request_of(healthy_dsn).as_json()})
        worker.close()
        assert worker._process.returncode == 0  # it was not killed for being slow
        assert has_ended(worker.pid, 1)


def test_closing_while_the_worker_imports_ends_it() -> None:
    worker = GateWorker.start()
    worker.close()
    assert worker._process.returncode == 0
    worker.close()


PARENT = """
import time
from expectations.gate import GateWorker
worker = GateWorker.start()
print(worker.pid, flush=True)
time.sleep(60)
"""


def test_worker_does_not_outlive_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PARENT,
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert has_ended(pid, 10)


def test_audit_opens_no_network_connection(
    request_of: RequestOf, healthy_dsn: str, tmp_path: Path
) -> None:
    request = request_of(healthy_dsn, report_dir=tmp_path / "report")
    code = """
import json, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("NETWORK", event, arguments)

sys.addaudithook(refuse)
from expectations.audit import AuditRequest
from expectations.session import run_audit
audited = run_audit(AuditRequest.from_json(json.loads(sys.argv[1])))
audited.write_data_docs()
print("RULES", len(audited.results))
"""
    done = run_python(code, json.dumps(request.as_json()))
    assert f"RULES {len(RULES)}" in done.stdout, done.stderr
    assert "NETWORK" not in done.stdout
