"""A scenario folder either loads completely or says in one line which file, row and key is wrong."""

import json
from pathlib import Path

import pytest

from crmbook.sandbox.scenario import Scenario, ScenarioError, check, load, seed
from crmbook.sandbox.scenario_keys import KINDS
from crmbook.sandbox.store import Store

PIPELINE = {"id": 7, "name": "Sales", "stages": [{"id": 70, "name": "New"}]}
DEAL = {"id": 1, "name": "Big", "pipeline": 7, "stage": 70}


def folder(tmp_path: Path, **files: object) -> Path:
    for stem, content in files.items():
        (tmp_path / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def test_missing_files_are_empty_lists(tmp_path):
    """A folder with one file loads; everything else is empty."""
    scenario = load(folder(tmp_path, tags=[{"id": 1, "name": "vip"}]))
    assert {"tags": [{"id": 1, "name": "vip"}]} == {k: rows for k, rows in scenario.usercom.items() if rows}
    assert (set(KINDS), {}, {}) == (set(scenario.usercom), scenario.freshsales, scenario.switches)


def test_no_folder_is_an_empty_account():
    """A scenario of None serves an account without rows."""
    assert Scenario({kind: [] for kind in KINDS}) == load(None)


def test_tenant_description_passes_through_unread(tmp_path):
    """What freshsales.json says is the other side's business."""
    said = {"owners": [{"email": "a@b.example"}], "anything": 1}
    assert said == load(folder(tmp_path, freshsales=said)).freshsales


def test_switches_are_read(tmp_path):
    """usercom.json holds the source side's switches."""
    said = {"provisional": {"agents": False}, "next_404": True}
    assert said == load(folder(tmp_path, usercom=said)).switches


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({"people": []}, "people.json: unknown file", id="unknown file"),
        pytest.param({"users": {}}, "users.json: expected a list of objects, found dict", id="not a list"),
        pytest.param(
            {"freshsales": []}, "freshsales.json: expected an object, found list", id="not an object"
        ),
        pytest.param(
            {"users": [{"id": 1}, 5]}, "users.json row 1: expected an object, found int", id="row not object"
        ),
        pytest.param(
            {"users": [{"id": 1, "emial": "x"}]}, "users.json row 0: unknown key 'emial'", id="typo in a key"
        ),
        pytest.param({"users": [{"name": "x"}]}, "users.json row 0: key 'id' is missing", id="no id"),
        pytest.param({"tags": [{"id": 1}]}, "tags.json row 0: key 'name' is missing", id="no name"),
        pytest.param({"users": [{"id": "1"}]}, "users.json row 0: id must be a positive", id="id as text"),
        pytest.param({"users": [{"id": 1}, {"id": 1}]}, "users.json row 1: id 1 is used twice", id="same id"),
        pytest.param(
            {"users": [{"id": 1, "tag_ids": None}]},
            "users.json row 0: tag_ids must be a list",
            id="null list",
        ),
        pytest.param(
            {"users": [{"id": 1, "attributes": []}]}, "attributes must be an object", id="attributes a list"
        ),
        pytest.param(
            {"users": [{"id": 1, "attributes": {"plan": 1}}]},
            "users.json row 0: attribute 'plan' is not declared for user",
            id="undeclared attribute",
        ),
        pytest.param(
            {"users": [{"id": 1, "company_ids": [{"member_since": None}]}]},
            "users.json row 0, company_ids: key 'id' is missing",
            id="membership without a company",
        ),
        pytest.param(
            {"users": [{"id": 1, "company_ids": [{"id": 9}]}]},
            "users.json row 0: company_ids 9 is not an id in companies.json",
            id="unknown company",
        ),
        pytest.param(
            {"pipelines": [PIPELINE], "deals": [{**DEAL, "stage": 71}]},
            "deals.json row 0: stage 71 is not a stage of pipeline 7",
            id="stage of another pipeline",
        ),
        pytest.param(
            {"deals": [DEAL]}, "deals.json row 0: pipeline 7 is not an id in pipelines.json", id="no pipeline"
        ),
        pytest.param(
            {"pipelines": [PIPELINE], "deals": [{**DEAL, "user_id": 3}]},
            "deals.json row 0: user_id 3 is not an id in users.json",
            id="unknown user",
        ),
        pytest.param(
            {"pipelines": [PIPELINE], "deals": [{**DEAL, "participants": [3]}]},
            "deals.json row 0: participants 3 is not an id in users.json",
            id="unknown participant",
        ),
        pytest.param(
            {"segments": [{"id": 1, "name": "S", "user_ids": [4]}]},
            "segments.json row 0: user_ids 4 is not an id in users.json",
            id="unknown member",
        ),
        pytest.param({"usercom": {"next404": True}}, "usercom.json: unknown key 'next404'", id="no switch"),
        pytest.param(
            {"usercom": {"unknown_attribute": "drop"}},
            "usercom.json: unknown_attribute is 'drop'; expected create or ignore or 400",
            id="no such policy",
        ),
        pytest.param(
            {"usercom": {"provisional": {"agent": False}}}, "usercom.json: provisional is", id="no such route"
        ),
    ],
)
def test_a_fault_names_file_row_and_key(tmp_path, files, message):
    """The first fault stops the load with one line."""
    with pytest.raises(ScenarioError) as caught:
        load(folder(tmp_path, **files))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_json_names_the_file(tmp_path):
    """A file that is no JSON is named."""
    (tmp_path / "users.json").write_text("[{", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"users\.json: not readable as JSON"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """A misspelled folder is no empty account."""
    with pytest.raises(ScenarioError, match="no such folder"):
        load(tmp_path / "nowhere")


def test_an_agent_who_left_may_still_own_a_deal():
    """References to agents are free: the account keeps the id of a person who is gone."""
    scenario = Scenario({"pipelines": [PIPELINE], "deals": [{**DEAL, "assigned_to": 99}], "agents": []})
    check(scenario)
    assert 99 not in [agent["id"] for agent in scenario.usercom["agents"]]


def test_seeding_leaves_the_scenario_alone(tmp_path):
    """Rows are copied: what the account does to them never reaches the scenario."""
    scenario = Scenario({"tags": [{"id": 1, "name": "vip"}]})
    store = Store()
    seed(store, scenario)
    store.table("usercom", "tags").get(1)["name"] = "changed"
    assert [{"id": 1, "name": "vip"}] == scenario.usercom["tags"]


def test_seeding_twice_keeps_what_the_account_became(tmp_path):
    """A restarted sandbox goes on with its state instead of starting over."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    seed(store, Scenario({"tags": [{"id": 1, "name": "vip"}]}))
    store.table("usercom", "tags").delete(1)
    store.close()
    again = Store(path)
    seed(again, Scenario({"tags": [{"id": 1, "name": "vip"}]}))
    assert [] == again.table("usercom", "tags").values()
    again.close()
