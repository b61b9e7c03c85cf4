"""A target that took every write of the plan and tells it as it was told: what 06 compares with, without a load.

`python -m bench.scale.faithful` closes 05 of the generated customer as a finished load leaves it (crosswalk, ledger,
outcomes) and writes the `actual_*` tables of 06. `read_back` stands in for that of `steps` while a phase is played: it
reads those tables, so neither the calls to a target nor the making of its answer is part of what 06 takes.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

import polars as pl

from bench.scale import exports, journey
from crmbook import apply, delta_check, history_checks, readback, tables, target
from crmbook.ledger import Ledger
from crmbook.phases import capabilities, compare, compare_history, forecast, load
from crmbook.phases import edition as editions
from crmbook.phases.operations import PRIMARY
from crmbook.runs import Run

LOADED: Final = "05_load"
TOLD: Final = "06_reconciliation"
_FIRST_ID: Final = 900_000_000
_RECORDS: Final = ("sales_accounts", "contacts", "deals", "existing")
_WRITE: Final = "INSERT INTO writes SELECT ?, ?, ?, ?, ?, ?, 'POST', '', ?, 'done', NULL, '{}', NULL, 1, '2026-01-01T00:00:00+00:00'"


def read_back(run: Run) -> Mapping[str, pl.DataFrame]:
    """What `steps.read_back` returns, from the tables `told` wrote."""
    modules = editions.of(run.target.edition).modules.values()
    return readback.told(run, [f"actual_{module}" for module in modules])


def load_all(run: Run) -> None:
    """05 of *run* closed: each record of its plan created under an id of its own, and every write done."""
    planned = run.read("plan").sort("seq")
    made = planned.filter(pl.col("action").is_in(PRIMARY)).select(
        "entity",
        "source_id",
        target_id=pl.int_range(pl.len(), dtype=pl.Int64) + _FIRST_ID,
        origin=pl.lit("created"),
    )
    _remember(run, planned, made)
    run.save_all(
        crosswalk=made, failed_keys=apply.failed_keys(run), foreign_records=tables.of("foreign_records").empty(),
        capability_check=capabilities.compare(run.read("capabilities"), None),
        forecast_error=forecast.error(run.read("forecast"), {}),
        outcomes=apply.outcomes(run, planned),
    )  # fmt: skip
    run.close()


def _remember(run: Run, planned: pl.DataFrame, made: pl.DataFrame) -> None:
    run.ledger_path.unlink(missing_ok=True)
    with Ledger(run.ledger_path) as ledger:
        ledger.bind(plan_hash=load.plan_hash(planned), target_host=target.host(run))
    columns = ("op_id", "seq", "entity", "action", "source_id", "target_id", "payload_sha256")
    with sqlite3.connect(run.ledger_path) as db:
        db.executemany(_WRITE, planned.select(columns).iter_rows())
        db.executemany("INSERT INTO crosswalk VALUES (?, ?, ?, ?)", made.iter_rows())
    db.close()


def tell_all(run: Run) -> None:
    """The `actual_*` tables of *run*, what the normalized records look like in a target that kept every value."""
    run.save("reassigned", tables.REASSIGNED.empty())
    ids, crosswalk = delta_check.tenant_ids(run), run.read("crosswalk")
    normalized = editions.of(run.target.edition).records(
        **dict(zip(_RECORDS, run.frames(*_RECORDS), strict=True))
    )
    for place, frame in normalized.items():
        shown = _linked(compare.expected(place, frame, ids), crosswalk)
        own = _of(crosswalk, place).select("source_id", "target_id")
        table = tables.of(f"actual_{editions.MODULES[place]}")
        run.save(table.name, _fitted(shown.join(own, on="source_id"), table))
    names = history_checks.LOADED
    loaded = dict(zip(names, run.frames(*names), strict=True))
    run.save_all(**_history(compare_history.expected(loaded, crosswalk, ids), crosswalk))
    run.save("actual_list_members", _members(loaded["list_members"], crosswalk))


def _of(crosswalk: pl.DataFrame, entity: str) -> pl.DataFrame:
    return crosswalk.filter(pl.col("entity") == entity)


def _linked(records: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """*records* with the records they name as target ids in text, the first account marked as the primary one."""
    ends = {"account_ids": "company", "contact_ids": "contact", "account_id": "company"}
    for column, entity in ends.items():
        if column in records.columns:
            known = _of(crosswalk, entity).select(pl.col("source_id").alias(column), "target_id")
            records = records.drop(column).join(
                _renamed(records.select("source_id", column), column, known), on="source_id", how="left"
            )
    if "account_ids" in records.columns:
        return records.with_columns(primary_account_id=pl.col("account_ids").list.first())
    return records


def _renamed(rows: pl.DataFrame, column: str, known: pl.DataFrame) -> pl.DataFrame:
    is_list = isinstance(rows.schema[column], pl.List)
    flat = rows.explode(column, empty_as_null=False, keep_nulls=False) if is_list else rows
    told = flat.join(known, on=column, how="left", maintain_order="left").select(
        "source_id", pl.col("target_id").cast(pl.String).alias(column)
    )
    return told.group_by("source_id").agg(pl.col(column)) if is_list else told


def _fitted(rows: pl.DataFrame, table: tables.Table) -> pl.DataFrame:
    """*rows* in the columns of *table*, null where the records have no such field."""
    own = [c for c in rows.columns if c in table.columns or (c.startswith("cf_") and c != compare.MARK)]
    absent = [
        pl.lit(None, dtype=dtype).alias(c) for c, dtype in table.columns.items() if c not in rows.columns
    ]
    return rows.select(*own, *absent)


def _history(wanted: Mapping[str, pl.DataFrame], crosswalk: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables of the history by name; files and links share one."""
    found = {
        module: frame.join(
            _of(crosswalk, compare_history.MODULES[module].entity).select("source_id", "target_id"),
            on="source_id",
        )
        for module, frame in wanted.items()
    }
    files = [
        _fitted(found.pop(f"{kind}s").with_columns(kind=pl.lit(kind)), tables.ACTUAL_DOCUMENTS)
        for kind in ("document", "document_link")
    ]
    order = list(tables.ACTUAL_DOCUMENTS.columns)
    return {
        "actual_documents": pl.concat([frame.select(order) for frame in files]),
        **{f"actual_{name}": _fitted(f, tables.of(f"actual_{name}")) for name, f in found.items()},
    }


def _members(members: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    lists = _of(crosswalk, "list").select(list_key="source_id", list_id="target_id")
    people = _of(crosswalk, "contact").select(contact_id="source_id", person="target_id")
    both = members.join(lists, on="list_key").join(people, on="contact_id")
    return both.select("list_id", contact_id="person").unique()


if __name__ == "__main__":
    load_all(exports.opened(journey.CUSTOMER, journey.RUN, LOADED))
    tell_all(exports.opened(journey.CUSTOMER, journey.RUN, TOLD))
