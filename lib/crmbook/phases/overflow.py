"""Values too long for their field, whole in a note on the record.

In: the non-blocking rejects `too_long` and the source they speak of. Out: the blocks of the notes, and the
losses that are none any more. Only a value whose record is not moved stays behind, with its record.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import polars as pl

from crmbook import clean, tables
from crmbook.phases import notetext, parents
from crmbook.phases.narrow import Frame
from crmbook.phases.shape import merged, tally

RULE: Final = "too_long"


class Overflow(NamedTuple):
    """`blocks` as `notetext.BLOCKS`; `changes` as `tables.CHANGES`; `loss` is *loss* without what the notes keep."""

    blocks: pl.DataFrame
    changes: pl.DataFrame
    loss: pl.DataFrame


def overflow(
    sources: Mapping[str, Frame], rejects: pl.DataFrame, loss: pl.DataFrame, fates: parents.Fates
) -> Overflow:
    """The values of *rejects* that are too long, as notes on the surviving records."""
    long = rejects.filter(pl.col("rule") == RULE, pl.col("entity").is_in(list(sources)))
    parts = [pl.DataFrame(schema=notetext.BLOCKS)]
    counts: dict[tuple[str, str], int] = {}
    for entity, field in long.select("entity", "field").unique().sort("entity", "field").iter_rows():
        ids = long.filter(pl.col("entity") == entity, pl.col("field") == field).select("source_id")
        made = _blocks(sources[entity], ids, fates[entity], entity, field)
        parts.append(made)
        counts[entity, field] = made.height
    changes = [
        tally(tables.CHANGES, entity, [(field, "to_note", n)]) for (entity, field), n in counts.items()
    ]
    return Overflow(pl.concat(parts), merged(tables.CHANGES, *changes), _less(loss, counts))


def _blocks(source: Frame, ids: pl.DataFrame, fate: pl.DataFrame, entity: str, field: str) -> pl.DataFrame:
    dtype = source.lazy().collect_schema()[field]
    texts = source.lazy().select("source_id", text=clean.as_text(pl.col(field), dtype))
    kept = fate.lazy().select("source_id", "kept_id")
    rows = (
        ids.lazy()
        .join(texts, on="source_id")
        .join(kept, on="source_id")
        .filter(pl.col("kept_id").is_not_null(), pl.col("text").is_not_null())
    )
    return rows.select(
        key=pl.concat_str(pl.lit(f"overflow:{entity}"), "source_id", pl.lit(field), separator=":"),
        parent_kind=pl.lit(entity),
        parent_id="kept_id",
        head=pl.format(f"User.com {entity} {{}}, ", "source_id") + pl.lit(_named(field)),
        position=pl.lit(0, pl.Int64),
        html=notetext.escaped(pl.col("text")),
    ).collect()


def _named(field: str) -> str:
    return " ".join(field.removeprefix("p_").replace("_", " ").split())[:250]


def _less(loss: pl.DataFrame, counts: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = loss.to_dicts()
    for row in rows:
        if row["kind"] == "dropped":
            row["records"] -= counts.get((row["entity"], row["field"]), 0)
    kept = [row for row in rows if row["records"] > 0]
    return tables.conform(pl.DataFrame(kept, schema=tables.LOSS.columns), tables.LOSS)
