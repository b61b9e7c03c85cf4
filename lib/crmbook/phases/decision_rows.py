"""Every decision of 02 as a row: what decisions.csv and mapping.xlsx hold, and what an approved map is kept as.

In: the tables of 02. Out: one row per field, choice, stage, owner, activity type, event, module's tags and list,
with the records each touches. A stage is named `<pipeline> / <stage>`; a slash that stands alone in a name is
doubled, so that the names can be told apart again. Its rule is `round`, or the percent a person set.
"""

import re
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases import choice_map, marks
from crmbook.phases.standard_map import MODULES

COLUMNS: Final = (
    "entity", "source_field", "target_entity", "target_field", "rule", "decision", "confidence", "reason", "note",
)  # fmt: skip
STAGE, OWNER = "stage", "owner"
ROUND: Final = "round"
_SEPARATOR: Final = " / "
_ALONE: Final = r"(?<![^ ])(/+)(?![^ ])"

Rows = list[dict[str, Any]]


def rows(
    *,
    mapping: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    choices: pl.DataFrame,
    history: pl.DataFrame,
    fields: pl.DataFrame,
    before: dict[tuple[str, str], tuple[str, str]],
) -> pl.DataFrame:
    """
    The rows in the order a person reads them, columns as `tables.DECISION_ROWS`.

    *history* are the rows of `planning.rows`, *fields* `tables.FIELDS`; *before* has the decision and the note a
    person left by (entity, source field), which rows beside fields keep.
    """
    filled = {(e, f): n for e, f, n in fields.select("entity", "field", "filled").iter_rows()}
    made: Rows = [
        {**row, "records": filled.get((row["entity"], row["source_field"].partition(":$")[0]), 0)}
        for entity in MODULES
        for row in mapping.filter(pl.col("entity") == entity).iter_rows(named=True)
    ]
    others = [*_choices(choices, mapping), *_stages(stages), *_owners(owners), *_history(history, filled)]
    for row in others:
        decision, note = before.get((row["entity"], row["source_field"]), (marks.PROPOSED, ""))
        made.append({**row, "decision": decision, "note": note})
    made = [{**row, "position": position} for position, row in enumerate(made, 1)]
    return pl.DataFrame(made, schema=tables.DECISION_ROWS.columns)


def stage_name(pipeline: str, stage: str) -> str:
    """Both names in one cell."""
    return _SEPARATOR.join(re.sub(_ALONE, r"\1/", name) for name in (pipeline, stage))


def stage_parts(name: str) -> tuple[str, str]:
    """Pipeline and stage as `stage_name` joined them; a blank stage where the separator is missing."""
    parts = name.partition(_SEPARATOR)
    pipeline, stage = (re.sub(_ALONE, lambda m: m[1][1:] or m[1], part) for part in (parts[0], parts[2]))
    return pipeline.strip(), stage.strip()


def _stages(stages: pl.DataFrame) -> Rows:
    return [
        {
            "entity": STAGE,
            "source_field": f"{r['pipeline_id']}/{r['stage_id']}",
            "target_entity": "deal_stage",
            "target_field": stage_name(r["target_pipeline"], r["target_stage"]),
            "rule": stage_rule(r["probability"], r["target_probability"]),
            "confidence": 1.0,
            "reason": "added: deals are closed in an open stage"
            if r["is_added"]
            else f"{r['deals']:,} deals",
            "records": r["deals"],
        }
        for r in stages.sort("pipeline_id", "target_position").iter_rows(named=True)
    ]


def stage_rule(given: float | None, percent: int | None) -> str:
    """`round` where *percent* is what rounding makes of the source's probability, else the percent itself."""
    rounded = None if given is None else int(given + 0.5)
    return ROUND if percent is None or percent == rounded else f"{percent} %"


def _owners(owners: pl.DataFrame) -> Rows:
    return [
        {
            "entity": OWNER,
            "source_field": r["agent_id"],
            "target_entity": "user",
            "target_field": r["email"] or "",
            "rule": "identity",
            "confidence": 1.0 if r["email"] else 0.0,
            "reason": f"same e-mail; owns {r['records']:,} records"
            if r["email"]
            else "no e-mail known; the admin owns the records",
            "records": r["records"],
        }
        for r in owners.iter_rows(named=True)
    ]


def _choices(choices: pl.DataFrame, mapping: pl.DataFrame) -> Rows:
    module = {
        (row["entity"], row["source_field"]): row["target_entity"] for row in mapping.iter_rows(named=True)
    }
    return [
        {
            "entity": choice_map.ENTITY,
            "source_field": r["key"],
            "target_entity": module.get((r["entity"], r["source_field"]), ""),
            "target_field": r["target_value"] or "",
            "rule": "identity",
            "confidence": 1.0,
            "reason": f"{r['records']:,} records",
            "records": r["records"],
        }
        for r in choice_map.with_keys(choices).iter_rows(named=True)
    ]


def _history(history: pl.DataFrame, filled: dict[tuple[str, str], int]) -> Rows:
    made: Rows = [{**row, "confidence": 1.0} for row in history.iter_rows(named=True)]
    for row in made:
        if row["records"] is None:
            row["records"] = filled.get((row["source_field"], "tags"), 0)
    return made
