"""Open items about what never became a record of the target: lines of an export, automations, segments.

In: SOURCE_REJECTS, the inventory with its check and its signs, and the segment guide. Out: rows of OPEN_ITEMS. Invariant:
each line, automation, sign and segment is counted in exactly one item.
"""

from typing import Any

import polars as pl


def lines(source_rejects: pl.DataFrame, *, who: str) -> list[dict[str, Any]]:
    """One item per file and reason of the lines that are no record."""
    action = (
        "correct the export and run again, or accept that they stay behind; source_rejects lists them by line"
    )
    counted = source_rejects.group_by("file", "reason").len().sort("file", "reason")
    return [
        _item(f"lines of {file} that are no record: {reason}", number, who, action)
        for file, reason, number in counted.iter_rows()
    ]


def to_rebuild(
    automations: pl.DataFrame, check: pl.DataFrame, segments: pl.DataFrame, signs: pl.DataFrame, *, who: str
) -> list[dict[str, Any]]:
    """What is built anew in the target, and what is missing in the inventory of it."""
    active, missing = automations.filter("is_active").height, int(check["missing"].sum())
    is_partial = pl.any_horizontal(pl.col("trigger", "actions").fill_null("").str.strip_chars() == "")
    partial = automations.filter("is_active", is_partial).height
    unexplained = signs.filter(~pl.col("is_explained")).height
    told = (
        ("automations to rebuild", active, "rebuild them as Freshsales Workflows"),
        (
            "automations not in the inventory", missing,
            "list every active one in automations.csv, or correct active_automations in customer.toml",
        ),
        (
            "automations without a trigger or an action", partial,
            "fill in automations.csv: nobody can rebuild what is not written down",
        ),
        (
            "signs of automations that are not in the inventory", unexplained,
            "say for each on the hand-off page which automation makes it, or that a person does",
        ),
        ("segments to rebuild", segments.height, "rebuild them as contact filters from the segment guide"),
    )  # fmt: skip
    return [_item(item, number, who, action) for item, number, action in told if number]


def _item(item: str, records: int, who: str, action: str) -> dict[str, Any]:
    return {"item": item, "records": records, "who": who, "action": action}
