"""Every write to Freshsales, one request each; the ledger is kept by the caller.

Creating is never repeated on an unclear outcome. Updates, deletions and upserts by a unique key are, since the
second does no harm: a deletion answered 404 is done, and reports False because it can't say by whom.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crmbook.errors import DataError, NotFound, UsageError
from crmbook.vendors.freshsales_session import PER_PAGE, Record, Session, wrapped

_CREATED = 201


class Writes(Session):
    """Writing; bodies are the record's own fields, unwrapped."""

    def create(self, module: str, body: Mapping[str, Any], include: Sequence[str] = ()) -> Record:
        """
        The record made of *body*. Unknown keys are dropped by the vendor without a word (live test).

        Raises:
            Rejected: the content is refused; `messages` says why.
            Unavailable: with `sent`, the record may exist all the same.
        """
        kind = self.edition.module(module)
        answer = self.ask(
            "POST",
            kind.path,
            f"/{kind.path}",
            entity=module,
            idempotent=False,
            json=wrapped(kind.wrapper, body, is_wrapped=kind.is_wrapped),
            params={"include": ",".join(include)} if include else None,
        )
        return self.record(module, answer.body, "call")

    def update(self, module: str, record_id: int, body: Mapping[str, Any]) -> Record:
        """The record after the change; keys left out stay, an explicit null clears (live test)."""
        kind = self.edition.module(module)
        content = wrapped(kind.wrapper, body, is_wrapped=kind.is_wrapped)
        answer = self.ask("PUT", f"{kind.path}/{record_id}", f"/{kind.path}/:id", entity=module, json=content)
        return self.record(module, answer.body)

    def upsert(
        self, module: str, key: Mapping[str, Any], body: Mapping[str, Any], include: Sequence[str] = ()
    ) -> tuple[Record, bool]:
        """
        The record *key* finds, changed to *body*, or a new one; and whether it is new (HTTP 201).

        *key* is one unique field: contacts `emails`, `external_id` or a unique `cf_…`; accounts `name`;
        deals a unique `cf_…`. It isn't copied into the record, so *body* repeats it. Sent again on an unclear
        outcome, which the key makes harmless, but a repeated creation is then reported as a change.
        """
        kind = self.edition.module(module)
        answer = self.ask(
            "POST",
            f"{kind.path}/upsert",
            f"/{kind.path}/upsert",
            entity=module,
            json={"unique_identifier": dict(key), kind.wrapper: dict(body)},
            params={"include": ",".join(include)} if include else None,
        )
        return self.record(module, answer.body), answer.status == _CREATED

    def delete(self, module: str, record_id: int) -> bool:
        """Whether there was something to delete; contacts, accounts, deals and leads go to the bin for 90 days."""
        path = self.edition.module(module).path
        return self._gone(f"{path}/{record_id}", f"/{path}/:id", module)

    def forget(self, module: str, record_id: int) -> bool:
        """Whether there was something to remove for good, from the bin too; it frees the e-mail address."""
        path = self.edition.module(module).path
        return self._gone(f"{path}/{record_id}/forget", f"/{path}/:id/forget", module)

    def bulk_destroy(self, module: str, record_ids: Sequence[int]) -> None:
        """Up to 100 records into the bin; linked contacts and deals of accounts are left alone."""
        body: dict[str, Any] = {"selected_ids": _at_most_100(module, record_ids)}
        if module == "sales_accounts":
            body["delete_associated_contacts_deals"] = False
        self._bulk(module, "bulk_destroy", body, is_idempotent=True)

    def bulk_assign_owner(self, module: str, record_ids: Sequence[int], owner_id: int) -> None:
        """Up to 100 records to another owner."""
        body = {"selected_ids": _at_most_100(module, record_ids), "owner_id": owner_id}
        self._bulk(module, "bulk_assign_owner", body, is_idempotent=True)

    def bulk_upsert(self, module: str, rows: Sequence[Mapping[str, Any]]) -> str:
        """
        The id of the job that upserts up to 100 *rows* (`{<key>: value, "data": {…}}`).

        What became of which row the job doesn't reliably tell, and links may be dropped (both seen in public
        clients): read the records back by their key.
        """
        body = self._bulk(module, "bulk_upsert", {module: _at_most_100(module, rows)}, is_idempotent=False)
        url = body.get("job_status_url") if isinstance(body, dict) else None
        job_id = str(url).rstrip("/").rpartition("/")[2].partition("?")[0] if url else ""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", job_id):
            raise DataError(f"{module}: bulk_upsert was accepted, but the answer names no job")
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        """The state of a bulk job; the vendor documents neither its words nor its content."""
        body = self.ask("GET", f"job_statuses/{job_id}", "/job_statuses/:id", entity="job").body
        found = body.get("job_status", body) if isinstance(body, dict) else None
        if not isinstance(found, dict):
            raise DataError("job: the answer holds no status")
        return found

    def create_list(self, name: str) -> Record:
        """A new list of contacts."""
        return self.create("lists", {"name": name})

    def add_to_list(self, list_id: int, contact_ids: Sequence[int]) -> None:
        """Up to 100 contacts into a list; those in it stay."""
        body = {"ids": _at_most_100("lists", contact_ids)}
        self.ask("PUT", f"lists/{list_id}/add_contacts", "/lists/:id/add_contacts", entity="lists", json=body)

    def remove_from_list(self, list_id: int, contact_ids: Sequence[int] | None) -> None:
        """Up to 100 contacts out of a list; None: all of them. A list itself can't be deleted (vendor docs)."""
        body = {"all": True} if contact_ids is None else {"ids": _at_most_100("lists", contact_ids)}
        route = "/lists/:id/remove_contacts"
        self.ask("PUT", f"lists/{list_id}/remove_contacts", route, entity="lists", json=body)

    def upload(self, module: str, record_id: int, path: Path, name: str | None = None) -> Record:
        """A file on one record: `{"id", "url", "msg"}`. The vendor takes 150 MB a file."""
        target = self.edition.module(module).targetable_type
        data = {
            "file_name": name or path.name,
            "is_shared": "true",
            "targetable_id": str(record_id),
            "targetable_type": target,
        }
        with path.open("rb") as file:
            answer = self.client.request(
                "POST",
                "documents",
                idempotent=False,
                files={"file": (data["file_name"], file)},
                data=data,
                route="/documents",
                entity="documents",
            )
        return self._attached("documents", answer.body)

    def link(self, module: str, record_id: int, url: str, name: str) -> Record:
        """A link on one record: `{"id", "url", "msg"}`."""
        body = {
            "url": url,
            "name": name,
            "is_shared": True,
            "targetable_id": record_id,
            "targetable_type": self.edition.module(module).targetable_type,
        }
        route = "/document_links"
        answer = self.ask(
            "POST", "document_links", route, entity="document_links", idempotent=False, json=body
        )
        return self._attached("document_links", answer.body)

    def _attached(self, entity: str, body: Any) -> Record:
        if not isinstance(body, dict) or "id" not in body:
            raise DataError(f"{entity}: the answer holds no id")
        return body

    def _gone(self, path: str, route: str, module: str) -> bool:
        try:
            self.ask("DELETE", path, route, entity=module)
        except NotFound:
            return False
        return True

    def _bulk(self, module: str, verb: str, body: Mapping[str, Any], *, is_idempotent: bool) -> Any:
        path = f"{self.edition.module(module).path}/{verb}"
        return self.ask("POST", path, f"/{path}", entity=module, idempotent=is_idempotent, json=body).body


def _at_most_100(module: str, items: Sequence[Any]) -> list[Any]:
    if not 0 < len(items) <= PER_PAGE:
        raise UsageError(f"{module}: one call takes 1 to {PER_PAGE} records, got {len(items)}")
    return list(items)
