"""`POST /leads/:id/convert`: a lead becomes a contact, with an account and a deal when it names them."""

from crmbook.sandbox.freshsales import accounts, leads, records, render, sideload
from crmbook.sandbox.freshsales.call import Answer, Call, Route
from crmbook.sandbox.store import Doc

_MOVED = ("notes", "tasks", "appointments", "sales_activities", "phone_calls", "documents", "document_links")


def _convert(call: Call) -> Answer:
    tenant, lead = call.tenant, records.found(call, "leads")
    sent = call.wrapped("lead") if call.body else {}
    answer: Doc = {}
    body = leads.contact_body(lead, sent)
    company = leads.company_name(lead, sent)
    if company:
        account_id = accounts.find_or_create(tenant, company)
        body["sales_accounts"] = [{"id": account_id, "is_primary": True}]
        answer["sales_account"] = render.shown(
            tenant, "sales_accounts", tenant.get("sales_accounts", account_id) or {}
        )
    contact = records.create(tenant, "contacts", body)
    deal = sent.get("deal", lead.get("deal"))
    if isinstance(deal, dict) and deal.get("name"):
        linked = deal | {"contacts_added_list": [contact["id"]]}
        if company:
            linked["sales_account_id"] = account_id
        made = records.create(tenant, "deals", {k: v for k, v in linked.items() if k != "id"})
        answer["deal"] = render.shown(tenant, "deals", made)
    for kind in _MOVED:
        for doc in tenant.related(kind, "leads", lead["id"]):
            tenant.save(kind, doc | {"targetable_type": "Contact", "targetable_id": contact["id"]})
    tenant.drop("leads", lead["id"])
    (shown,), _ = sideload.answer(tenant, "contacts", [contact], ["sales_accounts"])
    return Answer({"contact": shown} | answer)


ROUTES: list[Route] = [("POST", "leads/:id/convert", _convert)]
