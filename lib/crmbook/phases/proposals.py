"""What may every source field, stage and activity type become, and how sure is that?

In: the profile of the source's fields, what the mapping proposes, and the fields the tenant has, as far as an earlier
look told. Out: `tables.PROPOSALS`: first what the mapping proposes, then up to three others, each with a
confidence and the evidence in words. Only the standard fields of the target are ever filled in; a field the tenant
made itself is a suggestion, so that the map does not depend on the tenant. No value is part of a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import polars as pl

from crmbook import clean, tables
from crmbook.phases import kinds, matching
from crmbook.phases.lexicon import fold
from crmbook.phases.proposal_targets import SUGGESTED, Candidate, candidates, fits
from crmbook.phases.proposal_words import alike, understand
from crmbook.phases.standard_map import MODULES

Row = dict[str, Any]
LEAST: Final = 0.2
_TYPES_AGREE: Final = 1.0
_TYPES_DIFFER: Final = 0.6
_ALIKE: Final = 0.6
_CARRIED_BY: Final = {
    "call": "sales_activities", "meeting": "appointments", "email": "sales_activities", "task": "tasks",
    "push": "sales_activities", "other": "notes",
}  # fmt: skip


class Offer(NamedTuple):
    """One thing a source item may become."""

    target: str
    rule: str
    confidence: float
    reason: str


def of_fields(fields: pl.DataFrame, mapping: pl.DataFrame, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """
    `tables.PROPOSALS` of *fields* (`tables.FIELDS`): the row of *mapping*, then what else each may be.

    *known* are the tenant's fields (`tables.TARGET_FIELDS`) where somebody looked.
    """
    decided = {(r["entity"], r["source_field"]): r for r in mapping.iter_rows(named=True)}
    theirs = _by_entity(known)
    rows: list[Row] = []
    for row in fields.iter_rows(named=True):
        key = (row["entity"], row["field"])
        if key in decided:
            others = [] if row["is_standard"] or not row["filled"] else _others(row, theirs[row["entity"]])
            rows += ranked(*key, _chosen(decided[key]), others)
    return _table(rows)


def of_stages(stages: pl.DataFrame, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """
    `tables.PROPOSALS` of *stages* (`tables.STAGES`): the stage of the same name, then stages the tenant has.

    *known* are the tenant's stages (`tables.TARGET_STAGES`); name, probability and kind of end count.
    """
    there = [] if known is None else known.sort("pipeline", "position", "stage_id").to_dicts()
    rows: list[Row] = []
    for stage in stages.iter_rows(named=True):
        name = f"{stage['target_pipeline']} / {stage['target_stage']}"
        own = Offer(name, "round", 1.0, "a stage of the same name in the same place")
        rows += ranked(
            "stage",
            f"{stage['pipeline_id']}/{stage['stage_id']}",
            own,
            [o for s in there if (o := _stage(stage, s)).target != name],
        )
    return _table(rows)


def of_activity_types(types: pl.DataFrame) -> pl.DataFrame:
    """`tables.PROPOSALS` of *types* (`tables.ACTIVITY_MAP`): what carries them, then what their names say."""
    rows: list[Row] = []
    for row in types.iter_rows(named=True):
        words = understand(row["name"] or "", "activities")
        # A name may say more than a kind: the 2 of "Call 2" means the second.
        said = sorted({m for word in words for m in word.meanings} & _CARRIED_BY.keys())
        agrees = not said or row["kind"] in said
        own = Offer(row["carrier"], "identity", 1.0 if agrees else 0.6, row["reason"])
        others = [
            Offer(_CARRIED_BY[kind], "identity", 0.5, f"its name says {kind}, its kind {row['kind']}")
            for kind in said
            if kind != row["kind"]
        ]
        rows += ranked("activity_type", row["activity_type_id"], own, others)
    return _table(rows)


def ranked(entity: str, source_field: str, chosen: Offer, others: Iterable[Offer]) -> list[Row]:
    """Rows of `tables.PROPOSALS`: *chosen*, then the surest of *others*, each target once."""
    best: dict[str, Offer] = {}
    for offer in sorted(others, key=lambda o: (-o.confidence, o.target)):
        if offer.target != chosen.target and offer.confidence >= LEAST:
            best.setdefault(offer.target, offer)
    return [
        {
            "entity": entity, "source_field": source_field, "rank": rank, "target_field": offer.target,
            "rule": offer.rule, "confidence": offer.confidence, "reason": offer.reason, "is_chosen": rank == 1,
        }
        for rank, offer in enumerate([chosen, *list(best.values())[:SUGGESTED]], 1)
    ]  # fmt: skip


def _chosen(row: Mapping[str, Any]) -> Offer:
    return Offer(row["target_field"], row["rule"], row["confidence"], row["reason"])


def _others(row: Row, theirs: list[Row]) -> Iterator[Offer]:
    evidence = matching.evidence(row)
    for candidate in candidates(evidence):
        if candidate.confidence >= LEAST:
            told = _limits(row, candidate, is_whole=fits(evidence, candidate))
            yield Offer(candidate.target, candidate.rule, candidate.confidence, f"{candidate.why}; {told}")
    for field in theirs:
        yield _of_tenant(row, field)


def _limits(row: Row, candidate: Candidate, *, is_whole: bool) -> str:
    if candidate.target in matching.RESERVED[row["entity"]]:
        return "structure fills that field"
    return matching.fill(row) if is_whole else "its values do not fit that field whole"


def _of_tenant(row: Row, field: Row) -> Offer:
    """A custom field the tenant has already: likely by name, type and choices they share."""
    rule = kinds.rule_for(
        declared=row["declared"], observed=row["observed"], distinct=row["distinct"], max_length=row["max_length"]
    )  # fmt: skip
    name = alike(row["label"], field["label"])
    agree = clean.RULES[rule].field_type == field["field_type"]
    shared = overlap(row["choices"], field["choices"])
    told = f"the tenant has a field {field['label']}; the names are {name:.0%} alike"
    if shared is not None:
        name = max(name, (name + shared) / 2)
        told += f", {shared:.0%} of the choices are there"
    confidence = round(name * (_TYPES_AGREE if agree else _TYPES_DIFFER), 2)
    # Letters alone make names look alike that have nothing to do with one another.
    if name < _ALIKE:
        confidence = 0.0
    return Offer(
        field["api_name"],
        rule,
        min(confidence, 0.99),
        f"{told}; both {field['field_type']}" if agree else f"{told}; another type",
    )


def overlap(ours: list[str], theirs: list[str]) -> float | None:
    """The share (0-1) of *ours* that *theirs* has too, case and punctuation apart; None where either is empty."""
    if not ours or not theirs:
        return None
    there = {fold(choice) for choice in theirs}
    return sum(fold(choice) in there for choice in ours) / len(ours)


def _stage(ours: Row, theirs: Row) -> Offer:
    name = alike(ours["target_stage"], theirs["stage"] or "")
    given, there = ours["target_probability"], theirs["probability"]
    apart = 50.0 if given is None or there is None else abs(given - there)
    same_end = ours["forecast_type"] == theirs["forecast_type"]
    confidence = (0.6 * name + 0.4 * max(0.0, 1 - apart / 50)) * (1.0 if same_end else 0.3)
    told = f"the names are {name:.0%} alike, the probabilities {apart:.0f} points apart"
    return Offer(f"{theirs['pipeline']} / {theirs['stage']}", "round", round(min(confidence, 0.99), 2), told)


def _by_entity(known: pl.DataFrame | None) -> dict[str, list[Row]]:
    own = pl.col("is_custom") & ~pl.col("api_name").str.starts_with("cf_usercom_")
    return {
        entity: []
        if known is None
        else known.filter(own, pl.col("module") == module).sort("api_name").to_dicts()
        for entity, module in MODULES.items()
    }


def _table(rows: list[Row]) -> pl.DataFrame:
    return tables.conform(pl.DataFrame(rows, schema=tables.PROPOSALS.columns), tables.PROPOSALS)
