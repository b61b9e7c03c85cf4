"""What goes wrong on a customer's side: one line, its exit code, nothing in the target, nothing half-written."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import Finished
from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.server import Sandbox
from customer_setup import REALMS, Customer, Journey, content_of, scenario

WRONG = "wrong-" + "0" * 58


@pytest.fixture(scope="module")
def silent_box() -> Iterator[Sandbox]:
    """The same account, without the route that would tell its agents."""
    told = scenario()
    with Sandbox(Scenario(told.usercom, told.freshsales, {"provisional": {"agents": False}})) as box:
        yield box


@pytest.fixture
def new_customer(journey: Journey, tmp_path: Path) -> Customer:
    """acme before its first run, over the journey's sandbox."""
    made = Customer(journey.customer.box, tmp_path / "runs")
    made.runs.mkdir()
    made.write_settings()
    return made


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _phase(acme: Customer, phase: str, run_id: str = "test-01") -> dict[str, Any]:
    content = json.loads((acme.folder / run_id / "run.json").read_text(encoding="utf-8"))
    state: dict[str, Any] = content["phases"][phase]
    return state


def _stopped(acme: Customer, before: list[dict[str, int]], told: Finished, code: int) -> str:
    """The one line a stop printed, once it is sure that the target is untouched and no file is half-written."""
    assert told.code == code, told.out + told.err
    assert told.err.count("\n") == 1
    assert _writes(acme) == before
    # what the workbook remembers between starts is whole at any moment
    known = (".quota.db", ".history.db", ".target-", ".written.json", ".fields.jsonl")
    assert [p.name for p in acme.runs.rglob(".*") if not p.name.startswith(known)] == []
    assert [p.name for p in acme.runs.glob(".target-*") if p.stat().st_size] == []
    for path in acme.runs.rglob("*.parquet"):
        pl.read_parquet(path)
    return told.err.removesuffix("\n")


def _writes(acme: Customer) -> list[dict[str, int]]:
    return [acme.record_writes(realm) for realm in REALMS.values()]


def test_a_wrong_source_key_is_named_without_being_told(new_customer: Customer) -> None:
    """Exit 2 with the route and the status; the key stands neither in the line nor in any file."""
    acme, before = new_customer, _writes(new_customer)
    acme.tokens["ACME_USERCOM_TOKEN"] = WRONG
    line = _stopped(acme, before, acme.run(), 2)
    assert line.startswith("GET /attributes/: not allowed (HTTP 401) for attributes")
    assert "test-01/01_discovery/notebook.ipynb" in line
    assert [p for p in acme.runs.rglob("*") if p.is_file() and WRONG.encode() in p.read_bytes()] == []
    assert _phase(acme, "01_discovery")["status"] == "failed"
    assert sum(pl.read_parquet(path).height for path in acme.runs.rglob("*.parquet")) == 0


def test_an_unreachable_source_is_exit_5(new_customer: Customer) -> None:
    """After its retries one line with the route; running again resumes, so the code is the vendor's."""
    acme, before = new_customer, _writes(new_customer)
    port = _closed_port()
    acme.write_settings({acme.box.ready["usercom"]["base_url"]: f"http://127.0.0.1:{port}/api/public/"})
    line = _stopped(acme, before, acme.run(), 5)
    assert line.startswith("GET /attributes/: no usable answer for attributes after 5 attempts; ")


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        pytest.param(
            {"time_zone =": "time_zome ="},
            "unknown key customer.time_zome; expected one of active_automations, admin_email, name, time_zone",
            id="misspelled key",
        ),
        pytest.param(
            {'plan = "pro"': 'plan = "platinum"'},
            "target.test.plan: Input should be 'free', 'growth', 'pro'",
            id="no such plan",
        ),
        pytest.param(
            {"active_automations = 1": 'active_automations = "1"'},
            "customer.active_automations: Input should be a valid integer",
            id="wrong type",
        ),
        pytest.param({"[customer]": "[customer"}, "not valid TOML: ", id="no TOML"),
    ],
)
@pytest.mark.parametrize("command", ["run", "doctor"])
def test_settings_that_cannot_be_read_name_file_and_key(
    new_customer: Customer, command: str, replaced: dict[str, str], expected: str
) -> None:
    """Exit 2 before anything runs: no run folder, no request."""
    new_customer.write_settings(replaced)
    before, asked = content_of(new_customer.runs), new_customer.box.admin("GET", "/requests?realm=usercom")
    told = new_customer.crm(command, "acme", "--env", "test")
    assert told.code == 2
    assert told.err.startswith(f"acme/customer.toml: {expected}")
    assert told.err.count("\n") == 1
    assert content_of(new_customer.runs) == before
    assert new_customer.box.admin("GET", "/requests?realm=usercom") == asked


def test_a_key_that_is_not_exported_is_asked_for(new_customer: Customer) -> None:
    """Exit 2 with the name of the variable, not of a notebook's cell."""
    acme, before = new_customer, _writes(new_customer)
    acme.tokens["ACME_USERCOM_TOKEN"] = ""
    line = _stopped(acme, before, acme.run(), 2)
    assert line.startswith(
        "acme/customer.toml: [source] token_env names ACME_USERCOM_TOKEN, which is not set"
    )


