"""The run's archive: what each step left behind, chained so that nothing can change or vanish unnoticed.

A phase that ended, however it ended, gets a manifest.json naming each of its files; the run's manifest.json is a
chain of entries, each holding the hash of the one before: phases, approvals, reassignments, rollbacks, purges.
`verifier` checks it, and lies in every run folder as verify.py. Invariant: sealing changes no evidence.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from crmbook import runs, tables, verifier
from crmbook.errors import DataError, SchemaError
from crmbook.ledger import Ledger

VERIFIER: Final = "verify.py"
DATA_DOCS: Final = "data_docs"
_LOG: Final = "log.jsonl"
# What a phase may not start without; an approval given in another run of the customer counts for the mapping.
_STANDS_ON: Final = {
    "03_workspace": ("mapping",),
    "04_normalization": ("mapping",),
    "05_load": ("mapping", "plan"),
    "06_reconciliation": ("mapping", "plan"),
    "07_handoff": ("mapping", "plan", "reconciliation"),
}

Entry = dict[str, Any]


def seal_phase(record: runs.Record, phase: str) -> None:
    """*phase* as it ended: its manifest.json, with every file it left and the approvals it stood on."""
    folder = record.folder / phase
    (folder / verifier.MANIFEST).unlink(missing_ok=True)
    state = record.phase(phase)
    manifest = {
        "phase": phase,
        "status": state.get("status"),
        "finished_at": state.get("finished_at"),
        "files": _listed(folder, folder),
        "previous": _last(record).get("sha256", ""),
        "approvals": _stood_on(record, phase),
    }
    runs.write_json(folder / verifier.MANIFEST, manifest)


def seal(record: runs.Record, *events: Entry) -> str:
    """
    Everything new since the last seal, chained; *events* are further steps (`event` says which, as "purge").

    Returns the hash of the last entry. Raises DataError where the manifest can't be read.
    """
    _place_verifier(record.folder)
    entries = chain(record)
    ledger = _ledger(record.folder)
    for entry in [*_new(record, entries), *events]:
        _append(entries, entry | ({"ledger": ledger} if ledger and entry in events else {}))
    files = _root_files(record.folder)
    digest = verifier.sha256(verifier.canonical(files))
    last = entries[-1] if entries else {}
    if last.get("files") != digest or (ledger and last.get("ledger") != ledger):
        _append(
            entries,
            {"event": "seal", "at": runs.now(), "files": digest} | ({"ledger": ledger} if ledger else {}),
        )
    runs.write_json(record.folder / verifier.MANIFEST, {"chain": entries, "files": files})
    return str(entries[-1]["sha256"])


def role(name: str) -> str:
    """What a file of the archive is for, in one word."""
    if Path(name).parts[0] == DATA_DOCS:
        return "rules and their results"
    return _ROLES.get(Path(name).name) or _SUFFIXES.get(Path(name).suffix, "other")


def is_personal(name: str) -> bool:
    """Whether a file under a data folder may hold values about people; tables say it of themselves."""
    path = Path(name)
    if "data" not in path.parts:
        return False
    if path.suffix != ".parquet":
        return path.name not in _HARMLESS
    try:
        table = tables.of(path.stem)
    except SchemaError:
        return True
    return bool(table.personal or table.prefix)


_ROLES: Final = {
    "notebook.ipynb": "executed notebook", "report.html": "readable notebook", "gate.json": "verdicts of the gate",
    "summary.json": "numbers", "run.json": "state and approvals", "index.html": "report of the run",
    "log.jsonl": "log", VERIFIER: "verifier", "decisions.csv": "decisions", "mapping.xlsx": "decisions",
    "checklist.csv": "checklist", "automations.csv": "inventory",
}  # fmt: skip
_SUFFIXES: Final = {".parquet": "table", ".html": "page", ".csv": "list", ".json": "facts"}
_HARMLESS: Final = ("plan_inputs.json",)
_PHASE_KEYS: Final = frozenset({"phase", "status", "finished_at", "approvals"})


def _listed(folder: Path, base: Path) -> dict[str, Entry]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(base).as_posix()
        if path.is_file() and verifier.is_evidence(name):
            found[name] = _described(path, name)
    return found


def _described(path: Path, name: str) -> Entry:
    return {
        "sha256": runs.sha256(path), "size_bytes": path.stat().st_size, "role": role(name),
        "personal": is_personal(name),
    }  # fmt: skip


def _root_files(folder: Path) -> dict[str, Entry]:
    """The files beside the phases' folders, and the Data Docs; of the log, what it holds now, since it only grows."""
    found = {}
    apart = (verifier.MANIFEST, verifier.LEDGER)
    for path in sorted([*folder.iterdir(), *(folder / DATA_DOCS).rglob("*")]):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and verifier.is_evidence(name) and name not in apart:
            found[name] = _described(path, name) | ({"grows": True} if name == _LOG else {})
    return found


