"""How a source value becomes a target value: one named rule per kind of field, as Polars expressions.

A rule reads text (`as_text` makes it of typed columns; a custom property is text already) and gives the
target's type. Blank is null for every rule and never an error. A value that `is_valid` refuses becomes null,
never a guessed one; where a valid value does not pass whole, `is_exact` is false and `loses` says what goes.
`back` tells a target value in the source's words; where that isn't the `same`, something was lost. No rule looks
at another row or column.

Limits are the vendor's (docs): text 256, text area 10,000, names 255, phones 30 characters; custom numbers 11
digits and 4 decimals; amounts to 9007199254740991 (live test). Other standard text is held to 255 (inferred).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import parse, seldom
from crmbook.parse import composed, email_key, filled, name_key, trimmed

__all__ = ["RULES", "Rule", "always", "as_text", "composed", "email_key", "filled", "name_key", "trimmed"]

Column = Callable[[pl.Expr], pl.Expr]
Test = Callable[[pl.Expr, pl.Expr], pl.Expr]
DataType = pl.DataType | type[pl.DataType]

TEXT_LENGTH: Final = 256
TEXTAREA_LENGTH: Final = 10_000
STANDARD_LENGTH: Final = 255
PHONE_LENGTH: Final = 30
_NUMBERED: Final = "(?s)^(?:[^0-9]*[0-9]){3}"
LARGEST_AMOUNT: Final = 9_007_199_254_740_991
LARGEST_INTEGER: Final = 99_999_999_999
LARGEST_NUMBER: Final = 99_999_999_999.9999
NUMBER_DECIMALS: Final = 4
FLOAT_DIGITS: Final = 15
INSTANT_TEXT: Final = "%Y-%m-%dT%H:%M:%S%.fZ"


def always(raw: pl.Expr) -> pl.Expr:
    """True for every row; what a rule has where nothing is refused or lost."""
    return raw.is_null() | raw.is_not_null()


def written(value: pl.Expr) -> pl.Expr:
    """A target value as the source would write it: text, true/false, digits, ISO 8601."""
    return value.cast(pl.String)


def same_value(value: pl.Expr) -> pl.Expr:
    return value


@dataclass(frozen=True)
class Rule:
    """
    One way a value is carried.

    `field_type` is the custom field that holds the result (the vendor's name for it, empty where there is
    none), `dtype` its column type here. `read` makes of raw text what it says, `finish` of that what the target holds.
    A test sees raw text and what was read of it: where `fits` is false the value is refused (None: nothing is), where
    `whole` is false it does not pass whole. `refusal` is the reject rule of an invalid value; `loses` is the kind of loss
    (empty: none) and `notice` the non-blocking reject rule that names the record (empty: only counted). `back` is
    the way from the target's value to the source's text; `same` is what two texts of one value share.
    """

    name: str
    field_type: str
    dtype: DataType
    read: Column
    meaning: str
    fits: Test | None = None
    refusal: str = ""
    whole: Test | None = None
    loses: str = ""
    notice: str = ""
    finish: Column = same_value
    back: Column = written
    same: Column = trimmed

    def apply(self, raw: pl.Expr) -> pl.Expr:
        """The target's value of raw text; null where `is_valid` is false."""
        return self.settled(self.read(raw), self.is_valid(raw))

    def is_valid(self, raw: pl.Expr) -> pl.Expr:
        """Whether the rule takes the text; blank is valid."""
        return self.accepts(raw, self.read(raw))

    def is_exact(self, raw: pl.Expr) -> pl.Expr:
        """Whether a valid text passes whole."""
        return self.keeps(raw, self.read(raw))

    def settled(self, value: pl.Expr, is_valid: pl.Expr) -> pl.Expr:
        """The target's value of what was read."""
        return self.finish(value) if self.fits is None else pl.when(is_valid).then(self.finish(value))

    def accepts(self, raw: pl.Expr, value: pl.Expr) -> pl.Expr:
        """`is_valid`, for who has read the text already."""
        return always(raw) if self.fits is None else _blank_or(raw, self.fits(raw, value))

    def keeps(self, raw: pl.Expr, value: pl.Expr) -> pl.Expr:
        """`is_exact`, for who has read the text already."""
        return always(raw) if self.whole is None else self.whole(raw, value).fill_null(value=True)


def as_text(column: pl.Expr, dtype: DataType) -> pl.Expr:
    """
    *column* as the text a rule reads: true/false, instants in UTC with a Z, lists joined by a comma.

    Text passes unchanged; a list keeps its order and drops nulls and blanks.
    """
    if isinstance(dtype, pl.List):
        return filled(column).list.join(", ").replace("", None)
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime(INSTANT_TEXT)
    return column if dtype == pl.String else column.cast(pl.String)


def _blank_or(raw: pl.Expr, valid: pl.Expr) -> pl.Expr:
    return ~parse.is_filled(raw) | valid.fill_null(False)


def _fits(length: int) -> Test:
    return lambda _, text: text.str.len_chars() <= length


def _is_phone(_: pl.Expr, phone: pl.Expr) -> pl.Expr:
    # "call after 6" is a remark; the shortest numbers there are have three digits
    return phone.str.contains(_NUMBERED) & (phone.str.len_chars() <= PHONE_LENGTH)


def _is_url(raw: pl.Expr, url: pl.Expr) -> pl.Expr:
    return parse.is_url(raw) & (url.str.len_chars() <= STANDARD_LENGTH)


