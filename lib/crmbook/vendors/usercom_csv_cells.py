"""What one cell of an export says, as the API would have sent it.

In: the text of a cell and the kind of its field (those of `usercom_shape.FIELDS`), or the value type of a
custom attribute. Out: the JSON value. `t`/`f` are truth values, `{a,"b, c",NULL}` is a list, times are read
in ISO 8601 and in the style of PostgreSQL. A custom value that isn't what its type says stays text, as the
API sends it too; a standard one is a `WrongTypeError` that says what was expected and nothing of what is there.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from crmbook.vendors.usercom_values import WrongTypeError

_INTEGER: Final = re.compile(r"[+-]?\d{1,18}|-?9\d{18}")
# Longer ones stay text: no id and no count, and more than the vendor's own numbers hold.
_PLAIN_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,37})")
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
_FLAGS: Final = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
_ELEMENT: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^"{},\\]*[^"{},\\\s]))\s*([,}])', re.DOTALL)
_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(?:[.,](\d{1,9}))? ?(?:([Zz]|UTC)|([+-]\d{2})(?::?(\d{2}))?)?"
)
_STORED: Final = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?\+00")
_ZERO: Final = ("+00:00", "-00:00")


def integer(text: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise WrongTypeError("a whole number")
    return int(text)


def number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text.strip()):
        raise WrongTypeError("a number")
    return int(text) if _PLAIN_INTEGER.fullmatch(text.strip()) else float(text)


def flag(text: str) -> bool:
    try:
        return _FLAGS[text.strip().lower()]
    except KeyError:
        raise WrongTypeError("t or f") from None


def moment(text: str) -> str:
    """The instant as ISO 8601 with an offset; a time without one is UTC (vendor docs)."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise WrongTypeError("a time such as 2024-01-31T08:30:00Z")
    day, clock, seconds, fraction, _, hours, minutes = found.groups()
    offset = f"{hours}:{minutes or '00'}" if hours else "+00:00"
    whole = f"{day}T{clock}{seconds or ':00'}"
    try:
        datetime.fromisoformat(f"{whole}{offset}")
    except ValueError:
        raise WrongTypeError("a time such as 2024-01-31T08:30:00Z") from None
    return (
        _as_shown(text.strip())
        or f"{whole}{'.' + fraction if fraction else ''}{'Z' if offset in _ZERO else offset}"
    )


def _as_shown(text: str) -> str | None:
    """An instant in a database's own style as the API shows it (vendor docs: UTC, microseconds, `Z`)."""
    found = _STORED.fullmatch(text)
    return f"{found[1]}T{found[2]}.{found[3] or '':0<6}Z" if found else None


def day(text: str) -> str:
    """A date; of a time, its date as written."""
    try:
        datetime.fromisoformat(text.strip()[:10])
    except ValueError:
        raise WrongTypeError("a date such as 2024-01-31") from None
    return text


def _author(text: str) -> str:
    if text.strip().lower() not in ("user", "agent"):
        raise WrongTypeError("user or agent")
    return text.strip().lower()


def ref(text: str) -> int | str:
    return int(text) if _PLAIN_INTEGER.fullmatch(text.strip()) else text


def elements(text: str) -> list[Any]:
    """The values of a list: `{a,"b, c"}` as PostgreSQL writes arrays, or a JSON array."""
    inner = text.strip()
    if inner.startswith("["):
        found = _json(inner)
        if isinstance(found, list):
            return found
    braced = _braced(inner)
    if braced is None:
        raise WrongTypeError('a list such as {a,"b, c"}')
    return list(braced)


def refs(text: str) -> list[Any]:
    return [ref(one) if isinstance(one, str) else one for one in elements(text)]


def json_or_text(text: str) -> Any:
    """The JSON value in *text*; what is no JSON, or would be written differently as a number, is the text."""
    found = _json(text)
    if found is None or isinstance(found, str):
        return text
    if isinstance(found, int | float) and json.dumps(found) != text:
        return text
    return found


def custom(value_type: str, text: str) -> Any:
    """The value of a custom attribute; raises WrongTypeError for a list that is broken off."""
    read = _CUSTOM.get(value_type)
    return text if read is None else read(text)


def looks(text: str) -> frozenset[str]:
    """The value types *text* may have by its looks: a list, a JSON property, both or neither."""
    if not text.startswith(("{", "[")):
        return frozenset()
    found = {"fixed"} if _braced(text.strip()) is not None else set()
    return frozenset(found | ({"json"} if isinstance(_json(text), dict | list) else set()))


def _custom_flag(text: str) -> bool | str:
    return _FLAGS.get(text.strip().lower(), text) if text.strip() not in ("1", "0") else text


def _custom_integer(text: str) -> int | str:
    return int(text) if _PLAIN_INTEGER.fullmatch(text) else text


def _custom_number(text: str) -> int | float | str:
    if not _NUMBER.fullmatch(text) or _PLAIN_INTEGER.fullmatch(text):
        return _custom_integer(text)
    # A float that doesn't hold the number exactly would change its last digits.
    return float(text) if Decimal(repr(float(text))) == Decimal(text) else text


def _custom_moment(text: str) -> str:
    return _as_shown(text) or text


def _custom_list(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return elements(text)
    found = _json(text)
    return found if isinstance(found, list) else text


def _custom_json(text: str) -> Any:
    # A JSON property may hold a text, which then stands in quotes of its own.
    found = _json(text)
    return text if found is None else found


_CUSTOM: Final[dict[str, Callable[[str], Any]]] = {
    "boolean": _custom_flag,
    "integer": _custom_integer,
    "float": _custom_number,
    "datetime": _custom_moment,
    "fixed": _custom_list,
    "json": _custom_json,
}

KINDS: Final[dict[str, Callable[[str], Any]]] = {
    "any": json_or_text,
    "text": lambda text: text,
    "integer": integer,
    "number": number,
    "flag": flag,
    "decimal": lambda text: text.strip(),
    "moment": moment,
    "day": day,
    "ref": ref,
    "refs": refs,
    "texts": elements,
    "data": json_or_text,
    "gender": json_or_text,
    "user_status": json_or_text,
    "value_type": json_or_text,
    "content_type": lambda text: text.strip(),
    "author": _author,
}
# Fields in which an empty text means something else than no value.
TEXTS: Final = frozenset({"text", "any", "texts"})


def _json(text: str) -> Any:
    def refuse(_: str) -> None:
        raise ValueError

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


def _braced(text: str) -> list[str | None] | None:
    """The elements between braces, None where *text* is no such list."""
    if not (text.startswith("{") and text.endswith("}")):
        return None
    if not text[1:-1].strip():
        return []
    found: list[str | None] = []
    at = 1
    while item := _ELEMENT.match(text, at):
        quoted, plain, ends = item.groups()
        if quoted is not None:
            found.append(re.sub(r"(?s)\\(.)", r"\1", quoted))
        else:
            found.append(None if plain.upper() == "NULL" else plain)
        at = item.end()
        if ends == "}":
            return found if at == len(text) else None
    return None
