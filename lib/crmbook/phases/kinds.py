"""What kind of value a source field holds, and the cleaning rule that carries it without loss.

In: a column of source text, and what the source declares about it. Out: one kind name, one rule name.
A kind is claimed only where every filled value has it, so no value is refused by a rule chosen from it: a
number with more digits than the target's number field takes (11; vendor docs) is a `long_` kind and stays
text. Decimals beyond the field's four are rounded, and counted as lost where values are cleaned.
"""

from typing import Final, NamedTuple

import polars as pl

from crmbook import clean

MOST_CHOICES: Final = 300
_PROBE: Final = 1000
_LIKELY: Final = 0.8
_MOSTLY: Final = 0.9

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_ARRAY: Final = rf"^\[\s*(?:{_STRING}(?:\s*,\s*{_STRING})*)?\s*\]$"
_ONE: Final = rf"^\[\s*{_STRING}\s*\]$"

# The order decides where a value fits several kinds.
_PATTERNS: Final = {
    "boolean": r"^(?i:true|false|t|f)$",
    "integer": r"^[+-]?(?:0|[1-9]\d{0,10})$",
    "long_integer": r"^[+-]?[1-9]\d{11,}$",
    "decimal": r"^[+-]?(?:0|[1-9]\d{0,10})(?:\.\d+)?$",
    "long_decimal": r"^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "datetime": r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?$",
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "url": r"(?i)^(?:https?://)?(?:[a-z0-9-]+\.)+[a-z]{2,}(?:[/:?#]\S*)?$",
    "phone": r"^\+?\(?\d[\d\s()./-]{5,18}\d$",
    "choice": _ONE,
    "choices": _ARRAY,
    "json": r"(?s)^(?:\{.*\}|\[.*\])$",
}
_LEADING_ZERO: Final = r"^[+-]?0\d"


def filled(values: pl.Expr) -> pl.Expr:
    """Whether a text holds anything: null, blanks and an empty JSON list do not."""
    text = values.str.strip_chars()
    return values.is_not_null() & (text != "") & (text != "[]")


class Observed(NamedTuple):
    """`kind`: the narrowest every value has; `mostly`: the one at least nine in ten have, and their `share`."""

    kind: str
    mostly: str
    share: float


def observe(values: pl.Series) -> Observed:
    """
    The kinds of value a text column holds: names of the patterns above, `text` where none fits, `empty`
    where nothing is filled.
    """
    texts = values.to_frame("v").filter(filled(pl.col("v"))).select(pl.col("v").str.strip_chars())
    if texts.is_empty():
        return Observed("empty", "empty", 1.0)
    # Most kinds are ruled out by the first rows, which spares long columns most of the work.
    probed = _shares(texts.head(_PROBE), tuple(_PATTERNS))
    shares = _shares(texts, tuple(kind for kind, share in probed.items() if share >= _LIKELY))
    kind = next((kind for kind, share in shares.items() if share == 1), "text")
    if kind != "text" or not shares or max(shares.values()) < _MOSTLY:
        return Observed(kind, kind, 1.0)
    mostly = max(shares, key=lambda k: shares[k])
    return Observed(kind, mostly, shares[mostly])


def rule_for(*, declared: str, observed: str, distinct: int, max_length: int) -> str:
    """
    The name of the cleaning rule that carries such a field whole.

    Args:
        declared: the source's value type (vendor docs: boolean, integer, date, string, datetime, fixed,
            float, json), or blank where it declares none.
        observed: what `observe` found.
        distinct: different values; for choices, different choices.
        max_length: characters of the longest value.
    """
    rule = _typed(declared, observed)
    if rule in ("choice", "choices") and distinct > MOST_CHOICES:
        rule = "json_text" if observed in ("choice", "choices") else "text"
    return "textarea" if rule == "text" and max_length > clean.TEXT_LENGTH else rule


def _typed(declared: str, observed: str) -> str:
    by_observed = {
        "boolean": "checkbox", "integer": "integer", "decimal": "number", "date": "date", "datetime": "datetime",
        "choice": "choice", "choices": "choices", "json": "json_text",
    }  # fmt: skip
    if declared == "string":
        return {k: by_observed[k] for k in ("boolean", "choice", "choices", "json")}.get(observed, "text")
    if declared in ("integer", "float"):
        allowed = ("integer", "decimal") if declared == "float" else ("integer",)
        return ("number" if declared == "float" else "integer") if observed in allowed else "text"
    if declared in ("date", "datetime"):
        return declared if observed in ("date", "datetime") else "text"
    if declared == "fixed":
        return by_observed[observed] if observed in ("choice", "choices") else "choice"
    if declared == "json":
        return "json_text"
    return by_observed.get(observed, "text")


def _shares(texts: pl.DataFrame, kinds: tuple[str, ...]) -> dict[str, float]:
    """The share of *texts* of each kind, in the order of the patterns."""
    # A leading zero belongs to codes and postal codes; as a number it would be lost.
    number = ~pl.col("v").str.contains(_LEADING_ZERO)
    return (
        texts.select(
            (
                pl.col("v").str.contains(_PATTERNS[kind])
                & (number if kind.startswith("long_") else pl.lit(value=True))
            )
            .mean()
            .alias(kind)
            for kind in kinds
        ).row(0, named=True)
        if kinds
        else {}
    )
