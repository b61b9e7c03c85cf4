"""Fuzz targets for what a run keeps: run.json, the manifests and the ledger, changed by somebody else."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from crmbook import archive, cutover, desk, evidence, lineage, map_history, pipeline, runs, verifier
from crmbook.ledger import Intent, Ledger, Outcome
from fuzz.hostile import HOSTILE, MARKER, Bytes, as_json, damaged, frayed, refusal
from fuzz.readers_source import scratch

_DIGEST: Final = "ab" * 32
RUN: Final[dict[str, Any]] = {
    "customer": "acme", "run_id": "test-01", "env": "test", "created_at": "2026-03-02T09:30:00+00:00", "parameters": {"sample": 0},
    "versions": {"crmbook": "0.1.0"},
    "phases": {name: {"status": "passed", "started_at": "a", "finished_at": "b", "error": MARKER, "inputs": {}, "outputs": {}}
               for name in runs.NAMES},
    "offers": {"mapping": {"hash": _DIGEST, "summary": "3 rows"}, "reconciliation": {"hash": _DIGEST, "summary": "ok"}},
    "approvals": [{"what": "mapping", "hash": _DIGEST, "by": MARKER, "at": "c"}, {"what": "reconciliation", "hash": _DIGEST, "by": "E", "at": "c"}],
    "approve_all": "", "delta": {"base": "test-00"}, "rollback": {"at": "c", "state": "done", "forget": False},
}  # fmt: skip


def run_json(content: bytes) -> None:
    """run.json is hostile: what the commands say of the run, or the file and the key."""
    how = Bytes(content)
    folder = scratch() / "runs" / "acme" / "test-01"
    folder.mkdir(parents=True, exist_ok=True)
    text = how.rest() if how.below(4) == 1 else frayed(as_json(damaged(RUN, how)), how)
    (folder / "run.json").write_bytes(text)
    record = runs.Record(folder)
    with _root(scratch() / "runs"):
        for call in _asked(record):
            refusal(call, r"\b(run\.json|test-0\d|acme|mapping)\b")


def _asked(record: runs.Record) -> Iterator[Callable[[], Any]]:
    yield lambda: desk.status("acme", "", lambda _: None)
    yield lambda: cutover.state("acme", "test")
    yield lambda: lineage.is_approved(record)
    yield lambda: runs.mapping_approval("acme", _DIGEST)
    yield lambda: map_history.approved("acme")
    yield lambda: pipeline._is_current(record, "01_discovery")
    yield lambda: runs.refuse_rolled_back(record)


class _root:  # noqa: N801  reads as what it is in a with statement
    """The folder of customers for as long as a block lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._before = os.environ.get("CRMBOOK_RUNS")
        os.environ["CRMBOOK_RUNS"] = str(self._folder)

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["CRMBOOK_RUNS"]
        else:
            os.environ["CRMBOOK_RUNS"] = self._before


_CALLS: Final[tuple[Callable[[Ledger], Any], ...]] = (
    lambda l: l.meta("plan_sha256"), lambda l: l.spent(), lambda l: l.pending(), lambda l: l.under_way_until(60.0), lambda l: l.finished(),
    lambda l: l.target_ids(), lambda l: l.crosswalk(), lambda l: l.outcomes(), lambda l: l.rejected(), lambda l: l.state_hash(),
    lambda l: l.results(), lambda l: l.standing(), lambda l: l.bind(plan_sha256=_DIGEST), lambda l: l.intend([_intent(9)]),
    lambda l: l.done([Outcome("op9", 99, "{}", origin="created")]), lambda l: l.reopen(["op2"]), lambda l: l.spend("contact", 1),
    lambda l: l.checkpoint(),
)  # fmt: skip


def _intent(number: int) -> Intent:
    return Intent(
        f"op{number}",
        number,
        "contact",
        "create",
        str(number),
        "POST",
        "/contacts",
        _DIGEST,
        before=json.dumps({"email": MARKER}),
    )


@cache
def _ledger() -> Path:
    path = scratch() / "good.db"
    with Ledger(path) as ledger:
        ledger.bind(plan_sha256=_DIGEST, target_host="127.0.0.1:1")
        ledger.intend([_intent(n) for n in range(4)])
        ledger.done([Outcome("op0", 70, json.dumps({"email": MARKER}), origin="created")])
        ledger.reject("op2", [f"{MARKER} already exists"])
        ledger.unclear(["op3"], "no answer")
        ledger.spend("contact", 4)
        ledger.checkpoint()
    return path


