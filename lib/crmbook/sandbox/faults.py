"""Planned faults: which requests of a realm break, how, and how often; applied outside the vendors' own code.

A fault is an object: `realm`, `kind`, optionally `method`, `path` (regular expression, searched in the path),
`times` (fires at most), `every` (each n-th match), `probability` with `seed`, and `status`/`body`/`headers` or `delay_s`.
Kinds: status (answered instead of processing), drop_before (closed, nothing processed), drop_after (processed and
committed, then closed), truncate (processed, half of the body arrives), delay (then processed as usual), job_fail and
job_partial (a bulk job that is accepted and then does nothing, or only its first half).
"""

import asyncio
import json
import random
import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = ("status", "drop_before", "drop_after", "truncate", "delay", "job_fail", "job_partial")
_KEYS = {
    *("realm", "kind", "method", "path", "times", "every", "probability", "seed", "status", "body"),
    *("headers", "delay_s"),
}
_PROMISED_BYTES = 1 << 20


class Fault:
    """One rule with its counters. Raises ValueError naming the key that is wrong."""

    def __init__(self, spec: dict[str, Any]) -> None:
        unknown = sorted(set(spec) - _KEYS)
        if unknown:
            raise ValueError(f"fault: unknown key {unknown[0]}")
        if spec.get("kind") not in KINDS or not isinstance(spec.get("realm"), str):
            raise ValueError(f"fault: realm and kind are needed, kind one of {', '.join(KINDS)}")
        self.spec = spec
        self._path = re.compile(spec.get("path", ""))
        self._random = random.Random(spec.get("seed", 0))
        self.matched = self.fired = 0

    def fires(self, realm: str, method: str, path: str) -> bool:
        """Whether this request is hit; counts it."""
        spec = self.spec
        if realm != spec["realm"] or method != spec.get("method", method) or not self._path.search(path):
            return False
        self.matched += 1
        if "times" in spec and self.fired >= spec["times"]:
            return False
        if self.matched % spec.get("every", 1):
            return False
        if "probability" in spec and self._random.random() >= spec["probability"]:
            return False
        self.fired += 1
        return True


class Faults:
    """The plan in force; the first fault that fires decides."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []

    def replace(self, specs: list[dict[str, Any]]) -> None:
        self._plan = [Fault(spec) for spec in specs]

    def told(self) -> list[dict[str, Any]]:
        """Each fault of the plan with the requests it matched and those it broke."""
        return [fault.spec | {"matched": fault.matched, "fired": fault.fired} for fault in self._plan]

    def pick(self, realm: str, method: str, path: str) -> dict[str, Any] | None:
        return next((fault.spec for fault in self._plan if fault.fires(realm, method, path)), None)


class Faulty:
    """An application that breaks as planned. Without a plan it passes everything through."""

    def __init__(self, app: ASGIApp, faults: Faults, realm: str) -> None:
        self._app, self._faults, self._realm = app, faults, realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        spec = self._faults.pick(self._realm, scope["method"], scope["path"])
        if spec is None:
            await self._app(scope, receive, send)
            return
        kind = spec["kind"]
        if kind == "status":
            await _answer(spec, receive, send)
        elif kind == "drop_before":
            await _drop(send)
        elif kind in {"drop_after", "truncate"}:
            await self._processed(scope, receive, send, truncate=kind == "truncate")
        elif kind == "delay":
            # read before the wait, so that the work is done even for a client that has hung up meanwhile
            arrived = await _arrived(receive)
            await asyncio.sleep(spec.get("delay_s", 1.0))
            await self._app(scope, arrived, send)
        else:
            scope["sandbox.job_fault"] = kind
            await self._app(scope, receive, send)

    async def _processed(self, scope: Scope, receive: Receive, send: Send, *, truncate: bool) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if not truncate:
            await _drop(send)
            return
        body = b"".join(m.get("body", b"") for m in held if m["type"] == "http.response.body")
        await send(held[0])
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _drop(send)


async def _arrived(receive: Receive) -> Receive:
    """The whole body received now; what returns gives it once and then waits like the original."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), bool(message.get("more_body"))
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return again


async def _answer(spec: dict[str, Any], receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    body = spec.get("body", "")
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, str) else "application/json"
    headers = {"content-type": kind, "content-length": str(len(content))} | spec.get("headers", {})
    raw = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": spec.get("status", 503), "headers": raw})
    await send({"type": "http.response.body", "body": content})


async def _drop(send: Send) -> None:
    """Closes the connection so that the client sees a transport error, never a whole answer.

    The server's `send` belongs to an object that knows the transport; where it does not (an in-process client),
    breaking off is all that can be done.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("planned fault")
    transport.abort()
    await asyncio.sleep(0.01)
