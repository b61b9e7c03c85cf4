"""decisions.csv: the mapping as a person edits it, and back.

In and out: the mapping, the stages, the owners and what carries the history as rows of one file, columns as the
contract names them. A stage is a row `stage` whose target is `<pipeline> / <stage>`, an owner a row `owner`
whose target is the e-mail of a Freshsales user; that makes the file personal, and it is written 0600. Rows
`activity_type` and `event` name a carrier, `tag` a mode, `list` the list's name. Every fault names file, line,
column and what was expected.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import clean, csvfiles, tables
from crmbook.phases import planning
from crmbook.phases.mapping import DECISIONS, PERSONS
from crmbook.phases.standard_map import MODULES

COLUMNS: Final = (
    "entity", "source_field", "target_entity", "target_field", "rule", "decision", "confidence", "reason", "note",
)  # fmt: skip
NAME: Final = "decisions.csv"
_STAGE: Final = {"target_entity": "deal_stage", "rule": "round"}
_OWNER: Final = {"target_entity": "user", "rule": "identity"}
_TARGETS: Final = {
    "contact": frozenset(tables.CONTACTS.columns),
    "company": frozenset(tables.ACCOUNTS.columns),
    "deal": frozenset(tables.DEALS.columns),
}

_STAGES: Final = dict.fromkeys(("pipeline_id", "stage_id", "target", "decision"), pl.String)
_OWNERS: Final = dict.fromkeys(("agent_id", "email", "decision"), pl.String)

Line = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Decisions:
    """
    What stands in the file: `mapping` as `tables.MAPPING`; `stages` (pipeline_id, stage_id, target,
    decision), `owners` (agent_id, email, decision) and `history` (`planning.DECIDED`) hold only the rows a
    person decided.
    """

    mapping: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    history: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=planning.DECIDED))


def write(
    path: Path,
    *,
    mapping: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    history: pl.DataFrame | None = None,
    before: Decisions | None = None,
) -> None:
    """
    The tables as rows at *path*; *history* are the rows of `planning.rows`.

    What a person decided in *before* beside fields keeps that mark.
    """
    marked = _marked(before)
    rows: list[dict[str, Any]] = mapping.to_dicts()
    rows += [
        {
            "entity": "stage",
            "source_field": f"{r['pipeline_id']}/{r['stage_id']}",
            **_STAGE,
            "target_field": f"{r['target_pipeline']} / {r['target_stage']}",
            "decision": marked.get(("stage", f"{r['pipeline_id']}/{r['stage_id']}"), "proposed"),
            "confidence": 1.0,
            "reason": "added: deals are closed in an open stage"
            if r["is_added"]
            else f"{r['deals']:,} deals",
            "note": "",
        }
        for r in stages.sort("pipeline_id", "target_position").iter_rows(named=True)
    ]
    rows += [
        {
            "entity": "owner",
            "source_field": r["agent_id"],
            **_OWNER,
            "target_field": r["email"] or "",
            "decision": marked.get(("owner", r["agent_id"]), "proposed"),
            "confidence": 1.0 if r["email"] else 0.0,
            "reason": f"same e-mail; owns {r['records']:,} records"
            if r["email"]
            else "no e-mail known; the admin owns the records",
            "note": "",
        }
        for r in owners.iter_rows(named=True)
    ]
    rows += [
        {
            **r,
            "decision": marked.get((r["entity"], r["source_field"]), "proposed"),
            "confidence": 1.0,
            "note": "",
        }
        for r in ([] if history is None else history.iter_rows(named=True))
    ]
    csvfiles.write(path, COLUMNS, rows)


def read(path: Path) -> Decisions | None:
    """
    The decisions in the file, None where there is none.

    Raises:
        ConfigError: a row that can't be what its column says, or two rows for the same thing.
    """
    if not path.is_file():
        return None
    lines = csvfiles.read(path, COLUMNS)
    _check_unique(path.name, lines)
    for line, row in lines:
        _check_row(path.name, line, row)
    fields = [line for line in lines if line[1]["entity"] in MODULES]
    _check_targets(path.name, fields)
    mapping = pl.DataFrame([_mapping_row(path.name, *line) for line in fields], schema=tables.MAPPING.columns)
    decided = [line for line in lines if line[1]["decision"] in PERSONS]
    stages = [_stage_row(path.name, *line) for line in decided if line[1]["entity"] == "stage"]
    owners = [_owner_row(path.name, *line) for line in decided if line[1]["entity"] == "owner"]
    history = [
        {column: row[column] for column in planning.DECIDED}
        for _, row in decided
        if row["entity"] in planning.ENTITIES
    ]
    return Decisions(
        tables.conform(mapping, tables.MAPPING),
        pl.DataFrame(stages, schema=_STAGES),
        pl.DataFrame(owners, schema=_OWNERS),
        pl.DataFrame(history, schema=planning.DECIDED),
    )


def _marked(before: Decisions | None) -> dict[tuple[str, str], str]:
    if before is None:
        return {}
    stages = before.stages.select("pipeline_id", "stage_id", "decision").iter_rows()
    owners = before.owners.select("agent_id", "decision").iter_rows()
    marks = {("stage", f"{pipeline}/{stage}"): decision for pipeline, stage, decision in stages}
    marks |= {("owner", agent): decision for agent, decision in owners}
    others = before.history.select("entity", "source_field", "decision").iter_rows()
    return marks | {(entity, field): decision for entity, field, decision in others}


def _check_unique(name: str, lines: list[Line]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for line, row in lines:
        key = (row["entity"], row["source_field"])
        if key in seen:
            raise csvfiles.fault(
                name, line, "source_field", f"the same {key[0]} field as in line {seen[key]}"
            )
        seen[key] = line


def _check_row(name: str, line: int, row: dict[str, str]) -> None:
    entities = (*MODULES, "stage", "owner", *planning.ENTITIES)
    if row["entity"] not in entities:
        raise csvfiles.fault(name, line, "entity", f"expected one of {', '.join(entities)}")
    if row["decision"] not in DECISIONS:
        raise csvfiles.fault(name, line, "decision", f"expected one of {', '.join(DECISIONS)}")
    if row["entity"] in MODULES:
        _check_field(name, line, row)
    elif row["entity"] in planning.ENTITIES:
        _check_history(name, line, row)
    elif row["decision"] == "skip":
        raise csvfiles.fault(
            name, line, "decision", f"a {row['entity']} can't be skipped; expected confirmed or changed"
        )


def _check_field(name: str, line: int, row: dict[str, str]) -> None:
    module = MODULES[row["entity"]]
    if row["target_entity"] != module:
        raise csvfiles.fault(name, line, "target_entity", f"expected {module}")
    if row["rule"] not in clean.RULES:
        raise csvfiles.fault(name, line, "rule", f"expected one of {', '.join(clean.RULES)}")
    target = row["target_field"]
    if row["decision"] in PERSONS[:2] and not target:
        raise csvfiles.fault(
            name, line, "target_field", "is empty; name a target or set the decision to skip"
        )
    if row["rule"] == "identity" or not target or row["decision"] == "skip":
        return
    if target.startswith("cf_"):
        if target != target.lower() or target == "cf_" or any(c.isspace() for c in target):
            raise csvfiles.fault(
                name, line, "target_field", "expected cf_ and lower-case words without blanks"
            )
    elif target not in _TARGETS[row["entity"]]:
        known = ", ".join(
            sorted(t for t in _TARGETS[row["entity"]] if not t.endswith("_id") and t != "source_id")
        )
        raise csvfiles.fault(
            name, line, "target_field", f"{module} has no such field; expected cf_… or one of {known}"
        )


def _check_history(name: str, line: int, row: dict[str, str]) -> None:
    targets, may_skip = planning.ENTITIES[row["entity"]]
    if row["decision"] == "skip":
        if not may_skip:
            raise csvfiles.fault(
                name, line, "decision", "tags are left behind by the row `tags` of the entity; expected confirmed"
                " or changed",
            )  # fmt: skip
    elif row["decision"] in PERSONS and not row["target_field"].strip():
        raise csvfiles.fault(
            name, line, "target_field", "is empty; name a target or set the decision to skip"
        )
    elif row["decision"] in PERSONS and targets and row["target_field"] not in targets:
        raise csvfiles.fault(name, line, "target_field", f"expected one of {', '.join(targets)}")


def _check_targets(name: str, lines: list[Line]) -> None:
    taken: dict[tuple[str, str], int] = {}
    for line, row in lines:
        if row["decision"] not in ("confirmed", "changed") or row["rule"] == "identity":
            continue
        key = (row["entity"], row["target_field"])
        if key in taken:
            raise csvfiles.fault(name, line, "target_field", f"the same target as in line {taken[key]}")
        taken[key] = line


def _mapping_row(name: str, line: int, row: dict[str, str]) -> dict[str, Any]:
    confidence = csvfiles.number(name, line, "confidence", row["confidence"], float)
    if confidence is not None and not 0 <= confidence <= 1:
        raise csvfiles.fault(name, line, "confidence", "expected a number from 0 to 1")
    return {**row, "confidence": confidence}


def _stage_row(name: str, line: int, row: dict[str, str]) -> dict[str, str]:
    pipeline_id, _, stage_id = row["source_field"].partition("/")
    pipeline, separator, stage = row["target_field"].partition(" / ")
    if not (pipeline_id and stage_id):
        raise csvfiles.fault(name, line, "source_field", "expected <pipeline id>/<stage id>")
    if not (separator and pipeline.strip() and stage.strip()):
        raise csvfiles.fault(name, line, "target_field", "expected <pipeline> / <stage>")
    ids = {"pipeline_id": pipeline_id, "stage_id": stage_id}
    return {**ids, "target": row["target_field"], "decision": row["decision"]}


def _owner_row(name: str, line: int, row: dict[str, str]) -> dict[str, str]:
    email = row["target_field"]
    if email.count("@") != 1 or any(c.isspace() for c in email):
        raise csvfiles.fault(name, line, "target_field", "expected the e-mail of a Freshsales user")
    return {"agent_id": row["source_field"], "email": email, "decision": row["decision"]}
