"""The hourly and per-minute request budget of one tenant.

Windows are fixed and start with the first request after the previous one ended, by the server's clock; the vendor
does not publish how its windows move. The count survives a restart. Numbers per plan: vendor docs.
"""

from crmbook.sandbox.freshsales.defaults import CLASSIC_PER_MINUTE, REQUESTS_PER_HOUR
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.tenant import Tenant

_KIND, _ID = "quota", 1


def limits(tenant: Tenant) -> dict[int, int]:
    """Requests per window, by the window's length in seconds."""
    hour = tenant.switch("requests_per_hour")
    minute = tenant.switch("requests_per_minute")
    if minute is None and tenant.edition == "classic":
        minute = CLASSIC_PER_MINUTE
    found = {3600: REQUESTS_PER_HOUR[tenant.plan] if hour is None else int(hour)}
    return found | ({60: int(minute)} if minute else {})


def spend(tenant: Tenant) -> dict[str, str]:
    """One request taken from every window; the headers that tell what is left of the tightest.

    Raises:
        Refused: 429 when a window is spent; `Retry-After` only if the tenant's switch says so.
    """
    now = tenant.clock.now()
    table = tenant.table(_KIND)
    windows = dict((table.get(_ID) or {}).get("windows", {}))
    state: list[tuple[int, int, int, int]] = []
    for length, limit in limits(tenant).items():
        start, used = windows.get(str(length), (now, 0))
        if now - start >= length or now < start - 1:
            start, used = now, 0
        windows[str(length)] = (start, used)
        state.append((limit - used, limit, max(1, round(start + length - now)), length))
    left, limit, reset_s, _ = min(state)
    if left <= 0:
        headers = _headers(limit, 0, reset_s)
        if tenant.switch("retry_after"):
            headers["retry-after"] = str(reset_s)
        raise Refused(429, "You have exceeded the limit of requests.", headers=headers)
    table.put(_ID, {"windows": {length: (start, used + 1) for length, (start, used) in windows.items()}})
    return _headers(limit, left - 1, reset_s)


def _headers(limit: int, left: int, reset_s: int) -> dict[str, str]:
    return {
        "x-ratelimit-total": str(limit),
        "x-ratelimit-remaining": str(left),
        "x-ratelimit-reset": str(reset_s),
    }
