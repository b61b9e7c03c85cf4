"""Choice properties: which of the target's choices a source value becomes.

A property has few different values and many records, so each different text is parsed and translated once and
joined back. The result equals `clean.RULES` for `choice` and `choices`, followed by the table of choices.
"""

from typing import Final

import polars as pl

from crmbook import clean, parse

SEVERAL: Final = "choices"
FLAGS: Final = ("is_refused", "is_unknown", "is_collapsed", "is_gone", "is_moved")


def chosen(values: pl.Series, *, rule: str, replacements: dict[str, str]) -> pl.DataFrame:
    """
    `value` and the flags of each of *values*, a column of text or of lists of text, in their order.

    Args:
        values: a custom property or a list column of the source.
        rule: `choice` takes one value, `choices` several.
        replacements: source choice to target choice, null or empty for one that is dropped on purpose; without
            any the values pass as they are.

    Returns:
        `value` (text, or list for `choices`); `is_refused` several values where one is asked for,
        `is_unknown` one that *replacements* lacks, `is_collapsed` one that shares its target with another,
        `is_gone` one dropped on purpose, `is_moved` one that is spelled differently.
    """
    if isinstance(values.dtype, pl.List):
        found = values.alias("found").to_frame().select(clean.filled(pl.col("found")))
        return _translated(found, rule, replacements).select("value", *FLAGS)
    raw = values.alias("raw").to_frame()
    known = raw.unique().with_columns(found=parse.elements(pl.col("raw")))
    translated = _translated(known, rule, replacements)
    return raw.join(translated, on="raw", how="left", nulls_equal=True, maintain_order="left").select(
        "value", *FLAGS
    )


def _translated(found: pl.DataFrame, rule: str, replacements: dict[str, str]) -> pl.DataFrame:
    refused = pl.col("found").list.len() > 1 if rule != SEVERAL else pl.lit(value=False)
    usable = found.with_columns(is_refused=refused.fill_null(False)).with_columns(
        found=pl.when(~pl.col("is_refused")).then("found")
    )
    made = usable.with_columns(**_flags(replacements), value=_swapped(replacements))
    value = pl.col("value")
    single = (
        value.list.get(0, null_on_oob=True) if rule != SEVERAL else pl.when(value.list.len() > 0).then(value)
    )
    return made.with_columns(value=single)


def _swapped(replacements: dict[str, str]) -> pl.Expr:
    if not replacements:
        return pl.col("found")
    old, new = list(replacements), [text or None for text in replacements.values()]
    swapped = pl.element().replace_strict(old, new, default=None, return_dtype=pl.String)
    return clean.filled(pl.col("found").list.eval(swapped))


def _flags(replacements: dict[str, str]) -> dict[str, pl.Expr]:
    new = [text for text in replacements.values() if text]
    shared = [o for o, n in replacements.items() if n and new.count(n) > 1]
    gone = [o for o, n in replacements.items() if not n]
    moved = [o for o, n in replacements.items() if n and n != o]
    unknown = _any(~pl.element().is_in(list(replacements))) if replacements else pl.lit(value=False)
    return {
        "is_unknown": unknown,
        "is_collapsed": _any(pl.element().is_in(shared)),
        "is_gone": _any(pl.element().is_in(gone)),
        "is_moved": _any(pl.element().is_in(moved)),
    }


def _any(test: pl.Expr) -> pl.Expr:
    return pl.col("found").list.eval(test).list.any().fill_null(False)
