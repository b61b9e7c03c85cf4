"""Who survives a merge, and what the survivor takes over."""

import polars as pl

from crmbook.phases import dedupe

RANK = [pl.col("filled").neg(), *dedupe.id_order()]


def people(*rows: tuple[str, str | None, int, str | None, list[str]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows,
        schema={
            "source_id": pl.String,
            "key": pl.String,
            "filled": pl.Int64,
            "city": pl.String,
            "tags": pl.List(pl.String),
        },
        orient="row",
    )


def merges(rows: pl.DataFrame) -> pl.DataFrame:
    return dedupe.merges(rows, key=["key"], rank=RANK, rule="same", entity="contact")


def test_the_best_of_equal_keys_survives_all_others() -> None:
    """Three of one key are one record; a key of its own and no key at all stay alone."""
    rows = people(
        ("1", "a", 2, None, []), ("2", "a", 5, None, []), ("3", "a", 5, None, []), ("4", "b", 9, None, []),
        ("5", None, 1, None, []), ("6", None, 1, None, []),
    )  # fmt: skip
    assert merges(rows).sort("source_id").rows() == [
        ("contact", "1", "2", "same"),
        ("contact", "3", "2", "same"),
    ]


def test_ids_count_as_numbers() -> None:
    """The lowest id is the smaller number, not the earlier text; ids that are no numbers come last."""
    rows = people(("10", "a", 1, None, []), ("9", "a", 1, None, []), ("x", "a", 1, None, []))
    assert set(merges(rows)["survivor_id"]) == {"9"}


def test_a_survivor_keeps_its_own_and_fills_its_gaps_in_order_of_rank() -> None:
    """Nulls are filled from the next best, lists united, and what is gone is counted."""
    rows = people(
        ("1", "a", 3, None, ["x"]),
        ("2", "a", 2, "Gdynia", ["y", "x"]),
        ("3", "a", 1, "Sopot", []),
        ("4", "b", 1, "Hel", ["z"]),
    )
    left, taken, gone = dedupe.fold(rows, merges(rows), rank=RANK, own=["source_id", "key", "filled"])
    assert left.sort("source_id").rows() == [
        ("1", "a", 3, "Gdynia", ["x", "y"]),
        ("4", "b", 1, "Hel", ["z"]),
    ]
    assert (taken, gone) == ({"city": 1, "tags": 1}, {"city": 1})


def test_a_column_of_its_own_is_never_filled() -> None:
    """What identifies a record stays the survivor's, even where it is empty."""
    rows = people(("1", "a", 3, None, []), ("2", "a", 2, "Gdynia", []))
    left, taken, gone = dedupe.fold(rows, merges(rows), rank=RANK, own=["source_id", "key", "filled", "city"])
    assert (left.rows(), taken, gone) == ([("1", "a", 3, None, [])], {}, {})


def test_nothing_to_merge_leaves_rows_alone() -> None:
    """Without merges the rows come back as they were."""
    rows = people(("1", "a", 3, None, []), ("2", "b", 2, "Gdynia", []))
    left, taken, gone = dedupe.fold(rows, merges(rows), rank=RANK, own=["source_id"])
    assert (left.rows(), taken, gone) == (rows.rows(), {}, {})


def test_an_empty_list_and_a_null_are_no_filled_cell() -> None:
    """Completeness counts what holds something; false and zero do."""
    rows = pl.DataFrame({"a": [None, ""], "b": [False, None], "c": [[], ["x"]], "d": [0, None]})
    counted = rows.select(n=dedupe.filled_cells(["a", "b", "c", "d"], rows.schema))
    assert counted["n"].to_list() == [2, 2]


def test_an_opt_out_anywhere_survives_the_merge() -> None:
    """The survivor of a merge is unsubscribed as soon as one of the merged records was."""
    rows = people(("1", "a", 3, "Gdynia", []), ("2", "a", 2, "Gdynia", []), ("3", "b", 1, "Hel", []))
    rows = rows.with_columns(pl.Series(dedupe.OPT_OUT, [False, True, False]))
    left, _, _ = dedupe.fold(rows, merges(rows), rank=RANK, own=["source_id", "key", "filled"])
    assert dict(left.select("source_id", dedupe.OPT_OUT).iter_rows()) == {"1": True, "3": False}
