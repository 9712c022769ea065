"""Build the candidate: dbt, in this process, told what to do by `ops.build_parameters`."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.dbt_profile import PROFILE, environment, profile_environment
from warehouse.errors import BuildFailed
from warehouse.settings import DBT_PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

log = logging.getLogger(__name__)

APPLICATION = "warehouse dbt"
# Who reads the candidate and forgets it must not stop every sync to come; as landing waits.
LOCK_OPTION = "-c lock_timeout=10s"
# PostgreSQL's words, where its messages are English; in others the gate tells the broken model.
_LOCK_TIMED_OUT = "lock timeout"


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What dbt says of one model, seed or test.

    `status` is dbt's own: success, error, skipped for models; pass, fail, warn, error, skipped
    for tests. `failures` counts rows; `seconds` is the node's own time; `sql` is a test's query,
    which returns the rows that should not be.
    """

    unique_id: str
    name: str
    kind: str
    status: str
    severity: str
    failures: int
    message: str
    seconds: float
    relation: str = ""
    description: str = ""
    sql: str = ""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The seeds and models of one build, and those of them that are published."""

    nodes: tuple[NodeResult, ...]
    published_names: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[NodeResult, ...]:
        """What could not be built (not what was skipped because of others)."""
        return tuple(node for node in self.nodes if node.status == "error")

    @property
    def waited_for(self) -> str:
        """A model that somebody else held too long to be replaced; empty when nobody did."""
        held = (node.name for node in self.broken if _LOCK_TIMED_OUT in node.message)
        return next(held, "")


NodeEnded = Callable[[int, int, str], None]


@dataclass(slots=True)
class DbtProject:
    """The dbt project, bound to one warehouse.

    Args:
        dsn: where the candidate is built.
        work: a folder for dbt's parsed project, compiled SQL and logs.
        feeds: the feeds that are on; they decide which models there are.
    """

    dsn: str
    work: Path
    feeds: tuple[str, ...] = ("kite",)
    _manifest: Manifest | None = field(default=None, init=False)
    _totals: Counter[str] = field(default_factory=Counter, init=False)

    def prepare(self) -> None:
        """Import dbt and parse the project; worth doing while something else is going on.

        Raises:
            BuildFailed: when the project does not parse.
        """
        if self._manifest is None:
            with _kept_for_good():
                self._manifest = self._invoke(["parse"]).result
            nodes = self._manifest.nodes.values()
            self._totals = Counter(str(node.resource_type.value) for node in nodes)

    def published_names(self) -> tuple[str, ...]:
        """Models that are published, in the order in which they depend on each other.

        Those are the models whose `config.meta.publish` is true.
        """
        self.prepare()
        assert self._manifest is not None  # noqa: S101  # prepare() sets it or raises
        nodes = {
            key: node
            for key, node in self._manifest.nodes.items()
            if node.resource_type == "model" and node.config.meta.get("publish")
        }
        ordered: list[str] = []

        def visit(key: str) -> None:
            node = self._manifest.nodes.get(key) if self._manifest else None
            if node is None or key in seen:
                return
            seen.add(key)
            for parent in sorted(getattr(node.depends_on, "nodes", ())):
                visit(parent)
            if key in nodes:
                ordered.append(node.alias)

        seen: set[str] = set()
        for key in sorted(nodes):
            visit(key)
        return tuple(ordered)

    def build(self, on_node: NodeEnded | None = None) -> BuildReport:
        """Build every seed and model afresh; `test` says what the candidate is worth.

        Raises:
            BuildFailed: when dbt itself fails; models that do not build are in the report.
        """
        command = ["build", "--exclude-resource-type", "test", "unit_test"]
        nodes = self._nodes(command, ("model", "seed"), on_node)
        return BuildReport(nodes, self.published_names())

    def test(self, on_node: NodeEnded | None = None) -> tuple[NodeResult, ...]:
        """Run every data test on the candidate.

        Unit tests are for developers: they run in the test suite, not before the bell.

        Raises:
            BuildFailed: when dbt itself fails; failing tests are among the results.
        """
        return self._nodes(["test", "--exclude-resource-type", "unit_test"], ("test",), on_node)

    def _nodes(
        self, arguments: Sequence[str], kinds: Sequence[str], on_node: NodeEnded | None
    ) -> tuple[NodeResult, ...]:
        self.prepare()
        watcher = _Watcher(on_node, sum(self._totals[kind] for kind in kinds))
        outcome = self._invoke(arguments, callbacks=[watcher], manifest=self._manifest)
        return tuple(
            _node_result(result)
            for result in outcome.result.results
            # Exposures are listed, with nothing to do.
            if result.node.resource_type != "exposure"
        )

    def docs(self, folder: Path) -> Path:
        """Write the documentation of the published schema as one file, readable offline."""
        target = "published"
        # Without compiling, dbt reads the manifest that a parse has written and writes none.
        self._invoke(["parse"], target=target, writes_json=True)
        arguments = ["docs", "generate", "--static", "--no-compile"]
        self._invoke(arguments, target=target, writes_json=True)
        written = self._parsed(target) / "static_index.html"
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / "index.html"
        page.write_bytes(written.read_bytes())
        return page

    def _parsed(self, target: str) -> Path:
        """Where dbt keeps the parsed project: what it parsed for others would be parsed anew."""
        return self.work / "target" / f"{target}-{'-'.join(self.feeds)}"

    def _invoke(
        self,
        arguments: Sequence[str],
        *,
        target: str = "candidate",
        callbacks: Sequence[Callable[[Any], None]] = (),
        manifest: Manifest | None = None,
        writes_json: bool = False,
    ) -> Any:
        profiles = self.work / "profiles"
        profiles.mkdir(parents=True, exist_ok=True)
        profile = profiles / "profiles.yml"
        if not profile.exists() or profile.read_text() != PROFILE:
            profile.write_text(PROFILE)
        flags = [
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(profiles)),
            *("--target", target, "--target-path", str(self._parsed(target))),
            *("--log-path", str(self.work / "logs")),
        ]
        quiet = [
            *("--log-level", "none", "--no-print", "--no-send-anonymous-usage-stats"),
            *("--no-version-check", "--no-use-colors"),
            # manifest.json and run_results.json: a quarter of a second that only docs need.
            "--write-json" if writes_json else "--no-write-json",
        ]
        connecting = profile_environment(self.dsn)
        told = {
            "PGAPPNAME": APPLICATION,
            "PGOPTIONS": f"{connecting.get('PGOPTIONS', '')} {LOCK_OPTION}".strip(),
            "WAREHOUSE_FEEDS": ",".join(self.feeds),
        }
        with environment({**connecting, **told}):
            # Both take long to import. dbt's classes write their converters when they are defined,
            # a fifth of its import; most are never used.
            from mashumaro.config import BaseConfig  # noqa: PLC0415

            BaseConfig.lazy_compilation = True
            from dbt.cli.main import dbtRunner  # noqa: PLC0415

            runner = dbtRunner(manifest=manifest, callbacks=list(callbacks))
            outcome = runner.invoke([*quiet, *arguments, *flags])
        if outcome.exception is not None:
            raise BuildFailed(
                f"dbt {arguments[0]} failed: {_one_paragraph(outcome.exception)} Nothing was "
                f"published. Mend dbt_project/ (or the table it names) and run the command again."
            ) from outcome.exception
        return outcome


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """What the body makes lives as long as the process: no collection looks at it, now or later.

    Importing dbt and reading its parsed project makes a million objects and hardly any garbage;
    looking for some, again and again, is a tenth of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Watcher:
    """Counts nodes as dbt ends them."""

    def __init__(self, on_node: NodeEnded | None, total: int) -> None:
        self.on_node = on_node
        self.total = total
        self.ended = 0

    def __call__(self, event: Any) -> None:
        if event.info.name != "NodeFinished" or self.on_node is None:
            return
        self.ended += 1
        self.on_node(self.ended, self.total, event.data.node_info.node_name)


def _node_result(result: Any) -> NodeResult:
    node = result.node
    kind = str(getattr(node.resource_type, "value", node.resource_type))
    is_test = kind == "test"
    return NodeResult(
        unique_id=node.unique_id,
        name=node.name,
        kind=kind,
        status=str(getattr(result.status, "value", result.status)),
        severity=str(getattr(node.config, "severity", "error")).lower(),
        failures=int(result.failures or 0),
        message=_one_paragraph(result.message or ""),
        seconds=float(result.execution_time or 0.0),
        relation=_tested_relation(node),
        description=" ".join(str(node.description or "").split()),
        sql=str(getattr(node, "compiled_code", "") or "") if is_test else "",
    )


def _tested_relation(node: Any) -> str:
    """The model that a generic test is attached to, or those that a singular one reads."""
    attached = getattr(node, "attached_node", None)
    parents = [attached] if attached else getattr(node.depends_on, "nodes", [])
    return ", ".join(str(parent).rpartition(".")[2] for parent in parents)


def _one_paragraph(error: object) -> str:
    return " ".join(str(error).split())
