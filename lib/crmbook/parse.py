r"""What a text says: blank, number, date, instant, list of choices, address; as Polars expressions.

Each function takes the raw text of a column and gives its value, null where the text is no such thing. Nothing
is guessed: no decimal comma, no day before month, no offset that moves a date.
"""

from collections.abc import Callable
from typing import Final

import polars as pl

from crmbook import seldom

_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[^\s.:/?#@,;\"'<>()\[\]{}|\\^`]"
EMAIL: Final = rf"^{_ATOM}(?:\.{_ATOM})*@(?:[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*\.)+(?:[A-Za-z]{{2,}}|[Xx][Nn]--[A-Za-z0-9-]+)$"
URL: Final = rf"^(?:[Hh][Tt][Tt][Pp][Ss]?://)?(?:{_LABEL}+\.)+(?:[^\s.:/?#@,;0-9-]{_LABEL}+)(?::[0-9]{{1,5}})?(?:[/?#]\S*)?$"
EMAIL_LENGTH: Final = 254
LOCAL_PART_LENGTH: Final = 64
_YES: Final = ("true", "t", "yes", "1")
_NO: Final = ("false", "f", "no", "0")
E164: Final = r"^\+[1-9][0-9]{6,14}$"
_GROUPING: Final = r"[\s().\-/]"
_E164_SPACED: Final = rf"^{_GROUPING}*\+{_GROUPING}*[1-9](?:{_GROUPING}*[0-9]){{6,14}}{_GROUPING}*$"
_UNEVEN: Final = r"\s\s|[^\S ]"

_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"
_BLANK = "\t\n\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200C))
)
_BLANKS = r"[\s\x{200b}\x{feff}]"
# What `trimmed` would change; what a name is composed of (below U+0300 every character is); what it leaves.
_UNTIDY = rf"^$|^{_BLANKS}|{_BLANKS}$|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"
# Cyrillic, Vietnamese, Japanese, Chinese and Korean letters that are composed and stay as they are.
_COMPOSED = r"\x{400}-\x{482}\x{48a}-\x{52f}\x{1e00}-\x{1e99}\x{1e9c}-\x{1eff}\x{3041}-\x{3096}\x{30a1}-\x{30fa}\x{4e00}-\x{9fff}\x{ac00}-\x{d7a3}"
_DECOMPOSED = rf"{_UNTIDY}|[^\x{{0}}-\x{{2ff}}{_COMPOSED}]"
_FILLED = r"[^\s\x{200b}\x{feff}\x00-\x1f\x7f-\x9f]"
# Columns whose name begins so hold trimmed text: Polars repeats a nested expression wherever it stands.
TRIMMED: Final = "\x1etrimmed:"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
_INTEGER = r"^[+-]?[0-9]+(?:\.0*)?$"
_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
_CLOCK = r"[Tt ]([0-2][0-9]:[0-5][0-9])(?::([0-5][0-9])([.,][0-9]{1,9})?)?"
_OFFSET = r" ?(?:[Zz]|([+-][0-9]{2})(?::?([0-9]{2}))?)?"
_INSTANT = f"{_DATE}{_CLOCK}{_OFFSET}$"
# As the vendor writes most of them: Polars reads these at once.
_PLAIN_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?Z$"
_ESCAPE = (
    r"""\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"""
    r"""|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"""
)
_JSON_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_JSON_ITEM = rf'(?:"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"|{_JSON_NUMBER}|true|false|null)[ \t\n\r]*'
_JSON_LIST = rf"^\[[ \t\n\r]*(?:{_JSON_ITEM}(?:,[ \t\n\r]*{_JSON_ITEM})*)?\]$"
_BRACED_ITEM = r'(?:"(?:[^"\\]|\\.)*"|[^",{}\\]+)'
_BRACED_LIST = rf"^\{{(?:{_BRACED_ITEM}(?:,{_BRACED_ITEM})*)?\}}$"


def trimmed(raw: pl.Expr) -> pl.Expr:
    """Text without control characters (tabs and line breaks stay) and without blanks around; empty is null."""
    if _is_trimmed(raw):
        return raw
    return raw.str.replace_all(_CONTROL, "").str.strip_chars(_BLANK).replace("", None)


