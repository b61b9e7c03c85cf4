"""What is left of a plan: in order, by stage, and never of a plan that was altered while it was carried out."""

from pathlib import Path

import polars as pl
import pytest

from crmbook.apply_bulk import Bulk
from crmbook.apply_work import Work
from crmbook.apply_writes import Op, Single
from crmbook.errors import SchemaError, UpstreamError
from crmbook.phases import narrow, operations, strategies
from crmbook.phases.strategies import Way


def plan() -> pl.DataFrame:
    """Two companies, five contacts of which some are there, a deal and the contacts' stages."""
    op = operations.op
    told = [("create", None), ("update", 7), ("create", None), ("create", None), ("update", 9)]
    parts = [
        [op("company", "create", str(n), {"name": f"No {n}"}) for n in (1, 2)],
        [op("contact", action, str(n), {"last_name": f"No {n}"}, target_id=there) for n, (action, there) in enumerate(told)],
        [op("deal", "create", "1", {"name": "Deal"})],
        [op("contact", "lifecycle", str(n), {"lifecycle_stage_id": 5}) for n in (0, 2)],
    ]  # fmt: skip
    return operations.numbered(operations.few(part) for part in parts)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "_AT_ONCE", 3)


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    path = tmp_path / "plan.parquet"
    plan().write_parquet(path, compression="uncompressed")
    return path


@pytest.mark.parametrize("finished", [[], ["company:create:1", "contact:update:1", "deal:create:1"]])
def test_every_write_that_is_left_comes_once_and_in_order(on_disk: Path, finished: list[str]) -> None:
    """From disk piece by piece as from a frame."""
    expected = [row for row in plan().rows(named=True) if row["op_id"] not in finished]
    for frame in (plan(), pl.scan_parquet(on_disk)):
        work = Work(frame).without(pl.Series("op_id", finished, dtype=pl.String))
        assert len(work) == len(expected)
        told = [{name: getattr(op, name) for name in Op.__dataclass_fields__} for op in work]
        assert told == [{name: row[name] for name in Op.__dataclass_fields__} for row in expected]


def test_counts_tell_what_there_is_and_what_is_left() -> None:
    """The progress of a load that goes on begins where the earlier one ended."""
    work = Work(plan()).without(pl.Series("op_id", ["contact:update:1", "contact:update:4", "deal:create:1"]))
    assert set(work.counts().iter_rows()) == {
        ("company", "create", 2, 2), ("contact", "create", 3, 3), ("contact", "update", 2, 0),
        ("deal", "create", 1, 0), ("contact", "lifecycle", 2, 2),
    }  # fmt: skip


def test_creations_and_updates_of_one_entity_are_one_stage() -> None:
    """They go out together in bulk; what is done to a record afterwards is a stage of its own."""
    stages = [(kind, rows["op_id"].to_list()) for kind, rows in Work(plan()).stages()]
    assert stages == [
        (("company", "primary"), ["company:create:1", "company:create:2"]),
        (("contact", "primary"), [f"contact:{'update' if n in (1, 4) else 'create'}:{n}" for n in range(5)]),
        (("deal", "primary"), ["deal:create:1"]),
        (("contact", "lifecycle"), ["contact:lifecycle:0", "contact:lifecycle:2"]),
    ]


def test_bulk_takes_a_stage_in_waves_and_the_rest_one_by_one(
    on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No wave holds writes of two stages, wherever the pieces of the plan end."""
    monkeypatch.setattr(strategies, "A_CALL", 2)
    bulk = Bulk.__new__(Bulk)
    bulk._ways, bulk._to_change = {"contact": Way(strategies.WITH_LINKS, "email", "")}, {}
    waves = [[op.op_id for op in batch] for batch in bulk.batches(Work(pl.scan_parquet(on_disk)))]
    ids = plan()["op_id"].to_list()
    assert waves == [ids[:1], ids[1:2], ids[2:4], ids[4:7], ids[7:8], ids[8:]]
    assert bulk._to_change == {"contact": set()}


def test_a_plan_that_does_not_stand_by_its_writes_is_refused() -> None:
    """A deal would be linked to a contact that is not there yet."""
    with pytest.raises(SchemaError, match="plan: it does not stand by seq"):
        Work(plan().sort("op_id"))


@pytest.mark.parametrize("change", ["another payload", "a write less", "a write more", "gone", "no parquet"])
def test_a_plan_altered_meanwhile_is_not_written_on(on_disk: Path, change: str) -> None:
    """The hash was approved for what stood there at the beginning."""
    following = iter(Work(pl.scan_parquet(on_disk)))
    done = [next(following).op_id for _ in range(3)]
    # of the same length, so that the file is as valid as before
    payload = pl.col("payload").str.replace("No 4", "No X", literal=True)
    if change == "gone":
        on_disk.unlink()
    elif change == "no parquet":
        on_disk.write_bytes(b"PAR1 no more")
    else:
        changed = {
            "another payload": plan().with_columns(payload),
            "a write less": plan().head(-1),
            "a write more": pl.concat([plan(), plan().tail(1).with_columns(pl.col("seq") + 1)]),
        }
        changed[change].write_parquet(on_disk, compression="uncompressed")
    with pytest.raises(UpstreamError, match="plan: altered or moved while it was carried out"):
        done += [op.op_id for op in following]
    assert done == plan()["op_id"].to_list()[: len(done)]
    assert "contact:update:4" not in done or change in ("a write less", "a write more")


def test_one_by_one_is_in_the_plans_order() -> None:
    batches = Single.__new__(Single).batches(Work(plan()))
    assert [op.op_id for batch in batches for op in batch] == plan()["op_id"].to_list()
