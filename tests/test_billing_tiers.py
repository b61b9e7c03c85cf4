"""The exploring notebook's counts: bands, combinations, groups before and after, and a board that draws what it counts."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mapping_case
from crmbook import billing_page, exclusion_file, exploring, lab_tables, runs
from crmbook.billing_board import Board
from crmbook.errors import ParameterError, UpstreamError, UsageError
from crmbook.phases import billing_tiers, discovery
from crmbook.phases.billing_tiers import Choice
from source_rows import companies, contacts

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SOURCE = contacts(
    {"source_id": "1", "email": "a@b.example", "last_seen": NOW, "assigned_to": "7", "company_ids": ["60"],
     "tags": ["vip", "fair"]},
    {"source_id": "2", "email": "c@d.example", "phone_number": "+48600700800", "assigned_to": "8",
     "last_seen": NOW - timedelta(days=800), "company_ids": ["61", "60"], "tags": ["vip"]},
    {"source_id": "3", "last_heard": NOW, "last_seen": NOW - timedelta(days=30)},
    {"source_id": "4", "web_push_subscription": True, "company_ids": ["99"]},
    {"source_id": "5"},
)  # fmt: skip
FIRMS = companies({"source_id": "60", "size": 9}, {"source_id": "61"})
BILLING = discovery.billing(SOURCE)
SEGMENTS = pl.DataFrame({"segment_id": ["1", "2"], "name": ["Warm", "Warm"]})
IN_SEGMENTS = pl.DataFrame({"segment_id": ["1", "2", "2"], "contact_id": ["1", "1", "3"]})
EXPLORED = billing_tiers.explored(BILLING, contacts=SOURCE, companies=FIRMS, as_of=NOW)
MEMBERS = billing_tiers.memberships(SOURCE, SEGMENTS, IN_SEGMENTS)
CUBE = billing_tiers.cube(EXPLORED)


def test_bands_owner_and_size_of_each_contact() -> None:
    """A band begins with its day; the oldest company counts, also where its size or the company itself is not known."""
    found = EXPLORED.select("source_id", pl.col("seen", "owner", "size").cast(pl.String)).rows()
    assert found == [
        ("1", "under 30 days", "7", "1 to 9"),
        ("2", "over 2 years", "8", "size not told"),
        ("3", "30 to 90 days", "nobody", "no company"),
        ("4", "never seen", "nobody", "size not told"),
        ("5", "never seen", "nobody", "no company"),
    ]


def test_a_cube_loses_nobody() -> None:
    """Contacts in the cube sum to the rows; the spread counts a contact in each of its segments and tags."""
    assert CUBE["contacts"].sum() == BILLING.height
    spread = billing_tiers.spread(EXPLORED, MEMBERS)
    counted = spread.group_by("kind", "value").agg(pl.col("contacts").sum()).sort("kind", "value").rows()
    assert counted == [
        ("segment", "Warm (1)", 1), ("segment", "Warm (2)", 2), ("tag", "fair", 1), ("tag", "vip", 2)
    ]  # fmt: skip


def test_combinations_name_the_attributes_together() -> None:
    """One row per set of attributes with its group, most contacts first, and how many of them are chosen."""
    made = billing_tiers.combinations(billing_tiers.marked(CUBE, Choice({"phone": True})))
    words = [
        ("+".join(n for n in billing_tiers.ATTRIBUTES if row[n]), str(row["tier"]), row["contacts"], row["chosen"])
        for row in made.to_dicts()
    ]  # fmt: skip
    assert sorted(words) == [
        ("", "unidentified", 1, 0), ("email", "identified", 1, 0), ("email+phone", "identified", 1, 1),
        ("last_heard", "chat_only", 1, 0), ("web_push", "push_only", 1, 0),
    ]  # fmt: skip
    alone = (
        billing_tiers.single(billing_tiers.marked(CUBE, Choice()))
        .select("attribute", "contacts", "alone")
        .rows()
    )
    assert alone == [
        ("email", 2, 1), ("phone", 1, 0), ("user_id", 0, 0), ("last_heard", 1, 1), ("web_push", 1, 1),
        ("fcm_key", 0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        pytest.param(Choice(), "12345", id="nothing named is everything"),
        pytest.param(Choice({"email": True, "phone": False}), "1", id="attributes"),
        pytest.param(Choice(tiers=("chat_only", "push_only")), "34", id="groups"),
        pytest.param(Choice(seen=(billing_tiers.NEVER, "over 2 years")), "245", id="ages"),
        pytest.param(
            Choice(owners=(billing_tiers.NOBODY,), sizes=("no company",)), "35", id="both must hold"
        ),
    ],
)
def test_a_choice_holds_for_contacts_as_for_the_cube(choice: Choice, ids: str) -> None:
    """The contacts a selection names are as many as its cube counts."""
    named = EXPLORED.filter(choice.holds())["source_id"].to_list()
    assert named == list(ids)
    assert CUBE.filter(choice.holds())["contacts"].sum() == len(ids)


def test_groups_before_and_after() -> None:
    """What drops out is told per group, contacts and billable ones apart."""
    made = billing_tiers.groups(billing_tiers.marked(CUBE, Choice(seen=(billing_tiers.NEVER,))))
    assert [(str(t), *rest) for t, *rest in made.iter_rows()] == [
        ("identified", 2, 2, 0, 2, 2), ("chat_only", 1, 1, 0, 1, 1), ("push_only", 1, 1, 1, 0, 0),
        ("unidentified", 1, 0, 1, 0, 0),
    ]  # fmt: skip


def test_the_contracts_tier_is_the_first_that_fits() -> None:
    """A limit holds as many as it says; above all of them, and without any, that is said."""
    steps = [1000, 500]
    assert [billing_tiers.step(n, steps) for n in (500, 501, 1001)] == [
        "up to 500",
        "up to 1,000",
        "over 1,000",
    ]
    assert billing_tiers.step(5, []) == ""


def test_a_count_that_is_not_discoverys_is_seen() -> None:
    """A billing table with another group for one contact differs by that contact in both groups."""
    assert billing_tiers.agreement(CUBE, BILLING)["difference"].sum() == 0
    other = BILLING.with_columns(
        tier=pl.when(pl.col("source_id") == "3").then(pl.lit("push_only")).otherwise("tier")
    )
    assert billing_tiers.agreement(CUBE, other)["difference"].to_list() == [0, 2, 2, 0]


@pytest.fixture
def record(customers: Path) -> runs.Record:
    """A customer whose discovery has passed on three contacts."""
    return mapping_case.new_run(customers)


def _board(record: runs.Record, **given: Any) -> Board:
    run = exploring.open(record.folder.parent.name, record.folder.name, **given)
    return Board(exploring.desk(run))


def test_the_board_counts_what_its_controls_choose(record: runs.Record) -> None:
    """Each control draws again at once: numbers, page and the choice say the same."""
    board = _board(record)
    assert board.numbers["groups"]["contacts"].sum() == 3
    assert board.numbers["groups"]["chosen"].sum() == 0
    board.owners.value = ("7",)
    assert board.numbers["groups"]["chosen"].sum() == 2
    assert '<li data-figure="chosen"><b>2</b>' in board.summary.value
    board.members.value = ("tag", "new")
    assert board.numbers["groups"].select(pl.col("contacts", "chosen").sum()).rows() == [(1, 0)]
    board.dimension.value = "tag"
    assert board.numbers["by"].select("value", "contacts").rows() == [("new", 1), ("vip", 1)]


def test_a_saved_selection_is_the_customers_decision(record: runs.Record) -> None:
    """The button writes ids and reason, and tells the next command; the run itself stays as it was."""
    board, before = _board(record), record.path.read_bytes()
    board.owners.value = ("8",)
    board.reason.value = "no longer ours"
    board.save.click()
    source = record.folder.parent / "source"
    assert exclusion_file.read(source).rows() == [("2", "no longer ours")]
    assert (
        "1 contacts chosen; source/exclusions.csv leaves out 1 in all. Next: crmbook run acme"
        in board.saved.value
    )
    assert record.path.read_bytes() == before


def test_everybody_is_never_left_out_by_an_empty_choice(record: runs.Record) -> None:
    """Without a choice the button refuses, as it does without a reason; nothing is written."""
    board = _board(record)
    board.save.click()
    assert "nothing is chosen: everybody would be left out" in board.saved.value
    board.owners.value = ("8",)
    board.save.click()
    assert "reason: is empty" in board.saved.value
    assert not (record.folder.parent / "source" / exclusion_file.NAME).exists()


def test_personal_values_are_masked_unless_revealed(record: runs.Record) -> None:
    """Names, addresses and owners only on request, and then the first line says so."""
    masked, shown = (_board(record, reveal=reveal).desk for reveal in (False, True))
    everybody = [desk.listed(Choice()).select("name", "email", "owner").row(0) for desk in (masked, shown)]
    assert everybody == [("•••", "•••", "agent 7"), ("Ann Lee", "a@b.example", "Ann")]


def test_a_revealed_look_says_so(record: runs.Record, capsys: pytest.CaptureFixture[str]) -> None:
    """The line stands in the copy's output whatever else is run."""
    exploring.open("acme", record.folder.name, reveal=True)
    assert "REVEALED: this copy shows personal data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"as_of": "yesterday"}, "as_of: expected a day", id="day"),
        pytest.param({"contract_tiers": "5k"}, "contract_tiers: 5k is no number", id="tiers"),
    ],
)
def test_a_parameter_that_can_not_be_is_named(record: runs.Record, given: Any, message: str) -> None:
    """One line with the parameter and what was expected."""
    with pytest.raises(ParameterError, match=message):
        exploring.desk(exploring.open("acme", record.folder.name), **given)


