"""What a fresh tenant holds: the vendor's own pipeline, lifecycle stages, activity types, views and plans.

Sources: recorded tenants for pipeline, lifecycle and activity types; vendor articles for the plans. Selector rows
the vendor lets an admin rename (sources, reasons, industries) are ours [inferred].
"""

from typing import Any

PIPELINE: dict[str, Any] = {
    "name": "Default Pipeline",
    "is_default": True,
    "stages": [
        {"name": "New", "probability": 20},
        {"name": "Qualification", "probability": 30},
        {"name": "Discovery", "probability": 40},
        {"name": "Demo", "probability": 60},
        {"name": "Negotiation", "probability": 80},
        {"name": "Won", "probability": 100},
        {"name": "Lost", "probability": 0},
    ],
}

LIFECYCLE: list[dict[str, Any]] = [
    {"name": "Lead", "type": "Lead", "statuses": ["New", "Contacted", "Interested", "Unqualified"]},
    {"name": "Sales Qualified Lead", "type": "Sales Qualified Lead", "statuses": ["Qualified", "Lost"]},
    {"name": "Customer", "type": "Customer", "statuses": ["Won", "Churned"]},
]

OWNERS = [{"display_name": "Admin", "email": "admin@sandbox.example", "is_active": True}]
CURRENCIES = [{"currency_code": "USD", "is_active": True, "exchange_rate": "1.0", "is_base": True}]

ACTIVITY_TYPES: list[dict[str, Any]] = [
    {"name": "Chat", "internal_name": "chat"},
    {"name": "Phone", "internal_name": "phone"},
    {"name": "Meeting", "internal_name": "appointment", "is_checkedin": True},
    {"name": "Task", "internal_name": "task"},
    {"name": "Email", "internal_name": "email"},
    {"name": "SMS Outgoing", "internal_name": "sms_outgoing"},
    {"name": "Reminder", "internal_name": "reminder", "show_in_conversation": False},
    {"name": "SMS Incoming", "internal_name": "sms_incoming"},
]
OUTCOMES = {"Phone": ["Interested", "Left message", "No response"], "Task": ["Done", "Not done"]}

SELECTORS: dict[str, list[str]] = {
    "lead_sources": ["Organic Search", "Paid Search", "Referral", "Web"],
    "territories": [],
    "campaigns": [],
    "industry_types": ["Aerospace", "Automotive", "Banking", "Education", "Software", "Travel"],
    "business_types": ["Competitor", "Partner", "Reseller", "Vendor"],
    "deal_types": ["New Business", "Existing Business"],
    "deal_reasons": ["Competitor", "Budget", "Timing"],
    "deal_products": [],
    "deal_payment_statuses": ["Pending", "Paid"],
    "task_types": [],
    "designations": [],
    "teams": [],
}
CLASSIC_SELECTORS: dict[str, list[str]] = {
    "lead_stages": ["New", "Contacted", "Interested", "Under review", "Demo", "Unqualified"],
    "lead_reasons": ["Budget", "Timing", "No response"],
}

VIEWS: dict[str, list[str]] = {
    "contacts": [
        "My Contacts",
        "New Contacts",
        "All Contacts",
        "Recently Modified",
        "Never Contacted",
        "Active",
        "Inactive",
        "Recycle Bin",
    ],
    "sales_accounts": [
        "My Accounts",
        "All Accounts",
        "My Territory Accounts",
        "Recently Imported",
        "Recycle Bin",
    ],
    "deals": ["My Deals", "All Deals", "Open Deals", "Won Deals", "Lost Deals", "Recycle Bin"],
    "leads": ["My Leads", "All Leads", "Recently Modified", "Recycle Bin"],
}

REQUESTS_PER_HOUR = {
    "free": 1000,
    "growth": 1000,
    "pro": 2000,
    "enterprise": 5000,
    "sprout": 0,
    "blossom": 1000,
    "garden": 1000,
    "estate": 2000,
    "forest": 5000,
}
CLASSIC_PER_MINUTE = 400

STORAGE_GB = {
    "free": 0,
    "growth": 2,
    "pro": 5,
    "enterprise": 100,
    "sprout": 0,
    "blossom": 1,
    "garden": 2,
    "estate": 5,
    "forest": 100,
}

MANY_PIPELINES = {"pro", "enterprise", "garden", "estate", "forest"}
MANY_CURRENCIES = {"pro", "enterprise", "garden", "estate", "forest"}
CATALOGUE = {"pro", "enterprise", "estate", "forest"}

# per module: text, dropdown + radio, textarea, multi-select, number, checkbox, date, lookup, formula, all together
FIELD_LIMITS: dict[str, dict[str, int]] = {
    plan: dict(
        zip(
            (
                "text",
                "dropdown",
                "textarea",
                "multi_select_dropdown",
                "number",
                "checkbox",
                "date",
                "auto_complete",
                "formula",
                "total",
            ),
            counts,
            strict=True,
        )
    )
    for plan, counts in {
        "free": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        "growth": (20, 30, 5, 5, 30, 30, 30, 0, 0, 150),
        "pro": (30, 40, 10, 10, 50, 50, 50, 10, 40, 250),
        "enterprise": (70, 250, 20, 30, 70, 70, 70, 50, 40, 630),
    }.items()
} | {
    "sprout": {"total": 0},
    "blossom": {"total": 10},
    "garden": {"total": 150},
    "estate": {"total": 305},
    "forest": {"total": 450},
}
CHOICES_LIMIT = 300
UNIQUE_LIMIT = 2
