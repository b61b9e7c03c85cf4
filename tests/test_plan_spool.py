"""The plan part by part: the same table as from all parts at once, and nothing left beside it."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from crmbook import config, plan_spool, runner, runs, tables
from crmbook.errors import SchemaError, UpstreamError, UsageError
from crmbook.phases import load, operations
from crmbook.runs import Run
from load_case import ADMIN, TOML


def parts(*names: str) -> list[pl.DataFrame]:
    """One part a name, two contacts in each; the second's account was written before."""
    return [
        operations.few(
            operations.op("contact", "create", f"{name}{n}", {"last_name": f"No {n}"}, needs=[f"company:{n}"])
            for n in (2, 1)
        )
        for name in names
    ]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CRMBOOK_RUNS", str(tmp_path))
    record = runs.create("case", "test", parameters={})
    settings = TOML.format(admin=ADMIN, edition="suite", plan="pro", base_url="http://127.0.0.1:1/api/")
    (tmp_path / "case" / "customer.toml").write_text(settings, encoding="utf-8")
    opened = Run(record, "05_load", config.read(tmp_path / "case" / "customer.toml"), "test", {})
    opened.data_folder.mkdir(parents=True)
    return opened


def left(run: Run) -> list[str]:
    return sorted(path.name for path in run.data_folder.iterdir())


def test_parts_from_disk_make_the_plan_that_parts_in_memory_make(run: Run) -> None:
    """Order, numbers, payloads and what each write waits for; nobody else may read it, nothing is left beside it."""
    with plan_spool.Spool(run, iter(parts("a", "b", "c"))) as spool:
        spool.save()
    whole = operations.numbered(parts("a", "b", "c"))
    assert_frame_equal(run.read("plan"), whole)
    assert whole.columns == list(tables.PLAN.columns)
    assert left(run) == ["plan.parquet"]
    assert run.path_of("plan").stat().st_mode & 0o777 == 0o600


def test_the_hash_of_a_plan_is_the_same_on_disk_as_in_memory_and_in_any_order(run: Run) -> None:
    """A plan an older version left in another order is still the one that was approved."""
    with plan_spool.Spool(run, iter(parts("a", "b"))) as spool:
        spool.save()
    plan = run.read("plan")
    mixed = run.data_folder / "mixed.parquet"
    plan.sort("op_id").write_parquet(mixed)
    told = {load.plan_hash(p) for p in (plan, plan.reverse(), run.scan("plan"), pl.scan_parquet(mixed))}
    assert len(told) == 1
    assert load.plan_hash(plan.head(3)) not in told


def test_two_writes_of_one_name_are_refused_before_anything_is_saved(run: Run) -> None:
    """The ledger would take the second for done."""
    with (
        pytest.raises(SchemaError, match="plan: op_id has 2 repeats"),
        plan_spool.Spool(run, parts("a", "a")),
    ):
        pass
    assert left(run) == []


def test_parts_of_a_killed_start_are_gone_when_the_phase_begins_again(run: Run) -> None:
    """They are personal and go with the folder that is set aside; its tables stay, a plan may be taken over."""
    kept = {"plan.parquet", ".history.db", ".history.db-journal", ".ipynb_checkpoints"}
    for name in (".plan.4711-7", ".source_contacts.4711-1", ".contacts.parquet.4711", *kept):
        (run.data_folder / name).write_bytes(b"left")
    with pytest.raises(UpstreamError, match="05_load needs 04_normalization"):
        runner.run_phase(run.record, "05_load", {"customer": "case", "run_id": run.run_id})
    assert {path.name for path in (run.folder / "05_load~1" / "data").iterdir()} == kept


def test_a_second_process_does_not_begin_a_phase_of_the_run(run: Run) -> None:
    """It would move the first one's tables aside while they are read and written."""
    kept = run.data_folder / "plan.parquet"
    kept.write_bytes(b"at work")
    holding = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(1, flush=True); input()"
    command = [sys.executable, "-c", holding, str(run.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "1\n"
        with pytest.raises(
            UsageError, match="another process carries out a phase of this run; wait until it ends"
        ):
            runner.run_phase(run.record, "05_load", {"customer": "case", "run_id": run.run_id})
        other.stdin.write("\n")
    assert kept.read_bytes() == b"at work"
