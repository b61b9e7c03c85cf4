"""What a person decided: the rows of decisions.csv or mapping.xlsx, checked and taken apart.

In: rows with the place each stands at. Out: what they decide, table by table. A stage is a row `stage` whose target
is `<pipeline> / <stage>`, an owner a row `owner` whose target is the e-mail of a Freshsales user (so the files are
personal, and written 0600), a choice a row `choice` named `<entity>.<field>:<value>`. Rows `activity_type` and
`event` name a carrier, `tag` a mode, `list` the list's name. Every fault names its place and what was expected; up
to ten are told at once.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import clean, csvfiles, tables
from crmbook.errors import ConfigError, named
from crmbook.phases import choice_map, decision_rows, marks, planning
from crmbook.phases.decision_rows import OWNER, STAGE
from crmbook.phases.standard_map import MODULES

COLUMNS: Final = decision_rows.COLUMNS
NAME: Final = "decisions.csv"
ENTITIES: Final = (*MODULES, choice_map.ENTITY, STAGE, OWNER, *planning.ENTITIES)
MOST_FAULTS: Final = 10
_TARGETS: Final = {
    "contact": frozenset(tables.CONTACTS.columns),
    "company": frozenset(tables.ACCOUNTS.columns),
    "deal": frozenset(tables.DEALS.columns),
}
_PERCENT: Final = re.compile(r"(100|\d{1,2}) ?%")
_STAGES: Final = {
    **dict.fromkeys(("pipeline_id", "stage_id", "target_pipeline", "target_stage"), pl.String),
    "percent": pl.Int64,
}
_OWNERS: Final = dict.fromkeys(("agent_id", "email"), pl.String)


@dataclass(frozen=True)
class Place:
    """Where a row stands: `file` with what follows its name, `where` in it; `names` of columns called otherwise."""

    file: str
    where: str
    names: dict[str, str] = field(default_factory=dict)

    def fault(self, column: str, problem: str) -> str:
        return f"{self.file} {self.where}, column {self.names.get(column, column)}: {problem}"


Row = tuple[Place, dict[str, str]]
Key = tuple[str, str]


@dataclass(frozen=True)
class Decisions:
    """
    What stands in the rows: `mapping` as `tables.MAPPING` (every field); `stages` (`_STAGES`), `owners` (agent_id,
    email), `choices` and `history` (`planning.DECIDED`) hold only what a person decided or has to decide anew;
    `kept` is the decision and the note of all rows but proposals without a note.
    """

    mapping: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    choices: pl.DataFrame
    history: pl.DataFrame
    kept: dict[Key, tuple[str, str]] = field(default_factory=dict)


def standard_targets(entity: str) -> list[str]:
    """The standard fields of the target that a person may name for a field of *entity*."""
    return sorted(t for t in _TARGETS[entity] if not t.endswith("_id") and t != "source_id")


def read_csv(path: Path) -> list[Row]:
    """The rows of decisions.csv, trimmed as the workbook's are; ConfigError where it is no such table."""
    return [
        (Place(path.name, f"line {line}"), {column: text.strip() for column, text in row.items()})
        for line, row in csvfiles.read(path, COLUMNS)
    ]


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    csvfiles.write(path, COLUMNS, rows)


def parsed(rows: list[Row]) -> Decisions:
    """
    What *rows* decide.

    Raises:
        ConfigError: rows that can't be what their columns say, or two for the same thing; each with its place.
    """
    refuse([*_repeats(rows), *(fault for row in rows for fault in _faults(*row)), *_shared(rows)])
    fields = [
        {**row, "confidence": float(row["confidence"].replace(",", ".")) if row["confidence"] else None}
        for _, row in rows if row["entity"] in MODULES
    ]  # fmt: skip
    mapping = pl.DataFrame(fields, schema=tables.MAPPING.columns)
    decided = [row for _, row in rows if is_kept(row)]
    others: list[dict[str, str]] = [
        {column: row[column] for column in planning.DECIDED} for row in decided
        if row["entity"] in planning.ENTITIES or row["entity"] == choice_map.ENTITY
    ]  # fmt: skip
    history = pl.DataFrame(others, schema=planning.DECIDED)
    is_choice = pl.col("entity") == choice_map.ENTITY
    owners = [
        {"agent_id": row["source_field"], "email": row["target_field"]}
        for row in decided
        if row["entity"] == OWNER
    ]
    return Decisions(
        tables.conform(mapping, tables.MAPPING),
        pl.DataFrame([_stage(row) for row in decided if row["entity"] == STAGE], schema=_STAGES),
        pl.DataFrame(owners, schema=_OWNERS),
        history.filter(is_choice),
        history.filter(~is_choice),
        {
            (row["entity"], row["source_field"]): (row["decision"], row["note"])
            for _, row in rows if is_kept(row) or row["note"]
        },
    )  # fmt: skip


def is_kept(row: dict[str, str]) -> bool:
    """Whether a person decided the row, or has to decide it anew; as `marks.is_kept`."""
    reopened = row["decision"] == marks.PROPOSED and row["note"].startswith(marks.REOPENED)
    return row["decision"] in marks.PERSONS or reopened


