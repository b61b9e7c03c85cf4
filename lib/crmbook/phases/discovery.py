"""What does the source hold, and which contacts does it bill?

In: the typed source tables. Out: per field what it is and how full it is, per contact which attributes make
it billable, and a sample that shows every class of record. Counting happens on all rows, never on a sample.
Invariant: every column of the source tables has exactly one row in `fields`.
"""

from typing import Final

import polars as pl

from crmbook import parse, tables
from crmbook.phases import billing_tiers, kinds, signs

BILLABLE: Final = billing_tiers.ATTRIBUTES

_TYPED: Final = {pl.Boolean: "boolean", pl.Int64: "integer", pl.Date: "date", tables.TIME: "datetime"}
_PREFIX: Final = "p_"


def fields(
    contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame, attributes: pl.DataFrame
) -> pl.DataFrame:
    """
    One row per source column, as `tables.FIELDS`.

    `filled` counts values that are neither null nor blank nor an empty list. For choices `distinct`,
    `choices` (alphabetical: the source does not tell its own order) and `max_choices` count single choices,
    for everything else whole values. `max_length` is in characters of the longest text.
    """
    declared = {(r["entity"], r["property"]): r for r in attributes.iter_rows(named=True)}
    rows = [
        _field(entity, frame[column], declared.get((entity, column.removeprefix(_PREFIX))))
        for entity, frame in (("contact", contacts), ("company", companies), ("deal", deals))
        for column in frame.columns
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.FIELDS.columns), tables.FIELDS)


def billing(contacts: pl.DataFrame) -> pl.DataFrame:
    """
    Per contact which of the six attributes makes it billable (vendor docs: any one suffices), and its group.

    `tier` is `identified` (e-mail, phone or user id), `chat_only`, `push_only` or `unidentified`. A null
    last_heard or FCM key counts as none; the source does not show the key to everybody.
    """
    flags = contacts.select(
        "source_id",
        _has_text("email").alias("email"),
        _has_text("phone_number").alias("phone"),
        _has_text("custom_id").alias("user_id"),
        pl.col("last_heard").is_not_null().alias("last_heard"),
        pl.col("web_push_subscription").fill_null(value=False).alias("web_push"),
        pl.col("fcm_key").fill_null(value=False).alias("fcm_key"),
    )
    judged = flags.with_columns(
        pl.any_horizontal(BILLABLE).alias("is_billable"),
        pl.when(pl.any_horizontal("email", "phone", "user_id"))
        .then(pl.lit("identified"))
        .when("last_heard")
        .then(pl.lit("chat_only"))
        .when(pl.any_horizontal("web_push", "fcm_key"))
        .then(pl.lit("push_only"))
        .otherwise(pl.lit("unidentified"))
        .alias("tier"),
    )
    return tables.conform(judged, tables.BILLING)


def tiers(billed: pl.DataFrame) -> pl.DataFrame:
    """How many contacts each group has: tier, contacts, billable, share (0-1), largest first."""
    counted = billed.group_by("tier").agg(
        pl.len().cast(pl.Int64).alias("contacts"),
        pl.col("is_billable").sum().cast(pl.Int64).alias("billable"),
    )
    return counted.with_columns((pl.col("contacts") / max(billed.height, 1)).alias("share")).sort(
        ["contacts", "tier"], descending=[True, False]
    )


def _has_text(column: str) -> pl.Expr:
    return parse.trimmed(pl.col(column)).is_not_null()


def _field(entity: str, values: pl.Series, declared: dict[str, str] | None) -> dict[str, object]:
    name = values.name
    is_standard = not name.startswith(_PREFIX)
    facts = _listed(values) if isinstance(values.dtype, pl.List) else _plain(values)
    label = name.replace("_", " ") if is_standard else name.removeprefix(_PREFIX)
    if not is_standard and declared:
        label = declared["name"]
    return {
        "entity": entity,
        "field": name,
        "label": label,
        "is_standard": is_standard,
        "declared": "" if is_standard or not declared else declared["value_type"],
        "records": values.len(),
        **(facts if is_standard or not declared else _as_declared(values, facts, declared["value_type"])),
        **_signed(values, is_custom=not is_standard),
    }


def _signed(values: pl.Series, *, is_custom: bool) -> dict[str, object]:
    # What a standard field holds is known from its name.
    name, share = signs.sign(values) if is_custom else ("", 0.0)
    return {"sign": name, "sign_share": share}


def _listed(values: pl.Series) -> dict[str, object]:
    sizes = values.list.len()
    items = values.drop_nulls().explode().drop_nulls()
    filled = int((sizes > 0).fill_null(value=False).sum())
    return _facts(
        observed="choices" if filled else "empty",
        filled=filled,
        distinct=items.n_unique(),
        max_length=_longest(items),
        max_choices=_whole(sizes.max()),
    )


def _plain(values: pl.Series) -> dict[str, object]:
    if values.dtype != pl.String:
        present = values.drop_nulls()
        observed = _TYPED.get(values.dtype, "text") if present.len() else "empty"
        length = _longest(present.cast(pl.String))
        return _facts(observed=observed, filled=present.len(), distinct=present.n_unique(), max_length=length)
    present = values.filter(values.to_frame().select(kinds.filled(pl.col(values.name))).to_series())
    observed, mostly, share = kinds.observe(present)
    if observed in ("choice", "choices"):
        return _chosen(present, observed)
    facts = _facts(
        observed=observed,
        mostly=mostly,
        share=share,
        filled=present.len(),
        distinct=present.n_unique(),
        max_length=_longest(present),
    )
    if values.name in ("gender", "status"):
        return _chosen(present, "choice")
    return facts


def _as_declared(values: pl.Series, facts: dict[str, object], value_type: str) -> dict[str, object]:
    # A list of choices is sometimes sent as one plain text; then its values are the choices all the same.
    if value_type != "fixed" or facts["observed"] in ("empty", "choice", "choices"):
        return facts
    present = values.filter(values.to_frame().select(kinds.filled(pl.col(values.name))).to_series())
    return _chosen(present, str(facts["observed"]))


def _chosen(present: pl.Series, observed: str) -> dict[str, object]:
    # Most records share a few lists; taking one apart is dear.
    lists = present.unique().to_frame().select(parse.elements(pl.col(present.name))).to_series()
    choices = lists.explode().drop_nulls().unique().sort()
    return _facts(
        observed=observed,
        filled=present.len(),
        distinct=choices.len(),
        max_length=_longest(choices),
        max_choices=_whole(lists.list.len().max()),
        choices=choices.to_list() if choices.len() <= kinds.MOST_CHOICES else [],
    )


def _facts(
    *,
    observed: str,
    filled: int,
    distinct: int,
    max_length: int,
    max_choices: int = 0,
    choices: list[str] | None = None,
    mostly: str = "",
    share: float = 1.0,
) -> dict[str, object]:
    return {
        "observed": observed,
        "mostly": mostly or observed,
        "mostly_share": share,
        "filled": filled,
        "distinct": distinct,
        "max_length": max_length,
        "max_choices": max_choices,
        "choices": choices or [],
    }


def _longest(texts: pl.Series) -> int:
    return _whole(texts.cast(pl.String).str.len_chars().max())


def _whole(number: object) -> int:
    return number if isinstance(number, int) else 0
