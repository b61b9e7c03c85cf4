"""One answer of Freshsales as the record or the rows in it, whatever stands beside them."""

from collections.abc import Mapping
from typing import Any

from crmbook.errors import DataError
from crmbook.vendors.freshsales_edition import Edition
from crmbook.vendors.http import Client, Response

Record = dict[str, Any]
PER_PAGE = 100


class Session:
    """What reading, writing and settings share: the client, the edition, and how answers are unwrapped."""

    client: Client
    edition: Edition

    def ask(
        self,
        method: str,
        path: str,
        route: str,
        *,
        entity: str,
        idempotent: bool = True,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Response:
        """The answer to one request; see `http.Client.request`."""
        return self.client.request(
            method, path, idempotent=idempotent, json=json, params=params, route=route, entity=entity
        )

    def record(self, module: str, body: Any, *aliases: str) -> Record:
        """The record in *body*, its id an integer; it may stand under the wrapper, an alias, or as the one row of the plural."""
        keys = (self.edition.module(module).wrapper, *aliases)
        found = next((body[key] for key in keys if key in body), None) if isinstance(body, dict) else None
        if found is None and isinstance(body, dict) and isinstance(body.get(module), list):
            found = body[module][0] if len(body[module]) == 1 else None
        return identified(module, found)

    def rows(self, entity: str, body: Any, *keys: str) -> list[Record]:
        """The list in *body* under the first of *keys* it has; raises DataError where that isn't one of objects."""
        found = next((body[key] for key in keys if key in body), None) if isinstance(body, dict) else body
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise DataError(f"{entity}: expected a list of objects under {' or '.join(keys)} in the answer")
        return found


def identified(module: str, row: Any) -> Record:
    """*row* with its id as an integer (search and bulk write it as text); raises DataError where it has none."""
    value = row.get("id") if isinstance(row, dict) else None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise DataError(f"{module}: the answer holds no record with an id")
    return {**row, "id": value}


def meta(body: Any, key: str) -> int | None:
    """A whole number in the answer's `meta`, None where it isn't there."""
    found = body.get("meta") if isinstance(body, dict) else None
    value = found.get(key) if isinstance(found, dict) else None
    return value if type(value) is int else None


def wrapped(wrapper: str, body: Mapping[str, Any], *, is_wrapped: bool = True) -> dict[str, Any]:
    """*body* under its wrapper; tasks refuse a flat body (live test), the others take both."""
    return {wrapper: dict(body)} if is_wrapped else dict(body)
