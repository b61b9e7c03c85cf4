"""The demo customer's two Freshsales tenants: seats, currencies, lifecycle, and what is in them already.

Not everybody of the source has a seat, one seat is inactive, and addresses are spelt in other case. The
limits of calls are raised so that a demo finishes while somebody watches. No plan is named, so either edition
takes the sandbox's own default (Pro on Suite, Estate on Classic), which the attributes fit.
"""

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox.demo_companies import COMPANY_IN_TARGET, WEBSITE_IN_TARGET
from crmbook.sandbox.store import Doc

ADMIN_EMAIL = f"admin@{catalogue.DOMAIN}"


def freshsales() -> Doc:
    """The contents of a scenario's freshsales.json; one description serves both tenants."""
    return {
        "requests_per_hour": 20_000,
        "requests_per_minute": 20_000,
        "index_delay_s": 0.2,
        "job_polls": 1,
        "allow_field_api": False,
        "account_name_unique": True,
        "owners": _owners(),
        "currencies": [
            {"currency_code": "EUR", "is_active": True, "is_base": True, "exchange_rate": "1.0"},
            {"currency_code": "USD", "is_active": True, "is_base": False, "exchange_rate": "1.08"},
            {"currency_code": "PLN", "is_active": True, "is_base": False, "exchange_rate": "4.27"},
        ],
        "lifecycle_stages": [
            {"name": "Lead", "type": "Lead", "statuses": ["New", "Contacted", "Interested", "Unqualified"]},
            {
                "name": "Sales Qualified Lead start",
                "type": "Sales Qualified Lead",
                "statuses": ["Qualified", "Lost"],
            },
            {"name": "Customer", "type": "Customer", "statuses": ["Won", "Churned"]},
            {"name": "Ambassador", "type": "Custom", "statuses": ["Invited", "Active"]},
        ],
        "existing": _existing(),
    }


def _owners() -> list[Doc]:
    admin = {"display_name": "Migration Admin", "email": ADMIN_EMAIL, "is_active": True}
    team = (agent for agent in catalogue.AGENTS if agent["id"] != catalogue.UNKNOWN_AGENT)
    return [admin, *map(_seat, team)]


def _seat(agent: Doc) -> Doc:
    spelt = str.upper if agent["id"] == 12 else str.lower
    return {
        "display_name": agent["name"],
        "email": spelt(agent["email"]),
        "is_active": agent["id"] != catalogue.INACTIVE_AGENT,
    }


def _existing() -> Doc:
    return {
        "sales_accounts": [
            {"name": COMPANY_IN_TARGET, "website": WEBSITE_IN_TARGET, "city": "Hull"},
            {"name": "Harbour Hotel", "city": "Sopot"},
        ],
        "contacts": [
            {"first_name": "Sofia", "last_name": "Brandt", "email": "sofia.brandt@post.example"},
            {
                "first_name": "Nils",
                "last_name": "Aalto",
                "email": "nils.aalto@inbox.example",
                "accounts": ["Harbour Hotel"],
            },
        ],
        "deals": [
            {
                "name": "Pilot with Harbour Hotel",
                "amount": 1200,
                "currency": "EUR",
                "account": "Harbour Hotel",
                "contacts": ["nils.aalto@inbox.example"],
            }
        ],
    }
