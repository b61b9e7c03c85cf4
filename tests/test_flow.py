"""How far each record came: stations that add up, and a name and a reason for whatever left between two of them."""

import polars as pl
import pytest

from crmbook import figures, tables
from crmbook.phases import flow, link_check
from crmbook.phases.calendar import fill_by_year, history

CLASSES = pl.DataFrame(
    {
        "entity": ["contact"] * 7,
        "source_id": list("1234567"),
        "class": ["loaded", "merged", "excluded", "rejected", "rejected", "missing", "kept_by_target"],
        "module": ["contacts"] * 7,
        "target_id": [11, 11, None, None, None, None, None],
        "reason": ["", "into 1 (duplicate_email)", "chat_only", "email: email_missing", "refused by the target",
                   "gone from the target", "deleted there"],
    }
)  # fmt: skip
STANDING = pl.DataFrame(
    {
        "entity": ["event", "event", "event", "membership"],
        "source_id": ["e1", "e2", "e3", "m1"],
        "carrier_module": ["notes", "notes", None, "list_members"],
        "carrier_id": ["n1", "n2", None, "l1:1"],
        "state": ["carried", "carried", "skipped", "carried"],
        "reason": ["", "", "by decision", ""],
        "target_id": [21, None, None, None],
        "fate": ["found", "lost", "skipped", "found"],
    }
)


def _ids(**of: str) -> pl.DataFrame:
    rows = [(entity, one) for entity, ids in of.items() for one in ids.split()]
    return pl.DataFrame(rows, schema={"entity": pl.String, "source_id": pl.String}, orient="row")


