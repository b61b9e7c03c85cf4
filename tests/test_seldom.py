"""Work done for few rows only gives what it gives on the whole column."""

import sys
import unicodedata

import polars as pl
import pytest

from crmbook import parse, seldom
from crmbook.phases.cell_plan import _is_shifted

INSTANTS = [
    "2024-02-29T23:59:59Z", "2024-02-30T10:00:00Z", "2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00.1234567Z",
    "2024-01-01T10:00:00+02:00", "2024-01-01 10:00:00", "2024-01-01T24:00:00Z", "2024-01-01T10:00:60Z", "2024-01-01", "", None,
    "yesterday", "2024-01-01T10:00Z", " 2024-01-01T10:00:00Z ", "2024-01-01T29:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
]  # fmt: skip


def made(expression: pl.Expr, values: list[str | None]) -> list[object]:
    return pl.DataFrame({"v": values}, schema={"v": pl.String}).select(expression).to_series().to_list()


def test_an_instant_as_the_vendor_writes_it_is_read_as_any_other() -> None:
    """The quick way and the general one agree, on what is none too."""
    text = parse.trimmed(pl.col("v"))
    assert made(parse.instant(pl.col("v")), INSTANTS) == made(parse._any_instant(text), INSTANTS)
    assert sum(value is not None for value in made(parse.instant(pl.col("v")), INSTANTS)) > 5


def test_midnight_is_told_of_days_and_of_stamps() -> None:
    """A day has no time; a stamp is midnight where it says so in every digit; what is no date tells nothing."""
    values = [
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.001Z",
        "2024-01-01T00:01:00Z",
        "soon",
        None,
    ]
    assert made(parse.is_midnight(pl.col("v")), values) == [True, True, False, False, None, None]


def test_a_day_is_shifted_only_where_the_stamp_lies_on_another_one_in_the_customers_zone() -> None:
    """A day alone is never shifted."""
    values = ["2024-01-01", "2024-01-01T23:30:00Z", "2024-01-01T10:00:00Z", None]
    found = _is_shifted(pl.col("v"), parse.date(pl.col("v")), "Europe/Warsaw")
    assert made(found, values) == [False, True, False, False]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("Ann@Example.COM", "Ann@example.com"), ("a@b@Some.Where", "a@b@some.where"), ("NO AT", "NO AT"), ("x@y.pl", "x@y.pl"),
        ("@A", "@a"), ("A@", "A@"),
    ],
)  # fmt: skip
def test_only_the_domain_of_an_address_is_lowered(raw: str, told: str) -> None:
    """Behind the last @, also in a column where every address is shouted."""
    assert made(parse.email(pl.col("v")), [raw] * 3) == [told] * 3


def test_lists_are_worked_out_where_they_need_it_and_stay_in_place() -> None:
    """Trimmed, each value once, in order; null and empty lists as they were."""
    lists = [["a", "b"], None, [" a ", "a", None, ""], [], ["b", "b"], ["c"]]
    frame = pl.DataFrame({"v": lists}, schema={"v": pl.List(pl.String)})
    told = frame.select(parse.filled(pl.col("v"))).to_series().to_list()
    assert told == [["a", "b"], None, ["a"], [], ["b"], ["c"]]


def test_the_other_way_is_taken_for_what_the_pattern_leaves() -> None:
    """Row by row, null of null."""
    split = seldom.otherwise(
        pl.col("v"),
        "^[0-9]+$",
        lambda text: text.str.len_chars(),
        lambda text: text.str.len_chars() * 100,
        pl.UInt32(),
    )
    assert made(split, ["12", "ab", None, "345"]) == [2, 200, None, 3]


def test_a_letter_taken_for_composed_never_changes_nor_joins_the_one_before() -> None:
    """Against Python's own tables: none of the spared letters has another composed form or is the second part of a pair."""
    letters = pl.DataFrame(
        {"v": [chr(c) for c in range(0x300, sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]}
    )
    spared = letters.filter(~pl.col("v").str.contains(parse._DECOMPOSED))["v"].to_list()
    assert len(spared) > 30_000
    assert [c for c in spared if unicodedata.normalize("NFC", c) != c or unicodedata.combining(c)] == []
    decompositions = (unicodedata.decomposition(chr(c)).split() for c in range(sys.maxunicode + 1))
    second = {chr(int(d[1], 16)) for d in decompositions if len(d) == 2 and not d[0].startswith("<")}
    assert second.intersection(spared) == set()
    # Hangul is composed by rule, of letters that are not among the spared ones.
    assert [c for c in spared if 0x1100 <= ord(c) < 0x1200] == []
