"""Which writes make the target hold the normalized records?

In: the normalized records, what the tenant has (03) and what it held before. Out: the plan: one row per
write, in the order they go out: accounts, contacts with their account links, deals, closing dates of closed
deals (the vendor stamps today), lifecycle stages (deals move them), then lists, history and documents, which
hang on those. Everything here is pure; `apply` writes.
Invariant: each normalized record has exactly one write that creates it or updates the record it matches.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import json_text, load_history, narrow, payloads, resolving
from crmbook.phases.digests import sha256_of_csv
from crmbook.phases.edition import LEAD, SUITE, Edition, source_entity, with_company
from crmbook.phases.history_tables import NO_HISTORY, History
from crmbook.phases.matching_existing import match
from crmbook.phases.narrow import Frame
from crmbook.phases.operations import NOTHING, PRIMARY, changes, is_in_order, named, primaries
from crmbook.phases.resolving import Owners

_SIGNED: Final = ("op_id", "seq", "entity", "action", "source_id", "target_id", "payload_sha256")
CLOSED: Final = ("Closed Won", "Closed Lost")

_ACCOUNT_COLUMNS: Final = (
    "name", "phone", "website", "address", "city", "state", "zipcode", "country", "number_of_employees", "annual_revenue",
    "facebook", "twitter", "linkedin", "tags",
)  # fmt: skip
_CONTACT_COLUMNS: Final = (
    "first_name", "last_name", "email", "mobile_number", "work_number", "address", "city", "state", "zipcode",
    "country", "time_zone", "job_title", "facebook", "twitter", "linkedin", "external_id", "tags",
)  # fmt: skip
# a lead has no external id (vendor docs)
_PEOPLE: Final = {
    "contact": ("contacts", _CONTACT_COLUMNS),
    LEAD: ("leads", tuple(column for column in _CONTACT_COLUMNS if column != "external_id")),
}
_DEAL_COLUMNS: Final = ("name", "amount", "expected_close", "tags")


def parts(
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
    history: Callable[[], History] = lambda: NO_HISTORY,
    target_activity_types: pl.DataFrame | None = None,
    edition: Edition = SUITE,
) -> Iterator[pl.DataFrame]:
    """
    The writes, in order, one frame (`operations.PART`) after the other, each made when it is asked for.

    *history* is asked for when the records are written and let go.

    A record the target already holds (by its mark, a contact's e-mail, an account's name where names are
    unique; history, lists and documents by what an earlier run wrote) is updated, all others are created.
    Owners without an active user become the administrator.

    Raises:
        UpstreamError: a stage, currency, lifecycle stage, field, choice or activity type is not in the
            target, a list's name is taken there, the administrator is not an active user, a link points to
            a record that is not loaded, or a record does not carry its source id.
    """
    known = dict(capabilities.select("capability", "value").iter_rows())
    people = edition.placed(contacts, existing)
    records = {
        "sales_accounts": (sales_accounts, _ACCOUNT_COLUMNS),
        "deals": (deals, _DEAL_COLUMNS),
    } | {_PEOPLE[place][0]: (frame, _PEOPLE[place][1]) for place, frame in people.items()}
    shapes = {
        module: payloads.shape(frame, module, plain=plain, target_fields=target_fields, capabilities=known)
        for module, (frame, plain) in records.items()
    }
    users = resolving.owner_ids(owners, target_owners, admin_email)
    found = match(existing, sales_accounts=sales_accounts, people=people, deals=deals, capabilities=known)
    statuses = resolving.status_ids(contacts, target_statuses)
    placed = resolving.placed_deals(deals, stages, target_stages, target_currencies)
    leads = with_company(people.get(LEAD, contacts.clear()), sales_accounts)
    resolving.check_links(sales_accounts, people, deals)
    resolving.check_marks(sales_accounts, contacts, deals)
    types = tables.TARGET_ACTIVITY_TYPES.empty() if target_activity_types is None else target_activity_types
    yield from _accounts(sales_accounts, shapes["sales_accounts"], users, found["company"])
    yield from _contacts(people["contact"], shapes["contacts"], users, found["contact"], statuses)
    if LEAD in people:
        yield from _leads(leads, shapes["leads"], users, found[LEAD])
    yield from _deals(placed, shapes["deals"], users, found["deal"])
    yield _closings(placed)
    yield _lifecycles(contacts, deals, statuses)
    loaded = {
        kind: frame.select("source_id")
        for kind, frame in {"company": sales_accounts, **people, "deal": deals}.items()
    }
    leads = leads.select("source_id")
    del sales_accounts, contacts, deals, records, people, placed
    yield from load_history.parts(
        history().on_leads(leads), loaded=loaded, owners=users, types=types, existing=existing
    )


def coverage(
    planned: Frame,
    *,
    sales_accounts: pl.DataFrame,
    contacts: pl.DataFrame,
    deals: pl.DataFrame,
    history: History = NO_HISTORY,
    untouched: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Per entity: normalized rows beside the plan's creates and updates of them, and what is UNTOUCHED; COVERAGE."""
    left = tables.UNTOUCHED.empty() if untouched is None else untouched.with_columns(entity=source_entity())
    rows = [load_history.membership_coverage(planned, history.list_members, left)]
    keys = planned.lazy().select("action", "source_id", entity=source_entity()).collect()
    records = {"company": sales_accounts, "contact": contacts, "deal": deals} | history.records()
    for entity, frame in records.items():
        writes = keys.filter((pl.col("entity") == entity) & pl.col("action").is_in(PRIMARY))
        stay = left.filter(pl.col("entity") == entity)["source_id"]
        named = pl.concat([writes["source_id"], stay])
        covered = named.unique()
        rows.append(
            {
                "entity": entity,
                "normalized": frame.height,
                "planned": writes.height,
                "untouched": len(stay),
                "uncovered": frame.filter(~pl.col("source_id").is_in(covered.implode())).height,
                "repeated": len(named) - len(covered),
            }
        )
    return tables.conform(pl.DataFrame(rows, schema=tables.COVERAGE.columns), tables.COVERAGE)


