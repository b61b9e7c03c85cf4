"""Freshsales Classic: leads beside contacts, through plan, load, trouble, reading back and comparison."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from classic_case import LEADS, SWITCHES, classic_loading, history, people
from crmbook import apply, config, history_checks, probe, readback, tables, target, workspace_read
from crmbook.errors import ConfigError, UpstreamError
from crmbook.phases import compare, edition, link_check, listing, load, scoping, target_ids, workspace
from crmbook.phases import compare_history as shapes
from crmbook.phases import reconcile_history as rec_history
from crmbook.phases import reconciliation as rec
from crmbook.phases.edition import CLASSIC, SUITE
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import ADMIN, REALM, accounts, custom_fields, deals, frame, owners, stages
from test_readback import links

Case = tuple[Sandbox, Run, Freshsales]
PLACES = {"100": "contact", "101": "contact", "102": "contact", "103": "lead", "104": "lead", "105": "lead"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(edition="classic", switches=SWITCHES) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A fresh Classic tenant and a run whose load has not begun."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    with classic_loading(sandbox, customers) as (run, client):
        yield sandbox, run, client


def loaded(run: Run, client: Freshsales) -> pl.DataFrame:
    plan = apply.plan_of(run, client).collect()
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
    run.save("crosswalk", apply.crosswalk(run))
    return plan


def docs(box: Sandbox, module: str) -> dict[str, dict[str, Any]]:
    """What the tenant holds of ours, by source id; two records of one source id would be an error."""
    found: dict[str, dict[str, Any]] = {}
    for doc in box.admin("GET", f"{REALM}/{module}"):
        mark = doc["custom_field"].get("cf_usercom_original_id")
        if mark is not None and not doc["is_deleted"]:
            assert mark not in found
            found[mark] = doc
    return found


def known(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(tables.EXISTING, *rows)


# what a person becomes


def test_suite_has_one_place_for_everybody() -> None:
    """On Suite a lead is a contact, whatever the tenant holds."""
    (place, rows), *others = SUITE.placed(people(), known()).items()
    assert ("contact", people().height, []) == (place, rows.height, others)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param([], {"100", "103", "104", "105"}, id="nobody there"),
        pytest.param([{"module": "contacts", "target_id": 7, "email": "P3@x.example"}], {"100", "104", "105"}, id="a contact by e-mail"),
        pytest.param([{"module": "contacts", "target_id": 7, "original_id": "103"}], {"100", "104", "105"}, id="a contact by its mark"),
        pytest.param([{"module": "contacts", "target_id": 7, "external_id": "103"}], {"100", "104", "105"}, id="a contact by external id"),
        pytest.param([{"module": "leads", "target_id": 7, "email": "p3@x.example"}], {"100", "103", "104", "105"}, id="a lead by e-mail"),
        pytest.param([{"module": "contacts", "target_id": 7, "email": "p1@x.example"}], {"100", "103", "104", "105"}, id="somebody else"),
    ],
)  # fmt: skip
def test_the_split_places_people_and_a_contact_stays_one(
    there: list[dict[str, Any]], expected: set[str]
) -> None:
    """Leads by the split become leads, except whom the tenant holds as a contact; nobody is in two places."""
    placed = CLASSIC.placed(people(), known(*there))
    assert expected == set(placed["lead"]["source_id"])
    assert sorted(people()["source_id"]) == sorted(pl.concat(placed.values())["source_id"])


def test_a_lead_carries_one_company_and_says_what_it_lost() -> None:
    """The first account stays, links to the others are dropped with the reason, and the loss is counted."""
    both = people().with_columns(
        account_ids=pl.when(pl.col("source_id").is_in(["101", "103"]))
        .then(pl.lit(["5000", "5001"]))
        .otherwise("account_ids")
    )
    every = links(both, deals())
    made = CLASSIC.fitted(contacts=both, links=every, loss=tables.LOSS.empty())
    kept = dict(made["contacts"].select("source_id", "account_ids").iter_rows())
    assert (["5000"], ["5000", "5001"]) == (kept["103"], kept["101"])
    changed = made["links"].join(every, on=every.columns, how="anti", nulls_equal=True)
    expected = {
        "relation": "contact_account", "from_id": "103", "to_id": "5001", "kept_from": None, "kept_to": None,
        "is_primary": True, "state": "dropped", "reason": edition.ONE_COMPANY,
    }  # fmt: skip
    assert [expected] == changed.filter(pl.col("from_id") == "103").to_dicts()
    # contact 100 is a lead by the split with two accounts as well
    assert [("contact", "company_ids", "dropped", 2)] == made["loss"].rows()


def test_only_classic_loses_stages_and_companies() -> None:
    """Suite keeps the tables as they are; Classic has no lifecycle to give."""
    given = {"contacts": people().with_columns(lifecycle=pl.lit("Lead")), "links": links(people(), deals())}
    same = SUITE.fitted(**given, loss=tables.LOSS.empty())
    assert given["contacts"].equals(same["contacts"])
    assert given["links"].equals(same["links"])
    made = CLASSIC.fitted(**given, loss=tables.LOSS.empty())
    assert [None] == made["contacts"]["lifecycle"].unique().to_list()


def test_a_membership_of_a_lead_is_told() -> None:
    """A lead has no place in a list: the membership is rejected with the reason, also of one merged into a lead."""
    members = pl.DataFrame({"list_key": ["list:1"] * 3, "contact_id": ["101", "103", "199"]})
    plan = frame(tables.LIST_PLAN, {"list_key": "list:1", "kind": "list", "name": "N", "target_name": "N", "members": 3, "is_renamed": False})  # fmt: skip
    fate = pl.DataFrame(
        {"source_id": ["101", "103", "199"], "kept_id": ["101", "103", "103"], "reason": ["", "", ""]}
    )
    for chosen, expected in ((SUITE, {"101", "103"}), (CLASSIC, {"101"})):
        listed = listing.listable(fate, chosen.unlisted(people()))
        kept, account = listing.kept(members, plan, listed)
        assert expected == set(kept["contact_id"])
        refused = account.filter(pl.col("state") == "rejected")["reason"].to_list()
        assert refused == ([] if chosen is SUITE else [edition.NO_LISTS] * 2)


def test_an_unknown_edition_is_named() -> None:
    """The error lists the editions there are."""
    with pytest.raises(ConfigError, match="edition: pro: expected suite or classic"):
        edition.of("pro")


# what the tenant must have


def test_leads_need_the_fields_of_contacts() -> None:
    """The checklist and the plan check ask for them in both modules; Suite asks once."""
    needs = {
        chosen.name: workspace.needs(
            custom_fields=chosen.by_module(custom_fields()), stages=stages(), owners=owners(), currencies=[],
            admin_email=ADMIN,
        )
        for chosen in (SUITE, CLASSIC)
    }  # fmt: skip
    more = set(needs["classic"]["item_id"]) - set(needs["suite"]["item_id"])
    own = needs["suite"].filter(pl.col("module") == "contacts")
    assert {item.replace(":contacts:", ":leads:") for item in own["item_id"]} == more


def test_plan_check_counts_the_fields_of_leads() -> None:
    """The plan's limit holds for each module by itself; a Suite plan has no leads to check."""
    filled = {
        "is_standard": True,
        "declared": "",
        "observed": "text",
        "mostly": "text",
        "mostly_share": 1.0,
        "max_choices": 0,
        "choices": [],
    }
    fields = frame(
        tables.FIELDS,
        *(
            {"entity": "contact", "field": f"p_{n}", "label": f"Field {n}", "records": 9, "filled": 5, "distinct": 5, "max_length": 9, **filled, "is_standard": False}
            for n in range(12)
        ),
    )  # fmt: skip
    checked = {
        chosen.name: scoping.plan_check(
            fields, stages=tables.SOURCE_STAGES.empty(), agents=tables.AGENTS.empty(),
            deals=tables.SOURCE_DEALS.empty(), edition=chosen,
            limits={"custom_fields_total": scoping.Limit(10.0, "blossom")},
        )
        for chosen in (SUITE, CLASSIC)
    }  # fmt: skip
    totals = checked["classic"].filter(pl.col("requirement").str.ends_with("custom fields in all"))
    fits = dict(totals.select("requirement", "fits").iter_rows())
    assert (False, False) == (
        fits["contacts: custom fields in all"],
        fits["leads: custom fields in all"],
    )
    assert [] == [r for r in checked["suite"]["requirement"] if r.startswith("leads")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("", {"hour": 100_000, "minute": 400}, id="the plan's"),
        pytest.param("requests_per_minute = 90", {"hour": 100_000, "minute": 90}, id="the customer's"),
    ],
)
def test_calls_a_minute_are_limited(customers: Path, given: str, expected: dict[str, int]) -> None:
    """Classic plans publish 400 calls a minute; customer.toml may say otherwise."""
    from load_case import TOML

    path = customers / "case" / "customer.toml"
    path.parent.mkdir()
    text = TOML.format(admin=ADMIN, base_url="https://a.freshsales.io/api", edition="classic", plan="estate")
    path.write_text(text.replace("requests_per_minute = 100000", given))
    chosen = config.read(path).target("test")
    assert expected == target.limits(chosen)


