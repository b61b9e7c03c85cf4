"""The machine's own trouble amid a load: a full disk, places that can't be written, a clock that is put back."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import history_case
from crmbook import apply, ledger, target
from crmbook.errors import DataError
from crmbook.ledger import Intent, Ledger
from crmbook.phases import load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from crmbook.vendors.quota import Quota
from load_case import REALM, TENANT, loading

Case = tuple[Sandbox, Run, Freshsales]
PATIENCE_S = 0.3
NOBODY = 65_534


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A load with a history that has not begun, in a folder that any user of the machine may look into."""
    sandbox.admin("POST", "reset")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("CRMBOOK_RUNS", folder)
        monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        monkeypatch.setattr("crmbook.apply_writes._PAUSE_S", 0.0)
        with loading(sandbox, Path(folder), history=history_case.history()) as (run, client):
            history_case.write_files(run.customer_folder)
            apply.plan_of(run, client).collect()
            yield sandbox, run, client


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        sandbox.admin("POST", "reset")
        folder = tmp_path_factory.mktemp("undisturbed")
        patch.setenv("CRMBOOK_RUNS", str(folder))
        patch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        with loading(sandbox, folder, history=history_case.history()) as (run, client):
            history_case.write_files(run.customer_folder)
            apply.plan_of(run, client).collect()
            applied(run, client)
        return state(sandbox)


def applied(run: Run, client: Freshsales) -> None:
    plan = run.read("plan").sort("seq")
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])


ON_A_SMALL_DISK = """
import json, os, resource, shutil, subprocess, sys
from pathlib import Path

kind, left_kb, folder, disk = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
if kind == "no space":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
shutil.copytree(folder, disk / "runs")
os.environ["CRMBOOK_RUNS"] = str(disk / "runs")

from crmbook import apply, runs, target
from crmbook.errors import CrmbookError
from crmbook.phases import load
from load_case import opened


def attempt():
    run = opened(runs.Record(runs.root() / "case" / "test-01"), "05_load")
    plan = run.read("plan").sort("seq")
    try:
        apply.apply(run, target.connect(run), plan, confirm=load.plan_hash(plan), patience=0.3)
    except CrmbookError as stop:
        return [type(stop).__name__, stop.exit_code, str(stop)]
    return apply.outcomes(run, plan)["outcome"].unique().to_list()


filler = disk / "filler"
if kind == "no space":
    with filler.open("wb") as stream:
        free = os.statvfs(disk)
        stream.write(bytes(free.f_bavail * free.f_frsize - left_kb * 1024))
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (left_kb * 1024, resource.RLIM_INFINITY))
told = [attempt()]
filler.unlink(missing_ok=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
told.append(attempt())
print(json.dumps(told))
"""


def small_disks() -> dict[str, list[str]]:
    """What may be small here, and the command before python: any user may limit a file's size, not all may mount."""
    may_mount = ["unshare", "--map-root-user", "--mount"]
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            [*may_mount, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False
        )
    return {"file too large": []} | ({"no space": may_mount} if tried.returncode == 0 else {})


