"""What mapping.xlsx tells beside each decision: counts and settings of the source, never a record's value.

In: the run's tables. Out: per entity and source field the columns of `mapping_sheets`, what stays behind with the
records it touches, and the custom fields the target is known to have.
"""

from typing import Any

import polars as pl

from crmbook import tables
from crmbook.phases import choice_map, matching, planning
from crmbook.phases.decision_rows import OWNER, STAGE
from crmbook.phases.standard_map import MODULES
from crmbook.runs import Run

Facts = dict[str, dict[str, dict[str, Any]]]


def facts(run: Run, rows: pl.DataFrame) -> Facts:
    """The told columns of every row of *rows* (`tables.DECISION_ROWS`)."""
    told = _of_fields(run.read("fields"), _loss(run), _perhaps(run.read("proposals")))
    told[STAGE] = {
        f"{r['pipeline_id']}/{r['stage_id']}": {**r, "target_probability": r["target_probability"]}
        for r in run.read("stages").select(
            "pipeline_id", "stage_id", "pipeline", "stage", "probability", "deals", "target_probability"
        ).iter_rows(named=True)
    }  # fmt: skip
    told[OWNER] = _by(run.read("owners"), "agent_id", "name", "email", "records")
    told[planning.ACTIVITY_TYPE] = _by(
        run.read("activity_types"), "activity_type_id", "name", "kind", "records"
    )
    told[planning.EVENT] = _by(run.read("event_types"), "event", "records", "calls")
    told[planning.LIST] = _by(run.read("list_plan"), "list_key", "name", "kind", "members")
    entity_of = {module: entity for entity, module in MODULES.items()}
    tags = run.read("tag_plan").with_columns(
        entity=pl.col("module").replace_strict(entity_of, return_dtype=pl.String)
    )
    told[planning.TAG] = _by(tags, "entity", "distinct", "most_per_record")
    for entity in (planning.TAG, choice_map.ENTITY):
        for row in rows.filter(pl.col("entity") == entity).iter_rows(named=True):
            told.setdefault(entity, {}).setdefault(row["source_field"], {})["records"] = row["records"]
    return told


def unmapped(run: Run) -> pl.DataFrame:
    """What stays behind, most records first: entity, field, records, share (0-1) and why, in words."""
    left = run.read("unmapped").join(
        run.read("fields").select("entity", "field", total="records"), on=["entity", "field"], how="left"
    )
    share = pl.col("filled") / pl.col("total")
    return left.sort(["filled", "entity", "field"], descending=[True, False, False]).select(
        "entity", "field", records="filled", share=share,
        why=pl.format("{} of {} records have a value here that will not move: {}", "filled", "total", "reason"),
    )  # fmt: skip


def known_fields(run: Run) -> dict[str, list[str]]:
    """Custom fields of the target by module, as far as an earlier look at this run's target tells."""
    path = run.path_of("target_fields")
    if not path.exists():
        return {}
    found = pl.read_parquet(path).filter("is_custom").group_by("module").agg("api_name")
    return {module: sorted(names) for module, names in found.iter_rows()}


def _of_fields(
    fields: pl.DataFrame, loss: dict[tuple[str, str], str], perhaps: dict[tuple[str, str], str]
) -> Facts:
    told: Facts = {entity: {} for entity in MODULES}
    for row in fields.iter_rows(named=True):
        declared, observed = row["declared"], row["observed"]
        told[row["entity"]][row["field"]] = {
            "label": "" if row["is_standard"] else matching.label_of(row["label"]),
            "perhaps": perhaps.get((row["entity"], row["field"]), ""),
            "type": observed if declared in ("", observed) else f"{observed} ({declared})",
            "filled": row["filled"] / row["records"] if row["records"] else None,
            "records": row["filled"], "distinct": row["distinct"], "longest": row["max_length"],
        }  # fmt: skip
        if loss:
            told[row["entity"]][row["field"]]["loss"] = loss.get((row["entity"], row["field"]), "")
    return told


def _perhaps(proposals: pl.DataFrame) -> dict[tuple[str, str], str]:
    """What else a field may become, the likeliest first, with how sure that is."""
    others = proposals.filter(~pl.col("is_chosen")).sort("entity", "source_field", "rank")
    told: dict[tuple[str, str], list[str]] = {}
    for row in others.iter_rows(named=True):
        key = (row["entity"], row["source_field"])
        told.setdefault(key, []).append(f"{row['target_field']} ({row['confidence']:.2f})")
    return {key: ", ".join(parts) for key, parts in told.items()}


def _loss(run: Run) -> dict[tuple[str, str], str]:
    """What the rules would lose per field, in words, where that was counted before."""
    if "loss_preview" not in tables.names() or not run.has("loss_preview"):
        return {}
    told: dict[tuple[str, str], list[str]] = {}
    counted = run.read("loss_preview").filter(pl.col("rows") > 0)
    for row in counted.sort("rows", descending=True, maintain_order=True).iter_rows(named=True):
        key = (row["entity"], row["source_field"])
        told.setdefault(key, []).append(f"{row['kind']}: {row['rows']:,}")
    return {key: "; ".join(parts) for key, parts in told.items()}


def _by(frame: pl.DataFrame, key: str, *columns: str) -> dict[str, dict[str, Any]]:
    return {r[key]: {c: r[c] for c in columns} for r in frame.select(key, *columns).iter_rows(named=True)}
