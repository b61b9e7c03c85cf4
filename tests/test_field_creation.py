"""Custom fields through the API: asked for once, read back, and the rest told with its reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import load_case as case
from crmbook import config, field_creation, field_journal, runs, target, workspace_read
from crmbook.errors import DataError, RateLimited, Waiting
from crmbook.phases import workspace
from crmbook.phases.edition import CLASSIC, SUITE, Edition
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from crmbook.vendors.quota import Quota

POST = {"method": "POST", "path": "/forms/"}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(switches=case.TENANT) as started:
        yield started


@dataclass
class World:
    """03_workspace of a run whose mapping is approved, over a fresh tenant."""

    box: Sandbox
    run: Run
    client: Freshsales
    edition: Edition = SUITE
    before: int = 0

    def switch(self, **switches: Any) -> None:
        self.box.admin("PUT", f"{case.REALM}/settings", switches)

    def looked(self) -> pl.DataFrame:
        needed = workspace.needs(
            custom_fields=self.edition.by_module(case.custom_fields()), stages=case.stages(),
            owners=case.owners().filter(pl.col("agent_id") == "1"), currencies=case.deals()["currency"],
            admin_email=case.ADMIN,
        )  # fmt: skip
        settings = {k: t for k, t in workspace_read.read(self.client).items() if k != "target_statuses"}
        policy = config.Policy(workflows_disabled=True, custom_fields="api")
        return field_creation.proven(self.client, workspace.check(needed, **settings, policy=policy))

    def create(self) -> dict[str, tuple[str, str, str]]:
        """Status, who does it and what was found, by api name with its module."""
        made = field_creation.create(self.run, self.client, self.looked(), self.looked, sleep=lambda _s: None)
        rows = made.filter(pl.col("kind") == "custom_field").iter_rows(named=True)
        return {f"{r['module']}.{r['api_name'][3:]}": (r["status"], r["how"], r["found"]) for r in rows}

    def posts(self) -> int:
        asked = self.box.admin("GET", f"requests?realm={case.REALM}")
        posts = (
            n for route, n in asked["by_route"].items() if route.startswith("POST") and "/forms/" in route
        )
        return sum(posts) - self.before


@contextmanager
def world(box: Sandbox, folder: Path, *, approved: bool = True, **switches: Any) -> Iterator[World]:
    box.admin("POST", "reset")
    box.admin("DELETE", "faults")
    customer = folder / "case"
    customer.mkdir(parents=True, exist_ok=True)
    base_url = box.ready[case.REALM]["base_url"]
    (customer / "customer.toml").write_text(
        case.TOML.format(admin=case.ADMIN, base_url=base_url, edition="suite", plan="pro")
    )
    record = runs.create("case", "test", parameters={})
    record.offer("mapping", "ab" * 32, "a map")
    if approved:
        record.approve("mapping", by="Ola")
    run = case.opened(record, "03_workspace")
    client = target.connect(run)
    with client.client:
        made = World(box, run, client)
        made.switch(allow_field_api=True, **switches)
        made.before = made.posts()
        yield made


@pytest.fixture(autouse=True)
def token(box: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASE_TARGET", box.ready[case.REALM]["token"])


def test_a_tenant_that_takes_everything_gets_everything(box: Sandbox, customers: Path) -> None:
    """Types, choices and uniqueness come back as asked; every field is there, by the API."""
    with world(box, customers, field_api_choices=True) as w:
        made = w.create()
        assert set(made.values()) == {("present", "api", "")}
        fields = {f["name"]: f for f in w.client.fields("contacts")}
        assert [c["value"] for c in fields["cf_plan"]["choices"]] == ["free", "paid, yearly"]
        assert (fields["cf_topics"]["type"], fields["cf_born"]["type"]) == ("multi_select_dropdown", "date")
        assert field_creation.is_unique(w.client, "deals")["cf_usercom_original_id"] is True


def test_what_a_tenant_leaves_out_is_completed_by_the_admin(box: Sandbox, customers: Path) -> None:
    """The first field with choices and the first unique one tell; no second one is tried, plain ones are made."""
    with world(box, customers) as w:
        made = w.create()
    assert made == {
        "contacts.agreed": ("present", "api", ""),
        "contacts.born": ("present", "api", ""),
        "deals.score": ("present", "api", ""),
        "contacts.plan": ("mismatch", "admin", "2 choices missing: free, paid, yearly"),
        "contacts.topics": ("missing", "admin", field_creation.NO_CHOICES),
        "contacts.usercom_original_id": ("mismatch", "admin", "not unique"),
        "deals.usercom_original_id": ("missing", "admin", field_creation.NO_UNIQUE),
        "sales_accounts.usercom_original_id": ("missing", "admin", field_creation.NO_UNIQUE),
    }


def test_a_second_pass_asks_for_nothing_again(box: Sandbox, customers: Path) -> None:
    """What is there stays, who made it is still told, and no request to create leaves."""
    with world(box, customers, field_api_choices=True) as w:
        first = w.create()
        asked = w.posts()
        assert (w.create(), w.posts()) == (first, asked)
        assert asked == len(first)


def test_a_tenant_without_the_api_is_asked_once(box: Sandbox, customers: Path) -> None:
    """One refusal closes the way: every field is the admin's, with the reason; later it may be tried again."""
    with world(box, customers) as w:
        w.switch(allow_field_api=False)
        made = w.create()
        assert {(status, how) for status, how, _ in made.values()} == {("missing", "admin")}
        assert {found for *_, found in made.values()} == {f"{field_creation.NO_API} (HTTP 403)"}
        assert w.posts() == 1
        w.switch(allow_field_api=True, field_api_choices=True)
        assert set(w.create().values()) == {("present", "api", "")}


