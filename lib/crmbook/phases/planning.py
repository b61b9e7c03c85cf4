"""What 02 decides beside fields, stages and owners: activity types, events, tags, lists.

In: the history and the tags of the source, and what a person decided in decisions.csv. Out: one plan per kind
and the rows that put them up for decision. A person's rows win; a carrier, mode or name nobody may choose is
refused where the file is read.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import carriers, events, listing, tagging
from crmbook.phases.standard_map import MODULES

ACTIVITY_TYPE, EVENT, TAG, LIST = "activity_type", "event", "tag", "list"
# Entity of decisions.csv -> what its target may be (None: any text), and whether it may be skipped.
ENTITIES: Final[dict[str, tuple[tuple[str, ...] | None, bool]]] = {
    ACTIVITY_TYPE: (carriers.CARRIERS, True),
    EVENT: (carriers.EVENT_CARRIERS, True),
    TAG: (tagging.MODES, False),
    LIST: (None, True),
}
DECIDED: Final = dict.fromkeys(("entity", "source_field", "target_field", "decision"), pl.String)
_EFFECTIVE: Final = {
    "activity_types": ("activity_type_id", "carrier"),
    "event_types": ("event", "carrier"),
    "tag_plan": ("module", "mode", "api_name"),
    "list_plan": ("list_key", "target_name"),
}


@dataclass(frozen=True)
class Plans:
    """The tables of these names in 02."""

    activity_types: pl.DataFrame
    event_types: pl.DataFrame
    tag_plan: pl.DataFrame
    list_plan: pl.DataFrame

    def effective(self) -> dict[str, pl.DataFrame]:
        """What of them changes what is written, for the hash of the mapping."""
        return {name: getattr(self, name).select(columns) for name, columns in _EFFECTIVE.items()}


def with_decisions(planned: Plans, edited: pl.DataFrame, taken: pl.DataFrame) -> Plans:
    """
    *planned* with what a person decided.

    *edited* has the columns of DECIDED; *taken* are the custom fields (`tables.CUSTOM_FIELDS`) of everything
    but tags. Rows for what no longer exists have no effect.
    """

    def of(entity: str) -> pl.DataFrame:
        return edited.filter(pl.col("entity") == entity)

    chosen = carriers.with_decisions(planned.event_types, of(EVENT), key="event")
    types = carriers.with_decisions(planned.activity_types, of(ACTIVITY_TYPE), key="activity_type_id")
    return Plans(
        activity_types=tables.conform(types, tables.ACTIVITY_MAP),
        event_types=events.with_calls(chosen, planned.event_types),
        tag_plan=tagging.with_decisions(planned.tag_plan, of(TAG), taken),
        list_plan=listing.with_decisions(planned.list_plan, of(LIST)),
    )


def rows(planned: Plans) -> pl.DataFrame:
    """
    Every activity type, event, module's tags and list as a row of decisions.csv; a skip has a blank target.

    `records` is null for tags, which the plan does not count by record.
    """
    counted = pl.format("{} records; {}", "records", "reason")
    named = pl.concat_str(pl.col("name"), counted, separator=": ", ignore_nulls=True)
    entity_of = {module: entity for entity, module in MODULES.items()}
    members = pl.format("{} “{}”, {} members", "kind", "name", "members")
    renamed = pl.when("is_renamed").then(pl.lit("; renamed, another list has the name or it had none"))
    parts = [
        _rows(_blank(planned.activity_types), ACTIVITY_TYPE, "activity_type_id", "carrier", named, "records"),
        _rows(_blank(planned.event_types), EVENT, "event", "carrier", counted, "records"),
        _rows(
            planned.tag_plan.with_columns(
                entity=pl.col("module").replace_strict(entity_of, return_dtype=pl.String)
            ),
            TAG,
            "entity",
            "mode",
            pl.col("reason"),
        ),
        _rows(
            planned.list_plan,
            LIST,
            "list_key",
            "target_name",
            members + renamed.otherwise(pl.lit("")),
            "members",
        ),
    ]
    return pl.concat(parts)


def _blank(plan: pl.DataFrame) -> pl.DataFrame:
    return plan.with_columns(pl.col("carrier").replace(carriers.SKIP, ""))


def _rows(
    plan: pl.DataFrame, entity: str, field: str, target: str, reason: pl.Expr, records: str = ""
) -> pl.DataFrame:
    counted = pl.col(records) if records else pl.lit(None)
    return plan.select(
        entity=pl.lit(entity),
        source_field=field,
        target_entity=pl.lit("list" if entity == LIST else "tag" if entity == TAG else "history"),
        target_field=target,
        rule=pl.lit("identity"),
        reason=reason,
        records=counted.cast(pl.Int64),
    ).cast({"source_field": pl.String, "target_field": pl.String, "reason": pl.String})
