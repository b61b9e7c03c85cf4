"""The product catalogue, as far as a migration needs it, and products on deals.

Starts at the Pro plan (vendor docs). A deal holds up to 100 products; sending `products` replaces them [inferred].
"""

from typing import Any

from crmbook.sandbox.freshsales import columns, values
from crmbook.sandbox.freshsales.call import Answer, Call, Route
from crmbook.sandbox.freshsales.columns import texts
from crmbook.sandbox.freshsales.defaults import CATALOGUE
from crmbook.sandbox.freshsales.errors import INVALID, Refused, forbidden, missing
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

_COLUMNS: columns.Columns = {
    **texts("name", "category", "product_code", "sku_number", "display_name"),
    **texts("description", limit=10_000),
    **columns.days("valid_till"),
    **columns.integers("pricing_type", "parent_product"),
    "is_active": lambda _tenant, value: values.flag(value, "Is active"),
    "unit_price": lambda _tenant, value: values.money(value, "Unit price"),
}


def on_deal(tenant: Tenant, sent: Any) -> list[Doc]:
    """The lines `[{id, quantity, unit_price}]` of a deal; Refused(400) for more than 100 or an unknown product."""
    if not isinstance(sent, list) or len(sent) > 100 or not all(isinstance(item, dict) for item in sent):
        raise Refused(400, INVALID)
    product = columns.reference("products", "Product doesn't exist")
    lines = []
    for item in sent:
        product_id = product(tenant, item.get("id"))
        if product_id is None:
            raise Refused(400, "Product doesn't exist")
        if not item.get("_destroy"):
            quantity = values.number(item.get("quantity", 1), "Quantity")
            lines.append(
                {"id": product_id, "quantity": quantity, "unit_price": values.money(item.get("unit_price"))}
            )
    return lines


def lines(tenant: Tenant, deal: Doc) -> list[Doc]:
    """The products of a deal as the vendor shows them with `include=products`."""
    found = ((tenant.get("products", line["id"]), line) for line in deal.get("products", ()))
    return [
        {
            "id": line["id"],
            "name": doc["name"],
            "quantity": line["quantity"],
            "unit_price": line["unit_price"],
        }
        for doc, line in found
        if doc is not None
    ]


def _shown(tenant: Tenant, doc: Doc) -> Doc:
    plain = dict.fromkeys(_COLUMNS) | {"is_active": True, "product_pricings": []}
    shown = plain | {k: v for k, v in doc.items() if not k.startswith("_")}
    return shown | {name: tenant.local(doc[name]) for name in ("created_at", "updated_at")}


def _create(call: Call) -> Answer:
    _allowed(call.tenant)
    doc = columns.stamped(call.tenant, "products")
    return _written(call, doc)


def _update(call: Call) -> Answer:
    return _written(call, dict(_found(call)))


def _written(call: Call, doc: Doc) -> Answer:
    tenant, body = call.tenant, call.wrapped("product")
    columns.write(tenant, doc, body, _COLUMNS)
    if not (doc.get("name") or "").strip():
        raise Refused(400, "Name can't be blank")
    prices = body.get("product_pricings")
    if isinstance(prices, list) and all(isinstance(price, dict) for price in prices):
        doc["product_pricings"] = [
            {
                "currency_code": price.get("currency_code"),
                "unit_price": values.money(price.get("unit_price", price.get("currency_value"))),
            }
            for price in prices
        ]
    doc["updated_at"] = tenant.clock.iso()
    return Answer({"product": _shown(tenant, tenant.save("products", doc))})


def _found(call: Call) -> Doc:
    _allowed(call.tenant)
    doc = call.tenant.get("products", call.doc_id)
    if doc is None:
        raise missing("products")
    return doc


def _view(call: Call) -> Answer:
    return Answer({"product": _shown(call.tenant, _found(call))})


def _list(call: Call) -> Answer:
    _allowed(call.tenant)
    rows = [_shown(call.tenant, doc) for doc in call.tenant.live("products")]
    return Answer({"products": rows, "meta": {"total": len(rows), "total_pages": 1}})


def _delete(call: Call) -> Answer:
    doc = _found(call)
    call.tenant.save("products", doc | {"is_deleted": True, "deleted_at": call.tenant.clock.iso()})
    return Answer(True)


def _allowed(tenant: Tenant) -> None:
    if tenant.plan not in CATALOGUE:
        raise forbidden()


ROUTES: list[Route] = [
    ("POST", "cpq/products", _create),
    ("GET", "cpq/products", _list),
    ("GET", "cpq/products/:id", _view),
    ("PUT", "cpq/products/:id", _update),
    ("DELETE", "cpq/products/:id", _delete),
]
