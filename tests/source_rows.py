"""Source tables from a few cells: what a test does not name is null."""

from typing import Any

import polars as pl

from crmbook import tables

Row = dict[str, Any]


def table(contract: tables.Table, rows: list[Row]) -> pl.DataFrame:
    """*rows* as a table of *contract*; keys starting with its prefix become text columns."""
    custom = sorted({k for row in rows for k in row if k not in contract.columns})
    schema = {**contract.columns, **dict.fromkeys(custom, pl.String)}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def contacts(*rows: Row) -> pl.DataFrame:
    return table(tables.SOURCE_CONTACTS, [{"company_ids": [], "tags": [], "list_ids": [], **r} for r in rows])


def companies(*rows: Row) -> pl.DataFrame:
    return table(tables.SOURCE_COMPANIES, [{"tags": [], **r} for r in rows])


def deals(*rows: Row) -> pl.DataFrame:
    return table(tables.SOURCE_DEALS, [{"participants": [], "products": [], "tags": [], **r} for r in rows])


def attributes(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """Rows of entity, property, name, value type."""
    return pl.DataFrame(rows, schema=tables.ATTRIBUTES.columns, orient="row")


def stages(
    *rows: tuple[str, str, float | None], pipeline_id: str = "1", pipeline: str = "Sales"
) -> pl.DataFrame:
    """One pipeline's stages in order: stage id, name, probability."""
    made = [
        {
            "pipeline_id": pipeline_id, "pipeline": pipeline, "pipeline_position": 1, "stage_id": stage_id,
            "stage": name, "stage_position": position, "probability": probability,
        }
        for position, (stage_id, name, probability) in enumerate(rows, 1)
    ]  # fmt: skip
    return table(tables.SOURCE_STAGES, made)
