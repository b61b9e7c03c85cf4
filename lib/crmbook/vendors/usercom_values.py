"""What a received value has to be: one function per kind, value in, canonical value out.

`WrongTypeError` says what was expected and nothing about what came. Where the vendor's pages and recorded
answers disagree (a number or a text, objects or plain strings), both are taken.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]

_USABLE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GENDERS: Final = {1: "unknown", 2: "male", 3: "female"}
_STATUSES: Final = {1: "visitor", 2: "user"}
SOURCES: Final = {1: "chat", 2: "email", 3: "api", 4: "sms", 5: "slack"}
# The numbers one public client gives the types; whether the wire ever carries them is unverified.
_VALUE_TYPES: Final = dict(
    enumerate(("boolean", "integer", "date", "string", "datetime", "fixed", "float"), 1)
)


class WrongTypeError(Exception):
    """What was expected; says nothing about what came."""


def kind_of(value: Any) -> str:
    """What *value* is, in words that give nothing of it away."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", type(None): "nothing"}
    return names.get(type(value), "a number")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise WrongTypeError("text")


def _integer(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    raise WrongTypeError("a whole number")


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise WrongTypeError("a number")
    return number


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise WrongTypeError("true or false")


def _decimal(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"\s*[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?\s*", text):
        raise WrongTypeError("a decimal number")
    return text.strip()


def _moment(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        # An event's time is written in UNIX seconds; a server may read them back the same way.
        return (_EPOCH + timedelta(seconds=_number(value))).isoformat().replace("+00:00", "Z")
    except (WrongTypeError, OverflowError):
        raise WrongTypeError("an ISO 8601 time") from None


def ref(value: Any) -> str | None:
    """An id as text, one that can stand in a path."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return str(value)
    if isinstance(value, str) and _USABLE_ID.fullmatch(value):
        return value
    raise WrongTypeError("an id")


def _refs(value: Any) -> list[str]:
    ids = (ref(item.get("id") if isinstance(item, dict) else item) for item in _list(value))
    return [one for one in ids if one is not None]


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in _list(value) if item is not None]


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise WrongTypeError("a list")


def _named(value: Any) -> list[Json]:
    # One vendor page calls tags plain strings; everything recorded has objects.
    items = [{"id": None, "name": item} if isinstance(item, str) else item for item in _list(value)]
    if not all(isinstance(item, dict) for item in items):
        raise WrongTypeError("a list of objects")
    return [
        {"id": ref(item.get("id")), "name": None if item.get("name") is None else _text(item["name"])}
        for item in items
    ]


def _companies(value: Any) -> list[Json]:
    named = _named(value)
    since = [item.get("member_since") if isinstance(item, dict) else None for item in _list(value)]
    return [
        one | {"member_since": None if moment is None else _moment(moment)}
        for one, moment in zip(named, since, strict=True)
    ]


def _data(value: Any) -> Json:
    """An occurrence's data; as a list of pairs, in either spelling, a repeated key collects its values."""
    if isinstance(value, dict):
        return value
    collected: dict[str, list[Any]] = {}
    for item in _list(value):
        if isinstance(item, dict) and {"key", "value"} <= item.keys() and len(item) == 2:
            pairs = [(item["key"], item["value"])]
        elif isinstance(item, dict):
            pairs = list(item.items())
        elif isinstance(item, list) and len(item) == 2:
            pairs = [(item[0], item[1])]
        else:
            raise WrongTypeError("key/value pairs")
        for key, one in pairs:
            collected.setdefault(_text(key), []).append(one)
    return {key: values[0] if len(values) == 1 else values for key, values in collected.items()}


def _coded(codes: Mapping[int, str], what: str) -> Callable[[Any], str]:
    def kind(value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = codes.get(value)
        if not isinstance(value, str):
            raise WrongTypeError(what)
        return value

    return kind


def _content_type(value: Any) -> str:
    return _text(value).replace("clientuser", "user")


KINDS: Final[dict[str, Callable[[Any], Any]]] = {
    "any": lambda value: value,
    "text": _text,
    "integer": _integer,
    "number": _number,
    "flag": _flag,
    "decimal": _decimal,
    "moment": _moment,
    "ref": ref,
    "refs": _refs,
    "texts": _texts,
    "named": _named,
    "companies": _companies,
    "data": _data,
    "gender": _coded(_GENDERS, "a gender"),
    "user_status": _coded(_STATUSES, "visitor or user"),
    "value_type": _coded(_VALUE_TYPES, "a type"),
    "content_type": _content_type,
}
