"""Which users a query string asks for: lookups on any column or attribute, and windows over four dates.

A parameter that names nothing is ignored, as the vendor's framework does; the answer is then everybody.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_state import Account
from crmbook.sandbox.usercom_wire import Call, invalid

WINDOW_FIELDS = ("first_seen", "last_seen", "last_contacted", "updated_at")

_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda have, want: want in have,
    "icontains": lambda have, want: want.casefold() in have.casefold(),
    "startswith": lambda have, want: have.startswith(want),
    "istartswith": lambda have, want: have.casefold().startswith(want.casefold()),
    "endswith": lambda have, want: have.endswith(want),
    "iendswith": lambda have, want: have.casefold().endswith(want.casefold()),
    "exact": lambda have, want: have == want,
}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda have, want: have < want,
    "lte": lambda have, want: have <= want,
    "gt": lambda have, want: have > want,
    "gte": lambda have, want: have >= want,
}
_COLUMNS = {
    "custom_id",
    "user_key",
    "name",
    "email",
    "phone_number",
    "gender",
    "status",
    "page_views",
    "score",
}
_COLUMNS |= {"first_seen", "last_seen", "last_contacted", "created_at", "updated_at", "assigned_to"}
_COLUMNS |= {
    "city",
    "region",
    "country",
    "timezone",
    "unsubscribed",
    "notifications",
    "web_push_subscription",
}
_OLD_NAMES = {"user_id": "custom_id", "key": "user_key"}


def select(call: Call, rows: list[Doc], *, windows: bool) -> list[Doc]:
    """The rows that pass every parameter understood; `windows` says whether this path knows date windows."""
    if windows and "search" in call.query:
        rows = window(call, rows)
    for parameter, want in call.query.items():
        if lookup := parse(call.account, parameter, call.version):
            read, passes = lookup
            rows = [row for row in rows if passes(read(row), want)]
    return rows


def window(call: Call, rows: list[Doc]) -> list[Doc]:
    """Rows whose date lies between `min` and `max`, UNIX seconds, both included."""
    column = call.query["search"]
    if column not in WINDOW_FIELDS:
        raise invalid(search=f"Expected one of {', '.join(WINDOW_FIELDS)}.")
    low, high = _seconds(call, "min"), _seconds(call, "max")
    chosen = []
    for row in rows:
        if not (stamp := row.get(column)):
            continue
        seconds = datetime.fromisoformat(stamp).timestamp()
        if (low is None or seconds >= low) and (high is None or seconds <= high):
            chosen.append(row)
    return chosen


def parse(
    account: Account, parameter: str, version: int
) -> tuple[Callable[[Doc], Any], Callable[[Any, str], bool]] | None:
    """What a parameter reads from a row and the test it puts to the value; None when it names nothing."""
    name, _, lookup = parameter.rpartition("__")
    if not name or lookup not in {*_TEXT, *_ORDER}:
        name, lookup = parameter, "exact"
    column = _OLD_NAMES.get(name, name) if version == 1 else name
    if column in _COLUMNS:
        return (lambda row: row.get(column)), comparison(lookup)
    if account.attribute("user", name) is not None:
        return (lambda row: (row.get("attributes") or {}).get(name)), comparison(lookup)
    return None


def comparison(lookup: str) -> Callable[[Any, str], bool]:
    """Whether a value passes a lookup such as `gte`; any element of a list may pass, null never does."""

    def passes(have: Any, want: str) -> bool:
        if isinstance(have, list):
            return any(passes(item, want) for item in have)
        if have is None:
            return False
        if lookup in _ORDER:
            return _ORDER[lookup](*_comparable(have, want))
        return _TEXT[lookup](str(have), want)

    return passes


def _comparable(have: Any, want: str) -> tuple[Any, Any]:
    try:
        return float(have), float(want)
    except (TypeError, ValueError):
        return str(have), want


def _seconds(call: Call, name: str) -> float | None:
    text = call.query.get(name)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise invalid(**{name: "A valid number is required."}) from None
