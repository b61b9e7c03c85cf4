"""What the demo account defines before it has records: team, pipelines, tags, lists, attributes, types.

Ids are fixed, so other parts name them. Choices, tags and stage names hold the punctuation that breaks
naive exports; two attribute names differ only by what normalization removes.
"""

from typing import Final

from crmbook.sandbox.demo_case import Case, case, same
from crmbook.sandbox.store import Doc

DOMAIN: Final = "baltic-compass.example"

GONE_AGENT: Final = 99
INACTIVE_AGENT: Final = 14
UNKNOWN_AGENT: Final = 15
ACTIVE_AGENTS: Final = (11, 12, 13, 16)

AGENTS: Final[list[Doc]] = [
    {"id": 11, "name": "Katarzyna Zielińska", "email": f"k.zielinska@{DOMAIN}"},
    {"id": 12, "name": "Björn Sandström", "email": f"b.sandstrom@{DOMAIN}"},
    {"id": 13, "name": "Aoife Gallagher", "email": f"A.Gallagher@{DOMAIN}"},
    {"id": INACTIVE_AGENT, "name": "Piotr Wrona", "email": f"p.wrona@{DOMAIN}"},
    {"id": UNKNOWN_AGENT, "name": "Chloé Marchand", "email": f"c.marchand@{DOMAIN}"},
    {"id": 16, "name": "Tomáš Veselý", "email": f"t.vesely@{DOMAIN}"},
]


def _stages(*rows: tuple[int, str, float]) -> list[Doc]:
    return [
        {"id": stage_id, "name": name, "position": position, "probability": probability}
        for position, (stage_id, name, probability) in enumerate(rows, 1)
    ]


PIPELINES: Final[list[Doc]] = [
    {
        "id": 31,
        "name": "Individual trips",
        "position": 1,
        "stages": _stages(
            (311, "Inquiry", 10),
            (312, "Offer sent", 37.5),
            (313, "Deposit", 66.7),
            (314, "Won", 100),
            (315, "Lost", 0),
        ),
    },
    {
        "id": 33,
        "name": "Group travel, schools & clubs",
        "position": 2,
        "stages": _stages(
            (331, "Request", 5),
            (336, "Needs analysis", 12.5),
            (332, "Proposal", 33.3),
            (333, "Negotiation", 66.7),
            (334, "Contract", 90),
            (335, "Travelled", 100),
        ),
    },
    {
        "id": 32,
        "name": "Corporate contracts",
        "position": 3,
        "stages": _stages((321, "Prospect", 20), (322, "Negotiation", 50), (323, "Signed", 99.5)),
    },
]
PROBABILITY: Final[dict[int, float]] = {
    stage["id"]: stage["probability"] for pipeline in PIPELINES for stage in pipeline["stages"]
}
PIPELINE_OF: Final[dict[int, int]] = {
    stage["id"]: pipeline["id"] for pipeline in PIPELINES for stage in pipeline["stages"]
}

PLAIN_TAGS: Final = tuple(range(1, 15))
FORMULA_TAG, VIP_UPPER, VIP_LOWER, COMMA_TAG, LONG_TAG, LONGER_TAG = 15, 16, 17, 18, 19, 20
TAGS: Final[list[Doc]] = [
    {"id": number, "name": name}
    for number, name in enumerate(
        (
            *("newsletter", "fair 2025", "repeat guest", "school", "family", "honeymoon", "budget"),
            *("premium", "do not call", "referral", "corporate", "summer", "ferie zimowe", "Größe XL"),
            *("=HOT", "VIP", "vip", 'asks for "window, aisle"'),
            "met at the international travel fair in Gdańsk",
            "opted in through the competition form on the spring landing page (double opt-in)",
        ),
        1,
    )
]

LISTS: Final[list[Doc]] = [
    {"id": 201, "name": "Newsletter PL", "description": "Monthly, Polish"},
    {"id": 202, "name": "VIP guests", "description": ""},
    {"id": 203, "name": "Travel fair 2025", "description": "Business cards; typed in by hand"},
]

