"""Tags as a choice of a field, or as tags: one way per module, the tags themselves word for word.

In: the tags of the source's records and the customer's policy. Out: the plan of 02 with the field it needs,
and for 04 the rows with their tags in that place. Under `auto` one tag per record at most makes a dropdown, more
a field of several choices, and more different tags than such a field takes (300; vendor docs) stay tags. A
record stands for all that may be merged into it. Tags longer than 40 characters are listed for review, never cut.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import clean, tables
from crmbook.phases.shape import merged, rejected, tally
from crmbook.phases.standard_map import MODULES

MODES: Final = ("native", "multi_select", "contact_type")
MOST_CHOICES: Final = 300
LONGEST: Final = 40
_LABELS: Final = {
    "contacts": {"multi_select": "Tags", "contact_type": "Contact Type"},
    "sales_accounts": {"multi_select": "Tags", "contact_type": "Account Type"},
    "deals": {"multi_select": "Tags", "contact_type": "Deal Type"},
}  # fmt: skip
_FIELD_TYPES: Final = {"multi_select": "multi_select_dropdown", "contact_type": "dropdown"}


@dataclass(frozen=True)
class Placed:
    """Rows with their tags in place, the tags to review (non-blocking rejects), and what a forced field loses."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    loss: pl.DataFrame


def used(
    *, contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame, placeholder: str | None
) -> pl.DataFrame:
    """
    One row per record and tag: `module`, `record`, `tag`; records that may become one share `record`.

    *placeholder* is the tag that contacts without a valid address get under that policy, else None.
    """
    email = clean.RULES["email"].apply(pl.col("email"))
    address = pl.when(email.is_not_null()).then(clean.email_key(email))
    tags = clean.filled(pl.col("tags"))
    marked = tags
    if placeholder is not None:
        own = tags.fill_null(pl.lit([], dtype=pl.List(pl.String)))
        marked = pl.when(email.is_null()).then(own.list.concat(pl.lit([placeholder]))).otherwise(tags)
    parts = [
        contacts.lazy().select(
            module=pl.lit("contacts"), record=pl.coalesce(address, "source_id"), tag=marked
        ),
        companies.lazy().select(
            module=pl.lit("sales_accounts"),
            record=pl.coalesce(clean.name_key(pl.col("name")), "source_id"),
            tag=tags,
        ),
        deals.lazy().select(module=pl.lit("deals"), record="source_id", tag=tags),
    ]
    return pl.concat(parts).explode("tag").drop_nulls("tag").unique(maintain_order=True).collect()


def plan(used: pl.DataFrame, *, policy: str, left: frozenset[str], taken: pl.DataFrame) -> pl.DataFrame:
    """
    How each module's tags are carried, as `tables.TAG_PLAN`.

    Args:
        used: as `used` gives it.
        policy: auto, or one of MODES for all modules.
        left: modules whose tags the mapping leaves behind.
        taken: `tables.CUSTOM_FIELDS` of everything else, so that the field gets a name of its own.
    """
    rows = []
    for module in MODULES.values():
        tags = used.filter(pl.col("module") == module)
        most = max([0, *tags.group_by("record").len()["len"]])
        counts = (tags["tag"].n_unique(), most)
        mode, why = ("native", "left behind by the mapping") if module in left else _mode(policy, *counts)
        too_long = tags["tag"].unique().str.len_chars().gt(LONGEST).sum()
        rows.append((module, mode, _api_name(module, mode, taken), *counts, too_long, why))
    return tables.conform(pl.DataFrame(rows, schema=tables.TAG_PLAN.columns, orient="row"), tables.TAG_PLAN)


