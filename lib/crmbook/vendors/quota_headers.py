"""What an answer's headers say about the time to wait, in seconds from now.

The unit of x-ratelimit-reset is not documented: large numbers are taken as a moment, small ones as seconds. What can't
be read as either says nothing.
"""

import email.utils
from collections.abc import Mapping
from typing import Final

_EPOCH_S: Final = 1e9
_EPOCH_MS: Final = 1e12


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds a Retry-After header asks for: a number of seconds or an HTTP date; None where it says neither."""
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def reset_s(headers: Mapping[str, str], now: float) -> float | None:
    """
    Seconds until the spent window opens again; None where none is spent, or nothing is said. Names are lower case.

    With requests remaining, another limit than the one the reset belongs to was hit.
    """
    if headers.get("x-ratelimit-remaining", "0").strip() != "0":
        return None
    number = _number(headers.get("x-ratelimit-reset"))
    if number is None:
        return None
    if number >= _EPOCH_MS:
        return max(0.0, number / 1000 - now)
    return max(0.0, number - now) if number >= _EPOCH_S else number


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
