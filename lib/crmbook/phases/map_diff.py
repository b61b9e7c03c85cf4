"""What changed between two maps, and how many records each change touches.

In: two maps as `tables.DECISION_ROWS`. Out: one row per decision that differs. Values never show: choices are
counted per field, and of an owner only that the user is another one.
"""

from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import choice_map
from crmbook.phases.decision_rows import OWNER, ROUND, STAGE
from crmbook.phases.marks import SKIP
from crmbook.phases.standard_map import MODULES

LEFT: Final = "left behind"
ABSENT: Final = "not there"
_FIELD_OF_CHOICE: Final = r"^([^:]+(?::\$[.\[][^:]*)?):"
_KEY: Final = ["entity", "source_field"]


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The decisions of *after* that differ from *before*, as `tables.MAPPING_CHANGES`; what only stays left behind is none."""
    told = [_told(frame).rename({"place": name}) for frame, name in ((before, "before"), (after, "after"))]
    joined = told[0].join(told[1], on=_KEY, how="full", coalesce=True, suffix="_after")
    records = pl.coalesce("records_after", "records").fill_null(0)
    different = joined.with_columns(records=records).filter(
        pl.col("before").ne_missing(pl.col("after")),
        ~(pl.col("before").is_null() & (pl.col("after") == LEFT)),
    )
    plain = different.filter(~pl.col("entity").is_in([choice_map.ENTITY, OWNER])).select(
        *_KEY, pl.col("before", "after").fill_null(ABSENT), "records"
    )
    return tables.conform(pl.concat([plain, _choices(different), _owners(different)]), tables.MAPPING_CHANGES)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    """Every decision as one text, so that the same text is the same effect."""
    target = pl.col("target_field").fill_null("")
    is_field = pl.col("entity").is_in(list(MODULES))
    is_left = (target == "") & (pl.col("entity") != OWNER)
    is_set = (pl.col("entity") == STAGE) & (pl.col("rule") != ROUND)
    place = (
        pl.when((pl.col("decision") == SKIP) | is_left)
        .then(pl.lit(LEFT))
        .when(is_field)
        .then(pl.format("{} ({})", target, "rule"))
        .when(is_set)
        .then(pl.format("{}, {}", target, "rule"))
        .otherwise(target)
    )
    return rows.select(*_KEY, "records", place=place)


def _choices(different: pl.DataFrame) -> pl.DataFrame:
    """The choices that changed, as one row per field."""
    rows = different.filter(pl.col("entity") == choice_map.ENTITY)
    field = pl.coalesce(pl.col("source_field").str.extract(_FIELD_OF_CHOICE), pl.lit("?"))
    counted = rows.group_by("entity", field.alias("source_field"), maintain_order=True).agg(
        changed=(pl.col("before").is_not_null() & pl.col("after").is_not_null()).sum(),
        new=pl.col("before").is_null().sum(),
        gone=pl.col("after").is_null().sum(),
        records=pl.col("records").sum(),
    )
    after = pl.format("{} other targets, {} new, {} gone", "changed", "new", "gone")
    return counted.select(*_KEY, before=pl.lit("its choices"), after=after, records="records")


def _owners(different: pl.DataFrame) -> pl.DataFrame:
    def who(column: str, name: str) -> pl.Expr:
        return (
            pl.when(pl.col(column).is_null())
            .then(pl.lit(ABSENT))
            .when(pl.col(column) == "")
            .then(pl.lit("no user"))
            .otherwise(pl.lit(name))
        )

    rows = different.filter(pl.col("entity") == OWNER)
    return rows.select(
        *_KEY, before=who("before", "a user"), after=who("after", "another user"), records="records"
    )
