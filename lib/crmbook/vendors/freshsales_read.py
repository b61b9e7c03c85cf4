"""What stands in Freshsales: single records, whole modules page by page, lookups, and sub-lists.

There is no plain list of everything: contacts, accounts, deals and leads go through the saved view with all of
them, found by its name at run time; where a tenant lacks it, through a filtered search without rules, which
`remarks` then says. Search and lookup lag behind writes by seconds; views and single records don't.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from crmbook.errors import DataError, NotFound
from crmbook.vendors.freshsales_session import PER_PAGE, Record, Session, identified, meta

_BIN = "Recycle Bin"
_MOST_PAGES = 100_000


class Reads(Session):
    """Reading; every page holds up to 100 records."""

    remarks: list[str]

    def view(self, module: str, record_id: int, include: Sequence[str] = ()) -> Record | None:
        """One record, None where it doesn't exist or lies in the bin. *include* adds the ids it links to."""
        path = self.edition.module(module).path
        params = {"include": ",".join(include)} if include else None
        try:
            answer = self.ask("GET", f"{path}/{record_id}", f"/{path}/:id", entity=module, params=params)
        except NotFound:
            return None
        return self.record(module, answer.body, "call")

    def views(self, module: str) -> list[Record]:
        """The saved views of *module*, the built-in ones among them."""
        path = self.edition.module(module).path
        answer = self.ask("GET", f"{path}/filters", f"/{path}/filters", entity=module)
        return [identified("filters", row) for row in self.rows(module, answer.body, "filters")]

    def pages(
        self, module: str, *, include: Sequence[str] = (), view: str | None = None
    ) -> Iterator[list[Record]]:
        """
        All records of *module*, or those of the view named *view*, oldest first where it can be sorted.

        Records that move between pages while one reads may come twice. Notes and phone calls have no list:
        read them as `sublist` of their parent.

        Raises:
            NotFound: there is no view named *view*, or the module has no list.
        """
        kind = self.edition.module(module)
        params: dict[str, Any] = {"include": ",".join(include)} if include else {}
        if view or kind.all_view:
            yield from self._view_pages(module, view or kind.all_view, params, is_named=view is not None)
        elif kind.filters:
            seen: set[int] = set()
            for name in kind.filters:
                for page in self._paged(module, kind.path, f"/{kind.path}", params | {"filter": name}):
                    # A tenant's filters may overlap; one call shows each record once.
                    yield [row for row in page if row["id"] not in seen]
                    seen.update(row["id"] for row in page)
        elif kind.is_listed:
            yield from self._paged(module, kind.path, f"/{kind.path}", params)
        else:
            raise NotFound("GET", f"/{kind.path}", entity=module, detail="this module has no list")

    def bin(self, module: str) -> Iterator[list[Record]]:
        """The deleted records of *module* that are not forgotten yet."""
        return self._view_pages(module, _BIN, {}, is_named=True)

    def lookup(self, module: str, field: str, value: str) -> list[Record]:
        """
        The records whose *field* is exactly *value*: email, name, mobile_number, external_id, or a custom field
        of type text, number, dropdown or radio. The index lags behind writes.
        """
        kind = self.edition.module(module)
        params = {"q": value, "f": field, "entities": kind.wrapper}
        body = self.ask("GET", "lookup", "/lookup", entity=module, params=params).body
        found = body.get(module, {}) if isinstance(body, dict) else {}
        return [identified(module, row) for row in self.rows(module, found, module)] if found else []

    def search(
        self, module: str, rules: Sequence[dict[str, Any]], *, include: Sequence[str] = ()
    ) -> Iterator[list[Record]]:
        """
        The records all *rules* (`{"attribute", "operator", "value"}`) hold for; no rules, all. The index lags.
        """
        wrapper = self.edition.module(module).wrapper
        params: dict[str, Any] = {"include": ",".join(include)} if include else {}
        path = f"filtered_search/{wrapper}"
        return self._paged(module, path, f"/{path}", params, json={"filter_rule": list(rules)})

    def sublist(self, module: str, record_id: int, name: str) -> list[Record]:
        """What hangs on one record: its notes, tasks, appointments, sales_activities, activities or contacts."""
        kind = self.edition.module(module)
        path, route = f"{kind.path}/{record_id}/{name}", f"/{kind.path}/:id/{name}"
        found: dict[Any, Record] = {}
        for page_number in range(1, _MOST_PAGES):
            params = {"page": page_number, "per_page": PER_PAGE}
            body = self.ask("GET", path, route, entity=name, params=params).body
            rows = self.rows(name, body, name)
            fresh = {str(row.get("id")): row for row in rows if str(row.get("id")) not in found}
            found |= fresh
            total = meta(body, "total")
            # Whether every sub-list obeys `page` is not documented: one that repeats itself ends it.
            if not fresh or (len(rows) < PER_PAGE if total is None else len(found) >= total):
                break
        return list(found.values())

    def associations(self, module: str, record_id: int) -> dict[str, list[Record]]:
        """The files and links on one record: `documents`, `document_links`, `document_associations`."""
        path = self.edition.module(module).path
        route = f"/{path}/:id/document_associations"
        body = self.ask("GET", f"{path}/{record_id}/document_associations", route, entity=module).body
        keys = ("documents", "document_links", "document_associations")
        if not isinstance(body, dict):
            raise DataError(f"{module}: the answer to document_associations is no object")
        return {key: self.rows(module, body, key) if key in body else [] for key in keys}

    def list_members(self, list_id: int) -> Iterator[list[Record]]:
        """The contacts in a list."""
        return self._paged("contacts", f"contacts/lists/{list_id}", "/contacts/lists/:id", {})

    def _view_pages(
        self, module: str, name: str, params: dict[str, Any], *, is_named: bool
    ) -> Iterator[list[Record]]:
        path = self.edition.module(module).path
        view_id = next((v["id"] for v in self.views(module) if v.get("name") == name), None)
        if view_id is not None:
            sorting = {"sort": "created_at", "sort_type": "asc"}
            yield from self._paged(module, f"{path}/view/{view_id}", f"/{path}/view/:id", params | sorting)
        elif is_named:
            raise NotFound("GET", f"/{path}/filters", entity=module, detail=f"no view is named {name}")
        else:
            self.remarks.append(f"{module}: no view {name}; read through a filtered search, which may lag")
            yield from self.search(
                module, [], include=str(params.get("include", "")).split(",") if params else ()
            )

    def _paged(
        self, module: str, path: str, route: str, params: dict[str, Any], *, json: Any = None
    ) -> Iterator[list[Record]]:
        method, before = "GET" if json is None else "POST", set[int]()
        for number in range(1, _MOST_PAGES):
            paging = {"page": number, "per_page": PER_PAGE}
            body = self.ask(method, path, route, entity=module, json=json, params=params | paging).body
            rows = [identified(module, row) for row in self.rows(module, body, module)]
            total_pages, ids = meta(body, "total_pages"), {row["id"] for row in rows}
            is_last = total_pages is not None and number >= total_pages
            if ids and ids == before and not is_last:
                # Whether every list obeys `page` is not documented: a short one that repeats itself was whole.
                if total_pages is None and len(rows) < PER_PAGE:
                    return
                raise DataError(f"{module}: page {number} is the page before it again; the list has no end")
            if rows:
                yield rows
            if not rows or is_last:
                return
            before = ids
