"""A small migration that went well: what was loaded, and the target exactly as it should be.

Tests plant one defect in a copy of `ACTUAL` (or of the crosswalk) and ask what the comparison says.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from crmbook import tables
from crmbook.phases import compare as comparing
from crmbook.phases import link_check, target_ids
from crmbook.phases import reconciliation as rec

Frames = dict[str, pl.DataFrame]


def frame(table: tables.Table, *rows: Mapping[str, Any], **custom: Any) -> pl.DataFrame:
    """*rows* as *table*; columns a row does not name are null, *custom* gives the types of `cf_` columns."""
    schema = {**table.columns, **custom}
    return tables.conform(
        pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema), table
    )


def changed(rows: pl.DataFrame, target_id: int, **values: Any) -> pl.DataFrame:
    """*rows* with *values* in the record *target_id*: a planted defect or a person's edit."""
    here = pl.col("target_id") == target_id
    return rows.with_columns(
        pl.when(here).then(pl.lit(value, rows.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def without(rows: pl.DataFrame, target_id: int) -> pl.DataFrame:
    return rows.filter(pl.col("target_id") != target_id)


def with_copy(rows: pl.DataFrame, target_id: int, copy_id: int, **values: Any) -> pl.DataFrame:
    """*rows* and once more the record *target_id*, as *copy_id*."""
    copy = rows.filter(pl.col("target_id") == target_id).with_columns(target_id=pl.lit(copy_id, pl.Int64))
    return pl.concat([rows, changed(copy, copy_id, **values)])


SOURCES: Frames = rec.by_entity(
    pl.DataFrame({"source_id": ["10", "11"]}),
    pl.DataFrame({"source_id": ["1", "2", "3", "4", "5"]}),
    pl.DataFrame({"source_id": ["100", "101"]}),
)

NORMALIZED: Frames = rec.by_entity(
    frame(
        tables.ACCOUNTS,
        {"source_id": "10", "name": "Acme", "number_of_employees": 12, "cf_usercom_original_id": "10"},
        {"source_id": "11", "name": "Börg", "tags": ["key", "eu"], "cf_usercom_original_id": "11"},
    ),
    frame(
        tables.CONTACTS,
        {
            "source_id": "1", "owner_agent_id": "a1", "split": "Contact", "lifecycle": "Sales Qualified Lead",
            "first_name": "Ada", "last_name": "Bergström", "email": "Ada@acme.example", "external_id": "1",
            "tags": ["vip", "trial"], "account_ids": ["10", "11"], "cf_usercom_original_id": "1",
            "cf_note": "n" * 400, "cf_born": date(1990, 3, 25), "cf_news": True, "cf_topics": ["a;b", "c"],
        },
        {
            "source_id": "2", "owner_agent_id": "a2", "split": "Contact", "lifecycle": "Customer",
            "last_name": "Cruz", "email": "cruz@borg.example", "external_id": "2", "account_ids": ["11"],
            "cf_usercom_original_id": "2",
        },
        cf_note=pl.String, cf_born=pl.Date, cf_news=pl.Boolean, cf_topics=tables.TEXTS,
    ),
    frame(
        tables.DEALS,
        {
            "source_id": "100", "owner_agent_id": "a1", "name": "Rollout", "amount": 1250.5, "currency": "EUR",
            "pipeline_id": "p1", "stage_id": "s1", "expected_close": date(2026, 3, 31), "account_id": "10",
            "contact_ids": ["1"], "cf_usercom_original_id": "100",
        },
        {
            "source_id": "101", "owner_agent_id": "a3", "name": "Renewal", "amount": 0.0, "currency": "USD",
            "pipeline_id": "p1", "stage_id": "s2", "closed_date": date(2024, 5, 3), "account_id": "11",
            "contact_ids": ["2", "1"], "cf_usercom_original_id": "101",
        },
    ),
)  # fmt: skip

ACTUAL: Frames = rec.by_entity(
    frame(
        tables.ACTUAL_ACCOUNTS,
        {"target_id": 1010, "source_id": "10", "owner_id": 9, "name": "Acme", "number_of_employees": 12, "tags": []},
        {"target_id": 1011, "source_id": "11", "owner_id": 9, "name": "Börg", "tags": ["eu", "key"]},
        {"target_id": 1999, "owner_id": 9, "name": "Was here before"},
    ),
    frame(
        tables.ACTUAL_CONTACTS,
        {
            "target_id": 2001, "source_id": "1", "external_id": "1", "owner_id": 91, "lifecycle_stage_id": 52,
            "contact_status_id": 521, "first_name": "Ada", "last_name": "Bergström", "email": "ada@acme.example",
            "tags": ["trial", "vip"], "account_ids": ["1010", "1011"], "primary_account_id": "1010",
            "cf_note": "n" * 400, "cf_born": date(1990, 3, 25), "cf_news": True, "cf_topics": ["c", "a;b"],
        },
        {
            "target_id": 2002, "source_id": "2", "external_id": "2", "owner_id": 92, "lifecycle_stage_id": 53,
            "contact_status_id": 531, "last_name": "Cruz", "email": "cruz@borg.example", "tags": [],
            "account_ids": ["1011"], "primary_account_id": "1011", "cf_news": False,
        },
        cf_note=pl.String, cf_born=pl.Date, cf_news=pl.Boolean, cf_topics=tables.TEXTS, cf_foreign=pl.String,
    ),
    frame(
        tables.ACTUAL_DEALS,
        {
            "target_id": 3100, "source_id": "100", "owner_id": 91, "name": "Rollout", "amount": 1250.5,
            "currency_id": 61, "deal_pipeline_id": 71, "deal_stage_id": 711, "expected_close": date(2026, 3, 31),
            "account_id": "1010", "contact_ids": ["2001"],
        },
        {
            "target_id": 3101, "source_id": "101", "owner_id": 9, "name": "Renewal", "amount": 0.0,
            "currency_id": 62, "deal_pipeline_id": 71, "deal_stage_id": 712, "closed_date": date(2024, 5, 3),
            "account_id": "1011", "contact_ids": ["2001", "2002"],
        },
    ),
)  # fmt: skip

REJECTS = frame(
    tables.REJECTS,
    {"entity": "contact", "source_id": "5", "rule": "email_missing", "field": "email", "is_blocking": True},
    {"entity": "contact", "source_id": "1", "rule": "phone", "field": "mobile_number", "is_blocking": False},
)
EXCLUDED = frame(tables.EXCLUDED, {"entity": "contact", "source_id": "4", "reason": "chat_only"})
MERGES = frame(
    tables.MERGES, {"entity": "contact", "source_id": "3", "survivor_id": "2", "rule": "duplicate_email"}
)
CROSSWALK = pl.concat(
    frame(tables.CROSSWALK, {"entity": e, "source_id": s, "target_id": t, "origin": "created"})
    for e, s, t in [
        ("company", "10", 1010), ("company", "11", 1011), ("contact", "1", 2001), ("contact", "2", 2002),
        ("deal", "100", 3100), ("deal", "101", 3101),
    ]
)  # fmt: skip
EXISTING = frame(tables.EXISTING, {"module": "sales_accounts", "target_id": 1999, "name": "Was here before"})
REFUSED = pl.DataFrame(schema={"entity": pl.String, "source_id": pl.String})

LINKS = frame(
    tables.LINKS,
    *(
        dict(zip(("relation", "from_id", "to_id", "kept_from", "kept_to", "is_primary", "state", "reason"), row, strict=True))
        for row in [
            ("contact_account", "1", "10", "1", "10", True, "kept", ""),
            ("contact_account", "1", "11", "1", "11", False, "kept", ""),
            ("contact_account", "2", "11", "2", "11", True, "kept", ""),
            ("contact_account", "3", "11", "2", "11", True, "repointed", ""),
            ("contact_account", "5", "10", None, None, True, "dropped", "contact rejected: email_missing"),
            ("contact_owner", "1", "a1", "1", "a1", True, "kept", ""),
            ("contact_owner", "2", "a2", "2", "a2", True, "kept", ""),
            ("deal_account", "100", "10", "100", "10", True, "kept", ""),
            ("deal_account", "101", "11", "101", "11", True, "kept", ""),
            ("deal_contact", "100", "1", "100", "1", True, "kept", ""),
            ("deal_contact", "101", "1", "101", "1", False, "kept", ""),
            ("deal_contact", "101", "2", "101", "2", True, "kept", ""),
            ("deal_owner", "100", "a1", "100", "a1", True, "kept", ""),
            ("deal_owner", "101", "a3", "101", "a3", True, "kept", ""),
        ]
    ),
)  # fmt: skip

OWNERS = frame(
    tables.OWNERS,
    {"agent_id": "a1", "name": "A", "email": "one@x.example", "is_known": True, "records": 2},
    {"agent_id": "a2", "name": "B", "email": "two@x.example", "is_known": True, "records": 1},
    {"agent_id": "a3", "name": "C", "email": "three@x.example", "is_known": True, "records": 1},
)
TARGET_OWNERS = frame(
    tables.TARGET_OWNERS,
    {"owner_id": 9, "name": "Admin", "email": "Admin@x.example", "is_active": True},
    {"owner_id": 91, "name": "A", "email": "ONE@x.example", "is_active": True},
    {"owner_id": 92, "name": "B", "email": "two@x.example ", "is_active": True},
    {"owner_id": 93, "name": "C", "email": "three@x.example", "is_active": False},
)
STAGES = frame(
    tables.STAGES,
    {"pipeline_id": "p1", "stage_id": "s1", "target_pipeline": "Sales", "target_stage": "New", "forecast_type": "Open"},
    {"pipeline_id": "p1", "stage_id": "s2", "target_pipeline": "Sales", "target_stage": "Won",
     "forecast_type": "Closed Won"},
)  # fmt: skip
TARGET_STAGES = frame(
    tables.TARGET_STAGES,
    {"stage_id": 711, "pipeline_id": 71, "pipeline": "Sales", "stage": "New"},
    {"stage_id": 712, "pipeline_id": 71, "pipeline": "Sales", "stage": "Won"},
    {"stage_id": 721, "pipeline_id": 72, "pipeline": "Service", "stage": "New"},
)
TARGET_STATUSES = frame(
    tables.TARGET_STATUSES,
    {"status_id": 511, "status": "New", "position": 1, "stage_id": 51, "stage": "Lead", "stage_type": "Lead",
     "stage_position": 1},
    {"status_id": 521, "status": "Qualified", "position": 1, "stage_id": 52, "stage": "SQL start",
     "stage_type": "Sales Qualified Lead", "stage_position": 2},
    {"status_id": 522, "status": "Lost", "position": 2, "stage_id": 52, "stage": "SQL start",
     "stage_type": "Sales Qualified Lead", "stage_position": 2},
    {"status_id": 531, "status": "Won", "position": 1, "stage_id": 53, "stage": "Customer",
     "stage_type": "Customer", "stage_position": 3},
)  # fmt: skip
TARGET_CURRENCIES = frame(
    tables.TARGET_CURRENCIES,
    {"currency_id": 61, "code": "EUR", "is_active": True, "is_base": True},
    {"currency_id": 62, "code": "USD", "is_active": True, "is_base": False},
)


def ids(**replaced: Any) -> target_ids.TargetIds:
    given = {
        "owners": OWNERS, "stages": STAGES, "target_owners": TARGET_OWNERS, "target_stages": TARGET_STAGES,
        "target_statuses": TARGET_STATUSES, "target_currencies": TARGET_CURRENCIES, "admin_email": "admin@x.example",
    }  # fmt: skip
    return target_ids.resolve(**{**given, **replaced})


def classes(actual: Frames = ACTUAL, **replaced: Any) -> pl.DataFrame:
    given = {
        "sources": SOURCES, "normalized": NORMALIZED, "rejects": REJECTS, "excluded": EXCLUDED, "merges": MERGES,
        "crosswalk": CROSSWALK, "existing": EXISTING, "refused": REFUSED,
    }  # fmt: skip
    return rec.classes(actual=actual, **{**given, **replaced})


def comparison(
    actual: Frames = ACTUAL, crosswalk: pl.DataFrame = CROSSWALK, normalized: Frames = NORMALIZED
) -> comparing.Comparison:
    return comparing.compare(
        normalized=normalized,
        actual=actual,
        classes=classes(actual, crosswalk=crosswalk),
        crosswalk=crosswalk,
        ids=ids(),
    )


def links(actual: Frames = ACTUAL, crosswalk: pl.DataFrame = CROSSWALK) -> pl.DataFrame:
    return link_check.link_classes(
        links=LINKS,
        people=NORMALIZED,
        classes=classes(actual, crosswalk=crosswalk),
        crosswalk=crosswalk,
        actual=actual,
        ids=ids(),
    )
