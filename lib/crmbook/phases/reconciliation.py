"""Does the target hold every record that was loaded, once, and nothing nobody can explain?

In: the source ids, by entity (company, contact, deal), the tables of 04, the crosswalk and the records as the target
tells them, by place (with leads beside contacts where the edition has them). Out: CLASSES, TARGET_ONLY, CLASS_BALANCE, OWNER_QUEUE; fields are compared in
`compare`, relations in `link_check`, the sheet for the eye is `spot_check`. A record is found by the crosswalk and
by the mark it carries, so that a loss can't hide behind a duplicate. Each source record is in exactly one class.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.compare import LOCATED
from crmbook.phases.edition import MODULES, PLACES
from crmbook.phases.narrow import Frame, known, only
from crmbook.phases.target_ids import TargetIds

CLASS_NAMES: Final = (
    "loaded", "merged", "excluded", "rejected", "missing", "duplicated", "kept_by_target",
)  # fmt: skip
_MARKED: Final = ("source_id", "target_id", "external_id")
_LONGEST_CHAIN: Final = 8  # of merges; normalization names final survivors, a circle must not hang
_FOUND: Final = {"source_id": pl.String, "target_id": pl.Int64, "by_mark": pl.Boolean}
_SETTLED: Final = {
    "source_id": pl.String, "class": pl.String, "module": pl.String, "target_id": pl.Int64, "reason": pl.String,
}  # fmt: skip


def by_entity(companies: Frame, contacts: Frame, deals: Frame) -> dict[str, Frame]:
    """The three frames under the names of their entities."""
    return {"company": companies, "contact": contacts, "deal": deals}


def classes(
    *,
    sources: Mapping[str, Frame],
    normalized: Mapping[str, Frame],
    actual: Mapping[str, Frame],
    rejects: pl.DataFrame,
    excluded: pl.DataFrame,
    merges: pl.DataFrame,
    crosswalk: pl.DataFrame,
    existing: pl.DataFrame,
    refused: pl.DataFrame,
) -> pl.DataFrame:
    """
    Every row of *sources* in one class; CLASSES.

    `loaded` and `duplicated` carry the target id; a record that only its mark led to says so in `reason`.
    A merged record shares the fate of its survivor: with a survivor that is not there it is missing, or
    rejected, too. *refused* (entity, source_id) are records the target refused during the load. A record that no
    table of 04 knows is missing, with that reason.
    """
    parts = []
    for entity, source in sources.items():
        own = pl.DataFrame(schema=_SETTLED)
        for place in _places(entity, normalized):
            wanted = only(normalized[place], "source_id")
            found = _found(place, wanted, known(actual[place], *_MARKED), crosswalk, existing)
            own = own.vstack(_own(place, wanted, found, crosswalk, refused))
        left_out = _left_out(entity, rejects, excluded)
        settled = pl.concat([own, left_out.join(own, on="source_id", how="anti")])
        followed = _followed(_of(merges, entity).join(settled, on="source_id", how="anti"), settled)
        every = only(source, "source_id").join(pl.concat([settled, followed]), on="source_id", how="left")
        parts.append(
            every.select(
                "source_id",
                "module",
                "target_id",
                entity=pl.lit(entity),
                reason=pl.when(pl.col("class").is_null())
                .then(pl.lit("lost in normalization"))
                .otherwise(pl.col("reason").fill_null("")),
                **{"class": pl.col("class").fill_null("missing")},
            ).select(list(tables.CLASSES.columns))
        )
    return tables.conform(pl.concat([tables.CLASSES.empty(), *parts]), tables.CLASSES)


def target_only(
    *, existing: pl.DataFrame, classes: pl.DataFrame, actual: Mapping[str, Frame]
) -> pl.DataFrame:
    """
    The target's records that are not the one place of a source record; TARGET_ONLY.

    The further copies of a duplicated record are `unexpected` here: this is where their ids stand.
    """
    parts = []
    for place, there in actual.items():
        module = MODULES[place]
        ours = classes.filter((pl.col("module") == module) & pl.col("class").is_in(LOCATED))
        before = existing.filter(pl.col("module") == module).select("target_id", is_known=pl.lit(value=True))
        strange = only(there, "target_id").join(ours, on="target_id", how="anti")
        parts.append(
            strange.join(before, on="target_id", how="left").select(
                "target_id",
                module=pl.lit(module),
                **{"class": pl.when(pl.col("is_known")).then(pl.lit("pre_existing")).otherwise(
                    pl.lit("unexpected")
                )},
            ).select(list(tables.TARGET_ONLY.columns))
        )  # fmt: skip
    return tables.conform(pl.concat([tables.TARGET_ONLY.empty(), *parts]), tables.TARGET_ONLY)


def class_balance(
    *, classes: pl.DataFrame, target_only: pl.DataFrame, extracted: Mapping[str, int]
) -> pl.DataFrame:
    """
    The records fetched from the source beside the sum of their classes; CLASS_BALANCE.

    *extracted* is counted elsewhere (the raw extract), entity to rows: that is what makes the balance a check.
    """
    rows = []
    for entity, places in PLACES.items():
        mine = dict(_of(classes, entity).group_by("class").len().iter_rows())
        counts = {name: mine.get(name, 0) for name in CLASS_NAMES}
        modules = [MODULES[place] for place in places]
        strange = target_only.filter(pl.col("module").is_in(modules) & (pl.col("class") == "unexpected"))
        unaccounted = extracted[entity] - sum(mine.values())
        rows.append(
            {
                "entity": entity,
                "extracted": extracted[entity],
                **counts,
                "unexpected": strange.height,
                "unaccounted": unaccounted,
            }
        )
    return tables.conform(pl.DataFrame(rows, schema=tables.CLASS_BALANCE.columns), tables.CLASS_BALANCE)


def owner_queue(*, ids: TargetIds, contacts: Frame, deals: Frame) -> pl.DataFrame:
    """The agents whose records stand with the admin, and how many of the normalized records; OWNER_QUEUE."""
    counts = [
        only(frame, "owner_agent_id")
        .group_by(agent_id="owner_agent_id")
        .agg(pl.len().cast(pl.Int64).alias(name))
        for name, frame in (("contacts", contacts), ("deals", deals))
    ]
    waiting = ids.owners.filter("is_fallback").select("agent_id", "email", "reason")
    for count in counts:
        waiting = waiting.join(count, on="agent_id", how="left")
    queue = waiting.with_columns(pl.col("contacts", "deals").fill_null(0)).filter(
        pl.col("contacts") + pl.col("deals") > 0
    )
    return tables.conform(queue.select(list(tables.OWNER_QUEUE.columns)), tables.OWNER_QUEUE)


def _of(frame: pl.DataFrame, entity: str) -> pl.DataFrame:
    return frame.filter(pl.col("entity") == entity)


def _places(entity: str, frames: Mapping[str, Frame]) -> list[str]:
    return [place for place in PLACES[entity] if place in frames]


def _found(
    place: str,
    normalized: pl.DataFrame,
    actual: pl.DataFrame,
    crosswalk: pl.DataFrame,
    existing: pl.DataFrame,
) -> pl.DataFrame:
    """source_id, target_id, by_mark: every place a source record has in the target."""
    written = _of(crosswalk, place).select("source_id", "target_id", by_mark=pl.lit(value=False))
    written = written.join(actual.select("target_id"), on="target_id", how="semi")
    free = actual.join(written, on="target_id", how="anti")
    marks = [free.select("source_id", "target_id")]
    if "external_id" in actual.columns:
        # a foreign record may carry a number of its own as external id; only what came later can be ours
        before = existing.filter(pl.col("module") == MODULES[place])
        later = free.filter(pl.col("source_id").is_null()).join(before, on="target_id", how="anti")
        marks.append(later.select(source_id="external_id", target_id="target_id"))
    marked = pl.concat(marks).drop_nulls("source_id").with_columns(by_mark=pl.lit(value=True))
    places = pl.concat([pl.DataFrame(schema=_FOUND), written, marked])
    return places.join(normalized, on="source_id", how="semi")


def _own(
    place: str,
    normalized: pl.DataFrame,
    found: pl.DataFrame,
    crosswalk: pl.DataFrame,
    refused: pl.DataFrame,
) -> pl.DataFrame:
    """source_id, class, module, target_id, reason of the records that were to be loaded there."""
    places = found.sort("source_id", "by_mark", "target_id").group_by("source_id", maintain_order=True).agg(
        pl.col("target_id").first(), pl.col("by_mark").first(), places=pl.len()
    )  # fmt: skip
    every = normalized.select("source_id").join(places, on="source_id", how="left")
    is_several = pl.col("places") > 1
    reason = (
        pl.when(is_several).then(pl.format("in {} target records", "places"))
        .when("by_mark").then(pl.lit("found by its mark, not in the crosswalk"))
    )  # fmt: skip
    there = every.filter(pl.col("places").is_not_null()).select(
        "source_id",
        pl.when(is_several).then(pl.lit("duplicated")).otherwise(pl.lit("loaded")).alias("class"),
        pl.lit(MODULES[place]).alias("module"),
        "target_id",
        reason.alias("reason"),
    )
    return pl.concat([there, _lost(place, every.filter(pl.col("places").is_null()), crosswalk, refused)])


def _lost(place: str, absent: pl.DataFrame, crosswalk: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """source_id, class, module, target_id, reason of the records that are nowhere in the target."""
    refusals = _of(refused, place).select("source_id", is_refused=pl.lit(value=True)).unique("source_id")
    written = _of(crosswalk, place).select("source_id", is_written=pl.lit(value=True))
    known = absent.join(refusals, on="source_id", how="left").join(written, on="source_id", how="left")
    reason = (
        pl.when("is_refused").then(pl.lit("refused by the target"))
        .when("is_written").then(pl.lit("gone from the target"))
        .otherwise(pl.lit("never written"))
    )  # fmt: skip
    return known.select(
        "source_id",
        pl.when("is_refused").then(pl.lit("rejected")).otherwise(pl.lit("missing")).alias("class"),
        pl.lit(None, pl.String).alias("module"),
        "target_id",
        reason.alias("reason"),
    )


def _left_out(entity: str, rejects: pl.DataFrame, excluded: pl.DataFrame) -> pl.DataFrame:
    """source_id, class, module, target_id, reason of the records normalization held back."""
    apart = _of(excluded, entity).select("source_id", pl.lit("excluded").alias("class"), "reason")
    blocked = (
        _of(rejects, entity)
        .filter("is_blocking")
        .group_by("source_id", maintain_order=True)
        .agg(reason=pl.format("{}: {}", "field", "rule").unique().sort().str.join("; "))
        .select("source_id", pl.lit("rejected").alias("class"), "reason")
        .join(apart, on="source_id", how="anti")
    )
    return pl.concat([apart, blocked]).select(
        "source_id",
        "class",
        pl.lit(None, pl.String).alias("module"),
        pl.lit(None, pl.Int64).alias("target_id"),
        "reason",
    )


def _followed(merges: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """source_id, class, module, target_id, reason of merged records: the fate of the record each one lives on in."""
    last = merges.select("source_id", "survivor_id", "rule", via="survivor_id")
    onward = merges.select(via="source_id", onward="survivor_id")
    for _ in range(_LONGEST_CHAIN):
        last = last.join(onward, on="via", how="left").with_columns(via=pl.coalesce("onward", "via"))
        last = last.drop("onward")
    fate = last.join(
        settled.rename({"source_id": "via", "class": "fate"}).drop("reason"), on="via", how="left"
    )
    is_there = pl.col("fate").is_in(LOCATED)
    into = pl.format("into {} ({})", "survivor_id", "rule")
    return fate.select(
        "source_id",
        pl.when(is_there)
        .then(pl.lit("merged"))
        .otherwise(pl.col("fate").fill_null("missing"))
        .alias("class"),
        "module",
        "target_id",
        reason=pl.when(is_there).then(into).otherwise(pl.format("{}, which is not there", into)),
    )
