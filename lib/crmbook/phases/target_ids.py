"""Which ids of this tenant stand for an agent, a stage, a lifecycle or a currency of the normalized tables.

In: the decisions of 02_mapping and the settings read in 03_workspace. Out: `TargetIds`, which turns the
normalized columns into the ids the target should show, and ids back into words a person knows. It is worked out
here independently of the load, so that the comparison can contradict it. An id that can't be found is `NO_ID`,
which no record of the target has: what could not be resolved is a difference, never a match.
"""

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from crmbook.errors import DataError

NO_ID: Final = -1
_KEY: Final = ("pipeline_id", "stage_id")


@dataclass(frozen=True)
class TargetIds:
    """
    Everything needed to say what the target should show.

    `owners`: agent_id -> owner_id, is_fallback (the admin stands in), reason. `stages`: pipeline_id, stage_id ->
    deal_pipeline_id, deal_stage_id, is_closed. `lifecycles`: lifecycle -> lifecycle_stage_id, contact_status_id;
    empty where the edition has none. `currencies`: code -> id. `labels`: per field, id -> words.
    """

    admin_id: int
    owners: pl.DataFrame
    stages: pl.DataFrame
    lifecycles: pl.DataFrame
    currencies: dict[str, int]
    base_currency_id: int
    labels: dict[str, dict[int, str]]

    def owner_id(self, agent: pl.Expr) -> pl.Expr:
        known = dict(self.owners.select("agent_id", "owner_id").iter_rows())
        return agent.replace_strict(known, default=self.admin_id, return_dtype=pl.Int64)

    def lifecycle_ids(self, lifecycle: pl.Expr) -> list[pl.Expr]:
        """Both ids of a lifecycle; none where the edition has no lifecycles, null where none was decided."""
        found = []
        for name in self.lifecycles.columns[1:] if self.lifecycles.height else []:
            known = dict(self.lifecycles.select("lifecycle", name).iter_rows())
            resolved = lifecycle.replace_strict(known, default=NO_ID, return_dtype=pl.Int64)
            found.append(pl.when(lifecycle.is_not_null()).then(resolved).alias(name))
        return found

    def currency_id(self, code: pl.Expr) -> pl.Expr:
        found = (
            code.str.strip_chars()
            .str.to_uppercase()
            .replace_strict(self.currencies, default=NO_ID, return_dtype=pl.Int64)
        )
        return pl.when(code.is_null()).then(self.base_currency_id).otherwise(found)


def resolve(
    *,
    owners: pl.DataFrame,
    stages: pl.DataFrame,
    target_owners: pl.DataFrame,
    target_stages: pl.DataFrame,
    target_statuses: pl.DataFrame,
    target_currencies: pl.DataFrame,
    admin_email: str,
) -> TargetIds:
    """
    The ids of the tenant that the frames describe (`tables.OWNERS`, `.STAGES`, `.TARGET_*`).

    Names of pipelines and stages match without regard to case and outer blanks, owners by e-mail likewise and
    only while active. A null currency is the tenant's base currency.

    Raises:
        DataError: the tenant has no active user with the admin's e-mail.
    """
    users = target_owners.with_columns(key=_folded("email"))
    active = users.filter("is_active")
    admins = active.filter(pl.col("key") == admin_email.strip().casefold())["owner_id"]
    if admins.is_empty():
        raise DataError(
            "target_owners: no active user has the e-mail of customer.admin_email; create it first"
        )
    base = target_currencies.filter("is_base")["currency_id"]
    return TargetIds(
        admin_id=int(admins[0]),
        owners=_owners(owners, users, int(admins[0])),
        stages=_stages(stages, target_stages),
        lifecycles=_lifecycles(target_statuses),
        currencies=dict(
            target_currencies.select(pl.col("code").str.to_uppercase(), "currency_id").iter_rows()
        ),
        base_currency_id=int(base[0]) if len(base) else NO_ID,
        labels=_labels(target_owners, target_stages, target_statuses, target_currencies),
    )


