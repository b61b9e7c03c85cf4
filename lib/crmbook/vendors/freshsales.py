"""The target over its REST API: Freshsales Suite and Classic behind one interface.

`connect` gives a `Freshsales`; reading, writing and settings stand in modules of their own. Records are plain
dictionaries as the vendor sends them, ids integers, side-loaded rows left out (their ids stand in the record).
"""

from collections.abc import Mapping
from typing import Any

from crmbook.errors import DataError, NotFound
from crmbook.vendors.freshsales_edition import Edition, edition
from crmbook.vendors.freshsales_read import Reads
from crmbook.vendors.freshsales_session import Record, identified
from crmbook.vendors.freshsales_write import Writes
from crmbook.vendors.http import Client
from crmbook.vendors.quota import Quota
from crmbook.vendors.trust import TokenAuth

_FIELD_MODULES = ("contacts", "sales_accounts", "deals", "leads", "sales_activities")


class Freshsales(Reads, Writes):
    """One Freshsales account. `remarks` collects what a reader of the result should know."""

    def __init__(self, client: Client, edition: Edition) -> None:
        self.client = client
        self.edition = edition
        self.remarks: list[str] = []

    def close(self) -> None:
        self.client.close()

    def check(self) -> list[Record]:
        """The account's users; the cheapest call that needs the key and exists in both editions."""
        return self.selector("owners")

    def selector(self, name: str) -> list[Record]:
        """
        The rows of one set of reference data: owners, lifecycle_stages, contact_statuses, currencies,
        deal_reasons, sales_activity_types … Their fields differ; see the vendor docs.
        """
        body = self.ask("GET", f"selector/{name}", f"/selector/{name}", entity=name).body
        return self.rows(name, body, name, "users" if name == "owners" else name)

    def pipelines(self) -> list[Record]:
        """The deal pipelines in their order, each with its `deal_stages` in theirs (one more call a pipeline)."""
        found = []
        for pipeline in self.selector("deal_pipelines"):
            row = identified("deal_pipelines", pipeline)
            if not isinstance(row.get("deal_stages"), list):
                path, route = f"{row['id']}/deal_stages", "/selector/deal_pipelines/:id/deal_stages"
                body = self.ask("GET", f"selector/deal_pipelines/{path}", route, entity="deal_stages").body
                row["deal_stages"] = self.rows("deal_stages", body, "deal_stages")
            stages = [identified("deal_stages", stage) for stage in row["deal_stages"]]
            found.append(row | {"deal_stages": sorted(stages, key=_position)})
        return sorted(found, key=_position)

    def fields(self, module: str) -> list[Record]:
        """
        The fields of *module*: `name` is the API name (`cf_…` for custom ones), `type`, `label`, `choices`,
        `required`; `default` is true for the vendor's own. Ids are text here.
        """
        self.edition.module(module)
        if module not in _FIELD_MODULES:
            raise NotFound("GET", f"/settings/{module}/fields", entity=module, detail="it has no field list")
        route = f"/settings/{module}/fields"
        rows = self.rows(module, self.ask("GET", route, route, entity=module).body, "fields")
        return [field for row in rows for field in _flattened(row)]

    def forms(self, module: str) -> list[Record]:
        """The forms fields are created in, with the groups of fields in each. Ids may be text."""
        self.edition.module(module)
        route = f"/settings/{module}/forms"
        return self.rows(module, self.ask("GET", route, route, entity=module).body, "forms")

    def create_field(self, module: str, form_id: str, spec: Mapping[str, Any]) -> Record:
        """
        A new custom field; *spec* has `label`, `type`, and optionally `internal_name`, `choices`, `required`.

        Documented for custom modules only and seen once on contacts: a tenant may refuse it (NotFound,
        AuthError or Rejected), or accept it and leave out choices and uniqueness. Read `fields` back.
        """
        path, route = f"settings/{module}/forms/{form_id}/fields", f"/settings/{module}/forms/:id/fields"
        body = self.ask("POST", path, route, entity=module, idempotent=False, json=dict(spec)).body
        field = body.get("field", body) if isinstance(body, dict) else None
        if not isinstance(field, dict):
            raise DataError(f"{module}: the answer holds no field")
        return field


def connect(
    edition_name: str, base_url: str, token: str, *, quota: Quota | None = None, **client: Any
) -> Freshsales:
    """
    A connection to one account, no request made yet. Other arguments go to `http.Client`.

    Raises:
        ConfigError: the edition is unknown, or *base_url* isn't one of its addresses.
    """
    chosen = edition(edition_name)
    auth = TokenAuth(token, prefix="Token token=")
    return Freshsales(Client(chosen.base_url(base_url), auth, quota=quota, **client), chosen)


def _position(row: Record) -> tuple[float, int]:
    position = row.get("position")
    return (position if isinstance(position, int | float) else float("inf"), row["id"])


def _flattened(row: Record) -> list[Record]:
    # Group fields (e-mails, phone numbers) may carry their parts inside.
    parts = row.get("fields")
    inner = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return [row, *inner]
