"""decisions.csv and mapping.xlsx: which of the two counts, and both written again with the same content.

Whichever a person changed last is read; a file is changed where its content differs from what was written, not its
formatting. What was written is remembered beside the files in hashes, without any value. A run without files of
its own starts from what was decided in the newest run whose mapping was approved.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import decision_facts, decisions, mapping_sheets, mapping_xlsx_read, runs
from crmbook.decisions import Decisions, Key, Row
from crmbook.errors import ConfigError
from crmbook.phases import marks
from crmbook.runs import Record, Run

MEMORY: Final = ".written.json"
_READERS: Final = {decisions.NAME: decisions.read_csv, mapping_sheets.NAME: mapping_xlsx_read.read}
_NOTHING: Final = "nothing decided yet: every row is a proposal"


@dataclass(frozen=True)
class Found:
    """
    What was decided before: `decisions` (None: nothing), `told` in one line where that comes from.

    `evidence` is what each row rested on when it was written, by row; `known` the rows that were in the file then,
    `present` those that are in it now.
    """

    decisions: Decisions | None = None
    told: str = _NOTHING
    evidence: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()

    def evidence_of(self, keys: Mapping[Key, str]) -> dict[Key, str]:
        """The evidence remembered for the rows that have any today."""
        named = {key: digest_of(*key) for key in keys}
        return {key: self.evidence[name] for key, name in named.items() if name in self.evidence}

    def deleted(self, rows: pl.DataFrame) -> list[Key]:
        """The rows of *rows* that a person took out of the file; they are proposals again."""
        keys = rows.select("entity", "source_field").iter_rows()
        return [
            (e, f) for e, f in keys if (name := digest_of(e, f)) in self.known and name not in self.present
        ]


def latest(run: Run) -> Found:
    """
    What a person decided in this run's files, else in those of the newest run with an approved mapping.

    Raises:
        ConfigError: the file that counts can't be what it should be.
    """
    folder = run.phase_folder
    if any((folder / name).exists() for name in _READERS):
        return _read(folder)
    for record in reversed(runs.all_runs(run.customer.key)):
        other = record.folder / run.phase
        if (
            record.folder != run.folder
            and _is_approved(record, run.phase)
            and (other / decisions.NAME).exists()
        ):
            found = _parsed(decisions.read_csv(other / decisions.NAME), _memory(other))
            return Found(
                found.decisions, f"decisions taken over from {record.folder.name}, whose mapping is approved",
                found.evidence,
            )  # fmt: skip
    return Found()


def write(run: Run, rows: pl.DataFrame, evidence: Mapping[Key, str], found: Found) -> None:
    """Both files with *rows* (`tables.DECISION_ROWS`); what each rests on is remembered, and where *found* came from."""
    folder = run.phase_folder
    content = rows.sort("position").to_dicts()
    decisions.write_csv(folder / decisions.NAME, content)
    write_workbook(run, rows)
    memory = {
        "told": found.told if found.decisions else "",
        "content": _content(_normal(content)),
        "files": {name: runs.sha256(folder / name) for name in _READERS},
        "rows": {digest_of(r["entity"], r["source_field"]): _effect(r) for r in _normal(content)},
        "evidence": {digest_of(*key): text for key, text in evidence.items()},
    }
    runs.write_json(folder / MEMORY, memory, mode=0o600)


def told(run: Run) -> str:
    """Where the decisions last written came from; blank where nobody had decided anything."""
    return str(_memory(run.phase_folder).get("told", ""))


def write_workbook(run: Run, rows: pl.DataFrame) -> None:
    """mapping.xlsx alone, with what the run's tables tell by now; the same decisions, so nobody changed it."""
    # Imported here: the notebook's other phases need no workbook.
    from crmbook import mapping_xlsx

    rows = rows.sort("position")
    path = run.phase_folder / mapping_sheets.NAME
    mapping_xlsx.write(
        path, rows=rows, facts=decision_facts.facts(run, rows), unmapped=decision_facts.unmapped(run),
        offers=mapping_sheets.offers(rows, decision_facts.known_fields(run)),
    )  # fmt: skip
    if memory := _memory(run.phase_folder):
        memory["files"][path.name] = runs.sha256(path)
        runs.write_json(run.phase_folder / MEMORY, memory, mode=0o600)


