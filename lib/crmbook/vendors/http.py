"""One way to talk to a vendor: a request in, a parsed answer or one of our errors out.

Budget, pauses, retries, redirects and parsing are settled here. Re-sent are requests that never reached the
vendor, 429s, and, where the caller declares them idempotent, those with an unclear outcome; any other write
with an unclear outcome is `Unavailable(sent=True)` at once, so that the ledger can look the record up.
The key goes to the configured scheme, host and port only, over https or to loopback, and stands in no
message, log or repr; neither do queries and bodies. A proxy is taken from HTTPS_PROXY and NO_PROXY as
usual, never for loopback; a private CA is added by CRMBOOK_CA_FILE.
"""

import json as jsonlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
import stamina
import stamina.instrumentation

from crmbook.errors import (
    ApiError,
    ConfigError,
    DataError,
    RateLimited,
    Unavailable,
)
from crmbook.vendors.answers import answer_error, parsed, transport_error
from crmbook.vendors.quota import OnWait, Quota
from crmbook.vendors.trust import checked_base_url, is_loopback, origin, tls_context

_log = logging.getLogger(__name__)
# httpx logs whole URLs at INFO, httpcore headers at DEBUG; stamina prints retries to stdout, which --json owns.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
stamina.instrumentation.set_on_retry_hooks([])

_MOST_REDIRECTS: Final = 5
_LARGEST_BODY_BYTES: Final = 64 * 2**20


