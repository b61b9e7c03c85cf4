"""The tenant's settings as tables, and the checklist as a file an admin opens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import load_case as case
from crmbook import csvfiles, tables, target, workspace_read
from crmbook.errors import ConfigError, DataError, NotFound
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import freshsales
from crmbook.vendors.freshsales import Freshsales


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=case.TENANT) as box:
        yield box


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Freshsales]:
    sandbox.admin("POST", "reset")
    ready = sandbox.ready[case.REALM]
    made = freshsales.connect("suite", ready["base_url"], ready["token"])
    with made.client:
        yield made


def test_settings_become_tables(sandbox: Sandbox, client: Freshsales) -> None:
    """After an admin prepared it, the tenant's fields, users, stages, statuses and currencies are all there."""
    found = case.ready_tenant(sandbox, client)
    plan = found["target_fields"].row(by_predicate=pl.col("api_name") == "cf_plan", named=True)
    assert (plan["module"], plan["field_type"], plan["choices"], plan["is_custom"]) == (
        "contacts", "dropdown", ["free", "paid, yearly"], True,
    )  # fmt: skip
    assert len(plan["choice_ids"]) == 2
    mark = found["target_fields"].filter(pl.col("api_name") == "cf_usercom_original_id")
    assert (plan["is_unique"], mark["is_unique"].to_list()) == (False, [True, True, True])
    assert found["target_owners"].select("email", "is_active").rows() == [
        ("admin@case.example", True), ("OLA@case.example", True), ("ines@case.example", False),
    ]  # fmt: skip
    sales = found["target_stages"].filter(pl.col("pipeline") == "Sales").sort("position")
    assert sales.select("stage", "probability", "forecast_type").rows() == [
        ("New", 20.0, "Open"), ("Won", 100.0, "Closed Won"), ("Lost", 0.0, "Closed Lost"),
    ]  # fmt: skip
    assert found["target_statuses"].sort("stage_position", "position").select("stage_type", "status").rows()[
        0
    ] == ("Lead", "New")
    assert found["target_currencies"].select("code", "is_active", "is_base").rows() == [
        ("EUR", True, True),
        ("PLN", True, False),
    ]


def test_activity_types_and_lists_become_tables(client: Freshsales) -> None:
    """Types by their internal name; of the lists, which an earlier run made and which are somebody else's."""
    types = workspace_read.read(client)["target_activity_types"]
    phone = types.row(by_predicate=pl.col("internal_name") == "phone", named=True)
    assert (phone["name"], phone["is_default"]) == ("Phone", True)
    made, theirs = client.create_list("Ours")["id"], client.create_list("Theirs")["id"]
    rows = [("list", "list:1", made), ("contact", "7", theirs)]
    earlier = case.frame(
        tables.CROSSWALK,
        *({"entity": e, "source_id": s, "target_id": t, "origin": "created"} for e, s, t in rows),
    )
    assert workspace_read.lists(client, earlier).rows() == [
        (made, "Ours", "list:1"),
        (theirs, "Theirs", None),
    ]


class Answers:
    """A tenant whose settings are as given."""

    def __init__(self, **rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.edition = freshsales.edition("suite")

    def fields(self, module: str) -> list[dict[str, Any]]:  # noqa: ARG002  the interface
        return self.rows.get("fields", [])

    def forms(self, module: str) -> list[dict[str, Any]]:
        if "forms" not in self.rows:
            raise NotFound("GET", f"/settings/{module}/forms")
        return self.rows["forms"]

    def selector(self, name: str) -> list[dict[str, Any]]:
        return self.rows.get(name, [])

    def pipelines(self) -> list[dict[str, Any]]:
        return self.rows.get("pipelines", [])


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        ({}, None),
        ({"forms": [{"fields": [{"name": "basic", "fields": [{"name": "cf_x", "field_options": {"unique": True}}]}]}]}, True),
        ({"forms": [{"fields": [{"name": "cf_x", "field_options": {"unique": False}}]}]}, False),
        ({"forms": [{"fields": [{"name": "cf_x", "field_options": {"unique": "yes"}}, None]}, {}]}, None),
    ],
    ids=["no-forms", "in-a-group", "flat", "told-otherwise"],
)  # fmt: skip
def test_uniqueness_is_known_only_where_a_form_tells_it(forms: dict[str, Any], expected: bool | None) -> None:
    """A tenant that does not show its forms leaves it open, which is not the same as no."""
    field = {"name": "cf_x", "type": "text", "default": False}
    found = workspace_read.read(Answers(fields=[field], **forms))  # type: ignore[arg-type]
    assert found["target_fields"]["is_unique"].unique().to_list() == [expected]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"owners": [{"id": 1}]}, "owners: a row of the target's settings has no email"),
        ({"currencies": [{"id": "x", "currency_code": "EUR"}]}, "currencies: .* another kind"),
        ({"pipelines": [{"id": 1, "deal_stages": [{"id": 2}]}]}, "deal_stages: .* has no name"),
        ({"fields": [{"name": "cf_x"}]}, "fields: .* has no type"),
    ],
    ids=["owner", "currency", "stage", "field"],
)
def test_malformed_settings_are_named(rows: dict[str, Any], message: str) -> None:
    """The error says which settings and which key, and shows no value."""
    with pytest.raises(DataError, match=message):
        workspace_read.read(Answers(**rows))  # type: ignore[arg-type]


def test_a_disabled_lifecycle_stage_does_not_count() -> None:
    """Its statuses can't be given to a contact."""
    stages = [
        {"id": 1, "name": "L", "position": 1, "type": "Lead", "disabled": False},
        {"id": 2, "name": "C", "position": 2, "type": "Customer", "disabled": True},
    ]
    statuses = [{"id": 10 + i, "name": "S", "position": 1, "lifecycle_stage_id": i} for i in (1, 2)]
    found = workspace_read.read(Answers(lifecycle_stages=stages, contact_statuses=statuses))  # type: ignore[arg-type]
    assert found["target_statuses"]["status_id"].to_list() == [11]


def test_checklist_csv_is_safe_and_complete(tmp_path: Path) -> None:
    """The contract's columns; text like a formula stands as text; values survive reading back."""
    row = {
        "item_id": "field:contacts:cf_x", "kind": "custom_field", "module": "contacts", "label": "=cmd()",
        "api_name": "cf_x", "field_type": "dropdown", "choices": '["a, b", "c"]', "pipeline": "", "stage": "",
        "probability": None, "position": 3, "unique": True, "how": "admin", "status": "missing", "found": "",
    }  # fmt: skip
    path = tmp_path / "checklist.csv"
    workspace_read.write_checklist(path, case.frame(tables.CHECKLIST, row))
    header, line = path.read_text().splitlines()
    assert header == (
        "item_id,kind,module,label,api_name,field_type,choices,pipeline,stage,probability,position,unique,how,status,found"
    )
    assert ",'=cmd()," in line
    ((_, back),) = csvfiles.read(path, list(tables.CHECKLIST.columns))
    assert back == {k: "" if v is None else str(v) for k, v in row.items()} | {"unique": "true"}


def test_connecting_needs_the_token(
    customers: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, and the budget is the one customer.toml allows."""
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[case.REALM]["token"])
    with case.loading(sandbox, customers) as (run, _):
        client = target.connect(run)
        assert client.client.quota.limits == {"hour": 100_000, "minute": 100_000}
        assert sandbox.ready[case.REALM]["base_url"].split("/")[2] == target.host(run)
        monkeypatch.delenv("CASE_TARGET")
        with pytest.raises(ConfigError, match=r"\[target.test\] token_env names CASE_TARGET"):
            target.connect(run)
