"""Decisions of a small customer, for the tests of normalization: what a test does not name is the default."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from crmbook import tables
from crmbook.phases.shape import Decisions

WARSAW = "Europe/Warsaw"
STAGES = (
    ("1", "10", "Sales", "New", 12.5, "Open", False),
    ("1", "11", "Sales", "Offer", 50.0, "Open", False),
    ("1", "12", "Sales", "Signed", 100.0, "Closed Won", False),
    ("1", "lost", "Sales", "Lost", 0.0, "Closed Lost", True),
    ("2", "20", "Partners", "Open", 30.0, "Open", False),
    ("2", "won", "Partners", "Won", 100.0, "Closed Won", True),
)
FIELDS = (
    ("contact", "email", "email", "email"),
    ("contact", "phone_number", "mobile_number", "phone"),
    ("contact", "city", "city", "copy"),
    ("contact", "p_plan", "cf_plan", "choice"),
    ("contact", "p_score", "cf_score", "integer"),
    ("company", "name", "name", "name"),
    ("company", "p_website", "website", "url"),
    ("company", "phone_numbers", "phone", "phone"),
    ("company", "size", "number_of_employees", "integer"),
    ("deal", "name", "name", "name"),
    ("deal", "value", "amount", "money"),
    ("deal", "currency", "currency", "copy"),
    ("deal", "expected_close_date", "expected_close", "date"),
)


@dataclass(frozen=True)
class Policy:
    contact_without_email: str = "reject"
    duplicate_email: str = "merge"
    duplicate_account: str = "merge"


def mapping(*fields: tuple[str, str, str, str], skipped: tuple[tuple[str, str], ...] = ()) -> pl.DataFrame:
    """Rows of entity, source field, target field, rule; and fields left behind."""
    modules = {"contact": "contacts", "company": "sales_accounts", "deal": "deals"}
    rows = [
        (e, f, modules[e], t, r, "proposed", 1.0, "", "") for e, f, t, r in fields if (e, f) not in skipped
    ]
    rows += [(e, f, modules[e], "", "copy", "skip", 1.0, "", "") for e, f in skipped]
    return pl.DataFrame(rows, schema=tables.MAPPING.columns, orient="row")


def stages(*rows: tuple[str, str, str, str, float, str, bool]) -> pl.DataFrame:
    made = [
        (p, s, pipeline, stage, probability, pipeline, stage, position, round(probability), forecast,
         probability != round(probability), is_added, 0)
        for position, (p, s, pipeline, stage, probability, forecast, is_added) in enumerate(rows, 1)
    ]  # fmt: skip
    return pl.DataFrame(made, schema=tables.STAGES.columns, orient="row")


def owners(*rows: tuple[str, bool]) -> pl.DataFrame:
    """Rows of agent id and whether the agents list holds it."""
    made = [(agent, None, None, is_known, 1) for agent, is_known in rows]
    return pl.DataFrame(made, schema=tables.OWNERS.columns, orient="row")


def custom_fields(*names: tuple[str, str]) -> pl.DataFrame:
    """Rows of module and api name."""
    made = [(module, name, name, "text", [], False) for module, name in names]
    return pl.DataFrame(made, schema=tables.CUSTOM_FIELDS.columns, orient="row")


def choices(*rows: tuple[str, str, str, str | None]) -> pl.DataFrame:
    """Rows of entity, source field, source value, target value."""
    return pl.DataFrame([(*row, 1) for row in rows], schema=tables.CHOICES.columns, orient="row")


def decided(**changed: Any) -> Decisions:
    """The default decisions with some of them changed."""
    default: dict[str, Any] = {
        "mapping": mapping(*FIELDS),
        "custom_fields": custom_fields(("deals", "cf_usercom_deal_status"), ("deals", "cf_usercom_stage")),
        "choices": choices(),
        "stages": stages(*STAGES),
        "owners": owners(("7", True), ("8", True), ("99", False)),
        "policy": Policy(),
        "time_zone": WARSAW,
        "account_name_unique": True,
    }
    return Decisions(**{**default, **changed})
