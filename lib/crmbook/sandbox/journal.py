"""How many requests each realm has answered, by route; kept in the store, so a restart goes on counting.

A route is the method and the path below the API's prefix with every number replaced by `:id`.
"""

import re
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from crmbook.sandbox.store import Store

_PREFIX = re.compile(r"^/(crm/sales/api|crm/sales|api/public|api)(?=/|$)")
_NUMBER = re.compile(r"/\d+(?=/|$|\.json$)")
_KIND = "requests"
_IDS = {"usercom": 1, "freshsales_test": 2, "freshsales_production": 3}


def route(method: str, path: str) -> str:
    return f"{method} {_NUMBER.sub('/:id', _PREFIX.sub('', path, count=1)) or '/'}"


class Journal:
    """Counts per realm: `{"total": n, "by_route": {route: n}}`."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("sandbox", _KIND)

    def of(self, realm: str) -> dict[str, Any]:
        kept = self._table.get(_IDS[realm]) or {"total": 0, "by_route": {}}
        return {"total": kept["total"], "by_route": dict(sorted(kept["by_route"].items()))}

    def count(self, realm: str, method: str, path: str) -> None:
        kept = self._table.get(_IDS[realm]) or {"total": 0, "by_route": {}}
        name = route(method, path)
        kept["total"] += 1
        kept["by_route"][name] = kept["by_route"].get(name, 0) + 1
        self._table.put(_IDS[realm], kept)


class Counted:
    """An application whose requests are counted as they arrive, broken ones included."""

    def __init__(self, app: ASGIApp, journal: Journal, realm: str) -> None:
        self._app, self._journal, self._realm = app, journal, realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._journal.count(self._realm, scope["method"], scope["path"])
        await self._app(scope, receive, send)
