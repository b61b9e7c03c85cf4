"""What the values of a text field were recognised as: countries, currencies, time zones, profiles elsewhere.

In: one column of source text. Out: the name of the sign most values bear and the share (0-1) that bears it. Names of
countries count in the languages a customer may write them in, codes of two or three letters everywhere. Only shares leave this module, never
a value. A sign few values bear is none.
"""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

import polars as pl
from babel import Locale
from babel.core import get_global
from babel.numbers import list_currencies

from crmbook import parse
from crmbook.phases import kinds

LANGUAGES: Final = (
    "en", "pl", "de", "es", "fr", "it", "nl", "pt", "cs", "sk", "uk", "ru", "sv", "da", "nb", "fi", "ro", "hu", "lt", "tr"
)  # fmt: skip
LEAST: Final = 0.5
_PROFILES: Final = {
    "linkedin": r"(?i)^(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/",
    "facebook": r"(?i)^(?:https?://)?(?:[a-z-]+\.)?(?:facebook|fb)\.com/",
    "twitter": r"(?i)^(?:https?://)?(?:www\.)?(?:twitter|x)\.com/",
}
_COMMON: Final = frozenset(
    {"usa", "u.s.a.", "u.s.", "uk", "u.k.", "england", "great britain", "holland", "czech republic"}
)
_LONGER_CODE: Final = 3
_NO_COUNTRY: Final = frozenset({"EU", "EZ", "UN", "XA", "XB", "ZZ", "QO"})


def sign(values: pl.Series) -> tuple[str, float]:
    """The sign of the filled *values* and its share, rounded to hundredths; blank and 0 where they bear none."""
    counted = _counted(values)
    if counted.is_empty():
        return "", 0.0
    text = pl.col("v").str.strip_chars()
    known = {name: text.str.to_lowercase().is_in(sorted(words)) for name, words in _known().items()}
    tests = known | {name: text.str.contains(pattern) for name, pattern in _PROFILES.items()}
    shares = counted.select(
        ((test * pl.col("n")).sum() / pl.col("n").sum()).alias(n) for n, test in tests.items()
    )
    name, share = max(shares.row(0, named=True).items(), key=lambda item: item[1])
    return (name, round(share, 2)) if share >= LEAST else ("", 0.0)


def _counted(values: pl.Series) -> pl.DataFrame:
    """Texts and choices (`v`), and how often each is there (`n`)."""
    # Few different values stand for many: each is looked at once and counts as often as it is there.
    present = values.to_frame("v").group_by("v").agg(n=pl.len()).filter(kinds.filled(pl.col("v")))
    is_list = pl.col("v").str.starts_with("[")
    listed = present.filter(is_list).with_columns(parse.elements(pl.col("v"))).explode("v").drop_nulls("v")
    return pl.concat([present.filter(~is_list), listed])


@cache
def _known() -> dict[str, frozenset[str]]:
    countries = {
        word.casefold()
        for language in LANGUAGES
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
        for word in (code, name)
    }
    # The longer codes are aliases of the shorter ones: POL of PL.
    longer = {
        alias.casefold()
        for alias, codes in get_global("territory_aliases").items()
        if len(alias) == _LONGER_CODE and alias.isalpha() and len(codes) == 1
    }
    return {
        "country": frozenset(countries | longer) | _COMMON,
        "currency": frozenset(code.casefold() for code in list_currencies()),
        "time_zone": frozenset(zone.casefold() for zone in available_timezones()),
    }
