"""A table too large for the memory is the table it would have been: every id once, the last one sent, in order."""

import random
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from crmbook import extract_spool, tables
from crmbook.errors import DataError
from crmbook.extract_columns import Columns
from crmbook.vendors.usercom import Record, record


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_spool, "MOST_BYTES", 4_000)
    monkeypatch.setattr("crmbook.extract_columns._BATCH", 7)


def _records(ids: list[int]) -> list[Record]:
    """Companies; each time an id comes again it is called otherwise, and only some have a property."""
    return [
        record(
            "companies",
            {"id": one, "name": f"{one}, sent {n}", "updated_at": "2024-01-31T08:30:00Z"}
            | ({"seats": n} if n > 200 else {}),
        )
        for n, one in enumerate(ids)
    ]


def _orders() -> dict[str, list[int]]:
    draw = random.Random(1)
    ids = list(range(1000, 1300))
    return {
        "in order": ids,
        "backwards": ids[::-1],
        "of different lengths": list(range(1, 300)),
        "mixed and repeated": [draw.choice(ids) for _ in range(400)],
        "one id": [7] * 300,
    }


@pytest.mark.parametrize("ids", _orders().values(), ids=_orders())
def test_parts_on_disk_make_the_same_table(tmp_path: Path, ids: list[int]) -> None:
    """The frame, the records as received and the number of ids; and nothing stays behind."""
    in_memory = Columns(tables.SOURCE_COMPANIES, ["declared"])
    in_memory.add(_records(ids))
    with Columns(tables.SOURCE_COMPANIES, ["declared"], tmp_path) as columns:
        columns.add(_records(ids))

        assert len(set(ids)) == columns.distinct == in_memory.distinct
        assert columns.is_large
        assert not in_memory.is_large
        assert_frame_equal(in_memory.frame(), columns.frame())
        assert_frame_equal(tables.conform(in_memory.raw(), tables.RAW), columns.lazy_raw().collect())
        assert {0o600} == {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert [] == list(tmp_path.iterdir())


def test_a_time_that_is_none_is_told_though_it_is_on_disk(tmp_path: Path) -> None:
    """The first column with one, and its first record, as if everything had stayed in memory."""
    wrong = [
        record("companies", {"id": 5, "name": "A", "updated_at": "yesterday"}),
        *_records(list(range(100, 250))),
        record("companies", {"id": 9, "name": "B", "created_at": "tomorrow"}),
    ]
    for folder in (None, tmp_path):
        with Columns(tables.SOURCE_COMPANIES, folder=folder) as columns:
            columns.add(wrong)
            with pytest.raises(DataError, match="^companies 9: created_at: expected an ISO 8601 time"):
                columns.frame()


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    with Columns(tables.SOURCE_COMPANIES, ["seats"], tmp_path) as columns:
        assert [*tables.SOURCE_COMPANIES.columns, "p_seats"] == columns.frame().columns
        assert columns.raw().is_empty()
