"""Parts of JSON properties as fields of their own, where a person asks for them.

A row of decisions.csv whose source field is `<property>:<path>`, such as `p_preferences:$.diet.kind`, takes what
stands at that path (JSONPath) of every record's value into the field it names. The property itself goes where its
own row says. Where a value is no JSON or has nothing at the path, the part is empty; the property keeps it.
"""

from collections.abc import Collection, Mapping
from typing import Final, TypeVar

import polars as pl
from polars.exceptions import ComputeError

from crmbook import parse, tables
from crmbook.errors import DataError
from crmbook.phases.narrow import Frame, only
from crmbook.phases.standard_map import MODULES

_PATTERN: Final = r"^(p_.+?):(\$.*)$"
F = TypeVar("F", pl.DataFrame, pl.LazyFrame)
REASON: Final = "a part of a JSON property"


def requested(edited: pl.DataFrame, fields: pl.DataFrame) -> pl.DataFrame:
    """The rows of *edited* (`tables.MAPPING`) that ask for a part of a known property, put as skipped proposals."""
    base = pl.col("source_field").str.extract(_PATTERN, 1)
    known = fields.select("entity", base="field")
    asked = edited.with_columns(base=base).join(known, on=["entity", "base"], how="semi")
    made = asked.with_columns(
        target_entity=pl.col("entity").replace_strict(MODULES, return_dtype=pl.String),
        target_field=pl.lit(""),
        rule=pl.lit("copy"),
        decision=pl.lit("skip"),
        confidence=pl.lit(1.0),
        reason=pl.lit(REASON),
        note=pl.lit(""),
    )
    return tables.conform(made.drop("base"), tables.MAPPING)


def extended(source: F, mapping: pl.DataFrame, entity: str) -> F:
    """
    *source* with a text column for every part *mapping* carries, named as its source field.

    Raises:
        DataError: a path is no JSONPath; names the row of the mapping.
    """
    have = source.lazy().collect_schema().names()
    parts = mapping.filter(
        pl.col("entity") == entity,
        pl.col("decision") != "skip",
        pl.col("source_field").str.contains(_PATTERN),
        ~pl.col("source_field").is_in(have),
    )
    made = [_part(have, entity, name) for name in parts.get_column("source_field")]
    return source.with_columns(made)


def choices(frames: Mapping[str, Frame], mapping: pl.DataFrame) -> dict[tuple[str, str], list[str]]:
    """The different values of every extracted part that becomes a field of choices, by (entity, source field)."""
    chosen = mapping.filter(
        pl.col("rule").is_in(["choice", "choices"]),
        pl.col("decision") != "skip",
        pl.col("source_field").str.contains(_PATTERN),
    )
    return {
        (entity, name): only(frames[entity], name)
        .select(parse.elements(pl.col(name)).alias("v"))
        .explode("v")["v"]
        .drop_nulls()
        .unique()
        .sort()
        .to_list()
        for entity, name in chosen.select("entity", "source_field").iter_rows()
    }


def _part(have: Collection[str], entity: str, name: str) -> pl.Expr:
    base, _, path = name.partition(":$")
    if base not in have:
        raise DataError(f"mapping: {entity}.{name}: the source has no property {base}")
    valid = pl.when(parse.is_json(pl.col(base)).fill_null(value=False)).then(pl.col(base))
    try:
        # A path nobody's value reaches would not be looked at.
        pl.Series(["{}"]).str.json_path_match(f"${path}")
    except ComputeError:
        raise DataError(
            f"mapping: {entity}.{name}: ${path} is no JSON path; expected one such as $.diet.kind or $.trips[0]"
        ) from None
    return valid.str.json_path_match(f"${path}").alias(name)
