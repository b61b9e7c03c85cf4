"""What an admin does in a tenant by hand: fields, choices, pipelines, stages, owners, settings.

`apply` works off the rows of a workspace checklist, values as text as they stand in the CSV. What the plan or the vendor
does not allow is refused with the reason an admin would read on the screen.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from crmbook.sandbox.freshsales import customfields, defaults, seed
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.tenant import MODULES, Tenant
from crmbook.sandbox.store import Doc

Row = Mapping[str, Any]

_CHOICES_OF = {
    "lead_source": "lead_sources",
    "territory": "territories",
    "campaign": "campaigns",
    "industry_type": "industry_types",
    "business_type": "business_types",
    "deal_type": "deal_types",
    "deal_reason": "deal_reasons",
    "deal_product": "deal_products",
    "task_type": "task_types",
    "lead_stage": "lead_stages",
    "lead_reason": "lead_reasons",
}


def apply(tenant: Tenant, rows: list[Row]) -> Doc:
    """`{"done": [item_id], "refused": [{"item_id", "reason"}]}` for the rows that are not present already."""
    done: list[str] = []
    refused: list[Doc] = []
    for row in rows:
        if row.get("status") == "present":
            continue
        item_id = str(row.get("item_id"))
        try:
            _apply(tenant, row)
            done.append(item_id)
        except (Refused, ValueError, KeyError) as no:
            reason = "; ".join(no.messages) if isinstance(no, Refused) else f"not understood: {no}"
            refused.append({"item_id": item_id, "reason": reason})
    return {"done": done, "refused": refused}


def _apply(tenant: Tenant, row: Row) -> None:
    kinds: dict[str, Callable[[Tenant, Row], object]] = {
        "custom_field": _field,
        "pipeline": lambda t, r: pipeline(t, {"name": r["pipeline"], "position": _number(r.get("position"))}),
        "stage": _stage,
        "owner": lambda t, r: owner(t, {"email": r["api_name"], "display_name": r.get("label")}),
        "setting": lambda t, r: setting(t, str(r["api_name"])),
    }
    if row.get("kind") not in kinds:
        raise ValueError(f"kind {row.get('kind')}")
    kinds[row["kind"]](tenant, row)


def _number(text: Any) -> float | int | None:
    if text in (None, ""):
        return None
    value = float(text)
    return int(value) if value.is_integer() else value


def _field(tenant: Tenant, row: Row) -> Doc:
    module = row["module"] if row["module"] in tenant.custom_fields else f"{row['module']}s"
    if module not in (*MODULES, "sales_activities"):
        raise ValueError(f"module {row['module']}")
    choices = json.loads(row.get("choices") or "[]")
    return field(
        tenant,
        {
            "module": module,
            "label": row["label"],
            "api_name": row["api_name"],
            "field_type": row["field_type"],
            "choices": choices,
            "unique": str(row.get("unique")).lower() in {"true", "1", "yes"},
        },
    )


def field(tenant: Tenant, wanted: Row) -> Doc:
    """The field made or, if it exists with that type, completed: label, missing choices, uniqueness."""
    known = tenant.custom_fields.get(wanted["module"], {}).get(wanted["api_name"])
    if known is None:
        return customfields.create(tenant, **dict(wanted))
    if known["field_type"] != wanted.get("field_type", known["field_type"]):
        raise Refused(400, f"{wanted['api_name']} exists as {known['field_type']}; a type can't be changed")
    return change_field(tenant, known, wanted)


def change_field(tenant: Tenant, known: Doc, wanted: Row) -> Doc:
    """An existing field with another label, further choices, or unique from now on."""
    changed = known | {key: wanted[key] for key in ("label", "required") if key in wanted}
    customfields.add_choices(tenant, changed, list(wanted.get("choices") or ()))
    if wanted.get("unique") and not known.get("unique"):
        customfields.check_unique_allowed(tenant, known["module"], known["field_type"])
        changed["unique"] = True
    tenant.save("fields", changed)
    tenant.refresh()
    return changed


def pipeline(tenant: Tenant, wanted: Row) -> Doc:
    """The pipeline of that name with its stages; Refused where the plan has a single one (vendor docs)."""
    known = next((p for p in tenant.live("pipelines") if p["name"] == wanted["name"]), None)
    if known is None and len(tenant.table("pipelines")) and tenant.plan not in defaults.MANY_PIPELINES:
        raise Refused(400, f"The {tenant.plan} plan has a single pipeline")
    if known is None:
        return seed.add_pipeline(tenant, wanted)
    for wanted_stage in wanted.get("stages", ()):
        stage(tenant, known["id"], wanted_stage)
    return known


def _stage(tenant: Tenant, row: Row) -> Doc:
    known = next((p for p in tenant.live("pipelines") if p["name"] == row["pipeline"]), None)
    if known is None:
        raise Refused(400, f"There is no pipeline {row['pipeline']}")
    wanted = {"name": row["stage"], "probability": _number(row.get("probability")) or 0}
    if row.get("field_type") in ("Open", "Closed Won", "Closed Lost"):
        wanted["forecast_type"] = row["field_type"]
    return stage(tenant, known["id"], wanted | {"position": _number(row.get("position"))})


def stage(tenant: Tenant, pipeline_id: int, wanted: Row) -> Doc:
    """The stage of that name in that pipeline, made or changed."""
    for known in tenant.live("stages"):
        if known["deal_pipeline_id"] == pipeline_id and known["name"] == wanted["name"]:
            given = {key: value for key, value in wanted.items() if value is not None}
            given.setdefault("forecast_type", seed.forecast(wanted["name"], given.get("probability", 0)))
            return tenant.save("stages", known | given)
    return seed.add_stage(tenant, pipeline_id, wanted)


def owner(tenant: Tenant, wanted: Row) -> Doc:
    """The user with that e-mail, invited or, if known, active again."""
    email = str(wanted["email"]).strip()
    if not email:
        raise ValueError("owner without e-mail")
    for known in tenant.live("owners"):
        if known["email"].casefold() == email.casefold():
            return tenant.save("owners", known | {"is_active": bool(wanted.get("is_active", True))})
    made = {"email": email, "display_name": wanted.get("display_name") or email}
    place = len(tenant.table("owners")) + 1
    return tenant.add("owners", made | {"is_active": bool(wanted.get("is_active", True)), "position": place})


def setting(tenant: Tenant, name: str) -> object:
    """`workflows_off`, `currency:EUR`, or a choice of a system list such as `deal_reason:Too expensive`."""
    word, _, value = name.partition(":")
    if name == "workflows_off":
        return tenant.configure({"workflows_on": False})
    if word == "currency" and value:
        return currency(tenant, {"currency_code": value.strip().upper()})
    if word == "sales_activity_type" and value:
        if tenant.plan not in {"enterprise", "forest"}:
            raise Refused(400, f"The {tenant.plan} plan has no custom activity types")
        made = {"name": value, "internal_name": "cappointment", "is_default": False}
        return _once(tenant, "sales_activity_types", made)
    if word in _CHOICES_OF and value:
        return _once(tenant, _CHOICES_OF[word], {"name": value})
    raise ValueError(f"setting {name}")


def currency(tenant: Tenant, wanted: Row) -> Doc:
    """The currency active; a second one needs a plan with multi-currency (vendor docs)."""
    for known in tenant.live("currencies"):
        if known["currency_code"] == wanted["currency_code"]:
            return tenant.save("currencies", known | {"is_active": True} | dict(wanted))
    if tenant.plan not in defaults.MANY_CURRENCIES:
        raise Refused(400, f"The {tenant.plan} plan has a single currency")
    place = len(tenant.table("currencies")) + 1
    made = {"exchange_rate": "1.0", "is_active": True, "is_base": False, "position": place}
    return tenant.add("currencies", made | dict(wanted))


def _once(tenant: Tenant, kind: str, wanted: Doc) -> Doc:
    for known in tenant.live(kind):
        if known["name"] == wanted["name"]:
            return known
    return tenant.add(kind, wanted | {"position": len(tenant.table(kind)) + 1})
