"""Every expectation of every suite passes on the demo's own tables and fails on planted bad data."""

import json
import os
import re
import subprocess
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import Demo, crmbook, warm_gates
from crmbook import gates, runs, tables
from crmbook.errors import GateFailed, UsageError

SUITES = sorted((runs.project() / "expectations").glob("*.json"))
EXPECTATIONS = [
    pytest.param(suite, expectation, id=f"{suite.stem}-{expectation['meta']['id']}")
    for suite in SUITES
    for expectation in json.loads(suite.read_text(encoding="utf-8"))["expectations"]
]


# What the demo's run goes through; its rollback has a test of its own.
OF_THE_RUN = [suite for suite in SUITES if not suite.stem.startswith(f"{runs.ROLLBACK.name}.")]


def _table(demo: Demo, suite: Path) -> pl.DataFrame:
    phase, table = suite.stem.split(".")
    if suite not in OF_THE_RUN:
        return tables.of(table).empty()
    return pl.read_parquet(demo.run / phase / "data" / f"{table}.parquet")


def _good_row(contract: tables.Table, frame: pl.DataFrame) -> pl.DataFrame:
    """At least two rows to plant into, also where the demo has none of this kind."""
    if frame.height:
        return frame
    blank = {name: [None, None] for name in contract.columns}
    return pl.DataFrame(blank, schema=contract.columns)


def _set(frame: pl.DataFrame, column: str, value: Any) -> pl.DataFrame:
    """*frame* with *value* in the first row of *column*."""
    dtype = frame.schema[column]
    bad = pl.lit(value, dtype=dtype) if value is None else pl.lit(value).cast(dtype)
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(bad).otherwise(pl.col(column)).alias(column)
    )


def _planted(frame: pl.DataFrame, expectation: dict[str, Any]) -> pl.DataFrame:
    """*frame* with one defect of the kind the expectation is there for."""
    kind, kwargs = expectation["type"], expectation["kwargs"]
    column = kwargs.get("column", "")
    is_text = column and frame.schema[column] == pl.String
    match kind:
        case "expect_column_values_to_not_be_null":
            return _set(frame, column, None)
        case "expect_column_values_to_be_unique":
            filled = frame.filter(pl.col(column).is_not_null())
            twice = filled.head(1) if filled.height else _set(frame, column, "x" if is_text else 1).head(1)
            return pl.concat([twice, twice, frame])
        case "expect_compound_columns_to_be_unique":
            named = frame.head(1).with_columns(
                pl.col(c).fill_null("x" if frame.schema[c] == pl.String else 1) for c in kwargs["column_list"]
            )
            return pl.concat([named, named, frame])
        case "expect_column_values_to_be_in_set":
            wrong = {pl.Boolean: False, pl.String: "something else"}
            return _set(frame, column, next((v for d, v in wrong.items() if frame.schema[column] == d), 77))
        case "expect_column_values_to_match_regex":
            return _set(frame, column, "!! ##")
        case "expect_column_values_to_not_match_regex":
            return _set(frame, column, f"a {kwargs['regex']} b")
        case "expect_column_values_to_be_between":
            return _set(frame, column, kwargs["max_value"] * 2)
        case "expect_column_value_lengths_to_be_between":
            return _set(frame, column, "x" * (kwargs["max_value"] + 1))
        case "expect_column_pair_values_to_be_equal":
            other = "not the same" if frame.schema[kwargs["column_A"]] == pl.String else -5
            return _set(
                _set(frame, kwargs["column_A"], other),
                kwargs["column_B"],
                "1" if isinstance(other, str) else 5,
            )
        case "expect_column_pair_values_a_to_be_greater_than_b":
            return _set(_set(frame, kwargs["column_A"], 1), kwargs["column_B"], 2)
        case "expect_table_row_count_to_be_between":
            return frame.clear()
    raise AssertionError(f"no defect is known for {kind}")


@pytest.mark.parametrize("suite", OF_THE_RUN, ids=lambda p: p.stem)
def test_the_demo_passes_every_critical_check(demo: Demo, suite: Path) -> None:
    """Clean data gives no finding: every check of the suite is evaluated and every critical one holds."""
    phase, table = suite.stem.split(".")
    checks = gates.validate(demo.run / phase / "data" / f"{table}.parquet", suite, table)
    assert len(checks) == len(json.loads(suite.read_text(encoding="utf-8"))["expectations"])
    assert [c.id for c in checks if not c.passed and c.severity == "critical"] == []


@pytest.mark.parametrize(("suite", "expectation"), EXPECTATIONS)
def test_an_expectation_fails_on_its_planted_defect(
    demo: Demo, tmp_path: Path, suite: Path, expectation: dict[str, Any]
) -> None:
    """A gate that was never seen failing guards nothing; a critical one stops the run, a warning lets it go on."""
    table = suite.stem.split(".")[1]
    frame = _good_row(tables.of(table), _table(demo, suite))
    planted = tmp_path / f"{table}.parquet"
    _planted(frame, expectation).write_parquet(planted)
    checks = gates.validate(planted, suite, table)
    told = expectation["meta"]["id"]
    assert told in [c.id for c in checks if not c.passed]
    assert (expectation["severity"] == "critical") is (told in [c.id for c in gates.stopping(checks)])


