"""Stages and owners: names and order stay, closed deals find a closed stage."""

import polars as pl
import pytest

from crmbook import tables
from crmbook.errors import DataError
from crmbook.phases import structure
from history_rows import activities
from source_rows import contacts, deals, stages

OPEN, WON, LOST, ARCHIVED = 1, 2, 3, 4
SALES = stages(("10", "New", 12.5), ("11", "Offer", 66.7), ("12", "Signed", 100), ("13", "Lost", 0))


def _deals(*rows: tuple[str, int]) -> pl.DataFrame:
    return deals(
        *(
            {"source_id": str(n), "pipeline_id": "1", "stage_id": stage, "status": status}
            for n, (stage, status) in enumerate(rows)
        )
    )


def _by_stage(made: pl.DataFrame, column: str) -> dict[str, object]:
    return dict(made.select("stage_id", column).iter_rows())


def test_probabilities_round_half_up_and_say_so() -> None:
    """A person rounds 12.5 to 13; a whole number is not rounded."""
    made = structure.stages(SALES, _deals())

    assert {"10": 13, "11": 67, "12": 100, "13": 0} == _by_stage(made, "target_probability")
    assert {"10": True, "11": True, "12": False, "13": False} == _by_stage(made, "is_rounded")


def test_a_probability_nobody_told_stays_unknown() -> None:
    """The target's own default stands then; 0 would be a claim."""
    made = structure.stages(stages(("10", "New", None)), _deals())

    assert (None, "Open", False) == made.select("target_probability", "forecast_type", "is_rounded").row(0)


def test_order_follows_the_source_positions() -> None:
    """Stage ids say nothing about order."""
    source = stages(("30", "First", 1), ("4", "Second", 2), ("5", "Third", 3))

    assert {"30": 1, "4": 2, "5": 3} == _by_stage(structure.stages(source, _deals()), "target_position")


@pytest.mark.parametrize(
    ("expected", "name", "probability", "statuses"),
    [
        pytest.param("Closed Won", "Signed", 100, [WON], id="100 and all won"),
        pytest.param("Closed Won", "Signed", 100, [], id="100 and empty"),
        pytest.param("Open", "Signed", 100, [WON, OPEN], id="100 with an open deal, which would be closed"),
        pytest.param("Closed Lost", "Lost", 0, [], id="0 and called lost"),
        pytest.param("Closed Lost", "Utracone", 0, [LOST], id="0 and all lost"),
        pytest.param("Open", "Lost & found", 0, [ARCHIVED], id="0, called lost, with an archived deal"),
        pytest.param("Open", "Idea", 0, [], id="0 and a first stage"),
        pytest.param("Open", "Almost", 99.5, [WON], id="rounds to 100 but is not"),
    ],
)
def test_a_stage_is_closed_only_if_no_deal_in_it_says_otherwise(
    expected: str, name: str, probability: float, statuses: list[int]
) -> None:
    """The target closes every deal of a closed stage, so an open deal keeps the stage open."""
    made = structure.stages(stages(("10", name, probability)), _deals(*(("10", s) for s in statuses)))

    assert _by_stage(made, "forecast_type")["10"] == expected


def test_closed_stages_are_added_only_where_deals_need_them() -> None:
    """A won deal in an open stage needs a place in a pipeline without a won stage; a pipeline that has one gets none."""
    source = stages(("10", "Open", 50))

    def ids(pipeline: pl.DataFrame, *placed: tuple[str, int]) -> set[str]:
        return set(structure.stages(pipeline, _deals(*placed)).get_column("stage_id"))

    assert {"10", "won"} == ids(source, ("10", WON))
    assert {"10", "lost"} == ids(source, ("10", LOST))
    assert {"10"} == ids(source, ("10", ARCHIVED))
    assert {"10", "11", "12", "13"} == ids(SALES, ("10", WON), ("10", LOST))


def test_an_added_stage_comes_last_and_has_a_name_of_its_own() -> None:
    """`Won` is taken by a stage that holds open deals."""
    source = stages(("10", "Won", 100))

    made = structure.stages(source, _deals(("10", WON), ("10", OPEN)))

    added = made.filter("is_added").row(0, named=True)
    expected = ("won", "Won (closed)", 2, 100, "Closed Won", 0)
    columns = ("stage_id", "target_stage", "target_position", "target_probability", "forecast_type", "deals")
    assert expected == tuple(added[c] for c in columns)


