"""Defects in the history: notes and the conversations in them, activities, meetings and tasks."""

import copy
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from certify.demo import Demo, Doc, Planted
from certify.findings import Finding
from certify.kinds import Kind, altered, carried, changed, entry_gone, field, hanging, late, planted

_BLOCK = re.compile(r"<br>(?=<b>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_INSTANT = re.compile(r"(?<=<b>)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def _lost(kind: str, name: str) -> Kind:
    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, bool)
        return planted(kind, {kind: {doc["id"]: None}}, entry_gone(demo, kind, demo.source_id(kind, doc)))

    return Kind(name, plan)


def _doubled(kind: str, name: str) -> Kind:
    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, lambda doc: _is_unlike_others(demo, kind, doc))
        twin = copy.deepcopy(doc) | {"id": demo.new_id(kind)}
        source_id = demo.source_id(kind, doc)
        doubled = Finding("entry duplicated", kind, source_id)
        return planted(
            kind, altered(kind, twin), doubled, Finding("entry copy", kind, f"target:{twin['id']}", source_id)
        )

    return Kind(name, plan)


def _is_unlike_others(demo: Demo, kind: str, doc: Doc) -> bool:
    """No other record has the same content: a copy of this one is a copy of nothing else."""
    names = ("title", "description", "notes", "due_date", "from_date", "start_date", "targetable_id")
    content = [doc.get(name) for name in names]
    return sum(content == [other.get(name) for name in names] for other in demo.every(kind)) == 1


def _spoilt(
    name: str,
    kind: str,
    column: str,
    change: Callable[[Demo, Doc], object],
    found: str = "",
    *,
    is_late: bool = False,
) -> Kind:
    """One field of one record changed; *found* where 06 calls it otherwise."""

    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, lambda doc: change(demo, doc) not in (None, doc.get(column)), what=column)
        made = changed(doc, **{column: change(demo, doc)})
        instants = late(demo, kind, demo.source_id(kind, doc)) if is_late else set()
        return planted(
            f"{kind}.{column}", altered(kind, made), field(demo, kind, doc, found or column), instants
        )

    return Kind(name, plan)


def _later(column: str, **shift: int) -> Callable[[Demo, Doc], object]:
    def change(_demo: Demo, doc: Doc) -> str:
        moved = datetime.fromisoformat(doc[column]) + timedelta(**shift)
        return moved.isoformat().replace("+00:00", "Z")

    return change


def _without_instant(demo: Demo, doc: Doc) -> str:
    return str(doc["description"]).replace("; done ", "; ", 1)


def _other_owner(demo: Demo, doc: Doc) -> int:
    active = [i for i, owner in sorted(demo.clean["owners"].items()) if owner["is_active"]]
    return next(i for i in active if i != doc["owner_id"])


def _other_type(demo: Demo, doc: Doc) -> int:
    return next(i for i in sorted(demo.clean["sales_activity_types"]) if i != doc["sales_activity_type_id"])


def _invited(demo: Demo, doc: Doc) -> list[Doc]:
    attendee = {"attendee_type": "Contact", "attendee_id": next(demo.every("contacts"))["id"]}
    return [{"id": 70_400_999_999, **attendee}]


def _moved(kind: str, name: str) -> Kind:
    """Hung on another of our contacts, one that carries records of the same kind."""

    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, lambda doc: doc["targetable_type"] == "Contact")
        other = next(
            entry["targetable_id"]
            for entry in demo.every(kind)
            if entry["targetable_type"] == "Contact" and entry["targetable_id"] != doc["targetable_id"]
        )
        made = changed(doc, targetable_id=other)
        return planted(f"{kind}, its record", altered(kind, made), field(demo, kind, doc, "parent"))

    return Kind(name, plan)


def _note_where_none_should_be(demo: Demo) -> Planted:
    """A note nobody loaded, on a contact of ours that no note was loaded for."""
    note = next(demo.every("notes"))
    doc = demo.free("contacts", lambda doc: "notes" not in dict(hanging(demo, "contacts", doc)))
    made = note | {"id": demo.new_id("notes"), "description": "Call back", "targetable_id": doc["id"]}
    found = Finding("entry unexpected", "notes", f"target:{made['id']}")
    return planted("notes", altered("notes", made | {"targetable_type": "Contact"}), found)