def _flow(**given: pl.DataFrame | dict[str, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    known = {
        "classes": CLASSES, "standing": STANDING, "planned": _ids(contact="1 5 6", note="n1 n2"),
        "untouched": _ids(contact="7"), "crosswalk": _ids(contact="1 6 7", note="n1 n2"),
        "extracted": {"contact": 7, "event": 3, "membership": 1},
    }  # fmt: skip
    return flow.flow(**(known | given))  # type: ignore[arg-type]


def _at(frame: pl.DataFrame, entity: str) -> list[int]:
    return frame.filter(pl.col("entity") == entity).sort("position")["records"].to_list()


def test_every_record_is_counted_up_to_the_last_station_it_reached() -> None:
    """Merged, excluded and rejected ones are not kept, a refused one is not written, a missing one not found."""
    at, left = _flow()
    assert _at(at, "contact") == [7, 4, 4, 3, 1]
    told = left.filter(pl.col("entity") == "contact").select("position", "fate", "reason").rows()
    assert told == [
        (1, "left_out", "no e-mail address"),
        (1, "left_out", "only a chat visitor"),
        (1, "merged", "lives on in another record"),
        (3, "left_out", "refused by the target"),
        (4, "left_out", "deleted there"),
        (4, "lost", "gone from the target"),
    ]


def test_history_is_followed_by_the_record_that_carries_it() -> None:
    """A row whose note is gone is lost, one left out by decision is not; a membership has no record of its own."""
    at, left = _flow()
    assert _at(at, "event") == [3, 2, 2, 2, 1]
    assert _at(at, "membership") == [1, 1, 1, 1, 1]
    lost = left.filter((pl.col("entity") == "event") & (pl.col("fate") == "lost"))
    assert lost.select("position", "reason", "records").rows() == [(4, "missing in the target", 1)]


def test_the_stations_add_up() -> None:
    """What was there before, less what left, is what is there: nothing is unaccounted for."""
    at, _ = _flow()
    assert at["unaccounted"].to_list() == [0] * at.height
    assert at.height == 15


def test_a_record_the_classes_do_not_know_is_unaccounted_for() -> None:
    """The first station is counted in the source alone, so a record nobody judged shows."""
    at, _ = _flow(extracted={"contact": 8, "event": 3, "membership": 1})
    assert at.filter(pl.col("unaccounted") != 0).select("entity", "position", "unaccounted").rows() == [
        ("contact", 1, 1)
    ]


def test_a_lead_of_classic_is_a_contact_of_the_source() -> None:
    """Its writes stand under another name in plan and crosswalk."""
    at, _ = _flow(
        planned=_ids(lead="1 5 6", note="n1 n2"), crosswalk=_ids(lead="1 6", contact="7", note="n1 n2")
    )
    assert _at(at, "contact") == [7, 4, 4, 3, 1]


def test_nothing_at_all_flows_through_every_station() -> None:
    """An account without history has stations with zero, not none."""
    empty = tables.CARRIED.empty().with_columns(target_id=pl.lit(None, pl.Int64), fate=pl.lit(""))
    at, left = _flow(standing=empty, extracted={"contact": 7, "event": 0})
    assert _at(at, "event") == [0] * 5
    assert left.filter(pl.col("entity") == "event").is_empty()


def test_a_figures_stations_are_the_tables() -> None:
    """Summed over the entities, the reasons too, the most frequent first."""
    stations = figures.stations(*_flow())
    assert [(s.name, s.records) for s in stations] == list(zip(flow.STEPS, [11, 7, 7, 6, 3], strict=True))
    assert stations[1].left == [("live on in another record", 1.0, "changed"), ("left out", 3.0, "neutral")]
    assert stations[0].why == ""


def test_links_as_a_figure_takes_them() -> None:
    """A link that moved to the record a merged one lives on in is there; a dropped one lost an end."""
    row = {"relation": "contact_owner", "extracted": 9, "found": 4, "repointed": 2, "dropped": 3, "missing": 0, "extra": 0,
           "wrong_primary": 0, "kept_by_target": 0, "unaccounted": 0}  # fmt: skip
    made = link_check.pictured(pl.DataFrame([row]))
    assert made.row(0, named=True) == {
        "relation": "is looked after by", "kept": 6, "lost": 3, "source": "contact", "target": "owner",
    }  # fmt: skip


def _times(*months: str | None) -> pl.Series:
    return pl.Series([f"{m}-03T10:00:00Z" if m else None for m in months], dtype=pl.String).str.to_datetime(
        time_zone="UTC", time_unit="us"
    )


def test_history_has_a_row_for_every_month_in_between() -> None:
    """An empty month is a finding; an activity without a due date counts where it was created, an unsent e-mail nowhere."""
    made = history(
        pl.DataFrame({"due_date": _times("2024-01", None), "created_at": _times("2023-01", "2024-04")}),
        pl.DataFrame({"at": _times("2024-02")}),
        pl.DataFrame({"sent_at": _times(None)}),
        pl.DataFrame({"at": _times("2024-04")}),
    )
    assert made.select("month", "records").rows() == [
        ("2024-01", 1),
        ("2024-02", 1),
        ("2024-03", 0),
        ("2024-04", 2),
    ]
    assert made["emails"].sum() == 0


def test_no_history_has_no_months() -> None:
    """The figure is empty then, not an error."""
    none = pl.DataFrame({"due_date": _times(), "created_at": _times(), "at": _times(), "sent_at": _times()})
    assert history(none, none, none, none).columns == [
        "month",
        "records",
        "activities",
        "events",
        "emails",
        "messages",
    ]


@pytest.mark.parametrize("years", [2, 12])
def test_fill_is_told_year_by_year(years: int) -> None:
    """The share of contacts created in that year that have a value, fullest property first, ten years at most."""
    months = [f"{2010 + i}-01" for i in range(years)]
    frame = pl.DataFrame(
        {
            "created_at": _times(*months, None),
            "p_old": ["x", *[" "] * (years - 1), "x"],
            "p_full": ["x"] * (years + 1),
        }
    )
    made = fill_by_year(frame)
    assert made["property"].to_list() == ["full", "old"]
    assert made.columns[1:] == [str(2010 + i) for i in range(years)][-10:]
    assert made.row(0)[1:] == (1.0,) * min(years, 10)
    assert made.row(1)[1] == (1.0 if years <= 10 else 0.0)


def test_months_far_out_are_told_in_two_sums() -> None:
    """A date of 2099 is counted, but does not squeeze the years that have something to tell."""
    moments = pl.concat(
        [_times("1931-04"), _times(*["2024-01"] * 250), _times(*["2024-03"] * 250), _times("2099-12")]
    )
    none = pl.DataFrame({"at": _times(), "sent_at": _times()})
    made = history(pl.DataFrame({"due_date": moments, "created_at": moments}), none, none, none)
    assert made.select("month", "records").rows() == [
        ("before 2024-01", 1),
        ("2024-01", 250),
        ("2024-02", 0),
        ("2024-03", 250),
        ("after 2024-03", 1),
    ]
