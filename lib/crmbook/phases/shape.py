"""The cells of one entity as the mapping decides them, and a record of every cell that did not pass unchanged.

In: a source table and the decisions of 02. Out: one target column per decision, the refused cells with their
reason, and counts of what cleaning changed or lost. Every source row comes out; dropping rows is the phase's
business. Nothing here keeps a value beside the cell it belongs to.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import polars as pl

from crmbook import clean, tables
from crmbook.errors import DataError
from crmbook.phases import choosing
from crmbook.phases.cell_plan import FLAG, CellPlan, flag

CARRIED_BY_STRUCTURE: Final = "identity"
CHOICE_RULES: Final = ("choice", "choices")
SKIPPED: Final = "skip"


class Policy(Protocol):
    """The customer's choices that normalization reads (customer.toml)."""

    @property
    def contact_without_email(self) -> str: ...
    @property
    def duplicate_email(self) -> str: ...
    @property
    def duplicate_account(self) -> str: ...


@dataclass(frozen=True)
class Decisions:
    """
    What was decided before normalization: the tables of 02 and the customer's policy.

    `time_zone` is the customer's (IANA); `account_name_unique` is what the target was measured to enforce. Without
    a row of `tag_plan` a module's tags are tags; who stands in `exclusions` is left out.
    """

    mapping: pl.DataFrame
    custom_fields: pl.DataFrame
    choices: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    policy: Policy
    time_zone: str
    account_name_unique: bool
    tag_plan: pl.DataFrame = field(default_factory=tables.TAG_PLAN.empty)
    exclusions: pl.DataFrame = field(default_factory=tables.EXCLUSIONS.empty)

    def has_field(self, module: str, api_name: str) -> bool:
        """True where the target gets this custom field."""
        is_it = (pl.col("module") == module) & (pl.col("api_name") == api_name)
        return not self.custom_fields.filter(is_it).is_empty()

    def leaves(self, entity: str, source_field: str) -> bool:
        """True where the mapping leaves *source_field* behind."""
        return not self._of(entity, source_field).filter(pl.col("decision") == SKIPPED).is_empty()

    def keeps_in_a_field(self, entity: str, source_field: str) -> bool:
        """True where a custom field takes *source_field* as it is, whatever structure makes of it."""
        is_kept = pl.col("target_field").str.starts_with("cf_") & (pl.col("decision") != SKIPPED)
        return not self._of(entity, source_field).filter(is_kept).is_empty()

    def source_of(self, entity: str) -> dict[str, str]:
        """Target field to the source field a rule carries there."""
        mine = self.mapping.filter(pl.col("entity") == entity, pl.col("rule") != CARRIED_BY_STRUCTURE)
        return dict(mine.select("target_field", "source_field").iter_rows())

    def _of(self, entity: str, source_field: str) -> pl.DataFrame:
        return self.mapping.filter(pl.col("entity") == entity, pl.col("source_field") == source_field)


@dataclass(frozen=True)
class Shaped:
    """
    Target-shaped rows of one entity and what happened to the others.

    `fate` has one row per source row: `source_id`, `kept_id` (the surviving record's source id, null where
    there is none), `reason` (why there is none, else empty). `flags` says per source row what cleaning did to
    each cell; `counted` makes `changes` and `loss` of it.
    """

    rows: pl.DataFrame
    fate: pl.DataFrame = field(default_factory=pl.DataFrame)
    rejects: pl.DataFrame = field(default_factory=tables.REJECTS.empty)
    excluded: pl.DataFrame = field(default_factory=tables.EXCLUDED.empty)
    merges: pl.DataFrame = field(default_factory=tables.MERGES.empty)
    changes: pl.DataFrame = field(default_factory=tables.CHANGES.empty)
    loss: pl.DataFrame = field(default_factory=tables.LOSS.empty)
    flags: pl.DataFrame = field(default_factory=pl.DataFrame)


def cells(source: pl.DataFrame, *, entity: str, decided: Decisions, table: tables.Table) -> Shaped:
    """
    *source* with its cells as the target holds them.

    Args:
        source: a source table; columns no decision names are ignored.
        entity: contact, company or deal, as the mapping spells it.
        decided: of its choices, a field without rows there passes its values on.
        table: the target-shaped table; every column of it appears, null where nothing feeds it.

    Returns:
        `rows` in the order of *source*, without key checks; `rejects` has only non-blocking rows.

    Raises:
        DataError: a decision names an unknown rule, source column or target column, or two name one target.
    """
    decisions = _decisions(source, entity, decided.mapping, table)
    chosen = [d for d in decisions if d["rule"] in CHOICE_RULES]
    plans = [CellPlan(d, source.schema[d["source_field"]]) for d in decisions if d not in chosen]
    # Layer after layer: within one, Polars works out a nested expression again wherever it stands.
    plain = (
        source.lazy()
        .select("source_id", *(e for plan in plans for e in plan.taken()))
        .with_columns(e for plan in plans for e in plan.read())
        .with_columns(e for plan in plans for e in plan.tested())
        .with_columns(e for plan in plans for e in plan.settled())
        .select("source_id", *(e for plan in plans for e in plan.told(decided.time_zone)))
        .collect()
    )
    made = plain.hstack([c for d in chosen for c in _chosen(source, d, _replacements(decided, entity, d))])
    flags = [name for name in made.columns if FLAG in name]
    rejects = [
        made.select("source_id", told).filter(told).select("source_id", rule=pl.lit(rule), field=pl.lit(name))
        for told in flags
        if (kind := told.split(FLAG))[0] in ("bad", "odd") and made[told].any()
        for _, name, rule in [kind]
    ]
    told = made.select("source_id", *flags)
    changes, loss = counted(entity, told)
    return Shaped(
        rows=completed(made.drop(flags), table),
        rejects=rejected(entity, rejects, is_blocking=False),
        changes=changes,
        loss=loss,
        flags=told,
    )


