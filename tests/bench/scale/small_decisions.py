"""What 02 and 03 would say of the account of `world`, made by their own functions from a small edition of it.

The words of its choices, stages and agents are the same in every size, so one set of decisions serves all of them.
"""

from functools import cache

import polars as pl

from bench.scale import world
from crmbook import config
from crmbook.phases import discovery, mapping, structure, tagging
from crmbook.phases.shape import Decisions
from crmbook.phases.target_ids import TargetIds


@cache
def decisions() -> Decisions:
    """The mapping as proposed, with what follows from it."""
    account = world.account(4_000)
    contacts, companies, deals = (account[f"source_{name}"] for name in ("contacts", "companies", "deals"))
    fields = discovery.fields(contacts, companies, deals, account["attributes"])
    decided = mapping.propose(fields)
    stages = structure.stages(account["source_stages"], deals)
    owners = structure.owners(account["agents"], contacts, deals, account["source_activities"])
    frames = {"contacts": contacts, "companies": companies, "deals": deals}
    choices = mapping.choices(decided, **frames)
    custom = mapping.custom_fields(decided, fields, {})
    used = tagging.used(**frames, placeholder=None)
    tags = tagging.plan(used, policy="auto", left=frozenset(), taken=custom)
    custom = pl.concat([custom, tagging.custom_fields(tags, used)])
    return Decisions(
        decided,
        custom,
        choices,
        stages,
        owners,
        config.Policy(),
        "Europe/Warsaw",
        account_name_unique=True,
        tag_plan=tags,
    )


def ids() -> TargetIds:
    """A tenant in which every agent but the last has a seat."""
    agents = [agent for agent, _, _ in world.agents()]
    owners = pl.DataFrame({"agent_id": agents, "owner_id": [100 + n for n in range(len(agents))]})
    lifecycles = pl.DataFrame(
        {
            "lifecycle": ["Lead", "Sales Qualified Lead", "Customer"], "lifecycle_stage_id": [1, 2, 3],
            "contact_status_id": [11, 12, 13],
        }
    )  # fmt: skip
    return TargetIds(1, owners, pl.DataFrame(), lifecycles, {"EUR": 1, "PLN": 2}, 1, {})
