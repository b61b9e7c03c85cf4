"""The source over its REST API: pages of records, each as received and in one canonical shape.

Version 2 is asked for and either version is understood, object by object. `next` is followed verbatim, never
built; a 404 on it ends the list, since the vendor is known to hand out one link too many, and the page says
so. Nothing is deduplicated: records move between pages while one reads. Pipelines, agents, activity types,
campaigns and the account-wide lists of conversations and events stand in no vendor document: where such a
route answers 404 the entity is not available, which is not the same as empty.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any, Final

from crmbook.errors import AuthError, DataError, NotFound, Rejected, UsageError
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.http import Client
from crmbook.vendors.quota import Quota
from crmbook.vendors.trust import TokenAuth, checked_base_url
from crmbook.vendors.usercom_values import kind_of

ROUTES: Final = {
    "attributes": "attributes/",
    "users": "users/",
    "companies": "companies/",
    "deals": "deals/",
    "tags": "tags/",
    "lists": "lists/",
    "segments": "segments/",
    "activities": "activities/",
    "events": "events/",
    "campaigns": "email-campaign/",
    "agents": "agents/",
    "pipelines": "pipelines/",
    "activity_types": "activity-types/",
    "conversations": "conversations/",
}
UNVERIFIED: Final = frozenset(
    {"activities", "events", "campaigns", "agents", "pipelines", "activity_types", "conversations"}
)


@dataclass(frozen=True)
class Record:
    """
    One record of the source.

    `raw` is the received object as compact JSON, keys in the order received; `fields` its canonical form
    (see `usercom_shape`). `undeclared` names its custom attributes that the account's list of attributes
    doesn't have: a new standard key of the vendor looks like that.
    """

    source_id: str
    raw: str
    fields: dict[str, Any]
    undeclared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """
    Some records; `reported` is the vendor's count over all pages, null where it gives none that applies.

    `rejected` counts rows of an export that are no records.
    """

    records: list[Record]
    reported: int | None
    ended_by_404: bool = False
    rejected: int = 0


class UserCom:
    """
    One User.com account, read only. *base_url* ends in `/api/public/`.

    *requests_per_second* is the budget unless a *quota* is given; the vendor documents 429 without numbers.
    Other arguments go to `http.Client`.
    """

    origin = "api"

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        requests_per_second: int = 5,
        quota: Quota | None = None,
        **client: Any,
    ) -> None:
        host = checked_base_url(base_url).netloc.decode()
        self.client = Client(
            base_url,
            TokenAuth(token, prefix="Token "),
            accept="*/*; version=2",
            quota=quota or Quota(None, host, {"second": requests_per_second}),
            **client,
        )
        self._declared: dict[str, frozenset[str]] = {}
        self._asked = False

    def close(self) -> None:
        self.client.close()

    def check(self) -> None:
        """Nothing, where key and address work; else the error that says which doesn't (one request)."""
        _results("tags", self._get("tags", ROUTES["tags"]))

    def available(self, entity: str) -> bool:
        """Whether the route of *entity* exists (one request)."""
        try:
            self._get(entity, _route(entity))
        except NotFound:
            return False
        return True

    def pages(
        self, entity: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Page]:
        """
        All records of *entity*, in the vendor's order, which no document states.

        With *since* or *until*, those whose `updated_at` lies between the two, both included, and those
        that have none. For users the vendor filters (`search=updated_at`, seen in public clients on two
        paths); elsewhere, and where it ignores the filter, everything is read and filtered here, and
        `reported` is null.

        Raises:
            NotFound: the account has no such route; see `UNVERIFIED`.
            DataError: an answer isn't a page, a record has no id or a value of the wrong type, or the
                chain of pages comes back to where it was.
        """
        route, params = _route(entity), _window(since, until)
        if not params:
            yield from self._walk(entity, route)
            return
        first: Iterator[Page] = self._walk(entity, route)
        if entity == "users":
            first = self._searched(params)
        for page in first:
            kept = [r for r in page.records if _is_between(r.fields.get("updated_at"), since, until)]
            is_counted = entity == "users" and len(kept) == len(page.records)
            yield Page(kept, page.reported if is_counted else None, page.ended_by_404)

    def segment_members(self, segment_id: str) -> Iterator[Page]:
        """The users in a segment now."""
        return self._walk("users", f"segments/{segment_id}/users/", "/segments/:id/users/")

    def events(self, user_id: str) -> Iterator[Page]:
        """A user's event occurrences."""
        return self._walk("events", f"users/{user_id}/events/", "/users/:id/events/", user_id)

    def emails(self, user_id: str) -> Iterator[Page]:
        """The e-mails sent to a user."""
        return self._walk("emails", f"users/{user_id}/emails/", "/users/:id/emails/", user_id)

    def conversations(self, user_id: str) -> Iterator[Page]:
        """A user's conversations, without their messages."""
        path = f"users/{user_id}/conversations/"
        return self._walk("conversations", path, "/users/:id/conversations/", user_id)

    def conversation(self, conversation_id: str) -> Record:
        """One conversation with its messages; the vendor wraps it in a page whose `results` is an object."""
        path = f"conversations/{conversation_id}/"
        body = self._get("conversations", path, route="/conversations/:id/")
        obj = body.get("results", body) if isinstance(body, dict) else body
        if isinstance(obj, list) and len(obj) == 1:
            obj = obj[0]
        return record("conversations", obj, None, None)

    def declared(self, entity: str) -> frozenset[str] | None:
        """The `name_std` of the custom attributes of *entity*; None where the account doesn't list them."""
        if not self._asked:
            self._asked = True
            try:
                records = [r.fields for page in self._walk("attributes", "attributes/") for r in page.records]
            except (NotFound, AuthError):
                return None
            self._declared = {
                kind: frozenset(r["name_std"] for r in records if r["content_type"] == content_type)
                for kind, content_type in shape.WITH_ATTRIBUTES.items()
            }
        return self._declared.get(entity)

    def _walk(
        self,
        entity: str,
        path: str,
        route: str | None = None,
        user_id: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[Page]:
        declared = self.declared(entity) if entity in shape.WITH_ATTRIBUTES else None
        body, seen = self._get(entity, path, route=route, params=params), set[str]()
        while True:
            results = _results(entity, body)
            reported = body.get("count") if isinstance(body, dict) else None
            records = [record(entity, obj, declared, user_id) for obj in results]
            yield Page(records, reported if type(reported) is int else None)
            following = body.get("next") if isinstance(body, dict) else None
            if not following:
                return
            if not isinstance(following, str) or following in seen:
                raise DataError(f"{entity}: the chain of pages has no end: `next` is a page already read")
            seen.add(following)
            try:
                body = self._get(entity, following, route=route)
            except NotFound:
                yield Page([], reported if type(reported) is int else None, ended_by_404=True)
                return

    def _searched(self, params: Mapping[str, Any]) -> Iterator[Page]:
        pages = self._walk("users", "users/", params=params)
        try:
            yield next(pages)
        except (NotFound, Rejected):
            yield from self._walk("users", "users/search/", params=params)
        yield from pages

    def _get(
        self, entity: str, path: str, *, route: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        return self.client.request(
            "GET", path, idempotent=True, params=params, route=route, entity=entity
        ).body


def _route(entity: str) -> str:
    if entity not in ROUTES:
        raise UsageError(f"User.com has no entity {entity}; known: {', '.join(sorted(ROUTES))}")
    return ROUTES[entity]


def _results(entity: str, body: Any) -> list[Any]:
    # Searches answer a bare array in some versions.
    results = body.get("results") if isinstance(body, dict) else body
    if not isinstance(results, list):
        raise DataError(f"{entity}: expected a page with a list of results, got {kind_of(results)}")
    return results


def record(
    entity: str, obj: Any, declared: frozenset[str] | None = None, user_id: str | None = None
) -> Record:
    """The record in *obj*, as received; *user_id* says whose it is where it doesn't itself. Raises DataError."""
    if entity == "conversations":
        fields = shape.conversation(obj)
    else:
        fields = shape.canonical(entity, obj, declared)
    if user_id is not None and fields.get("user_id") is None:
        fields["user_id"] = user_id
    raw = json.dumps(obj, ensure_ascii=False, separators=(",", ":"))
    unknown = sorted(set(fields.get("attributes", ())) - declared) if declared is not None else ()
    return Record(fields["id"], raw, fields, tuple(unknown))


def _window(since: datetime | None, until: datetime | None) -> dict[str, Any]:
    window: dict[str, Any] = {}
    if since is not None:
        window["min"] = floor(since.timestamp())
    if until is not None:
        window["max"] = ceil(until.timestamp())
    return {"search": "updated_at", **window} if window else {}


def _is_between(text: str | None, since: datetime | None, until: datetime | None) -> bool:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        moment = None
    if moment is None:
        return True
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (since is None or moment >= since) and (until is None or moment <= until)
