"""The bytes behind an address the target gave for a stored file, as their hash; no key is ever sent there.

The vendor answers signed links to another host (several clients): they open without a key and run out by themselves.
"""

import hashlib

import httpx

from crmbook.vendors.trust import is_loopback, tls_context

_TIMEOUT_S = 60.0
_MOST_REDIRECTS = 3


def sha256(url: str, *, size_bytes: int, transport: httpx.BaseTransport | None = None) -> str | None:
    """
    The hash of what *url* serves; None where it serves nothing, too much, or over an unsafe connection.

    Reading stops one byte beyond *size_bytes*, the size the target claims: more is not the file it tells of.
    """
    try:
        address = httpx.URL(url)
        safe = address.scheme == "https" or (address.scheme == "http" and is_loopback(address.host))
        if not safe or not address.host:
            return None
        with httpx.Client(
            verify=tls_context(address.scheme), timeout=_TIMEOUT_S, follow_redirects=address.scheme == "https",
            max_redirects=_MOST_REDIRECTS, transport=transport, trust_env=not is_loopback(address.host),
        ) as client, client.stream("GET", address, headers={"Accept-Encoding": "identity"}) as answer:  # fmt: skip
            return _digest(answer, size_bytes) if answer.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None


def _digest(answer: httpx.Response, size_bytes: int) -> str | None:
    found, read = hashlib.sha256(), 0
    for chunk in answer.iter_bytes():
        read += len(chunk)
        if read > size_bytes:
            return None
        found.update(chunk)
    return found.hexdigest()
