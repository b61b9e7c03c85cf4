"""What earlier runs wrote: the last value sent for every key of every record, and how the target showed it.

In: the plans of those runs, oldest first, and what became of each write. A body is laid flat: a custom field is the key
`custom_field.<name>`, as in an image. A key sent as null was cleared and is no longer known. Only writes that were
done count; what was refused is remembered with the hash of its content, so that it is not sent again in vain.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import polars as pl

from crmbook.phases import images
from crmbook.phases.images import CUSTOM
from crmbook.phases.operations import PRIMARY

# Keys that say what was taken away; they leave nothing behind that a later run could compare.
DROPPED: Final = "$dropped"
REMOVED: Final = "contacts_removed_list"
Body = dict[str, Any]
Key = tuple[str, str]
Place = tuple[str, int]


class Result(NamedTuple):
    """What became of a write of one record: `done` or `rejected`, and the image of what it left."""

    entity: str
    target_id: int | None
    state: str
    after: str | None


@dataclass
class Written:
    """
    `bodies` and `images` by target record, since another source record may take it over; `later` the payloads of writes after
    the first, by action too; `members` by list, `refused` by source record and action.
    """

    bodies: dict[Place, Body] = field(default_factory=dict)
    images: dict[Place, dict[str, str]] = field(default_factory=dict)
    later: dict[tuple[str, str, int], str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[tuple[str, str, str], str] = field(default_factory=dict)


def grow(known: Written, plan: pl.DataFrame, results: Mapping[str, Result]) -> None:
    """Adds to *known* what became of *plan* (`tables.PLAN`, in order); *results* by op id, in the order of the writes."""
    columns = ("op_id", "entity", "action", "source_id", "payload", "payload_sha256")
    for op_id, entity, action, source_id, payload, sha in plan.select(columns).iter_rows():
        result = results.get(op_id)
        kind = "first" if action in PRIMARY else action
        if result is None:
            continue
        if result.state != "done" or result.target_id is None:
            known.refused[entity, kind, source_id] = sha
            continue
        known.refused.pop((entity, kind, source_id), None)
        if entity == "list" and action in ("add", "remove"):
            some = {one["$id"].partition(":")[2] for one in json.loads(payload)["ids"]}
            mine = known.members.setdefault(source_id, set())
            known.members[source_id] = mine | some if action == "add" else mine - some
        elif action in PRIMARY:
            _overlaid(known.bodies.setdefault((entity, result.target_id), {}), flat(json.loads(payload)))
        else:
            known.later[entity, action, result.target_id] = payload
    # An owner given after the load is no write of the plan, but what it left is ours all the same.
    for result in results.values():
        if result.state == "done" and result.after and result.target_id and result.entity != "list":
            image = known.images.setdefault((result.entity, result.target_id), {})
            image.update(images.merged([result.after]))


def flat(body: Mapping[str, Any]) -> Body:
    """*body* with its custom fields as keys of their own, without what it takes away."""
    plain = {k: v for k, v in body.items() if k not in ("custom_field", DROPPED, REMOVED)}
    custom = body.get("custom_field") or {}
    return plain | {f"{CUSTOM}{name}": value for name, value in custom.items()}


def is_taking(body: Mapping[str, Any]) -> bool:
    """Whether *body* clears something, or takes away what an earlier run wrote."""
    empties = [value is None or value == [] for value in flat(body).values()]
    return any(empties) or DROPPED in body or REMOVED in body


def nested(body: Mapping[str, Any]) -> Body:
    """The inverse of `flat`."""
    plain = {k: v for k, v in body.items() if not k.startswith(CUSTOM)}
    custom = {k.removeprefix(CUSTOM): v for k, v in body.items() if k.startswith(CUSTOM)}
    return plain | ({"custom_field": custom} if custom else {})


def _overlaid(known: Body, sent: Body) -> None:
    for key, value in sent.items():
        if value is None or value == []:
            known.pop(key, None)
        else:
            known[key] = value
