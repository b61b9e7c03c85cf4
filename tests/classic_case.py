"""The small migration of `load_case` as Classic has it: some people are leads, and history hangs on them too."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

import history_case as told
from crmbook import tables
from crmbook.phases.edition import CLASSIC
from crmbook.phases.history_tables import History
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import TENANT, contacts, frame, loading, marked

LEADS = {"103", "104", "105"}
FILE = ("contacts/103/brief.txt", b"what the lead sent")
WARM = {
    "email": "Warm@x.example",
    "last_name": "Warm",
    "tags": ["theirs"],
    "company": {"name": "Old", "city": "Hull"},
}
SWITCHES: dict[str, Any] = TENANT | {"existing": {**TENANT["existing"], "leads": [WARM]}}


def people() -> pl.DataFrame:
    """Contact 100 is a lead by the split whom the tenant holds as a contact; 104 is one of its leads already."""
    own = contacts(4).with_columns(
        lifecycle=pl.lit(None, dtype=pl.String),
        account_ids=pl.when(pl.col("source_id") == "103").then(pl.lit(["5000"])).otherwise("account_ids"),
        tags=pl.when(pl.col("source_id") == "103").then(pl.lit(["cold"])).otherwise("tags"),
        cf_topics=pl.when(pl.col("source_id") == "103").then(pl.lit(["c", "a"])).otherwise("cf_topics"),
        cf_plan=pl.when(pl.col("source_id") == "103").then(pl.lit("free")).otherwise("cf_plan"),
        owner_agent_id=pl.when(pl.col("source_id") == "103").then(pl.lit("1")).otherwise("owner_agent_id"),
    )
    rows = [
        {"source_id": "104", "email": "warm@X.example", "last_name": "Warm", "account_ids": ["5001"], "tags": ["ours"]},
        {"source_id": "105", "email": "p105@x.example", "first_name": "Zoë", "last_name": "P 105", "account_ids": []},
    ]  # fmt: skip
    more = frame(
        tables.CONTACTS,
        *(marked(row | {"external_id": row["source_id"], "split": "Lead"}) for row in rows),
        **{name: dtype for name, dtype in own.schema.items() if name not in tables.CONTACTS.columns},
    )
    return tables.conform(pl.concat([own, more]), tables.CONTACTS)


def history() -> History:
    """That of `history_case`, and more of each kind on leads; no lead is in a list, ends and zones are always told."""
    path, data = FILE
    start, end = told.at("1969-07-20T20:17:40+00:00"), told.at("2040-03-25T02:30:00+02:00")
    more = {
        "tasks": frame(tables.TASKS, told.hanging("activity:40", "contact", "103", title="Ring", due_date=start, is_done=True)),
        "appointments": frame(
            tables.APPOINTMENTS, told.hanging("activity:41", "contact", "104", title="Meet", from_date=start, end_date=end)
        ),
        "sales_activities": frame(
            tables.SALES_ACTIVITIES,
            told.hanging("activity:42", "contact", "105", activity_type="phone", title="Call", start_date=start, end_date=end),
        ),
        "notes": frame(
            tables.NOTES,
            *(told.hanging(f"conversation:9:{n}", "contact", "103", description=f"User.com chat 9 ({n}/3)<br>{n}") for n in (1, 2, 3)),
        ),
        "documents": frame(
            tables.DOCUMENTS,
            told.hanging(
                f"file:{path}", "contact", "103", kind="file", name="brief.txt", path=path, size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            ),
        ),
    }  # fmt: skip
    base = told.history()
    grown = {name: pl.concat([getattr(base, name), rows]) for name, rows in more.items()}
    meetings = grown["appointments"].with_columns(pl.col("time_zone").fill_null("UTC"))
    entries = grown["sales_activities"].with_columns(pl.col("end_date").fill_null(pl.col("start_date")))
    grown |= {"appointments": meetings, "sales_activities": entries}
    members = base.list_members.filter(~pl.col("contact_id").is_in(list(LEADS)))
    return replace(base, **grown, list_members=members)


@contextmanager
def classic_loading(box: Sandbox, folder: Path, **changed: pl.DataFrame) -> Iterator[tuple[Run, Freshsales]]:
    """05_load, open, on a Classic tenant that is ready."""
    told.write_files(folder / "case")
    file = folder / "case" / "attachments" / FILE[0]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(FILE[1])
    with loading(box, folder, people=people(), history=history(), edition=CLASSIC, **changed) as opened:
        yield opened
