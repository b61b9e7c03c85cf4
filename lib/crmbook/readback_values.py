"""Values as the target sends them, read as what their field holds, or refused.

One function per kind of field, from a JSON value that is neither null nor empty text to the value of a frame's
column. A reader never guesses: what is not that kind raises `NotThatError`, which says what was expected and never
what was there.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

Reader = Callable[[Any], Any]

_LARGEST_ID: Final = 2**63 - 1


class NotThatError(Exception):
    """A value is not what the key should hold; its text says what was expected."""


def text(value: Any) -> str:
    """Text; a number counts as its digits."""
    if isinstance(value, bool | dict | list):
        raise NotThatError("text")
    return str(value)


def whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_ID:
        raise NotThatError("a whole number")
    return value


def number(value: Any) -> float:
    """The vendor writes money as decimal text (live test); a number counts as well."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise NotThatError("a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise NotThatError("a number") from None
    if number - number != 0:
        raise NotThatError("a finite number")
    return number


def flag(value: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in known:
        raise NotThatError("true or false")
    return known[value]


def day(value: Any) -> date:
    """The day as written; some tenants show a date as an instant (several clients), whose day is meant."""
    if not isinstance(value, str) or value[10:11] not in ("", "T", " "):
        raise NotThatError("a date")
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise NotThatError("a date") from None


def instant(value: Any) -> str:
    """UTC, written as cleaning writes an instant: no fraction, or three or six digits."""
    wanted = "a point in time with its offset"
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise NotThatError(wanted)
        moment = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise NotThatError(wanted) from None
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    text = moment.isoformat(timespec=precision if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise NotThatError("a list of texts")
    return value


def id_texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise NotThatError("a list of ids")
    return [id_text(item) for item in value]


def id_text(value: Any) -> str:
    return str(whole(value))


def accounts(value: Any) -> list[str]:
    """Ids of the accounts a contact carries, the primary one first."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise NotThatError("a list of accounts")
    ranked = sorted(value, key=lambda item: item.get("is_primary") is not True)
    return [id_text(item.get("id")) for item in ranked]


def primary(value: Any) -> str | None:
    ids = accounts(value)
    return ids[0] if ids and any(item.get("is_primary") is True for item in value) else None


def several(choices: Sequence[str]) -> Reader:
    """
    Chosen labels from a list or from `a;b` (sources disagree on which).

    A label may hold the separator itself: the longest run of parts that is a known choice wins.
    """
    known = set(choices)

    def read(value: Any) -> list[str]:
        if isinstance(value, list):
            return texts(value)
        if not isinstance(value, str):
            raise NotThatError("choices as a list or as text")
        return _split(value.split(";"), known)

    return read


def _split(parts: list[str], known: set[str]) -> list[str]:
    chosen: list[str] = []
    while parts:
        lengths = [n for n in range(len(parts), 1, -1) if ";".join(parts[:n]).strip() in known]
        taken = lengths[0] if lengths else 1
        chosen.append(";".join(parts[:taken]).strip())
        parts = parts[taken:]
    return [label for label in chosen if label]


def kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", int: "a number"}
    return names.get(type(value), "a number" if isinstance(value, float) else "something else")