@pytest.mark.parametrize("left_kb", [40, 90, 200])
@pytest.mark.parametrize(("kind", "before"), small_disks().items(), ids=small_disks().keys())
def test_a_full_disk_stops_the_load_and_space_resumes_it(
    undisturbed: str, case: Case, tmp_path: Path, kind: str, before: list[str], left_kb: int
) -> None:
    """Exit 2 with the file and what to do; with space again the load goes on, and nothing is there twice."""
    box, run, _ = case
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [*before, sys.executable, "-c", ON_A_SMALL_DISK, kind, str(left_kb), str(run.customer_folder.parent), str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (_, code, line), again = json.loads(done.stdout.splitlines()[-1])
    assert code == 2
    assert "; free some space and run again" in line
    assert "\n" not in line
    assert again == ["done"], again
    assert state(box) == undisturbed


@contextmanager
def nobody_special(folder: Path) -> Iterator[None]:
    """Until the block ends this process is a user whom modes bind, and *folder* is that user's; root minds no modes."""
    mine = os.geteuid()
    if mine == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("moment", ["before-the-first-write", "amid-the-load"])
@pytest.mark.parametrize(
    ("place", "mode", "expected"),
    [
        ("ledger.db", 0o400, "ledger.db: Permission denied; make it writable and run again"),
        (".", 0o500, "ledger.db: attempt to write a readonly database; make it writable and run again"),
        ("log.jsonl", 0o400, "case/test-01/log.jsonl: Permission denied; make it writable and run again"),
    ],
    ids=["ledger", "folder", "log"],
)
def test_a_place_that_cannot_be_written_stops_the_load(
    undisturbed: str,
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    mode: int,
    expected: str,
    moment: str,
) -> None:
    """One line names it before anything more is written to the target; writable again, the load goes on."""
    box, run, client = case
    if moment == "amid-the-load":
        _stopped_after(monkeypatch, run, client, 9)
    with Ledger(run.ledger_path):
        run.log("begun")
    before = state(box)
    path = run.folder / place
    with nobody_special(run.customer_folder.parent):
        usual = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(DataError) as stop:
            applied(run, client)
        path.chmod(usual)
        assert (str(stop.value).startswith(expected), stop.value.exit_code) == (True, 2), str(stop.value)
        assert state(box) == before
        applied(run, client)
    assert state(box) == undisturbed


class StoppedError(Exception):
    """The load was stopped between two writes."""


def _stopped_after(monkeypatch: pytest.MonkeyPatch, run: Run, client: Freshsales, count: int) -> None:
    left, real = [count], Ledger.intend

    def intend(self: Ledger, intents: Any) -> None:
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        real(self, intents)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "intend", intend)
        with pytest.raises(StoppedError):
            applied(run, client)


def test_a_clock_put_back_neither_stops_nor_repeats_the_load(
    undisturbed: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the load under a clock two days ahead, an intent of then still open: no wait for its days, no write twice."""
    box, run, client = case
    ahead = timedelta(days=2)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + ahead

    quota = Quota(
        run.quota_path,
        target.host(run),
        target.limits(run.target),
        clock=lambda: time.time() + ahead.total_seconds(),
    )
    client.client.quota = quota
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "datetime", Ahead)
        _stopped_after(monkeypatch, run, client, 12)
        with Ledger(run.ledger_path) as book:
            op = run.read("plan").sort("seq").row(13, named=True)
            names = ("op_id", "seq", "entity", "action", "source_id")
            book.intend([Intent(*(op[name] for name in names), "POST", "/x", op["payload_sha256"])])
    quota.close()
    began = (run.folder / "log.jsonl").read_text(encoding="utf-8")
    with target.connect(run).client as connection:
        client.client = connection
        with Ledger(run.ledger_path) as book:
            assert book.under_way_until(60.0) <= datetime.now(UTC).timestamp() + 60.0
        applied(run, client)
    said = (run.folder / "log.jsonl").read_text(encoding="utf-8").removeprefix(began)
    assert [line for line in said.splitlines() if json.loads(line)["event"] == "waiting"] == []
    assert state(box) == undisturbed


def test_what_the_customer_wrote_is_whole_after_a_full_disk(case: Case) -> None:
    """run.json and tables are written whole or not at all: what stood there before a full disk stands there after it."""
    _, run, _ = case
    kept = {p.name: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    full = DataError(
        "case/test-01/run.json: No space left on device; free some space and run again, it resumes"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", _no_space)
        with pytest.raises(DataError) as stop:
            run.record.change(note="x")
    assert str(stop.value) == str(full)
    assert kept == {p.name: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}


def _no_space(path: Path, *_: Any, **__: Any) -> None:
    path.write_text("half")
    raise OSError(28, "No space left on device")
