"""Many customers side by side: one that fails, waits or is killed stops none, and running again continues each."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import batch_case as case
from conftest import PROJECT, Finished, crmbook
from crmbook import batch
from crmbook.batch_worker import Outcome
from customer_setup import Customer, content_of

# more than one of them asks for before it waits for its checklist, fewer than both
HOUR = 20
KEYS = ["demo", "badtoken", "killed", "waits"]


@dataclass
class Scene:
    """Four customers: one is done, one's token is wrong, one is killed, one waits; then mended, and the batch typed again."""

    runs: Path
    first: Finished
    again: Finished
    text: Finished
    environ: dict[str, str]
    cwd: Path
    before: dict[str, Any] = field(repr=False)
    after: dict[str, Any] = field(repr=False)

    def code(self, finished: Finished) -> dict[str, int]:
        return {row["customer"]: row["exit_code"] for row in finished.json["customers"]}

    def row(self, finished: Finished, key: str) -> dict[str, Any]:
        found: dict[str, Any] = next(r for r in finished.json["customers"] if r["customer"] == key)
        return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    runs = tmp_path_factory.mktemp("batch") / "runs"
    done = shutil.copytree(PROJECT / "runs" / "demo", runs / "demo") / "test-01"
    with case.opened(KEYS[1:], runs) as customers:
        env, killed = case.tokens(customers), customers["killed"]
        before = content_of(done)
        killed.box.admin("POST", "/faults", [case.SLOW])
        wrong = env | {customers["badtoken"].variable("usercom"): "0" * 64}
        started = case.Batch(KEYS, runs, wrong, "--jobs", "4", "--json")
        pid = started.pid("killed")
        environ, cwd = _environ(pid), Path(f"/proc/{pid}/cwd").readlink()
        os.kill(pid, signal.SIGKILL)
        first = started.ended()
        killed.box.admin("DELETE", "/faults")
        approved = _approved(customers["waits"], first)
        assert approved.code == 0, approved.err
        again = case.run(KEYS, runs, env, "--jobs", "2", "--json")
        text = case.run(["demo", "nobody"], runs, env)
        yield Scene(runs, first, again, text, environ, cwd, before, content_of(done))


