"""The run folder keeps its word: nothing unfinished, nothing altered, nothing unapproved passes on."""

import json
from pathlib import Path

import polars as pl
import pytest

from crmbook import runs, tables
from crmbook.errors import ParameterError, SchemaError, UpstreamError, UsageError, Waiting
from test_config import GOOD


@pytest.fixture
def record(customers: Path) -> runs.Record:
    """A new test run of the customer acme."""
    (customers / "acme").mkdir()
    (customers / "acme" / "customer.toml").write_text(GOOD, encoding="utf-8")
    return runs.create("acme", "test", parameters={"sample": 0})


def _open(phase: str, record: runs.Record) -> runs.Run:
    return runs.open(phase, customer="acme", run_id=record.folder.name, sample=0)


TAGS = pl.DataFrame({"tag_id": ["2", "1"], "name": ["b", "a"]})


def _discovered(record: runs.Record) -> runs.Run:
    run = _open("01_discovery", record)
    run.save("tags", TAGS)
    run.close(tags=2)
    return run


def test_runs_of_an_environment_are_numbered(record: runs.Record) -> None:
    """The second test run follows the first; production counts by itself."""
    assert record.folder.name == "test-01"
    assert runs.create("acme", "test", parameters={}).folder.name == "test-02"
    assert runs.create("acme", "production", parameters={}).folder.name == "production-01"


def test_a_table_comes_back_conformed_and_private(record: runs.Record) -> None:
    """Sorted by key, readable by the owner only, in a folder of the owner only."""
    run = _discovered(record)
    path = run.path_of("tags")
    assert run.read("tags")["tag_id"].to_list() == ["1", "2"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_table_of_another_phase_is_not_written(record: runs.Record) -> None:
    """A phase writes its own tables only."""
    run = _open("01_discovery", record)
    with pytest.raises(UsageError, match="belongs to 05_load"):
        run.save("plan", tables.PLAN.empty())


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(TAGS.drop("name"), r"missing columns \['name'\]", id="missing"),
        pytest.param(TAGS.with_columns(x=1), r"unexpected columns \['x'\]", id="extra"),
        pytest.param(TAGS.with_columns(name=pl.lit(1.5)), "name is Float64, expected String", id="type"),
        pytest.param(pl.concat([TAGS, TAGS]), "2 repeats", id="repeated key"),
        pytest.param(TAGS.with_columns(tag_id=pl.lit(None, pl.String)), "2 nulls", id="null key"),
    ],
)
def test_a_table_that_breaks_its_contract_is_refused(
    record: runs.Record, frame: pl.DataFrame, expected: str
) -> None:
    """The error lists both sides; nothing is written."""
    run = _open("01_discovery", record)
    with pytest.raises(SchemaError, match=expected):
        run.save("tags", frame)
    assert not run.has("tags")


def test_a_phase_waits_for_the_one_before(record: runs.Record) -> None:
    """Mapping does not open before discovery passed."""
    with pytest.raises(UpstreamError, match="02_mapping needs 01_discovery, which is not run"):
        _open("02_mapping", record)


def test_an_altered_table_is_refused(record: runs.Record) -> None:
    """A file that is not the one its phase wrote stops whoever reads it, with the command that mends it."""
    path = _discovered(record).path_of("tags")
    TAGS.with_columns(name=pl.lit("other")).write_parquet(path)
    run = _open("02_mapping", record)
    with pytest.raises(
        UpstreamError, match=r"tags.parquet: changed since 01_discovery wrote it; run .*--from 01_discovery"
    ):
        run.read("tags")


def test_what_was_read_is_recorded(record: runs.Record) -> None:
    """A phase's inputs stand in run.json with the hashes their phase gave them."""
    _discovered(record)
    run = _open("02_mapping", record)
    run.read("tags")
    run.close()
    phases = record.get()["phases"]
    key = "01_discovery/data/tags.parquet"
    assert phases["02_mapping"]["inputs"] == {key: phases["01_discovery"]["outputs"][key]}


def test_an_approval_holds_for_one_hash(record: runs.Record) -> None:
    """Nothing passes unapproved; an approval of another hash is none; the command to type is in the message."""
    run = _open("01_discovery", record)
    with pytest.raises(Waiting) as raised:
        run.require_approval("plan", "a" * 64, "10 writes")
    assert raised.value.command == f"crmbook approve acme --run test-01 plan --by NAME --hash {'a' * 12}"
    with pytest.raises(UsageError, match="not bbbb"):
        record.approve("plan", by="Eva", digest="b" * 12)
    record.approve("plan", by="Eva", digest="a" * 12)
    assert run.require_approval("plan", "a" * 64, "10 writes")["by"] == "Eva"
    with pytest.raises(Waiting):
        run.require_approval("plan", "c" * 64, "11 writes")


def test_a_mapping_approved_once_counts_for_later_runs(record: runs.Record) -> None:
    """The customer's approval of a mapping is looked up over all runs."""
    record.offer("mapping", "d" * 64, "20 fields")
    record.approve("mapping", by="Eva")
    assert runs.mapping_approval("acme", "d" * 64) is not None
    assert runs.mapping_approval("acme", "e" * 64) is None


def test_an_interactive_typo_is_caught(record: runs.Record) -> None:
    """A text where a switch is meant would be truthy; a negative sample would select nothing."""
    with pytest.raises(ParameterError, match="reveal: expected True or False"):
        runs.open("01_discovery", customer="acme", run_id="test-01", reveal="false")
    with pytest.raises(ParameterError, match="sample"):
        runs.open("01_discovery", customer="acme", run_id="test-01", sample=-1)


def test_a_torn_run_json_is_named(record: runs.Record) -> None:
    """Half a run.json is one line, not a traceback."""
    record.path.write_text('{"phases": ', encoding="utf-8")
    with pytest.raises(UpstreamError, match="acme/test-01/run.json: not valid JSON"):
        record.get()


def test_the_log_is_private_lines_of_json(record: runs.Record) -> None:
    """Each line stands alone and the file is the owner's."""
    run = _open("01_discovery", record)
    run.log("read", entity="users", fetched=3)
    path = record.folder / "log.jsonl"
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["fetched"] == 3
    assert path.stat().st_mode & 0o777 == 0o600
