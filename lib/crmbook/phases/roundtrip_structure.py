"""The ways no single rule describes: names in two parts, tags, further telephone numbers, stages and closings.

In: pairs of source and target rows (`roundtrip.paired`) and the decisions of 02. Out: ways for `roundtrip.measured`.
Each says how the target's values are put together again, and what of the source is not in them.
"""

from typing import Final

import polars as pl

from crmbook import clean
from crmbook.phases import closing, people
from crmbook.phases.loss_words import STRUCTURE
from crmbook.phases.roundtrip import MEASURED, Pairs, Way, as_list, lacks, x, y
from crmbook.phases.shape import Decisions
from crmbook.phases.split import WON
from crmbook.phases.standard_map import MODULES, PHONE_NUMBERS

_NONE: Final = pl.lit(None, dtype=pl.String)
PLACED_BY: Final = ("source_id", "pipeline_id", "stage_id", "status")
_CLOSINGS: Final = {"won_at": WON, "lost_at": closing.LOST}


def ways(entity: str, pairs: Pairs, decided: Decisions) -> list[Way]:
    """The ways of *entity*'s structure that the mapping does not leave behind."""
    made: list[Way] = []
    if not decided.leaves(entity, "tags"):
        made.append(_tags(entity, pairs, decided))
    if entity == "contact" and not decided.leaves(entity, "name"):
        made.append(_name())
    # The target tells owners by ids of its own; relations are reconciled by themselves.
    if (
        entity == "contact"
        and "y:owner_agent_id" in pairs.schema
        and not decided.leaves(entity, "assigned_to")
    ):
        made.append(_owner())
    if entity == "company" and not decided.leaves(entity, "phone_numbers"):
        made.append(_numbers(decided))
    if entity == "deal":
        made += [*_closings(decided), _status(decided), _stage(decided), _probability()]
    return made


def places(deals: pl.DataFrame, decided: Decisions) -> pl.DataFrame:
    """What the stage of each of *deals* of the source means in the target: `stage_label`, `is_closed`, `is_moved`, `is_rounded`."""
    placed = closing.placed(deals, decided.stages)
    rounded = decided.stages.select("pipeline_id", placed="stage_id", is_rounded="is_rounded")
    put = (
        deals.select("pipeline_id", "stage_id")
        .hstack(placed.select(pl.col("stage_id").alias("placed"), "forecast_type", "label"))
        .join(rounded, on=["pipeline_id", "placed"], how="left", maintain_order="left")
    )
    return put.select(
        stage_label="label",
        is_closed=(pl.col("forecast_type") != closing.OPEN).fill_null(value=False),
        is_moved=(pl.col("placed") != pl.col("stage_id")).fill_null(value=False),
        is_rounded=pl.col("is_rounded").fill_null(value=False),
    )


def stages(decided: Decisions, target_stages: pl.DataFrame | None = None) -> pl.DataFrame:
    """
    Probabilities that are another number in the target (`roundtrip.MEASURED`).

    With *target_stages* (`tables.TARGET_STAGES`) the number the tenant shows, else the one it is asked for.
    """
    own = decided.stages.filter(pl.col("probability").is_not_null(), ~pl.col("is_added"))
    there = pl.col("target_probability").cast(pl.Float64)
    if target_stages is not None:
        names = {"target_pipeline": "pipeline", "target_stage": "stage"}
        keys = [clean.name_key(pl.col(ours)).alias(f"_{theirs}") for ours, theirs in names.items()]
        shown = target_stages.select(
            *(clean.name_key(pl.col(theirs)).alias(f"_{theirs}") for theirs in names.values()),
            shown="probability",
        )
        own = own.with_columns(keys).join(
            shown, on=["_pipeline", "_stage"], how="left", maintain_order="left"
        )
        there = pl.col("shown")
    lost = own.filter(there.ne_missing(pl.col("probability"))).height
    row = ("deal_stage", "probability", "probability", STRUCTURE, "rounded", lost, own.height)
    return pl.DataFrame([row] if lost else [], schema=MEASURED, orient="row")


def _name() -> Way:
    own = people.tidy(x("name"))
    whole = pl.concat_str(y("first_name"), y("last_name"), separator=" ", ignore_nulls=True).replace("", None)
    squeezed = clean.trimmed(x("name")).str.replace_all(r"\s+", " ")
    is_cut = ~pl.col("is_merged") & (own.str.len_chars() > whole.str.len_chars())
    of_row = (
        pl.when(own.eq_missing(whole) | (pl.col("is_merged") & own.is_null())).then(_NONE)
        .when(own.is_null() & pl.col("is_matched")).then(_NONE)
        .when(own.is_null()).then(pl.lit("filled"))
        .when(whole.is_null()).then(pl.lit("missing"))
        .when(pl.col("is_merged")).then(pl.lit("collapsed"))
        .when(is_cut).then(pl.lit("truncated"))
        .otherwise(pl.lit("changed"))
    )  # fmt: skip
    spelt = pl.when(squeezed == own).then(pl.lit("whitespace")).otherwise(pl.lit("notation"))
    of_words = pl.when((own != x("name")) & ~pl.col("is_merged")).then(spelt)
    noted = pl.when(of_row == "truncated").then(pl.lit("to_note"))
    return Way("name", "last_name", STRUCTURE, own.is_not_null(), (of_words, of_row, noted))


