"""One Freshsales tenant: its settings, its tables, and the indexes that keep writes fast.

`freshsales.json` describes the tenants; every key is optional. It holds, at the top level for both tenants or under
`test` / `production` for one (which then wins key by key): the switches in `SWITCHES` below; `owners` [{display_name,
email, is_active}]; `currencies` [{currency_code, is_active, exchange_rate, is_base}]; `pipelines` [{name, is_default,
stages: [{name, probability, forecast_type}]}]; `lifecycle_stages` [{name, type, statuses: [name]}];
`sales_activity_types` [{name, internal_name}]; `fields` [{module, label, api_name, field_type, choices, unique}];
any selector by its name, e.g. `lead_sources` [name]; `existing` {contacts, sales_accounts, deals, leads, lists: [...]},
records as a client would send them, with references by word: see `seed`.
"""

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from crmbook.sandbox.freshsales.clock import Clock
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.indexes import ValueIndex, key_of
from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.store import Doc, Store, Table

REALMS = ("freshsales_test", "freshsales_production")
# fields an upsert may go by although they need not be unique
LOOKED_UP = {"contacts": ("external_id",), "sales_accounts": ("name",), "deals": (), "leads": ("email",)}
MODULES = ("contacts", "sales_accounts", "deals", "leads")
KIND_OF_CLASS = {
    "Contact": "contacts",
    "SalesAccount": "sales_accounts",
    "Deal": "deals",
    "Lead": "leads",
    "Product": "products",
}

SWITCHES: dict[str, Any] = {
    "plan": None,  # suite: pro, classic: estate
    "users": None,  # seats, which multiply the file storage; None: as many as active owners
    "requests_per_hour": None,  # None: the plan's
    "requests_per_minute": None,  # None: the plan's (400 on Classic, none published for Suite)
    "retry_after": False,  # a 429 carries Retry-After
    "index_delay_s": 2.0,  # search, lookup and filtered_search lag behind writes
    "job_polls": 2,  # a bulk job is finished at this poll
    "job_delay_s": 5.0,  # ... or this long after it was accepted, polled or not
    "account_name_unique": True,
    "email_required": None,  # None: yes on Suite, no on Classic
    "bin_reserves_email": True,  # records in the recycle bin keep their unique values
    "allow_field_api": False,  # POST settings/:entity/forms/:id/fields
    "field_api_choices": False,  # ... honours choices and uniqueness
    "bulk_drops_links": True,
    "dropdown_write": "label",  # label | id | both
    "multi_write": "array",  # array | semicolon | both
    "bulk_dropdown_write": None,  # None: in bulk as in single writes
    "bulk_multi_write": None,
    "created_at_settable": False,
    "workflows_on": False,  # every created contact gets a task nobody asked for
    "lifecycle_effects": "forward",  # forward | always | off
    "strict_wrapper": False,  # True: flat bodies are refused everywhere, not only on tasks
    "time_offset": "-04:00",
}

_ID_BASE = {"freshsales_test": 70_000_000_000, "freshsales_production": 71_000_000_000}
_KINDS = words(
    "contacts sales_accounts deals leads tasks appointments notes sales_activities phone_calls lists documents"
    " document_links products owners pipelines stages lifecycle_stages contact_statuses currencies fields choices"
    " sales_activity_types sales_activity_outcomes lead_sources territories campaigns industry_types business_types"
    " deal_types deal_reasons deal_products deal_payment_statuses lead_stages lead_reasons designations teams"
    " task_types views jobs emails associations"
)


