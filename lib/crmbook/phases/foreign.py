"""What is to be done about records nobody planned that appeared on new contacts: one open item."""

from typing import Any

import polars as pl


def items(foreign: pl.DataFrame | None, *, who: str) -> list[dict[str, Any]]:
    """The item of FOREIGN_RECORDS, none where nothing was found."""
    if foreign is None or foreign.is_empty():
        return []
    action = "look at them in Freshsales and delete what nobody needs; foreign_records lists them"
    item = "Records nobody planned on new contacts"
    return [{"item": item, "records": foreign.height, "who": who, "action": action}]
