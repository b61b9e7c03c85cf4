"""What an answer, or its absence, means: parsed JSON, or which of our errors.

Every HTTP status and every transport failure of httpx has exactly one meaning here. What can't be read as
JSON may still be the answer to a write that was done; that is said as `Unavailable(sent=True)`, not as bad
data, so that the caller looks the record up.
"""

import json
import ssl
from typing import Any, NoReturn

import httpx

from crmbook.errors import (
    ApiError,
    AuthError,
    ConfigError,
    CrmbookError,
    DataError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    vendor_messages,
)

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_NOT_ALLOWED = (401, 403, 407)
_GONE = (404, 410)
_LATER = (408, 425)
_DEEPEST = 60


def answer_error(answer: httpx.Response, body: bytes, **named: Any) -> ApiError:
    """The error an answer from 300 on stands for; *named* is what every `ApiError` carries."""
    status = answer.status_code
    named |= {"status": status}
    if status in _NOT_ALLOWED:
        return AuthError(detail="check the key and the rights of its user", **named)
    if status in _GONE:
        return NotFound(**named)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(**named)
    if status in _LATER or status >= 500:
        return Unavailable(sent=True, **named)
    if status >= 400:
        return Rejected(messages=_messages(body), **named)
    return ApiError(**named)


def transport_error(error: httpx.RequestError, host: str, **named: Any) -> CrmbookError:
    """The error a failure on the way stands for; a certificate nobody vouches for is a matter of configuration."""
    if _is_untrusted(error):
        return ConfigError(
            f"{host}: its certificate cannot be verified; a private CA goes into the file CRMBOOK_CA_FILE names"
        )
    if isinstance(error, _NEVER_SENT):
        return Unavailable(sent=False, detail=f"cannot connect to {host} ({type(error).__name__})", **named)
    return Unavailable(
        sent=True, detail=f"the connection failed on the way ({type(error).__name__})", **named
    )


def parsed(answer: httpx.Response, body: bytes, *, is_idempotent: bool, **named: Any) -> Any:
    """
    The JSON of a successful answer, None where it is empty.

    Half a surrogate pair, which no UTF-8 can hold, becomes U+FFFD.

    Raises:
        Unavailable: the JSON breaks off, or a write that must not be repeated was answered with anything else.
        DataError: it isn't JSON, is nested deeper than 60 levels, or holds a number beyond 64-bit floats.
    """
    if not body.strip():
        return None
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_not_json, parse_float=_finite)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        is_cut = isinstance(error, json.JSONDecodeError) and _breaks_off(error)
        if is_cut or not is_idempotent:
            why = "it breaks off" if is_cut else "it is not JSON"
            raise Unavailable(sent=True, status=answer.status_code, detail=why, **named) from None
        kind = answer.headers.get("content-type", "no content type").partition(";")[0][:60]
        raise DataError(
            f"{named['method']} {named['route']}: expected JSON, got something else ({kind},"
            f" {len(body)} bytes); check base_url"
        ) from None
    return _without_surrogates(value) if b"\\ud" in body or b"\\uD" in body else value


def _messages(body: bytes) -> list[str]:
    try:
        return vendor_messages(json.loads(body))
    except (ValueError, RecursionError):
        return []


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _breaks_off(error: json.JSONDecodeError) -> bool:
    starts_like_json = error.doc.lstrip()[:1] in ("{", "[")
    return starts_like_json and (error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip()))


def _not_json(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for part in level
            if isinstance(part, dict | list)
            for child in (part.values() if isinstance(part, dict) else part)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError("nested too deep")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value