def tampered_ledger(content: bytes) -> None:
    """The ledger is hostile: what stood there, or the file named; never a record made up, never a value told."""
    how = Bytes(content)
    path = scratch() / "ledger.db"
    for old in scratch().glob("ledger.db*"):
        old.unlink()
    if how.below(3) == 1:
        path.write_bytes(frayed(_ledger().read_bytes(), how) if how.below(4) else how.rest())
    else:
        shutil.copyfile(_ledger(), path)
        for _ in range(1 + how.below(3)):
            _tamper(path, how)
    for call in _CALLS:

        def asked(call: Callable[[Ledger], Any] = call) -> None:
            with Ledger(path) as ledger:
                call(ledger)

        refusal(asked, r"^ledger\.db: ")


def _tamper(path: Path, how: Bytes) -> None:
    """One change with SQL as somebody would make it who knows SQLite; what the file refuses does not happen."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA ignore_check_constraints=ON")
        columns = verifier.columns_of(db)
        table = how.pick(sorted(columns))
        column, deed = how.pick(columns[table]), how.below(10)
        if deed == 1:
            db.execute(f'DROP TABLE "{table}"')
        elif deed == 2:
            db.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "x{column}"')
        elif deed == 3:
            db.execute(f'DELETE FROM "{table}"')
        else:
            values = [
                v
                for v in HOSTILE
                if v is None or isinstance(v, str | float) or (isinstance(v, int) and abs(v) < 2**63)
            ]
            value: Any = how.pick([*values, b"\xff\x00", "done", "intent", "rejected", "2026-13-01"])
            value = (
                value.encode("utf-8", "surrogatepass")
                if isinstance(value, str) and "\ud800" in value
                else value
            )
            db.execute(
                f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = (SELECT min(rowid) + ? FROM "{table}")',
                (value, how.below(4)),
            )
    except sqlite3.Error:
        return
    finally:
        db.close()


@cache
def _sealed() -> Path:
    """A run of one phase, sealed: run.json, a phase with two files, the chain, a ledger."""
    folder = scratch() / "sealed" / "acme" / "test-01"
    phase = folder / "01_discovery"
    (phase / "data").mkdir(parents=True)
    (phase / "gate.json").write_text("{}", encoding="utf-8")
    (phase / "data" / "raw_contacts.parquet").write_bytes(b"PAR1")
    runs.write_json(folder / "run.json", {**RUN, "approvals": RUN["approvals"][:1], "delta": {"base": ""}})
    shutil.copyfile(_ledger(), folder / "ledger.db")
    record = runs.Record(folder)
    archive.seal_phase(record, "01_discovery")
    archive.seal(record, {"event": "purge", "at": "d", "removed": 0})
    assert verifier.check(folder) == []
    return folder


_SEALED: Final = (
    "manifest.json",
    "manifest.json",
    "01_discovery/manifest.json",
    "run.json",
    "PACK.json",
    "verify.py",
    "ledger.db",
)


def manifests(content: bytes) -> None:
    """A file of a sealed archive is hostile: something is said to be wrong, on lines of their own, and nothing is quoted."""
    how = Bytes(content)
    folder, name = _sealed(), how.pick(_SEALED)
    _chain()
    path = folder / name
    before = path.read_bytes() if path.exists() else b"{}"
    is_json = name.endswith(".json")
    if is_json and how.below(3):
        now = as_json(damaged(json.loads(before), how))
    else:
        now = frayed(before, how) if how.below(2) else how.rest()
    path.write_bytes(now)
    try:
        problems = verifier.check(folder)
        assert problems or now == before, "altered, and nothing is said"
        for line in problems:
            assert line.splitlines() == [line], line
            assert "Zq7" not in line, line
        with _root(folder.parents[1]):
            for call in (evidence.verify, evidence.pack, _seal):
                refusal(partial(call, "acme", "test-01", print_nothing), r"test-01|\.json|ledger\.db|acme")
    finally:
        for made in folder.parent.glob("*.zip"):
            made.unlink()
        _restored(path, before)


def print_nothing(_line: str) -> None:
    """What a command would say goes nowhere."""


def _seal(customer: str, run_id: str, _say: object) -> None:
    archive.seal(runs.Record(runs.root() / customer / run_id))


def _restored(path: Path, before: bytes) -> None:
    """The archive as it was sealed; sealing again may have appended to the chain."""
    if path.name == "PACK.json":
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(before)
    manifest = (
        path.parent / "manifest.json" if path.parent.name == "test-01" else path.parents[1] / "manifest.json"
    )
    manifest.write_bytes(_chain())


@cache
def _chain() -> bytes:
    return (_sealed() / "manifest.json").read_bytes()
