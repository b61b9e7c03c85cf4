"""mapping.xlsx as a plan: its sheets, their columns, which cells a person edits, and what each drop-down offers.

A sheet is named as the entity of decisions.csv whose rows it holds, a column as the column there; what else a
column tells (counts, never a value) is only there to decide by. A stage has columns for pipeline, stage and
probability, which are one target and one rule in decisions.csv.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import clean, decisions
from crmbook.phases import choice_map, marks, planning
from crmbook.phases.decision_rows import OWNER, STAGE
from crmbook.phases.standard_map import MODULES

NAME: Final = "mapping.xlsx"
GUIDE: Final = "read me"
UNMAPPED: Final = "unmapped"
LISTS: Final = "drop-downs"
# Rows a person may add below the fields, one for each part of a JSON property.
SPARE_ROWS: Final = 20
TARGET_PIPELINE, TARGET_STAGE, PERCENT = "target_pipeline", "target_stage", "target_probability"
TARGET_ENTITIES: Final = {
    **MODULES, STAGE: "deal_stage", OWNER: "user", planning.ACTIVITY_TYPE: "history", planning.EVENT: "history",
    planning.TAG: "tag", planning.LIST: "list",
}  # fmt: skip
_DECISIONS: Final = {True: "decision", False: "decision without skip"}


@dataclass(frozen=True)
class Column:
    """One column; `offers` names its drop-down, which is only advice unless `is_strict`."""

    name: str
    width: float = 14
    is_edited: bool = False
    offers: str = ""
    is_strict: bool = True
    number_format: str = "@"


@dataclass(frozen=True)
class Sheet:
    """One sheet of rows; `told` are the columns that only inform."""

    entity: str
    columns: tuple[Column, ...]
    title: str

    @property
    def content(self) -> tuple[str, ...]:
        """The columns that are read back; without them the sheet can't be."""
        return tuple(c.name for c in self.columns if c.name in _CONTENT)


_CONTENT: Final = frozenset(
    {"source_field", "target_field", "rule", "decision", "confidence", "reason", "note", TARGET_PIPELINE,
     TARGET_STAGE, PERCENT}
)  # fmt: skip
_COUNT: Final = "#,##0"


def _count(name: str) -> Column:
    return Column(name, 11, number_format=_COUNT)


def _text(name: str, width: float = 22) -> Column:
    return Column(name, width)


_TOLD: Final[dict[str, tuple[Column, ...]]] = {
    **dict.fromkeys(
        MODULES,
        (_text("label", 24), _text("type", 24), Column("filled", 9, number_format="0%"), _count("records"),
         _count("distinct"), _count("longest"), _text("perhaps", 26)),
    ),
    choice_map.ENTITY: (_count("records"),),
    STAGE: (_text("pipeline", 28), _text("stage"), Column("probability", 12, number_format="General"), _count("deals")),
    OWNER: (_text("name"), _text("email", 30), _count("records")),
    planning.ACTIVITY_TYPE: (_text("name", 26), _text("kind", 12), _count("records")),
    planning.EVENT: (_count("records"), _count("calls")),
    planning.TAG: (_count("records"), _count("distinct"), _count("most_per_record")),
    planning.LIST: (_text("name", 30), _text("kind", 12), _count("members")),
}  # fmt: skip
_TITLES: Final = {
    "contact": "fields of contacts",
    "company": "fields of companies",
    "deal": "fields of deals",
    choice_map.ENTITY: "what each choice of a field becomes",
    STAGE: "pipelines, stages and probabilities",
    OWNER: "the Freshsales user for each agent",
    planning.ACTIVITY_TYPE: "what carries each kind of activity",
    planning.EVENT: "what carries each custom event",
    planning.TAG: "how tags are carried",
    planning.LIST: "lists and segments as contact lists",
}


def sheets(*, has_loss: bool = False) -> list[Sheet]:
    """The sheets with rows, in order; *has_loss*: the fields tell what their rule would lose."""
    return [Sheet(entity, _columns(entity, has_loss=has_loss), title) for entity, title in _TITLES.items()]


def _columns(entity: str, *, has_loss: bool) -> tuple[Column, ...]:
    is_field = entity in MODULES
    width = 44 if entity == choice_map.ENTITY else 30 if is_field or entity == planning.EVENT else 16
    loss = (_text("loss", 26),) if is_field and has_loss else ()
    return (
        Column("source_field", width), *_TOLD[entity], *loss, *_targets(entity),
        Column("decision", 13, is_edited=True, offers=_decision_list(entity)),
        Column("confidence", 12, number_format="0.00"), Column("reason", 58), Column("note", 40, is_edited=True),
    )  # fmt: skip


def _targets(entity: str) -> tuple[Column, ...]:
    if entity == STAGE:
        return (
            Column(TARGET_PIPELINE, 28, is_edited=True),
            Column(TARGET_STAGE, 28, is_edited=True),
            Column(PERCENT, 18, is_edited=True, number_format="General"),
        )
    offers = (
        f"targets of {entity}" if entity in MODULES or planning.ENTITIES.get(entity, ((), True))[0] else ""
    )
    target = Column("target_field", 32, is_edited=True, offers=offers, is_strict=entity not in MODULES)
    return (target, Column("rule", 13, is_edited=True, offers="rule")) if entity in MODULES else (target,)


def _decision_list(entity: str) -> str:
    may_skip = (
        entity in MODULES or entity == choice_map.ENTITY or planning.ENTITIES.get(entity, (None, False))[1]
    )
    return _DECISIONS[may_skip]


def offers(rows: pl.DataFrame, known: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """
    What each drop-down offers.

    *rows* are the decisions (`tables.DECISION_ROWS`); *known* the custom fields the target has, by module.
    """
    made = {
        "rule": sorted(clean.RULES), _DECISIONS[True]: list(marks.DECISIONS),
        _DECISIONS[False]: [d for d in marks.DECISIONS if d != marks.SKIP],
    }  # fmt: skip
    for entity, module in MODULES.items():
        used = rows.filter(pl.col("entity") == entity)["target_field"].drop_nulls().unique().to_list()
        custom = {name for name in [*used, *known.get(module, [])] if name.startswith("cf_")}
        structural = {name for name in used if name and not name.startswith("cf_")}
        made[f"targets of {entity}"] = [
            *sorted(structural | set(decisions.standard_targets(entity))), *sorted(custom),
        ]  # fmt: skip
    for entity, (targets, _) in planning.ENTITIES.items():
        if targets:
            made[f"targets of {entity}"] = list(targets)
    return made
