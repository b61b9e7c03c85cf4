"""Does every field of every loaded record say in the target what was loaded?

In: per place the normalized records, the records as the target tells them, and where each one was found
(`tables.CLASSES`). Out: DIFFERENCES and FIELD_FIDELITY. Keys are joined, columns are compared whole; only rows
that look different are looked at closely. A difference is what a person would call one: order and repetition in
tags and choices, case in e-mails and an unset checkbox are none. Of a record that was in the target before
(`origin` matched) only what was written counts, because the rest is not ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.errors import UpstreamError
from crmbook.phases.edition import LEAD, MODULES, source_entity
from crmbook.phases.narrow import Frame, known, only
from crmbook.phases.target_ids import NO_ID, TargetIds

LOCATED: Final = ("loaded", "duplicated")
MARK: Final = "cf_usercom_original_id"
_ACTUAL: Final = "actual:"
_AT_ONCE: Final = 8
# what `expected` puts in other words, and leaves out itself
_TURNED: Final = (
    "source_id", "owner_agent_id", "split", "lifecycle", "external_id", "pipeline_id", "stage_id", "currency",
)  # fmt: skip
_STRUCTURE: Final = {
    "source_id", "target_id", "account_ids", "primary_account_id", "contact_ids", "account_id",
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """`differences` as DIFFERENCES, `fidelity` as FIELD_FIDELITY."""

    differences: pl.DataFrame
    fidelity: pl.DataFrame


def compare(
    *,
    normalized: Mapping[str, Frame],
    actual: Mapping[str, Frame],
    classes: pl.DataFrame,
    crosswalk: pl.DataFrame,
    ids: TargetIds,
) -> Comparison:
    """
    What the target says otherwise, per entity (company, contact, deal), field and record.

    *normalized* and *actual* are keyed by place: the entities, and lead, which the fidelity keeps apart from contact
    because it has other fields. Records that are missing are in *classes*, not here. The
    source id a record carries is compared like any field, as `cf_usercom_original_id`.

    Raises:
        UpstreamError: a field of the target is of another type than the one that was loaded.
    """
    parts = []
    for place, frame in normalized.items():
        where = located(classes, crosswalk, place)
        parts.append(_entity(place, frame, actual[place], _pairs(frame, actual[place], where), ids))
    differences = pl.concat([tables.DIFFERENCES.empty(), *(d for d, _ in parts)])
    differences = differences.with_columns(entity=source_entity())
    fidelity = pl.concat([tables.FIELD_FIDELITY.empty(), *(f for _, f in parts)])
    return Comparison(
        tables.conform(differences, tables.DIFFERENCES), tables.conform(fidelity, tables.FIELD_FIDELITY)
    )


def located(classes: pl.DataFrame, crosswalk: pl.DataFrame, place: str) -> pl.DataFrame:
    """source_id, target_id and `is_matched` of the records that are in the target at *place*."""
    found = classes.filter((pl.col("module") == MODULES[place]) & pl.col("class").is_in(LOCATED))
    origin = crosswalk.filter((pl.col("entity") == place) & (pl.col("origin") == "matched"))
    return found.select("source_id", "target_id").join(
        origin.select("source_id", is_matched=pl.lit(value=True)), on="source_id", how="left"
    ).with_columns(pl.col("is_matched").fill_null(value=False))  # fmt: skip


def expected(place: str, normalized: pl.DataFrame, ids: TargetIds) -> pl.DataFrame:
    """
    *normalized*, row by row, under the column names of the `actual_*` table.

    Agents, stages, lifecycles and currencies are ids of the tenant; `is_closed` tells a deal in a closed stage.
    """
    base = normalized.with_columns(owner_id=ids.owner_id(pl.col("owner_agent_id"))).drop("owner_agent_id")
    if place == LEAD:
        return base.drop("split", "lifecycle", "external_id")
    if place == "contact":
        return base.with_columns(ids.lifecycle_ids(pl.col("lifecycle"))).drop("split", "lifecycle")
    if place == "deal":
        keys = ["pipeline_id", "stage_id"]
        placed = base.select(keys).join(ids.stages, on=keys, how="left", maintain_order="left").drop(keys)
        placed = placed.with_columns(pl.col("deal_pipeline_id", "deal_stage_id").fill_null(NO_ID))
        return (
            base.with_columns(currency_id=ids.currency_id(pl.col("currency")))
            .drop(*keys, "currency")
            .hstack(placed)
        )
    return base


def _pairs(normalized: Frame, actual: Frame, where: pl.DataFrame) -> pl.DataFrame:
    """Which row of *normalized* (`ours`, in their order) stands beside which of *actual* (`theirs`), with the columns of *where*."""
    return (
        only(normalized, "source_id")
        .with_row_index("ours")
        .join(where, on="source_id")
        .join(only(actual, "target_id").with_row_index("theirs"), on="target_id")
        .sort("ours")
    )


def _entity(
    entity: str, normalized: Frame, actual: Frame, pairs: pl.DataFrame, ids: TargetIds
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """DIFFERENCES and FIELD_FIDELITY of one place, a few fields at a time: two whole records side by side have no room."""
    have = normalized.lazy().collect_schema()
    told = actual.lazy().rename({"source_id": MARK}).select(pl.all().name.prefix(_ACTUAL))
    wanted = expected(entity, have.to_frame(), ids).schema
    there = told.collect_schema()
    fields = [name for name in wanted if name not in _STRUCTURE and name not in ("is_matched", "is_closed")]
    _check_types(
        MODULES[entity], fields, wanted, {name: there.get(_ACTUAL + name, wanted[name]) for name in fields}
    )
    made = expected(entity, known(normalized, *_TURNED), ids)
    flags = pairs.select("source_id", "target_id", "is_matched")
    if "is_closed" in wanted:
        flags = flags.with_columns(made["is_closed"].gather(pairs["ours"]))
    counts: dict[str, int] = {}
    found = [tables.DIFFERENCES.empty()]
    for start in range(0, len(fields), _AT_ONCE):
        names = fields[start : start + _AT_ONCE]
        parts = (
            (only(normalized, *(n for n in names if n in have)), "ours"),
            (made.select(n for n in names if n not in have), "ours"),
            (only(told, *(_ACTUAL + n for n in names if _ACTUAL + n in there)), "theirs"),
        )
        both = pl.concat(
            [flags, *(_gathered(f, pairs[side]) for f, side in parts if f.width)], how="horizontal"
        )
        del parts
        both = both.with_columns(
            pl.lit(None, wanted[n]).alias(_ACTUAL + n) for n in names if _ACTUAL + n not in there
        )
        counts |= both.select(_is_told(n, wanted[n]).sum().alias(n) for n in names).row(0, named=True)
        # columns side by side keep the chunks they came in; a set operation on lists fails where those differ
        suspects = both.filter(~pl.all_horizontal(_looks_equal(n, wanted[n]) for n in names)).rechunk()
        del both
        found += [part for n in names for part in _differences(entity, suspects, n, ids.labels.get(n))]
    differences = pl.concat(found)
    return differences, _fidelity(entity, counts, differences)


def _gathered(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """The *rows* of *frame*; where that is every row in its place, the frame itself."""
    every = pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
    return frame if rows.equals(every) else frame[rows]


def _check_types(
    module: str,
    fields: Sequence[str],
    ours: Mapping[str, pl.DataType],
    theirs: Mapping[str, pl.DataType],
) -> None:
    for field in fields:
        left, right = ours[field], theirs[field]
        if left != right and not (left.is_numeric() and right.is_numeric()):
            raise UpstreamError(
                f"{module}: {field} was loaded as {left} and is {right} in the target now;"
                " its type was changed, run 03_workspace again"
            )


def _is_told(field: str, dtype: pl.DataType) -> pl.Expr:
    """Either side holds a value, and the pair is ours to compare; an unset checkbox reads false."""
    left, right = pl.col(field), pl.col(_ACTUAL + field)
    told = ~(_is_empty(left, dtype) & _is_empty(right, dtype))
    if dtype == pl.Boolean:
        told = left.is_not_null() | right.fill_null(value=False)
    return told & ~_not_ours(field)


def _looks_equal(field: str, dtype: pl.DataType) -> pl.Expr:
    """True only where the two sides surely are equal; cheap, because it sees every row."""
    left, right = pl.col(field), pl.col(_ACTUAL + field)
    if isinstance(dtype, pl.List):
        return left.fill_null([]) == right.fill_null([])
    if dtype == pl.Boolean:
        return left.fill_null(value=False) == right.fill_null(value=False)
    return left.eq_missing(right)


def _not_ours(field: str) -> pl.Expr:
    """Nothing was written here: an empty field of a record that was there before, or the vendor's own stamp."""
    silent = pl.col("is_matched") | pl.lit(field in ("lifecycle_stage_id", "contact_status_id"))
    if field == "closed_date":
        silent |= pl.col("is_closed").fill_null(value=False)
    return pl.col(field).is_null() & silent


