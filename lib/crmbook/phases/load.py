"""Which writes make the target hold the normalized records?

In: the normalized records, what the tenant has (03) and what it held before. Out: the plan: one row per
write, in the order they go out: accounts, contacts with their account links, deals, closing dates of closed
deals (the vendor stamps today), lifecycle stages (deals move them). Everything here is pure; `apply` writes.
Invariant: each normalized record has exactly one write that creates it or updates the record it matches.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases import payloads, resolving
from crmbook.phases.matching_existing import match
from crmbook.phases.payloads import canonical, digest, reference
from crmbook.phases.resolving import Owners

MODULES: Final = {"company": "sales_accounts", "contact": "contacts", "deal": "deals"}
PRIMARY: Final = ("create", "update")
CLOSED: Final = ("Closed Won", "Closed Lost")

_ACCOUNT_COLUMNS: Final = (
    "name", "phone", "website", "address", "city", "state", "zipcode", "country", "number_of_employees", "tags",
)  # fmt: skip
_CONTACT_COLUMNS: Final = (
    "first_name", "last_name", "email", "mobile_number", "work_number", "address", "city", "state", "zipcode",
    "country", "time_zone", "job_title", "facebook", "twitter", "linkedin", "external_id", "tags",
)  # fmt: skip
_DEAL_COLUMNS: Final = ("name", "amount", "expected_close", "tags")

Op = dict[str, Any]


def plan(
    *,
    sales_accounts: pl.DataFrame,
    contacts: pl.DataFrame,
    deals: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    target_fields: pl.DataFrame,
    target_owners: pl.DataFrame,
    target_stages: pl.DataFrame,
    target_statuses: pl.DataFrame,
    target_currencies: pl.DataFrame,
    existing: pl.DataFrame,
    capabilities: pl.DataFrame,
    admin_email: str,
) -> pl.DataFrame:
    """
    The writes, in order: PLAN.

    A record the target already holds (by its mark, a contact's e-mail, an account's name where names are
    unique) is updated, all others are created. Owners without an active user become the administrator.

    Raises:
        UpstreamError: a stage, currency, lifecycle stage, field or choice is not in the target, the
            administrator is not an active user, a link points to a record that is not loaded, or a record
            does not carry its source id.
    """
    known = dict(capabilities.select("capability", "value").iter_rows())
    shapes = {
        module: payloads.shape(frame, module, plain=plain, target_fields=target_fields, capabilities=known)
        for module, frame, plain in (
            ("sales_accounts", sales_accounts, _ACCOUNT_COLUMNS),
            ("contacts", contacts, _CONTACT_COLUMNS),
            ("deals", deals, _DEAL_COLUMNS),
        )
    }
    users = resolving.owner_ids(owners, target_owners, admin_email)
    found = match(existing, sales_accounts=sales_accounts, contacts=contacts, deals=deals, capabilities=known)
    statuses = resolving.status_ids(contacts, target_statuses)
    placed = resolving.placed_deals(deals, stages, target_stages, target_currencies)
    resolving.check_links(sales_accounts, contacts, deals)
    resolving.check_marks(sales_accounts, contacts, deals)
    ops = [
        *_account_ops(sales_accounts, shapes["sales_accounts"], users, found["company"]),
        *_contact_ops(contacts, shapes["contacts"], users, found["contact"], statuses),
        *_deal_ops(placed, shapes["deals"], users, found["deal"]),
        *_close_ops(placed),
        *_lifecycle_ops(contacts, deals, statuses),
    ]
    return _numbered(ops)


def coverage(
    planned: pl.DataFrame, *, sales_accounts: pl.DataFrame, contacts: pl.DataFrame, deals: pl.DataFrame
) -> pl.DataFrame:
    """Per entity: normalized rows beside the plan's creates and updates of them; COVERAGE."""
    rows = []
    for entity, frame in (("company", sales_accounts), ("contact", contacts), ("deal", deals)):
        writes = planned.filter((pl.col("entity") == entity) & pl.col("action").is_in(PRIMARY))
        covered = writes["source_id"].unique()
        rows.append(
            {
                "entity": entity,
                "normalized": frame.height,
                "planned": writes.height,
                "uncovered": frame.filter(~pl.col("source_id").is_in(covered.implode())).height,
                "repeated": writes.height - len(covered),
            }
        )
    return tables.conform(pl.DataFrame(rows, schema=tables.COVERAGE.columns), tables.COVERAGE)


def forecast(planned: pl.DataFrame, limits_by_plan: Mapping[str, int]) -> pl.DataFrame:
    """
    Calls and hours at each plan's hourly quota; FORECAST, with the row `total` per plan.

    An update is two calls, because the record is read before it is changed.
    """
    calls = planned.group_by("entity").agg(
        calls=(pl.len() + (pl.col("action") == "update").sum()).cast(pl.Int64)
    )
    total = calls.select(entity=pl.lit("total"), calls=pl.col("calls").sum())
    limits = pl.DataFrame(
        {"plan": list(limits_by_plan), "requests_per_hour": list(limits_by_plan.values())},
        schema={"plan": pl.String, "requests_per_hour": pl.Int64},
    )
    made = (
        pl.concat([calls, total])
        .join(limits, how="cross")
        .with_columns(hours=pl.col("calls") / pl.col("requests_per_hour"))
    )
    return tables.conform(made.select(list(tables.FORECAST.columns)), tables.FORECAST)


def plan_hash(planned: pl.DataFrame) -> str:
    """What a person approves: it changes with any write, its order, its content or the record it goes to."""
    signed = planned.sort("seq").select(
        "op_id",
        "seq",
        "entity",
        "action",
        "source_id",
        "target_id",
        "payload_sha256",
        pl.col("after").list.join("|"),
    )
    return hashlib.sha256(signed.write_csv().encode()).hexdigest()


