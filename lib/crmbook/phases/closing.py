"""Where a deal stands in the target: its stage, and the day it was closed.

User.com closes a deal by status, Freshsales by stage. A won deal in an open stage goes to the pipeline's Closed
Won stage, a lost one to Closed Lost: a stage of the source where one is such, else the stage added for it.
"""

from typing import Final

import polars as pl

from crmbook.phases.split import WON

LOST: Final = 3
STATUSES: Final = {0: "abandoned", 1: "in progress", WON: "won", LOST: "lost", 4: "archived"}
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


def closed_at() -> pl.Expr:
    """The instant the source says a deal was closed; null for one that is not, whatever its dates say."""
    return pl.when(pl.col("status") == WON).then("won_at").when(pl.col("status") == LOST).then("lost_at")


def day(instant: pl.Expr, time_zone: str) -> pl.Expr:
    """The calendar day of *instant* where the customer is (IANA *time_zone*)."""
    return instant.dt.convert_time_zone(time_zone).dt.date()


def has_clock(instant: pl.Expr, time_zone: str) -> pl.Expr:
    """True where *instant* is not midnight where the customer is: the day alone loses the time."""
    return (instant.dt.convert_time_zone(time_zone).dt.time() != pl.time(0)).fill_null(False)
