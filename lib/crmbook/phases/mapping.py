"""Where does every source field go?

In: what discovery found out about the fields, and the rows a person decided. Out: the mapping, the custom
fields and choices it needs, what goes nowhere, and one hash of all that has an effect. A person's rows win;
proposals move out of their way. Invariant: every source field has exactly one row, no target has two.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from crmbook import clean, parse, tables
from crmbook.errors import DataError
from crmbook.phases import marks, matching
from crmbook.phases.narrow import Frame, only
from crmbook.phases.standard_map import DEAL_STATUSES, MODULES, ORIGINAL_ID

_EFFECTIVE: Final = {
    "mapping": ("entity", "source_field", "target_entity", "target_field", "rule"),
    "stages": ("pipeline_id", "stage_id", "target_pipeline", "target_stage", "target_position",
               "target_probability", "forecast_type"),
    "owners": ("agent_id", "email"),
}  # fmt: skip


def propose(fields: pl.DataFrame) -> pl.DataFrame:
    """One proposal per row of *fields*, as `tables.MAPPING`; empty fields and those with no place are skipped."""
    rows = [
        {
            "entity": p.entity,
            "source_field": p.source_field,
            "target_entity": MODULES[p.entity],
            "target_field": p.target_field,
            "rule": p.rule,
            "decision": p.decision,
            "confidence": p.confidence,
            "reason": p.reason,
            "note": "",
        }
        for p in matching.proposals(fields)
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.MAPPING.columns), tables.MAPPING)


def with_decisions(proposed: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
    """
    *proposed* with the rows of *edited* that a person decided (confirmed, changed or skip) or has to decide anew.

    A row still marked `proposed` counts as changed where target or rule differ from a proposal whose reason
    is the same: somebody edited it and left the mark alone. Rows for fields that no longer exist are dropped.
    A proposal whose custom field a person gave to another field is numbered; a note on a proposal stays.

    Raises:
        DataError: a person gave two fields of one entity the same target.
    """
    key = ["entity", "source_field"]
    theirs = edited.join(proposed, on=key, how="inner", suffix="_proposed")
    differs = (pl.col("target_field") != pl.col("target_field_proposed")) | (
        pl.col("rule") != pl.col("rule_proposed")
    )
    silent = (pl.col("decision") == "proposed") & differs & (pl.col("reason") == pl.col("reason_proposed"))
    # `skip` stands in proposals too; what the workbook left behind itself is proposed anew.
    left = (
        (pl.col("decision") == "skip")
        & pl.col("reason").is_in(sorted(matching.LEFT_BEHIND))
        & (pl.col("note") == "")
    )
    mark = pl.when(silent).then(pl.lit("changed")).otherwise("decision")
    decided = theirs.with_columns(decision=mark).filter(marks.is_kept() & ~left)
    decided = decided.with_columns(
        target_entity=pl.col("target_entity_proposed"),
        target_field=pl.when(pl.col("decision") == "skip").then(pl.lit("")).otherwise("target_field"),
    ).select(proposed.columns)
    _refuse_shared(decided)
    rest = _out_of_the_way(proposed.join(decided, on=key, how="anti"), decided)
    return tables.conform(pl.concat([decided, _noted(rest, edited)]), tables.MAPPING)


def _noted(proposals: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
    """*proposals* with the notes a person wrote beside them."""
    said = edited.filter(pl.col("decision") == marks.PROPOSED, pl.col("note") != "")
    joined = proposals.join(
        said.select("entity", "source_field", said="note"), on=["entity", "source_field"], how="left",
        maintain_order="left",
    )  # fmt: skip
    is_free = pl.col("decision") == marks.PROPOSED
    return joined.with_columns(
        note=pl.when(is_free).then(pl.coalesce("said", "note")).otherwise("note")
    ).drop("said")


def custom_fields(
    mapping: pl.DataFrame,
    fields: pl.DataFrame,
    extracted: Mapping[tuple[str, str], list[str]] | None = None,
) -> pl.DataFrame:
    """
    The custom fields the target must have for *mapping*, as `tables.CUSTOM_FIELDS`; tags have fields of their own.

    Choices are the source's, in alphabetical order; *extracted* has those of parts of JSON properties. The source id's field exists in every module and is
    unique; fields that structure fills (a deal's status and stage) are there without a decision.
    """
    known = {(r["entity"], r["field"]): r for r in fields.iter_rows(named=True)}
    labels = {(p.entity, p.source_field): p.label for p in matching.proposals(fields)}
    rows = [_structural(module, api, kind) for module, api, kind in matching.structural_fields(fields)]
    for row in _carried(mapping).filter(pl.col("target_field").str.starts_with("cf_")).iter_rows(named=True):
        if row["target_field"] != ORIGINAL_ID:
            key = (row["entity"], row["source_field"])
            of_part = {"choices": (extracted or {}).get(key, [])}
            rows.append(_field_of(row, known.get(key, of_part), labels.get(key, "")))
    made = pl.DataFrame(rows, schema=tables.CUSTOM_FIELDS.columns)
    return tables.conform(
        made.unique(["module", "api_name"], keep="first", maintain_order=True), tables.CUSTOM_FIELDS
    )


def choices(mapping: pl.DataFrame, *, contacts: Frame, companies: Frame, deals: Frame) -> pl.DataFrame:
    """Every choice in the data of fields carried as choices, and what it becomes (itself), as `tables.CHOICES`."""
    frames = {"contact": contacts, "company": companies, "deal": deals}
    parts = [tables.CHOICES.empty()]
    for row in _carried(mapping).filter(pl.col("rule").is_in(["choice", "choices"])).iter_rows(named=True):
        values = only(frames[row["entity"]], row["source_field"]).to_series()
        of_each = values.to_frame("v").with_columns(records=pl.lit(1, pl.Int64))
        as_list = pl.col("v")
        if not isinstance(values.dtype, pl.List):
            # Many records say the same: what it holds is looked for once.
            of_each = of_each.group_by("v").agg(pl.col("records").sum())
            as_list = parse.elements(pl.col("v"))
        found = of_each.select(as_list.list.unique().alias("v"), "records").explode("v").drop_nulls("v")
        counted = found.group_by("v").agg(pl.col("records").sum())
        parts.append(
            counted.select(
                entity=pl.lit(row["entity"]),
                source_field=pl.lit(row["source_field"]),
                source_value="v",
                target_value="v",
                records="records",
            )
        )
    return tables.conform(pl.concat(parts), tables.CHOICES)


def unmapped(mapping: pl.DataFrame, fields: pl.DataFrame) -> pl.DataFrame:
    """Filled source fields that go nowhere, and why, as `tables.UNMAPPED`; most records first is the reader's job."""
    filled = fields.filter(pl.col("filled") > 0).select("entity", "field", "filled")
    skipped = mapping.select("entity", pl.col("source_field").alias("field"), "decision", "reason", "note")
    # A field without any decision is listed as well: the gate counts on it.
    joined = filled.join(skipped, on=["entity", "field"], how="left").filter(
        pl.col("decision").is_null() | (pl.col("decision") == "skip")
    )
    reason = (
        pl.when(pl.col("decision").is_null())
        .then(pl.lit("no decision"))
        .when(pl.col("note") != "")
        .then("note")
        .otherwise("reason")
    )
    return tables.conform(joined.select("entity", "field", "filled", reason=reason), tables.UNMAPPED)


def coverage(mapping: pl.DataFrame, fields: pl.DataFrame, unmapped: pl.DataFrame) -> pl.DataFrame:
    """Filled source fields per entity and what became of them, as `tables.MAPPING_COVERAGE`."""
    decided = mapping.select(
        "entity", pl.col("source_field").alias("field"), is_skipped=pl.col("decision") == "skip"
    )
    listed = unmapped.select("entity", "field", is_listed=pl.lit(value=True))
    judged = (
        fields.filter(pl.col("filled") > 0)
        .join(decided, on=["entity", "field"], how="left")
        .join(listed, on=["entity", "field"], how="left")
        .with_columns(pl.col("is_listed").fill_null(value=False))
    )
    counted = judged.group_by("entity").agg(
        filled_fields=pl.len().cast(pl.Int64),
        mapped=(~pl.col("is_skipped")).fill_null(value=False).sum().cast(pl.Int64),
        skipped=(pl.col("is_skipped") & pl.col("is_listed")).fill_null(value=False).sum().cast(pl.Int64),
        listed=(pl.col("is_skipped").is_null() & pl.col("is_listed")).sum().cast(pl.Int64),
    )
    rest = pl.col("filled_fields") - pl.col("mapped") - pl.col("skipped") - pl.col("listed")
    return tables.conform(counted.with_columns(unaccounted=rest), tables.MAPPING_COVERAGE)


def effective_hash(
    mapping: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    history: Mapping[str, pl.DataFrame] | None = None,
) -> str:
    """
    The sha256 of every decision that changes what is written; the same for any order of rows.

    *history* has the effective columns of the other plans by name (`planning.Plans.effective`, and others; a frame
    without rows does not count). Confidence, reasons, notes and counts have no say, nor has who decided: a
    confirmed proposal hashes as the proposal did.
    """
    frames = {
        "mapping": _carried(mapping),
        "stages": stages,
        "owners": owners.with_columns(clean.email_key(pl.col("email")).alias("email")),
    }
    content = {
        name: frame.select(_EFFECTIVE[name]).sort(_EFFECTIVE[name]).rows() for name, frame in frames.items()
    }
    parts = {name: frame for name, frame in (history or {}).items() if frame.height}
    content |= {name: frame.sort(frame.columns).rows() for name, frame in parts.items()}
    return hashlib.sha256(json.dumps(content, ensure_ascii=True, sort_keys=True).encode()).hexdigest()


def _carried(mapping: pl.DataFrame) -> pl.DataFrame:
    return mapping.filter(pl.col("decision") != "skip", pl.col("target_field") != "")


def _refuse_shared(decided: pl.DataFrame) -> None:
    shared = (
        _carried(decided)
        .filter(pl.col("rule") != "identity")
        .group_by("entity", "target_field", maintain_order=True)
        .agg("source_field")
        .filter(pl.col("source_field").list.len() > 1)
    )
    for entity, target, sources in shared.iter_rows():
        raise DataError(
            f"decisions: {entity} {', '.join(sources)} all go to {target}; give each a target of its own"
        )


def _out_of_the_way(proposals: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """*proposals* with other custom fields where a person's row took theirs, and without standard fields taken."""
    taken = {
        (r["entity"], r["target_field"])
        for r in _carried(decided).iter_rows(named=True)
        if r["rule"] != "identity"
    }
    used = {(r["entity"], r["target_field"]) for r in _carried(proposals).iter_rows(named=True)} | taken
    rows: list[dict[str, Any]] = []
    for row in proposals.to_dicts():
        target = (row["entity"], row["target_field"])
        if row["rule"] != "identity" and target in taken:
            if row["target_field"].startswith("cf_"):
                number = next(
                    n for n in range(2, 10_000) if (row["entity"], f"{row['target_field']}_{n}") not in used
                )
                row["target_field"] = f"{row['target_field']}_{number}"
                used.add((row["entity"], row["target_field"]))
            else:
                row |= {"target_field": "", "decision": "skip"}
                row["reason"] = f"a person gave {target[1]} to another field; decide where this one goes"
        rows.append(row)
    return pl.DataFrame(rows, schema=proposals.schema)


def _structural(module: str, api: str, field_type: str) -> dict[str, Any]:
    return {
        "module": module,
        "api_name": api,
        "label": api[3:].replace("_", " ").capitalize(),
        "field_type": field_type,
        "choices": list(DEAL_STATUSES) if field_type == "dropdown" else [],
        "is_unique": api == ORIGINAL_ID,
    }


def _field_of(row: dict[str, Any], source: dict[str, Any], label: str) -> dict[str, Any]:
    field_type = clean.RULES[row["rule"]].field_type
    # A target that a person or a collision renamed needs a label that gives that api name.
    name = row["target_field"].removeprefix("cf_")
    candidates = (label, name.replace("_", " ").capitalize(), name)
    label = next((c for c in candidates if matching.api_name(c) == row["target_field"]), name)
    return {
        "module": row["target_entity"],
        "api_name": row["target_field"],
        "label": label,
        "field_type": field_type,
        "choices": source["choices"] if field_type in ("dropdown", "multi_select_dropdown") else [],
        "is_unique": False,
    }
