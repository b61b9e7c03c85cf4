"""The account of `world` as the two things a migration may start from: CSV exports, or the tables discovery wrote.

Exports are written as a database dumps them (`{a,"b, c"}`, `t`/`f`, null as nothing), in the columns of the vendor's
version 2; the tables are 01's own, so that later phases can be tried without reading an account first.
"""

from pathlib import Path
from typing import Final

import polars as pl

from bench.scale import world
from crmbook import config, runs, steps, tables

_FILES: Final = {
    "source_contacts": "users", "source_companies": "companies", "source_deals": "deals",
    "source_activities": "activities", "source_activity_types": "activity_types", "agents": "agents", "tags": "tags",
    "lists": "lists",
}  # fmt: skip
_HEADERS: Final = {
    "users": {
        "source_id": "id", "company_ids": "company_ids", "tags": "tags", "list_ids": "list_ids", "last_heard": "last_heard",
    },
    "deals": {"source_id": "id", "pipeline_id": "pipeline", "stage_id": "stage", "contact_id": "user_id"},
    "activities": {
        "source_id": "id", "activity_type_id": "activity_type", "contact_id": "user_id", "is_done": "done",
    },
    "companies": {"source_id": "id"}, "agents": {"agent_id": "id"}, "activity_types": {"activity_type_id": "id"},
    "tags": {"tag_id": "id"}, "lists": {"list_id": "id"},
}  # fmt: skip
# what the exporter of the source has no column for
_LEFT: Final = {
    "users": ("fcm_key", "most_active_time"),
    "deals": ("scope", "activities_status", "order_products"),
}


def write_csv(account: dict[str, pl.DataFrame], folder: Path) -> None:
    """The exports of *account* in *folder*, made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, entity in _FILES.items():
        _shaped(account[table], entity).sink_csv(folder / f"{entity}.csv")
    stages = account["source_stages"].drop("pipeline_position")
    stages.write_csv(folder / "pipelines.csv")
    declared = pl.DataFrame(
        [(n, label, std, kind, value) for n, (kind, std, label, value) in enumerate(world.PROPERTIES, 1)],
        schema=["id", "name", "name_std", "content_type", "value_type"],
        orient="row",
    )
    declared.write_csv(folder / "attributes.csv")


def write_tables(account: dict[str, pl.DataFrame], run: runs.Run) -> None:
    """01_discovery of *run*, passed: *account*, its records as JSON beside it, and what is counted from them."""
    raw = {
        name.replace("source_", "raw_"): frame.select(
            "source_id", raw=pl.struct(pl.all()).struct.json_encode()
        )
        for name, frame in account.items()
        if name in ("source_contacts", "source_companies", "source_deals", "source_activities")
    }
    counts = [_counted(name.removeprefix("raw_"), frame.height) for name, frame in raw.items()]
    made = account | raw | {"inventory": pl.DataFrame(counts, schema=tables.INVENTORY.columns)}
    others = [t for t in map(tables.of, tables.names()) if t.phase == run.phase and t.name not in made]
    run.save_all(**{table.name: table.empty() for table in others}, **made)
    steps.discover(run)
    steps.keep_rules(run)
    steps.scope(run)
    run.close()


def opened(customer: str, run_id: str, phase: str) -> runs.Run:
    """A phase of a run without its upstream checks, for tables that no notebook made."""
    record = runs.Record(runs.root() / customer / run_id)
    run = runs.Run(record, phase, config.read(record.folder.parent / "customer.toml"), "test", {})
    (run.phase_folder / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
    return run


def _counted(entity: str, rows: int) -> dict[str, object]:
    return {
        "entity": entity, "reported": rows, "fetched": rows, "duplicates": 0, "distinct": rows, "available": True,
        "origin": "api", "rejected": 0,
    }  # fmt: skip


def _shaped(frame: pl.DataFrame, entity: str) -> pl.LazyFrame:
    fixed = {std for _, std, _, kind in world.PROPERTIES if kind == "fixed"}
    columns = [
        _cell(name, dtype, is_fixed=name.removeprefix("p_") in fixed)
        for name, dtype in frame.schema.items()
        if name not in _LEFT.get(entity, ())
    ]
    names = {n: n.removeprefix("p_") for n in frame.columns} | _HEADERS[entity]
    shaped = frame.lazy().select(columns)
    if entity == "users":
        # Ids of lists become names where both were given; ids are enough.
        shaped = shaped.with_columns(pl.col("list_ids"))
    return shaped.rename({n: names[n] for n in shaped.collect_schema() if names.get(n, n) != n})


def _cell(name: str, dtype: pl.DataType, *, is_fixed: bool) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.List):
        return _braced(column).alias(name)
    if dtype == pl.Boolean:
        return pl.when(column).then(pl.lit("t")).when(~column).then(pl.lit("f")).alias(name)
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
    if is_fixed and name.startswith("p_"):
        return column.str.replace(r"^\[", "{").str.replace(r"\]$", "}").alias(name)
    return column


def _braced(column: pl.Expr) -> pl.Expr:
    """`{"a","b"}`, as PostgreSQL writes lists; none of the generated texts holds a quote."""
    items = column.list.eval(pl.lit('"') + pl.element() + pl.lit('"')).list.join(",")
    return pl.lit("{") + items + pl.lit("}")