def _keeps_digits(raw: pl.Expr) -> pl.Expr:
    # Text of no more characters than a float has digits has no more digits either.
    is_long = trimmed(raw).str.len_bytes() > FLOAT_DIGITS
    return seldom.rarely(trimmed(raw), is_long, _keeps_long)


def _keeps_long(raw: pl.Expr) -> pl.Expr:
    is_short = parse.significant_digits(raw) <= FLOAT_DIGITS
    # Many a longer number is the shortest text of its float all the same.
    comes_back = parse.number_key(written(parse.number(raw))) == parse.number_key(raw)
    return (is_short | comes_back).fill_null(True)


def _keeps_amount(raw: pl.Expr, _: pl.Expr) -> pl.Expr:
    return _keeps_digits(raw) | (parse.integer(raw).abs() <= LARGEST_AMOUNT).fill_null(False)


def _rounded(number: pl.Expr) -> pl.Expr:
    return number.round(NUMBER_DECIMALS)


def _keeps_decimals(raw: pl.Expr, number: pl.Expr) -> pl.Expr:
    return (_rounded(number) == number).fill_null(True) & _keeps_digits(raw)


def _instant_text(raw: pl.Expr) -> pl.Expr:
    day = pl.when(parse.is_day(raw)).then(parse.date(raw).dt.strftime("%Y-%m-%d"))
    return pl.coalesce(parse.instant(raw).dt.strftime(INSTANT_TEXT), day)


def _is_read(_: pl.Expr, value: pl.Expr) -> pl.Expr:
    return value.is_not_null()


def _within(largest: float) -> Test:
    return lambda _, value: value.abs() <= largest


def _choices(raw: pl.Expr) -> pl.Expr:
    found = parse.elements(raw)
    return pl.when(found.list.len() > 0).then(found)


def _choice(raw: pl.Expr) -> pl.Expr:
    return parse.elements(raw).list.get(0, null_on_oob=True)


def _is_choice(raw: pl.Expr, _: pl.Expr) -> pl.Expr:
    return (parse.elements(raw).list.len() <= 1).fill_null(True)


def _rule(name: str, field_type: str, dtype: DataType, read: Column, meaning: str, **more: Any) -> Rule:
    """A rule; *more* are the further fields of `Rule` it does not share with most."""
    given: dict[str, Any] = {"refusal": f"{name}_invalid", "same": parse.KEYS.get(name, trimmed)} | more
    return Rule(name, field_type, dtype, read, meaning, **given)


def _text(name: str, field_type: str, length: int, meaning: str) -> Rule:
    return _rule(name, field_type, pl.String, trimmed, meaning, fits=_fits(length), refusal="too_long")


_IDENTITY: Final = Rule(
    "identity", "", pl.String, same_value, "carried by structure: a link, an owner, a stage, tags"
)

RULES: Final[dict[str, Rule]] = {
    rule.name: rule
    for rule in (
        _IDENTITY,
        _text("copy", "text", STANDARD_LENGTH, "text as it is, blanks around it cut"),
        _rule(
            "name", "text", pl.String, composed, "a name, its characters composed; the first 255 of them",
            finish=lambda name: name.str.head(STANDARD_LENGTH),
            whole=lambda _, name: name.str.len_chars() <= STANDARD_LENGTH, loses="truncated", notice="too_long",
        ),
        _text("text", "text", TEXT_LENGTH, "text of at most 256 characters"),
        _text("textarea", "textarea", TEXTAREA_LENGTH, "text of at most 10,000 characters"),
        _rule(
            "json_text", "textarea", pl.String, trimmed,
            "JSON as text of at most 10,000 characters; what is no JSON is kept and listed",
            fits=_fits(TEXTAREA_LENGTH), refusal="too_long", whole=lambda raw, _: parse.is_json(raw),
            notice="json_invalid",
        ),
        _rule(
            "email", "text", pl.String, parse.email, "one e-mail address; its domain in lower case",
            fits=lambda raw, _: parse.is_email(raw),
        ),
        _rule(
            "phone", "text", pl.String, parse.phone, "E.164 where it is one, else as it was typed", fits=_is_phone
        ),
        _rule(
            "url", "text", pl.String, parse.url, "a web address with scheme; its host in lower case", fits=_is_url
        ),
        _rule("checkbox", "checkbox", pl.Boolean, parse.flag, "true t yes 1, false f no 0", fits=_is_read),
        _rule(
            "integer", "number", pl.Int64, parse.integer, "a whole number of at most 11 digits",
            fits=_within(LARGEST_INTEGER),
        ),
        _rule(
            "number", "number", pl.Float64, parse.number, "a number of at most 11 digits and 4 decimals",
            finish=_rounded, fits=_within(LARGEST_NUMBER), whole=_keeps_decimals, loses="rounded",
        ),
        _rule(
            "money", "number", pl.Float64, parse.number, "an amount with all its decimals",
            fits=_within(LARGEST_AMOUNT), whole=_keeps_amount, loses="rounded",
        ),
        _rule(
            "date", "date", pl.Date, parse.date, "a date as written, whatever its offset",
            fits=_is_read, whole=lambda raw, _: parse.is_midnight(raw), loses="truncated",
        ),
        _rule(
            "datetime", "text", pl.String, _instant_text, "an instant as ISO 8601 text in UTC; a date alone stays a date",
            fits=_is_read, whole=lambda raw, _: parse.is_in_microseconds(raw), loses="truncated",
        ),
        _rule("choice", "dropdown", pl.String, _choice, "one of a field's choices", fits=_is_choice),
        _rule("choices", "multi_select_dropdown", pl.List(pl.String), _choices, "any of a field's choices"),
    )
}  # fmt: skip