def summary(planned: pl.DataFrame) -> pl.DataFrame:
    """Writes per entity and action, in the order they go out."""
    return (
        planned.group_by("entity", "action")
        .agg(writes=pl.len().cast(pl.Int64), first=pl.col("seq").min())
        .sort("first")
        .drop("first")
    )


def headline(planned: pl.DataFrame) -> str:
    """The plan in one line, for the person who approves it."""
    parts = [
        f"{row['writes']} {row['entity']} {row['action']}" for row in summary(planned).iter_rows(named=True)
    ]
    return f"{planned.height} writes: {', '.join(parts)}" if parts else "0 writes"


def _account_ops(
    frame: pl.DataFrame, shape: payloads.Shape, owners: Owners, found: Mapping[str, int]
) -> Iterator[Op]:
    for row in frame.sort("source_id").iter_rows(named=True):
        yield _primary("company", row, found, shape.body(row, owner_id=owners[row["owner_agent_id"]]))


def _contact_ops(
    frame: pl.DataFrame,
    shape: payloads.Shape,
    owners: Owners,
    found: Mapping[str, int],
    statuses: Mapping[str, dict[str, int]],
) -> Iterator[Op]:
    for row in frame.sort("source_id").iter_rows(named=True):
        accounts = [
            {"id": reference("company", account), "is_primary": place == 0}
            for place, account in enumerate(row["account_ids"] or [])
        ]
        extra = {
            "owner_id": owners[row["owner_agent_id"]],
            "sales_accounts": accounts,
            **statuses[row["lifecycle"]],
        }
        yield _primary("contact", row, found, shape.body(row, **extra))


def _deal_ops(
    frame: pl.DataFrame, shape: payloads.Shape, owners: Owners, found: Mapping[str, int]
) -> Iterator[Op]:
    for row in frame.sort("source_id").iter_rows(named=True):
        extra = {
            "owner_id": owners[row["owner_agent_id"]],
            "deal_pipeline_id": row["target_pipeline_id"],
            "deal_stage_id": row["target_stage_id"],
            "currency_id": row["currency_id"],
            "sales_account_id": reference("company", row["account_id"]) if row["account_id"] else None,
            "contacts_added_list": [reference("contact", contact) for contact in row["contact_ids"] or []],
        }
        yield _primary("deal", row, found, shape.body(row, **extra))


def _close_ops(placed: pl.DataFrame) -> Iterator[Op]:
    closed = placed.filter(pl.col("closed_date").is_not_null() & pl.col("target_forecast").is_in(CLOSED))
    for source_id, closed_date in closed.sort("source_id").select("source_id", "closed_date").iter_rows():
        yield _op("deal", "close", source_id, {"closed_date": closed_date.isoformat()})


def _lifecycle_ops(
    contacts: pl.DataFrame, deals: pl.DataFrame, statuses: Mapping[str, dict[str, int]]
) -> Iterator[Op]:
    with_deal = (
        deals.select(pl.col("contact_ids").explode(empty_as_null=True)).to_series().drop_nulls().unique()
    )
    moved = contacts.filter(pl.col("source_id").is_in(with_deal.implode())).sort("source_id")
    for source_id, lifecycle in moved.select("source_id", "lifecycle").iter_rows():
        yield _op("contact", "lifecycle", source_id, dict(statuses[lifecycle]))


def _primary(entity: str, row: Mapping[str, Any], found: Mapping[str, int], body: dict[str, Any]) -> Op:
    target_id = found.get(row["source_id"])
    return _op(entity, "create" if target_id is None else "update", row["source_id"], body, target_id)


def _op(entity: str, action: str, source_id: str, body: dict[str, Any], target_id: int | None = None) -> Op:
    payload = canonical(body)
    return {
        "op_id": f"{entity}:{action}:{source_id}",
        "entity": entity,
        "action": action,
        "source_id": source_id,
        "target_id": target_id,
        "payload": payload,
        "payload_sha256": digest(payload),
        "needs": _needs(entity, action, source_id, body),
    }


def _needs(entity: str, action: str, source_id: str, body: Mapping[str, Any]) -> list[str]:
    """The records a write refers to, as `<entity>:<source_id>`; a later write of a record needs its first."""
    if action not in PRIMARY:
        return [f"{entity}:{source_id}"]
    links = [link["id"]["$id"] for link in body.get("sales_accounts", [])]
    links += [one["$id"] for one in body.get("contacts_added_list", [])]
    account = body.get("sales_account_id")
    return sorted({*links, account["$id"]} if account else set(links))


def _numbered(ops: list[Op]) -> pl.DataFrame:
    first = {f"{op['entity']}:{op['source_id']}": op["op_id"] for op in ops if op["action"] in PRIMARY}
    deals_of: dict[str, list[str]] = {}
    for op in ops:
        after = sorted(first[record] for record in op.pop("needs"))
        if op["action"] == "lifecycle":
            after += deals_of.get(op["op_id"].replace(":lifecycle:", ":"), [])
        elif op["entity"] == "deal":
            for record in (r for r in after if r.startswith("contact:")):
                entity, _, source_id = record.split(":", 2)
                deals_of.setdefault(f"{entity}:{source_id}", []).append(op["op_id"])
        op["after"] = after
    for seq, op in enumerate(ops, 1):
        op["seq"] = seq
    return tables.conform(pl.DataFrame(ops, schema=tables.PLAN.columns), tables.PLAN).sort("seq")
