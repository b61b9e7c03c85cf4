"""Which records wait for an owner who had no user when they were loaded, and who may have them now?

In: the mapping's owners, the users of then (03) and of now, the normalized records and the crosswalk. Out: one
row per waiting record with the user it may go to. Invariant: only records that the load gave to the
administrator for want of a user are in it.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.edition import source_entity
from crmbook.phases.resolving import owner_ids

# entity of the records that have an owner in the target -> table of 04
OWNED: Final = {
    "company": "sales_accounts",
    "contact": "contacts",
    "deal": "deals",
    "task": "tasks",
    "sales_activity": "sales_activities",
}
QUEUE: Final = {
    "entity": pl.String,
    "source_id": pl.String,
    "target_id": pl.Int64,
    "agent_id": pl.String,
    "owner_id": pl.Int64,
}


def given(normalized: Mapping[str, pl.DataFrame], owners_given: pl.DataFrame) -> pl.DataFrame:
    """
    The agents whose records a reassignment handed over, with the user they went to; REASSIGNED.

    *owners_given* are the ledger's; where an agent's records went to two users, the newer one counts.
    """
    agents = [
        frame.select(pl.lit(entity).alias("source_entity"), "source_id", agent_id="owner_agent_id")
        for entity, frame in normalized.items()
    ]
    told = owners_given.with_columns(source_entity=source_entity()).join(
        pl.concat(agents), on=["source_entity", "source_id"], maintain_order="left"
    )
    newest = told.unique("agent_id", keep="last", maintain_order=True)
    return tables.conform(newest.select("agent_id", "owner_id"), tables.REASSIGNED)


def queue(
    normalized: Mapping[str, pl.DataFrame],
    *,
    owners: pl.DataFrame,
    users_then: pl.DataFrame,
    users_now: pl.DataFrame,
    crosswalk: pl.DataFrame,
    admin_email: str,
) -> pl.DataFrame:
    """
    The waiting records (QUEUE): `entity` as the crosswalk names it, `owner_id` null where there is no user yet.

    *normalized* are the tables of OWNED by entity. Records nobody owned in the source wait for nobody.

    Raises:
        UpstreamError: the administrator is no active user any more.
    """
    then, now = (owner_ids(owners, users, admin_email) for users in (users_then, users_now))
    waiting = [agent for agent in owners["agent_id"] if agent not in then]
    given = pl.DataFrame(
        {"agent_id": waiting, "owner_id": [now.get(agent) for agent in waiting]},
        schema={"agent_id": pl.String, "owner_id": pl.Int64},
    )
    rows = [
        frame.select(pl.lit(entity).alias("source_entity"), "source_id", agent_id="owner_agent_id")
        for entity, frame in normalized.items()
    ]
    placed = crosswalk.with_columns(source_entity=source_entity())
    return (
        pl.concat(rows)
        .join(given, on="agent_id")
        .join(placed, on=["source_entity", "source_id"])
        .select(pl.col(name).cast(dtype) for name, dtype in QUEUE.items())
        .sort("entity", "source_id")
    )