def test_the_tenant_is_read_and_measured_with_its_leads(case: Case) -> None:
    """Fields of leads, no statuses, and a probe that leaves nothing behind."""
    box, run, client = case
    settings = workspace_read.read(client)
    assert {"contacts", "sales_accounts", "deals", "leads"} == set(settings["target_fields"]["module"])
    assert settings["target_statuses"].is_empty()
    before = box.admin("GET", f"state/hash?realm={REALM}")
    found = dict(probe.measure(client, run.read("target_fields")).select("capability", "value").iter_rows())
    assert ("false", "label", "true") == (
        found["email_required"],
        found["choice_write"],
        found["account_name_unique"],
    )
    assert before == box.admin("GET", f"state/hash?realm={REALM}")


# the load


def test_people_are_written_where_they_belong(case: Case) -> None:
    """Leads hold fields, tags, owner and the company's name; nobody gets a lifecycle stage or an external id there."""
    box, run, client = case
    plan = loaded(run, client)
    crosswalk = {(e, s): (t, o) for e, s, t, o in apply.crosswalk(run).rows()}
    assert {s: e for e, s, _, _ in apply.crosswalk(run).rows() if e in ("contact", "lead")} == PLACES
    assert plan.filter(pl.col("action") == "lifecycle").is_empty()
    leads = docs(box, "leads")
    lead = leads["103"]
    assert ("p3@x.example", "P 3", ["cold"], {"name": "ACME"}) == (
        lead["email"],
        lead["last_name"],
        lead["tags"],
        lead["company"],
    )
    assert ("free", "a;c") == (lead["custom_field"]["cf_plan"], lead["custom_field"]["cf_topics"])
    ola = next(row["id"] for row in box.admin("GET", f"{REALM}/owners") if row["email"] == "OLA@case.example")
    assert ola == lead["owner_id"]
    assert "external_id" not in lead
    assert lead["lead_stage_id"]
    warm = leads["104"]
    assert ("matched", ["theirs", "ours"], {"name": "Company 1", "city": "Hull"}) == (
        crosswalk["lead", "104"][1],
        warm["tags"],
        warm["company"],
    )
    assert leads["105"].get("company") is None
    assert set(docs(box, "contacts")) == {"100", "101", "102"}
    assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]


