"""`/settings`: the fields and forms of each module, and the one documented way to create a field.

System fields are the writable ones of this sandbox, not the vendor's 66. Codes for the integer `field_type` are unknown, so
it is refused; choices and uniqueness through the API are unknown too and ignored unless `field_api_choices`. There is
no create for pipelines, stages, choices or uniqueness: 404.
"""

from crmbook.sandbox.freshsales import accounts, contacts, customfields, deals, leads
from crmbook.sandbox.freshsales.call import Answer, Body, Call, Route
from crmbook.sandbox.freshsales.columns import Columns
from crmbook.sandbox.freshsales.errors import INVALID, Refused, forbidden, missing
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

_COLUMNS: dict[str, Columns] = {
    "contacts": contacts.COLUMNS,
    "sales_accounts": accounts.COLUMNS,
    "deals": deals.COLUMNS,
    "leads": leads.COLUMNS,
    "sales_activities": {},
}
_BASE = {
    "contacts": "Contact",
    "sales_accounts": "SalesAccount",
    "deals": "Deal",
    "leads": "Lead",
    "sales_activities": "SalesActivity",
}
_SINGULAR = {"contact": "contacts", "sales_account": "sales_accounts", "deal": "deals", "lead": "leads"}
_GROUPS = {"contacts": ("emails", "phone_numbers"), "leads": ("emails", "phone_numbers")}
_DATES = {"expected_close", "closed_date"}


def _module(call: Call) -> str:
    module = _SINGULAR.get(call.args[0], call.args[0])
    if module == "leads" and call.tenant.edition == "suite":
        raise forbidden()
    if module not in _COLUMNS:
        raise missing("settings")
    return module


def _system(tenant: Tenant, module: str) -> list[Doc]:
    names = [*_COLUMNS[module], *_GROUPS.get(module, ())]
    required = {
        "contacts": {"emails"} if tenant.email_required else {"last_name"},
        "sales_accounts": {"name"},
        "deals": {"name", "amount"},
        "leads": {"last_name"},
    }.get(module, set())
    return [
        _item(
            module,
            number=position,
            name=name,
            label=name.removesuffix("_id").replace("_", " ").capitalize(),
            kind=_system_type(name),
            required=name in required,
        )
        for position, name in enumerate(names, 1)
    ]


def _system_type(name: str) -> str:
    if name in {"emails", "phone_numbers"}:
        return "group_field"
    if name in _DATES:
        return "date"
    if name in {"amount", "annual_revenue", "number_of_employees"}:
        return "number"
    return "dropdown" if name.endswith("_id") else "text"


def _item(module: str, *, number: int, name: str, label: str, kind: str, required: bool) -> Doc:
    custom = name.startswith("cf_")
    return {
        "id": str(number),
        "label": label,
        "name": name,
        "type": kind,
        "default": not custom,
        "actionable": True,
        "position": number,
        "choices": [],
        "base_model": _BASE[module],
        "required": required,
        "quick_add_position": None,
        "visible": True,
        "field_group_id": None,
        "auto_suggest_url": None,
        "creatable": False,
        "creatable_data_key": None,
        "multiple": kind == "multi_select_dropdown",
        "model": _BASE[module],
    }


def _custom(module: str, field: Doc) -> Doc:
    item = _item(
        module,
        number=field["position"],
        name=field["api_name"],
        label=field["label"],
        kind=field["field_type"],
        required=bool(field.get("required")),
    )
    return item | {"id": str(field["id"]), "choices": list(field["choices"])}


def _items(tenant: Tenant, module: str) -> list[Doc]:
    return _system(tenant, module) + [
        _custom(module, f) for f in tenant.custom_fields.get(module, {}).values()
    ]


def _fields(call: Call) -> Answer:
    answer: Doc = {"fields": _items(call.tenant, _module(call))}
    return Answer(answer | ({"field_groups": []} if "field_group" in call.include else {}))


def _form_id(tenant: Tenant, module: str) -> str:
    return str(tenant.admin_id // 10**9 * 10**9 + list(_COLUMNS).index(module) + 1)


def _forms(call: Call) -> Answer:
    tenant, module = call.tenant, _module(call)
    unique = set(tenant.unique_fields(module)) | ({"emails"} if module == "contacts" else set())
    rows = [
        item | {"field_options": {"unique": item["name"] in unique, "system_field": item["default"]}}
        for item in _items(tenant, module)
    ]
    form = {
        "id": _form_id(tenant, module),
        "name": f"{_BASE[module]} form",
        "active": True,
        "form_class": _BASE[module],
        "fields": [
            {"id": "1", "name": "basic_information", "label": "Basic information", "fields": rows},
            {"id": "2", "name": "hidden_fields", "label": "Hidden fields", "fields": []},
        ],
    }
    return Answer({"forms": [form], "meta": {}})


def _create_field(call: Call) -> Answer:
    tenant, module, form_id = call.tenant, _module(call), call.args[1]
    if not tenant.switch("allow_field_api"):
        raise forbidden()
    if form_id not in {_form_id(tenant, module), "1"}:
        raise missing("forms")
    body = call.object()
    body = body["field"] if isinstance(body.get("field"), dict) else body
    if not isinstance(body.get("label"), str) or body.get("type") not in customfields.TYPES:
        raise Refused(400, INVALID)
    name = body.get("internal_name")
    detailed = tenant.switch("field_api_choices")
    field = customfields.create(
        tenant,
        module,
        label=body["label"],
        field_type=body["type"],
        api_name=f"cf_{name.removeprefix('cf_')}" if isinstance(name, str) and name else "",
        choices=_choices(body) if detailed else (),
        unique=detailed and bool(body.get("unique")),
        required=bool(body.get("required")),
    )
    return Answer({"field": _created(field, form_id)})


def _choices(body: Body) -> list[str]:
    sent = body.get("choices")
    if not isinstance(sent, list):
        return []
    return [str(item.get("value") if isinstance(item, dict) else item) for item in sent]


def _created(field: Doc, form_id: str) -> Doc:
    return {
        "id": str(field["id"]),
        "name": field["api_name"],
        "label": field["label"],
        "type": field["field_type"],
        "form_id": form_id,
        "field_class": field["field_type"],
        "choices": field["choices"],
        "custom": True,
        "default_value": None,
        "editable": True,
        "field_options": {"unique": field["unique"], "system_field": False},
        "fields": [],
        "hint": None,
        "placeholder": None,
        "parent_id": None,
        "position": field["position"],
        "quick_add_position": None,
        "required": field["required"],
        "visible": True,
        "link": None,
    }


ROUTES: list[Route] = [
    ("GET", "settings/*/fields", _fields),
    ("GET", "settings/*/forms", _forms),
    ("POST", "settings/*/forms/*/fields", _create_field),
]