class Tenant:
    """The state of one realm. Documents hold references as plain ids and instants as UTC ISO text."""

    def __init__(self, store: Store, realm: str, clock: Clock) -> None:
        self.store, self.realm, self.clock = store, realm, clock
        self.in_bulk = False
        self._settings: Doc = {}
        self.reindex()

    # settings

    @property
    def edition(self) -> str:
        return str(self._settings.get("edition", "suite"))

    @property
    def plan(self) -> str:
        return str(self._settings.get("plan") or ("pro" if self.edition == "suite" else "estate"))

    def switch(self, name: str) -> Any:
        value = self._settings.get(name)
        return SWITCHES[name] if value is None else value

    def choices_written_as(self, name: str) -> str:
        """`dropdown_write` or `multi_write` for the write under way."""
        special = self.switch(f"bulk_{name}") if self.in_bulk else None
        return str(special or self.switch(name))

    def configure(self, changes: Doc) -> Doc:
        """The settings with *changes* merged in; unknown names raise KeyError."""
        unknown = sorted(set(changes) - set(SWITCHES) - {"edition"})
        if unknown:
            raise KeyError(", ".join(unknown))
        self._settings = {**self._settings, **changes}
        self.table("settings").put(1, self._settings)
        self.refresh()
        return self._settings

    @property
    def email_required(self) -> bool:
        value = self._settings.get("email_required")
        return self.edition == "suite" if value is None else bool(value)

    # documents

    def table(self, kind: str) -> Table:
        return self.store.table(self.realm, kind)

    def new_id(self, kind: str) -> int:
        return self.table(kind).reserve(_ID_BASE[self.realm] + (_KINDS.index(kind) + 1) * 10_000_000 + 1)

    def get(self, kind: str, doc_id: int) -> Doc | None:
        """The document, unless it is absent or in the recycle bin."""
        doc = self.table(kind).get(doc_id)
        return None if doc is None or doc.get("is_deleted") else doc

    def live(self, kind: str) -> Iterator[Doc]:
        return (doc for doc in self.table(kind).values() if not doc.get("is_deleted"))

    def save(self, kind: str, doc: Doc) -> Doc:
        self.table(kind).put(doc["id"], doc)
        self._index(kind, doc)
        return doc

    def drop(self, kind: str, doc_id: int) -> None:
        self._unindex(kind, doc_id)
        self.table(kind).delete(doc_id)
        self._pending.append((self.clock.now() + self.switch("index_delay_s"), kind, doc_id, None))

    def add(self, kind: str, values: Doc) -> Doc:
        """A new document with a fresh id and no further ado; for configuration rows."""
        return self.save(kind, {"id": self.new_id(kind), **values})

    # relations and uniqueness

    def related(self, kind: str, parent_kind: str, parent_id: int) -> list[Doc]:
        """Live documents of *kind* that hang on the parent, in order of their ids."""
        found = (self.get(kind, i) for i in sorted(self._children.get((kind, parent_kind, parent_id), ())))
        return [doc for doc in found if doc is not None]

    def unique_fields(self, module: str) -> list[str]:
        return self._unique_fields.get(module, [])

    def holders(self, module: str, field: str, value: object) -> list[int]:
        """Ids of the records with *value* in an indexed field, binned ones included if they reserve it."""
        key = key_of(field, value)
        return [] if key is None else self._values.ids(module, field, key)

    def check_unique(self, module: str, doc: Doc) -> None:
        """Raises Refused(400) when another record holds one of the document's unique values."""
        for field in self.unique_fields(module):
            value = _value(doc, field)
            if any(holder != doc["id"] for holder in self.holders(module, field, value)):
                taken = field == "name" and module == "sales_accounts"
                raise Refused(400, "Name has already been taken" if taken else f"{value} already exists.")

    def reindex(self) -> None:
        """Everything derived from the documents computed anew: after a start and after a raw edit."""
        self._children: dict[tuple[str, str, int], set[int]] = {}
        self._parents: dict[tuple[str, int], list[tuple[str, int]]] = {}
        self._pending: list[tuple[float, str, int, Doc | None]] = []
        self.searchable: dict[str, dict[int, Doc]] = {}
        self.refresh()
        for kind in _KINDS:
            for doc in self.table(kind).values():
                self._relate(kind, doc)
                self._schedule(kind, doc)
        self.searchable_now(at=float("inf"))

    def refresh(self) -> None:
        """Settings, custom fields and the unique values computed anew: after a change of the configuration."""
        self._settings = self.table("settings").get(1) or {}
        self._offset = _offset(self.switch("time_offset"))
        self.custom_fields: dict[str, dict[str, Doc]] = {module: {} for module in MODULES}
        for field in self.table("fields").values():
            self.custom_fields.setdefault(field["module"], {})[field["api_name"]] = field
        self._unique_fields = {
            module: [*self._system_unique(module), *(n for n, f in fields.items() if f.get("unique"))]
            for module, fields in self.custom_fields.items()
        }
        self._values = ValueIndex()
        for kind in MODULES:
            for doc in self.table(kind).values():
                self._hold(kind, doc)

    def _system_unique(self, module: str) -> list[str]:
        if module == "contacts":
            return ["email"]
        return ["name"] if module == "sales_accounts" and self.switch("account_name_unique") else []

    def _index(self, kind: str, doc: Doc) -> None:
        self._unindex(kind, doc["id"])
        self._relate(kind, doc)
        if kind in MODULES:
            self._hold(kind, doc)
            self._schedule(kind, doc)

    def _relate(self, kind: str, doc: Doc) -> None:
        parents = list(parents_of(kind, doc))
        if parents:
            self._parents[kind, doc["id"]] = parents
            for parent_kind, parent_id in parents:
                self._children.setdefault((kind, parent_kind, parent_id), set()).add(doc["id"])

    def _hold(self, kind: str, doc: Doc) -> None:
        reserved = not doc.get("is_deleted") or self.switch("bin_reserves_email")
        keys = ((f, key_of(f, _value(doc, f))) for f in {*self.unique_fields(kind), *LOOKED_UP[kind]})
        self._values.put(kind, doc["id"], [(f, key) for f, key in keys if key] if reserved else ())

    def _schedule(self, kind: str, doc: Doc) -> None:
        if kind in MODULES:
            visible_at = self.clock.now() + self.switch("index_delay_s")
            copy = None if doc.get("is_deleted") else dict(doc)
            self._pending.append((visible_at, kind, doc["id"], copy))

    def _unindex(self, kind: str, doc_id: int) -> None:
        for parent_kind, parent_id in self._parents.pop((kind, doc_id), ()):
            self._children.get((kind, parent_kind, parent_id), set()).discard(doc_id)
        self._values.drop(kind, doc_id)

    def searchable_now(self, at: float | None = None) -> dict[str, dict[int, Doc]]:
        """The search index as of the clock: copies of records as they were when they were last indexed."""
        now = self.clock.now() if at is None else at
        due = list(itertools.takewhile(lambda entry: entry[0] <= now, self._pending))
        del self._pending[: len(due)]
        for _, kind, doc_id, copy in due:
            if copy is None:
                self.searchable.get(kind, {}).pop(doc_id, None)
            else:
                self.searchable.setdefault(kind, {})[doc_id] = copy
        return self.searchable

    # time

    def local(self, instant: str | None) -> str | None:
        """A stored UTC instant as the vendor shows it: ISO 8601 with the account's offset."""
        if not instant:
            return None
        moment = datetime.fromisoformat(instant)
        try:
            return moment.astimezone(self._offset).isoformat(timespec="seconds")
        except OverflowError:
            return moment.isoformat(timespec="seconds")

    def today(self) -> str:
        return datetime.fromtimestamp(self.clock.now(), self._offset).date().isoformat()

    @property
    def zone(self) -> timezone:
        return self._offset

    # the user whose key it is

    @property
    def admin_id(self) -> int:
        return next(iter(self.table("owners")), 0)


def _value(doc: Doc, field: str) -> object:
    return doc.get("custom_field", {}).get(field) if field.startswith("cf_") else doc.get(field)


def parents_of(kind: str, doc: Doc) -> Iterable[tuple[str, int]]:
    """What a document hangs on, as (kind, id)."""
    if kind == "contacts":
        yield from (("sales_accounts", link["id"]) for link in doc.get("sales_accounts", ()))
        yield from (("lists", i) for i in doc.get("list_ids", ()))
    elif kind == "deals":
        yield from (("contacts", i) for i in doc.get("contact_ids", ()))
        if doc.get("sales_account_id"):
            yield "sales_accounts", doc["sales_account_id"]
    elif kind == "sales_accounts" and doc.get("parent_sales_account_id"):
        yield "sales_accounts", doc["parent_sales_account_id"]
    elif doc.get("targetable_id") and doc.get("targetable_type") in KIND_OF_CLASS:
        yield KIND_OF_CLASS[doc["targetable_type"]], doc["targetable_id"]


def _offset(text: str) -> timezone:
    sign = -1 if text.startswith("-") else 1
    hours, _, minutes = text.lstrip("+-").partition(":")
    return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes or 0)))
