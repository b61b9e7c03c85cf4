"""Where a deal stands in the target: its stage, and the day it was closed.

User.com closes a deal by status, Freshsales by stage. A won deal in an open stage goes to the pipeline's Closed
Won stage, a lost one to Closed Lost: a stage of the source where one is such, else the stage added for it.
"""

from typing import Final

import polars as pl

from crmbook import clean, tables
from crmbook.phases.shape import Decisions, merged, tally
from crmbook.phases.split import WON

ENTITY: Final = "deal"
MODULE: Final = "deals"
STATUS_FIELD: Final = "cf_usercom_deal_status"
STAGE_FIELD: Final = "cf_usercom_stage"
IN_PROGRESS: Final = 1
LOST: Final = 3
STATUSES: Final = {0: "abandoned", IN_PROGRESS: "in progress", WON: "won", LOST: "lost", 4: "archived"}
FIELD_OF_REFUSAL: Final = {
    "pipeline_unknown": "pipeline_id",
    "stage_unknown": "stage_id",
    "closed_stage_missing": "status",
}
FORECAST_OF: Final = {WON: "Closed Won", LOST: "Closed Lost"}
OPEN: Final = "Open"


def placed(deals: pl.DataFrame, stages: pl.DataFrame) -> pl.DataFrame:
    """
    The target place of each deal, in the order of *deals*.

    Args:
        deals: the source table, with keys of *stages* as the source has them.
        stages: the shape of `tables.STAGES`.

    Returns:
        `source_id`, `stage_id` (a key of *stages* in the deal's pipeline, null where `refusal` says why),
        `forecast_type` of it, `label` (pipeline / stage at the source), `refusal` (pipeline_unknown,
        stage_unknown, closed_stage_missing or null).
    """
    own = stages.lazy().filter(~pl.col("is_added"))
    here = own.select(
        "pipeline_id",
        "stage_id",
        is_known=True,
        here="forecast_type",
        label=pl.concat_str("pipeline", "stage", separator=" / "),
    )
    known = stages.lazy().select("pipeline_id", is_pipeline=True).unique()
    wanted = pl.col("status").replace_strict(FORECAST_OF, default=None, return_dtype=pl.String)
    joined = (
        deals.lazy()
        .select("source_id", "pipeline_id", "stage_id", wanted=wanted)
        .join(here, on=["pipeline_id", "stage_id"], how="left", maintain_order="left")
        .join(known, on="pipeline_id", how="left", maintain_order="left")
        .join(_closed(stages), on=["pipeline_id", "wanted"], how="left", maintain_order="left")
    )
    must_move = pl.col("wanted").is_not_null() & (pl.col("wanted") != pl.col("here"))
    refusal = (
        pl.when(pl.col("is_pipeline").is_null())
        .then(pl.lit("pipeline_unknown"))
        .when(pl.col("is_known").is_null())
        .then(pl.lit("stage_unknown"))
        .when(must_move & pl.col("closed_id").is_null())
        .then(pl.lit("closed_stage_missing"))
    )
    return joined.select(
        "source_id",
        stage_id=pl.when(refusal.is_null()).then(pl.when(must_move).then("closed_id").otherwise("stage_id")),
        forecast_type=pl.when(must_move).then("wanted").otherwise("here"),
        label="label",
        refusal=refusal,
    ).collect()


def _closed(stages: pl.DataFrame) -> pl.LazyFrame:
    return (
        stages.lazy()
        .filter(pl.col("forecast_type") != OPEN)
        .sort("is_added", "target_position", "stage_id", maintain_order=True)
        .unique(["pipeline_id", "forecast_type"], keep="first", maintain_order=True)
        .select("pipeline_id", wanted="forecast_type", closed_id="stage_id")
    )


def closed_date(deals: pl.DataFrame, decided: Decisions) -> pl.Series:
    """The day a won or lost deal was closed where the customer is; null for the others and where none is told."""
    won, lost = (_unless(decided.leaves(ENTITY, at), at) for at in ("won_at", "lost_at"))
    at = pl.when(pl.col("status") == WON).then(won).when(pl.col("status") == LOST).then(lost)
    return deals.select(closed_date=local(at, decided.time_zone).dt.date()).to_series()


