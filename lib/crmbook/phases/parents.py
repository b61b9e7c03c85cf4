"""On which record of the target does a piece of history hang?

The contact, as the target shows history on people; where there is none or it is not moved, the deal, then the
company. A merged record's history hangs on its survivor. What hangs on nothing has the reason why its first
record is not moved, or `no_parent` where it names none.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.links import NOT_IN_SOURCE
from crmbook.phases.links import fate as fate_of

KINDS: Final = ("contact", "deal", "company")
NO_PARENT: Final = "no_parent"

Fates = dict[str, pl.DataFrame]


def fates(
    ids: Mapping[str, pl.DataFrame], *, merges: pl.DataFrame, rejects: pl.DataFrame, excluded: pl.DataFrame
) -> Fates:
    """What became of every contact, company and deal of *ids* (`source_id` by entity): `links.fate` per entity."""

    def of(table: pl.DataFrame, entity: str) -> pl.DataFrame:
        return table.filter(pl.col("entity") == entity)

    return {
        entity: fate_of(
            source,
            entity=entity,
            merges=of(merges, entity),
            rejects=of(rejects, entity),
            excluded=of(excluded, entity),
        )
        for entity, source in ids.items()
    }


def hung(rows: pl.LazyFrame, fates: Fates) -> pl.LazyFrame:
    """
    *rows* (`contact_id`, `deal_id`, `company_id`) with `parent_kind`, `parent_id`, `why_not` and `others`.

    `parent_id` is a surviving source id, null where `why_not` is filled; `others` is the text of the further
    records a row is about, which the target can't link.
    """
    joined = rows
    for kind in KINDS:
        kept = fates[kind].lazy().select("source_id", pl.col("kept_id"), pl.col("reason"))
        renamed = kept.rename({"source_id": f"{kind}_id", "kept_id": f"_{kind}", "reason": f"_why_{kind}"})
        joined = joined.join(renamed, on=f"{kind}_id", how="left", maintain_order="left")
    parent_kind = pl.coalesce(pl.when(pl.col(f"_{kind}").is_not_null()).then(pl.lit(kind)) for kind in KINDS)
    why = pl.coalesce(*(_why(kind) for kind in KINDS), pl.lit(NO_PARENT))
    made = joined.with_columns(
        parent_kind=parent_kind, parent_id=pl.coalesce(f"_{kind}" for kind in KINDS)
    ).with_columns(
        why_not=pl.when(pl.col("parent_id").is_null()).then(why),
        others=pl.concat_str((_other(kind) for kind in KINDS), separator=", ", ignore_nulls=True).replace(
            "", None
        ),
    )
    return made.drop(f"{prefix}{kind}" for kind in KINDS for prefix in ("_", "_why_"))


def alone(rows: pl.LazyFrame) -> pl.LazyFrame:
    """*rows* of history that names a contact only, ready for `hung`."""
    nothing = pl.lit(None, dtype=pl.String)
    return rows.with_columns(deal_id=nothing, company_id=nothing)


def _why(kind: str) -> pl.Expr:
    told = pl.col(f"_why_{kind}").fill_null(f"{kind} {NOT_IN_SOURCE}")
    return pl.when(pl.col(f"{kind}_id").is_not_null()).then(told)


def _other(kind: str) -> pl.Expr:
    is_other = pl.col(f"{kind}_id").is_not_null() & (pl.col("parent_kind") != kind)
    is_moved = pl.col(f"_{kind}").is_not_null()
    told = pl.format(f"{kind} {{}}", f"{kind}_id")
    return pl.when(is_other).then(pl.when(is_moved).then(told).otherwise(told + pl.lit(" (not moved)")))


CARRIED: Final = ("entity", "source_id", "carrier_module", "carrier_id", "state", "reason")


def carried(frames: list[pl.LazyFrame]) -> pl.DataFrame:
    """*frames* with the columns of `tables.CARRIED` as one table."""
    empty = tables.CARRIED.empty().lazy()
    return tables.conform(pl.concat([empty, *(f.select(CARRIED) for f in frames)]).collect(), tables.CARRIED)
