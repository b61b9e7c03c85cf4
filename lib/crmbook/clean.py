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
from typing import Final

import polars as pl

from crmbook import parse
from crmbook.parse import composed, email_key, filled, name_key, trimmed

__all__ = ["RULES", "Rule", "always", "as_text", "composed", "email_key", "filled", "name_key", "trimmed"]

Column = Callable[[pl.Expr], pl.Expr]
DataType = pl.DataType | type[pl.DataType]

TEXT_LENGTH: Final = 256
TEXTAREA_LENGTH: Final = 10_000
STANDARD_LENGTH: Final = 255
PHONE_LENGTH: Final = 30
_SHORTEST_PHONE: Final = 3
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


@dataclass(frozen=True)
class Rule:
    """
    One way a value is carried.

    `field_type` is the custom field that holds the result (the vendor's name for it, empty where there is
    none), `dtype` its column type here. `apply` gives null where `is_valid` is false. `refusal` is the reject
    rule of an invalid value; where `is_exact` is false, `loses` is the kind of loss (empty: none) and `notice`
    the non-blocking reject rule that names the record (empty: only counted). Each reads the raw text. `back` is
    the way from the target's value to the source's text; `same` is what two texts of one value share.
    """

    name: str
    field_type: str
    dtype: DataType
    apply: Column
    is_valid: Column
    meaning: str
    refusal: str = ""
    is_exact: Column = always
    loses: str = ""
    notice: str = ""
    back: Column = written
    same: Column = trimmed


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
    return trimmed(raw).is_null() | valid.fill_null(False)


def _fits(length: int) -> Column:
    return lambda raw: _blank_or(raw, trimmed(raw).str.len_chars() <= length)


def _is_email(raw: pl.Expr) -> pl.Expr:
    return _blank_or(raw, parse.is_email(raw))


def _is_phone(raw: pl.Expr) -> pl.Expr:
    phone = parse.phone(raw)
    # "call after 6" is a remark; the shortest numbers there are have three digits
    has_number = phone.str.count_matches("[0-9]") >= _SHORTEST_PHONE
    return _blank_or(raw, has_number & (phone.str.len_chars() <= PHONE_LENGTH))


def _is_url(raw: pl.Expr) -> pl.Expr:
    return _blank_or(raw, parse.is_url(raw) & (parse.url(raw).str.len_chars() <= STANDARD_LENGTH))


def _number(raw: pl.Expr) -> pl.Expr:
    return parse.number(raw).round(NUMBER_DECIMALS)


def _keeps_digits(raw: pl.Expr) -> pl.Expr:
    is_short = parse.significant_digits(raw) <= FLOAT_DIGITS
    # Many a longer number is the shortest text of its float all the same.
    comes_back = parse.number_key(written(parse.number(raw))) == parse.number_key(raw)
    return (is_short | comes_back).fill_null(True)


def _keeps_amount(raw: pl.Expr) -> pl.Expr:
    return _keeps_digits(raw) | (parse.integer(raw).abs() <= LARGEST_AMOUNT).fill_null(False)


def _keeps_decimals(raw: pl.Expr) -> pl.Expr:
    return (_number(raw) == parse.number(raw)).fill_null(True) & _keeps_digits(raw)


def _instant_text(raw: pl.Expr) -> pl.Expr:
    day = pl.when(parse.is_day(raw)).then(parse.date(raw).dt.strftime("%Y-%m-%d"))
    return pl.coalesce(parse.instant(raw).dt.strftime(INSTANT_TEXT), day)


def _choices(raw: pl.Expr) -> pl.Expr:
    found = parse.elements(raw)
    return pl.when(found.list.len() > 0).then(found)


def _choice(raw: pl.Expr) -> pl.Expr:
    return parse.elements(raw).list.get(0, null_on_oob=True)


def _is_choice(raw: pl.Expr) -> pl.Expr:
    return (parse.elements(raw).list.len() <= 1).fill_null(True)