def _environ(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _approved(customer: Customer, finished: Finished) -> Finished:
    command = next(r["command"] for r in finished.json["customers"] if r["customer"] == customer.key)
    return customer.crm(*("Eva Nowak" if word == "NAME" else word for word in command.split()[1:]))


def test_one_that_fails_is_killed_or_waits_stops_no_other(scene: Scene) -> None:
    """Each has the exit code it would have alone, and the batch that of the most serious."""
    assert scene.code(scene.first) == {"demo": 0, "badtoken": 2, "killed": 1, "waits": 4}
    assert (scene.first.code, scene.first.json["exit_code"]) == (1, 1)


def test_each_row_says_what_it_is_about(scene: Scene) -> None:
    """The refused key, the signal, the command to type, the report."""
    assert "not allowed (HTTP 401)" in scene.row(scene.first, "badtoken")["error"]
    assert scene.row(scene.first, "killed")["error"].startswith("killed by signal 9; run again to continue")
    waits = scene.row(scene.first, "waits")
    assert waits["waits_for"].startswith("mapping waits for approval")
    assert re.fullmatch(
        r"crmbook approve waits --run test-01 mapping --by NAME --hash \w{12}", waits["command"]
    )
    assert scene.row(scene.first, "demo")["report"] == str(scene.runs / "demo" / "test-01" / "index.html")


def test_running_again_continues_each_where_it_was(scene: Scene) -> None:
    """The mended ones come to where a person is needed: two at the map, the approved one at the admin's checklist."""
    assert scene.code(scene.again) == {"demo": 0, "badtoken": 4, "killed": 4, "waits": 4}
    assert scene.again.code == 4
    assert {scene.row(scene.again, key)["run"] for key in KEYS} == {"test-01"}
    assert scene.row(scene.again, "killed")["waits_for"].startswith("mapping waits for approval")
    assert "checklist" in scene.row(scene.again, "waits")["waits_for"]


def test_a_finished_customer_is_left_alone(scene: Scene) -> None:
    """Not a byte of its run changes in three batches."""
    assert scene.before == scene.after


def test_a_process_works_with_its_own_tokens_only(scene: Scene) -> None:
    """What it could have leaked of another customer it never had."""
    assert scene.cwd.is_relative_to(scene.runs / "killed")
    assert sorted(n for n in scene.environ if n.endswith("_TOKEN")) == [
        "KILLED_FRESHSALES_TEST_TOKEN", "KILLED_FRESHSALES_TOKEN", "KILLED_USERCOM_TOKEN",
    ]  # fmt: skip


def test_each_customer_has_its_own_log(scene: Scene) -> None:
    """What happened to it, in the order of the batches, for its owner alone, and no token."""
    log = scene.runs / "waits" / "batch.log"
    told = [line.partition(" ")[2] for line in log.read_text(encoding="utf-8").splitlines()]
    assert told[:3] == ["waits --env test", "01_discovery passed", "02_mapping passed"]
    assert log.stat().st_mode & 0o777 == 0o600
    everything = "".join((scene.runs / key / "batch.log").read_text(encoding="utf-8") for key in KEYS)
    assert not [
        value for name, value in scene.environ.items() if name.endswith("_TOKEN") and value in everything
    ]


def test_the_table_names_every_customer_with_its_code_and_report(scene: Scene) -> None:
    """An unknown customer is a row like any other."""
    report = scene.runs / "demo" / "test-01" / "index.html"
    *table, last = scene.text.out.splitlines()[-5:]
    assert table[0].split() == ["customer", "exit", "run", "what"]
    assert table[1].split() == ["demo", "0", "test-01", "done"]
    assert table[2].strip() == str(report)
    assert table[3].split()[:3] == ["nobody", "2", "-"]
    assert "write one with: crmbook new nobody" in table[3]
    assert last == f"all customers: {scene.runs / 'index.html'}"
    assert scene.text.code == 2


def test_the_index_over_all_customers_leads_to_each(scene: Scene) -> None:
    """Made by the batch, whatever became of them."""
    page = (scene.runs / "index.html").read_text(encoding="utf-8")
    assert [key for key in KEYS if f'href="{key}/index.html"' not in page] == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_the_processes_end_with_the_batch(tmp_path: Path, sign: signal.Signals) -> None:
    """However the batch ends: its children and their kernels are gone, the next batch may start at once."""
    with case.opened(["acme"], tmp_path) as customers:
        customers["acme"].box.admin("POST", "/faults", [case.SLOW])
        started = case.Batch(["acme"], tmp_path, case.tokens(customers))
        pid = started.pid("acme")
        family = [pid, *_descendants(pid)]
        assert len(family) >= 3  # the process, the gates', the kernel
        started.process.send_signal(sign)
        finished = started.ended()
        assert finished.code == (130 if sign == signal.SIGINT else -signal.SIGKILL)
        assert [member for member in family if not case.is_gone(member)] == []


def _descendants(pid: int) -> list[int]:
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return children + [grandchild for child in children for grandchild in _descendants(child)]


def test_customers_of_one_tenant_take_turns_and_share_its_quota(tmp_path: Path) -> None:
    """Both at once would be refused; one after the other they spend exactly the tenant's hour, and not a call more."""
    with case.opened(["acme"], tmp_path) as customers:
        acme = customers["acme"]
        other = Customer(acme.box, tmp_path, key="other")
        for customer in (acme, other):
            customer.write_settings({"requests_per_hour = 20000": f"requests_per_hour = {HOUR}"})
        finished = case.run(
            ["acme", "other"], tmp_path, case.tokens({"acme": acme, "other": other}) | {"CRMBOOK_MAX_WAIT_S": "0"},
            "--jobs", "2", "--json", "--approve-all", "--by", "Eva Nowak",
        )  # fmt: skip
        codes = {row["customer"]: (row["exit_code"], row["kind"]) for row in finished.json["customers"]}
        assert codes == {"acme": (4, "Waiting"), "other": (5, "RateLimited")}
        assert acme.box.admin("GET", f"requests?realm={case.REALM}")["total"] == HOUR


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((0, 0), 0), ((0, 4), 4), ((4, 5), 5), ((5, 4, 3), 3), ((3, 2), 2), ((2, 0, 1), 1), ((0, 130, 1), 130)],
)
def test_the_batchs_exit_code_is_that_of_the_most_serious_stop(codes: tuple[int, ...], expected: int) -> None:
    """A bug before settings, settings before a gate, a gate before the vendor, and a person's approval last."""
    assert batch.exit_code([Outcome(f"c{n}", code) for n, code in enumerate(codes)]) == expected


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"], "--jobs is for this machine"),
        (["--approve-all"], "--approve-all needs --by NAME"),
    ],
    ids=["two places", "nameless"],
)
def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, options: list[str], line: str
) -> None:
    """Before anything runs, with exit code 2."""
    refused = crmbook("batch", "acme", "--env", "test", *options, runs=tmp_path)
    assert refused.code == 2
    assert line in refused.err
    assert json.dumps([p.name for p in tmp_path.iterdir()]) == "[]"