def test_a_run_without_discovery_can_not_be_explored(customers: Path) -> None:
    """The command that reads the account is named; a save to the run's tables is refused."""
    record = mapping_case.new_run(customers)
    record.change_phase("01_discovery", status="failed")
    with pytest.raises(UpstreamError, match="--to 01_discovery"):
        exploring.open("acme", record.folder.name)
    record.change_phase("01_discovery", status="passed")
    run = exploring.open("acme", record.folder.name)
    with pytest.raises(UsageError, match="belongs to 01_discovery"):
        run.save("billing", BILLING)


def test_text_of_the_source_is_only_text_on_the_board() -> None:
    """A tag that is markup is shown, not rendered."""
    rows = pl.DataFrame({"value": ["<img src=x>"], "contacts": [1], "chosen": [0]})
    drawn = billing_page.board(
        groups=billing_tiers.groups(billing_tiers.marked(CUBE, Choice())), combinations=billing_tiers.combinations(billing_tiers.marked(CUBE, Choice())),
        single=billing_tiers.single(billing_tiers.marked(CUBE, Choice())), by=rows, labels=dict.fromkeys(billing_tiers.ATTRIBUTES, "x"),
        dimension="tag",
    )  # fmt: skip
    assert "<img" not in drawn
    assert "&lt;img src=x&gt;" in drawn


def test_the_day_of_the_comparison_is_told(record: runs.Record) -> None:
    """User.com's number may be a day old: the note stands beside the difference."""
    board = _board(record)
    board.theirs.value = 5
    assert "<b data-difference>+2</b>" in board.compared.value
    assert "once in 24 hours" in board.compared.value


def test_the_labs_tables_need_no_network() -> None:
    """The table holds its own rows and names no place to fetch its code from."""
    page = lab_tables.page(EXPLORED.head(2), caption="two")
    assert "under 30 days" in page
    assert "two" in page
    assert re.findall(r"(?:src=|from |import\()['\"]?https?:", page) == []
