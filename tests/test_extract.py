"""The source account, read through real HTTP: every record, its history of chat, and the gaps a person fills."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import config, extract, extract_columns, runs, source_files, tables
from crmbook.errors import AuthError, ConfigError, DataError, Waiting
from crmbook.sandbox.scenario import KINDS, Scenario
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.usercom import Page, Record, UserCom
from crmbook.vendors.usercom_shape import canonical

TOKEN = "ACME_USERCOM_TOKEN"
STAMP = "2024-01-02T03:04:05.000006Z"
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

USERS = [
    {"id": 1, "name": "Ann", "email": "ann@a.example", "last_contacted": STAMP, "tag_ids": [5, 6], "list_ids": [3],
     "assigned_to": 11, "company_ids": [{"id": 8, "member_since": "2024-02-01T00:00:00.000000Z"},
                                        {"id": 9, "member_since": "2023-02-01T00:00:00Z"}, {"id": 7}],
     "attributes": {"plan": ["pro, yearly"], "is_trial": True, "seats": 9007199254740993, "ratio": 0.1,
                    "data": {"a": [1, None]}, "note": "", "flag": "t"}},
    {"id": 2, "name": "Chat only"},
    {"id": 3, "name": "Pushed", "web_push_subscription": True},
    {"id": 4, "name": "Ünïcode", "email": "d@a.example", "attributes": {"note": "=1+1"}},
]  # fmt: skip
ROWS: dict[str, list[dict[str, Any]]] = {
    "users": USERS,
    "companies": [{"id": n, "name": f"Firm {n}", "phone_numbers": None if n == 7 else ["+1"]} for n in (7, 8, 9)],
    "deals": [{"id": 40, "name": "D", "pipeline": 1, "stage": 10, "status": 2, "value": "10.5", "user_id": 1,
               "participants": [1, 2], "expected_close_date": "2024-05-06", "won_at": STAMP}],
    "pipelines": [{"id": 1, "name": "Sales", "position": 1, "stages": [
        {"id": 10, "name": "New", "position": 1, "probability": 12.5}]}],
    "agents": [{"id": 11, "name": "Ag", "email": "ag@a.example"}],
    "activity_types": [{"id": 1, "name": "Call", "kind": "call"}],
    "tags": [{"id": 5, "name": "vip"}, {"id": 6, "name": "a,b"}],
    "lists": [{"id": 3, "name": "News", "description": ""}],
    "segments": [{"id": 30, "name": "All", "description": "", "user_ids": [1, 2, 3]}],
    "attributes": [
        {"id": n, "name": name.title(), "name_std": name, "content_type": "user", "value_type": kind}
        for n, (name, kind) in enumerate(
            {"plan": "fixed", "is_trial": "boolean", "seats": "integer", "ratio": "float", "data": "json",
             "note": "string", "flag": "string", "unused": "date"}.items(), 1)
    ],
    "activities": [{"id": 60, "activity_type": 1, "name": "Call", "user_id": 1}],
    "conversations": [
        {"id": 70, "user_id": 2, "messages": [
            {"id": 1, "author": "user", "content": "hi", "timestamp": "2024-03-01T10:00:00.000000Z"},
            {"id": 2, "author": "agent", "agent_id": 11, "content": "yes?", "timestamp": "2024-03-01T11:00:00Z"}]},
        {"id": 71, "user_id": 1, "messages": [
            {"id": 3, "author": "user", "content": "hello", "timestamp": "2024-04-01T10:00:00.000000Z"}]},
        {"id": 72, "user_id": 3, "messages": [
            {"id": 4, "author": "agent", "agent_id": 11, "content": "anybody?", "timestamp": "2024-04-01T10:00:00Z"}]},
    ],
}  # fmt: skip

Open = Callable[..., runs.Run]


def _scenario(**switches: Any) -> Scenario:
    # The vendor gives every user a key; in a message it is the only sign that the author is no agent.
    users = [{"user_key": f"key{row['id']:09}", **row} for row in USERS]
    return Scenario({kind: ROWS.get(kind, []) for kind in KINDS} | {"users": users}, {}, switches)


@pytest.fixture
def open_run(customers: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A run of a customer whose source is the given sandbox, its discovery open."""

    def opened(box: Sandbox, token: str | None = None, source: str = "", **parameters: Any) -> runs.Run:
        folder = customers / "acme"
        folder.mkdir(exist_ok=True)
        text = config.TEMPLATE.format(customer="acme", variable="ACME")
        url = box.ready["usercom"]["base_url"]
        text = text.replace("https://acme.user.com/api/public/", url).replace(
            "per_second = 5", "per_second = 500"
        )
        (folder / "customer.toml").write_text(
            text.replace("[source]\n", f"[source]\n{source}"), encoding="utf-8"
        )
        monkeypatch.setenv(TOKEN, box.ready["usercom"]["token"] if token is None else token)
        run_id = runs.create("acme", "test", parameters={}).folder.name
        return runs.open("01_discovery", customer="acme", run_id=run_id, **parameters)

    return opened


