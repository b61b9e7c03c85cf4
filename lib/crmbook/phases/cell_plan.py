"""How one decision of the mapping is worked out on a whole column, layer after layer, and what it tells of each cell.

In: a row of the mapping and the type of its source column. Out: expressions for five layers of one frame: the raw
text, what it says, whether that is valid, the target's value, and flags of what cleaning did. Within one layer Polars
works out a nested expression again wherever it stands, so what is needed twice gets a layer of its own.
"""

from typing import Any, Final

import polars as pl

from crmbook import clean, parse, seldom

FLAG: Final = "\x1f"
_TEXT_COMPARED: Final = (pl.String, pl.Boolean, pl.Date)


class CellPlan:
    """One decision in layers: the raw text, what it says, whether that is valid, the target's value, and the flags."""

    def __init__(self, decision: dict[str, Any], dtype: pl.DataType) -> None:
        self.rule, self.name, self.target = (
            clean.RULES[decision["rule"]], decision["source_field"], decision["target_field"],
        )  # fmt: skip
        self.dtype, self.is_settled = dtype, _is_settled(self.rule, dtype)
        self._raw, self._text, self._value, self._valid, self._made = (
            f"{kind}{self.target}"
            for kind in ("\x1eraw:", parse.TRIMMED, "\x1evalue:", "\x1evalid:", "\x1emade:")
        )

    def taken(self) -> list[pl.Expr]:
        column = pl.col(self.name)
        if self.is_settled:
            is_text = self.rule.dtype == pl.String
            return [(clean.as_text(column, self.dtype) if is_text else column).alias(self._made)]
        is_first = isinstance(self.dtype, pl.List) and self.rule.name == "phone"
        raw = _first(column) if is_first else clean.as_text(column, self.dtype)
        is_text = self.dtype == pl.String or isinstance(self.dtype, pl.List)
        return [raw.alias(self._raw), (parse.tidied(raw) if is_text else raw).alias(self._text)]

    def read(self) -> list[pl.Expr]:
        return [] if self.is_settled else [self.rule.read(pl.col(self._text)).alias(self._value)]

    def tested(self) -> list[pl.Expr]:
        if self.is_settled or self.rule.fits is None:
            return []
        return [self.rule.accepts(pl.col(self._text), pl.col(self._value)).alias(self._valid)]

    def settled(self) -> list[pl.Expr]:
        if self.is_settled:
            return []
        return [self.rule.settled(pl.col(self._value), pl.col(self._valid)).alias(self._made)]

    def told(self, time_zone: str) -> list[pl.Expr]:
        """The target column and flags (`_flag`)."""
        made = {self.target: pl.col(self._made)}
        if not self.is_settled:
            made |= self._flags(time_zone)
        return [expression.alias(alias) for alias, expression in made.items()]

    def _flags(self, time_zone: str) -> dict[str, pl.Expr]:
        rule, name, text, value = self.rule, self.name, pl.col(self._text), pl.col(self._made)
        found: dict[str, pl.Expr] = {}
        if rule.fits is not None:
            found[flag("bad", name, rule.refusal)] = ~pl.col(self._valid)
        is_partial = ~rule.keeps(text, pl.col(self._value)) & value.is_not_null()
        if rule.loses:
            is_shifted = _is_shifted(text, value, time_zone) if rule.name == "date" else pl.lit(value=False)
            found[flag("loss", name, rule.loses)] = is_partial & ~is_shifted
            found[flag("loss", name, "shifted")] = is_partial & is_shifted
        if rule.notice:
            found[flag("odd", name, rule.notice)] = is_partial
        if rule.dtype in _TEXT_COMPARED:
            is_other = value.cast(pl.String) != pl.col(self._raw)
            found[flag("changed", name, rule.name)] = is_other.fill_null(value=False)
        return found


def _is_shifted(raw: pl.Expr, day: pl.Expr, time_zone: str) -> pl.Expr:
    """The day as written is not the customer's day at that instant."""

    def of(text: pl.Expr) -> pl.Expr:
        there = parse.instant(text).dt.convert_time_zone(time_zone).dt.date()
        return there != parse.date(text)

    has_time = day.is_not_null() & ~parse.is_day(raw)
    return ~seldom.rarely(raw, has_time, lambda text: ~of(text).fill_null(value=False))


def flag(kind: str, name: str, detail: str) -> str:
    """The name of the column that flags what cleaning did to cells of the source field *name*."""
    return FLAG.join((kind, name, detail))


def _is_settled(rule: clean.Rule, dtype: pl.DataType) -> bool:
    """True where the source's own type says the value fits: nothing to parse, refuse or count."""
    if rule.name == "datetime":
        return isinstance(dtype, pl.Datetime)
    return rule.name in ("checkbox", "date") and dtype == rule.dtype


def _first(column: pl.Expr) -> pl.Expr:
    return clean.filled(column).list.get(0, null_on_oob=True)