def test_each_person_is_planned_once(case: Case) -> None:
    """Coverage counts a contact of the source wherever it goes."""
    _box, run, client = case
    plan = apply.plan_of(run, client).collect()
    told = load.coverage(plan, sales_accounts=accounts(), contacts=people(), deals=deals(), history=history())
    assert (6, 6, 0, 0, 0) == told.row(by_predicate=pl.col("entity") == "contact")[1:]
    assert 0 == told["uncovered"].sum() + told["repeated"].sum()


def test_history_hangs_on_leads(case: Case) -> None:
    """Tasks, meetings, activities, notes and files of a lead name it as their target."""
    box, run, client = case
    loaded(run, client)
    leads = {doc["id"]: mark for mark, doc in docs(box, "leads").items()}
    hung = {
        module: sorted(
            leads[doc["targetable_id"]]
            for doc in box.admin("GET", f"{REALM}/{module}")
            if doc["targetable_type"] == "Lead"
        )
        for module in ("tasks", "appointments", "sales_activities", "notes", "documents")
    }
    expected = {
        "tasks": ["103"], "appointments": ["104"], "sales_activities": ["103", "105"], "notes": ["103"] * 3,
        "documents": ["103"],
    }  # fmt: skip
    assert expected == hung


TROUBLE = {
    "dropped after a lead was made": [{"kind": "drop_after", "method": "POST", "path": "/leads$", "every": 2}],
    "half an answer to each creation": [{"kind": "truncate", "method": "POST", "every": 2}],
    "changes dropped after": [{"kind": "drop_after", "method": "PUT", "path": "/leads", "every": 2}],
    "notes dropped after": [{"kind": "drop_after", "method": "POST", "path": "/(notes|documents)$", "every": 2}],
}  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The state of the tenant after a load that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        sandbox.admin("POST", "reset")
        patch.setenv("CRMBOOK_RUNS", str(folder))
        patch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        with classic_loading(sandbox, folder) as (run, client):
            loaded(run, client)
        return str(sandbox.admin("GET", f"state/hash?realm={REALM}&scope=all")["sha256"])