@pytest.fixture
def fetched(open_run: Open) -> runs.Run:
    """The small account, read, one record a page."""
    with Sandbox(_scenario(page_size=1)) as box:
        run = open_run(box)
        extract.fetch(run)
    return run


def test_the_inventory_counts_every_entity(fetched: runs.Run) -> None:
    """Reported beside fetched; nothing sent twice, everything available."""
    counted = {e: (reported, n) for e, reported, n in fetched.read("inventory").select(
        "entity", "reported", "fetched").iter_rows()}  # fmt: skip

    expected = {"contacts": 4, "companies": 3, "deals": 1, "tags": 2, "lists": 1, "segments": 1, "attributes": 8,
                "pipelines": 1, "agents": 1, "activity_types": 1, "activities": 1, "conversations": 3, "messages": 4, "campaigns": 0}  # fmt: skip
    of_contacts = {"events": (0, 0), "emails": (0, 0), "segment_members": (None, 3)}
    assert {e: (n, n) for e, n in expected.items()} | of_contacts == counted
    assert fetched.read("inventory").select(pl.col("duplicates").sum(), pl.col("available").all()).row(0) == (
        0,
        True,
    )


def test_contacts_keep_order_types_and_text(fetched: runs.Run) -> None:
    """Oldest membership first and undated ones last; tags by name; instants in UTC."""
    ann = fetched.read("source_contacts").row(0, named=True)

    assert ["9", "8", "7"] == ann["company_ids"]
    assert (["vip", "a,b"], ["3"], "11", MOMENT) == (
        ann["tags"], ann["list_ids"], ann["assigned_to"], ann["last_contacted"],
    )  # fmt: skip


def test_custom_properties_are_text_to_the_last_digit(fetched: runs.Run) -> None:
    """Text as received, the rest as compact JSON; a declared property nobody has is a column of nulls."""
    ann = fetched.read("source_contacts").row(0, named=True)

    expected = {"p_plan": '["pro, yearly"]', "p_is_trial": "true", "p_seats": "9007199254740993", "p_ratio": "0.1",
                "p_data": '{"a":[1,null]}', "p_note": "", "p_flag": "t", "p_unused": None}  # fmt: skip
    assert expected == {name: value for name, value in ann.items() if name.startswith("p_")}


def test_deals_keep_the_decimal_text_and_the_date(fetched: runs.Run) -> None:
    """Money is text until a rule reads it."""
    deal = fetched.read("source_deals").row(0, named=True)

    assert ("10.50", 2, "1", "10", ["1", "2"], date(2024, 5, 6), MOMENT) == tuple(
        deal[c]
        for c in (
            "value",
            "status",
            "pipeline_id",
            "stage_id",
            "participants",
            "expected_close_date",
            "won_at",
        )
    )


def test_records_are_kept_as_received(fetched: runs.Run) -> None:
    """What the vendor sent stands beside what was made of it, under the same id."""
    raw = dict(fetched.read("raw_contacts").iter_rows())

    assert set(raw) == set(fetched.read("source_contacts").get_column("source_id"))
    assert json.loads(raw["4"])["name"] == "Ünïcode"
    assert ["60"] == fetched.read("raw_activities").get_column("source_id").to_list()


def test_last_heard_is_the_contacts_own_last_message(fetched: runs.Run) -> None:
    """An agent's answer is not the contact writing; a talk in which only the agent wrote counts for nothing."""
    heard = dict(fetched.read("source_contacts").select("source_id", "last_heard").iter_rows())

    assert {
        "1": datetime(2024, 4, 1, 10, tzinfo=UTC),
        "2": datetime(2024, 3, 1, 10, tzinfo=UTC),
        "3": None,
        "4": None,
    } == heard


def test_settings_and_members_become_tables(fetched: runs.Run) -> None:
    """Stages, agents, activity types, segment members."""
    assert [("1", "Sales", 1, "10", "New", 1, 12.5)] == fetched.read("source_stages").rows()
    assert [("11", "Ag", "ag@a.example")] == fetched.read("agents").rows()
    assert [("1", "Call", "call")] == fetched.read("source_activity_types").rows()
    assert [("30", "1"), ("30", "2"), ("30", "3")] == fetched.read("segment_members").rows()


