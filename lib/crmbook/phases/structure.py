"""Where do stages and owners go?

In: pipelines, agents and deals of the source. Out: one row per stage and owner with its place in the target.
Names and order stay; probabilities become whole numbers; a deal closed in an open stage gets a closed stage to
go to. Invariant: no open deal sits in a stage the target counts as closed.
"""

from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.errors import DataError

WON, LOST = 2, 3
_FIXED: Final = {"Closed Won": 100, "Closed Lost": 0}
_LOST_WORDS: Final = r"(?i)\b(lost|przegran\w*|utracon\w*|verloren|perdid\w*|perdu\w*)\b"


def stages(source_stages: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    """
    Every stage and where it goes, as `tables.STAGES`, with added `won`/`lost` stages where deals need them.

    A stage is Closed Won at probability 100, Closed Lost at 0 where its name says lost or all its deals are;
    neither if a deal in it has another status, because the target would close that deal. Pipelines or stages
    of one name are told apart by their id.
    """
    counted = deals.group_by("pipeline_id", "stage_id").agg(
        pl.len().cast(pl.Int64).alias("deals"),
        (pl.col("status") == WON).sum().alias("won"),
        (pl.col("status") == LOST).sum().alias("lost"),
    )
    known = source_stages.join(counted, on=["pipeline_id", "stage_id"], how="left").with_columns(
        pl.col("deals", "won", "lost").fill_null(0)
    )
    names = _pipeline_names(source_stages)
    rows: list[dict[str, Any]] = []
    for (pipeline_id,), group in known.sort("pipeline_id").group_by("pipeline_id", maintain_order=True):
        ordered = group.sort(["stage_position", *_id_order("stage_id")], nulls_last=True).to_dicts()
        rows += _pipeline(ordered, names[str(pipeline_id)])
    return tables.conform(pl.DataFrame(rows, schema=tables.STAGES.columns), tables.STAGES)


def owners(agents: pl.DataFrame, *records: pl.DataFrame) -> pl.DataFrame:
    """Every agent, and every agent id that *records* name but the list does not hold, as `tables.OWNERS`."""
    named = pl.concat([frame.select("assigned_to") for frame in records]).drop_nulls()
    counted = named.group_by(pl.col("assigned_to").alias("agent_id")).agg(
        pl.len().cast(pl.Int64).alias("records")
    )
    joined = agents.with_columns(is_known=pl.lit(value=True)).join(
        counted, on="agent_id", how="full", coalesce=True
    )
    filled = joined.with_columns(pl.col("is_known").fill_null(value=False), pl.col("records").fill_null(0))
    return tables.conform(filled, tables.OWNERS)


def stages_with_decisions(proposed: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
    """
    *proposed* with the places and probabilities a person gave.

    *edited* has pipeline_id, stage_id, target_pipeline, target_stage and percent, null where the source's own
    probability is rounded. A percent counts for every stage that shares the target.

    Raises:
        DataError: an open and a closed stage, or stages closed in different ways, now share a target; or a
            target would have two probabilities, or one that its type doesn't allow.
    """
    key = ["pipeline_id", "stage_id"]
    place = ["target_pipeline", "target_stage"]
    given = edited.select(*key, "percent", *(pl.col(c).alias(f"{c}_given") for c in place))
    joined = proposed.join(given, on=key, how="left", maintain_order="left")
    moved = joined.with_columns(pl.coalesce(f"{c}_given", c).alias(c) for c in place)
    together = moved.group_by(place, maintain_order=True).agg(
        types=pl.col("forecast_type").n_unique(),
        forecast_type=pl.col("forecast_type").first(),
        percents=pl.col("percent").drop_nulls().unique().sort(),
    )
    _refuse_stages(together)
    made = (
        moved.drop("percent", *(f"{c}_given" for c in place))
        .join(
            together.select(*place, percent=pl.col("percents").list.first()), on=place, maintain_order="left"
        )
        .with_columns(target_probability=pl.coalesce("percent", "target_probability"))
        .drop("percent")
    )
    is_rounded = (pl.col("probability") != pl.col("target_probability")).fill_null(value=False)
    return tables.conform(made.with_columns(is_rounded=is_rounded), tables.STAGES)


def _refuse_stages(together: pl.DataFrame) -> None:
    """DataError for the first target (one a row) that can't be made as it was decided."""
    for row in together.sort("target_pipeline", "target_stage").iter_rows(named=True):
        where = f"decisions: {row['target_pipeline']} / {row['target_stage']}"
        if row["types"] > 1:
            raise DataError(f"{where} would take open and closed stages; keep them apart")
        if len(row["percents"]) > 1:
            raise DataError(f"{where} is given {len(row['percents'])} different probabilities; give it one")
        fixed = _FIXED.get(row["forecast_type"])
        if row["percents"] and fixed is not None and row["percents"] != [fixed]:
            raise DataError(
                f"{where} is {row['forecast_type']}, which has {fixed} %; leave its probability alone"
            )


def owners_with_decisions(proposed: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
    """*proposed* with the e-mail a person gave per agent: *edited* has agent_id, email."""
    joined = proposed.join(edited.select("agent_id", given="email"), on="agent_id", how="left")
    return tables.conform(
        joined.with_columns(email=pl.coalesce("given", "email")).drop("given"), tables.OWNERS
    )


def _pipeline_names(source_stages: pl.DataFrame) -> dict[str, str]:
    pairs = source_stages.select("pipeline_id", "pipeline").unique(
        "pipeline_id", keep="first", maintain_order=True
    )
    return _distinct(
        [(i, _named(name, "Pipeline", i)) for i, name in pairs.sort(_id_order("pipeline_id")).iter_rows()]
    )


def _pipeline(ordered: list[dict[str, Any]], target_pipeline: str) -> list[dict[str, Any]]:
    names = _distinct([(r["stage_id"], _named(r["stage"], "Stage", r["stage_id"])) for r in ordered])
    rows = [
        _stage(r, target_pipeline, names[r["stage_id"]], position, _forecast_type(r))
        for position, r in enumerate(ordered, 1)
    ]
    for key, word, forecast_type, probability in (
        ("won", "Won", "Closed Won", 100.0),
        ("lost", "Lost", "Closed Lost", 0.0),
    ):
        strays = sum(
            r[key] for r, made in zip(ordered, rows, strict=False) if made["forecast_type"] != forecast_type
        )
        if strays and all(made["forecast_type"] != forecast_type for made in rows):
            taken = {made["target_stage"].casefold() for made in rows}
            name = word if word.casefold() not in taken else f"{word} (closed)"
            added = {**ordered[0], "stage_id": key, "stage": name, "probability": probability, "deals": 0}
            rows.append(_stage(added, target_pipeline, name, len(rows) + 1, forecast_type, is_added=True))
    return rows


def _stage(
    row: dict[str, Any],
    target_pipeline: str,
    name: str,
    position: int,
    forecast_type: str,
    *,
    is_added: bool = False,
) -> dict[str, Any]:
    given = row["probability"]
    # Half goes up, as a person rounds.
    rounded = None if given is None else int(given + 0.5)
    return {
        "pipeline_id": row["pipeline_id"],
        "stage_id": row["stage_id"],
        "pipeline": row["pipeline"],
        "stage": row["stage"],
        "probability": given,
        "target_pipeline": target_pipeline,
        "target_stage": name,
        "target_position": position,
        "target_probability": rounded,
        "forecast_type": forecast_type,
        "is_rounded": given is not None and given != rounded,
        "is_added": is_added,
        "deals": row["deals"],
    }


def _forecast_type(row: dict[str, Any]) -> str:
    says_lost = pl.Series([row["stage"] or ""]).str.contains(_LOST_WORDS).item()
    if row["probability"] == 100 and row["won"] == row["deals"]:
        return "Closed Won"
    if row["probability"] == 0 and row["lost"] == row["deals"] and (says_lost or row["deals"]):
        return "Closed Lost"
    return "Open"


def _named(name: str | None, kind: str, source_id: str) -> str:
    return " ".join((name or "").split()) or f"{kind} {source_id}"


def _distinct(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Names by id, told apart by the id where two are the same but for case."""
    folded = [name.casefold() for _, name in pairs]
    return {
        key: f"{name} ({key})" if folded.index(name.casefold()) != place else name
        for place, (key, name) in enumerate(pairs)
    }


def _id_order(column: str) -> list[pl.Expr]:
    return [pl.col(column).cast(pl.Int64, strict=False), pl.col(column)]
