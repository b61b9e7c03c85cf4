"""Canonical source records as typed tables: one row per record, its order and its text untouched.

In: records as the source clients return them (`source_id`, `raw`, `fields`). Out: frames in the shape of
`tables.SOURCE_*`, those that are small and have a shape of their own.
"""

from collections.abc import Iterable
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.extract_columns import Record

ENTITIES: Final = {"user": "contact", "company": "company", "deal": "deal"}


def attributes(records: Iterable[Record]) -> pl.DataFrame:
    """The custom properties of contacts, companies and deals, as `tables.ATTRIBUTES`; others are left out."""
    rows = [
        {
            "entity": ENTITIES[r.fields["content_type"]],
            "property": r.fields["name_std"],
            "name": r.fields["name"] or r.fields["name_std"],
            "value_type": r.fields["value_type"] or "",
        }
        for r in records
        if r.fields["content_type"] in ENTITIES and r.fields["name_std"]
    ]
    made = pl.DataFrame(rows, schema=tables.ATTRIBUTES.columns)
    return tables.conform(
        made.unique(tables.ATTRIBUTES.key, keep="last", maintain_order=True), tables.ATTRIBUTES
    )


def stages(records: Iterable[Record]) -> pl.DataFrame:
    """Every stage of every pipeline, as `tables.SOURCE_STAGES`."""
    rows = [
        {
            "pipeline_id": r.source_id,
            "pipeline": r.fields["name"],
            "pipeline_position": r.fields["position"],
            "stage_id": stage["id"],
            "stage": stage["name"],
            "stage_position": stage["position"],
            "probability": stage["probability"],
        }
        for r in records
        for stage in r.fields["stages"] or []
    ]
    made = pl.DataFrame(rows, schema=tables.SOURCE_STAGES.columns)
    made = made.unique(tables.SOURCE_STAGES.key, keep="last", maintain_order=True)
    return tables.conform(made, tables.SOURCE_STAGES)