def _is_trimmed(raw: pl.Expr) -> bool:
    return raw.meta.is_column() and raw.meta.output_name().startswith(TRIMMED)


def is_filled(raw: pl.Expr) -> pl.Expr:
    """Whether the text holds more than blanks and control characters; false where there is none."""
    if _is_trimmed(raw):
        return raw.is_not_null()
    return raw.str.contains(_FILLED).fill_null(value=False)


def tidied(raw: pl.Expr) -> pl.Expr:
    """What `trimmed` gives of a column; text that is trimmed already is only looked at."""
    return seldom.changed(raw, _UNTIDY, trimmed)


def filled(column: pl.Expr) -> pl.Expr:
    """The elements of a list of text that hold something, trimmed, each once, in order; null stays null."""

    def worked(lists: pl.Expr) -> pl.Expr:
        # Nulls are dropped outside: an expression in `eval` that drops rows runs list by list.
        return lists.list.eval(trimmed(pl.element())).list.drop_nulls().list.unique(maintain_order=True)

    is_untidy = pl.element().is_null() | pl.element().str.contains(_UNTIDY)
    repeats = column.list.n_unique() < column.list.len()
    return seldom.lists(column, column.list.eval(is_untidy).list.any() | repeats, worked)


def number(raw: pl.Expr) -> pl.Expr:
    """A decimal text, plain or with exponent, as a float; neither separators nor NaN count."""
    text = trimmed(raw)
    return pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)


def flag(raw: pl.Expr) -> pl.Expr:
    """True or false where the text is a word for it."""
    word = trimmed(raw).str.to_lowercase()
    return pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)


def flag_key(raw: pl.Expr) -> pl.Expr:
    """What two words for one truth value share."""
    return pl.coalesce(flag(raw).cast(pl.String), trimmed(raw))


def integer(raw: pl.Expr) -> pl.Expr:
    """A whole number of up to 64 bits; `3.0` is one."""
    text = trimmed(raw)
    whole = pl.when(text.str.contains(_INTEGER)).then(text.str.replace(r"\.0*$", ""))
    return whole.cast(pl.Int64, strict=False)


def significant_digits(raw: pl.Expr) -> pl.Expr:
    """How many digits of a decimal text carry its value; a 64-bit float gives back at most 15."""
    mantissa = trimmed(raw).str.replace("[eE].*$", "")
    is_decimal = mantissa.str.contains(".", literal=True)
    short = pl.when(is_decimal).then(mantissa.str.strip_chars_end("0")).otherwise(mantissa)
    return short.str.replace_all("[^0-9]", "").str.strip_chars_start("0").str.len_chars()


