"""05 of a delta run: the whole plan cut down to what earlier runs did not write, and what a person changed meanwhile.

In: the whole plan, the target's records as they stand, and the ledgers of the runs before. Out: the plan, `untouched`,
`conflicts`, `target_changes`, and a ledger that knows where everything stands. A run that is no delta passes through.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from crmbook import lineage, settle, tables
from crmbook.apply_places import places
from crmbook.apply_writes import resolved
from crmbook.errors import ConfigError
from crmbook.ledger import Ledger
from crmbook.phases import delta_heirs, delta_plan
from crmbook.phases import edition as editions
from crmbook.phases.delta_plan import Now
from crmbook.phases.history_tables import MODULES
from crmbook.phases.images import CUSTOM
from crmbook.runs import Run
from crmbook.vendors.freshsales import Freshsales

TABLES: Final = ("untouched", "conflicts", "target_changes")
_ENTITIES: Final = {module: place for place, module in editions.MODULES.items()}
Record = Mapping[str, Any]


class Seen:
    """The records of the main modules as the target showed them, kept in a delta run only."""

    def __init__(self, run: Run) -> None:
        self.base = lineage.base_of(run)
        self.records: dict[str, dict[int, Record]] = {place: {} for place in editions.MODULES}

    def add(self, module: str, page: Sequence[Record]) -> None:
        if self.base and module in _ENTITIES:
            self.records[_ENTITIES[module]].update((int(record["id"]), record) for record in page)


def save_none(run: Run) -> None:
    """The tables of a delta run, empty, where the run is none."""
    run.save_all(**{name: tables.of(name).empty() for name in TABLES})


def reduced(
    run: Run, client: Freshsales, whole: pl.DataFrame, seen: Seen, base: lineage.Base
) -> pl.DataFrame:
    """
    What of *whole* (`tables.PLAN`) is to be written where *base* was; saved are the tables beside it.

    Raises:
        ConfigError: policy.conflict_fields names a custom field the target does not have.
    """
    check_fields(run)
    standing, written = base.standing(), base.written()
    keyed = standing.select("entity", "source_id", "target_id").iter_rows()
    ids = {(entity, source_id): target_id for entity, source_id, target_id in keyed}
    ids = delta_heirs.places(whole, base.read("merges"), ids)
    now = Now(ids, seen.records, _look(client, ids))
    made = delta_plan.reduced(whole, written=written, now=now, winner=_winner(run))
    run.save_all(**{name: getattr(made, name) for name in TABLES})
    return made.plan


def inherit(run: Run) -> None:
    """The ledger of a delta run knows where everything of the runs before stands, and what is gone by now."""
    base = lineage.base_of(run)
    if base is None:
        return
    gone = run.read("target_changes").filter(pl.col("keys").list.contains(delta_plan.RECORD))
    gone = gone.select("entity", "source_id", is_gone=pl.lit(value=True))
    standing = base.standing().join(gone, on=["entity", "source_id"], how="left")
    is_there = pl.col("is_there") & pl.col("is_gone").is_null()
    with Ledger(run.ledger_path) as ledger:
        ledger.inherit(standing.with_columns(is_there=is_there).drop("is_gone"))


def check_fields(run: Run) -> None:
    """Raises ConfigError where policy.conflict_fields names a custom field the target does not have."""
    known = set(run.read("target_fields").select("module", "api_name").iter_rows())
    for name in run.policy.conflict_fields:
        module, _, field = name.partition(".")
        if field.startswith("cf_") and (module, field) not in known:
            raise ConfigError(
                f"{run.customer.key}/customer.toml: policy.conflict_fields: {name}: the target has no such field"
            )


def _winner(run: Run) -> Callable[[str, str], str]:
    """Whose value counts where a person and the source changed the same key, by entity and key of a body."""
    modules = {**editions.MODULES, **MODULES}

    def winner(entity: str, key: str) -> str:
        field = f"{modules[entity]}.{key.removeprefix(CUSTOM)}"
        return run.policy.conflict_fields.get(field, run.policy.conflicts)

    return winner


def _look(
    client: Freshsales, ids: Mapping[tuple[str, str], int]
) -> Callable[[dict[str, Any]], Record | None]:
    """One record of the history as it stands; its parent tells where a note or a file is."""
    there = places(client, settle.Finder(client, patience_s=0), files=None, foreign_lists=frozenset())
    known = {f"{entity}:{source_id}": target_id for (entity, source_id), target_id in ids.items()}

    def look(op: dict[str, Any]) -> Record | None:
        if op["entity"] not in MODULES:
            return None
        body, _ = resolved(json.loads(op["payload"]), known)
        return there[op["entity"]].before(op["target_id"], body)

    return look