def _is_equal(field: str, dtype: pl.DataType) -> pl.Expr:
    """The verdict on a suspect pair."""
    left, right = pl.col(field), pl.col(_ACTUAL + field)
    if isinstance(dtype, pl.List):
        ours, theirs = left.fill_null([]), right.fill_null([])
        lost = ours.list.set_difference(theirs).list.len()
        added = theirs.list.set_difference(ours).list.len()
        # what a person had tagged before the move stays; losing it would be the defect
        return (lost == 0) & (pl.col("is_matched") | (added == 0))
    equal = _looks_equal(field, dtype)
    if field == "email":
        equal |= left.str.to_lowercase().eq_missing(right.str.to_lowercase())
    return equal | _not_ours(field)


def _differences(
    entity: str, suspects: pl.DataFrame, field: str, labels: Mapping[int, str] | None
) -> Iterator[pl.DataFrame]:
    dtype = suspects.schema[field]
    rows = suspects.filter(~_is_equal(field, dtype))
    if rows.is_empty():
        return
    left, right = _is_empty(pl.col(field), dtype), _is_empty(pl.col(_ACTUAL + field), dtype)
    yield rows.select(
        "source_id",
        "target_id",
        entity=pl.lit(entity),
        field=pl.lit(field),
        kind=pl.when(right).then(pl.lit("missing")).when(left).then(pl.lit("extra")).otherwise(
            pl.lit("changed")
        ),
        expected=_as_text(pl.col(field), dtype, labels),
        actual=_as_text(pl.col(_ACTUAL + field), suspects.schema[_ACTUAL + field], labels),
    ).select(list(tables.DIFFERENCES.columns))  # fmt: skip


def _is_empty(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return (value.list.len().fill_null(0) == 0) if isinstance(dtype, pl.List) else value.is_null()


def _as_text(value: pl.Expr, dtype: pl.DataType, labels: Mapping[int, str] | None) -> pl.Expr:
    if isinstance(dtype, pl.List):
        return value.list.sort().list.join("; ")
    if labels is None or not dtype.is_integer():
        return value.cast(pl.String)
    words = value.replace_strict(dict(labels), default="not in the target", return_dtype=pl.String)
    return pl.when(value.is_not_null()).then(pl.format("{} (#{})", words, value))


def _fidelity(entity: str, compared: Mapping[str, int], differences: pl.DataFrame) -> pl.DataFrame:
    different = dict(differences.group_by("field").len().iter_rows())
    rows = [
        {
            "entity": entity,
            "field": field,
            "compared": number,
            "equal": number - different.get(field, 0),
            "different": different.get(field, 0),
            "kept_by_target": 0,
        }
        for field, number in compared.items()
    ]
    return pl.DataFrame(rows, schema=tables.FIELD_FIDELITY.columns)
