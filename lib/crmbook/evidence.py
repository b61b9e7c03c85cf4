"""`crmbook verify`, `pack` and `purge`: a run's archive checked, handed out, and freed of personal data."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from crmbook import archive, drafts, recount, runs, verifier
from crmbook.errors import UpstreamError, UsageError

Say = Callable[[str], None]
_SHOWN: Final = 20


def verify(customer: str, run_id: str, say: Say) -> dict[str, Any]:
    """
    The archive is complete, unaltered, in order, and its numbers follow from its tables.

    Raises:
        UpstreamError: something is missing, altered or doesn't follow; the first lines name it.
        UsageError: no such run, or it was never sealed.
    """
    record = _record(customer, run_id)
    problems = verifier.check(record.folder)
    content = record.get()
    told = recount.Recount([], []) if problems else recount.recount(record)
    problems += told.findings
    if problems:
        for line in problems[:_SHOWN]:
            say(line)
        raise UpstreamError(
            f"{customer}/{run_id}: {len(problems)} findings, the first: {problems[0]};"
            " compare with a packed copy of the archive"
        )
    head = _head(record)
    for given in content["approvals"]:
        say(f"{given['what']} {given['hash'][:12]} approved by {given['by']} at {given['at']}")
    if told.impossible:
        say(
            "personal data was purged: hashes and order were checked, numbers as far as their tables are still there"
        )
    for line in told.impossible:
        say(f"not recomputed: {line}")
    say(f"complete, unaltered and in order; the last entry of the chain is {head[:16]}")
    return {
        "customer": customer, "run": run_id, "head": head, "recomputed": not told.impossible,
        "not_recomputed": told.impossible, "findings": [],
    }  # fmt: skip


def pack(customer: str, run_id: str, say: Say, *, with_data: bool = False) -> dict[str, Any]:
    """
    One zip of the run's archive beside its folder, the same bytes each time; personal data only *with_data*.

    Raises UpstreamError where the archive itself doesn't hold.
    """
    record = _record(customer, run_id)
    if problems := verifier.check(record.folder):
        raise UpstreamError(
            f"{customer}/{run_id}: {problems[0]}; an archive that does not hold is not packed"
        )
    path = record.folder.with_name(f"{customer}-{run_id}{'-with-data' if with_data else ''}.zip")
    left_out = [
        n
        for n in _evidence(record.folder)
        if not with_data and (archive.is_personal(n) or n == verifier.LEDGER)
    ]
    content = {"customer": customer, "run": run_id, "with_data": with_data, "left_out": left_out}
    names = [name for name in _evidence(record.folder) if name not in left_out]
    members = {name: (record.folder / name).read_bytes() for name in names}
    members[verifier.PACKED] = verifier.canonical(content)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as stream:
            verifier.write_zip(stream, members)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    say(f"{path}: {len(members)} files, {path.stat().st_size:,} bytes, sha256 {runs.sha256(path)[:16]}")
    return {"customer": customer, "run": run_id, "file": str(path), "sha256": runs.sha256(path), **content}


def purge(customer: str, run_id: str, say: Say, *, yes: bool = False) -> dict[str, Any]:
    """
    Personal values gone from the run, evidence kept; itself an entry of the chain.

    Raises:
        UsageError: without *yes*; it says what would go and what would no longer be possible.
        UpstreamError: the archive doesn't hold before the purge.
    """
    record = _record(customer, run_id)
    names = [name for name in _everything(record.folder) if archive.is_personal(name) or _is_work(name)]
    if not yes:
        raise UsageError(
            f"purge deletes {len(names)} files and the values in the ledger of {customer}/{run_id};"
            " rollback and recomputing numbers are no longer possible then; add --yes to do it"
        )
    if not _purged(record) and (problems := verifier.check(record.folder)):
        raise UpstreamError(f"{customer}/{run_id}: {problems[0]}; what does not hold is not purged")
    # said before anything goes: a purge that was cut short is finished by the next one
    archive.seal(record, {"event": "purge", "at": runs.now(), "state": "begun", "files": len(names)})
    for name in names:
        (record.folder / name).unlink(missing_ok=True)
    ledger = record.folder / verifier.LEDGER
    if ledger.exists():
        _empty_values(ledger)
    for copy in record.folder.parent.glob(f"{customer}-{run_id}-with-data.zip"):
        copy.unlink()
        names.append(copy.name)
    names += drafts.remove(record.folder.parent, run_id)
    lost = _no_longer(names)
    head = archive.seal(
        record,
        {"event": "purge", "at": runs.now(), "state": "done", "removed": len(names), "no_longer": lost},
    )
    say(f"{len(names)} files with personal data deleted, the ledger keeps ids, hashes and outcomes")
    say(f"no longer possible: {', '.join(lost)}")
    return {"customer": customer, "run": run_id, "removed": len(names), "no_longer": lost, "head": head}


def _no_longer(names: list[str]) -> list[str]:
    """What nobody can do any more with a run that lacks these files."""
    folders = sorted({name.partition("/")[0] for name in names})
    phases = [folder for folder in folders if verifier.PHASE.fullmatch(folder)]
    return [
        "rollback of this run",
        "opening its tables in the lab",
        *(f"recomputing what was made of the tables of {phase}" for phase in phases),
    ]


def _record(customer: str, run_id: str) -> runs.Record:
    record = runs.Record(runs.root() / customer / run_id)
    record.get()
    if not (record.folder / verifier.MANIFEST).exists():
        raise UsageError(f"{customer}/{run_id}: nothing was sealed yet; run its phases first")
    return record


def _everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _evidence(folder: Path) -> list[str]:
    return [name for name in _everything(folder) if verifier.is_evidence(name)]


def _is_work(name: str) -> bool:
    """Working copies and caches under a run, which are no evidence but may hold values."""
    return name.startswith("drafts/") or ("/data/." in name)


def _purged(record: runs.Record) -> bool:
    return any(entry["event"] == "purge" for entry in archive.chain(record))


def _head(record: runs.Record) -> str:
    return str(archive.chain(record)[-1]["sha256"])


def _empty_values(path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA secure_delete=ON")
        for table, columns in verifier.columns_of(db).items():
            for name in verifier.VALUES.intersection(columns):
                db.execute(f'UPDATE "{table}" SET "{name}" = NULL')  # noqa: S608  names of the file
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