def test_pipelines_of_one_name_are_told_apart() -> None:
    """The target finds a pipeline by name."""
    source = pl.concat([stages(("10", "A", 1)), stages(("20", "A", 1), pipeline_id="2", pipeline="SALES ")])

    assert ["Sales", "SALES (2)"] == structure.stages(source, _deals()).get_column(
        "target_pipeline"
    ).to_list()


def test_stages_without_a_name_get_one() -> None:
    """A blank name cannot be created."""
    made = structure.stages(stages(("10", " ", 1)), _deals())

    assert ["Stage 10"] == made.get_column("target_stage").to_list()


def test_a_person_may_give_stages_another_place() -> None:
    """Only the rows given change; what equals the proposal is no change, even with a slash in the pipeline's name."""
    proposed = structure.stages(
        stages(("10", "New", 10), ("11", "Offer", 20), pipeline="B2B / Export"), _deals()
    )
    edited = pl.DataFrame(
        {
            "pipeline_id": ["1", "1"],
            "stage_id": ["10", "11"],
            "target_pipeline": ["B2B / Export", "Retail"],
            "target_stage": ["New", "Quote"],
            "percent": [None, 35],
        },
        schema_overrides={"percent": pl.Int64},
    )

    made = structure.stages_with_decisions(proposed, edited)

    places = made.select("target_pipeline", "target_stage", "target_probability", "is_rounded").rows()
    assert [("B2B / Export", "New", 10, False), ("Retail", "Quote", 35, True)] == places


def test_open_and_closed_stages_cannot_share_a_place() -> None:
    """Every open deal of the one would be closed by the other."""
    proposed = structure.stages(SALES, _deals())
    edited = _given(("10", "Signed", None))

    with pytest.raises(DataError, match="Sales / Signed would take open and closed stages"):
        structure.stages_with_decisions(proposed, edited)


def _given(*rows: tuple[str, str, int | None]) -> pl.DataFrame:
    """What a person gave stages of the pipeline Sales: id, target stage, percent."""
    return pl.DataFrame(
        [("1", stage_id, "Sales", target, percent) for stage_id, target, percent in rows],
        schema={"pipeline_id": pl.String, "stage_id": pl.String, "target_pipeline": pl.String, "target_stage": pl.String,
                "percent": pl.Int64},
        orient="row",
    )  # fmt: skip


def test_a_percent_counts_for_every_stage_of_its_target() -> None:
    """The target has one stage there, so it has one probability."""
    proposed = structure.stages(stages(("10", "New", 10), ("11", "Newer", 20)), _deals())

    made = structure.stages_with_decisions(proposed, _given(("11", "New", 30)))

    assert [("New", 30), ("New", 30)] == made.select("target_stage", "target_probability").rows()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([("10", "New", 10), ("11", "New", 20)], "is given 2 different probabilities", id="two"),
        pytest.param([("12", "Signed", 90)], "is Closed Won, which has 100 %", id="closed"),
    ],
)
def test_a_probability_nothing_can_have_is_refused(
    given: list[tuple[str, str, int | None]], expected: str
) -> None:
    """A stage has one, and a closed one is settled."""
    proposed = structure.stages(
        stages(("10", "New", 10), ("11", "Newer", 20), ("12", "Signed", 100)), _deals()
    )

    with pytest.raises(DataError, match=expected):
        structure.stages_with_decisions(proposed, _given(*given))


AGENTS = pl.DataFrame(
    [("1", "Ann", "ann@a.example"), ("2", "Bob", "bob@a.example")], schema=tables.AGENTS.columns, orient="row"
)


def test_owners_are_the_agents_and_every_id_records_name() -> None:
    """An agent who left is still named by records and has to go somewhere."""
    made = structure.owners(
        AGENTS,
        contacts({"source_id": "1", "assigned_to": "1"}),
        deals({"source_id": "2", "assigned_to": "99"}),
        activities({"source_id": "3", "assigned_to": "98"}),
    )

    expected = [("1", True, 1), ("2", True, 0), ("98", False, 1), ("99", False, 1)]
    assert expected == made.select("agent_id", "is_known", "records").rows()


def test_a_person_may_give_an_owner_another_user() -> None:
    """The rest keeps its e-mail."""
    proposed = structure.owners(AGENTS, contacts(), deals())

    made = structure.owners_with_decisions(
        proposed, pl.DataFrame({"agent_id": ["2"], "email": ["eve@a.example"]})
    )

    assert ["ann@a.example", "eve@a.example"] == made.get_column("email").to_list()
