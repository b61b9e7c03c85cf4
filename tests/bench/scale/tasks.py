"""The pieces of work the ratios are made of, each in a process of its own: `python -m bench.scale.tasks NAME FOLDER`.

Prints one line of JSON: seconds and processor seconds of the work alone; what it reads stands in
FOLDER, written by `made`.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from bench.scale import in_pandas, small_decisions, world
from crmbook import tables
from crmbook.phases import compare, organizations, people
from crmbook.phases.edition import MODULES

KEY = "target_id"


def made(folder: Path, contacts: int) -> None:
    """The account of that size, its contacts normalized, and the target's answer with one change in a hundred records."""
    account = world.account(contacts)
    for name in ("source_contacts", "source_companies", "source_deals"):
        account[name].write_parquet(folder / f"{name}.parquet", compression="zstd")
    ours = _normalized(folder)
    ours.write_parquet(folder / "contacts.parquet", compression="zstd")
    told = compare.expected("contact", ours, small_decisions.ids()).drop("account_ids")
    actual = told.with_row_index(KEY, offset=1).with_columns(pl.col(KEY).cast(pl.Int64))
    is_changed = pl.col(KEY) % 100 == 0
    actual = actual.with_columns(
        city=pl.when(is_changed).then(pl.lit("elsewhere")).otherwise("city"),
        source_id="cf_usercom_original_id",
    ).drop("cf_usercom_original_id")
    actual.sample(fraction=1, shuffle=True, seed=1).write_parquet(
        folder / "actual.parquet", compression="zstd"
    )
    told.with_row_index(KEY, offset=1).with_columns(pl.col(KEY).cast(pl.Int64)).write_parquet(
        folder / "told.parquet"
    )


def normalize(folder: Path) -> int:
    """Contacts read, normalized and written."""
    frame = _normalized(folder)
    frame.write_parquet(folder / "out.parquet", compression="zstd")
    return frame.height


def bare_copy(folder: Path) -> int:
    """The same parquet read and written, nothing done to it."""
    frame = pl.read_parquet(folder / "source_contacts.parquet")
    frame.write_parquet(folder / "copy.parquet", compression="zstd")
    return frame.height


def pandas(folder: Path) -> int:
    """The peer in pandas."""
    return in_pandas.normalized(folder / "source_contacts.parquet", folder / "pandas.parquet").kept


def compared(folder: Path) -> int:
    """The comparison of 06 on contacts; returns the differences."""
    ours, actual = pl.read_parquet(folder / "contacts.parquet"), pl.read_parquet(folder / "actual.parquet")
    told = compare.compare(
        normalized={"contact": ours}, actual={"contact": actual}, classes=found(actual), crosswalk=tables.CROSSWALK.empty(),
        ids=small_decisions.ids(),
    )  # fmt: skip
    return told.differences.height


def found(actual: pl.DataFrame) -> pl.DataFrame:
    """Every contact of *actual* loaded where its mark says, as `tables.CLASSES`."""
    return actual.select(
        "source_id", KEY, entity=pl.lit("contact"), module=pl.lit(MODULES["contact"]), reason=pl.lit(""),
        **{"class": pl.lit("loaded")},
    )  # fmt: skip


def bare_join(folder: Path) -> int:
    """Both sides read and joined by their key, nothing compared."""
    told, actual = pl.read_parquet(folder / "told.parquet"), pl.read_parquet(folder / "actual.parquet")
    return told.join(actual, on=KEY).height


def _normalized(folder: Path) -> pl.DataFrame:
    read = {
        name: pl.read_parquet(folder / f"source_{name}.parquet")
        for name in ("contacts", "companies", "deals")
    }
    decided = small_decisions.decisions()
    accounts = _accounts(folder, read["companies"])
    return people.contacts(read["contacts"], decided, source_deals=read["deals"], accounts=accounts).rows


def _accounts(folder: Path, companies: pl.DataFrame) -> Any:
    """The companies' part, which contacts need and which is no part of what is measured."""
    started = _now()
    part = organizations.accounts(companies, small_decisions.decisions(), None)
    Clock.apart = tuple(now - then for now, then in zip(_now(), started, strict=True))
    return part


class Clock:
    """Seconds and processor seconds of preparations inside a task."""

    apart: tuple[float, ...] = (0.0, 0.0)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


TASKS: dict[str, Callable[[Path], int]] = {
    "normalize": normalize, "bare_copy": bare_copy, "pandas": pandas, "compared": compared, "bare_join": bare_join,
}  # fmt: skip


def main(name: str, folder: Path) -> None:
    small_decisions.decisions()
    Clock.apart = (0.0, 0.0)
    started = _now()
    rows = TASKS[name](folder)
    wall, cpu = (now - then - apart for now, then, apart in zip(_now(), started, Clock.apart, strict=True))
    print(json.dumps({"rows": rows, "seconds": wall, "cpu_s": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
