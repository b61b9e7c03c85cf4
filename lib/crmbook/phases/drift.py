"""What is no longer in the target as it was signed off?

In: the findings of the signed reconciliation and those of a later one. Out: DRIFT, one row per record, field or relation
that reads otherwise now; no values. Records people make in the target are their work and only counted, and an owner who
got what the administrator kept for them is what was promised. Invariant: two readings that agree give no row.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

DRIFT: Final = dict.fromkeys(("kind", "entity", "source_id", "what", "signed", "now"), pl.String)
GONE: Final = "no longer told"
NEW: Final = "new since the sign-off"
# table of 06 -> kind of row, its key, the column whose change is drift; for differences being there is the change itself
_VERDICTS: Final = {
    "classes": ("record", ("entity", "source_id"), "class"),
    "link_classes": ("link", ("relation", "from_id", "to_id"), "class"),
    "history_classes": ("record", ("module", "source_id"), "class"),
    "member_classes": ("list member", ("list_key", "contact_id"), "class"),
    "instants": ("instant", ("entity", "source_id"), "is_equal"),
    "differences": ("field", ("entity", "source_id", "field"), "kind"),
    "history_differences": ("field", ("module", "source_id", "field"), "kind"),
}
_MADE: Final = {"target_only": "unexpected", "history_target_only": "unexpected"}
_HANDED_OVER: Final = "reassigned"
NAMES: Final = (*_VERDICTS, *_MADE, _HANDED_OVER)

Frames = Mapping[str, pl.DataFrame]


def drift(signed: Frames, now: Frames) -> pl.DataFrame:
    """Both by the names of NAMES; DRIFT."""
    parts = [_changed(name, signed[name], now[name]) for name in _VERDICTS]
    is_promised = (
        (pl.col("kind") == "link")
        & pl.col("entity").str.ends_with("_owner")
        & (pl.col("signed") == "repointed")
        & (pl.col("now") == "found")
        & pl.col("what").is_in(now[_HANDED_OVER]["agent_id"].to_list())
    )
    return pl.concat(parts).filter(~is_promised).sort(list(DRIFT))


def made(signed: Frames, now: Frames) -> int:
    """How many records of the target nobody loaded are there now and were not at the sign-off."""
    return sum(_strange(now[name], name).join(_strange(signed[name], name), on=["module", "target_id"], how="anti").height for name in _MADE)  # fmt: skip


def summary(found: pl.DataFrame) -> str:
    """The rows of DRIFT counted by kind and entity, in words; empty where there are none."""
    return ", ".join(_worded(found))


def _worded(found: pl.DataFrame) -> Iterator[str]:
    for kind, entity, number in found.group_by("kind", "entity").len().sort("kind", "entity").iter_rows():
        yield f"{number:,} {kind}{'' if number == 1 else 's'} of {entity.replace('_', ' ')}"


def _changed(name: str, signed: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    kind, key, verdict = _VERDICTS[name]
    told = [
        frame.select(*key, pl.col(verdict).cast(pl.String).alias(side))
        for frame, side in ((signed, "signed"), (now, "now"))
    ]
    both = told[0].join(told[1], on=key, how="full", coalesce=True, nulls_equal=True)
    differ = both.filter(pl.col("signed").ne_missing(pl.col("now")))
    what = pl.col(key[2]) if len(key) > 2 else pl.lit("")
    is_found = pl.lit(name in ("differences", "history_differences"))
    return differ.select(
        kind=pl.lit(kind),
        entity=pl.lit("list") if name == "member_classes" else pl.col(key[0]),
        source_id=pl.concat_str(key[0], key[1], separator=":")
        if name == "member_classes"
        else pl.col(key[1]),
        what=what.cast(pl.String).fill_null(""),
        signed=pl.col("signed").fill_null(pl.when(is_found).then(pl.lit("as loaded")).otherwise(pl.lit(NEW))),
        now=pl.col("now").fill_null(pl.when(is_found).then(pl.lit("as loaded")).otherwise(pl.lit(GONE))),
    ).select(list(DRIFT))


def _strange(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.filter(pl.col("class") == _MADE[name]).select("module", "target_id")
