"""Bodies made a column at a time are the bytes `json.dumps` makes of each."""

import hashlib
import json
import re
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmbook import tables
from crmbook.phases import json_text, load_history, payloads
from crmbook.phases.digests import sha256_of_csv
from crmbook.phases.operations import changes, few, numbered, op, primaries, primary

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
VALUES = {
    pl.String(): TEXTS,
    tables.TEXTS: st.lists(st.none() | TEXTS, max_size=3),
    pl.Float64(): st.floats(allow_nan=False, allow_infinity=False),
    pl.Int64(): st.integers(-(2**63), 2**63 - 1),
    pl.Boolean(): st.booleans(),
    pl.Date(): st.dates(),
    tables.TIME: st.datetimes(timezones=st.just(UTC)),
}  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return payloads.instant(value)
    return value.isoformat() if isinstance(value, date) else value


@settings(deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("dtype", VALUES, ids=str)
def test_a_value_is_what_json_makes_of_it(dtype: Any, data: st.DataObject) -> None:
    """Every type, its quotes, controls and strange numbers; what is empty is left out."""
    values = data.draw(st.lists(st.none() | VALUES[dtype], min_size=1, max_size=6))
    frame = pl.DataFrame({"v": pl.Series(values, dtype=dtype)})
    made = payloads.bodies(frame, {"v": json_text.of(pl.col("v"), dtype)}).to_list()
    filled = [{} if v in (None, "", []) else {"v": plain(v)} for v in values]
    assert made == [payloads.canonical(body) for body in filled]


def test_keys_are_sorted_and_an_object_without_a_value_is_left_out() -> None:
    """Keys by their code points at every level; more rows than one slice holds."""
    frame = pl.DataFrame({"b": ["1", None], "A": ["2", None]})
    inner = json_text.object_of({"y": pl.col("b"), "Z": pl.col("A")})
    many = pl.concat([frame] * 60_000)
    made = payloads.bodies(many, {"é": pl.col("b"), "z": inner, "a": pl.col("A")})
    assert made.unique(maintain_order=True).to_list() == ['{"a":2,"z":{"Z":2,"y":1},"é":1}', "{}"]
    assert len(made) == many.height


@pytest.mark.parametrize(
    ("how", "value"),
    [
        (payloads.Chosen(None, is_several=False), 'a "b"'), (payloads.Chosen({"a": 7, "b": "x"}, is_several=False), "b"),
        (payloads.Chosen(None, is_several=True), ["b", "a"]), (payloads.Chosen({"a": 7, "b": "x"}, is_several=True), ["b", "a"]),
        (payloads.Chosen(None, is_several=True, is_text=True), ["b", 'a"']),
        (payloads.Chosen({"a": 7, "b": None}, is_several=True, is_text=True), ["b", "a"]),
    ],
)  # fmt: skip
def test_a_choice_is_written_the_same_for_a_row_and_a_column(how: payloads.Chosen, value: Any) -> None:
    """By label or id, one or several, as a list or as text; the empty ones have no text."""
    empty: Any = [] if how.is_several else ""
    frame = pl.DataFrame({"v": [value, empty, None]})
    made = frame.select(how.text(pl.col("v"), frame.schema["v"])).to_series().to_list()
    assert made == [json.dumps(how(value), ensure_ascii=False, separators=(",", ":")), None, None]


def test_columns_of_writes_are_numbered_as_single_ones() -> None:
    """A contact's stage waits for its deals, each after what it needs, whether it is made or changed."""
    people = pl.DataFrame({"source_id": ["1", "2"], "account_ids": [["9", "8"], None]})
    needs = pl.concat_list(pl.lit("company:9"), pl.lit("company:8"))
    columns = [
        few([primary("company", one, {"8": 5}, {}) for one in ("8", "9")]),
        primaries("contact", people, {"2": 7}, pl.Series(["{}", "{}"]), needs),
        few(primary("deal", one, {}, {}, needs=["contact:1"]) for one in ("d", "c")),
        changes("contact", "lifecycle", people, pl.Series(["{}", "{}"])),
    ]
    singly = [
        *(primary("company", one, {"8": 5}, {}) for one in ("8", "9")),
        *(primary("contact", one, {"2": 7}, {}, needs=["company:9", "company:8"]) for one in ("1", "2")),
        *(primary("deal", one, {}, {}, needs=["contact:1"]) for one in ("d", "c")),
        *(op("contact", "lifecycle", one, {}) for one in ("1", "2")),
    ]
    made = numbered(columns)
    assert made.equals(numbered([few(singly)]))
    assert made["after"].to_list()[2:] == [
        *[["company:create:9", "company:update:8"]] * 2, *[["contact:create:1"]] * 2,
        ["contact:create:1", "deal:create:d", "deal:create:c"], ["contact:update:2"],
    ]  # fmt: skip


@settings(deadline=None)
@given(
    ids=st.lists(
        st.one_of(st.from_regex(r"[a-b]{0,2}:?([0-9]{1,3}:?){0,3}[a-b]?", fullmatch=True), TEXTS), unique=True
    )
)
@example(ids=["\u00b2", "\u00b4", "1"])
def test_ids_of_any_make_sort_by_their_numbers(ids: list[str]) -> None:
    """As lists of texts and numbers compare, piece by piece; leading noughts and what only looks like a digit count."""

    def pieces(source_id: str) -> list[tuple[int, str]]:
        return [(len(p) if p.isdigit() else 0, p) for p in re.split(r"(\d+)", source_id)]

    frame = pl.DataFrame({"source_id": ids}, schema={"source_id": pl.String})
    assert load_history.in_order(frame)["source_id"].to_list() == sorted(ids, key=pieces)


def test_a_hash_by_slices_is_that_of_the_whole_text() -> None:
    """Several tables, an empty one among them, and one of more rows than a slice holds."""
    frames = [pl.DataFrame({"a": ['x"', "y,"] * 120_000}), pl.DataFrame({"b": []}), pl.DataFrame({"c": [1]})]
    whole = "".join(frame.write_csv() for frame in frames)
    assert sha256_of_csv(frames) == hashlib.sha256(whole.encode()).hexdigest()
