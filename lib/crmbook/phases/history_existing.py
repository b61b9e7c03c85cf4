"""What of the history, lists and documents does the target hold already?

None of them has a field for its source id. What an earlier run wrote is known by that run's crosswalk, as long
as the target still shows that it is the same: history by the record it hangs on, lists by their name.
Invariant: an id alone proves nothing, since an emptied tenant may give it again.
"""

import polars as pl

from crmbook.errors import UpstreamError
from crmbook.phases.edition import MODULES as PARENT_MODULES
from crmbook.phases.edition import source_entity
from crmbook.phases.history_tables import MODULES, History


def recognized(existing: pl.DataFrame, earlier: pl.DataFrame, history: History) -> pl.DataFrame:
    """
    *existing* with the source id of what an earlier run wrote, as far as the target still shows it.

    *earlier* is the crosswalk of earlier runs on this target. History and documents count where the record
    they hang on still carries our mark under the id it had then; lists where id and name are the same.
    """
    marked = existing.select("module", "target_id", parent_id="original_id").drop_nulls()
    parents = [
        earlier.filter(pl.col("entity") == kind)
        .select("target_id", parent_kind=source_entity(), parent_id="source_id")
        .join(marked.filter(pl.col("module") == module), on=["target_id", "parent_id"], how="semi")
        .select("parent_kind", "parent_id")
        for kind, module in PARENT_MODULES.items()
    ]
    kept = []
    for entity, frame in history.records().items():
        if entity == "list":
            continue
        ours = frame.join(pl.concat(parents), on=["parent_kind", "parent_id"], how="semi")
        ids = earlier.filter(pl.col("entity") == entity).join(ours, on="source_id", how="semi")
        kept.append(
            ids.select(module=pl.lit(MODULES[entity]), target_id="target_id", original_id="source_id")
        )
    return pl.concat([_recognized_lists(existing, earlier, history.target_lists), *kept], how="diagonal")


def found(existing: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Entity to {source id: target id}, of *existing* as `recognized` left it."""
    ours = existing.filter(pl.col("original_id").is_not_null())
    return {
        entity: dict(ours.filter(pl.col("module") == module).select("original_id", "target_id").iter_rows())
        for entity, module in MODULES.items()
    }


def check_names(target_lists: pl.DataFrame, existing: pl.DataFrame) -> None:
    """Raises UpstreamError where a list of somebody else has a name that is to be given."""
    theirs = existing.filter(pl.col("module") == "lists", pl.col("original_id").is_null())
    taken = target_lists.join(
        theirs.select(key=_key("name")), left_on=_key("name"), right_on="key", how="semi"
    )
    if taken.height:
        raise UpstreamError(
            f"target_lists: {taken.height} names are those of lists that stand in the target by now;"
            " run 03_workspace again"
        )


def _recognized_lists(existing: pl.DataFrame, earlier: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    made = (
        earlier.filter(pl.col("entity") == "list")
        .join(wanted.select("source_id", name_key=_key("name")), on="source_id")
        .select("target_id", "name_key", module=pl.lit("lists"), made_of="source_id")
    )
    return (
        existing.with_columns(name_key=_key("name"))
        .join(made, on=["module", "target_id", "name_key"], how="left", maintain_order="left")
        .with_columns(original_id=pl.coalesce("made_of", "original_id"))
        .select(existing.columns)
    )


def _key(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_lowercase()
