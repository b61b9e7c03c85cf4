"""Canonical JSON a column at a time: the text `payloads.canonical` makes of one body, for all rows at once.

In: expressions on a frame. Out: expressions of JSON text, null where there is no value and the key is left out: null,
empty text, empty list. Invariant: for every row the same bytes as `json.dumps` with sorted keys, no blanks, text as it is.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

_ESCAPED: Final = {mark: json.dumps(mark)[1:-1] for mark in ('"', "\\", *map(chr, range(32)))}


def whole(value: Any) -> str:
    """One value known beforehand."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def object_of(members: Mapping[str, pl.Expr]) -> pl.Expr:
    """The object of *members* (key to JSON text); null where none of them has a value."""
    if not members:
        return pl.lit(None, dtype=pl.String)
    parts = [pl.lit(f",{whole(key)}:") + members[key] for key in sorted(members)]
    inner = pl.concat_str(parts, ignore_nulls=True)
    return (pl.lit("{") + inner.str.slice(1) + pl.lit("}")).replace("{}", None)


def list_of(items: pl.Expr) -> pl.Expr:
    """The list of *items*, themselves lists of JSON text."""
    return (pl.lit("[") + items.list.join(",") + pl.lit("]")).replace("[]", None)


def text(value: pl.Expr) -> pl.Expr:
    """A text; empty text stays one."""
    return pl.lit('"') + value.str.replace_many(list(_ESCAPED), list(_ESCAPED.values())) + pl.lit('"')


def instant(value: pl.Expr) -> pl.Expr:
    """A point in time as `payloads.instant` writes it: microseconds only where there are some."""
    shown = value.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    return pl.lit('"') + shown.str.strip_suffix(".000000") + pl.lit('Z"')


def of(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A value of *dtype*: text, list of text, number, flag, day or point in time."""
    if isinstance(dtype, pl.List):
        return list_of(value.list.eval(text(pl.element()).fill_null("null")))
    if isinstance(dtype, pl.Datetime):
        return instant(value)
    if dtype == pl.Date:
        return text(value.dt.strftime("%Y-%m-%d"))
    if dtype == pl.Boolean:
        return pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
    if dtype.is_float():
        return value.map_batches(_numbers, return_dtype=pl.String)
    return value.cast(pl.String) if dtype.is_integer() else pl.when(value != "").then(text(value))


def _numbers(values: pl.Series) -> pl.Series:
    # No format of the engine writes every number as Python does.
    told = [None if value is None else repr(value) for value in values.to_list()]
    return pl.Series(values.name, told, dtype=pl.String)
