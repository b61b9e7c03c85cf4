"""A small migration as it stands before the load: records, decisions, and a sandbox tenant made ready for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from crmbook import config, runs, tables, target, workspace_read
from crmbook.phases import workspace
from crmbook.phases.edition import SUITE, Edition
from crmbook.phases.history_tables import NO_HISTORY, History
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales

ADMIN = "admin@case.example"
REALM = "freshsales_test"
TENANT = {
    "index_delay_s": 0.1,
    "requests_per_hour": 100_000,
    "requests_per_minute": 100_000,
    "owners": [
        {"display_name": "Admin", "email": ADMIN, "is_active": True},
        {"display_name": "Ola", "email": "OLA@case.example", "is_active": True},
        {"display_name": "Ines", "email": "ines@case.example", "is_active": False},
    ],
    "currencies": [
        {"currency_code": "EUR", "is_active": True, "is_base": True, "exchange_rate": "1.0"},
        {"currency_code": "PLN", "is_active": True, "is_base": False, "exchange_rate": "4.27"},
    ],
    "existing": {
        "sales_accounts": [{"name": "Acme ", "city": "Hull", "tags": ["theirs"]}, {"name": "Foreign"}],
        "contacts": [
            {"email": "Known@x.example", "last_name": "Known", "tags": ["theirs"], "accounts": ["Foreign"]},
            {"email": "other@x.example", "last_name": "Other"},
        ],
    },
}
TOML = """
[customer]
name = "Case"
admin_email = "{admin}"
time_zone = "Europe/Warsaw"
active_automations = 0
[source]
base_url = "http://127.0.0.1:1/api/public/"
token_env = "CASE_SOURCE"
files = "attachments"
[target.test]
edition = "{edition}"
plan = "{plan}"
base_url = "{base_url}"
token_env = "CASE_TARGET"
requests_per_hour = 100000
requests_per_minute = 100000
[policy]
workflows_disabled = true
"""


def frame(table: tables.Table, *rows: dict[str, Any], **custom: Any) -> pl.DataFrame:
    """*rows* with null for what they leave out; *custom* are the types of further columns."""
    schema = dict(table.columns) | custom
    return tables.conform(pl.DataFrame(list(rows), schema=schema), table)


def marked(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"cf_usercom_original_id": row["source_id"]}


def accounts(count: int = 3) -> pl.DataFrame:
    rows = [
        {
            "source_id": str(5000 + i),
            "name": f"Company {i}",
            "owner_agent_id": "1",
            "number_of_employees": 10 + i,
        }
        for i in range(count)
    ]
    rows[0] |= {"name": "ACME", "tags": ["ours"]}
    return frame(tables.ACCOUNTS, *map(marked, rows), cf_note=pl.String)


def contacts(count: int = 4) -> pl.DataFrame:
    rows = [
        {
            "source_id": str(100 + i), "external_id": str(100 + i), "email": f"p{i}@x.example", "last_name": f"P {i}",
            "owner_agent_id": ["1", "2", "9", None][i % 4], "split": "Lead", "lifecycle": "Lead", "account_ids": [],
        }
        for i in range(count)
    ]  # fmt: skip
    rows[0] |= {"email": "known@X.example", "account_ids": ["5001", "5000"], "tags": ["ours"]}
    rows[1] |= {
        "split": "Contact",
        "lifecycle": "Customer",
        "account_ids": ["5002"],
        "cf_plan": "paid, yearly",
        "cf_topics": ["b", "a"],
    }
    rows[2] |= {
        "split": "Contact",
        "lifecycle": "Sales Qualified Lead",
        "cf_agreed": False,
        "cf_born": date(1969, 12, 31),
    }
    return frame(
        tables.CONTACTS, *map(marked, rows),
        cf_plan=pl.String, cf_topics=tables.TEXTS, cf_agreed=pl.Boolean, cf_born=pl.Date, cf_empty=pl.String,
    )  # fmt: skip


def deals() -> pl.DataFrame:
    rows = [
        {"source_id": "900", "name": "Open one", "amount": 1234.5, "currency": "PLN", "pipeline_id": "7", "stage_id": "70", "contact_ids": ["102"], "account_id": "5000", "owner_agent_id": "1"},
        {"source_id": "901", "name": "Won one", "amount": 0.0, "currency": None, "pipeline_id": "7", "stage_id": "won", "closed_date": date(2019, 5, 3), "contact_ids": ["101", "100"], "owner_agent_id": "3", "tags": ["big"]},
        {"source_id": "902", "name": "Lost one", "amount": 20.0, "currency": "EUR", "pipeline_id": "7", "stage_id": "lost", "contact_ids": [], "cf_score": 1.25},
    ]  # fmt: skip
    return frame(tables.DEALS, *map(marked, rows), cf_score=pl.Float64)


def stages() -> pl.DataFrame:
    rows = [
        ("70", "New", 1, 20, "Open"),
        ("won", "Won", 2, 100, "Closed Won"),
        ("lost", "Lost", 3, 0, "Closed Lost"),
    ]
    return frame(
        tables.STAGES,
        *(
            {
                "pipeline_id": "7", "stage_id": key, "pipeline": "Sales", "stage": name, "target_pipeline": "Sales",
                "target_stage": name, "target_position": position, "target_probability": chance, "forecast_type": kind,
                "is_rounded": False, "is_added": False, "deals": 1, "probability": float(chance),
            }
            for key, name, position, chance, kind in rows
        ),
    )  # fmt: skip


def owners() -> pl.DataFrame:
    rows = [
        ("1", "Ola", "ola@case.example", True),
        ("2", "Ines", "ines@case.example", True),
        ("3", "Gone", "gone@case.example", True),
        ("9", None, None, False),
    ]
    return frame(
        tables.OWNERS,
        *({"agent_id": a, "name": n, "email": e, "is_known": k, "records": 1} for a, n, e, k in rows),
    )


def custom_fields() -> pl.DataFrame:
    mark = [(module, "cf_usercom_original_id", "text", [], True) for module in SUITE.modules.values()]
    more = [
        ("contacts", "cf_plan", "dropdown", ["free", "paid, yearly"], False),
        ("contacts", "cf_topics", "multi_select_dropdown", ["a", "b", "c"], False),
        ("contacts", "cf_agreed", "checkbox", [], False),
        ("contacts", "cf_born", "date", [], False),
        ("deals", "cf_score", "number", [], False),
    ]
    return frame(
        tables.CUSTOM_FIELDS,
        *({"module": m, "api_name": n, "label": n[3:], "field_type": t, "choices": c, "is_unique": u} for m, n, t, c, u in [*mark, *more]),
    )  # fmt: skip


def opened(record: runs.Record, phase: str) -> Run:
    folder = record.folder / phase / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return Run(record, phase, config.read(record.folder.parent / "customer.toml"), "test", {})


def ready_tenant(box: Sandbox, client: Freshsales, edition: Edition = SUITE) -> dict[str, pl.DataFrame]:
    """The tenant after an admin worked off the checklist; the settings as 03_workspace reads them."""
    needed = workspace.needs(
        custom_fields=edition.by_module(custom_fields()), stages=stages(), owners=owners().filter(pl.col("agent_id") == "1"),
        currencies=deals()["currency"], admin_email=ADMIN,
    )  # fmt: skip
    checklist = checked(needed, workspace_read.read(client))
    done = box.admin("POST", f"{REALM}/checklist", {"rows": checklist.to_dicts()})
    assert done["refused"] == []
    found = workspace_read.read(client)
    assert workspace.blocking(checked(needed, found)).height == 0
    return found


def checked(needed: pl.DataFrame, found: dict[str, pl.DataFrame]) -> pl.DataFrame:
    settings = {name: table for name, table in found.items() if name != "target_statuses"}
    return workspace.check(needed, **settings, policy=config.Policy(workflows_disabled=True))


def capabilities(**changed: str) -> pl.DataFrame:
    known = {
        "choice_write": "label",
        "multi_write": "array_label",
        "account_name_unique": "true",
        "index_delay_s": "0.1",
    }
    measured = {"evidence": "given", "measured_at": datetime.now(UTC)}
    rows = ({"capability": k, "value": v, **measured} for k, v in (known | changed).items())
    return frame(tables.CAPABILITIES, *rows)


@contextmanager
def loading(
    box: Sandbox,
    folder: Path,
    *,
    people: int | pl.DataFrame = 4,
    companies: pl.DataFrame | None = None,
    money: pl.DataFrame | None = None,
    known: pl.DataFrame | None = None,
    history: History = NO_HISTORY,
    edition: Edition = SUITE,
) -> Iterator[tuple[Run, Freshsales]]:
    """
    05_load, open, over upstream tables that passed and a tenant that is ready for them.

    *people* are the normalized contacts, or how many of this case's; *companies* and *money* the accounts and
    deals, *known* the measured capabilities, where they are not this case's.
    """
    customer = folder / "case"
    customer.mkdir(parents=True, exist_ok=True)
    base_url = box.ready[REALM]["base_url"]
    plan = "estate" if edition.has_leads else "pro"
    settings = TOML.format(admin=ADMIN, base_url=base_url, edition=edition.name, plan=plan)
    (customer / "customer.toml").write_text(settings)
    record = runs.create("case", "test", parameters={})
    client = target.connect(opened(record, "05_load"))
    for phase, saved in {
        "02_mapping": {"stages": stages(), "owners": owners()},
        "03_workspace": ready_tenant(box, client, edition)
        | {"capabilities": capabilities() if known is None else known},
        "04_normalization": {
            "sales_accounts": accounts() if companies is None else companies,
            "deals": deals() if money is None else money,
            **vars(history),
            "contacts": contacts(people) if isinstance(people, int) else people,
        },
    }.items():
        run = opened(record, phase)
        run.save_all(**saved)
        run.close()
    with client.client:
        yield opened(record, "05_load"), client


def again(run: Run) -> Run:
    """The phase as the runner starts it another time: the unfinished folder moved away."""
    old = run.phase_folder
    taken = len(list(run.folder.glob(f"{run.phase}~*")))
    old.rename(old.with_name(f"{old.name}~{taken + 1}"))
    return opened(run.record, run.phase)