def _rule(
    name: str,
    field_type: str,
    dtype: DataType,
    value: Column,
    is_valid: Column,
    meaning: str,
    *,
    refusal: str = "",
    is_exact: Column = always,
    loses: str = "",
    notice: str = "",
) -> Rule:
    def apply(raw: pl.Expr) -> pl.Expr:
        return pl.when(is_valid(raw)).then(value(raw))

    refusal = refusal or f"{name}_invalid"
    same = parse.KEYS.get(name, trimmed)
    return Rule(
        name, field_type, dtype, apply, is_valid, meaning, refusal, is_exact, loses, notice, same=same
    )


def _text(name: str, field_type: str, length: int, meaning: str) -> Rule:
    return _rule(name, field_type, pl.String, trimmed, _fits(length), meaning, refusal="too_long")


def _parsed(value: Column) -> Column:
    return lambda raw: _blank_or(raw, value(raw).is_not_null())


def _within(value: Column, largest: float) -> Column:
    return lambda raw: _blank_or(raw, value(raw).abs() <= largest)


_IDENTITY: Final = Rule(
    "identity",
    "",
    pl.String,
    lambda raw: raw,
    always,
    "carried by structure: a link, an owner, a stage, tags",
)

RULES: Final[dict[str, Rule]] = {
    rule.name: rule
    for rule in (
        _IDENTITY,
        _text("copy", "text", STANDARD_LENGTH, "text as it is, blanks around it cut"),
        _rule(
            "name",
            "text",
            pl.String,
            lambda raw: composed(raw).str.head(STANDARD_LENGTH),
            always,
            "a name, its characters composed; the first 255 of them",
            is_exact=lambda raw: (composed(raw).str.len_chars() <= STANDARD_LENGTH).fill_null(True),
            loses="truncated",
            notice="too_long",
        ),
        _text("text", "text", TEXT_LENGTH, "text of at most 256 characters"),
        _text("textarea", "textarea", TEXTAREA_LENGTH, "text of at most 10,000 characters"),
        _rule(
            "json_text",
            "textarea",
            pl.String,
            trimmed,
            _fits(TEXTAREA_LENGTH),
            "JSON as text of at most 10,000 characters; what is no JSON is kept and listed",
            refusal="too_long",
            is_exact=lambda raw: parse.is_json(raw).fill_null(True),
            notice="json_invalid",
        ),
        _rule(
            "email", "text", pl.String, parse.email, _is_email, "one e-mail address; its domain in lower case"
        ),
        _rule(
            "phone", "text", pl.String, parse.phone, _is_phone, "E.164 where it is one, else as it was typed"
        ),
        _rule(
            "url", "text", pl.String, parse.url, _is_url, "a web address with scheme; its host in lower case"
        ),
        _rule(
            "checkbox", "checkbox", pl.Boolean, parse.flag, _parsed(parse.flag), "true t yes 1, false f no 0"
        ),
        _rule(
            "integer",
            "number",
            pl.Int64,
            parse.integer,
            _within(parse.integer, LARGEST_INTEGER),
            "a whole number of at most 11 digits",
        ),
        _rule(
            "number",
            "number",
            pl.Float64,
            _number,
            _within(parse.number, LARGEST_NUMBER),
            "a number of at most 11 digits and 4 decimals",
            is_exact=_keeps_decimals,
            loses="rounded",
        ),
        _rule(
            "money",
            "number",
            pl.Float64,
            parse.number,
            _within(parse.number, LARGEST_AMOUNT),
            "an amount with all its decimals",
            is_exact=_keeps_amount,
            loses="rounded",
        ),
        _rule(
            "date",
            "date",
            pl.Date,
            parse.date,
            _parsed(parse.date),
            "a date as written, whatever its offset",
            is_exact=lambda raw: parse.is_midnight(raw).fill_null(True),
            loses="truncated",
        ),
        _rule(
            "datetime",
            "text",
            pl.String,
            _instant_text,
            _parsed(_instant_text),
            "an instant as ISO 8601 text in UTC; a date alone stays a date",
            is_exact=lambda raw: parse.is_in_microseconds(raw).fill_null(True),
            loses="truncated",
        ),
        _rule("choice", "dropdown", pl.String, _choice, _is_choice, "one of a field's choices"),
        _rule(
            "choices",
            "multi_select_dropdown",
            pl.List(pl.String),
            _choices,
            always,
            "any of a field's choices",
        ),
    )
}
