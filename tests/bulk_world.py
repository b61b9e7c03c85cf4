"""A generated world of linked companies, contacts and deals, and a load of it that never waits for real."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from crmbook import apply, tables
from crmbook.phases import load
from crmbook.phases.edition import SUITE, Edition
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, capabilities, frame, loading, marked

_MODULES = ("contacts", "sales_accounts", "deals", "leads")
LINKS_KEPT = {
    "bulk_upsert": "true", "bulk_keeps_links": "true", "bulk_keeps_deal_links": "true", "bulk_job_s": "1",
    "bulk_choice_write": "label", "bulk_multi_write": "array_label",
    **{f"bulk_upsert_{module}": "true" for module in _MODULES[1:]},
    **{f"bulk_key_{module}": "cf_usercom_original_id" for module in _MODULES},
}  # fmt: skip
LINKS_DROPPED = LINKS_KEPT | {"bulk_keeps_links": "false", "bulk_keeps_deal_links": "false"}
NO_BULK = {f"bulk_upsert{module}": "false" for module in ("", "_sales_accounts", "_deals", "_leads")}


def companies(count: int) -> pl.DataFrame:
    rows = [
        {"source_id": f"c{i}", "name": f"Company {i}", "owner_agent_id": "1", "city": "Gdynia"}
        for i in range(count)
    ]
    return frame(tables.ACCOUNTS, *map(marked, rows), cf_note=pl.String)


def people(count: int, of_companies: int) -> pl.DataFrame:
    """Contacts each with an account, every tenth with a second one; a third of them leads by the split."""
    rows = [
        {
            "source_id": str(i), "external_id": str(i), "email": f"P{i}@world.example", "last_name": f"Person {i}",
            "first_name": "Zoë", "owner_agent_id": ["1", None][i % 2], "tags": ["a", "b"][: i % 3],
            "account_ids": [f"c{i % of_companies}", *([f"c{(i + 1) % of_companies}"] if i % 10 == 0 else [])],
            **_side(i),
        }
        for i in range(count)
    ]  # fmt: skip
    return frame(
        tables.CONTACTS, *map(marked, rows),
        cf_plan=pl.String, cf_topics=tables.TEXTS, cf_agreed=pl.Boolean, cf_born=pl.Date,
    )  # fmt: skip


def _side(i: int) -> dict[str, Any]:
    if i % 3 == 2:
        return {"split": "Lead", "lifecycle": "Lead", "cf_agreed": False}
    cell = {
        "cf_plan": "paid, yearly",
        "cf_topics": ["b", "a"],
        "cf_born": date(1970, 1, 1) + timedelta(days=i),
    }
    return {"split": "Contact", "lifecycle": ["Customer", "Sales Qualified Lead"][i % 3], **cell}


def money(count: int, of_people: int, of_companies: int) -> pl.DataFrame:
    """Deals with an account and one or two contacts that are no leads; won, lost and open in turn."""
    able = [i for i in range(of_people) if i % 3 != 2]
    rows = [
        {
            "source_id": f"d{i}", "name": f"Deal {i}", "amount": 10.5 * i, "currency": ["EUR", "PLN", None][i % 3],
            "pipeline_id": "7", "stage_id": ["won", "70", "lost"][i % 3], "account_id": f"c{i % of_companies}",
            "closed_date": [date(2019, 5, 3), None, date(2020, 2, 29)][i % 3], "owner_agent_id": "1", "cf_score": i / 4,
            "contact_ids": list(dict.fromkeys(str(able[k % len(able)]) for k in (i, i * 7)))[: 1 + i % 2],
        }
        for i in range(count)
    ]  # fmt: skip
    return frame(tables.DEALS, *map(marked, rows), cf_score=pl.Float64)


@contextmanager
def world(
    box: Sandbox,
    folder: Path,
    *,
    size: int,
    known: dict[str, str],
    edition: Edition = SUITE,
    **changed: pl.DataFrame,
) -> Iterator[tuple[Run, Freshsales]]:
    """05_load over *size* contacts, half as many companies and half as many deals; *known* are capabilities."""
    everybody = people(size, size // 2)
    if edition.has_leads:
        is_lead = pl.col("split") == "Lead"
        first = pl.when(is_lead).then(pl.col("account_ids").list.head(1)).otherwise("account_ids")
        everybody = everybody.with_columns(account_ids=first, lifecycle=pl.lit(None, dtype=pl.String))
    given = {
        "companies": companies(size // 2), "people": everybody, "money": money(size // 2, size, size // 2),
    }  # fmt: skip
    with loading(box, folder, edition=edition, known=capabilities(**known), **(given | changed)) as opened:  # type: ignore[arg-type]
        yield opened


def without_unique(run: Run, *modules: str) -> pl.DataFrame:
    """`target_fields` as a tenant tells them that has no unique field for the source id in *modules*; saved."""
    fields = run.read("target_fields")
    fields = fields.with_columns(is_unique=pl.col("is_unique") & ~pl.col("module").is_in(modules))
    upstream = Run(run.record, "03_workspace", run.customer, "test", {})
    upstream.save("target_fields", fields)
    upstream.close()
    run.inputs.clear()
    return fields


def passing(box: Sandbox) -> Callable[[float], None]:
    """A sleep that only moves the sandbox's clock."""
    return lambda wait_s: box.admin("POST", "clock", {"advance_s": wait_s})


def loaded(box: Sandbox, run: Run, client: Freshsales) -> int:
    """The plan made and applied; the calls that applying took."""
    plan = apply.plan_of(run, client).collect()
    before = calls(box)
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0, sleep=passing(box))
    return calls(box) - before


def calls(box: Sandbox) -> int:
    return int(box.admin("GET", f"requests?realm={REALM}")["total"])


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])
