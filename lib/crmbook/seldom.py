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
