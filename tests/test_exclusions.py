"""Contacts left out by decision: the file, what 04 makes of it, and that a run obeys it from the map to the report."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import normalization_case as case
from crmbook import exclusion_file, tables
from crmbook.errors import ConfigError, ParameterError
from crmbook.phases import exclusions, normalization
from source_rows import companies, contacts, deals

HEADER = "source_id,reason\n"
STALE = "not seen for two years"


def _named(*ids: str, reason: str = STALE) -> pl.DataFrame:
    rows = [(source_id, reason) for source_id in ids]
    return pl.DataFrame(rows, schema={"source_id": pl.String, "reason": pl.String}, orient="row")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A customer's source folder."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_without_a_file_nobody_is_left_out(source: Path) -> None:
    """No file, no rows, and no hash."""
    assert exclusion_file.read(source).height == 0
    assert exclusion_file.digest(source) == ""


def test_a_selection_is_read_back_as_it_was_saved(source: Path) -> None:
    """Ids in order under their reason; the file is the owner's alone."""
    assert exclusion_file.exclude(source, ["12", "7"], STALE) == 2
    assert exclusion_file.read(source).rows() == [("12", STALE), ("7", STALE)]
    assert (source / exclusion_file.NAME).stat().st_mode & 0o777 == 0o600


def test_a_narrower_selection_of_the_same_reason_takes_members_back(source: Path) -> None:
    """The same reason is replaced; another one stays, and whoever it names keeps it."""
    exclusion_file.exclude(source, ["1", "2", "3"], STALE)
    exclusion_file.exclude(source, ["3", "4"], "a test account")
    assert exclusion_file.exclude(source, ["1", "4"], f" {STALE} ") == 2
    assert exclusion_file.read(source).rows() == [("4", "a test account"), ("1", STALE)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("source_id\n1\n", "line 1: missing column reason", id="columns"),
        pytest.param(HEADER + ",old\n", "line 2, column source_id: expected the id", id="no id"),
        pytest.param(HEADER + "a@b.example,old\n", "line 2, column source_id: expected the id", id="address"),
        pytest.param(
            HEADER + "1,old\n1,old\n", "line 3, column source_id: the same id as in line 2", id="twice"
        ),
        pytest.param(HEADER + "1,\n", "line 2, column reason: is empty", id="no reason"),
        pytest.param(HEADER + f"1,{'x' * 81}\n", "line 2, column reason: 81 characters", id="long"),
        pytest.param(
            HEADER + "1,ann@b.example\n", "line 2, column reason: looks like an address", id="e-mail"
        ),
        pytest.param(HEADER + "1,+48 600 700 801\n", "line 2, column reason: looks like", id="phone"),
    ],
)
def test_a_malformed_file_names_row_and_column(source: Path, text: str, message: str) -> None:
    """One line with file, row, column and what was expected; never the value."""
    (source / exclusion_file.NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as stopped:
        exclusion_file.read(source)
    assert f"exclusions.csv {message}" in str(stopped.value)
    assert "ann@" not in str(stopped.value)
    assert "a@b" not in str(stopped.value)


def test_a_reason_that_may_name_a_person_is_not_saved(source: Path) -> None:
    """The notebook's free text is held to what the file is held to, before anything is written."""
    with pytest.raises(ParameterError, match="a rule in words"):
        exclusion_file.exclude(source, ["1"], "asked by ann@b.example")
    assert not (source / exclusion_file.NAME).exists()


def test_an_id_the_source_lacks_is_kept_and_told() -> None:
    """It leaves nobody out now, but may come back with a whole extract."""
    found = exclusions.located(_named("1", "9"), contacts({"source_id": "1"}))
    assert dict(found.select("source_id", "is_in_source").iter_rows()) == {"1": True, "9": False}
    assert exclusions.reasons(found).rows() == [(STALE, 2, 1)]


def _normalized(*named: str) -> normalization.Normalized:
    people = contacts(
        {"source_id": "1", "email": "ann@a.example", "company_ids": ["60"], "p_plan": None, "p_score": None},
        {"source_id": "2", "email": "bo@a.example"},
        {"source_id": "3", "email": "BO@a.example"},
        {"source_id": "4"},
    )
    decided = case.decided(exclusions=exclusions.located(_named(*named), people))
    firms = companies({"source_id": "60", "name": "Haff", "p_website": None})
    sales = deals({"source_id": "50", "name": "Boat", "pipeline_id": "1", "stage_id": "10", "status": 1,
                   "contact_id": "1", "company_id": "60"})  # fmt: skip
    return normalization.normalize({"contact": people, "company": firms, "deal": sales}, decided)


def test_whoever_is_named_stays_behind_with_what_leads_to_them() -> None:
    """Excluded with the reason given, links dropped for it, the deal still written; the balance holds."""
    made = _normalized("1")
    assert ("contact", "1", f"by decision: {STALE}") in made.excluded.rows()
    assert "1" not in made.contacts["source_id"].to_list()
    dropped = made.links.filter(pl.col("state") == "dropped").select("relation", "reason")
    assert set(dropped.rows()) == {
        ("contact_account", f"contact excluded: by decision: {STALE}"),
        ("deal_contact", f"contact excluded: by decision: {STALE}"),
    }
    assert made.deals["source_id"].to_list() == ["50"]
    assert made.balance["unaccounted"].to_list() == [0, 0, 0]


def test_a_duplicate_that_is_not_named_lives_on() -> None:
    """Leaving one of two records of an address out does not merge the other into it."""
    made = _normalized("2")
    assert made.contacts["source_id"].to_list() == ["1", "3"]
    assert made.merges.height == 0


def test_a_decision_counts_before_what_the_record_is() -> None:
    """A record nobody knows is named under the decision that names it; the others keep their reason."""
    assert dict(_normalized("4").excluded.select("source_id", "reason").iter_rows()) == {
        "4": f"by decision: {STALE}"
    }
    assert _normalized().excluded["reason"].to_list() == ["unidentified"]


def test_the_check_counts_who_is_written_all_the_same() -> None:
    """A contact that is named and written, or merged into another, and one that was forgotten, are seen."""
    named = exclusions.located(_named("1", "2", "3"), contacts(*({"source_id": i} for i in "123")))
    made = exclusions.obeyed(
        named,
        excluded=pl.DataFrame(
            [("contact", "3", f"by decision: {STALE}")], schema=tables.EXCLUDED.columns, orient="row"
        ),
        contacts=pl.DataFrame({"source_id": ["1"]}),
        merges=pl.DataFrame([("contact", "2", "8", "email")], schema=tables.MERGES.columns, orient="row"),
    )
    assert_frame_equal(
        made,
        pl.DataFrame([(STALE, 3, 3, 1, 2, 2)], schema=tables.EXCLUSIONS_OBEYED.columns, orient="row"),
    )