def refuse(faults: list[str]) -> None:
    """Raises ConfigError with the first ten of *faults*, if there are any."""
    if faults:
        more = [f"{len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise ConfigError("; also ".join([*faults[:MOST_FAULTS], *more]))


def _repeats(rows: list[Row]) -> Iterator[str]:
    seen: dict[Key, str] = {}
    for place, row in rows:
        key = (row["entity"], row["source_field"])
        if key in seen:
            what = key[0] if key[0] in ENTITIES else "row"
            yield place.fault(
                "source_field", f"the same {what} as in {seen[key]}; delete one of the two rows"
            )
        seen.setdefault(key, place.where)


def _faults(place: Place, row: dict[str, str]) -> Iterator[str]:
    entity = row["entity"]
    if entity not in ENTITIES:
        yield place.fault("entity", f"expected one of {', '.join(ENTITIES)}")
        return
    if row["decision"] not in marks.DECISIONS:
        yield place.fault("decision", f"expected one of {', '.join(marks.DECISIONS)}")
    if not _is_share(row["confidence"]):
        yield place.fault("confidence", "expected a number from 0 to 1")
    if entity in MODULES:
        yield from _field_faults(place, row)
    elif entity in planning.ENTITIES or entity == choice_map.ENTITY:
        yield from _carrier_faults(place, row)
    elif row["decision"] == marks.SKIP:
        yield place.fault("decision", f"a {entity} can't be skipped; expected confirmed or changed")
    elif is_kept(row):
        yield from _stage_faults(place, row) if entity == STAGE else _owner_faults(place, row)


def _field_faults(place: Place, row: dict[str, str]) -> Iterator[str]:
    module = MODULES[row["entity"]]
    if row["target_entity"] != module:
        yield place.fault("target_entity", f"expected {module}")
    if row["rule"] not in clean.RULES:
        yield place.fault("rule", f"expected one of {', '.join(clean.RULES)}")
        return
    target = row["target_field"]
    if row["decision"] in marks.PERSONS and row["decision"] != marks.SKIP and not target:
        yield place.fault("target_field", "is empty; name a target or set the decision to skip")
    if row["rule"] == "identity" or not target or row["decision"] == marks.SKIP:
        return
    if target.startswith("cf_"):
        if target != target.lower() or target == "cf_" or any(c.isspace() for c in target):
            yield place.fault("target_field", "expected cf_ and lower-case words without blanks")
    elif target not in _TARGETS[row["entity"]]:
        known = ", ".join(standard_targets(row["entity"]))
        yield place.fault(
            "target_field", f'"{named(target)}" is no field of {module}; expected cf_… or one of {known}'
        )


def _carrier_faults(place: Place, row: dict[str, str]) -> Iterator[str]:
    targets, may_skip = planning.ENTITIES.get(row["entity"], (None, True))
    if row["decision"] == marks.SKIP:
        if not may_skip:
            yield place.fault(
                "decision",
                "tags are left behind by the row `tags` of the entity; expected confirmed or changed",
            )
    elif not is_kept(row):
        return
    elif not row["target_field"].strip():
        yield place.fault("target_field", "is empty; name a target or set the decision to skip")
    elif targets and row["target_field"] not in targets:
        yield place.fault("target_field", f"expected one of {', '.join(targets)}")


def _stage_faults(place: Place, row: dict[str, str]) -> Iterator[str]:
    if not all(row["source_field"].partition("/")[::2]):
        yield place.fault("source_field", "expected <pipeline id>/<stage id>")
    if not all(decision_rows.stage_parts(row["target_field"])):
        yield place.fault("target_field", "expected <pipeline> / <stage>")
    if row["rule"] != decision_rows.ROUND and not _PERCENT.fullmatch(row["rule"]):
        yield place.fault("rule", "expected round, or a whole percent such as 40 %")


def _owner_faults(place: Place, row: dict[str, str]) -> Iterator[str]:
    email = row["target_field"]
    if email.count("@") != 1 or any(c.isspace() for c in email):
        yield place.fault("target_field", "expected the e-mail of a Freshsales user")


def _shared(rows: list[Row]) -> Iterator[str]:
    taken: dict[Key, str] = {}
    for place, row in rows:
        if (
            row["entity"] not in MODULES
            or row["decision"] not in ("confirmed", "changed")
            or row["rule"] == "identity"
        ):
            continue
        key = (row["entity"], row["target_field"])
        if key in taken and key[1]:
            yield place.fault("target_field", f"the same target as in {taken[key]}")
        taken.setdefault(key, place.where)


def _stage(row: dict[str, str]) -> dict[str, Any]:
    pipeline_id, _, stage_id = row["source_field"].partition("/")
    pipeline, stage = decision_rows.stage_parts(row["target_field"])
    percent = _PERCENT.fullmatch(row["rule"])
    return {
        "pipeline_id": pipeline_id, "stage_id": stage_id, "target_pipeline": pipeline, "target_stage": stage,
        "percent": int(percent[1]) if percent else None,
    }  # fmt: skip


def _is_share(text: str) -> bool:
    try:
        return not text or 0 <= float(text.replace(",", ".")) <= 1
    except ValueError:
        return False