_ATTRIBUTES: Final = {
    "user": (
        ("Plan type", "fixed"), ("Interests", "fixed"), ("Lead source", "fixed"), ("Lead-Source", "string"),
        ("Newsletter", "boolean"), ("Is VIP", "string"), ("Loyalty points", "integer"), ("Birthday", "date"),
        ("Next trip at", "datetime"), ("Consent at", "datetime"), ("Average spend", "float"),
        ("Preferences", "json"), ("Job title", "string"), ("Travel notes", "string"), ("Region", "string"),
    ),
    "company": (
        ("Website", "string"), ("Industry", "fixed"), ("Annual revenue", "float"), ("Partner since", "date"),
        ("Is agency", "boolean"), ("Fleet size", "integer"), ("Contract", "json"),
        ("Last audit at", "datetime"),
    ),
    "deal": (
        ("Trip type", "fixed"), ("Destinations", "fixed"), ("Travellers", "integer"),
        ("Departure date", "date"), ("Deposit paid", "boolean"), ("Margin", "float"),
        ("Quote sent at", "datetime"), ("Extras", "json"), ("Closed won reason", "string"),
    ),
}  # fmt: skip
ATTRIBUTES: Final[list[Doc]] = [
    {
        "id": number,
        "name": name,
        "name_std": name.lower().replace(" ", "_"),
        "content_type": content_type,
        "value_type": value_type,
    }
    for number, (content_type, name, value_type) in enumerate(
        ((content_type, *row) for content_type, rows in _ATTRIBUTES.items() for row in rows), 1
    )
]

PLAIN_PLANS: Final = ("Standard", "Family", "Business")
HARD_PLANS: Final = ("Family, 2+2", 'The "Gold" circle', "{beta}", "Group; 10+")
PLAIN_INTERESTS: Final = ("City breaks", "Hiking", "Food", "Museums")
HARD_INTERESTS: Final = ("Sea, sun", "Ski; board", 'Kids\' "mini" club', "Wine {tasting}", "a\\b | c")
LEAD_SOURCES: Final = ("Website", "Referral", "Trade fair", "Phone")
INDUSTRIES: Final = ("Education", "Manufacturing", "IT services", "Health, care", "Sport & leisure")
TRIP_TYPES: Final = ("Package", "Tailor-made", "Rail, ferry", "Event")
DESTINATIONS: Final = ("Portugal", "Norway", "Japan", "Bosnia, Herzegovina", "Côte d'Azur")

ACTIVITY_TYPES: Final[list[Doc]] = [
    {"id": 1, "name": "To-do", "kind": "task"},
    {"id": 2, "name": "Rozmowa telefoniczna", "kind": "call"},
    {"id": 3, "name": "Spotkanie w biurze", "kind": "meeting"},
    {"id": 4, "name": "E-mail opened", "kind": "email"},
    {"id": 5, "name": "E-mail clicked", "kind": "email"},
    {"id": 6, "name": "Web push sent", "kind": "push"},
    {"id": 7, "name": "Video call", "kind": "meeting"},
    {"id": 8, "name": "Brochure posted", "kind": "other"},
]
KIND: Final[dict[int, str]] = {row["id"]: row["kind"] for row in ACTIVITY_TYPES}

CAMPAIGNS: Final[list[Doc]] = [
    {
        "id": number,
        "name": name,
        "type": 1,
        "status": status,
        "recipients_count": recipients,
        "closed": None,
        "started_at": started_at,
        "statistics": {
            "recipients": recipients,
            "delivered": delivered,
            "opened": opened,
            "clicked": clicked,
        },
    }
    for number, name, status, started_at, recipients, delivered, opened, clicked in (
        (401, "Spring city breaks", 2, "2026-03-02T08:00:00.000000Z", 180, 176, 71, 12),
        (402, "Ferie 2026: ostatnie miejsca", 2, "2026-01-12T07:30:00.000000Z", 140, 139, 66, 20),
        (403, "Win a weekend in Riga", 1, None, 0, 0, 0, 0),
    )
]

CASES: Final[tuple[Case, ...]] = (
    case("long_tag_name", "tags", "longer than 40 characters", "listed: flagged for review", same((19, 20), {})),
    case("case_twin_tag_name", "tags", "differs from another in case only", "loaded: both", same((16, 17), {})),
    case(
        "agent_without_seat", "agents", "no user of the target has this e-mail", "queued: the admin owns its records",
        same((UNKNOWN_AGENT,), {}),
    ),
    case(
        "agent_inactive", "agents", "the target's user is inactive", "queued: the admin owns its records until it is active",
        same((INACTIVE_AGENT,), {}),
    ),
    case(
        "agent_email_other_case", "agents", "the target spells the e-mail in other case", "loaded: found",
        same((12, 13), {}),
    ),
    case(
        "pipeline_without_end", "pipelines", "no stage at 100 %, or none at 0 %",
        "changed: closed stages are added", same((32, 33), {}),
    ),
    case(
        "attribute_names_collide", "attributes", "equal once punctuation is gone", "loaded: in two fields",
        same((3, 4), {}),
    ),
    case(
        "attribute_standard_name", "attributes", "named like a standard key of its object", "listed: version 2 shows the standard value only",
        same((15,), {}),
    ),
    case("campaign_history", "campaigns", "a campaign and its figures", "listed: in the inventory", same((401, 402, 403), {})),
)  # fmt: skip