def _unless(is_left: bool, column: str) -> pl.Expr:
    return pl.lit(None, dtype=tables.TIME) if is_left else pl.col(column)


def local(instant: pl.Expr, time_zone: str) -> pl.Expr:
    """*instant* on the customer's clock."""
    return instant.dt.convert_time_zone(time_zone)


def shown(deals: pl.DataFrame, places: pl.DataFrame, decided: Decisions) -> list[pl.Series]:
    """The fields that keep a deal's own status and stage, those of them the target gets."""
    label = pl.when(pl.col("label").str.len_chars() <= clean.TEXT_LENGTH).then("label")
    kept = {
        STATUS_FIELD: deals["status"].replace_strict(STATUSES, default=None, return_dtype=pl.String),
        STAGE_FIELD: places.select(label).to_series(),
    }
    return [column.alias(name) for name, column in kept.items() if decided.has_field(MODULE, name)]


def changes(deals: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """
    What was filled in or moved, as `changes` rows.

    *deals* holds the source rows of *after*, in any order, *before* their cells as cleaning left them.
    """
    joined = after.join(before, on="source_id", suffix="_before").join(
        deals, on="source_id", suffix="_source"
    )
    counts = joined.select(
        amount=pl.col("amount_before").is_null(),
        name=pl.col("name_before").is_null(),
        currency=pl.col("currency_before") != pl.col("currency"),
        stage=pl.col("stage_id_source") != pl.col("stage_id"),
    ).sum()
    told = {
        "amount": ("value", "zero_filled"),
        "name": ("name", "name_filled"),
        "currency": ("currency", "upper_case"),
        "stage": ("stage_id", "closed_by_status"),
    }
    return tally(
        tables.CHANGES, ENTITY, ((*told[column], n) for column, n in counts.row(0, named=True).items())
    )


def loss(deals: pl.DataFrame, after: pl.DataFrame, decided: Decisions) -> pl.DataFrame:
    """
    What stage, status and dates lose on the way, as `loss` rows.

    A probability is a property of the stage: `deal_stage` counts stages, `deal` the deals that stand in them.
    A closed deal without a date gets the day of the load from the target (live test): shifted.
    """
    rounded = decided.stages.filter("is_rounded")
    in_rounded = after.join(rounded, on=["pipeline_id", "stage_id"], how="semi").height
    joined = after.join(deals, on="source_id", suffix="_source")
    is_moved = pl.col("stage_id_source") != pl.col("stage_id")
    closed = decided.stages.filter(pl.col("forecast_type") != OPEN)
    undated = after.filter(pl.col("closed_date").is_null()).join(
        closed, on=["pipeline_id", "stage_id"], how="semi"
    )
    counts = [
        ("probability", "rounded", in_rounded),
        ("closed_date", "shifted", undated.height),
        *_instant_loss(deals, "won_at", WON, decided),
        *_instant_loss(deals, "lost_at", LOST, decided),
    ]
    if not decided.has_field(MODULE, STAGE_FIELD):
        counts.append(("stage_id", "collapsed", joined.filter(is_moved).height))
    if not decided.has_field(MODULE, STATUS_FIELD):
        is_lost = ~pl.col("status").is_in(list(FORECAST_OF)) & (pl.col("status") != IN_PROGRESS)
        counts.append(("status", "collapsed", deals.filter(is_lost).height))
    of_stages = tally(tables.LOSS, "deal_stage", [("probability", "rounded", rounded.height)])
    return merged(tables.LOSS, of_stages, tally(tables.LOSS, ENTITY, counts))


def _instant_loss(
    deals: pl.DataFrame, at: str, status: int, decided: Decisions
) -> list[tuple[str, str, int]]:
    """The time of day of a closing, which a date can't hold, and closings of deals that are open again."""
    if decided.keeps_in_a_field(ENTITY, at) or decided.leaves(ENTITY, at):
        return []
    has_clock = local(pl.col(at), decided.time_zone).dt.time() != pl.time(0)
    is_it = pl.col("status") == status
    undone = deals.filter(pl.col(at).is_not_null() & ~is_it.fill_null(value=False))
    return [(at, "truncated", deals.filter(is_it & has_clock).height), (at, "dropped", undone.height)]
