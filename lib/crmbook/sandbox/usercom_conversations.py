"""Conversations: a list counts its messages, one conversation carries them, and in an odd envelope.

An agent's message is told from a contact's only by its author's null `key`. Sources are written as numbers and
read as text. The account-wide list is provisional.
"""

import copy
from typing import Any

from crmbook.sandbox import usercom_render as render
from crmbook.sandbox import usercom_write as write
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_catalog import provisional
from crmbook.sandbox.usercom_wire import REQUIRED, Call, Reply, Route, invalid, not_found, paged, twins

SOURCES = {1: "chat", 2: "email", 3: "api", 4: "sms", 5: "slack"}
STATES = ("snoozed", "close", "active")


def summary(call: Call, row: Doc) -> Doc:
    return {
        "id": row["id"],
        "user": _person(call, row.get("user_id")),
        "active": bool(row.get("active", True)),
        "agent": row.get("agent_id"),
        "messages": len(row.get("messages") or []),
    }


def conversations(call: Call) -> Doc:
    return paged(call, call.account.rows("conversations"), lambda row: summary(call, row))


def of_user(call: Call, owner: Doc) -> Doc:
    rows = call.account.find("conversations", "user_id", owner["id"])
    if call.query.get("status") == "true":
        rows = [row for row in rows if row.get("active", True)]
    return paged(call, rows, lambda row: summary(call, row))


def view(call: Call, row_id: int) -> Doc:
    """The page envelope with an object, not an array, under `results` (vendor docs)."""
    row = call.row("conversations", row_id)
    messages = [_message(call, row, message) for message in row.get("messages") or []]
    return {
        "count": 1,
        "next": None,
        "previous": None,
        "results": {**summary(call, row), "messages": messages},
    }


def start(call: Call, owner: Doc) -> Reply:
    message = _written(call, author="agent", agent_id=call.body.get("user"))
    row = {"user_id": owner["id"], "agent_id": call.body.get("user"), "active": True, "messages": [message]}
    return Reply(201, summary(call, call.account.insert("conversations", row, stamped=False)))


def start_by_key(call: Call) -> Reply:
    found = call.account.find("users", "user_key", call.need("client_client_user_id"))
    if not found:
        raise not_found()
    return start(call, found[0])


def send_as_user(call: Call) -> Reply:
    """A message by the contact, in the conversation named or in a new one."""
    owner = write.reference(call, "users", call.body, "user_id", "user_custom_id")
    if owner is None:
        raise invalid(user_id=REQUIRED)
    state = call.body.get("state")
    if state is not None and state not in STATES:
        raise invalid(state=f'"{state}" is not a valid choice.')
    if state is not None and call.body.get("conversation") is None:
        raise invalid(conversation=REQUIRED)
    if state == "snoozed" and call.body.get("snoozed_to") is None:
        raise invalid(snoozed_to=REQUIRED)
    message = _written(call, author="user", agent_id=None)
    row: Doc = {"user_id": owner["id"], "agent_id": None, "active": True, "messages": []}
    if call.body.get("conversation") is not None:
        row = copy.deepcopy(call.row("conversations", call.body["conversation"]))
        if row["user_id"] != owner["id"]:
            raise not_found()
    row["messages"] = [*(row.get("messages") or []), message]
    row["active"] = state not in ("close", "snoozed")
    if "id" in row:
        kept = call.account.save("conversations", row, stamped=False)
    else:
        kept = call.account.insert("conversations", row, stamped=False)
    return Reply(201, _message(call, kept, message))


def _written(call: Call, *, author: str, agent_id: Any) -> Doc:
    source = call.body.get("source", 1)
    if source not in SOURCES:
        raise invalid(source=f'"{source}" is not a valid choice.')
    taken = [m["id"] for row in call.account.rows("conversations") for m in row.get("messages") or []]
    return {
        "id": max(taken, default=0) + 1,
        "author": author,
        "agent_id": agent_id,
        "content": str(call.need("content")),
        "source": source,
        "timestamp": call.account.now(),
    }


def _message(call: Call, row: Doc, message: Doc) -> Doc:
    if message.get("author") == "agent":
        author = _agent(call, message.get("agent_id"))
    else:
        author = _person(call, row.get("user_id"))
    source = message.get("source", 1)
    return {
        "id": message["id"],
        "chat": row["id"],
        "user": author,
        "content": message["content"],
        "source": SOURCES.get(source, source),
        "source_context": {},
        "timestamp": message.get("timestamp"),
    }


def _person(call: Call, user_id: Any) -> Doc:
    owner = call.account.row("users", user_id)
    return render.person(owner) if owner else {"id": user_id, "key": None, "email": None, "name": None}


def _agent(call: Call, agent_id: Any) -> Doc:
    agent = call.account.row("agents", agent_id) or {}
    return {"id": agent_id, "key": None, "email": agent.get("email"), "name": agent.get("name")}


ROUTES = [
    Route("GET", "conversations/", provisional("conversations", conversations)),
    Route("POST", "conversations/", start_by_key),
    Route("GET", "conversations/<row_id>/", view),
    Route("POST", "message/send_message_as_user/", send_as_user),
    *twins("users", [("GET", "conversations/", of_user), ("POST", "conversations/", start)]),
]