def with_decisions(planned: pl.DataFrame, edited: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """*planned* with the modes a person gave: *edited* has source_field (contact, company or deal), target_field."""
    theirs = {
        MODULES[entity]: mode for entity, mode in edited.select("source_field", "target_field").iter_rows()
    }
    rows = planned.to_dicts()
    for row in rows:
        if (mode := theirs.get(row["module"])) and mode != row["mode"]:
            mode, why = _mode(mode, row["distinct"], row["most_per_record"])
            row |= {"mode": mode, "api_name": _api_name(row["module"], mode, taken), "reason": why}
    return tables.conform(pl.DataFrame(rows, schema=tables.TAG_PLAN.columns), tables.TAG_PLAN)


def custom_fields(planned: pl.DataFrame, used: pl.DataFrame) -> pl.DataFrame:
    """The fields *planned* needs, as `tables.CUSTOM_FIELDS`, with every tag of the module as a choice."""
    rows = [
        {
            "module": row["module"],
            "api_name": row["api_name"],
            "label": row["api_name"][3:].replace("_", " ").title(),
            "field_type": _FIELD_TYPES[row["mode"]],
            "choices": used.filter(pl.col("module") == row["module"])["tag"].unique().sort().to_list(),
            "is_unique": False,
        }
        for row in planned.filter(pl.col("api_name") != "").iter_rows(named=True)
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.CUSTOM_FIELDS.columns), tables.CUSTOM_FIELDS)


def expected(fields: pl.DataFrame) -> list[tuple[str, str]]:
    """(module, field type) of the fields tags will need under `auto`, as far as `tables.FIELDS` tells."""
    tags = fields.filter(
        pl.col("field") == "tags", pl.col("filled") > 0, pl.col("distinct") <= MOST_CHOICES
    ).select("entity", "max_choices")
    return [
        (MODULES[entity], _FIELD_TYPES["multi_select" if most > 1 else "contact_type"])
        for entity, most in tags.iter_rows()
    ]


def placed(rows: pl.DataFrame, planned: pl.DataFrame, entity: str) -> Placed:
    """Target-shaped *rows* with their tags where *planned* wants them."""
    module = MODULES[entity]
    notices = [
        _listed(
            rows, "tag_over_40", pl.col("tags").list.eval(pl.element().str.len_chars() > LONGEST).list.any()
        )
    ]
    lost = 0
    for mode, api_name in (
        planned.filter(pl.col("module") == module, pl.col("api_name") != "")
        .select("mode", "api_name")
        .iter_rows()
    ):
        is_several = pl.col("tags").list.len() > 1
        if mode == "contact_type":
            lost = rows.filter(is_several).height
            notices.append(_listed(rows, "tags_several", is_several))
            made = pl.col("tags").list.first()
        else:
            made = pl.when(pl.col("tags").list.len() > 0).then("tags")
        rows = rows.with_columns(made.alias(api_name), tags=pl.lit([], dtype=pl.List(pl.String)))
    rejects = rejected(entity, notices, is_blocking=False)
    return Placed(
        rows, merged(tables.REJECTS, rejects), tally(tables.LOSS, entity, [("tags", "collapsed", lost)])
    )


def _listed(rows: pl.DataFrame, rule: str, test: pl.Expr) -> pl.DataFrame:
    return rows.filter(test.fill_null(value=False)).select(
        "source_id", rule=pl.lit(rule), field=pl.lit("tags")
    )


def _mode(policy: str, distinct: int, most: int) -> tuple[str, str]:
    if not distinct:
        return "native", "no record has a tag"
    counted = f"{distinct:,} different tags, at most {most} on one record"
    if distinct > MOST_CHOICES:
        return "native", f"{counted}; a field takes {MOST_CHOICES} choices"
    if policy == "auto":
        return ("contact_type" if most <= 1 else "multi_select"), counted
    return policy, f"{counted}; as decided"


def _api_name(module: str, mode: str, taken: pl.DataFrame) -> str:
    if mode == "native":
        return ""
    label = _LABELS[module][mode]
    names = set(taken.filter(pl.col("module") == module)["api_name"])
    base = f"cf_{label.lower().replace(' ', '_')}"
    numbered = (base, *(f"{base}_{n}" for n in range(2, len(names) + 3)))
    return next(name for name in numbered if name not in names)
