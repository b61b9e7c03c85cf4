"""What is left of every source value when it has been to the target and back?

In: the source's rows beside the target rows they became, and the decisions of 02. Out: per field and kind of
difference, how many rows. The target rows may be those a rehearsal made or those the target itself tells; the
question is the same. Ways of fields are made in `roundtrip_values`, those of structure in `roundtrip_structure`.
Invariant: no value leaves here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook.phases.narrow import Frame, only

MEASURED: Final = {
    "entity": pl.String, "source_field": pl.String, "target_field": pl.String, "rule": pl.String,
    "kind": pl.String, "rows": pl.Int64, "filled": pl.Int64,
}  # fmt: skip
_X, _Y = "x:", "y:"
_ROWS: Final = "\x1erows"
_LOOKED_AT: Final = 2_000
DataType = pl.DataType | type[pl.DataType]


@dataclass(frozen=True)
class Way:
    """
    One source field on its way: `kinds` are texts naming a kind of difference, null where there is none; `is_told`
    is true where the source has a value. With `per_target` rows of one target record count once. `layers` are columns
    to work out first, one set after the other: Polars works out a nested expression again wherever it stands. Where
    `is_plain` is true no kind is, and none is looked for.
    """

    source_field: str
    target_field: str
    rule: str
    is_told: pl.Expr
    kinds: tuple[pl.Expr, ...]
    per_target: bool = False
    layers: tuple[Mapping[str, pl.Expr], ...] = ()
    is_plain: pl.Expr | None = None

    def columns(self) -> set[str]:
        """The columns of `Pairs` it asks for."""
        layers = [expression for layer in self.layers for expression in layer.values()]
        every = [self.is_told, *self.kinds, *layers, *([] if self.is_plain is None else [self.is_plain])]
        made = {name for layer in self.layers for name in layer}
        return {name for expression in every for name in expression.meta.root_names()} - made


def x(field: str) -> pl.Expr:
    """The source's value of a row of `paired`."""
    return pl.col(_X + field)


def y(field: str) -> pl.Expr:
    """The target's value of a row of `paired`."""
    return pl.col(_Y + field)


@dataclass(frozen=True)
class Pairs:
    """
    Source rows beside target rows: `x:<source field>`, `y:<target field>`, and of `flags` `source_id`, `kept_id`,
    `is_merged` (into another one), `is_survivor` (others were merged into it), `is_matched`. Columns are read and put side
    by side when they are asked for: all at once would be all records a second time. `more` are columns of the source's rows
    worked out beforehand.
    """

    flags: pl.DataFrame
    source: Frame
    more: pl.DataFrame
    rows: Frame
    ours: pl.Series
    theirs: pl.Series

    @property
    def height(self) -> int:
        return self.flags.height

    @property
    def schema(self) -> dict[str, pl.DataType]:
        source = {**self.source.lazy().collect_schema(), **self.more.schema}
        ours = {_X + name: dtype for name, dtype in source.items()}
        theirs = {_Y + name: dtype for name, dtype in self.rows.lazy().collect_schema().items()}
        return {**self.flags.schema, **ours, **theirs}

    def columns(self, names: Collection[str]) -> pl.DataFrame:
        """The columns of these names; null where there is none of that name."""
        return pl.DataFrame([self._column(name) for name in sorted(names)])

    def _column(self, name: str) -> pl.Series:
        if name in self.flags.columns:
            return self.flags[name]
        field = name[len(_X) :]
        sides: list[tuple[str, Frame, pl.Series]] = [
            (_X, self.more, self.ours), (_X, self.source, self.ours), (_Y, self.rows, self.theirs),
        ]  # fmt: skip
        for prefix, frame, places in sides:
            if name.startswith(prefix) and field in frame.lazy().collect_schema():
                return only(frame, field).to_series().gather(places).alias(name)
        return pl.Series(name, [None], dtype=pl.String).new_from_index(0, self.height)


