"""What the map loses, three times: rehearsed before approval, counted when the records are made, found in the target.

02 makes the records of 04 without saving them and takes every value back to the source's words; 04 counts what
it cost on its own account; 06 takes back what the target tells. The three must say the same, and the gates of
04 and 06 hold them to it.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import delta_check, normalizing
from crmbook.phases import (
    carriers,
    loss_tables,
    roundtrip,
    roundtrip_structure,
    roundtrip_values,
)
from crmbook.phases.edition import MODULES, PLACES
from crmbook.phases.narrow import Frame, only
from crmbook.phases.normalization import Decisions
from crmbook.phases.standard_map import ORIGINAL_ID
from crmbook.runs import Run

_LOADED: Final = ("loaded", "duplicated")

shown = loss_tables.shown


def preview(run: Run) -> pl.DataFrame:
    """
    `loss_preview` of the decisions as they stand, saved.

    What only 03 measures is taken as most tenants have it: account names unique, every type of activity there.
    """
    decided = normalizing.planned(run, account_name_unique=True)
    shaped = normalizing.records(run, decided)
    left = normalizing.what_history_needs(run, decided, shaped)
    whole = loss_tables.records(
        rejects=shaped.rejects, excluded=shaped.excluded, merges=shaped.merges,
        sizes={entity: fate.height for entity, fate in left.fates.items()},
    )  # fmt: skip
    rows = {entity: getattr(shaped, MODULES[entity]) for entity in PLACES}
    # The records of a large account have no room beside its history, nor beside one another's.
    del shaped
    measured = [
        _measured(entity, left.sources[entity], rows.pop(entity), left.fates[entity], decided)[0]
        for entity in PLACES
    ]
    told = normalizing.past(run, decided, left, types=None, lists=[])
    rows_in = dict(told.history_balance.select("entity", "rows_in").iter_rows())
    past = loss_tables.of_history(told.loss, rows_in)
    behind = loss_tables.left_behind(run.read("unmapped"))
    return run.save(
        "loss_preview",
        loss_tables.preview(*measured, roundtrip_structure.stages(decided), whole, past, behind),
    )


def summary(run: Run) -> pl.DataFrame:
    """What the approved map loses, per entity and kind."""
    return loss_tables.summary(run.read("loss_preview"))


def headline(run: Run) -> str:
    """What the map loses, in one sentence."""
    return loss_tables.headline(run.read("loss_preview"))


def agree(run: Run) -> pl.DataFrame:
    """`loss_agreement`, saved: what 02 named beside what this phase lost."""
    known = dict(run.read("capabilities").select("capability", "value").iter_rows())
    there = set(run.read("target_activity_types").get_column("internal_name"))
    return run.save(
        "loss_agreement",
        loss_tables.agreement(
            run.read("loss_preview"), loss=run.read("loss"), rejects=run.read("rejects"), excluded=run.read("excluded"),
            names_unique=known.get("account_name_unique") != "false",
            has_all_types=all(carriers.activity_types(there).values()),
        ),
    )  # fmt: skip


def find(run: Run, actual: Mapping[str, Frame]) -> pl.DataFrame:
    """`lost_fields`, saved; *actual* are the `actual_*` tables by place (company, contact, lead, deal)."""
    decided, actual = normalizing.decided(run), delta_check.as_left(run, actual)
    classes = only(run.scan("classes"), "entity", "source_id", "class", "module", "target_id")
    crosswalk = run.read("crosswalk")
    fates = _fates(classes, run.read("merges"))
    codes = dict(run.read("target_currencies").select("currency_id", "code").iter_rows())
    parts, compared = [], []
    for entity, source in normalizing.sources(run, decided.mapping).items():
        for place in PLACES[entity]:
            if place not in actual:
                continue
            # Whatever mark a record carries: it is the one reconciliation found it to be.
            rows = actual[place].lazy().rename({"source_id": ORIGINAL_ID})
            whose = _whose(actual[place], classes, place)
            if entity == "deal":
                rows = rows.with_columns(
                    currency=pl.col("currency_id").replace_strict(codes, default=None, return_dtype=pl.String)
                )
            matched = crosswalk.filter((pl.col("entity") == place) & (pl.col("origin") == "matched"))[
                "source_id"
            ]
            found, filled = _measured(
                entity, source, rows, fates[entity], decided, matched=matched.to_list(), whose=whose
            )
            parts.append(found)
            compared += filled
    parts.append(roundtrip_structure.stages(decided, run.read("target_stages")))
    compared.append(("deal_stage", "probability", decided.stages["probability"].count()))
    measured = pl.concat(parts)
    return run.save("lost_fields", loss_tables.found(run.read("loss_preview"), measured, compared=compared))


def _measured(
    entity: str,
    source: Frame,
    rows: Frame,
    fate: pl.DataFrame,
    decided: Decisions,
    *,
    matched: list[str] | None = None,
    whose: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, list[tuple[str, str, int]]]:
    more = None
    if entity == "deal":
        more = roundtrip_structure.places(only(source, *roundtrip_structure.PLACED_BY), decided)
    pairs = roundtrip.paired(source, rows, fate, matched=matched or (), more=more, whose=whose)
    ways = [
        *roundtrip_values.values(entity, pairs, decided),
        *roundtrip_structure.ways(entity, pairs, decided),
    ]
    compared = {(entity, way.source_field, pairs.height) for way in ways}
    return roundtrip.measured(entity, pairs, ways), sorted(compared)


def _fates(classes: pl.DataFrame, merges: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Per entity, every source record that is in the target and the one it is there as."""
    own = classes.filter(pl.col("class").is_in(_LOADED)).select("entity", "source_id", kept_id="source_id")
    merged = merges.select("entity", "source_id", kept_id="survivor_id").join(
        own.select("entity", "kept_id"), on=["entity", "kept_id"], how="semi"
    )
    both = pl.concat([own, merged])
    return {entity: both.filter(pl.col("entity") == entity).drop("entity") for entity in PLACES}


def _whose(actual: Frame, classes: pl.DataFrame, place: str) -> pl.DataFrame:
    """`source_id` that reconciliation found for the row `theirs` of *actual*."""
    ours = classes.filter(pl.col("class").is_in(_LOADED), pl.col("module") == MODULES[place])
    rows = only(actual, "target_id").with_row_index("theirs")
    return rows.join(ours.select("source_id", "target_id"), on="target_id").select("source_id", "theirs")
