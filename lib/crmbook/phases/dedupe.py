"""Which records are the same one, which of them survives, and what the survivor takes over.

Clusters are rows with an equal key; null keys never match. The survivor keeps every value it has, takes
what it lacks from the others in order of rank, and unites their lists. Values of the others that differ
from the survivor's are counted as collapsed.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from crmbook import clean, tables
from crmbook.phases.shape import tally

# The one value where the fullest record must not win: mailing somebody who opted out is an offence.
OPT_OUT: Final = "cf_usercom_unsubscribed"


def id_order(column: str = "source_id") -> list[pl.Expr]:
    """Sort keys that put ids in numeric order, and ids that are no numbers behind them."""
    number = pl.col(column).cast(pl.Int64, strict=False)
    return [number.is_null(), number, pl.col(column)]


def standing(rows: pl.DataFrame, there: pl.DataFrame | None) -> pl.DataFrame:
    """
    *rows* with the sort key `_stands`: 0 for who stands in the target under the e-mail it has now, 1 for who stands there
    under another, 2 for all others.

    *there* has `source_id` and, where it counts, `email`; None: nobody stands anywhere. A record that stands survives one
    that does not, or a change in the source would make a second one in the target.
    """
    if there is None:
        return rows.with_columns(_stands=pl.lit(0))
    then, now = (
        clean.email_key(pl.col("email")) if "email" in frame.columns else pl.lit(None, pl.String)
        for frame in (there, rows)
    )
    known = there.select("source_id", _then=then, _is_there=pl.lit(value=True))
    joined = rows.join(known, on="source_id", how="left", maintain_order="left")
    rank = pl.when(pl.col("_is_there").is_null()).then(2).when(pl.col("_then").eq_missing(now)).then(0)
    return joined.with_columns(_stands=rank.otherwise(1)).drop("_is_there", "_then")


def filled_cells(columns: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """How many of *columns* hold something; an empty list holds nothing."""
    return pl.sum_horizontal(
        ((pl.col(c).list.len() > 0) if isinstance(schema[c], pl.List) else pl.col(c).is_not_null())
        .fill_null(False)
        .cast(pl.Int64)
        for c in columns
    )


def merges(
    rows: pl.DataFrame, *, key: Sequence[str], rank: Sequence[pl.Expr], rule: str, entity: str
) -> pl.DataFrame:
    """
    One row per record that lives on in another: the shape of `tables.MERGES`.

    *rows* has one row per `source_id`. Equal in all *key* columns, none of them null, means the same record.
    *rank* are sort keys, best record first; they must tell any two rows apart.
    """
    return (
        _repeated(rows.lazy(), key)
        .sort(rank, maintain_order=True)
        .with_columns(survivor_id=pl.col("source_id").first().over(key))
        .filter(pl.col("survivor_id") != pl.col("source_id"))
        .select(entity=pl.lit(entity), source_id="source_id", survivor_id="survivor_id", rule=pl.lit(rule))
        .collect()
    )


def _repeated(rows: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    is_keyed = pl.all_horizontal(pl.col(k).is_not_null() for k in key)
    is_repeated = pl.struct(key).is_duplicated() if len(key) > 1 else pl.col(key[0]).is_duplicated()
    return rows.filter(is_keyed).filter(is_repeated)


def fold(
    rows: pl.DataFrame, merges: pl.DataFrame, *, rank: Sequence[pl.Expr], own: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, int], dict[str, int]]:
    """
    *rows* without the merged ones, each survivor completed from them in order of *rank*.

    Whoever opted out of mail anywhere stays opted out. In the columns *own* a survivor never takes another record's value, and no difference counts. Returned
    beside the rows: per column the survivors that took something over, and per column the merged records
    whose own value is gone.
    """
    if merges.is_empty():
        return rows, {}, {}
    into = merges.select("source_id", "survivor_id")
    pairs = pl.concat([into, into.select(source_id="survivor_id", survivor_id="survivor_id").unique()])
    members = rows.join(pairs, on="source_id").sort(
        pl.col("source_id") != pl.col("survivor_id"), *rank, maintain_order=True
    )
    lists = [c for c, t in rows.schema.items() if isinstance(t, pl.List)]
    folded = members.group_by("survivor_id", maintain_order=True).agg(
        *(
            _united(c) if c in lists else _any(c) if c == OPT_OUT else _first(c, c in own)
            for c in rows.columns
        )
    )
    shared = [c for c in rows.columns if c not in own]
    before = members.filter(pl.col("source_id") == pl.col("survivor_id"))
    taken = _compared(before, folded, [pl.col(c).ne_missing(pl.col(f"{c}_kept")).alias(c) for c in shared])
    scalars = [c for c in shared if c not in lists]
    gone = [(pl.col(c) != pl.col(f"{c}_kept")).fill_null(False).alias(c) for c in scalars]
    lost = _compared(members.filter(pl.col("source_id") != pl.col("survivor_id")), folded, gone)
    return _placed(rows, into, folded.select(rows.columns)), taken, lost


def _placed(rows: pl.DataFrame, into: pl.DataFrame, folded: pl.DataFrame) -> pl.DataFrame:
    """*rows* in their order, without those merged *into* another, each of *folded* in the place of its survivor."""
    place = folded.select("source_id", _at=pl.int_range(pl.len(), dtype=pl.UInt32) + rows.height)
    at = (
        rows.select("source_id")
        .with_row_index("_own")
        .filter(~pl.col("source_id").is_in(into["source_id"].implode()))
        .join(place, on="source_id", how="left", maintain_order="left")
        .select(pl.coalesce("_at", "_own"))
    )
    return pl.concat([rows, folded])[at.to_series()]


def _any(column: str) -> pl.Expr:
    return pl.col(column).max()


def _first(column: str, is_own: bool) -> pl.Expr:
    return pl.col(column).first() if is_own else pl.col(column).drop_nulls().first()


def _united(column: str) -> pl.Expr:
    return pl.col(column).list.explode().drop_nulls().unique(maintain_order=True)


def _compared(rows: pl.DataFrame, folded: pl.DataFrame, tests: list[pl.Expr]) -> dict[str, int]:
    joined = rows.join(folded, on="survivor_id", suffix="_kept")
    counts = joined.select(tests).sum().row(0, named=True)
    return {column: n for column, n in counts.items() if n}


def taken_over(entity: str, filled: dict[str, int]) -> pl.DataFrame:
    """`changes` rows for the survivors that took something over, per target column (helpers without `_`)."""
    return tally(
        tables.CHANGES,
        entity,
        ((column.lstrip("_"), "filled_from_merged", n) for column, n in filled.items()),
    )


def collapsed(entity: str, gone: dict[str, int], source_of: dict[str, str]) -> pl.DataFrame:
    """`loss` rows for the merged records whose own value is gone, by source field; *source_of* tells it of a target's."""
    return tally(
        tables.LOSS, entity, ((source_of.get(c, c.lstrip("_")), "collapsed", n) for c, n in gone.items())
    )