def _note_on_a_deal(demo: Demo) -> Planted:
    """Hung on a deal of ours that no note was loaded for."""
    doc = demo.free("notes", lambda doc: doc["targetable_type"] == "Contact")
    deal = demo.free("deals", lambda deal: "notes" not in dict(hanging(demo, "deals", deal)))
    made = changed(doc, targetable_type="Deal", targetable_id=deal["id"])
    return planted("notes, its record", altered("notes", made), field(demo, "notes", doc, "parent"))


def _hung_nowhere(demo: Demo) -> Planted:
    doc = demo.free("tasks", lambda doc: doc.get("targetable_id"))
    made = changed(doc, targetable_id=None, targetable_type=None)
    return planted("tasks, its record", altered("tasks", made), field(demo, "tasks", doc, "parent"))


# conversations


def _talk(demo: Demo, *, begun_by: str = "") -> Doc:
    """A free note that holds four messages or more, each at an instant of its own; the first of *begun_by*."""

    def fits(doc: Doc) -> bool:
        messages, blocks = _messages(demo, doc), _BLOCK.split(doc["description"])[1:]
        instants = [block[:22] for block in blocks]
        is_told = len(messages) == len(blocks) >= 4 and len(set(instants)) == len(instants)
        return is_told and f"{begun_by}</b>" in blocks[0]

    return demo.free("notes", fits, what="with a conversation")


def _messages(demo: Demo, doc: Doc) -> list[str]:
    rows = carried(demo, "notes", demo.source_id("notes", doc))
    return sorted((i for entity, i in rows if entity == "message"), key=lambda i: int(i.rpartition(":")[2]))


def _retold(demo: Demo, doc: Doc, blocks: list[str], *found: Finding) -> Planted:
    head = _BLOCK.split(doc["description"])[0]
    made = changed(doc, description="<br>".join([head, *blocks]))
    return planted(
        "notes, a message", altered("notes", made), field(demo, "notes", doc, "description"), set(found)
    )


def _message_lost(demo: Demo) -> Planted:
    doc = _talk(demo)
    messages, blocks = _messages(demo, doc), _BLOCK.split(doc["description"])[1:]
    moved = [Finding("instant", "message", i) for i in messages[1:-1]]
    gone = Finding("instant gone", "message", messages[-1])
    return _retold(demo, doc, [blocks[0], *blocks[2:]], *moved, gone)


def _messages_out_of_order(demo: Demo) -> Planted:
    doc = _talk(demo)
    messages, blocks = _messages(demo, doc), _BLOCK.split(doc["description"])[1:]
    found = [Finding("instant", "message", i) for i in messages[1:3]]
    return _retold(demo, doc, [blocks[0], blocks[2], blocks[1], *blocks[3:]], *found)


def _texts_swapped(demo: Demo) -> Planted:
    """Two messages say each other's words, each at its own instant."""
    doc = _talk(demo)
    blocks = _BLOCK.split(doc["description"])[1:]
    (one, said), (other, answered) = (blocks[i].split("</b>", 1) for i in (0, 1))
    return _retold(demo, doc, [f"{one}</b>{answered}", f"{other}</b>{said}", *blocks[2:]])


def _message_an_hour_on(demo: Demo) -> Planted:
    doc = _talk(demo)
    messages, blocks = _messages(demo, doc), _BLOCK.split(doc["description"])[1:]
    told = _INSTANT.search(blocks[-1])
    assert told
    moved = datetime.fromisoformat(told.group()) + timedelta(hours=1)
    blocks[-1] = _INSTANT.sub(moved.isoformat(sep=" "), blocks[-1])
    return _retold(demo, doc, blocks, Finding("instant", "message", messages[-1]))


def _other_side(demo: Demo) -> Planted:
    """What the contact said is said by somebody of the company."""
    doc = _talk(demo, begun_by="contact")
    blocks = _BLOCK.split(doc["description"])[1:]
    blocks[0] = blocks[0].replace("contact</b>", "agent</b>", 1)
    return _retold(demo, doc, blocks)


