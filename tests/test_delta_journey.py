"""acme after its go-live rehearsal: both sides move on, a delta carries over exactly that, and two empty ones prove it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from conftest import Finished
from crmbook.ledger import Ledger
from crmbook.sandbox.server import Sandbox
from delta_account import Account, scenario


@dataclass(frozen=True)
class Walked:
    """The account after a whole run, a delta that was killed and went on, and two more; what each step showed."""

    account: Account
    done_when_killed: int
    seen: dict[str, Finished]
    asked: dict[str, dict[str, int]]
    states: dict[str, str]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    with Sandbox(scenario()) as box:
        account = Account(box, tmp_path_factory.mktemp("delta") / "runs")
        account.loaded()
        account.moves_on()
        before = account.history_asked()
        killed = account.killed_while_writing()
        seen, asked, states = {}, {}, {}
        for run in ("test-02", "test-03", "test-04"):
            seen[run] = account.run("--delta")
            assert seen[run].code == 0, seen[run].err
            states[run] = account.state()
            now = account.history_asked()
            asked[run] = {kind: n - before[kind] for kind, n in now.items()}
            before = now
        seen["status"] = account.customer.crm("status", "acme")
        yield Walked(account, killed, seen, asked, states)


def rows(walked: Walked, run: str, phase: str, name: str, *columns: str) -> list[tuple[Any, ...]]:
    return walked.account.table(run, phase, name).select(columns).rows()


def test_what_moved_in_the_source_is_found(walked: Walked) -> None:
    """By content, though no stamp of a change moved; a visit is no change."""
    balance = walked.account.table("test-02", "01_discovery", "delta_balance")
    moved = balance.select("entity", "new", "changed", "deleted").filter(
        pl.sum_horizontal("new", "changed", "deleted") > 0
    )
    assert moved.rows() == [
        ("activity", 1, 1, 0), ("company", 0, 0, 1), ("contact", 1, 5, 0), ("conversation", 0, 1, 0),
        ("deal", 0, 1, 0), ("message", 1, 0, 0),
    ]  # fmt: skip


def test_exactly_what_moved_is_written(walked: Walked) -> None:
    """New, changed, joined, left; nothing for the rest, nothing for what was deleted at the source."""
    assert sorted(op for (op,) in rows(walked, "test-02", "05_load", "plan", "op_id")) == sorted([
        "contact:update:1", "contact:update:3", "contact:update:7", "contact:update:8", "contact:update:9",
        "contact:create:13", "deal:update:31", "deal:close:31", "contact:lifecycle:1", "task:update:activity:52",
        "sales_activity:create:activity:53", "note:update:conversation:71:1", "list:add:list:1:1", "list:remove:list:1:1",
    ])  # fmt: skip
    assert walked.account.table("test-02", "05_load", "outcomes")["outcome"].unique().to_list() == ["done"]


def test_only_the_changed_fields_are_sent(walked: Walked) -> None:
    """A renamed contact whose property was emptied: these two and nothing else."""
    sent = dict(rows(walked, "test-02", "05_load", "plan", "op_id", "payload"))
    assert json.loads(sent["contact:update:9"]) == {
        "last_name": "Holmquist",
        "custom_field": {"cf_renewal": None},
    }


def test_the_target_holds_what_the_source_does_now(walked: Walked) -> None:
    """Renamed, emptied, won with its date and without its lost links, chat and task as they are."""
    people, money = walked.account.target("contacts"), walked.account.target("deals")
    assert (people["9"]["last_name"], people["9"]["custom_field"].get("cf_renewal")) == ("Holmquist", None)
    assert (money["31"]["closed_date"], money["31"]["sales_account_id"]) == ("2026-06-01", None)
    assert money["31"]["contact_ids"] == [people["1"]["id"]]
    haff = walked.account.target("sales_accounts")["22"]["id"]
    assert [link["id"] for link in people["8"]["sales_accounts"]] == [haff]
    assert people["1"]["sales_accounts"] == []
    assert people["1"]["custom_field"]["cf_tags"] == "reseller"
    (chat,) = (note for note in walked.account.all_of("notes") if "chat 71" in note["description"])
    assert "message 3" in chat["description"]
    assert {task["title"]: task["status"] for task in walked.account.all_of("tasks")} == {
        "Send the offer": 1,
        "Call back": 0,
    }


def test_nobody_stands_there_twice(walked: Walked) -> None:
    """The merged record that became the fuller one did not make a second contact: the survivor took its values over."""
    people = walked.account.target("contacts")
    assert sorted(people, key=int) == ["1", "3", "7", "8", "9", "10", "11", "13"]
    assert (people["3"]["city"], people["3"]["mobile_number"]) == ("Gdynia", "+48600700777")
    merged = rows(walked, "test-02", "04_normalization", "merges", "source_id", "survivor_id")
    assert merged == [("2", "3")]


def test_a_persons_work_in_the_target_stands(walked: Walked) -> None:
    """A conflict is theirs and reported; so is what they changed, gave away, filled, deleted and added."""
    people = walked.account.target("contacts")
    ines = next(one["id"] for one in walked.account.all_of("owners") if one["email"] == "ines@acme.example")
    assert people["1"]["mobile_number"] == "+1999"
    assert (people["11"]["mobile_number"], people["11"]["job_title"]) == ("+1888", "Skipper")
    assert people["7"]["owner_id"] == ines
    assert "12" not in people
    assert rows(walked, "test-02", "05_load", "conflicts", "entity", "source_id", "key", "winner") == [
        ("contact", "1", "mobile_number", "target")
    ]
    assert rows(walked, "test-02", "05_load", "target_changes", "entity", "source_id", "keys") == [
        ("contact", "11", ["mobile_number"]), ("contact", "12", ["record"]), ("contact", "7", ["owner_id"]),
    ]  # fmt: skip


def test_it_is_a_class_of_its_own_in_the_reconciliation(walked: Walked) -> None:
    """Kept by the target: neither a difference nor hidden."""
    assert rows(walked, "test-02", "06_reconciliation", "kept", "kind", "entity", "source_id", "what") == [
        ("field", "contact", "1", "mobile_number"), ("field", "contact", "11", "job_title"),
        ("field", "contact", "11", "mobile_number"), ("field", "contact", "7", "owner_id"),
        ("link", "contact_owner", "7", "2"), ("record", "contact", "12", ""),
    ]  # fmt: skip
    balance = walked.account.table("test-02", "06_reconciliation", "class_balance")
    person = balance.row(by_predicate=pl.col("entity") == "contact", named=True)
    assert (person["kept_by_target"], person["missing"], person["unaccounted"]) == (1, 0, 0)


def test_a_killed_delta_goes_on(walked: Walked) -> None:
    """Killed with signal 9 amid its changes, then every write of the plan once."""
    assert 1 < walked.done_when_killed < 5
    with Ledger(walked.account.ledger()) as ledger:
        assert ledger.pending() == []
        assert len(ledger.finished()) == 14


def test_an_empty_delta_writes_nothing(walked: Walked) -> None:
    """No plan, no approval asked for, and the target is what it was."""
    assert walked.states["test-02"] == walked.states["test-03"] == walked.states["test-04"]
    for run in ("test-03", "test-04"):
        record = json.loads((walked.account.customer.folder / run / "run.json").read_text(encoding="utf-8"))
        assert (record["delta"]["changes"], record["delta"]["writes"]) == (0, 0)
        assert [a["what"] for a in record["approvals"]] == ["reconciliation"]
        assert walked.account.table(run, "05_load", "plan").height == 0


def test_history_is_asked_for_only_where_a_record_changed(walked: Walked) -> None:
    """Per contact: those whose record is another one; nobody's twice; everybody's in the delta that proves it."""
    assert walked.asked["test-02"]["events"] == 6  # 1, 2, 8, 9, 10, 13
    assert walked.asked["test-03"]["events"] == 0
    assert walked.asked["test-04"]["events"] == 13


def test_two_empty_deltas_prove_the_cutover(walked: Walked) -> None:
    """Status and the last notebook say so, with the runs."""
    said = walked.seen["status"].out.splitlines()[-1]
    assert said.startswith("cutover proven: two empty deltas in a row (test-03, read ")
    notebook = (walked.account.customer.folder / "test-04" / "07_handoff" / "notebook.ipynb").read_text(
        encoding="utf-8"
    )
    assert said.partition(",")[0] in notebook


def test_a_delta_started_again_is_the_next_one(walked: Walked) -> None:
    """Each was finished, so each command began another, going on from the one before."""
    chain = [
        json.loads((walked.account.customer.folder / f"test-0{n}" / "run.json").read_text(encoding="utf-8"))[
            "delta"
        ]["base"]
        for n in (2, 3, 4)
    ]
    assert chain == ["test-01", "test-02", "test-03"]
    again = walked.account.run("--run", "test-01", "--delta")
    assert (again.code, again.err) == (
        2,
        "run test-01 is no delta run; leave out --run to start or continue one\n",
    )