def plan_hash(planned: Frame) -> str:
    """What a person approves: it changes with any write, its order, its content or the record it goes to."""
    signed = planned.lazy().select(*_SIGNED, pl.col("after").list.join("|"))
    if not is_in_order(signed):
        signed = signed.sort("seq").collect().lazy()
    return sha256_of_csv([signed])


def summary(planned: pl.DataFrame) -> pl.DataFrame:
    """Writes per entity and action, in the order they go out."""
    return (
        planned.group_by("entity", "action")
        .agg(writes=pl.len().cast(pl.Int64), first=pl.col("seq").min())
        .sort("first")
        .drop("first")
    )


def by_key(changes: pl.DataFrame) -> pl.DataFrame:
    """TARGET_CHANGES counted: records per entity and field a person changed."""
    return changes.explode("keys").group_by("entity", field="keys").len("records").sort("entity", "field")


def headline(planned: pl.DataFrame) -> str:
    """The plan in one line, for the person who approves it."""
    parts = [
        f"{row['writes']} {row['entity']} {row['action']}" for row in summary(planned).iter_rows(named=True)
    ]
    return f"{planned.height} writes: {', '.join(parts)}" if parts else "0 writes"


def _accounts(
    frame: pl.DataFrame, shape: payloads.Shape, owners: Owners, found: Mapping[str, int]
) -> Iterator[pl.DataFrame]:
    for rows in narrow.parts(frame.sort("source_id")):
        yield primaries("company", rows, found, shape.texts(rows, owner_id=owners.json()))


