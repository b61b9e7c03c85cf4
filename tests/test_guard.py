"""Before the first write and between the writes: a load stops where it may not, or may no longer, write."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import apply, guard, loading, probe, runs, target_lock
from crmbook.errors import GateFailed, Unavailable, UpstreamError, UsageError
from crmbook.phases import capabilities, load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, again, opened
from load_case import loading as standing

Case = tuple[Sandbox, Run, Freshsales]
SWITCHED = ("bulk_drops_links", "dropdown_write", "account_name_unique", "email_required", "workflows_on")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT | {"job_polls": 1}) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A run whose load is planned and approved, over a tenant measured a moment ago."""
    sandbox.admin("POST", "reset")
    sandbox.admin("PUT", f"{REALM}/settings", dict.fromkeys(SWITCHED))
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    # How long a tenant may still work on what a broken start sent it; this one is done when it answers.
    monkeypatch.setattr("crmbook.apply.WORKED_ON_S", 0.0)
    with standing(sandbox, customers) as (run, client):
        measured(run, client)
        run.record.change(approve_all="Somebody")
        yield sandbox, run, client


def measured(run: Run, client: Freshsales, *, ago: timedelta = timedelta(0)) -> None:
    """The capabilities of 03 as this tenant shows them, dated so long ago."""
    workspace = opened(run.record, "03_workspace")
    found = probe.measure(client, workspace.read("target_fields"))
    workspace.save("capabilities", found.with_columns(measured_at=pl.lit(datetime.now(UTC) - ago)))
    workspace.close()


def carried_out(run: Run, client: Freshsales) -> pl.DataFrame:
    return loading.carry_out(run, loading.plan(run))


def reopened(run: Run, **parameters: Any) -> Run:
    """The phase of another start, with these parameters."""
    fresh = again(run)
    return Run(fresh.record, fresh.phase, fresh.customer, fresh.env, parameters)


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])


def calls(box: Sandbox) -> int:
    return int(box.admin("GET", f"requests?realm={REALM}")["total"])


def verdicts(run: Run) -> dict[str, str]:
    return dict(run.read("capability_check").select("capability", "verdict").iter_rows())


