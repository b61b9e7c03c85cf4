"""Does every number of the report follow from the tables and the ledger it was made of?

The sentences that made the tables of 01, 04, 05, 06 and 07 are said again over the stored tables, with a run that
compares where the real one writes. Then the front page is rendered again and compared word by word. Nothing is
written and no vendor is asked. Invariant: the first thing that differs is named, never a value about a person.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl

from crmbook import apply, config, front, lineage, losses, readback, report, runs, steps, tables
from crmbook.errors import UpstreamError
from crmbook.phases import edition as editions
from crmbook.phases import load
from crmbook.runs import Run

_WORD: Final = re.compile(r">([^<>]+)<")


@dataclass
class Recounted(Run):
    """A phase said again: what it would save or offer is held against what it saved and offered."""

    findings: list[str] = field(default_factory=list)

    def save(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        shaped = tables.conform(frame, tables.of(table))
        stored = pl.read_parquet(self.path_of(table))
        if not shaped.equals(stored):
            self.findings.append(f"{self.phase}/data/{table}.parquet: {_difference(stored, shaped)}")
        return stored

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.phase_folder / name
        stored = path.read_bytes()
        if isinstance(content, str) and stored != content.encode():
            self.findings.append(f"{self.phase}/{name}: {_first_word(stored.decode(), content)}")
        elif isinstance(content, bytes) and stored != content:
            self.findings.append(f"{self.phase}/{name}: its cells are not those its tables give")
        return path

    def offer(self, what: str, digest: str, summary: str) -> None:
        offered = self.record.get()["offers"].get(what, {})
        if offered.get("hash") != digest:
            self.findings.append(f"run.json: the {what} that was approved is not the one its tables give")
        elif offered.get("summary") != summary:
            self.findings.append(f"run.json: the {what} was offered in other words than its tables give")

    def progress(self, entity: str, done: int, total: int | None = None) -> None:
        """Nobody watches a recount."""

    def log(self, event: str, **fields: float | str | None) -> None:
        """A recount leaves no trace in the archive."""


@dataclass(frozen=True)
class Recount:
    """`findings`: a line per table, approval or number that doesn't follow; `impossible`: one per phase that lacks tables."""

    findings: list[str]
    impossible: list[str]


def recount(record: runs.Record) -> Recount:
    """Every table, approval and number held against what it was made of, as far as that is still there."""
    content = record.get()
    settled = config.read(record.folder.parent / "customer.toml")
    found: list[str] = []
    impossible: list[str] = []
    for phase, say in _SENTENCES.items():
        state = content["phases"].get(phase, {})
        if state.get("status") != "passed":
            continue
        run = Recounted(record, phase, settled, content["env"], state.get("parameters", {}))
        try:
            say(run)
        except (FileNotFoundError, UpstreamError):
            gone = _gone(content, record.folder)
            if not gone:
                raise
            impossible.append(f"{phase} is made of tables that are gone, {gone[0]} first")
        found += run.findings
    shown = {f"{phase}/data/{table}.parquet" for phase, table in front.TABLES}
    if lost := [name for name in _gone(content, record.folder) if name in shown]:
        return Recount(found, [*impossible, f"index.html is made of tables that are gone, {lost[0]} first"])
    return Recount(found + list(_front(record, settled)), impossible)


def _gone(content: Mapping[str, Any], folder: Path) -> list[str]:
    """The tables that the phases left once and that are no longer there."""
    left = [name for state in content["phases"].values() for name in state.get("outputs", {})]
    return [name for name in left if not (folder / name).exists()]


def _discovery(run: Run) -> None:
    steps.discover(run)
    steps.scope(run)


def _load(run: Run) -> None:
    planned = run.scan("plan").select("op_id", "seq", "entity", "action").collect()
    if planned.height or not lineage.base_id(run.record):
        run.offer("plan", load.plan_hash(run.scan("plan")), load.headline(planned))
    run.save("crosswalk", apply.crosswalk(run))
    run.save("outcomes", apply.outcomes(run, planned))


def _mapping(run: Run) -> None:
    losses.preview(run)
    steps.offer_mapping(run)


def _normalization(run: Run) -> None:
    steps.normalize(run)
    losses.agree(run)


def _reconciliation(run: Run) -> None:
    modules = editions.of(run.target.edition).modules.values()
    actual = readback.told(run, [f"actual_{module}" for module in modules])
    steps.reconcile(run, actual)
    losses.find(run, actual)
    steps.offer_reconciliation(run)


_SENTENCES: Final[dict[str, Callable[[Run], Any]]] = {
    "01_discovery": _discovery,
    "02_mapping": _mapping,
    "04_normalization": _normalization,
    "05_load": _load,
    "06_reconciliation": _reconciliation,
    "07_handoff": steps.hand_over,
}


def _front(record: runs.Record, settled: config.Customer) -> Iterator[str]:
    page = record.folder / "index.html"
    if not page.exists():
        return
    target = settled.target(record.get()["env"])
    with TemporaryDirectory() as folder:
        again = report.write_front(
            record, name=settled.name, edition=target.edition, plan=target.plan, path=Path(folder) / page.name
        ).read_text(encoding="utf-8")
    shown = page.read_text(encoding="utf-8")
    if shown != again:
        yield f"index.html: {_first_word(shown, again)}"


def _difference(stored: pl.DataFrame, again: pl.DataFrame) -> str:
    if stored.height != again.height:
        return f"{stored.height} rows, {again.height} follow from its sources"
    for name in stored.columns:
        if name not in again.columns or not stored[name].equals(again[name], null_equal=True):
            return f"column {name} does not follow from its sources"
    return "its columns are not those that follow from its sources"


def _first_word(shown: str, again: str) -> str:
    for there, computed in zip(_WORD.findall(shown), _WORD.findall(again), strict=False):
        if there != computed:
            return f"it says “{there.strip()}” where the tables give “{computed.strip()}”"
    return "its markup is not the one its tables give"
