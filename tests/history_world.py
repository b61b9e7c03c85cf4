"""A small history that went well: source rows, the records that carry them, and the target exactly as it should be.

Tests plant one defect in a copy of `ACTUAL` (or of the crosswalk) and ask what the comparison says.
"""

from datetime import UTC, datetime
from typing import Any

import polars as pl

import reconciliation_world as world
from crmbook import tables
from crmbook.phases import compare_history as comparing
from crmbook.phases import instants
from crmbook.phases import reconcile_history as rec
from reconciliation_world import Frames, frame


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CALL, MEETING, LONG_AGO = at("2024-05-03T09:00:00.500"), at("2025-03-30T01:30:00"), at("1969-12-31T23:59:59")
FIRST, SECOND, THIRD = at("2026-05-11T09:00:00"), at("2026-05-11T09:01:00.250"), at("2026-05-11T09:04:00")
FAR = at("2099-01-01T00:00:00")

ACTIVITIES = frame(
    tables.HISTORY_ACTIVITIES,
    {"source_id": "1", "due_date": CALL, "created_at": FIRST},
    {"source_id": "2", "due_date": MEETING, "created_at": FIRST},
    {"source_id": "3", "created_at": LONG_AGO},
    {"source_id": "4", "due_date": FAR},
)
EVENTS = frame(
    tables.HISTORY_EVENTS,
    {"source_id": "7", "contact_id": "1", "at": SECOND},
    {"source_id": "8", "contact_id": "1", "at": FIRST},
    {"source_id": "9", "contact_id": "5", "at": FIRST},
)
EMAILS = frame(
    tables.HISTORY_EMAILS,
    {"source_id": "70", "contact_id": "1", "sent_at": FIRST, "opened_at": SECOND},
    {"source_id": "71", "contact_id": "1"},
)
MESSAGES = frame(
    tables.HISTORY_MESSAGES,
    {"conversation_id": "91", "position": 1, "at": FIRST},
    {"conversation_id": "91", "position": 2, "at": SECOND},
    {"conversation_id": "91", "position": 3, "at": SECOND},
    {"conversation_id": "91", "position": 4, "at": THIRD},
    {"conversation_id": "92", "position": 1},
)

ON_ONE, ON_DEAL = (
    {"parent_kind": "contact", "parent_id": "1"},
    {"parent_kind": "deal", "parent_id": "100"},
)
TALK = [
    (
        "User.com chat 91 (1/2)<br><b>2026-05-11 09:00:00 UTC, contact</b><br>hi<br>2020-01-01 00:00:00 UTC"
        "<br><b>2026-05-11 09:01:00.250000 UTC, agent A</b><br>yes"
    ),
    (
        "User.com chat 91 (2/2)<br>still<br><b>2026-05-11 09:01:00.250000 UTC, agent A</b><br>and"
        "<br><b>2026-05-11 09:04:00 UTC, contact</b><br>&lt;b&gt;2021-01-01 00:00:00 UTC"
    ),
]
SEEN = "seen<br><b>2026-05-11 09:00:00 UTC</b><br>a<br><b>2026-05-11 09:01:00.250000 UTC</b><br>b"
NORMALIZED: Frames = {
    "tasks": frame(
        tables.TASKS,
        {"source_id": "activity:3", "owner_agent_id": "a1", "title": "Old", "due_date": LONG_AGO, "is_done": True, **ON_ONE},
        {"source_id": "activity:4", "owner_agent_id": "a3", "title": "Far", "due_date": FAR, "is_done": False,
         "description": "bring it", **ON_DEAL},
    ),
    "appointments": frame(
        tables.APPOINTMENTS,
        {"source_id": "activity:2", "owner_agent_id": "a2", "title": "Meet", "from_date": MEETING, "end_date": FAR,
         "time_zone": "UTC", "parent_kind": "company", "parent_id": "10"},
    ),
    "sales_activities": frame(
        tables.SALES_ACTIVITIES,
        {"source_id": "activity:1", "owner_agent_id": None, "activity_type": "phone", "title": "Call", "start_date": CALL,
         "end_date": CALL, "notes": "about", **ON_ONE},
        {"source_id": "email:70:sent", "activity_type": "email", "title": "Email", "start_date": FIRST, "end_date": FIRST,
         **ON_ONE},
        {"source_id": "email:70:opened", "activity_type": "email", "title": "Email opened", "start_date": SECOND,
         "end_date": SECOND, **ON_ONE},
    ),
    "notes": frame(
        tables.NOTES,
        {"source_id": "conversation:91:1", "description": TALK[0], **ON_ONE},
        {"source_id": "conversation:91:2", "description": TALK[1], **ON_ONE},
        {"source_id": "events:1:seen:1", "description": SEEN, **ON_ONE},
    ),
    "target_lists": frame(tables.LISTS_TARGET, {"source_id": "list:1", "name": "A"}, {"source_id": "segment:1", "name": "B"}),
    "list_members": frame(
        tables.LIST_MEMBERS,
        *({"list_key": "list:1", "contact_id": one} for one in ("1", "2")),
        {"list_key": "segment:1", "contact_id": "2"},
    ),
    "documents": frame(
        tables.DOCUMENTS,
        {"source_id": "deal:100:a.pdf", "kind": "file", "name": "a.pdf", "size_bytes": 5, "sha256": "aa", **ON_DEAL},
        {"source_id": "contact:1:p_link", "kind": "link", "name": "site", "url": "https://x.example/1", **ON_ONE},
    ),
}  # fmt: skip

