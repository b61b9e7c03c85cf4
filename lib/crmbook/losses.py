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
    jsonfields,
    loss_tables,
    parents,
    roundtrip,
    roundtrip_structure,
    roundtrip_values,
)
from crmbook.phases.edition import MODULES, PLACES
from crmbook.phases.normalization import Decisions
from crmbook.phases.standard_map import ORIGINAL_ID
from crmbook.runs import Run

_SOURCES: Final = {"company": "companies", "contact": "contacts", "deal": "deals"}
_LOADED: Final = ("loaded", "duplicated")

shown = loss_tables.shown


def preview(run: Run) -> pl.DataFrame:
    """
    `loss_preview` of the decisions as they stand, saved.

    What only 03 measures is taken as most tenants have it: account names unique, every type of activity there.
    """
    decided = normalizing.planned(run, account_name_unique=True)
    made = normalizing.made(run, decided, types=None, lists=[])
    fates = parents.fates(
        made.sources,
        merges=made.tables["merges"],
        rejects=made.tables["rejects"],
        excluded=made.tables["excluded"],
    )
    measured = [
        _measured(entity, source, made.tables[MODULES[entity]], fates[entity], decided)[0]
        for entity, source in made.sources.items()
    ]
    whole = loss_tables.records(
        rejects=made.tables["rejects"], excluded=made.tables["excluded"], merges=made.tables["merges"],
        sizes={entity: source.height for entity, source in made.sources.items()},
    )  # fmt: skip
    rows_in = dict(made.tables["history_balance"].select("entity", "rows_in").iter_rows())
    past = loss_tables.of_history(made.tables["loss"], rows_in)
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


def find(run: Run, actual: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """`lost_fields`, saved; *actual* are the `actual_*` tables by place (company, contact, lead, deal)."""
    decided, actual = normalizing.decided(run), delta_check.as_left(run, actual)
    classes, crosswalk = run.read("classes"), run.read("crosswalk")
    fates = _fates(classes, run.read("merges"))
    currencies = run.read("target_currencies").select("currency_id", currency="code")
    parts, compared = [], []
    for entity, name in _SOURCES.items():
        source = jsonfields.extended(run.read(f"source_{name}"), decided.mapping, entity)
        for place in PLACES[entity]:
            if place not in actual:
                continue
            rows = _of_source(actual[place], classes, place)
            if entity == "deal":
                rows = rows.join(currencies, on="currency_id", how="left", maintain_order="left")
            matched = crosswalk.filter((pl.col("entity") == place) & (pl.col("origin") == "matched"))[
                "source_id"
            ]
            found, filled = _measured(entity, source, rows, fates[entity], decided, matched=matched.to_list())
            parts.append(found)
            compared += filled
    parts.append(roundtrip_structure.stages(decided, run.read("target_stages")))
    compared.append(("deal_stage", "probability", decided.stages["probability"].count()))
    measured = pl.concat(parts)
    return run.save("lost_fields", loss_tables.found(run.read("loss_preview"), measured, compared=compared))


def _measured(
    entity: str,
    source: pl.DataFrame,
    rows: pl.DataFrame,
    fate: pl.DataFrame,
    decided: Decisions,
    *,
    matched: list[str] | None = None,
) -> tuple[pl.DataFrame, list[tuple[str, str, int]]]:
    placed = roundtrip_structure.with_places(source, decided) if entity == "deal" else source
    pairs = roundtrip.paired(placed, rows, fate, matched=matched or ())
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
    return {entity: both.filter(pl.col("entity") == entity).drop("entity") for entity in _SOURCES}


def _of_source(actual: pl.DataFrame, classes: pl.DataFrame, place: str) -> pl.DataFrame:
    """*actual* under the source ids reconciliation found for its records, whatever mark they carry."""
    ours = classes.filter(pl.col("class").is_in(_LOADED), pl.col("module") == MODULES[place])
    marked = actual.rename({"source_id": ORIGINAL_ID})
    return marked.join(ours.select("source_id", "target_id"), on="target_id")