def number_key(raw: pl.Expr) -> pl.Expr:
    """What two spellings of one number share: its digits and their power of ten; other text as it is, trimmed."""
    text = trimmed(raw)
    mantissa = text.str.replace("[eE].*$", "")
    fraction = mantissa.str.extract(r"\.([0-9]*)$").fill_null("")
    digits = mantissa.str.replace_all("[^0-9]", "").str.strip_chars_start("0")
    short = digits.str.strip_chars_end("0")
    exponent = text.str.extract("[eE]([+-]?[0-9]{1,3})$").cast(pl.Int64, strict=False).fill_null(0)
    zeros = digits.str.len_chars().cast(pl.Int64) - short.str.len_chars().cast(pl.Int64)
    power = exponent - fraction.str.len_chars().cast(pl.Int64) + zeros
    sign = pl.when(text.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    value = pl.when(short == "").then(pl.lit("0")).otherwise(pl.format("{}{}e{}", sign, short, power))
    return pl.when(text.str.contains(_NUMBER)).then(value).otherwise(text)


def instant(raw: pl.Expr) -> pl.Expr:
    """
    The UTC instant of an ISO 8601 or PostgreSQL timestamp, to the microsecond.

    Without an offset the text is UTC (vendor docs).
    """
    return seldom.otherwise(
        trimmed(raw), _PLAIN_INSTANT, _plain_instant, _any_instant, pl.Datetime("us", "UTC")
    )


def _plain_instant(text: pl.Expr) -> pl.Expr:
    told = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", strict=False, time_unit="us")
    return told.dt.replace_time_zone("UTC")


def _any_instant(text: pl.Expr) -> pl.Expr:
    part = text.str.extract_groups(_INSTANT).struct
    whole = pl.concat_str(
        part.field("1"),
        pl.lit("T"),
        part.field("2"),
        pl.lit(":"),
        part.field("3").fill_null("00"),
        part.field("4").str.replace(",", ".", literal=True).fill_null(""),
        part.field("5").fill_null("+00"),
        pl.lit(":"),
        part.field("6").fill_null("00"),
    )
    return whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")


def date(raw: pl.Expr) -> pl.Expr:
    """The calendar date a date or timestamp states, as written: an offset behind it never moves it."""
    stated = trimmed(raw).str.extract(f"{_DATE}(?:{_CLOCK}{_OFFSET})?$")
    return stated.str.to_date("%Y-%m-%d", strict=False)


def is_day(raw: pl.Expr) -> pl.Expr:
    """True where the text states a date and no time of day."""
    return trimmed(raw).str.contains(f"{_DATE}$")


def is_midnight(raw: pl.Expr) -> pl.Expr:
    """True where the text states no time of day, or 00:00."""
    return seldom.otherwise(trimmed(raw), f"{_DATE}$", _is_there, _is_stated_midnight, pl.Boolean())


def _is_there(text: pl.Expr) -> pl.Expr:
    return pl.when(text.is_not_null()).then(True)


def _is_stated_midnight(text: pl.Expr) -> pl.Expr:
    part = text.str.extract_groups(_INSTANT).struct
    seconds = part.field("3").fill_null("00") + part.field("4").fill_null("")
    return (part.field("2") == "00:00") & ~seconds.str.contains("[1-9]")


def is_in_microseconds(raw: pl.Expr) -> pl.Expr:
    """True where the timestamp has no digit beyond the sixth decimal."""
    fraction = trimmed(raw).str.extract(_INSTANT, 4).fill_null("")
    return ~fraction.str.contains("^[.,][0-9]{6}[0-9]*[1-9]")


def date_key(raw: pl.Expr) -> pl.Expr:
    """What two spellings of one day share; a text with a time of day stays what it is."""
    day = pl.when(is_midnight(raw)).then(date(raw).dt.strftime("%Y-%m-%d"))
    return pl.coalesce(day, trimmed(raw))


def instant_key(raw: pl.Expr) -> pl.Expr:
    """What two spellings of one instant share, with what it says beyond microseconds; a day stays a day."""
    beyond = trimmed(raw).str.extract(_INSTANT, 4).str.slice(7).str.strip_chars_end("0").fill_null("")
    return pl.coalesce(instant(raw).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f") + beyond, trimmed(raw))


def elements(raw: pl.Expr) -> pl.Expr:
    """
    The values in a choice property: a JSON array, `{a,"b, c"}` as in a CSV export, or one plain value.

    Trimmed, each once, in order, without blanks and nulls. An array that holds more than plain values counts
    as one plain value.
    """
    text = trimmed(raw)
    is_json, is_braced = text.str.contains(_JSON_LIST), text.str.contains(_BRACED_LIST)
    decoded = pl.when(is_json).then(text).str.json_decode(pl.List(pl.String))
    bare = pl.when(is_braced).then(text.str.strip_chars("{}")).str.extract_all(_BRACED_ITEM)
    single = pl.when(text.is_not_null()).then(pl.concat_list(text))
    return filled(pl.coalesce(decoded, bare.list.eval(_unquoted(pl.element())), single))


def _unquoted(item: pl.Expr) -> pl.Expr:
    inner = item.str.head(-1).str.tail(-1).str.replace_all(r"(?s)\\(.)", "${1}")
    is_quoted = item.str.starts_with('"')
    return pl.when(is_quoted).then(inner).when(item.str.to_uppercase() != "NULL").then(item)


def is_json(raw: pl.Expr) -> pl.Expr:
    """True where the text is a JSON document, null where it is blank."""
    text = trimmed(raw)
    return text.str.json_path_match("$").is_not_null() | (text == "null")


def email(raw: pl.Expr) -> pl.Expr:
    """An address with its domain in lower case; the part before the @ stays as it is."""
    return seldom.changed(trimmed(raw), "@.*[A-Z]", _lowered)


def _lowered(text: pl.Expr) -> pl.Expr:
    domain = text.str.split("@").list.last()
    lowered = text.str.strip_suffix(domain) + domain.str.to_lowercase()
    return pl.when(text.str.contains("@", literal=True)).then(lowered).otherwise(text)


def is_email(raw: pl.Expr) -> pl.Expr:
    """True where the text is one plain address with a full domain name."""
    text = trimmed(raw)
    local_length = text.str.find("@", literal=True)
    fits = (text.str.len_chars() <= EMAIL_LENGTH) & (local_length <= LOCAL_PART_LENGTH)
    return text.str.contains(EMAIL) & fits


def phone(raw: pl.Expr) -> pl.Expr:
    """E.164 where the number is written with + and country code, else the text with single blanks."""
    text = trimmed(raw)
    is_e164 = text.str.contains(_E164_SPACED) & ~text.str.contains("(0)", literal=True)
    typed = pl.when(text.str.contains(_UNEVEN)).then(text).str.replace_all(r"\s+", " ")
    bare = pl.when(is_e164).then(text).str.replace_all(_GROUPING, "")
    return pl.coalesce(bare, typed, text)


def url(raw: pl.Expr) -> pl.Expr:
    """A web address with a scheme (https where none is given) and its host in lower case."""
    text = trimmed(raw)
    scheme = pl.when(text.str.contains("^(?i)http://")).then(pl.lit("http://")).otherwise(pl.lit("https://"))
    bare = text.str.replace("^(?i)https?://", "")
    return scheme + bare.str.extract("^([^/?#]*)").str.to_lowercase() + bare.str.extract("^[^/?#]*((?s).*)$")


def phone_key(raw: pl.Expr) -> pl.Expr:
    """What two spellings of one telephone number share: the text without what only groups its digits."""
    return trimmed(raw).str.replace_all(r"[\s().\-/]", "")


def url_key(raw: pl.Expr) -> pl.Expr:
    """What two spellings of one web address share: https is understood, the case of scheme and host means nothing."""
    bare = trimmed(raw).str.replace("^(?i)https://", "")
    return bare.str.extract("^((?i:http://)?[^/?#]*)").str.to_lowercase() + bare.str.extract(
        "^(?i:http://)?[^/?#]*((?s).*)$"
    )


def is_url(raw: pl.Expr) -> pl.Expr:
    """True where the text is a web address with a full host name, without user or blanks."""
    return trimmed(raw).str.contains(URL)


def host(url: pl.Expr) -> pl.Expr:
    """The site a web address belongs to, lower case and without `www.`."""
    return trimmed(url).str.extract(r"^(?i)(?:https?://)?(?:www\.)?([^/?#:]+)").str.to_lowercase()


def composed(name: pl.Expr) -> pl.Expr:
    """A name, trimmed, without zero-width blanks, every accented letter one character (Unicode NFC)."""

    def whole(text: pl.Expr) -> pl.Expr:
        # Joiners stay: Persian and emoji are spelt with them.
        return trimmed(text.str.replace_all("[\u200b\u2060\ufeff]", "")).str.normalize("NFC")

    return seldom.changed(name, _DECOMPOSED, whole)


def single_spaced(name: pl.Expr) -> pl.Expr:
    """A name composed, with one blank between its words."""
    return seldom.changed(composed(name), _UNEVEN, lambda text: text.str.replace_all(r"\s+", " "))


def email_key(email: pl.Expr) -> pl.Expr:
    """What two addresses share when the target takes them for the same one (live test: case is ignored)."""
    return trimmed(email).str.to_lowercase()


def name_key(name: pl.Expr) -> pl.Expr:
    """What two names share when a person would read them as the same: case and runs of blanks are ignored."""
    return single_spaced(name).str.to_lowercase()


KEYS: Final[dict[str, Callable[[pl.Expr], pl.Expr]]] = {
    "name": composed, "email": email_key, "phone": phone_key, "url": url_key, "checkbox": flag_key,
    "integer": number_key, "number": number_key, "money": number_key, "date": date_key, "datetime": instant_key,
}  # fmt: skip
"""What two spellings of one value share, by the name of the cleaning rule; for the others blanks around mean nothing."""