ACTUAL: Frames = {
    "actual_tasks": frame(
        tables.ACTUAL_TASKS,
        {"target_id": 403, "owner_id": 91, "title": "Old", "due_date": LONG_AGO, "is_done": True, "parent": "contact:2001"},
        {"target_id": 404, "owner_id": 9, "title": "Far", "due_date": FAR, "is_done": False, "description": "bring it",
         "parent": "deal:3100"},
        {"target_id": 499, "owner_id": 9, "title": "Theirs", "due_date": FAR, "is_done": False},
    ),
    "actual_appointments": frame(
        tables.ACTUAL_APPOINTMENTS,
        {"target_id": 502, "title": "Meet", "from_date": MEETING, "end_date": FAR, "time_zone": "UTC", "attendees": 0,
         "parent": "company:1010"},
    ),
    "actual_sales_activities": frame(
        tables.ACTUAL_SALES_ACTIVITIES,
        {"target_id": 601, "owner_id": 9, "activity_type": "phone", "title": "Call", "start_date": at("2024-05-03T09:00:00"),
         "end_date": at("2024-05-03T09:00:00"), "notes": "about", "parent": "contact:2001"},
        {"target_id": 602, "owner_id": 9, "activity_type": "email", "title": "Email", "start_date": FIRST,
         "end_date": FIRST, "parent": "contact:2001"},
        {"target_id": 603, "owner_id": 9, "activity_type": "email", "title": "Email opened",
         "start_date": at("2026-05-11T09:01:00"), "end_date": at("2026-05-11T09:01:00"), "parent": "contact:2001"},
    ),
    "actual_notes": frame(
        tables.ACTUAL_NOTES,
        {"target_id": 701, "description": TALK[0], "parent": "contact:2001"},
        {"target_id": 702, "description": TALK[1], "parent": "contact:2001"},
        {"target_id": 703, "description": SEEN, "parent": "contact:2001"},
    ),
    "actual_lists": frame(
        tables.ACTUAL_LISTS, {"target_id": 801, "name": "A"}, {"target_id": 802, "name": "B"}, {"target_id": 899, "name": "Z"}
    ),
    "actual_list_members": pl.DataFrame(
        {"list_id": [801, 801, 802], "contact_id": [2001, 2002, 2002]}, schema=tables.ACTUAL_LIST_MEMBERS.columns
    ),
    "actual_documents": frame(
        tables.ACTUAL_DOCUMENTS,
        {"kind": "document", "target_id": 901, "name": "a.pdf", "size_bytes": 5, "sha256": "aa", "parent": "deal:3100"},
        {"kind": "document_link", "target_id": 901, "name": "site", "url": "https://x.example/1", "parent": "contact:2001"},
    ),
}  # fmt: skip

CROSSWALK = pl.concat(
    [
        world.CROSSWALK,
        frame(
            tables.CROSSWALK,
            *(
                {"entity": entity, "source_id": source_id, "target_id": target_id, "origin": "created"}
                for entity, source_id, target_id in [
                    ("task", "activity:3", 403), ("task", "activity:4", 404), ("appointment", "activity:2", 502),
                    ("sales_activity", "activity:1", 601), ("sales_activity", "email:70:sent", 602),
                    ("sales_activity", "email:70:opened", 603), ("note", "conversation:91:1", 701),
                    ("note", "conversation:91:2", 702), ("note", "events:1:seen:1", 703), ("list", "list:1", 801),
                    ("list", "segment:1", 802), ("document", "deal:100:a.pdf", 901),
                    ("document_link", "contact:1:p_link", 901),
                ]
            ),
        ),
    ]
)  # fmt: skip