@pytest.mark.parametrize("kind", ["drop_after", "truncate"])
def test_a_field_that_was_made_without_an_answer_is_found(box: Sandbox, customers: Path, kind: str) -> None:
    """It was created all the same: looked up, told as made, asked for once."""
    with world(box, customers, field_api_choices=True) as w:
        box.admin("POST", "faults", [{"realm": case.REALM, "kind": kind, "times": 1, **POST}])
        made = w.create()
        assert set(made.values()) == {("present", "api", "")}
        assert w.posts() == len(made)


def test_a_field_of_unknown_fate_that_is_not_there_is_the_admins(box: Sandbox, customers: Path) -> None:
    """A server error after the request left: not there, never sent again, not even by the next run."""
    with world(box, customers, field_api_choices=True) as w:
        fault = {"realm": case.REALM, "kind": "status", "status": 502, "times": 1, **POST}
        box.admin("POST", "faults", [fault])
        made = w.create()
        doubtful = [name for name, state in made.items() if state[2] == field_creation.DOUBTFUL]
        assert [made[name][:2] for name in doubtful] == [("missing", "admin")]
        asked = w.posts()
        assert w.create()[doubtful[0]] == ("missing", "admin", field_creation.DOUBTFUL)
        assert w.posts() == asked


def test_a_killed_creation_is_looked_up_by_the_next_one(box: Sandbox, customers: Path) -> None:
    """An intent without an outcome: there it counts as made, absent it is nobody's to repeat."""
    with world(box, customers, field_api_choices=True) as w:
        journal = field_journal.Journal(w.run.customer_folder / field_journal.NAME, target.host(w.run))
        for name in ("cf_born", "cf_agreed"):
            journal.note(field_journal.Field("contacts", name), field_journal.INTENT)
        form = w.client.forms("contacts")[0]["id"]
        w.client.create_field("contacts", form, {"label": "born", "type": "date", "internal_name": "born"})
        made = w.create()
    assert made["contacts.born"] == ("present", "api", "")
    assert made["contacts.agreed"] == ("missing", "admin", field_creation.DOUBTFUL)