def _new(record: runs.Record, sealed: Iterable[Entry]) -> list[Entry]:
    """Phases and approvals the chain doesn't hold yet, in the order they happened."""
    sealed = list(sealed)
    known = {entry.get("manifest") for entry in sealed} - {None}
    found: list[Entry] = []
    for path in record.folder.glob(f"*/{verifier.MANIFEST}"):
        digest = runs.sha256(path)
        if verifier.PHASE.fullmatch(path.parent.name) and digest not in known:
            said = _json(path)
            if not said.keys() >= _PHASE_KEYS:
                raise DataError(
                    f"{path.parent.name}/{path.name}: no manifest of a phase; restore it from a copy"
                )
            found.append(
                {
                    "event": "phase", "phase": said["phase"], "status": said["status"], "at": said["finished_at"] or "",
                    "manifest": digest, "stood_on": said["approvals"],
                }
            )  # fmt: skip
    given_before = sum(entry["event"] == "approval" for entry in sealed)
    approvals = record.get()["approvals"][given_before:]
    found += [{"event": "approval", "at": given["at"], "approval": given} for given in approvals]
    return sorted(found, key=lambda entry: (entry["at"], entry["event"]))


def _append(entries: list[Entry], entry: Mapping[str, Any]) -> None:
    content = {**entry, "number": len(entries) + 1, "previous": entries[-1]["sha256"] if entries else ""}
    entries.append({**content, "sha256": verifier.sha256(verifier.canonical(content))})


def _stood_on(record: runs.Record, phase: str) -> list[Entry]:
    content = record.get()
    found = []
    for what in _STANDS_ON.get(phase, ()):
        digest = content["offers"].get(what, {}).get("hash", "")
        own = record.approved(what, digest)
        if own:
            found.append(dict(own))
        elif what == "mapping" and (other := runs.mapping_approval(content["customer"], digest)):
            found.append({**other, "run": "another run of the customer"})
    return found


def _ledger(folder: Path) -> dict[str, str] | None:
    path = folder / verifier.LEDGER
    if not path.exists():
        return None
    with Ledger(path) as ledger:
        ledger.checkpoint()
    try:
        return verifier.ledger_digests(path)
    except sqlite3.DatabaseError as problem:
        raise DataError(
            f"{path.name}: {problem}; restore a backup, or make it anew with --rebuild-ledger"
        ) from None


def _place_verifier(folder: Path) -> None:
    source, there = Path(verifier.__file__), folder / VERIFIER
    if not there.exists() or there.read_bytes() != source.read_bytes():
        shutil.copyfile(source, there)


def chain(record: runs.Record) -> list[Entry]:
    path = record.folder / verifier.MANIFEST
    if not path.exists():
        return []
    content = _json(path)
    if not verifier.is_whole(content):
        raise DataError(f"{path.parent.name}/{path.name}: not as it was sealed; restore it from a copy")
    return list(content["chain"])


def _last(record: runs.Record) -> Entry:
    entries = chain(record)
    return entries[-1] if entries else {}


def _json(path: Path) -> Entry:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        verifier.canonical(content)
    except (ValueError, OSError, RecursionError) as problem:
        raise DataError(
            f"{path.parent.name}/{path.name}: not readable ({type(problem).__name__}); restore it from a copy"
        ) from None
    if not isinstance(content, dict):
        raise DataError(f"{path.parent.name}/{path.name}: no object; restore it from a copy")
    return content