def test_missing_agents_are_asked_for_with_a_file_to_fill_in(silent_box: Sandbox, tmp_path: Path) -> None:
    """Exit 4 names the file and writes it with its header; filled in, the same command goes on."""
    acme = Customer(silent_box, tmp_path / "runs")
    acme.runs.mkdir()
    acme.write_settings()
    line = _stopped(acme, _writes(acme), acme.run("test", "--to", "01_discovery"), 4)
    assert line == (
        "the source API does not tell agents; fill in runs/acme/source/agents.csv (agent_id, name, email);"
        " then: crmbook run acme --env test --run test-01"
    )
    path = acme.folder / "source" / "agents.csv"
    assert path.read_text(encoding="utf-8") == "agent_id,name,email\n"
    assert _phase(acme, "01_discovery")["status"] == "waiting"

    path.write_text("agent_id,name,email\n1,Ines Maas,ines@acme.example\n", encoding="utf-8")
    again = acme.run("test", "--to", "01_discovery")
    assert (again.code, again.out.splitlines()[0]) == (0, "01_discovery passed"), again.err
    agents = pl.read_parquet(acme.folder / "test-01/01_discovery/data/agents.parquet")
    assert agents.rows() == [("1", "Ines Maas", "ines@acme.example")]


@pytest.mark.parametrize(
    ("token", "host", "code", "expected"),
    [
        pytest.param(WRONG[:22], None, 2, r"not allowed (HTTP 401)", id="wrong key"),
        pytest.param(None, "http://127.0.0.1:{port}/crm/sales/api", 5, "no usable answer", id="unreachable"),
    ],
)
def test_a_target_that_does_not_let_us_in(
    journey: Journey, tmp_path: Path, token: str | None, host: str | None, code: int, expected: str
) -> None:
    """It is found in 03_workspace, before anything is measured or written."""
    journey.to("mapped")
    acme = journey.again_from("mapped", tmp_path)
    if token:
        acme.tokens["ACME_FRESHSALES_TEST_TOKEN"] = token
    if host:
        acme.write_settings({acme.box.ready["freshsales_test"]["base_url"]: host.format(port=_closed_port())})
    line = _stopped(acme, _writes(acme), acme.run(), code)
    assert line.startswith("GET /")
    assert expected in line
    assert _phase(acme, "03_workspace")["status"] == "failed"


def test_a_pipeline_the_target_lacks_is_a_persons_task(
    journey: Journey, silent_box: Sandbox, tmp_path: Path
) -> None:
    """Everything else is there: exit 4, and the checklist's open items are the pipeline and its stages."""
    journey.to("mapped")
    acme = Customer(silent_box, shutil.copytree(journey.copies / "mapped", tmp_path / "runs"))
    acme.write_settings()
    rows = acme.checklist("test-01")
    acme.configure("freshsales_test", [row for row in rows if row["kind"] == "custom_field"])
    line = _stopped(acme, _writes(acme), acme.run("test", "--run", "test-01"), 4)
    assert line.startswith(
        "4 checklist items are open in the target (1 pipeline, 3 stage); see test-01/03_workspace/checklist.csv"
    )
    named = {
        (row["kind"], row["pipeline"]) for row in acme.checklist("test-01")
        if row["status"] == "missing" and row["kind"] in ("pipeline", "stage")
    }  # fmt: skip
    assert named == {("pipeline", "Rentals"), ("stage", "Rentals")}


def test_an_altered_table_stops_whoever_reads_it(journey: Journey, tmp_path: Path) -> None:
    """Exit 2 with the file and the command that mends it; no plan is made of it."""
    journey.to("loaded")
    acme = journey.again_from("planned", tmp_path)
    run = acme.folder / "test-01"
    path = run / "04_normalization" / "data" / "contacts.parquet"
    pl.read_parquet(path).with_columns(job_title=pl.lit("Boss")).write_parquet(path)
    line = _stopped(acme, _writes(acme), acme.run(), 2)
    assert line.startswith(
        "04_normalization/data/contacts.parquet: changed since 04_normalization wrote it; run 04_normalization"
        " again with crmbook run acme --env test --run test-01 --from 04_normalization"
    )
    assert not (run / "05_load" / "data" / "plan.parquet").exists()
    assert not (run / "ledger.db").exists()


def test_a_missing_table_is_named(journey: Journey, tmp_path: Path) -> None:
    """A file somebody deleted is exit 2 with the phase that makes it again."""
    journey.to("loaded")
    acme = journey.again_from("planned", tmp_path)
    (acme.folder / "test-01" / "04_normalization" / "data" / "deals.parquet").unlink()
    line = _stopped(acme, _writes(acme), acme.run(), 2)
    assert line.startswith(
        "04_normalization/data/deals.parquet: not there; run crmbook run acme --env test --run test-01"
        " --from 04_normalization"
    )
