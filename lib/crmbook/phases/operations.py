"""One planned write, and how the writes of a plan are numbered and wait for one another.

An operation that refers to other records names them as `<entity>:<source_id>`; numbering turns that into the
operations it has to come after. Invariant: what an operation comes after stands before it in the plan.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.payloads import canonical, digest

PRIMARY: Final = ("create", "update")

Op = dict[str, Any]


def op(
    entity: str,
    action: str,
    source_id: str,
    body: Mapping[str, Any],
    *,
    target_id: int | None = None,
    needs: Iterable[str] = (),
    part: int | None = None,
) -> Op:
    """
    One write; *needs* are the records it refers to, *part* tells several writes of one record apart.

    Whatever is done to a record after its first write needs that write.
    """
    payload = canonical(body)
    wanted = set(needs) if action in PRIMARY else {*needs, f"{entity}:{source_id}"}
    return {
        "op_id": f"{entity}:{action}:{source_id}" + (f":{part}" if part else ""),
        "entity": entity,
        "action": action,
        "source_id": source_id,
        "target_id": target_id,
        "payload": payload,
        "payload_sha256": digest(payload),
        "needs": sorted(wanted),
    }


def primary(
    entity: str,
    source_id: str,
    found: Mapping[str, int],
    body: Mapping[str, Any],
    *,
    needs: Iterable[str] = (),
) -> Op:
    """The write that creates a record, or updates the one *found* holds for it."""
    target_id = found.get(source_id)
    action = "create" if target_id is None else "update"
    return op(entity, action, source_id, body, target_id=target_id, needs=needs)


def numbered(ops: list[Op]) -> pl.DataFrame:
    """*ops* in their order as `tables.PLAN`; a contact's lifecycle stage also waits for its deals."""
    first = {f"{o['entity']}:{o['source_id']}": o["op_id"] for o in ops if o["action"] in PRIMARY}
    deals_of: dict[str, list[str]] = {}
    for one in ops:
        needed = one.pop("needs")
        after = sorted(first[record] for record in needed)
        if one["action"] == "lifecycle":
            after += deals_of.get(f"{one['entity']}:{one['source_id']}", [])
        elif one["entity"] == "deal":
            for record in (r for r in needed if r.startswith("contact:")):
                deals_of.setdefault(record, []).append(one["op_id"])
        one["after"] = after
    for seq, one in enumerate(ops, 1):
        one["seq"] = seq
    return tables.conform(pl.DataFrame(ops, schema=tables.PLAN.columns), tables.PLAN).sort("seq")
