"""Work that few rows of a column need, done for those rows alone.

An expression is worked out for every row, whatever stands in it. Most text needs no cleaning: it is looked at once,
and only what a pattern or a test picks out is cleaned. The result is what the expression gives on the whole column.
"""

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

_FEW: Final = 4


def changed(raw: pl.Expr, pattern: str, column: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """*raw* as *column* makes it, worked out only for text that *pattern* finds something in; the rest is as it was."""

    def of(values: pl.Series) -> pl.Series:
        is_found = values.str.contains(pattern).fill_null(value=False)
        rows = int(is_found.sum())
        if rows > len(values) // _FEW:
            return values.to_frame("v").select(column(pl.col("v"))).to_series()
        if not rows:
            return values
        where = is_found.arg_true()
        return values.clone().scatter(
            where, values.gather(where).to_frame("v").select(column(pl.col("v"))).to_series()
        )

    return raw.map_batches(of, return_dtype=pl.String, is_elementwise=True)


def otherwise(
    raw: pl.Expr,
    pattern: str,
    usual: Callable[[pl.Expr], pl.Expr],
    other: Callable[[pl.Expr], pl.Expr],
    dtype: pl.DataType,
) -> pl.Expr:
    """The *dtype* that *usual* makes of text *pattern* finds something in, and *other* of the rest; null of null."""

    def of(values: pl.Series) -> pl.Series:
        frame = values.to_frame("v")
        is_usual = pl.col("v").str.contains(pattern)
        made = frame.select(usual(pl.when(is_usual).then("v"))).to_series()
        where = frame.select(~is_usual).to_series().fill_null(value=False).arg_true()
        if not len(where):
            return made
        rest = values.gather(where).to_frame("v").select(other(pl.col("v"))).to_series()
        return made.scatter(where, rest)

    return raw.map_batches(of, return_dtype=dtype, is_elementwise=True)


def lists(column: pl.Expr, test: pl.Expr, work: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """A list column as *work* makes it, worked out only for the rows in which *test* (of the same column) holds."""

    def of(parts: Sequence[pl.Series]) -> pl.Series:
        values, is_asked = parts[0], parts[1].fill_null(value=False)
        if not is_asked.any():
            return values
        # Polars has no scatter for lists: the worked ones stand behind the others, and an index puts them in place.
        where = is_asked.arg_true()
        made = values.gather(where).to_frame("v").select(work(pl.col("v"))).to_series()
        place = pl.int_range(len(values), dtype=pl.UInt32, eager=True)
        place = place.scatter(
            where, pl.int_range(len(values), len(values) + len(where), dtype=pl.UInt32, eager=True)
        )
        return pl.concat([values, made]).gather(place)

    return pl.map_batches([column, test], of, return_dtype=pl.List(pl.String), is_elementwise=True)


def rarely(raw: pl.Expr, test: pl.Expr, column: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """The truth *column* tells of the text in *raw* where *test* holds, worked out for those rows alone; true elsewhere."""

    def of(parts: Sequence[pl.Series]) -> pl.Series:
        values, is_asked = parts[0], parts[1].fill_null(value=False)
        told = pl.repeat(True, len(values), dtype=pl.Boolean, eager=True)
        if not is_asked.any():
            return told
        where = is_asked.arg_true()
        return told.scatter(where, values.gather(where).to_frame("v").select(column(pl.col("v"))).to_series())

    return pl.map_batches([raw, test], of, return_dtype=pl.Boolean, is_elementwise=True)
