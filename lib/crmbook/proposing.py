"""What everything in the source may become: proposed offline, and by a model where the customer names one.

In: the fields of 01 and what is known of the tenant. Out: the mapping as proposed, and the tables of alternatives a
person chooses from. What the model says is judged before it stands anywhere; without a model nothing is sent.
"""

import json
from typing import Final

import polars as pl

from crmbook import ai, known_tenant, runs
from crmbook.phases import mapping, proposal_model, proposal_values, proposals
from crmbook.runs import Run

MODEL: Final = "model.json"


def model_remark(run: Run) -> None:
    """What came of asking the model, on the page."""
    told = json.loads((run.phase_folder / MODEL).read_text(encoding="utf-8"))
    print(told["remark"])
    for why, count in told["refused"].items():
        print(f"  {count} suggestions refused: {why}")


def proposed(run: Run, fields: pl.DataFrame) -> tuple[ai.Asked, proposal_model.Judged]:
    """The offline proposals, and what of the model's suggestions may stand beside or in them."""
    offline = mapping.propose(fields)
    asked = ai.ask(run, fields, offline)
    known = known_tenant.table(run, "target_fields")
    return asked, proposal_model.judged(offline, fields, asked.suggestions, known)


def save(
    run: Run,
    fields: pl.DataFrame,
    asked: ai.Asked,
    judged: proposal_model.Judged,
    *,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    choices: pl.DataFrame,
    types: pl.DataFrame,
) -> None:
    """What everything may become beside what is decided: the tables a person chooses from."""
    runs.write_json(run.phase_folder / MODEL, {"remark": asked.remark, "refused": judged.refused})
    known = known_tenant.table(run, "target_fields")
    of_fields = proposals.of_fields(fields, judged.mapping, known)
    parts = [
        proposal_model.with_offers(of_fields, judged.offers),
        proposals.of_stages(stages, known_tenant.table(run, "target_stages")),
        proposals.of_activity_types(types),
    ]
    run.save_all(
        proposals=pl.concat(parts),
        choice_proposals=proposal_values.of_choices(choices, judged.mapping, known),
        owner_proposals=proposal_values.of_owners(owners, known_tenant.table(run, "target_owners")),
    )
