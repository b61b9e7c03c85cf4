"""Whatever is spoiled, by chance or on purpose, ends in a result or in one line that names the place and quotes nothing."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmbook import config, csvfiles, decisions, errors, runs, source_files, verifier
from crmbook.errors import ConfigError, DataError, UpstreamError
from crmbook.ledger import Ledger
from crmbook.vendors.usercom_csv import UserComCsv
from fuzz import targets
from fuzz.hostile import MARKER

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
SEEDS = [
    pytest.param(path.parent.name, path.read_bytes(), id=f"{path.parent.name}-{path.name}")
    for path in sorted(CORPUS.glob("*/*"))
]
# A workbook or a sealed archive takes its time.
EXAMPLES = {"mapping_workbook": 4, "tampered_ledger": 8, "manifests": 8}


def test_every_reader_has_a_corpus() -> None:
    """And nothing lies there that no reader replays; together it is small."""
    assert {path.parent.name for path in CORPUS.glob("*/*")} == set(targets.TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < 100_000


@pytest.mark.parametrize(("name", "content"), SEEDS)
def test_what_fuzzing_found_stays_found(name: str, content: bytes) -> None:
    """The inputs that took a reader somewhere new, and those it once failed on."""
    targets.target(name)(content)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_reader_keeps_the_rule_on_what_nobody_thought_of(name: str) -> None:
    """Bytes drawn at random, always the same ones."""
    reader = targets.target(name)

    @settings(max_examples=EXAMPLES.get(name, 20), derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.binary(min_size=3, max_size=48))
    def holds(content: bytes) -> None:
        reader(content)

    holds()


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=12), min_size=2), max_size=4))
def test_what_is_written_for_a_spreadsheet_is_text_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    """No cell starts as a formula does, whatever stands in it; read back it is the text, trimmed."""
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    csvfiles.write(path, ("a", "b"), rows)
    read = [row for _, row in csvfiles.read(path, ("a", "b"))]
    cells = [cell for row in rows for cell in row.values()]
    assert [
        csvfiles.safe(cell)
        for cell in cells
        if csvfiles.safe(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    ] == []
    assert [
        row for row in ({k: _trimmed(v) for k, v in row.items()} for row in rows) if any(row.values())
    ] == read


def _trimmed(text: str) -> str:
    """As `csvfiles.read` takes a cell: what stands behind the apostrophe is kept as it is."""
    return csvfiles.safe(text).strip().removeprefix("'")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_a_refusal_by_the_vendor_never_shows_what_it_quotes(around: str) -> None:
    """Whatever words stand around it, and however long they are."""
    for sentence in (
        f"{around}{MARKER} already exists",
        f'{around} "{MARKER}"',
        f"{around * 200}{MARKER}",
        f"{MARKER}{around}" * 40,
    ):
        assert "Zq7" not in errors.masked(sentence)


CSV = "pipeline_id,pipeline,pipeline_position,stage_id,stage,stage_position,probability\n"
GAPS = [
    pytest.param("pipelines", f"{CSV}1,Sales,{'9' * 30},10,New,1,5\n", "line 2, column pipeline_position: expected a whole number", id="huge"),
    pytest.param("pipelines", f"{CSV}1,Sales,1,10,New,1,nan\n", "line 2, column probability: expected a number", id="no number"),
    pytest.param("agents", f"7,{MARKER},{MARKER}\n", "line 1: missing column agent_id, name, email", id="no header"),
    pytest.param("agents", f"agent_id,name,email,{MARKER}\n", "line 1: unknown column a text of 25 characters", id="a value as a column"),
    pytest.param("agents", "agent_id,name,email,e-mail\n", "line 1: unknown column e-mail", id="a name as a column"),
]  # fmt: skip


@pytest.mark.parametrize(("entity", "content", "expected"), GAPS)
def test_a_file_that_was_filled_in_wrongly_is_told_by_place(
    tmp_path: Path, entity: str, content: str, expected: str
) -> None:
    """File, line and column; a name that was misspelled, but nothing that can be a value."""
    (tmp_path / f"{entity}.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^{entity}\.csv {expected}") as caught:
        source_files.read(tmp_path, entity)
    assert "Zq7" not in str(caught.value)


def test_a_target_that_is_a_value_is_not_repeated(tmp_path: Path) -> None:
    """Columns that slipped by one put a person's address where a field's name belongs."""
    path = tmp_path / decisions.NAME
    path.write_text(
        f"{','.join(decisions.COLUMNS)}\ncontact,email,contacts,{MARKER},text,confirmed,1,,\n",
        encoding="utf-8",
    )
    with pytest.raises(
        ConfigError, match='column target_field: "a text of 25 characters" is no field of contacts'
    ):
        decisions.parsed(decisions.read_csv(path))


TOML = [
    pytest.param(b"a = " + b"[" * 5000, "not valid TOML: a number too long, or a list too deep", id="deep"),
    pytest.param(b"a = " + b"9" * 5000, "not valid TOML: a number too long, or a list too deep", id="long"),
    pytest.param(b"\xff\xfe\x00", r"not UTF-8 \(byte 0\)", id="junk"),
    pytest.param(b"", "missing key customer", id="empty"),
    pytest.param(b"\xef\xbb\xbf[customer]\r\n", "missing key", id="mark and line ends of Windows"),
    pytest.param(f'"{MARKER}" = 1'.encode(), "unknown key a text of 25 characters; expected one of ai", id="a value as a key"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), TOML)
def test_settings_that_are_none_are_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    """Whatever the bytes are."""
    path = tmp_path / "acme" / "customer.toml"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^acme/customer\.toml: .*{expected}"):
        config.read(path)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, customers: Path) -> None:
    """Of settings, a file of the customer's, and a run."""
    for path in (
        tmp_path / "acme" / "customer.toml",
        tmp_path / "agents.csv",
        customers / "acme" / "test-01" / "run.json",
    ):
        path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="Is a directory"):
        config.read(tmp_path / "acme" / "customer.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        csvfiles.read(tmp_path / "agents.csv", ("a",))
    with pytest.raises(UpstreamError, match=r"^acme/test-01/run\.json: Is a directory"):
        runs.Record(customers / "acme" / "test-01").get()


RECORDS = [
    pytest.param("[]", "content: ", id="a list"),
    pytest.param("[" * 100_000, "nested too deep", id="deep"),
    pytest.param('{"customer": "acme"}', "run_id: ", id="keys missing"),
    pytest.param('{"customer": "\\ud800"}', "not valid JSON", id="half a character"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), RECORDS)
def test_a_run_json_somebody_changed_is_named(customers: Path, content: str, expected: str) -> None:
    """With the key that is wrong; nothing is read from it."""
    folder = customers / "acme" / "test-01"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(UpstreamError, match=rf"^acme/test-01/run\.json: .*{expected}"):
        runs.Record(folder).get()


def test_a_ledger_changed_by_hand_is_not_read_as_if_it_were_right(tmp_path: Path) -> None:
    """A value of another kind, a state that is none, a table that is gone: each is told before a write is sent twice."""
    import sqlite3

    said = []
    for number, change in enumerate((
        "UPDATE calls SET used = 'many'", "PRAGMA ignore_check_constraints=ON; UPDATE writes SET state = 'sent'", "DROP TABLE crosswalk",
        "PRAGMA ignore_check_constraints=ON; UPDATE calls SET entity = x'ff'",
    )):  # fmt: skip
        path = tmp_path / f"{number}.db"
        with Ledger(path) as ledger:
            ledger.spend("contact", 4)
            ledger._db.execute(
                "INSERT INTO writes VALUES ('a', 1, 'contact', 'create', '1', 1, 'POST', '/c', 'h', 'done', '', '', '', 1, 'x')"
            )
        db = sqlite3.connect(path)
        db.executescript(change)
        db.close()
        with pytest.raises(DataError) as caught, Ledger(path) as ledger:
            ledger.bind(plan="other")
        said.append(str(caught.value).partition("; restore")[0])
    assert said == [
        "0.db: changed by hand: calls holds a value of another kind than was written",
        "1.db: damaged or changed by hand (CHECK constraint failed in writes)",
        "2.db: changed by hand: crosswalk is gone",
        "3.db: changed by hand: calls holds a value of another kind than was written",
    ]  # fmt: skip


def test_an_event_of_nobody_is_rejected_not_forgotten(tmp_path: Path) -> None:
    """Events are read user by user; one whose user is not in users.csv would never be asked for."""
    files = {
        "users": "id\n1\n",
        "companies": "id\n",
        "deals": "id\n",
        "events": "id,user_id,name\n4,1,seen\n5,99,seen\n6,99,seen\n",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
    export = UserComCsv(tmp_path)
    records = [one for page in export.pages("users") for one in page.records]
    events = [one for user in records for page in export.events(user.source_id) for one in page.records]
    export.reject_strays()
    told = "column user_id: no such user in users.csv"
    assert (["4"], {("events.csv", 3): told, ("events.csv", 4): told}) == (
        [one.source_id for one in events],
        export.rejects,
    )


def test_a_manifest_that_is_none_is_told_by_the_verifier(tmp_path: Path) -> None:
    """Whatever the bytes are: one line, and never a traceback on a machine without the tool."""
    for content in (
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"chain": [1], "files": {}}',
        b'{"chain": [{}], "files": null}',
        b'{"chain":"\\ud800"}',
    ):
        (tmp_path / verifier.MANIFEST).write_bytes(content)
        problems = verifier.check(tmp_path)
        assert problems[0].startswith("manifest.json: missing, not readable or not as it was sealed"), content