def _cut(demo: Demo, doc: Doc) -> str | None:
    """Of a note that is one long text: what is cut off holds no instant."""
    is_long = len(doc["description"]) > 255 and not carried(demo, "notes", demo.source_id("notes", doc))
    return doc["description"][:255] if is_long else None


def _unescaped(_demo: Demo, doc: Doc) -> str:
    return str(doc["description"]).replace("&amp;", "&").replace("&lt;", "<")


# what is not ours


def _note_of_theirs(demo: Demo) -> Planted:
    """A note and a task on a contact that the load did not make."""
    stranger = next(i for i in demo.clean["contacts"] if i not in demo.known("contacts"))
    changes = {}
    for kind in ("notes", "tasks"):
        doc = copy.deepcopy(next(demo.every(kind))) | {"id": demo.new_id(kind)}
        made = doc | {
            "targetable_type": "Contact",
            "targetable_id": stranger,
            "description": "a note of their own",
        }
        changes |= altered(kind, made)
    return planted("notes, tasks", changes)


def _list_of_theirs(demo: Demo) -> Planted:
    made = {"id": demo.new_id("lists"), "name": "A list of their own", "created_at": "2026-01-01T00:00:00Z"}
    return planted("lists", altered("lists", made))


def _added_to_ours(demo: Demo) -> Planted:
    """A task nobody loaded, on a contact that was loaded."""
    doc = copy.deepcopy(next(demo.every("tasks"))) | {"id": demo.new_id("tasks"), "title": "Call them back"}
    return planted(
        "tasks", altered("tasks", doc), Finding("entry unexpected", "tasks", f"target:{doc['id']}")
    )


def _owner_left(demo: Demo) -> Planted:
    """A user who was deactivated after the load: every record still says what was loaded."""
    doc = next(doc for i, doc in sorted(demo.clean["owners"].items())[1:] if doc["is_active"])
    return planted("owners", altered("owners", changed(doc, is_active=False)))


KINDS = (
    _lost("notes", "note lost"),
    _doubled("notes", "note there twice"),
    _moved("notes", "note on another contact"),
    Kind("note on a deal that should have none", _note_on_a_deal),
    Kind("note nobody loaded", _note_where_none_should_be),
    _spoilt("note cut at 255", "notes", "description", _cut),
    _spoilt("markup of a note's text unescaped", "notes", "description", _unescaped),
    Kind("message missing", _message_lost),
    Kind("messages out of order", _messages_out_of_order),
    Kind("words of two messages swapped", _texts_swapped),
    Kind("message an hour on", _message_an_hour_on),
    Kind("message of the other side", _other_side),
    _lost("sales_activities", "activity lost"),
    _doubled("sales_activities", "activity there twice"),
    _moved("sales_activities", "activity on another contact"),
    _spoilt(
        "activity of another type", "sales_activities", "sales_activity_type_id", _other_type, "activity_type"
    ),
    _spoilt(
        "activity an hour on", "sales_activities", "start_date", _later("start_date", hours=1), is_late=True
    ),
    _spoilt("activity of another length", "sales_activities", "end_date", _later("end_date", minutes=30)),
    _spoilt("activity of another owner", "sales_activities", "owner_id", _other_owner),
    _lost("tasks", "task lost"),
    Kind("task nobody loaded", _added_to_ours),
    Kind("task on no record", _hung_nowhere),
    _spoilt(
        "task open that was done", "tasks", "status", lambda _d, doc: 0 if doc["status"] else None, "is_done"
    ),
    _spoilt("task a day on", "tasks", "due_date", _later("due_date", days=1), is_late=True),
    _spoilt("task's text without a word", "tasks", "description", _without_instant),
    _lost("appointments", "meeting lost"),
    _doubled("appointments", "meeting there twice"),
    _spoilt("meeting of another length", "appointments", "end_date", _later("end_date", minutes=15)),
    _spoilt("meeting in another time zone", "appointments", "time_zone", lambda _d, _doc: "Warsaw"),
    _spoilt("somebody invited to a meeting", "appointments", "attendees", _invited),
)

NONE = (
    Kind("note and task on a record of the tenant's own", _note_of_theirs, is_none=True),
    Kind("list of the tenant's own", _list_of_theirs, is_none=True),
    Kind("user deactivated after the load", _owner_left, is_none=True),
)