def paired(
    source: Frame,
    rows: Frame,
    fate: pl.DataFrame,
    *,
    matched: Sequence[str] = (),
    more: pl.DataFrame | None = None,
    whose: pl.DataFrame | None = None,
) -> Pairs:
    """
    Every source row that lives on, beside the target row it lives on in.

    Args:
        source: one row per `source_id`.
        rows: the target's, by the `source_id` they are of.
        fate: `source_id` to `kept_id`; rows without one are left out.
        matched: ids of *rows* that were in the target before, with values that are none of ours.
        more: further columns of *source*, row by row.
        whose: `source_id` and `theirs`, the row of *rows*, where those have no `source_id` of their own.
    """
    if whose is None:
        whose = only(rows, "source_id").with_row_index("theirs")
    kept = fate.select("source_id", "kept_id").drop_nulls("kept_id")
    several = kept.filter(pl.col("source_id") != pl.col("kept_id"))["kept_id"].unique()
    pairs = (
        only(source, "source_id")
        .with_row_index("ours")
        .join(kept, on="source_id")
        .join(whose.select("theirs", kept_id="source_id"), on="kept_id")
        .sort("ours")
    )
    flags = pairs.select(
        "source_id",
        "kept_id",
        is_merged=pl.col("source_id") != pl.col("kept_id"),
        is_survivor=(pl.col("source_id") == pl.col("kept_id")) & pl.col("kept_id").is_in(several.implode()),
        is_matched=pl.col("kept_id").is_in(list(matched)),
    )
    return Pairs(
        flags, source, pl.DataFrame() if more is None else more, rows, pairs["ours"], pairs["theirs"]
    )


def measured(entity: str, pairs: Pairs, ways: Sequence[Way]) -> pl.DataFrame:
    """Rows per way and kind (MEASURED); target columns that lack in *pairs* are null."""
    found: list[dict[str, Any]] = []
    for way in ways:
        filled, counts = _counted(pairs, way)
        found += [
            {"entity": entity, "source_field": way.source_field, "target_field": way.target_field, "rule": way.rule,
             "kind": kind, "rows": number, "filled": filled}
            for kind, number in sorted(counts.items())
        ]  # fmt: skip
    return pl.DataFrame(found, schema=MEASURED)


def _counted(pairs: Pairs, way: Way) -> tuple[int, dict[str, int]]:
    """How many rows tell a value, and how many have each kind."""
    columns = way.columns()
    seen = _with_rows(pairs.columns(columns | {"kept_id"} if way.per_target else columns), way)
    for layer in way.layers:
        seen = seen.with_columns(**layer)
    filled = int(seen.filter(way.is_told)[_ROWS].sum())
    if way.is_plain is not None:
        seen = seen.filter(~way.is_plain.fill_null(value=False))
    names = {f"k{i}": kind for i, kind in enumerate(way.kinds)}
    seen = seen.select(_ROWS, *(["kept_id"] if way.per_target else []), **names)
    counts: dict[str, int] = {}
    for name in names:
        told = seen.drop_nulls(name)
        if way.per_target:
            told = told.unique(["kept_id", name])
        for kind, number in told.group_by(name).agg(pl.col(_ROWS).sum()).iter_rows():
            counts[kind] = counts.get(kind, 0) + number
    return filled, counts


def _with_rows(seen: pl.DataFrame, way: Way) -> pl.DataFrame:
    """*seen* with how many rows each stands for: of few different ones, every one is looked at once."""
    one = pl.lit(1, dtype=pl.Int64).alias(_ROWS)
    head = seen.head(_LOOKED_AT)
    if way.per_target or 2 * head.group_by(pl.all()).len().height > head.height:
        return seen.with_columns(one)
    return seen.group_by(pl.all()).agg(pl.len().cast(pl.Int64).alias(_ROWS))


def as_list(value: pl.Expr, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """The elements of a target's value, empty where there is none."""
    if isinstance(dtype, pl.List):
        return value.fill_null(pl.lit([], dtype=pl.List(pl.String)))
    return pl.when(value.is_not_null()).then(pl.concat_list(value.cast(pl.String))).otherwise(
        pl.lit([], dtype=pl.List(pl.String))
    )  # fmt: skip


def lacks(ours: pl.Expr, theirs: pl.Expr) -> pl.Expr:
    """True where *theirs* has not all elements of *ours*."""
    return ours.list.set_difference(theirs).list.len() > 0