def _contacts(
    frame: pl.DataFrame,
    shape: payloads.Shape,
    owners: Owners,
    found: Mapping[str, int],
    statuses: Mapping[str, dict[str, int]],
) -> Iterator[pl.DataFrame]:
    lifecycle = pl.col("lifecycle")
    known = {kind: ids for kind, ids in statuses.items() if kind is not None}
    ids = {
        key: lifecycle.replace_strict(
            list(known), [str(ids[key]) for ids in known.values()], return_dtype=pl.String
        )
        for key in ("lifecycle_stage_id", "contact_status_id")
        if known
    }
    # The first of its accounts is the primary one.
    account = _reference("company", pl.element())
    each = pl.lit('{"id":') + account + pl.lit(',"is_primary":false}')
    linked = json_text.list_of(pl.col("account_ids").list.eval(each)).str.replace(
        '"is_primary":false', '"is_primary":true', literal=True
    )
    for rows in narrow.parts(frame.sort("source_id")):
        made = shape.texts(rows, owner_id=owners.json(), sales_accounts=linked, **ids)
        yield primaries("contact", rows, found, made, named("company", pl.col("account_ids")))


def _leads(
    frame: pl.DataFrame, shape: payloads.Shape, owners: Owners, found: Mapping[str, int]
) -> Iterator[pl.DataFrame]:
    """A lead is not linked to its account: it names it, and a conversion finds the account by that name."""
    company = json_text.object_of({"name": json_text.of(pl.col("company_name"), pl.String())})
    for rows in narrow.parts(frame.sort("source_id")):
        yield primaries(LEAD, rows, found, shape.texts(rows, owner_id=owners.json(), company=company))


def _deals(
    frame: pl.DataFrame, shape: payloads.Shape, owners: Owners, found: Mapping[str, int]
) -> Iterator[pl.DataFrame]:
    account = pl.when(pl.col("account_id") != "").then("account_id")
    contacts = pl.col("contact_ids").list.eval(_reference("contact", pl.element()))
    one = pl.when(account.is_null()).then(NOTHING).otherwise(pl.concat_list(account))
    needs = pl.concat_list(named("contact", pl.col("contact_ids")), named("company", one))
    for rows in narrow.parts(frame.sort("source_id")):
        made = shape.texts(
            rows,
            owner_id=owners.json(),
            deal_pipeline_id=pl.col("target_pipeline_id").cast(pl.String),
            deal_stage_id=pl.col("target_stage_id").cast(pl.String),
            currency_id=pl.col("currency_id").cast(pl.String),
            sales_account_id=_reference("company", account),
            contacts_added_list=json_text.list_of(contacts),
        )
        yield primaries("deal", rows, found, made, needs)


def _closings(placed: pl.DataFrame) -> pl.DataFrame:
    closed = placed.filter(pl.col("closed_date").is_not_null() & pl.col("target_forecast").is_in(CLOSED))
    rows = closed.sort("source_id")
    day = json_text.of(pl.col("closed_date"), pl.Date())
    return changes("deal", "close", rows, payloads.bodies(rows, {"closed_date": day}))


def _lifecycles(
    contacts: pl.DataFrame, deals: pl.DataFrame, statuses: Mapping[str, dict[str, int]]
) -> pl.DataFrame:
    with_deal = (
        deals.select(pl.col("contact_ids").explode(empty_as_null=True)).to_series().drop_nulls().unique()
    )
    moved = contacts.filter(
        pl.col("source_id").is_in(with_deal.implode()) & pl.col("lifecycle").is_not_null()
    ).sort("source_id")
    told = {kind: payloads.canonical(ids) for kind, ids in statuses.items()}
    made = moved["lifecycle"].replace_strict(list(told), list(told.values()), return_dtype=pl.String)
    return changes("contact", "lifecycle", moved, made)


def _reference(entity: str, source_id: pl.Expr) -> pl.Expr:
    """`payloads.reference` as JSON."""
    return pl.lit('{"$id":') + json_text.text(pl.lit(f"{entity}:") + source_id) + pl.lit("}")