def counted(
    entity: str, flags: pl.DataFrame, fate: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    `changes` and `loss` of *flags* (`Shaped.flags`).

    With *fate* (`Shaped.fate`) only of the records that are loaded or live on in another one: what goes with a
    rejected record is told with that record.
    """
    if fate is not None:
        flags = flags.join(fate.drop_nulls("kept_id"), on="source_id", how="semi")
    names = [name for name in flags.columns if name != "source_id"]
    sums = flags.select(pl.col(names).sum()).row(0, named=True) if names else {}
    found = [(*name.split(FLAG), number) for name, number in sums.items()]
    return (
        tally(tables.CHANGES, entity, ((f, r, n) for kind, f, r, n in found if kind == "changed")),
        tally(
            tables.LOSS,
            entity,
            ((f, "dropped" if kind == "bad" else r, n) for kind, f, r, n in found if kind in ("bad", "loss")),
        ),
    )


def completed(rows: pl.DataFrame, table: tables.Table) -> pl.DataFrame:
    """*rows* with the columns of *table* they lack, null."""
    return rows.with_columns(
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in table.columns.items()
        if name not in rows.columns
    )


def rejected(entity: str, parts: Iterable[pl.DataFrame], *, is_blocking: bool) -> pl.DataFrame:
    """Reject rows of *parts* (`source_id`, `rule`, `field`), conformed."""
    made = [p.with_columns(entity=pl.lit(entity), is_blocking=pl.lit(is_blocking)) for p in parts]
    return merged(tables.REJECTS, *(p.select(list(tables.REJECTS.columns)) for p in made))


def tally(table: tables.Table, entity: str, counts: Iterable[tuple[str, str, int]]) -> pl.DataFrame:
    """Rows of `changes` or `loss` from (field, rule or kind, records); the same pair adds up, none for 0."""
    added: Counter[tuple[str, str]] = Counter()
    for name, detail, records in counts:
        added[name, detail] += records
    rows = [(entity, *what, records) for what, records in sorted(added.items()) if records]
    return tables.conform(pl.DataFrame(rows, schema=table.columns, orient="row"), table)


def merged(table: tables.Table, *parts: pl.DataFrame) -> pl.DataFrame:
    """*parts* as one *table*; counts of the same key add up, other rows stand once."""
    frame = pl.concat([table.empty(), *parts])
    if "records" in table.columns:
        frame = frame.group_by(table.key).agg(pl.col("records").sum())
    return tables.conform(frame.unique(table.key, keep="any", maintain_order=True), table)


def _decisions(
    source: pl.DataFrame, entity: str, mapping: pl.DataFrame, table: tables.Table
) -> list[dict[str, Any]]:
    chosen = mapping.filter(
        pl.col("entity") == entity,
        pl.col("decision") != SKIPPED,
        pl.col("target_field") != "",
        pl.col("rule") != CARRIED_BY_STRUCTURE,
    ).sort("source_field")
    decisions = chosen.to_dicts()
    taken: dict[str, str] = {}
    for decision in decisions:
        where = f"mapping: {entity}.{decision['source_field']}"
        target = decision["target_field"]
        if decision["rule"] not in clean.RULES:
            raise DataError(
                f"{where}: rule {decision['rule']!r} is unknown; expected one of {', '.join(clean.RULES)}"
            )
        if decision["source_field"] not in source.columns:
            raise DataError(f"{where}: the source has no such column; run 01_discovery and 02_mapping again")
        if target not in table.columns and not target.startswith("cf_"):
            raise DataError(
                f"{where}: {table.name} has no field {target!r}; expected a standard field or cf_…"
            )
        if target in taken:
            raise DataError(
                f"{where}: {target} already takes {taken[target]}; give one of them another target"
            )
        taken[target] = decision["source_field"]
    return decisions


def _replacements(decided: Decisions, entity: str, decision: dict[str, Any]) -> dict[str, str]:
    of_field = decided.choices.filter(
        pl.col("entity") == entity, pl.col("source_field") == decision["source_field"]
    )
    return dict(of_field.select("source_value", "target_value").iter_rows())


def _chosen(source: pl.DataFrame, decision: dict[str, Any], replacements: dict[str, str]) -> list[pl.Series]:
    """The target column of a choice and its flags (`flag`)."""
    name, rule = decision["source_field"], decision["rule"]
    values = source[name]
    if not isinstance(values.dtype, pl.List):
        values = source.select(clean.as_text(pl.col(name), values.dtype)).to_series()
    made = choosing.chosen(values, rule=rule, replacements=replacements)
    flags = {
        "is_refused": flag("bad", name, clean.RULES[rule].refusal),
        "is_unknown": flag("bad", name, "choice_unknown"),
        "is_collapsed": flag("loss", name, "collapsed"),
        "is_gone": flag("loss", name, "dropped"),
        "is_moved": flag("changed", name, rule),
    }
    # A cell that drops a choice counts once, whatever drops it.
    made = made.with_columns(
        is_unknown=pl.col("is_unknown") & ~pl.col("is_refused"),
        is_gone=pl.col("is_gone") & ~pl.col("is_refused") & ~pl.col("is_unknown"),
    )
    return [made["value"].alias(decision["target_field"]), *(made[f].alias(to) for f, to in flags.items())]
