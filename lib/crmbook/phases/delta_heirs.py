"""Who takes over the target record of a survivor that is gone from the source?

A target record belongs to the person or company it was made of, not to the id that happened to survive a merge. In: what
the earlier run merged and where its survivors stand. Out: the places of their heirs. That a survivor which is still
there stays the survivor is the business of `dedupe`. Invariant: no target record is given to two source records.
"""

from collections.abc import Mapping

import polars as pl

from crmbook.phases.delta_written import Key
from crmbook.phases.operations import PRIMARY


def places(whole: pl.DataFrame, merges: pl.DataFrame, standing: Mapping[Key, int]) -> dict[Key, int]:
    """
    *standing* (entity, source_id to target id) in which a record has the place of the survivor it was merged into, where that
    one is not in the plan *whole* any more and the record has no place of its own. *merges* are those of the earlier run.
    """
    found = dict(standing)
    primary = whole.filter(pl.col("action").is_in(PRIMARY))
    wanted: dict[Key, int | None] = {
        (entity, source_id): target_id
        for entity, source_id, target_id in primary.select("entity", "source_id", "target_id").iter_rows()
    }
    taken = {(key[0], target_id) for key, target_id in wanted.items() if key not in found and target_id}
    for entity, source_id, survivor_id in merges.select("entity", "source_id", "survivor_id").iter_rows():
        for place in ("contact", "lead") if entity == "contact" else (entity,):
            heir, old = (place, source_id), (place, survivor_id)
            is_free = heir in wanted and heir not in found and old in found and old not in wanted
            if is_free and ((place, found[old]) not in taken or wanted[heir] == found[old]):
                found[heir] = found.pop(old)
    return found