def test_a_link_too_many_at_the_end_is_the_end(open_run: Open) -> None:
    """The vendor is known for it; the run's log says where it happened."""
    with Sandbox(_scenario(page_size=2, next_404=True)) as box:
        run = open_run(box)
        extract.fetch(run)

    assert run.read("source_contacts").height == len(USERS)
    assert "next page not found" in (run.folder / "log.jsonl").read_text(encoding="utf-8")


def test_missing_agents_and_pipelines_stop_the_run_after_everything_else_is_saved(open_run: Open) -> None:
    """The person is told which files to fill in; empty ones with their headers are there."""
    with Sandbox(
        _scenario(provisional={"pipelines": False, "agents": False, "activity-types": False})
    ) as box:
        run = open_run(box)
        with pytest.raises(Waiting) as caught:
            extract.fetch(run)

    assert "pipelines.csv (pipeline_id, pipeline, pipeline_position," in caught.value.what
    assert "agents.csv (agent_id, name, email)" in caught.value.what
    assert f"crmbook run acme --env test --run {run.run_id}" == caught.value.command
    assert ["agents.csv", "pipelines.csv"] == sorted(p.name for p in run.source_folder.iterdir())
    assert run.read("source_contacts").height == len(USERS)
    closed = run.read("inventory").filter(~pl.col("available")).get_column("entity").to_list()
    assert ["activity_types", "agents", "pipelines"] == sorted(closed)


def test_a_file_wins_over_the_api_and_an_empty_one_does_not(open_run: Open) -> None:
    """A header alone is a file nobody filled in."""
    with Sandbox(_scenario()) as box:
        run = open_run(box)
        source_files.write_empty(run.source_folder, "agents")
        (run.source_folder / "activity_types.csv").write_text("kind;activity_type_id;name\nmeeting;1;Visit\n")
        extract.fetch(run)

    origin = dict(run.read("inventory").select("entity", "origin").iter_rows())
    assert [("1", "Visit", "meeting")] == run.read("source_activity_types").rows()
    assert ("api", "file") == (origin["agents"], origin["activity_types"])


def test_a_sample_cuts_the_tables_and_not_the_count(open_run: Open) -> None:
    """Two contacts with all that hangs on them; the account is still the account."""
    with Sandbox(_scenario()) as box:
        run = open_run(box, sample=2)
        extract.fetch(run)

    assert 2 == run.read("source_contacts").height
    assert 4 == run.read("inventory").filter(pl.col("entity") == "contacts").get_column("fetched").item()


def test_reading_again_gives_the_same_tables(open_run: Open) -> None:
    """An interrupted discovery is simply run again."""
    with Sandbox(_scenario()) as box:
        run = open_run(box)
        extract.fetch(run)
        first = {p.name: p.read_bytes() for p in (run.phase_folder / "data").iterdir()}
        extract.fetch(run)

    assert first == {p.name: p.read_bytes() for p in (run.phase_folder / "data").iterdir()}


def test_no_token_is_an_error_that_names_the_variable(open_run: Open) -> None:
    """Before any request is sent."""
    with Sandbox(_scenario()) as box, pytest.raises(ConfigError, match=TOKEN):
        extract.fetch(open_run(box, token=""))


def test_a_wrong_token_is_refused_without_being_shown(open_run: Open) -> None:
    """One line: not allowed."""
    with Sandbox(_scenario()) as box, pytest.raises(AuthError) as caught:
        extract.fetch(open_run(box, token="x" * 64))

    assert "xxx" not in str(caught.value)


def test_records_sent_twice_are_counted_and_the_last_one_stands(fetched: runs.Run) -> None:
    """Records move between pages while one reads."""
    job = extract._Extract(fetched, UserCom("http://127.0.0.1:1/api/public/", "x" * 64))
    columns = extract_columns.Columns(tables.TAGS)
    pages = [Page([_tag(1, "old"), _tag(2, "two")], 2), Page([_tag(1, "new")], 2)]

    for records in job.records("tags", iter(pages)):
        columns.add(records)

    row = job.inventory[0]
    assert (2, 3, 1, 2) == tuple(row[k] for k in ("reported", "fetched", "duplicates", "distinct"))
    assert [("1", "new"), ("2", "two")] == columns.frame().rows()
    assert ['{"v": "new"}', '{"v": "two"}'] == columns.raw().sort("source_id").get_column("raw").to_list()


def _tag(number: int, name: str) -> Record:
    return Record(str(number), json.dumps({"v": name}), {"id": str(number), "name": name})


