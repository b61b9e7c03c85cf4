"""A value too long for its field stands whole in a note, and the loss is none any more."""

import polars as pl

from crmbook import tables
from crmbook.phases import notetext, overflow
from crmbook.phases.shape import rejected, tally
from history_rows import FATES, only
from source_rows import contacts

LONG = "<p>" + "word " * 3_000
SOURCES = {
    "contact": contacts(
        {"source_id": "1", "p_notes": LONG},
        {"source_id": "2", "p_notes": LONG},
        {"source_id": "3", "p_notes": LONG},
    )
}


def _rejects(*ids: str, rule: str = "too_long") -> pl.DataFrame:
    rows = pl.DataFrame({"source_id": list(ids)}, schema={"source_id": pl.String})
    return rejected(
        "contact", [rows.with_columns(rule=pl.lit(rule), field=pl.lit("p_notes"))], is_blocking=False
    )


def test_the_value_is_whole_in_a_note_on_the_survivor() -> None:
    """In numbered parts, escaped, with the source's own id and field in the first line."""
    made = overflow.overflow(SOURCES, _rejects("2"), tables.LOSS.empty(), FATES)

    notes = notetext.pack(made.blocks.lazy()).notes
    assert {"1"} == set(notes["parent_id"])
    assert notes["description"][0].startswith("User.com contact 2, notes (1/2)<br>&lt;p&gt;word ")
    assert "overflow:contact:2:p_notes:1" == notes["source_id"][0]
    assert 3_000 == sum(d.count("word") for d in notes["description"])
    assert [("contact", "p_notes", "to_note", 1)] == made.changes.rows()


def test_what_a_note_keeps_is_no_loss() -> None:
    """Only the value of a record that is not moved stays lost, with its record."""
    loss = tally(tables.LOSS, "contact", [("p_notes", "dropped", 3), ("name", "truncated", 1)])

    made = overflow.overflow(SOURCES, _rejects("1", "2", "3"), loss, FATES)

    assert [("contact", "name", "truncated", 1), ("contact", "p_notes", "dropped", 1)] == made.loss.rows()
    assert 2 == made.blocks.height


def test_other_rejects_make_no_note() -> None:
    """A value that is invalid is not one that is too long."""
    made = overflow.overflow(SOURCES, _rejects("1", rule="url_invalid"), tables.LOSS.empty(), FATES)

    assert (0, 0) == (made.blocks.height, made.changes.height)


def test_a_list_too_long_is_joined_as_its_field_would_be() -> None:
    """Product ids of a deal, for one."""
    deal = pl.DataFrame({"source_id": ["50"], "products": [["7001", "7002"]]})
    rows = pl.DataFrame({"source_id": ["50"], "rule": ["too_long"], "field": ["products"]})

    made = overflow.overflow(
        {"deal": deal}, rejected("deal", [rows], is_blocking=False), tables.LOSS.empty(), FATES
    )

    assert "7001, 7002" == only(made.blocks)["html"]