@pytest.mark.parametrize("faults", TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble_makes_no_lead_twice(undisturbed: str, case: Case, faults: list[dict[str, Any]]) -> None:
    """Under each kind of trouble the tenant ends in the very state of an undisturbed load."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", "faults", [{"realm": REALM, **fault} for fault in faults])
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
    box.admin("DELETE", "faults")
    assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]
    assert LEADS == set(docs(box, "leads"))
    assert undisturbed == box.admin("GET", f"state/hash?realm={REALM}&scope=all")["sha256"]


def test_a_second_run_changes_what_the_first_made(case: Case, customers: Path) -> None:
    """Leads are recognised by their mark, and what hangs on them by the first run's crosswalk: nothing is created."""
    box, run, client = case
    loaded(run, client)
    before = {module: len(box.admin("GET", f"{REALM}/{module}")) for module in ("leads", "contacts", "notes")}
    with classic_loading(box, customers) as (second, other):
        plan = loaded(second, other)
    assert [] == plan.filter(pl.col("action") == "create")["op_id"].to_list()
    assert before == {module: len(box.admin("GET", f"{REALM}/{module}")) for module in before}


def test_a_deal_never_names_a_lead() -> None:
    """Classic can't link one: a deal that names a person who is a lead stops the plan."""
    from crmbook.phases import resolving

    wrong = deals().with_columns(
        contact_ids=pl.when(pl.col("source_id") == "900").then(pl.lit(["103"])).otherwise("contact_ids")
    )
    placed = CLASSIC.placed(
        people(), known({"module": "contacts", "target_id": 7, "email": "known@x.example"})
    )
    resolving.check_links(accounts(), placed, deals())
    with pytest.raises(UpstreamError, match="deals: contact_ids names 1 records that are not loaded"):
        resolving.check_links(accounts(), placed, wrong)


# the comparison


def findings(run: Run, client: Freshsales) -> set[tuple[str, ...]]:
    """What the comparison says about the tenant as it is now, records and history."""
    frames = readback.records(run, client)
    actual = readback.by_entity(frames)
    existing, crosswalk = run.frames("existing", "crosswalk")
    sources = rec.by_entity(accounts(), people(), deals())
    normalized = CLASSIC.records(
        sales_accounts=accounts(), contacts=people(), deals=deals(), existing=existing
    )
    settings = ["owners", "stages", "target_owners", "target_stages", "target_statuses", "target_currencies"]
    ids = target_ids.resolve(**dict(zip(settings, run.frames(*settings), strict=True)), admin_email=ADMIN)
    classes = rec.classes(
        sources=sources, normalized=normalized, actual=actual, rejects=tables.REJECTS.empty(),
        excluded=tables.EXCLUDED.empty(), merges=tables.MERGES.empty(), crosswalk=crosswalk, existing=existing,
        refused=apply.rejected(run),
    )  # fmt: skip
    only = rec.target_only(existing=existing, classes=classes, actual=actual)
    fields = compare.compare(
        normalized=normalized, actual=actual, classes=classes, crosswalk=crosswalk, ids=ids
    )
    related = link_check.link_classes(
        links=links(people(), deals()), people=normalized, classes=classes, crosswalk=crosswalk, actual=actual, ids=ids
    ).filter(~pl.col("class").is_in(["found", "repointed"]))  # fmt: skip
    balance = rec.class_balance(
        classes=classes, target_only=only, extracted={"company": 3, "contact": 6, "deal": 3}
    )
    assert 0 == balance["unaccounted"].sum()
    return {
        *classes.filter(pl.col("class") != "loaded").select("entity", "source_id", "class").rows(),
        *only.filter(pl.col("class") != "pre_existing").select("module", "class").rows(),
        *fields.differences.select("entity", "source_id", "field").rows(),
        *related.select("relation", "from_id", "to_id", "class").rows(),
        *_of_history(run, client, ids),
    }


def _of_history(run: Run, client: Freshsales, ids: target_ids.TargetIds) -> set[tuple[str, ...]]:
    for name, found in history_checks.read_back(run, client).items():
        run.save(name, found)
    crosswalk = run.read("crosswalk")
    wanted = shapes.expected(
        {name: getattr(history(), name) for name in history_checks.LOADED}, crosswalk, ids
    )
    there = shapes.actual({name: run.read(name) for name in history_checks.ACTUAL})
    classes, strange = rec_history.classes(
        expected=wanted, actual=there, crosswalk=crosswalk, refused=apply.rejected(run)
    )
    compared = shapes.compare(expected=wanted, actual=there, classes=classes)
    return {
        *classes.filter(pl.col("class") != "loaded").select("module", "source_id", "class").rows(),
        *strange.filter(pl.col("class") != "foreign").select("module", "class").rows(),
        *compared.differences.select("module", "source_id", "field").rows(),
    }


@pytest.fixture
def reconciling(case: Case) -> Case:
    """A finished load, and 06_reconciliation open behind it."""
    from load_case import opened

    box, run, client = case
    loaded(run, client)
    run.close()
    return box, opened(run.record, "06_reconciliation"), client


def test_a_tenant_after_a_load_has_no_finding(reconciling: Case) -> None:
    """Every field, company, owner and entry of history of every lead and contact is what was loaded."""
    _box, run, client = reconciling
    assert set() == findings(run, client)


def test_defects_of_leads_are_named(reconciling: Case) -> None:
    """A lead's company and name changed, one lost, one nobody knows: each is found."""
    box, run, client = reconciling
    leads = docs(box, "leads")
    box.admin("PUT", f"{REALM}/leads/{leads['103']['id']}", {"company": {"name": "Somebody else"}})
    # the job title of a matched lead was never written by us, its name was
    box.admin("PUT", f"{REALM}/leads/{leads['104']['id']}", {"last_name": "Else", "job_title": "Boss"})
    box.admin("DELETE", f"{REALM}/leads/{leads['105']['id']}")
    client.create("leads", {"last_name": "Stranger"})
    expected = {
        ("contact", "103", "company_name"),
        ("contact", "104", "last_name"),
        ("contact_account", "103", "5000", "missing"),
        ("contact", "105", "missing"),
        ("leads", "unexpected"),
    }
    assert expected == findings(run, client)


def test_the_sheet_leads_to_the_lead() -> None:
    """The spot check's address of a lead is that of the leads module."""
    from crmbook.phases import spot_check

    classes = frame(
        tables.CLASSES,
        {"entity": "contact", "source_id": "1", "class": "loaded", "module": "leads", "target_id": 9, "reason": ""},
        {"entity": "contact", "source_id": "2", "class": "rejected", "reason": "email: email_missing"},
    )  # fmt: skip
    sheet = spot_check.spot_check(
        classes=classes, link_classes=tables.LINK_CLASSES.empty(),
        evidence=pl.DataFrame(schema={"entity": pl.String, "source_id": pl.String, "covers": pl.String}),
        source_base_url="https://a.user.com/api/public", target_base_url="https://a.freshsales.io/api",
    )  # fmt: skip
    urls = dict(sheet.select("source_id", "target_url").iter_rows())
    assert {"1": "https://a.freshsales.io/leads/9", "2": None} == urls


def test_owners_of_leads_wait_too(case: Case) -> None:
    """A lead whose owner has no user stands in the queue under its own place."""
    from crmbook.phases import reassigning

    _box, run, client = case
    loaded(run, client)
    mine = people().with_columns(
        owner_agent_id=pl.when(pl.col("source_id") == "105").then(pl.lit("2")).otherwise(pl.lit("1"))
    )
    users = run.read("target_owners")
    now = users.with_columns(is_active=pl.lit(value=True))
    queue = reassigning.queue(
        {"contact": mine}, owners=owners(), users_then=users, users_now=now, crosswalk=run.read("crosswalk"),
        admin_email=ADMIN,
    )  # fmt: skip
    assert [("lead", "105")] == queue.select("entity", "source_id").rows()
