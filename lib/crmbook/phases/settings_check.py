"""What the tenant's settings say about each thing the mapping needs.

In: needs of one kind and the settings they are looked up in. Out: the same rows with `status` and `found`.
Names are compared without case and outer blanks; api names exactly, because the vendor drops unknown keys
silently. Invariant: nothing is present unless the settings prove it.
"""

from typing import Final, Protocol

import polars as pl

from crmbook import tables

# A field of another type that stores and returns the same values.
_HOLDS: Final = frozenset(
    {
        "text>textarea",
        "number>decimal",
        "decimal>number",
        "dropdown>radio",
        "radio>dropdown",
    }
)


class Policy(Protocol):
    """The two decisions of the customer that the checklist depends on."""

    @property
    def custom_fields(self) -> str: ...
    @property
    def workflows_disabled(self) -> bool: ...


def named(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_lowercase()


def _judged(frame: pl.DataFrame, *, status: pl.Expr, found: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(status=status, found=found.fill_null("")).select(list(tables.CHECKLIST.columns))


def _status(*, is_there: pl.Expr, is_right: pl.Expr) -> pl.Expr:
    right = is_there & is_right.fill_null(value=False)
    return (
        pl.when(right)
        .then(pl.lit("present"))
        .when(is_there)
        .then(pl.lit("mismatch"))
        .otherwise(pl.lit("missing"))
    )


def fields(needed: pl.DataFrame, target_fields: pl.DataFrame) -> pl.DataFrame:
    there = target_fields.select(
        "module", "api_name", has_type="field_type", has_choices="choices", has_unique="is_unique"
    )
    namesakes = (
        target_fields.with_columns(label_key=named("label"))
        .group_by("module", "label_key")
        .agg(namesake=pl.col("api_name").sort().first())
    )
    have = (
        needed.join(there, on=["module", "api_name"], how="left", maintain_order="left")
        .with_columns(label_key=named("label"))
        .join(namesakes, on=["module", "label_key"], how="left", maintain_order="left")
        .with_columns(
            lacks=pl.col("choices")
            .str.json_decode(pl.List(pl.String))
            .list.set_difference(pl.col("has_choices").fill_null(pl.lit([], dtype=tables.TEXTS)))
            .list.sort()
        )
    )
    swap = pl.concat_str("field_type", pl.lit(">"), "has_type")
    fits = (pl.col("field_type") == pl.col("has_type")) | (swap.is_in(list(_HOLDS)) & ~pl.col("unique"))
    complete = pl.col("lacks").list.len() == 0
    is_there = pl.col("has_type").is_not_null()
    found = (
        pl.when(is_there & ~fits)
        .then(pl.format("type {}", "has_type"))
        .when(is_there & ~complete)
        .then(
            pl.format("{} choices missing: {}", pl.col("lacks").list.len(), pl.col("lacks").list.join(", "))
        )
        .when(~is_there & pl.col("namesake").is_not_null())
        .then(pl.format("the label stands on {}", "namesake"))
        .when(pl.col("unique") & ~pl.col("has_unique"))
        .then(pl.lit("not unique: these records are written one by one"))
    )
    status = _status(
        is_there=is_there | pl.col("namesake").is_not_null(), is_right=is_there & fits & complete
    )
    return _judged(have, status=status, found=found)


def pipelines(needed: pl.DataFrame, target_stages: pl.DataFrame) -> pl.DataFrame:
    there = target_stages.select(key=named("pipeline")).unique().with_columns(is_there=pl.lit(value=True))
    have = needed.with_columns(key=named("pipeline")).join(there, on="key", how="left", maintain_order="left")
    is_there = pl.col("is_there").fill_null(value=False)
    return _judged(have, status=_status(is_there=is_there, is_right=is_there), found=pl.lit(""))


def stages(needed: pl.DataFrame, target_stages: pl.DataFrame) -> pl.DataFrame:
    keys = [named("pipeline").alias("pipeline_key"), named("stage").alias("stage_key")]
    there = target_stages.select(
        *keys, has_probability="probability", has_forecast="forecast_type", has_position="position"
    ).unique(["pipeline_key", "stage_key"], keep="first", maintain_order=True)
    have = needed.with_columns(keys).join(
        there, on=["pipeline_key", "stage_key"], how="left", maintain_order="left"
    )
    is_there = pl.col("has_forecast").is_not_null()
    # Only the order of the stages the mapping knows counts: the tenant may have more of them in between.
    order = [
        pl.when(is_there).then(pl.col(c)).rank("dense").over("pipeline_key").alias(f"{c}_rank")
        for c in ("position", "has_position")
    ]
    have = have.with_columns(order)
    in_order = (pl.col("position_rank") == pl.col("has_position_rank")) | pl.col("position").is_null()
    same_chance = (pl.col("probability") == pl.col("has_probability")) | pl.col("probability").is_null()
    same_kind = pl.col("field_type") == pl.col("has_forecast")
    found = (
        pl.when(is_there & ~same_kind)
        .then(pl.format("forecast type {}", "has_forecast"))
        .when(is_there & ~same_chance)
        .then(pl.format("probability {}", "has_probability"))
        .when(is_there & ~in_order)
        .then(pl.format("position {}", "has_position"))
    )
    status = _status(is_there=is_there, is_right=same_kind & same_chance & in_order)
    return _judged(have, status=status, found=found)


def owners(needed: pl.DataFrame, target_owners: pl.DataFrame) -> pl.DataFrame:
    there = target_owners.group_by(named("email").alias("key")).agg(is_active=pl.col("is_active").any())
    have = needed.with_columns(key=named("api_name")).join(there, on="key", how="left", maintain_order="left")
    is_there = pl.col("is_active").is_not_null()
    found = pl.when(is_there & ~pl.col("is_active")).then(pl.lit("inactive user"))
    return _judged(have, status=_status(is_there=is_there, is_right=pl.col("is_active")), found=found)


def settings(
    needed: pl.DataFrame,
    target_currencies: pl.DataFrame,
    policy: Policy,
    target_activity_types: pl.DataFrame | None = None,
) -> pl.DataFrame:
    there = target_currencies.group_by(key=pl.format("currency:{}", pl.col("code").str.to_uppercase())).agg(
        is_active=pl.col("is_active").any()
    )
    if target_activity_types is not None:
        types = target_activity_types.select(
            key=pl.format("activity_type:{}", "internal_name"), is_active=pl.lit(value=True)
        )
        there = pl.concat([there, types.unique("key")])
    have = needed.join(there, left_on="api_name", right_on="key", how="left", maintain_order="left")
    is_workflows = pl.col("api_name") == "workflows_off"
    confirmed = pl.lit(policy.workflows_disabled)
    is_there = pl.when(is_workflows).then(confirmed).otherwise(pl.col("is_active").is_not_null())
    is_right = pl.when(is_workflows).then(confirmed).otherwise(pl.col("is_active"))
    found = (
        pl.when(is_workflows & ~confirmed)
        .then(pl.lit("not confirmed: policy.workflows_disabled is false"))
        .when(is_there & ~is_right)
        .then(pl.lit("inactive"))
    )
    return _judged(have, status=_status(is_there=is_there, is_right=is_right), found=found)
