"""Which ids of the target stand for the owners, stages, currencies and lifecycle stages of the records?

In: normalized records, the mapping's stages and owners, and the tenant's settings. Out: the ids, as
look-ups or as columns. Invariant: a name that does not resolve stops the load here, never at the vendor.
"""

from collections.abc import Mapping

import polars as pl

from crmbook.errors import UpstreamError


class Owners(dict[str | None, int]):
    """Agent id to user id; whoever is not in it belongs to the administrator."""

    def __init__(self, known: Mapping[str | None, int], admin_id: int) -> None:
        super().__init__(known)
        self.admin_id = admin_id

    def __missing__(self, agent_id: str | None) -> int:
        return self.admin_id

    def json(self) -> pl.Expr:
        """The user of `owner_agent_id` as JSON."""
        agents = [agent for agent in self if agent is not None]
        found = pl.col("owner_agent_id").replace_strict(
            agents, [self[agent] for agent in agents], default=self.admin_id, return_dtype=pl.Int64
        )
        nobody = pl.col("owner_agent_id").is_null()
        return pl.when(nobody).then(self[None]).otherwise(found).cast(pl.String)


def owner_ids(owners: pl.DataFrame, target_owners: pl.DataFrame, admin_email: str) -> Owners:
    active = target_owners.filter("is_active").sort("owner_id", descending=True)
    users = dict(active.select(pl.col("email").str.strip_chars().str.to_lowercase(), "owner_id").iter_rows())
    admin_id = users.get(admin_email.strip().lower())
    if admin_id is None:
        raise UpstreamError(
            "customer.admin_email is no active user of the target; create the user and run 03_workspace again"
        )
    emails = owners.select("agent_id", pl.col("email").str.strip_chars().str.to_lowercase()).iter_rows()
    return Owners({agent: users[email] for agent, email in emails if email in users}, admin_id)


def status_ids(contacts: pl.DataFrame, target_statuses: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Lifecycle type to both ids: the vendor does not check that they belong together, so one gives the other."""
    firsts = target_statuses.sort("stage_position", "position", "status_id").unique(
        "stage_type", keep="first", maintain_order=True
    )
    known = {
        kind: {"lifecycle_stage_id": stage, "contact_status_id": status}
        for kind, stage, status in firsts.select("stage_type", "stage_id", "status_id").iter_rows()
    }
    wanted = contacts["lifecycle"].drop_nulls().unique().to_list()
    if absent := sorted(set(wanted) - set(known)):
        raise UpstreamError(
            f"contacts: the target has no status in a lifecycle stage of type {', '.join(absent)};"
            " add one there and run 03_workspace again"
        )
    return known | {None: {}}


def placed_deals(
    deals: pl.DataFrame, stages: pl.DataFrame, target_stages: pl.DataFrame, target_currencies: pl.DataFrame
) -> pl.DataFrame:
    """*deals* with `target_pipeline_id`, `target_stage_id`, `target_forecast` and `currency_id`."""

    def key(pipeline: str, stage: str) -> list[pl.Expr]:
        names = (("pipeline_key", pipeline), ("stage_key", stage))
        return [pl.col(c).str.strip_chars().str.to_lowercase().alias(made) for made, c in names]

    there = target_stages.sort("stage_id").select(
        *key("pipeline", "stage"),
        target_pipeline_id="pipeline_id",
        target_stage_id="stage_id",
        target_forecast="forecast_type",
    )
    there = there.unique(["pipeline_key", "stage_key"], keep="first", maintain_order=True)
    ours = stages.select("pipeline_id", "stage_id", *key("target_pipeline", "target_stage"))
    currencies = target_currencies.filter("is_active").select(
        "currency_id", currency=pl.col("code").str.to_uppercase()
    )
    currencies = currencies.unique("currency", keep="first", maintain_order=True)
    placed = (
        deals.join(ours, on=["pipeline_id", "stage_id"], how="left")
        .join(there, on=["pipeline_key", "stage_key"], how="left")
        .with_columns(currency=pl.col("currency").str.strip_chars().str.to_uppercase())
        .join(currencies, on="currency", how="left")
    )
    _refuse(placed.filter(pl.col("target_stage_id").is_null()), "a stage")
    _refuse(placed.filter(pl.col("currency_id").is_null() & pl.col("currency").is_not_null()), "a currency")
    return placed


def _refuse(rows: pl.DataFrame, what: str) -> None:
    if rows.height:
        raise UpstreamError(
            f"deals: {rows.height} have {what} that the target does not have; run 03_workspace again"
        )


def check_links(
    sales_accounts: pl.DataFrame, people: Mapping[str, pl.DataFrame], deals: pl.DataFrame
) -> None:
    links = (
        *(
            (f"{place}s", "account_ids", rows["account_ids"].explode(empty_as_null=True), sales_accounts)
            for place, rows in people.items()
        ),
        ("deals", "account_id", deals["account_id"], sales_accounts),
        ("deals", "contact_ids", deals["contact_ids"].explode(empty_as_null=True), people["contact"]),
    )
    for where, column, ids, to in links:
        dangling = set(ids.drop_nulls().to_list()) - set(to["source_id"].to_list())
        if dangling:
            raise UpstreamError(
                f"{where}: {column} names {len(dangling)} records that are not loaded; run 04_normalization again"
            )


def check_marks(sales_accounts: pl.DataFrame, contacts: pl.DataFrame, deals: pl.DataFrame) -> None:
    """A record that doesn't carry its source id could never be found again after a broken connection."""
    for module, frame, columns in (
        ("sales_accounts", sales_accounts, ("cf_usercom_original_id",)),
        ("contacts", contacts, ("cf_usercom_original_id", "external_id")),
        ("deals", deals, ("cf_usercom_original_id",)),
    ):
        for column in columns:
            unmarked = frame.filter(pl.col(column).ne_missing(pl.col("source_id"))).height
            if unmarked:
                raise UpstreamError(
                    f"{module}: {unmarked} rows do not carry their source id in {column}; run 04_normalization again"
                )