def test_no_check_is_left_out_and_none_has_the_id_of_another() -> None:
    """Every file of the folder is a suite of a phase and of a table it has, and every id names one expectation."""
    files = [path.name for path in (runs.project() / "expectations").iterdir()]
    assert sorted(files) == [suite.name for suite in SUITES]
    phases = [*runs.NAMES, runs.ROLLBACK.name]
    assert sorted(files) == sorted(path.name for phase in phases for path in gates.suites(phase).values())
    ids = [parameter.values[1]["meta"]["id"] for parameter in EXPECTATIONS]
    assert len(ids) == len(set(ids)) == sum(path.read_text().count('"type": "expect_') for path in SUITES)


def _suite(folder: Path, *expectations: dict[str, Any]) -> Path:
    path = folder / "01_discovery.tags.json"
    path.write_text(json.dumps({"name": "s", "expectations": list(expectations)}), encoding="utf-8")
    return path


def _check(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": "critical", "notes": "n.", "meta": {"id": "X-1"}}


TAGS = pl.DataFrame({"tag_id": ["1", "1"], "name": ["secret value", None]})


def test_a_misspelled_expectation_is_an_error_not_a_pass(tmp_path: Path) -> None:
    """Great Expectations drops what it does not know and passes; the workbook does not."""
    TAGS.write_parquet(tmp_path / "tags.parquet")
    good = _check("expect_column_values_to_not_be_null", column="tag_id")
    suite = _suite(tmp_path, good, _check("expect_column_values_to_be_uniqe", column="tag_id"))
    with pytest.raises(UsageError, match="2 declared, 1 loaded; unknown.*expect_column_values_to_be_uniqe"):
        gates.validate(tmp_path / "tags.parquet", suite, "tags")


@pytest.mark.parametrize(
    ("expectations", "expected"),
    [
        pytest.param([], "declares no expectation", id="empty"),
        pytest.param(
            [_check("expect_column_values_to_not_be_null", column="nme")], "no such columns", id="column"
        ),
        pytest.param(
            [_check("expect_column_values_to_not_be_null", colum="name")], "not a suite", id="argument"
        ),
    ],
)
def test_a_suite_that_checks_nothing_is_an_error(
    tmp_path: Path, expectations: list[Any], expected: str
) -> None:
    """An empty suite, an unknown column and an unknown argument are named, never passed over."""
    TAGS.write_parquet(tmp_path / "tags.parquet")
    with pytest.raises(UsageError, match=expected):
        gates.validate(tmp_path / "tags.parquet", _suite(tmp_path, *expectations), "tags")


def test_a_result_holds_no_value(tmp_path: Path) -> None:
    """What failed is counted; what stood there is not repeated."""
    TAGS.write_parquet(tmp_path / "tags.parquet")
    suite = _suite(tmp_path, _check("expect_column_values_to_be_in_set", column="name", value_set=["a"]))
    checks = gates.validate(tmp_path / "tags.parquet", suite, "tags")
    assert [(c.id, c.passed, c.checked, c.failed) for c in checks] == [("X-1", False, 2, 1)]
    assert "secret value" not in repr(checks)


def test_the_warm_process_answers_like_the_own_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same checks by the process that keeps Great Expectations warm; an error comes back as itself."""
    TAGS.write_parquet(tmp_path / "tags.parquet")
    suite = _suite(tmp_path, _check("expect_column_values_to_be_unique", column="tag_id"))
    own = gates.validate(tmp_path / "tags.parquet", suite, "tags")
    with gates.Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        _wait_for(Path(server.environment[gates.SOCKET]))
        assert gates.validate(tmp_path / "tags.parquet", suite, "tags") == own
        with pytest.raises(UsageError, match="declares no expectation"):
            gates.validate(tmp_path / "tags.parquet", _suite(tmp_path), "tags")
    assert (
        gates.validate(
            tmp_path / "tags.parquet",
            _suite(tmp_path, _check("expect_column_values_to_be_unique", column="tag_id")),
            "tags",
        )
        == own
    )


def test_a_question_that_is_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    """A kernel killed before it asked, or amid its question, and somebody without the key: the next one is answered."""
    TAGS.write_parquet(tmp_path / "tags.parquet")
    suite = _suite(tmp_path, _check("expect_column_values_to_be_unique", column="tag_id"))
    question = ("validate", str(tmp_path / "tags.parquet"), str(suite), "tags")
    with gates.Server() as server:
        address, key = (server.environment[name] for name in (gates.SOCKET, gates.KEY))
        _wait_for(Path(address))
        Client(address, authkey=bytes.fromhex(key)).close()
        with pytest.raises(AuthenticationError):
            Client(address, authkey=b"another key")
        with Client(address, authkey=bytes.fromhex(key)) as asked:
            asked.send(question)
        with Client(address, authkey=bytes.fromhex(key)) as asked:
            asked.send(question)
            assert asked.recv() == gates.validate(tmp_path / "tags.parquet", suite, "tags")


def test_a_block_inside_another_starts_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The phases inside share the process of the outermost block, which ends with that block."""
    monkeypatch.delenv(gates.SOCKET, raising=False)
    with gates.warm():
        address = os.environ[gates.SOCKET]
        with gates.warm():
            assert os.environ[gates.SOCKET] == address
        _wait_for(Path(address))
    assert gates.SOCKET not in os.environ
    assert not Path(address).parent.exists()


def _wait_for(path: Path) -> None:
    import time

    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError("the gate process did not start")


def test_a_gate_that_fails_ends_the_command_with_3(demo: Demo, tmp_path: Path) -> None:
    """Typed: an inventory with fewer automations than the customer counts stops 07_handoff, which stays failed."""
    import shutil

    folder = tmp_path / "runs"
    shutil.copytree(demo.runs, folder)
    settings = folder / "demo" / "customer.toml"
    text = settings.read_text(encoding="utf-8")
    counted = re.search(r"active_automations = (\d+)", text)
    assert counted
    more = text.replace(counted.group(), f"active_automations = {int(counted.group(1)) + 1}")
    settings.write_text(more, encoding="utf-8")
    told = crmbook(
        "run", "demo", "--env", "test", "--run", demo.run.name, "--only", "07_handoff", runs=folder
    )
    assert told.code == 3, told.err
    assert re.search(r"07_handoff: 1 of \d+ checks failed: H-\d+ \(automation_check", told.err)
    record = runs.Record(folder / "demo" / demo.run.name)
    assert "failed" == record.phase("07_handoff")["status"]


def test_a_failed_gate_names_its_checks_and_is_kept(demo: Demo, customers: Path) -> None:
    """GateFailed names the check and where to read on; gate.json says what failed; exit code 3."""
    import shutil

    shutil.copytree(demo.runs / "demo", customers / "demo")
    record = runs.Record(customers / "demo" / demo.run.name)
    run = runs.open("04_normalization", customer="demo", run_id=record.folder.name)
    balance = run.read("balance")
    run.save("balance", balance.with_columns(unaccounted=pl.lit(3, pl.Int64)))
    with pytest.raises(
        GateFailed, match=r"04_normalization: 1 of \d+ checks failed: N-\d+ \(balance.unaccounted: 3 of 3\)"
    ) as raised:
        gates.check(run)
    assert raised.value.exit_code == 3
    kept = json.loads((run.phase_folder / "gate.json").read_text(encoding="utf-8"))
    assert kept["passed"] is False
    assert [c["column"] for c in kept["checks"] if not c["passed"] and c["severity"] == "critical"] == [
        "unaccounted"
    ]


def test_what_is_stood_in_for_while_great_expectations_is_imported_is_whole_afterwards() -> None:
    """In a process of its own: the parts it is imported without are there for whoever wants them."""
    code = (
        "from crmbook import gx; gx.warmed(); import altair, boto3, scipy.stats;"
        " print(altair.Chart.__name__, boto3.client.__name__, scipy.stats.entropy([1.0]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Chart", "client", "0.0"]


def test_an_expectation_that_needs_what_is_left_out_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line that says what to take instead, never as a check that passed."""
    # This process may have imported the real ones for another test; that one never did.
    for name, value in warm_gates().items():
        monkeypatch.setenv(name, value)
    _wait_for(Path(warm_gates()[gates.SOCKET]))
    shares = {"values": ["contact", "company"], "weights": [0.5, 0.5]}
    wanted = {
        "type": "expect_column_kl_divergence_to_be_less_than",
        "kwargs": {"column": "entity", "partition_object": shares, "threshold": 0.1},
        "severity": "critical",
        "meta": {"id": "Z-01"},
    }
    suite = tmp_path / "04_normalization.rejects.json"
    suite.write_text(json.dumps({"name": "04_normalization.rejects", "expectations": [wanted]}))
    rows = [("contact", "1", "email_invalid", "email", True)]
    pl.DataFrame(rows, schema=tables.REJECTS.columns, orient="row").write_parquet(tmp_path / "rejects")
    with pytest.raises(
        UsageError, match=r"Z-01: cannot be evaluated: it needs scipy\.stats\.entropy, and .* take an"
    ):
        gates.validate(tmp_path / "rejects", suite, "rejects")


def test_one_frame_after_another_is_judged_by_its_own_rows(tmp_path: Path) -> None:
    """The process hands every frame to the same batch definition: none may be taken for the one before."""
    suite = gates.suites("04_normalization")["rejects"]
    whole = tables.REJECTS.empty()
    row = {
        "entity": "contact",
        "source_id": "1",
        "rule": "email_invalid",
        "field": "email",
        "is_blocking": True,
    }
    for name, rows in (("one", [row]), ("two", [row, row | {"source_id": "2"}])):
        pl.concat([whole, pl.DataFrame(rows, schema=tables.REJECTS.columns)]).write_parquet(tmp_path / name)
    told = [
        {c.checked for c in gates.validate(tmp_path / n, suite, "rejects")} for n in ("one", "two", "one")
    ]
    assert told == [{1}, {2}, {1}]
