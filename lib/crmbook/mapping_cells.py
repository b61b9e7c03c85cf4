r"""Text in the cells of a workbook: what no program changes on the way in, and what a person's program made of it.

A character that XML can't hold stands as `\u{HEX}`, and so does the first of whatever looks like an escape: the
format's own `_xHHHH_` is taken for the character by LibreOffice, which does not write it again. Numbers where text
is expected are text again where nothing can have been lost; dates and formulas never are.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import Any, Final

LONGEST: Final = 32_767
_EXACT: Final = 10**15
# `x005F_` alone is dropped by openpyxl from the strings of a file that LibreOffice or Excel wrote.
_UNSAFE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)|x(?=005F_)|\\(?=u\{)"
)
_ESCAPED: Final = re.compile(r"\\u\{([0-9A-F]{1,4})\}")
# What Excel writes for the other half of a line end.
_RETURN: Final = "_x000D_"


def encoded(text: str) -> str:
    """*text* for a cell; read back by `decoded` it is the same."""
    return _UNSAFE.sub(lambda m: f"\\u{{{ord(m[0]):X}}}", text)[:LONGEST]


def decoded(text: str) -> str:
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)), text.replace(_RETURN, ""))


def text_of(value: Any, kind: str) -> str:
    """
    The trimmed text of a cell with openpyxl's *value* and data type *kind*.

    Raises:
        ValueError: it holds what no text was; the message says what to do.
    """
    if value is None:
        return ""
    if kind == "f":
        raise ValueError("holds a formula; type the value instead")
    if kind == "e":
        raise ValueError("holds an error value of the spreadsheet; type the value instead")
    if isinstance(value, str):
        return decoded(value).strip()
    whole = isinstance(value, (int, float)) and abs(value) < _EXACT and float(value).is_integer()
    if whole and not isinstance(value, bool):
        return str(int(value))
    made = "a date" if isinstance(value, (datetime, date, time, timedelta)) else "a number"
    made = "a truth value" if isinstance(value, bool) else made
    raise ValueError(f"the spreadsheet made {made} of it; format the cell as text and type it again")


def number_of(value: Any, kind: str) -> float | None:
    """The number in a cell, None where it is blank; ValueError as `text_of`. Text such as `40 %` or `0,5` counts."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and kind == "n":
        if abs(value) < _EXACT:
            return float(value)
        raise ValueError("expected a number")
    text = text_of(value, kind).removesuffix("%").strip().replace(",", ".")
    try:
        return float(text) if text else None
    except ValueError:
        raise ValueError("expected a number") from None
