"""The comparison of contacts by datacompy, in an environment of its own: `python with_datacompy.py FOLDER polars|pandas`.

It runs where nothing of the workbook is installed; `ratios` makes that environment. Lists are compared as text, which is
what datacompy can do with them.
"""

import json
import sys
import time
from pathlib import Path

import datacompy
import polars as pl

KEY = "target_id"


def main(folder: Path, frames: str) -> None:
    started = time.perf_counter(), time.process_time()
    told, actual = (pl.read_parquet(folder / f"{name}.parquet") for name in ("told", "actual"))
    actual = actual.drop("source_id")
    told = told.select(c for c in told.columns if c in actual.columns)
    lists = [name for name, dtype in told.schema.items() if isinstance(dtype, pl.List)]
    told, actual = (f.with_columns(pl.col(lists).list.join("; ")) for f in (told, actual))
    if frames == "polars":
        found = datacompy.PolarsCompare(told, actual, join_columns=KEY)
    else:
        found = datacompy.PandasCompare(told.to_pandas(), actual.to_pandas(), join_columns=KEY)
    unequal = int(sum(column["unequal_cnt"] for column in found.column_stats))
    wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    print(json.dumps({"rows": unequal, "seconds": wall, "cpu_s": cpu}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