def _owner() -> Way:
    mine, theirs = x("assigned_to"), y("owner_agent_id")
    lost = pl.when(pl.col("is_merged") & (mine != theirs)).then(pl.lit("collapsed"))
    return Way("assigned_to", "owner_id", STRUCTURE, mine.is_not_null(), (lost,))


def _tags(entity: str, pairs: Pairs, decided: Decisions) -> Way:
    plan = decided.tag_plan.filter(pl.col("module") == MODULES[entity], pl.col("api_name") != "")
    target = next(iter(plan["api_name"]), "tags")
    ours = clean.filled(x("tags")).fill_null(pl.lit([], dtype=pl.List(pl.String)))
    theirs = as_list(y(target), pairs.schema.get(f"y:{target}", pl.String))
    lost = pl.when(lacks(ours, theirs)).then(pl.lit("collapsed"))
    return Way("tags", target, STRUCTURE, ours.list.len() > 0, (lost,), per_target=True)


def _numbers(decided: Decisions) -> Way:
    """All of several telephone numbers, in a text field."""
    listed = clean.filled(x("phone_numbers"))
    is_several = (listed.list.len() > 1).fill_null(value=False)
    joined = pl.when(is_several).then(listed.list.join(", "))
    own = pl.when(joined.str.len_chars() <= clean.TEXT_LENGTH).then(joined)
    if not decided.has_field("sales_accounts", PHONE_NUMBERS):
        gone = pl.when(is_several).then(pl.lit("dropped"))
        return Way("phone_numbers", PHONE_NUMBERS, STRUCTURE, is_several, (gone,))
    theirs = y(PHONE_NUMBERS)
    of_row = (
        pl.when(own.eq_missing(theirs) | (pl.col("is_merged") & own.is_null())).then(_NONE)
        .when(own.is_null() & pl.col("is_matched")).then(_NONE)
        .when(own.is_null()).then(pl.lit("filled"))
        .when(theirs.is_null()).then(pl.lit("missing"))
        .when(pl.col("is_merged")).then(pl.lit("collapsed"))
        .otherwise(pl.lit("changed"))
    )  # fmt: skip
    gone = pl.when(joined.is_not_null() & own.is_null()).then(pl.lit("dropped"))
    return Way("phone_numbers", PHONE_NUMBERS, STRUCTURE, is_several, (gone, of_row))


def _closings(decided: Decisions) -> list[Way]:
    made = []
    for at, status in _CLOSINGS.items():
        if decided.keeps_in_a_field("deal", at) or decided.leaves("deal", at):
            continue
        is_it = (x("status") == status).fill_null(value=False) & x(at).is_not_null()
        here = closing.local(x(at), decided.time_zone)
        kinds = (
            pl.when(x(at).is_not_null() & ~is_it).then(pl.lit("dropped")),
            pl.when(is_it & (here.dt.time() != pl.time(0))).then(pl.lit("truncated")),
            pl.when(is_it & y("closed_date").is_null()).then(pl.lit("missing"))
            .when(is_it & (y("closed_date") != here.dt.date())).then(pl.lit("changed")),
        )  # fmt: skip
        made.append(Way(at, "closed_date", STRUCTURE, x(at).is_not_null(), kinds))
    told = [pl.when(x("status") == status).then(x(at)) for at, status in _CLOSINGS.items()]
    undated = x("is_closed") & pl.coalesce(told).is_null()
    shifted = pl.when(undated).then(pl.lit("shifted"))
    return [*made, Way("closed_date", "closed_date", STRUCTURE, x("is_closed"), (shifted,))]


def _status(decided: Decisions) -> Way:
    if not decided.has_field("deals", closing.STATUS_FIELD):
        plain = [*closing.FORECAST_OF, closing.IN_PROGRESS]
        lost = pl.when(~x("status").is_in(plain)).then(pl.lit("collapsed"))
        return Way("status", "deal_stage_id", STRUCTURE, x("status").is_not_null(), (lost,))
    own = x("status").replace_strict(closing.STATUSES, default=None, return_dtype=pl.String)
    return _kept("status", closing.STATUS_FIELD, own, ())


def _stage(decided: Decisions) -> Way:
    if not decided.has_field("deals", closing.STAGE_FIELD):
        lost = pl.when(x("is_moved")).then(pl.lit("collapsed"))
        return Way("stage_id", "deal_stage_id", STRUCTURE, x("stage_id").is_not_null(), (lost,))
    fits = x("stage_label").str.len_chars() <= clean.TEXT_LENGTH
    return _kept("stage_id", closing.STAGE_FIELD, pl.when(fits).then(x("stage_label")), (
        pl.when(~fits).then(pl.lit("dropped")),
    ))  # fmt: skip


def _probability() -> Way:
    """A stage's probability, on the deals that stand in it."""
    rounded = pl.when(x("is_rounded")).then(pl.lit("rounded"))
    return Way("probability", "probability", STRUCTURE, x("stage_id").is_not_null(), (rounded,))


def _kept(field: str, target: str, own: pl.Expr, more: tuple[pl.Expr, ...]) -> Way:
    of_row = (
        pl.when(own.is_null() | own.eq_missing(y(target))).then(_NONE)
        .when(y(target).is_null()).then(pl.lit("missing"))
        .otherwise(pl.lit("changed"))
    )  # fmt: skip
    return Way(field, target, STRUCTURE, own.is_not_null(), (of_row, *more))