def digest_of(entity: str, source_field: str) -> str:
    """The name of a row that tells nothing about what stands in it."""
    return hashlib.sha256(f"{entity}\0{source_field}".encode()).hexdigest()[:16]


def _read(folder: Path) -> Found:
    memory = _memory(folder)
    there = [name for name in _READERS if (folder / name).exists()]
    touched = [name for name in there if runs.sha256(folder / name) != memory.get("files", {}).get(name)]
    # A file may only have been opened and saved; one that can't be read is a change, told where it counts.
    contents = {name: _content_of(folder / name) for name in touched} if len(touched) > 1 else {}
    edited = [name for name in contents if contents[name] != memory.get("content")] or touched
    edited.sort(key=lambda name: (folder / name).stat().st_mtime_ns)
    name = edited[-1] if edited else there[0]
    others = [other for other in edited[:-1] if contents[other] != contents[name]]
    told = f"decisions read from {name}"
    told += ", changed last" if others else ", the file that was changed" if edited else ""
    for other in others:
        copy = folder / f"{Path(other).stem}.not-read{Path(other).suffix}"
        shutil.copy2(folder / other, copy)
        told += f"; {other} was changed too, earlier: it was not read and is kept as {copy.name}"
    found = _parsed(_READERS[name](folder / name), memory)
    return Found(found.decisions, told, found.evidence, found.known, found.present)


def _parsed(rows: list[Row], memory: Mapping[str, Any]) -> Found:
    """*rows* with the edits marked that a person forgot to mark."""
    written = memory.get("rows", {})
    marked = [
        (place, _marked(row, written.get(digest_of(row["entity"], row["source_field"]))))
        for place, row in rows
    ]
    present = frozenset(digest_of(row["entity"], row["source_field"]) for _, row in rows)
    return Found(
        decisions.parsed(marked),
        evidence=memory.get("evidence", {}),
        known=frozenset(written),
        present=present,
    )


def _marked(row: dict[str, str], written: str | None) -> dict[str, str]:
    """*row* as changed where its target or rule is another than was written, and its mark was left alone."""
    if written is None or _effect(row) == written:
        return row
    decision = written.partition(":")[0]
    is_left_alone = row["decision"] == decision and decision in (marks.PROPOSED, marks.SKIP)
    is_placed = bool(row["target_field"]) or decision == marks.PROPOSED
    return row | {"decision": "changed"} if is_left_alone and is_placed else row


def _effect(row: Mapping[str, Any]) -> str:
    """The mark of a row, and a hash of where it goes."""
    where = f"{row['target_field'] or ''}\0{row['rule']}"
    return f"{row['decision']}:{hashlib.sha256(where.encode()).hexdigest()[:16]}"


def _content_of(path: Path) -> str | None:
    """A hash of what stands in the file, None where it can't be read."""
    try:
        return _content([row for _, row in _READERS[path.name](path)])
    except ConfigError:
        return None


def _content(rows: list[dict[str, str]]) -> str:
    """A hash of what a person may change, whatever the order of rows."""
    columns = ("entity", "source_field", "target_field", "rule", "decision", "note")
    lines = sorted(json.dumps([row[c] for c in columns]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _normal(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Rows as either file gives them back: text, trimmed."""
    return [{k: "" if v is None else str(v).strip() for k, v in row.items()} for row in rows]


def _memory(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_approved(record: Record, phase: str) -> bool:
    """Whether the run's mapping is approved as its files stand."""
    content = record.get()
    offer = content["offers"].get("mapping")
    path = record.folder / phase / decisions.NAME
    known = content["phases"].get(phase, {}).get("outputs", {}).get(f"{phase}/{decisions.NAME}")
    if not offer or not path.exists() or runs.sha256(path) != known:
        return False
    return runs.mapping_approval(content["customer"], offer["hash"]) is not None
