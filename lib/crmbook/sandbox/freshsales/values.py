"""Values as a client sends them, turned into what the vendor keeps, or refused with its words.

Lengths, ranges and what is silently nulled: live tests where recorded, else vendor docs. Instants are kept as UTC ISO
text without fractions, money as decimal text with at least one decimal.
"""

import re
from datetime import UTC, date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from crmbook.sandbox.freshsales.errors import INVALID, Refused

_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*\.[a-z]{2,}",
    re.IGNORECASE,
)
_WEBSITE = re.compile(r"(https?://)?[^\s/@]+\.[^\s/@.]{2,}([/?#]\S*)?", re.IGNORECASE)
_RUBY_DATE = re.compile(r"\w{3} (\w{3} \d{1,2} \d{4} \d\d:\d\d:\d\d) GMT([+-]\d{4})( \(.*\))?")
_BIGGEST = Decimal(9007199254740991)


def text(value: Any, label: str, limit: int = 255) -> str | None:
    """Text or null; numbers become text. Refused(400) beyond *limit* characters."""
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise Refused(400, INVALID)
    kept = str(value).lower() if isinstance(value, bool) else str(value)
    if len(kept) > limit:
        raise Refused(400, f"{label} is not in required length")
    return kept


def email(value: Any) -> str:
    kept = str(value).strip()
    local = kept.partition("@")[0]
    if not _EMAIL.fullmatch(kept) or ".." in kept or local.startswith(".") or local.endswith("."):
        raise Refused(400, f"{kept} is an invalid email address")
    return kept


def website(value: Any) -> str | None:
    kept = text(value, "website")
    if kept and not _WEBSITE.fullmatch(kept):
        raise Refused(400, "website is not in required format")
    return kept


def money(value: Any, label: str = "Amount") -> str | None:
    """Decimal text, `"20.0"` for 20; negative amounts pass (live test)."""
    if value is None or value == "":
        return None
    amount = _decimal(value)
    if amount is None or abs(amount) > _BIGGEST:
        raise Refused(400, f"{label} is invalid")
    kept = format(amount.normalize(), "f")
    return kept if "." in kept else kept + ".0"


def number(value: Any, label: str) -> int | float | None:
    """A number of at most 11 digits before and 4 after the point (vendor docs)."""
    if value is None or value == "":
        return None
    kept = _decimal(value)
    if kept is None or abs(kept) >= Decimal(10) ** 11:
        raise Refused(400, f"{label} is not a valid number")
    kept = round(kept, 4)
    return int(kept) if kept == kept.to_integral_value() else float(kept)


def integer(value: Any, label: str) -> int | None:
    """A whole number; numeric text counts."""
    if value is None or value == "":
        return None
    kept = _decimal(value)
    if kept is None or kept != kept.to_integral_value() or abs(kept) > _BIGGEST:
        raise Refused(400, f"{label} is invalid")
    return int(kept)


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        kept = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return kept if kept.is_finite() else None


def flag(value: Any, label: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "1"}:
        return True
    if str(value).lower() in {"false", "0", ""}:
        return False
    raise Refused(400, f"{label} is invalid")


def day(value: Any) -> str | None:
    """`YYYY-MM-DD`; what is no date becomes null without a word (live test)."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value.strip()[:10]).isoformat()
    except ValueError:
        return None


def instant(value: Any, zone: timezone) -> str | None:
    """UTC ISO text; without an offset it is the account's time; what is no instant becomes null."""
    if not isinstance(value, str) or not value.strip():
        return None
    moment = _moment(value.strip())
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except OverflowError:
        return None


def _moment(value: str) -> datetime | None:
    ruby = _RUBY_DATE.fullmatch(value)
    try:
        if ruby:
            return datetime.strptime(f"{ruby[1]} {ruby[2]}", "%b %d %Y %H:%M:%S %z")
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def tags(value: Any) -> list[str]:
    """Names without blanks or repetitions, in order; a write replaces the list [inferred]."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused(400, INVALID)
    return list(dict.fromkeys(item.strip() for item in value if item.strip()))


def phones(value: Any) -> list[dict[str, Any]]:
    """Further phone numbers; a write replaces the list [inferred], entries marked `_destroy` are left out."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused(400, INVALID)
    return [
        {
            "value": text(item.get("value"), "Phone number", 30),
            "label": item.get("label") or item.get("phone_type"),
            "is_primary": bool(item.get("is_primary")),
        }
        for item in value
        if not item.get("_destroy")
    ]