def after_reassigning(ids: TargetIds, reassigned: pl.DataFrame) -> TargetIds:
    """*ids* with the agents of *reassigned* (`tables.REASSIGNED`) owned by the user their records were handed to."""
    given = reassigned.rename({"owner_id": "given"})
    was_given = pl.col("given").is_not_null()
    owners = ids.owners.join(given, on="agent_id", how="left", maintain_order="left").with_columns(
        owner_id=pl.coalesce("given", "owner_id"),
        is_fallback=pl.col("is_fallback") & ~was_given,
        reason=pl.when(~was_given).then("reason"),
    )
    return replace(ids, owners=owners.drop("given"))


def _folded(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_lowercase()


def _owners(owners: pl.DataFrame, users: pl.DataFrame, admin_id: int) -> pl.DataFrame:
    """One row per agent; the lowest id where several users share an e-mail, an active one first."""
    by_email = users.sort(["is_active", "owner_id"], descending=[True, False]).unique("key", keep="first")
    matched = owners.with_columns(key=_folded("email")).join(
        by_email.select("key", "owner_id", "is_active"), on="key", how="left"
    )
    reason = (
        pl.when(~pl.col("is_known")).then(pl.lit("unknown agent"))
        .when(pl.col("email").is_null() | (pl.col("email") == "")).then(pl.lit("no e-mail"))
        .when(pl.col("owner_id").is_null()).then(pl.lit("no such user"))
        .when(~pl.col("is_active")).then(pl.lit("inactive user"))
    )  # fmt: skip
    return matched.with_columns(reason=reason).select(
        "agent_id",
        "email",
        owner_id=pl.when(pl.col("reason").is_null()).then("owner_id").otherwise(admin_id),
        is_fallback=pl.col("reason").is_not_null(),
        reason="reason",
    )


def _stages(stages: pl.DataFrame, target_stages: pl.DataFrame) -> pl.DataFrame:
    there = (
        target_stages.with_columns(pipeline_key=_folded("pipeline"), stage_key=_folded("stage"))
        .sort("stage_id")
        .unique(["pipeline_key", "stage_key"], keep="first")
        .select("pipeline_key", "stage_key", deal_pipeline_id="pipeline_id", deal_stage_id="stage_id")
    )
    pipelines = there.group_by("pipeline_key").agg(pl.col("deal_pipeline_id").min())
    wanted = stages.with_columns(pipeline_key=_folded("target_pipeline"), stage_key=_folded("target_stage"))
    return (
        wanted.join(there.drop("deal_pipeline_id"), on=["pipeline_key", "stage_key"], how="left")
        .join(pipelines, on="pipeline_key", how="left")
        .select(
            *_KEY,
            pl.col("deal_pipeline_id").fill_null(NO_ID),
            pl.col("deal_stage_id").fill_null(NO_ID),
            is_closed=pl.col("forecast_type").is_in(["Closed Won", "Closed Lost"]),
        )
        .sort(_KEY)
    )


def _lifecycles(statuses: pl.DataFrame) -> pl.DataFrame:
    """Per stage type the first stage and its first status, by position: the state of an untouched record."""
    return (
        statuses.sort("stage_position", "stage_id", "position", "status_id", nulls_last=True)
        .unique("stage_type", keep="first", maintain_order=True)
        .select(lifecycle="stage_type", lifecycle_stage_id="stage_id", contact_status_id="status_id")
    )


def _labels(
    owners: pl.DataFrame, stages: pl.DataFrame, statuses: pl.DataFrame, currencies: pl.DataFrame
) -> dict[str, dict[int, str]]:
    place = pl.concat_str("pipeline", "stage", separator=" / ", ignore_nulls=True)
    return {
        "owner_id": dict(owners.select("owner_id", "email").iter_rows()),
        "deal_stage_id": dict(stages.select("stage_id", place.alias("label")).iter_rows()),
        "deal_pipeline_id": dict(stages.select("pipeline_id", "pipeline").iter_rows()),
        "lifecycle_stage_id": dict(statuses.select("stage_id", "stage").iter_rows()),
        "contact_status_id": dict(statuses.select("status_id", "status").iter_rows()),
        "currency_id": dict(currencies.select("currency_id", "code").iter_rows()),
    }
