"""The automations the demo customer lists by hand, because no interface of the source tells them."""

from typing import Final

_ROWS: Final = (
    (
        "Welcome series",
        "Contact enters list Newsletter PL",
        "Newsletter is true",
        "3 mails over 10 days",
        True,
        "",
    ),
    (
        "Abandoned quote",
        "Event trip_viewed, 3 times in 7 days",
        "No open deal",
        "Mail; task to owner",
        True,
        "",
    ),
    (
        "Deposit reminder",
        "Deal stays in Deposit for 5 days",
        "Deposit paid is false",
        "Mail to contact",
        True,
        "",
    ),
    ("Deal to Group travel", "Tag school or corporate is added", "", "Create deal in Request", True, ""),
    (
        "Assign by country",
        "Contact is created",
        "Country is Germany or Austria",
        "Assign to B. Sandström",
        True,
        "",
    ),
    ("Chat after hours", "Conversation opens", "Outside 09:00-17:00 Warsaw", "Auto reply; task", True, ""),
    (
        "Birthday greeting",
        "Birthday is today",
        "Not unsubscribed",
        "Mail with voucher",
        True,
        "Day and month only",
    ),
    (
        "Passport check",
        "60 days before Departure date",
        "Trip type is Package",
        "Task: passport copies",
        True,
        "",
    ),
    (
        "Win back",
        "Last seen over 180 days ago",
        "Won deals > 0",
        "Push; mail after 3 days",
        True,
        "Uses web push",
    ),
    ("VIP alert", "Deal value over 20000", "Is VIP is t", "Chat message to team", True, "Posts to Slack"),
    ("Lost survey", "Deal status becomes lost", "", "Mail with survey link", False, "Off since 2025-11"),
    ("Fair 2025 follow-up", "List Travel fair 2025", 'Tag "fair 2025"', "=MAIL(1)", False, "Event is over"),
)


def automations() -> list[dict[str, str]]:
    """Twelve rows in the columns of the handoff's inventory, ten of them active; `active` is true or false."""
    return [
        {
            "name": name,
            "trigger": trigger,
            "conditions": conditions,
            "actions": actions,
            "active": str(is_active).lower(),
            "notes": notes,
        }
        for name, trigger, conditions, actions, is_active, notes in _ROWS
    ]
