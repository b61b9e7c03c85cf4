"""What hangs on the records of `load_case`: lists, tasks, meetings, calls, mails, notes, files and links."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from crmbook import tables
from crmbook.phases.history_tables import History
from load_case import frame

FILES = {"contacts/100/offer.pdf": b"%PDF offer", "deals/900/plan.bin": bytes(range(256)) * 40}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def hanging(source_id: str, parent_kind: str, parent_id: str, **row: Any) -> dict[str, Any]:
    return {"source_id": source_id, "parent_kind": parent_kind, "parent_id": parent_id, **row}


def tasks() -> pl.DataFrame:
    moon = at("1969-07-20T20:17:40+00:00")
    return frame(
        tables.TASKS,
        hanging(
            "activity:1", "contact", "100", title="Call back", due_date=moon, is_done=True, owner_agent_id="1"
        ),
        hanging(
            "activity:2",
            "contact",
            "100",
            title="Call back",
            due_date=moon,
            is_done=False,
            owner_agent_id="2",
        ),
        hanging(
            "activity:3",
            "deal",
            "900",
            title="Renew",
            due_date=at("9999-12-31T23:59:59+00:00"),
            is_done=False,
        ),
        hanging(
            "event:4",
            "company",
            "5001",
            title="a < b",
            due_date=at("2021-03-28T03:00:00+02:00"),
            is_done=True,
        ),
    )


def appointments() -> pl.DataFrame:
    start, end = at("2019-10-27T02:30:00+02:00"), at("2019-10-27T02:30:00+01:00")
    return frame(
        tables.APPOINTMENTS,
        hanging(
            "activity:10",
            "company",
            "5000",
            title="Demo",
            from_date=start,
            end_date=end,
            description="Zażółć",
        ),
        hanging(
            "activity:11", "contact", "101", title="Demo", from_date=start, end_date=end, time_zone="Warsaw"
        ),
    )


def sales_activities() -> pl.DataFrame:
    call, end = at("2020-02-29T12:00:00.750000+00:00"), at("2020-02-29T12:25:00+00:00")
    return frame(
        tables.SALES_ACTIVITIES,
        hanging("activity:20", "contact", "102", activity_type="phone", title="Call", start_date=call, end_date=end, owner_agent_id="1", notes="said yes"),
        hanging("activity:21", "contact", "102", activity_type="phone", title="Call", start_date=call, end_date=end, owner_agent_id="9", notes="said no"),
        hanging("email:5:opened", "contact", "103", activity_type="email", title="Email opened: Hi", start_date=call),
        hanging("event:6", "deal", "901", activity_type="task", title="signup", start_date=end, end_date=end),
    )  # fmt: skip


def notes() -> pl.DataFrame:
    parts = [f"User.com chat 7 ({part}/11)<br>&lt;b&gt; message {part}" for part in range(1, 12)]
    return frame(
        tables.NOTES,
        *(
            hanging(f"conversation:7:{n}", "contact", "100", description=text)
            for n, text in enumerate(parts, 1)
        ),
        hanging(
            "overflow:company:5002:description",
            "company",
            "5002",
            description="User.com company 5002<br>long",
        ),
    )


def lists() -> pl.DataFrame:
    rows = {"list:1": "Newsletter", "list:2": "Nobody", "segment:1": "Newsletter (segment)"}
    return frame(tables.LISTS_TARGET, *({"source_id": key, "name": name} for key, name in rows.items()))


def members() -> pl.DataFrame:
    pairs = [
        ("list:1", "100"),
        ("list:1", "102"),
        ("segment:1", "100"),
        ("segment:1", "101"),
        ("segment:1", "103"),
    ]
    return frame(tables.LIST_MEMBERS, *({"list_key": key, "contact_id": one} for key, one in pairs))


def documents() -> pl.DataFrame:
    files = [
        hanging(
            f"file:{path}", "contact" if path.startswith("contacts") else "deal", path.split("/")[1],
            kind="file", name=path.rpartition("/")[2], path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
        )
        for path, data in FILES.items()
    ]  # fmt: skip
    link = hanging(
        "link:1", "company", "5000", kind="link", name="contract", url="https://files.example/x.pdf"
    )
    return frame(tables.DOCUMENTS, *files, link)


def history() -> History:
    return History(
        target_lists=lists(), list_members=members(), tasks=tasks(), appointments=appointments(),
        sales_activities=sales_activities(), notes=notes(), documents=documents(),
    )  # fmt: skip


def write_files(customer: Path) -> None:
    """The attachments folder as the customer put it beside the settings."""
    for path, data in FILES.items():
        file = customer / "attachments" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
