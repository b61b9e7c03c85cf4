"""A record that a failed job left as it was is written whole: what only looks the same is not left behind."""

from pathlib import Path

import pytest

import bulk_world as bulk
from crmbook import apply
from crmbook.phases import load
from crmbook.sandbox.server import Sandbox
from load_case import REALM, TENANT, capabilities, loading


def test_a_match_that_a_job_did_not_reach_gets_every_value(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matched contact's e-mail differs in case only: after a failed job it ends as it does one by one."""
    states = []
    with Sandbox(switches=TENANT | {"job_delay_s": 0.5}) as box:
        monkeypatch.setenv("CASE_TARGET", box.ready[REALM]["token"])
        for known, faults in ((bulk.NO_BULK, []), (bulk.LINKS_DROPPED, [_failing()])):
            box.admin("POST", "reset")
            with loading(box, customers, people=12, known=capabilities(**known)) as (run, client):
                plan = apply.plan_of(run, client).collect()
                box.admin("POST", "faults", faults)
                apply.apply(
                    run, client, plan, confirm=load.plan_hash(plan), patience=0.0, sleep=bulk.passing(box)
                )
                assert [fault["fired"] for fault in box.admin("GET", "faults")] == [1] * len(faults)
            states.append(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])
    assert states[0] == states[1]


def _failing() -> dict[str, object]:
    return {"realm": REALM, "kind": "job_fail", "path": "/contacts/bulk_upsert", "times": 1}
