"""What did the target hold before the load? By the keys a source record could match, and whole where the plan changes it.

In: the target's client and the history this run is to write. Out: the tables `existing` and `before_images`. Read in pages
of 100 with the links of each record. Invariant: reading changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from crmbook import earlier, tables
from crmbook.phases import edition as editions
from crmbook.phases import history_existing
from crmbook.phases.history_tables import MODULES, NO_HISTORY, History
from crmbook.phases.payloads import canonical
from crmbook.runs import Run
from crmbook.settle import MARK
from crmbook.vendors.freshsales import Freshsales

Record = dict[str, Any]
Wholes = dict[str, dict[int, str]]


def existing(
    run: Run,
    client: Freshsales,
    history: History = NO_HISTORY,
    *,
    wholes: Wholes | None = None,
    look: Callable[[str, Sequence[Record]], None] = lambda _module, _page: None,
) -> pl.DataFrame:
    """
    EXISTING: every record the target holds now, by the keys a source record could match; 100 a call.

    Of *history* and its lists those an earlier run wrote that are still known to stand there. *wholes* gains
    the records as they stand, by module and id; *look* is shown every page with its module.
    """
    rows: list[dict[str, Any]] = []
    for module in (*editions.of(client.edition.name).modules.values(), "lists"):
        for page in client.pages(module, include=client.edition.module(module).links):
            rows += [_keys(module, record) for record in page]
            if wholes is not None:
                wholes.setdefault(module, {}).update((record["id"], canonical(record)) for record in page)
            look(module, page)
            run.progress(f"what the target holds: {module}", len(rows))
    frame = pl.DataFrame(rows, schema=tables.EXISTING.columns).unique(["module", "target_id"], keep="first")
    return tables.conform(
        history_existing.recognized(frame, earlier.crosswalk(run), history), tables.EXISTING
    )


def before_images(plan: pl.DataFrame, wholes: Wholes) -> pl.DataFrame:
    """BEFORE_IMAGES: of *wholes* the records that *plan* changes; a ledger made anew has no other source of them."""
    modules = editions.MODULES | MODULES
    changed = plan.filter(pl.col("action") == "update").select("entity", "target_id")
    rows = [
        {"module": module, "target_id": target_id, "record": record}
        for entity, target_id in changed.iter_rows()
        if (record := wholes.get(module := modules[entity], {}).get(target_id))
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.BEFORE_IMAGES.columns), tables.BEFORE_IMAGES)


def _keys(module: str, record: Mapping[str, Any]) -> dict[str, Any]:
    custom = record.get("custom_field") or {}
    return {
        "module": module,
        "target_id": record["id"],
        "email": _text(record.get("email")),
        "external_id": _text(record.get("external_id")),
        "name": _text(record.get("display_name", record.get("name"))),
        "original_id": _text(custom.get(MARK)),
    }


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