def test_a_tenant_as_it_was_measured_is_written_to(case: Case) -> None:
    """Every decisive capability is confirmed, in fewer calls than the whole measurement, and nothing stays."""
    box, run, client = case
    plan = loading.plan(run)
    before, asked = state(box), calls(box)
    check = guard.check_capabilities(run, client)
    spent = calls(box) - asked
    assert state(box) == before
    told = verdicts(run)
    assert {name for name, verdict in told.items() if verdict == capabilities.NOT_ASKED} == {
        "bin_reserves_email", "bulk_job_polls", "bulk_size", "field_api", "probe_calls", "retry_after", "workflows_act",
    }  # fmt: skip
    assert set(told.values()) == {capabilities.CONFIRMED, capabilities.NOT_ASKED}
    known = dict(check.select("capability", "measured").iter_rows())
    assert spent == capabilities.guard_calls(known, 0)
    assert loading.carry_out(run, plan)["outcome"].unique().to_list() == ["done"]


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        ({"bulk_drops_links": False}, "bulk_keeps_deal_links false → true, bulk_keeps_links false → true"),
        ({"dropdown_write": "id"}, "choice_write label → id"),
        ({"account_name_unique": False}, "account_name_unique true → false"),
        ({"email_required": False}, "email_required true → false"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_a_tenant_that_changed_is_not_written_to(case: Case, switch: dict[str, Any], said: str) -> None:
    """Exit code 2, old and new value of each, and how to measure again; the tenant is as it was."""
    box, run, _ = case
    plan = loading.plan(run)
    before = state(box)
    box.admin("PUT", f"{REALM}/settings", switch)
    with pytest.raises(UpstreamError) as refused:
        loading.carry_out(run, plan)
    line = str(refused.value)
    assert said in line
    assert line.endswith(f"with: crmbook run case --env test --run {run.run_id} --from 03_workspace")
    assert refused.value.exit_code == 2
    assert (state(box), run.ledger_path.exists()) == (before, False)
    assert capabilities.CHANGED in verdicts(run).values()


def test_a_job_that_fails_once_is_no_other_tenant(case: Case) -> None:
    """A difference counts when it is seen twice."""
    box, run, _ = case
    plan = loading.plan(run)
    box.admin(
        "POST", "faults", [{"realm": REALM, "kind": "job_fail", "path": "contacts/bulk_upsert", "times": 1}]
    )
    assert loading.carry_out(run, plan)["outcome"].unique().to_list() == ["done"]


def test_a_vendor_in_trouble_is_no_other_tenant_either(case: Case) -> None:
    """Exit code 5: running again measures again."""
    box, run, client = case
    plan = loading.plan(run)
    box.admin("POST", "faults", [{"realm": REALM, "kind": "status", "status": 500, "path": "bulk_upsert"}])
    with pytest.raises(Unavailable):
        guard.check_capabilities(run, client)
    box.admin("DELETE", "faults")
    assert loading.carry_out(run, plan)["outcome"].unique().to_list() == ["done"]


@pytest.mark.parametrize(("allowed_h", "is_refused"), [(24, True), (26, False)])
def test_a_measurement_ages(case: Case, allowed_h: int, is_refused: bool) -> None:
    """Twenty-five hours are too old for 24, and no call is made to find out."""
    box, run, client = case
    measured(run, client, ago=timedelta(hours=25))
    old = reopened(run, capabilities_max_age_h=allowed_h)
    loading.plan(old)
    asked = calls(box)
    if is_refused:
        with pytest.raises(
            UpstreamError,
            match=r"measured 25\.0 h ago, capabilities_max_age_h allows 24; .*--from 03_workspace",
        ):
            guard.check_capabilities(old, client)
    else:
        guard.check_capabilities(old, client)
    assert (calls(box) == asked) == is_refused


def test_a_plan_that_was_begun_goes_on_after_the_tenant_was_measured_anew(case: Case) -> None:
    """The same values at another time are the same tenant: the plan is not made again."""
    box, run, client = case
    plan = loading.plan(run)
    box.admin(
        "POST",
        "faults",
        [{"realm": REALM, "kind": "status", "status": 401, "method": "POST", "path": "/deals$"}],
    )
    with pytest.raises(Exception, match="not allowed"):
        apply.apply(run, client, run.read("plan"), confirm=load.plan_hash(run.scan("plan")))
    box.admin("DELETE", "faults")
    measured(run, client)
    later = again(run)
    assert loading.plan(later).equals(plan)
    assert loading.carry_out(later, plan)["outcome"].unique().to_list() == ["done"]


def test_a_load_that_is_finished_asks_nothing(case: Case) -> None:
    """Started again it makes no call, whatever the tenant does by now and however old its measurement is."""
    box, run, _ = case
    plan = loading.plan(run)
    loading.carry_out(run, plan)
    box.admin("PUT", f"{REALM}/settings", {"dropdown_write": "id"})
    old = reopened(run, capabilities_max_age_h=0)
    loading.plan(old)
    asked = calls(box)
    loading.carry_out(old, plan)
    assert calls(box) == asked
    assert set(verdicts(old).values()) == {capabilities.NOT_ASKED}


def test_two_loads_never_write_to_one_target_at_once(case: Case) -> None:
    """Another customer's run on the same target: refused before anything is measured or written."""
    box, run, _ = case
    plan = loading.plan(run)
    other = runs.root() / "other"
    other.mkdir()
    (other / "customer.toml").write_text((run.customer_folder / "customer.toml").read_text())
    theirs = opened(runs.create("other", "test", parameters={}), "05_load")
    asked = calls(box)
    with target_lock.held(theirs), pytest.raises(UsageError, match=r"other/test-01 \(process \d+ on "):
        loading.carry_out(run, plan)
    assert calls(box) == asked
    assert loading.carry_out(run, plan)["outcome"].unique().to_list() == ["done"]


def test_workflows_that_act_on_a_canary_stop_the_load_before_it_begins(case: Case) -> None:
    """Exit code 3 with nothing written; switched off, the same plan goes through."""
    box, run, client = case
    plan = loading.plan(run)
    before = state(box)
    box.admin("PUT", f"{REALM}/settings", {"workflows_on": True})
    wary = reopened(run, foreign_records_allowed=2)
    loading.plan(wary)
    with pytest.raises(
        GateFailed, match=r"3 contacts are about to be created: switch Workflows off"
    ) as stopped:
        loading.carry_out(wary, plan)
    assert stopped.value.exit_code == 3
    assert (state(box), wary.ledger_path.exists()) == (before, False)
    box.admin("PUT", f"{REALM}/settings", {"workflows_on": False})
    assert carried_out(again(wary), client)["outcome"].unique().to_list() == ["done"]
