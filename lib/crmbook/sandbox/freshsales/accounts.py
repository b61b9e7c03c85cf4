"""Sales accounts: a name is required and, where the tenant says so, unique; a junk phone becomes null (live tests)."""

from crmbook.sandbox.freshsales import columns, customfields, values
from crmbook.sandbox.freshsales.columns import references, texts
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

COLUMNS: columns.Columns = {
    **texts("address", "city", "state", "zipcode", "country", "facebook", "twitter", "linkedin"),
    **columns.integers("number_of_employees"),
    **references(
        owner_id="owners",
        territory_id="territories",
        industry_type_id="industry_types",
        business_type_id="business_types",
        parent_sales_account_id="sales_accounts",
    ),
    "name": lambda _tenant, value: values.text(value, "Name"),
    "website": lambda _tenant, value: values.website(value),
    "phone": lambda _tenant, value: _phone(value),
    "annual_revenue": lambda _tenant, value: _revenue(value),
}


def _phone(value: object) -> str | None:
    kept = values.text(value, "Phone", 30)
    return kept if kept and any(c.isdigit() for c in kept) else None


def _revenue(value: object) -> float | None:
    """A JSON number in recorded answers, unlike the amounts of deals."""
    kept = values.money(value, "Annual revenue")
    return None if kept is None else float(kept)


def write(tenant: Tenant, doc: Doc, body: Doc, *, is_new: bool) -> None:  # noqa: ARG001 - one signature for all modules
    """*body* applied to *doc*; Refused(400) with the vendor's words when it can't be."""
    columns.write(tenant, doc, body, COLUMNS)
    if not (doc.get("name") or "").strip():
        raise Refused(400, "Name can't be empty")
    if "tags" in body:
        doc["tags"] = values.tags(body["tags"])
    customfields.write(tenant, "sales_accounts", doc, body.get("custom_field"))


def find_or_create(tenant: Tenant, name: str) -> int:
    """The account of that name, made when there is none; how `sales_account: {"name"}` in a deal is honoured."""
    for doc_id in tenant.holders("sales_accounts", "name", name):
        if tenant.get("sales_accounts", doc_id):
            return doc_id
    doc = columns.stamped(tenant, "sales_accounts")
    write(tenant, doc, {"name": name}, is_new=True)
    tenant.check_unique("sales_accounts", doc)
    return int(tenant.save("sales_accounts", doc)["id"])
