"""What the cells of one column say, all at once: as JSON and as canonical values.

In: a column of text and how one of its cells is read. Out: the same as cell by cell. Cells whose form leaves no
doubt are turned by Polars; of all others every different text is read once, by the very function that reads one
cell. A text that function refuses is a null in both and marked as refused.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import polars as pl

from crmbook.errors import DataError
from crmbook.vendors.usercom_values import WrongTypeError

_MOST_KEPT: Final = 50_000
_NUMBER: Final = r"\A(?:0|-?[1-9][0-9]{0,17})\z"
_COUNT: Final = r"\A(?:0|[1-9][0-9]{0,17})\z"
_WORD: Final = r"\A[A-Za-z_][A-Za-z0-9_-]{0,63}\z"
_DECIMAL: Final = r"\A[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?\z"
# Few enough digits for a float to be written as it is read, and none that it would leave out.
_FLOAT: Final = r"\A-?(?:0|[1-9][0-9]{0,9})\.(?:[0-9]{0,3}[1-9]|0)\z"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_SHOWN: Final = rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}(?:\.[0-9]{{1,9}})?Z\z"
_STORED: Final = rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} {_CLOCK}(?:\.[0-9]{{1,6}})?\+00\z"
_NUMBERS: Final = r'\A\{(?:(?:N|"N")(?:,(?:N|"N"))*)?\}\z'.replace("N", "(?:0|[1-9][0-9]{0,17})")
_ESCAPED: Final = [chr(code) for code in range(32)] + ['"', "\\"]
_ESCAPES: Final = [json.dumps(one)[1:-1] for one in _ESCAPED]
# `json.dumps` would make one for each value.
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_TO_ESCAPE: Final = r'[\x00-\x1f"\\]'


class Coded(NamedTuple):
    """A column of any values: the different ones, and for each row the place of its own among them."""

    values: list[Any]
    places: pl.Series


class Said(NamedTuple):
    """
    A column: its cells as JSON, null where there is no value; its canonical values, a Series for texts, whole numbers,
    flags and lists of ids; which cells are refused, None where none is.
    """

    as_json: pl.Series
    values: pl.Series | Coded
    refused: pl.Series | None


@dataclass(frozen=True)
class Plain:
    """
    Cells that *form* matches: their value is the text, turned by *turned*, and so is their JSON, *is_quoted* or not.
    """

    form: Callable[[pl.Expr], pl.Expr]
    is_quoted: bool
    turned: Callable[[pl.Expr], pl.Expr] | None = None


def _matching(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda text: text.str.contains(pattern)


def _is_day(text: pl.Expr) -> pl.Expr:
    # Year 0 is one to Polars only.
    day = text.str.slice(0, 10)
    return day.str.to_date("%Y-%m-%d", strict=False).is_not_null() & ~day.str.starts_with("0000")


def _as_shown(text: pl.Expr) -> pl.Expr:
    clock = text.str.slice(0, 10) + pl.lit("T") + text.str.slice(11, 8)
    fraction = text.str.slice(20).str.strip_suffix("+00").str.pad_end(6, "0")
    return (
        clock
        + pl.lit(".")
        + pl.when(text.str.slice(19, 1) == ".").then(fraction).otherwise(pl.lit("000000"))
        + "Z"
    )


_ANY: Final = Plain(lambda text: text.is_not_null(), is_quoted=True)
STANDARD: Final[dict[str, tuple[Plain, ...]]] = {
    "text": (_ANY,),
    "integer": (Plain(_matching(_NUMBER), is_quoted=False),),
    "ref": (Plain(_matching(_COUNT), is_quoted=False), Plain(_matching(_WORD), is_quoted=True)),
    "decimal": (Plain(_matching(_DECIMAL), is_quoted=True),),
    "moment": (
        Plain(lambda text: text.str.contains(_SHOWN) & _is_day(text), is_quoted=True),
        Plain(lambda text: text.str.contains(_STORED) & _is_day(text), is_quoted=True, turned=_as_shown),
    ),
}
CUSTOM: Final[dict[str, tuple[Plain, ...]]] = {
    "boolean": (),
    "integer": (Plain(_matching(_NUMBER), is_quoted=False),),
    "float": (Plain(_matching(_FLOAT), is_quoted=False), Plain(_matching(_NUMBER), is_quoted=False)),
    "datetime": (Plain(lambda text: ~text.str.contains(" ", literal=True), is_quoted=True),),
    "fixed": (),
    "json": (),
}
NO_DOUBT: Final = (_ANY,)


@dataclass
class Reader:
    """
    How a column is read.

    Args:
        read: a cell as the value the API would send; raises WrongTypeError.
        canonical: such a value, or None for no value, as the canonical one; raises DataError.
        is_text: whether an empty text is a value.
        dtype: what the canonical values are; None where they are lists or of any type.
        plain: forms in which a cell can be read without *read*.
    """

    read: Callable[[str], Any]
    canonical: Callable[[Any], Any]
    is_text: bool
    dtype: Any = None
    plain: Sequence[Plain] = ()
    _kept: dict[str | None, tuple[str | None, Any, bool]] = field(default_factory=dict)

    def said(self, texts: pl.Series) -> Said:
        texts = texts if self.is_text else texts.replace("", None)
        if self.dtype is None or not self.plain:
            return self._one_by_one(texts)
        return self._plainly(texts)

    def _plainly(self, texts: pl.Series) -> Said:
        text = pl.col("text")
        told = texts.alias("text").to_frame()
        json_of, value_of, is_plain = (
            pl.lit(None, dtype=pl.String),
            pl.lit(None, dtype=pl.String),
            pl.lit(value=False),
        )
        quotable = text.str.contains(_TO_ESCAPE).any()
        needs_escape = any(one.is_quoted for one in self.plain) and bool(told.select(quotable).item())
        for number, plain in reversed(list(enumerate(self.plain))):
            told = told.with_columns(plain.form(text).fill_null(value=False).alias(f"is_{number}"))
            here, turned = pl.col(f"is_{number}"), plain.turned(text) if plain.turned else text
            is_plain = is_plain | here
            value_of = pl.when(here).then(turned).otherwise(value_of)
            as_json = quoted(turned, needs_escape=needs_escape) if plain.is_quoted else turned
            json_of = pl.when(here).then(as_json).otherwise(json_of)
        made = told.select("text", json=json_of, value=value_of, rest=text.is_not_null() & ~is_plain)
        values = made["value"] if self.dtype == pl.String else made["value"].cast(self.dtype)
        if not made["rest"].any():
            return Said(made["json"], values, None)
        rest = self._one_by_one(made.select(pl.when("rest").then("text")).to_series())
        assert isinstance(rest.values, pl.Series)
        return Said(
            made.select(pl.when("rest").then(rest.as_json).otherwise("json")).to_series(),
            values.zip_with(~made["rest"], rest.values),
            rest.refused,
        )

    def _one_by_one(self, texts: pl.Series) -> Said:
        different = texts.unique()
        if len(self._kept) > _MOST_KEPT:
            self._kept.clear()
        found = [self._kept.get(text) or self._keep(text) for text in different.to_list()]
        if different.len() == 1:
            places = pl.repeat(0, texts.len(), dtype=pl.UInt32, eager=True)
        else:
            places = texts.replace_strict(
                different, pl.int_range(different.len(), dtype=pl.UInt32, eager=True), return_dtype=pl.UInt32
            )
        as_json = pl.Series([one[0] for one in found], dtype=pl.String).gather(places)
        refused = None
        if any(one[2] for one in found):
            refused = pl.Series([one[2] for one in found], dtype=pl.Boolean).gather(places)
        values = [one[1] for one in found]
        if self.dtype is None:
            return Said(as_json, Coded(values, places), refused)
        return Said(as_json, pl.Series(values, dtype=self.dtype).gather(places), refused)

    def _keep(self, text: str | None) -> tuple[str | None, Any, bool]:
        try:
            value = None if text is None else self.read(text)
            told = (None if value is None else whole(dumped(value))), self.canonical(value), False
        except (WrongTypeError, DataError):
            told = None, None, True
        self._kept[text] = told
        return told


@dataclass
class Memberships(Reader):
    """
    How ids of companies are read, where no times stand beside them. Hardly two contacts have the same ones, so lists of
    plain numbers are taken apart by Polars, and their canonical values are the lists of ids themselves.
    """

    def said(self, texts: pl.Series) -> Said:
        told = texts.replace("", None).alias("text").to_frame()
        text = pl.col("text")
        if not told.select(text.str.contains(_NUMBERS).all()).item():
            return super().said(texts)
        numbers = text.str.extract_all("[0-9]+").fill_null([])
        between = '"name":null,"member_since":null}'
        listed = text.str.replace_all(r'[{}"]', "").str.replace_all(",", f',{between},{{"id":', literal=True)
        as_json = pl.when(text != "{}").then(pl.lit('[{"id":') + listed + pl.lit(f",{between}]"))
        made = told.select(
            json=pl.when(text.is_not_null()).then(as_json.otherwise(pl.lit("[]"))), values=numbers
        )
        return Said(made["json"], made["values"], None)


def quoted(text: pl.Expr, *, needs_escape: bool = True) -> pl.Expr:
    """Texts as JSON writes them."""
    escaped = text.str.replace_many(_ESCAPED, _ESCAPES) if needs_escape else text
    return pl.lit('"') + escaped + pl.lit('"')


def dumped(value: Any) -> str:
    """*value* as compact JSON."""
    return _COMPACT.encode(value)


def whole(text: str) -> str:
    """*text* with the sign for an unreadable character for every half of one, which JSON may spell."""
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)