CARRIED = frame(
    tables.CARRIED,
    *(
        dict(zip(tables.CARRIED.columns, row, strict=True))
        for row in [
            ("activity", "1", "sales_activities", "activity:1", "carried", ""),
            ("activity", "2", "appointments", "activity:2", "carried", ""),
            ("activity", "3", "tasks", "activity:3", "carried", ""),
            ("activity", "4", "tasks", "activity:4", "carried", ""),
            ("event", "7", "notes", "events:1:seen:1", "carried", ""),
            ("event", "8", "notes", "events:1:seen:1", "carried", ""),
            ("event", "9", None, None, "rejected", "contact rejected: email_missing"),
            ("email", "70:sent", "sales_activities", "email:70:sent", "carried", ""),
            ("email", "70:opened", "sales_activities", "email:70:opened", "carried", ""),
            ("email", "71", None, None, "skipped", "never sent"),
            ("message", "91:1", "notes", "conversation:91:1", "carried", ""),
            ("message", "91:2", "notes", "conversation:91:1", "carried", ""),
            ("message", "91:3", "notes", "conversation:91:2", "carried", ""),
            ("message", "91:4", "notes", "conversation:91:2", "carried", ""),
            ("message", "92:1", None, None, "rejected", "contact rejected: email_missing"),
            ("membership", "list:1:1", "list_members", "list:1:1", "carried", ""),
            ("membership", "list:1:2", "list_members", "list:1:2", "carried", ""),
            ("membership", "segment:1:2", "list_members", "segment:1:2", "carried", ""),
            ("membership", "segment:1:3", "list_members", "segment:1:2", "carried", ""),
            ("file", "deal:100:a.pdf", "documents", "deal:100:a.pdf", "carried", ""),
        ]
    ),
)  # fmt: skip
EXTRACTED = {"activity": 4, "event": 3, "email": 3, "message": 5, "membership": 4, "file": 1}


class Found:
    """Everything the comparison says about *actual*."""

    def __init__(
        self, actual: Frames = ACTUAL, crosswalk: pl.DataFrame = CROSSWALK, refused: Any = None
    ) -> None:
        wanted = comparing.expected(NORMALIZED, crosswalk, world.ids())
        there = comparing.actual(actual)
        given = {"crosswalk": crosswalk, "refused": world.REFUSED if refused is None else refused}
        self.classes, self.strange = rec.classes(expected=wanted, actual=there, **given)
        self.members = rec.member_classes(
            members=NORMALIZED["list_members"], actual_members=actual["actual_list_members"],
            classes=self.classes, crosswalk=crosswalk,
        )  # fmt: skip
        self.compared = comparing.compare(expected=wanted, actual=there, classes=self.classes)
        self.balance = rec.class_balance(
            classes=self.classes, target_only=self.strange, members=self.members,
            differences=self.compared.differences,
            normalized={
                **{name: wanted[name].height for name in comparing.MODULES},
                "list_members": NORMALIZED["list_members"].height,
            },
        )  # fmt: skip
        self.standing = rec.standing(CARRIED, self.classes, self.members)
        self.chain = rec.chain(standing=self.standing, extracted=EXTRACTED)
        source = instants.in_source(activities=ACTIVITIES, events=EVENTS, emails=EMAILS, messages=MESSAGES)
        self.instants = instants.instants(source=source, standing=self.standing, actual=there)

    def findings(self) -> set[tuple[str, ...]]:
        """Whatever is not as it should be, by module or entity and record."""
        return {
            *self.classes.filter(pl.col("class") != "loaded").select("module", "source_id", "class").rows(),
            *self.strange.filter(pl.col("class") != "foreign")
            .select("module", pl.col("target_id").cast(pl.String), "class")
            .rows(),
            *self.members.filter(pl.col("class") != "found")
            .select(pl.lit("list_members"), "list_key", "contact_id", "class")
            .rows(),
            *self.compared.differences.select("module", "source_id", "field").rows(),
            *self.instants.filter(~pl.col("is_equal"))
            .select(pl.lit("instant"), "entity", "source_id")
            .rows(),
        }
