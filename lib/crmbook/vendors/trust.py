"""Who may be given the key: the address it is for, and the certificate that address must show.

The key goes over https, or over plain http to loopback, and to nobody else; https needs a certificate that
the usual authorities, or the extra one in the file CRMBOOK_CA_FILE names, vouch for.
"""

import ipaddress
import os
import ssl
from collections.abc import Generator
from typing import Final

import httpx

from crmbook.errors import ConfigError

CA_VARIABLE: Final = "CRMBOOK_CA_FILE"
_HIGHEST_PORT: Final = 65535


class TokenAuth(httpx.Auth):
    """`Authorization: <prefix><token>`; the token shows in no repr."""

    def __init__(self, token: str, *, prefix: str) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                "the API key is empty or holds characters no key has; check the variable it stands in"
            )
        self._header = f"{prefix}{token}"

    def __repr__(self) -> str:
        return "TokenAuth(…)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


def checked_base_url(text: str) -> httpx.URL:
    """*text* as a URL with a trailing slash; raises ConfigError unless it is https, or http to loopback."""
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError):
        raise ConfigError("base_url: not a URL; expected https://<host>/<path>") from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > _HIGHEST_PORT:
        raise ConfigError("base_url: expected https://<host>/<path>")
    if url.userinfo or url.query or url.fragment:
        raise ConfigError(
            "base_url: no user, query or fragment may stand in it; expected https://<host>/<path>"
        )
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigError(
            f"base_url: {url.host} over plain http would show the key to the network; use https"
        )
    return url if url.path.endswith("/") else url.copy_with(path=f"{url.path}/")


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine by its name; names are not resolved."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, the default port spelled out."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def tls_context(scheme: str) -> ssl.SSLContext:
    """The certificates to trust; raises ConfigError where CRMBOOK_CA_FILE can't be read."""
    if scheme == "http":
        # Loading the CA bundle costs 20 ms and a plain connection never asks it; this one trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context()
    extra = os.environ.get(CA_VARIABLE)
    if extra:
        try:
            context.load_verify_locations(cafile=extra)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"{CA_VARIABLE}: no readable PEM certificate there ({type(error).__name__})"
            ) from error
    return context