def test_a_field_somebody_removed_is_not_made_again(box: Sandbox, customers: Path) -> None:
    """It was there once; whoever deleted it had a reason."""
    with world(box, customers, field_api_choices=True) as w:
        journal = field_journal.Journal(w.run.customer_folder / field_journal.NAME, target.host(w.run))
        journal.note(field_journal.Field("contacts", "cf_born"), field_journal.DONE)
        assert w.create()["contacts.born"] == ("missing", "admin", field_creation.GONE)


def test_another_tenants_journal_says_nothing_here(box: Sandbox, customers: Path) -> None:
    """Production is asked although the test tenant has the field."""
    with world(box, customers, field_api_choices=True) as w:
        journal = field_journal.Journal(w.run.customer_folder / field_journal.NAME, "other.example")
        journal.note(field_journal.Field("contacts", "cf_born"), field_journal.DONE)
        assert w.create()["contacts.born"] == ("present", "api", "")


def test_the_plans_limit_is_told_by_the_tenant(box: Sandbox, customers: Path) -> None:
    """A refusal of one field is its own reason, and the others go on."""
    with world(box, customers, field_api_choices=True) as w:
        box.admin("POST", "faults", [
            {"realm": case.REALM, "kind": "status", "status": 400, "times": 1,
             "body": {"errors": {"code": 400, "message": ["You have reached the limit of 30 text fields"]}}, **POST},
        ])  # fmt: skip
        made = w.create()
    refused = {state[2] for state in made.values() if state[0] != "present"}
    assert len(refused) == 1
    assert refused.pop().startswith("the tenant refused it: You have reached the limit")
    assert sorted(state[0] for state in made.values()).count("present") == len(made) - 1


def test_a_spent_quota_stops_and_the_next_run_goes_on(box: Sandbox, customers: Path) -> None:
    """Nothing is lost, nothing is made twice."""
    with world(box, customers, field_api_choices=True) as w:
        w.client.client._max_wait_s = 0.0
        box.admin(
            "POST", "faults", [{"realm": case.REALM, "kind": "status", "status": 429, "every": 3, **POST}]
        )
        with pytest.raises(RateLimited):
            w.create()
        box.admin("DELETE", "faults")
        w.client.client.quota = Quota(None, "a process that waited")
        assert set(w.create().values()) == {("present", "api", "")}
        assert w.posts() == len(w.looked().filter(pl.col("kind") == "custom_field")) + 1


def test_a_vendor_that_hangs_up_leaves_no_second_field(box: Sandbox, customers: Path) -> None:
    """Whether a dropped request was done nobody knows: every field is asked for once, and left to the admin."""
    with world(box, customers, field_api_choices=True) as w:
        box.admin("POST", "faults", [{"realm": case.REALM, "kind": "drop_before", **POST}])
        made = w.create()
        assert {state[2] for state in made.values()} == {field_creation.DOUBTFUL}
        assert w.posts() == len(made)


def test_nothing_is_created_before_the_map_is_approved(box: Sandbox, customers: Path) -> None:
    """The approval of exactly the map on offer, or none of its fields."""
    with world(box, customers, approved=False, field_api_choices=True) as w:
        with pytest.raises(Waiting, match="mapping waits for approval: a map"):
            w.create()
        assert w.posts() == 0


def test_classic_gets_its_fields_in_leads_too() -> None:
    """A contact's field exists in both modules that people are in."""
    assert {m for m, *_ in CLASSIC.by_module(case.custom_fields()).iter_rows()} == {
        "contacts", "leads", "sales_accounts", "deals",
    }  # fmt: skip


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    """A line that is no step is an error with file and line; half a line at the end is what a kill leaves."""
    path = tmp_path / field_journal.NAME
    journal = field_journal.Journal(path, "h")
    journal.note(field_journal.Field("contacts", "cf_a"), field_journal.INTENT)
    whole = path.read_text()
    path.write_text(whole + '{"host": "h", "mod')
    again = field_journal.Journal(path, "h")
    assert (again.state(field_journal.Field("contacts", "cf_a")), path.read_text()) == ("intent", whole)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("nonsense\n" + whole)
    with pytest.raises(DataError, match=r"\.fields\.jsonl line 1: not a step"):
        field_journal.Journal(path, "h")