@dataclass(frozen=True)
class Response:
    """An answer below 300: `body` is its parsed JSON, None where it is empty; header names are lower case."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Client:
    """
    The requests to one base URL. Usable from threads; a context manager.

    Times are in seconds. *max_wait_s* bounds what one request may wait for the budget before `RateLimited`;
    a little over an hour by default, since no window is longer. *on_wait* is told (seconds, reason) before a
    pause. `calls` counts the requests sent, repeats included.

    Raises:
        ConfigError: *base_url* is none, is plain http beyond loopback, or CA file or proxy can't be used.
    """

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth | None,
        *,
        accept: str = "application/json",
        quota: Quota | None = None,
        timeout_s: float = 60.0,
        attempts: int = 5,
        max_wait_s: float | None = 3900.0,
        on_wait: OnWait | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self._origin = origin(self.base_url)
        self.quota = quota or Quota(None, self.base_url.host)
        self._attempts, self._max_wait_s = attempts, max_wait_s
        self._on_wait: OnWait = on_wait or (lambda _wait_s, _reason: None)
        self.calls = 0
        try:
            self._http = httpx.Client(
                auth=auth,
                headers={"Accept": accept, "User-Agent": "crmbook"},
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
                verify=tls_context(self.base_url.scheme),
                trust_env=not is_loopback(self.base_url.host),
                transport=transport,
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise ConfigError(
                f"the proxy in HTTPS_PROXY or ALL_PROXY cannot be used ({type(error).__name__})"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        idempotent: bool,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        route: str | None = None,
        entity: str | None = None,
        files: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> Response:
        """
        The answer to one request; *path* is relative to the base, or a URL of the same host taken verbatim.

        *idempotent* says whether sending it twice does no harm. *route* (a path template) and *entity* name
        the request in errors. *files* and *data* make it multipart.

        Raises:
            ApiError: one of its kinds, for every answer from 300 on and for every failure on the way.
            DataError: the answer isn't JSON, or *json* can't be written as JSON, or *path* leaves the host.
        """
        url = self._url(path, entity)
        named = _Named(method, route or self._route(url), entity)
        content, headers = _encoded(json, named)
        retrying = stamina.retry_context(
            on=lambda error: _again(error, is_idempotent=idempotent),
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.5,
            wait_max=20.0,
            wait_jitter=0.5,
        )
        for attempt in retrying:
            with attempt:
                try:
                    request = self._http.build_request(
                        method, url, params=params, content=content, headers=headers, files=files, data=data
                    )
                    return self._answer(request, named, attempt.num, is_idempotent=idempotent)
                except Unavailable as error:
                    if _again(error, is_idempotent=idempotent) and attempt.num < self._attempts:
                        self._on_wait(
                            attempt.next_wait, f"{named.method} {named.route} gets no usable answer"
                        )
                    raise
        raise AssertionError("stamina either returns or raises")

    def _answer(
        self, request: httpx.Request, named: "_Named", attempt: int, *, is_idempotent: bool
    ) -> Response:
        for _ in range(_MOST_REDIRECTS + 1):
            answer, body = self._sent(request, named, attempt)
            if not answer.has_redirect_location:
                break
            request = self._redirected(request, answer, named)
        else:
            raise ApiError(named.method, named.route, status=answer.status_code, entity=named.entity,
                           detail="it redirects in a circle; check base_url")  # fmt: skip
        if not answer.is_success:
            raise answer_error(answer, body, **named.fields(attempt))
        value = parsed(answer, body, is_idempotent=is_idempotent, **named.fields(attempt))
        return Response(answer.status_code, value, {k.lower(): v for k, v in answer.headers.items()})

    def _sent(self, request: httpx.Request, named: "_Named", attempt: int) -> tuple[httpx.Response, bytes]:
        waited_s = 0.0
        while True:
            left_s = None if self._max_wait_s is None else self._max_wait_s - waited_s
            try:
                leave = self.quota.acquire(left_s, on_wait=self._on_wait)
            except RateLimited as error:
                raise RateLimited(
                    retry_after_s=error.retry_after_s, detail=error.detail, **named.fields(attempt)
                ) from None
            waited_s += leave.waited_s
            try:
                answer, body = self._exchanged(request, named, attempt)
            except BaseException:
                self.quota.answered(leave.call)
                raise
            self.quota.observe(answer.status_code, answer.headers, leave.call)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return answer, body

    def _exchanged(
        self, request: httpx.Request, named: "_Named", attempt: int
    ) -> tuple[httpx.Response, bytes]:
        self.calls += 1
        try:
            answer = self._http.send(request, stream=True, follow_redirects=False)
            try:
                body = _limited(answer, named)
            finally:
                answer.close()
        except httpx.RequestError as error:
            _log.info("%s %s: %s", named.method, named.route, type(error).__name__)
            raise transport_error(error, self.base_url.host, **named.fields(attempt)) from None
        _log.debug("%s %s: HTTP %s", named.method, named.route, answer.status_code)
        return answer, body

    def _redirected(self, request: httpx.Request, answer: httpx.Response, named: "_Named") -> httpx.Request:
        refused = ApiError(
            named.method,
            named.route,
            status=answer.status_code,
            entity=named.entity,
            detail="it redirects elsewhere; check base_url (host, https, trailing slash)",
        )
        try:
            target = request.url.join(answer.headers["location"])
        except (httpx.InvalidURL, ValueError):
            raise refused from None
        if request.method != "GET" or origin(target) != self._origin:
            raise refused
        return self._http.build_request("GET", target)

    def _url(self, path: str, entity: str | None) -> httpx.URL:
        try:
            if not path.lower().startswith(("http://", "https://")):
                return self.base_url.join(path.lstrip("/"))
            url = httpx.URL(path)
        except (httpx.InvalidURL, ValueError):
            raise DataError(f"{entity or 'a page'}: the vendor's link to the next page is no URL") from None
        # A vendor behind a TLS terminator may hand out http links to itself: the same host, never downgraded.
        if self.base_url.scheme == "https" and url.scheme == "http" and url.host == self.base_url.host:
            url = url.copy_with(scheme="https", port=self.base_url.port)
        if origin(url) != self._origin:
            raise DataError(
                f"{entity or 'a page'}: the vendor links to another host than base_url; not followed"
            )
        return url

    def _route(self, url: httpx.URL) -> str:
        return f"/{url.path.removeprefix(self.base_url.path).lstrip('/')}"


@dataclass(frozen=True)
class _Named:
    """What a request is called in errors."""

    method: str
    route: str
    entity: str | None

    def fields(self, attempt: int) -> dict[str, Any]:
        return {"method": self.method, "route": self.route, "entity": self.entity, "attempt": attempt}


def _encoded(json: Any, named: _Named) -> tuple[bytes | None, dict[str, str]]:
    if json is None:
        return None, {}
    try:
        text = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(), {"Content-Type": "application/json"}
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{named.method} {named.route}: the record cannot be written as JSON ({type(error).__name__})"
        ) from None


def _limited(answer: httpx.Response, named: _Named) -> bytes:
    chunks, size_bytes = [], 0
    for chunk in answer.iter_bytes():
        size_bytes += len(chunk)
        if size_bytes > _LARGEST_BODY_BYTES:
            raise DataError(
                f"{named.method} {named.route}: the answer is longer than {_LARGEST_BODY_BYTES >> 20} MiB"
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _again(error: Exception, *, is_idempotent: bool) -> bool:
    return isinstance(error, Unavailable) and (is_idempotent or not error.sent)