def _deal(**fields: Any) -> Record:
    obj = {"id": 7, "custom_id": None, "name": "D", "pipeline": 1, "stage": 1, **fields}
    return Record("7", "{}", canonical("deals", obj, ()))


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        pytest.param("deals 7: won_at: expected an ISO 8601 time", {"won_at": "yesterday"}, id="no time"),
        pytest.param(
            "deals 7: expected_close_date: expected a date",
            {"expected_close_date": "2024-13-01"},
            id="no date",
        ),
    ],
)
def test_a_time_that_is_none_names_the_record_and_field(message: str, fields: dict[str, str]) -> None:
    """Never its value; the raw record has it."""
    columns = extract_columns.Columns(tables.SOURCE_DEALS)
    columns.add([_deal(**fields)])

    with pytest.raises(DataError) as caught:
        columns.frame()

    assert str(caught.value).startswith(message)
    assert not [value for value in fields.values() if value in str(caught.value)]


def test_times_keep_their_instant_whatever_the_offset() -> None:
    """With an offset, with Z, before 1970, far ahead; a blank is none."""
    columns = extract_columns.Columns(tables.SOURCE_DEALS)
    columns.add([_deal(won_at="1969-12-31T23:00:00-02:00", lost_at="", created_at="2099-01-01T00:00:00Z")])

    row = columns.frame().row(0, named=True)

    assert datetime(1970, 1, 1, 1, tzinfo=UTC) == row["won_at"]
    assert (None, datetime(2099, 1, 1, tzinfo=UTC)) == (row["lost_at"], row["created_at"])


def test_half_an_emoji_does_not_stop_the_reading() -> None:
    """A cut surrogate pair is legal JSON and no text; it becomes the sign for an unreadable character."""
    columns = extract_columns.Columns(tables.TAGS)
    columns.add([Record("1", '{"name":"x"}', {"id": "1", "name": "ok \ud83d"})])

    assert ["ok \ufffd"] == columns.frame().get_column("name").to_list()


@pytest.mark.parametrize(
    ("message", "entity", "content"),
    [
        pytest.param("agents.csv line 1: missing column email", "agents", "agent_id,name\n1,A\n", id="column"),
        pytest.param("agents.csv line 3, column agent_id: is empty", "agents", "agent_id,name,email\n1,A,\n,B,\n", id="id"),
        pytest.param("agents.csv line 2, column email: expected one e-mail", "agents", "agent_id,name,email\n1,A,x\n",
                     id="e-mail"),
        pytest.param("agents.csv line 3, column agent_id: the same id as in line 2", "agents",
                     "agent_id,name,email\n1,A,\n1,B,\n", id="repeated"),
        pytest.param("activity_types.csv line 2, column kind: expected one of call", "activity_types",
                     "activity_type_id,name,kind\n1,A,fax\n", id="kind"),
        pytest.param("pipelines.csv line 2, column probability: expected a number", "pipelines",
                     "pipeline_id,pipeline,pipeline_position,stage_id,stage,stage_position,probability\n1,P,1,2,S,1,high\n",
                     id="number"),
        pytest.param("pipelines.csv line 2, column probability: expected percent from 0 to 100", "pipelines",
                     "pipeline_id,pipeline,pipeline_position,stage_id,stage,stage_position,probability\n1,P,1,2,S,1,200\n",
                     id="range"),
        pytest.param("pipelines.csv line 2, column stage_position: expected a whole number", "pipelines",
                     "pipeline_id,pipeline,pipeline_position,stage_id,stage,stage_position,probability\n1,P,1,2,S,b,\n",
                     id="whole"),
    ],
)  # fmt: skip
def test_a_malformed_file_names_line_and_column(
    tmp_path: Path, message: str, entity: str, content: str
) -> None:
    """A person finds the cell without searching."""
    (tmp_path / source_files.FILES[entity].name).write_text(content, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        source_files.read(tmp_path, entity)

    assert str(caught.value).startswith(message)


def test_a_pipelines_file_is_read_as_a_person_writes_it(tmp_path: Path) -> None:
    """Semicolons, a decimal comma, a percent sign, empty positions."""
    header = "pipeline_id;pipeline;pipeline_position;stage_id;stage;stage_position;probability"
    (tmp_path / "pipelines.csv").write_text(f"{header}\n1;Sales;;10;New;1;12,5 %\n1;Sales;;11;Done;2;\n")

    found = source_files.read(tmp_path, "pipelines")

    assert found is not None
    assert [("10", 12.5, None), ("11", None, None)] == found.select(
        "stage_id", "probability", "pipeline_position"
    ).rows()
