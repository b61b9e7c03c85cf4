"""The tenant of `freshsales.json`, or a fresh one: configuration first, then the records that already exist.

Existing records are bodies as a client would send them. Besides ids they take words, because ids are not known
beforehand: `owner` (e-mail), `pipeline`, `stage`, `currency` (code), `account` (name), `accounts` (names, the first is
primary), `contacts` (e-mails), `lifecycle_stage` (type or name), `contact_status`. A list is {name, contacts: [e-mail]}.
"""

from collections.abc import Mapping
from typing import Any

from crmbook.sandbox.freshsales import customfields, defaults, records
from crmbook.sandbox.freshsales.clock import Clock
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.tenant import MODULES, REALMS, SWITCHES, Tenant
from crmbook.sandbox.scenario import ScenarioError
from crmbook.sandbox.store import Doc, Store

_CONFIG = {
    "owners",
    "currencies",
    "pipelines",
    "lifecycle_stages",
    "sales_activity_types",
    "fields",
    "existing",
}
_SECTIONS = {"freshsales_test": "test", "freshsales_production": "production"}


def open_tenant(
    store: Store, realm: str, clock: Clock, *, edition: str, described: Mapping[str, Any]
) -> Tenant:
    """The tenant kept in the store, or, in an empty realm, the one that *described* asks for.

    Raises:
        ScenarioError: a key of *described* is not documented, misses a part, or names what isn't there.
    """
    if len(store.table(realm, "settings")):
        return Tenant(store, realm, clock)
    wanted = {key: value for key, value in described.items() if key not in _SECTIONS.values()}
    wanted |= dict(described.get(_SECTIONS[realm]) or {})
    selectors = defaults.SELECTORS | (defaults.CLASSIC_SELECTORS if edition == "classic" else {})
    unknown = sorted(set(wanted) - set(SWITCHES) - _CONFIG - set(selectors) - {"edition"})
    if unknown:
        raise ScenarioError(f"freshsales.json: unknown key {unknown[0]}")
    tenant = Tenant(store, realm, clock)
    try:
        tenant.configure({key: wanted[key] for key in wanted.keys() & SWITCHES.keys()} | {"edition": edition})
        _known_plan(tenant)
        _configure(tenant, wanted, selectors)
        _records(tenant, wanted.get("existing") or {})
    except Refused as no:
        raise ScenarioError(f"freshsales.json: {'; '.join(no.messages)}") from None
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ScenarioError(f"freshsales.json: a key is missing or of the wrong type: {wrong}") from None
    store.commit()
    return tenant


def open_tenants(
    store: Store, clock: Clock, *, edition: str, described: Mapping[str, Any]
) -> dict[str, Tenant]:
    """Both tenants by realm."""
    return {r: open_tenant(store, r, clock, edition=edition, described=described) for r in REALMS}


def _known_plan(tenant: Tenant) -> None:
    plans = {"suite": "free growth pro enterprise", "classic": "sprout blossom garden estate forest"}
    if tenant.plan not in plans[tenant.edition].split():
        raise ScenarioError(f"freshsales.json: plan {tenant.plan} is no {tenant.edition} plan")


def _configure(tenant: Tenant, wanted: Mapping[str, Any], selectors: dict[str, list[str]]) -> None:
    for position, owner in enumerate(wanted.get("owners") or defaults.OWNERS, 1):
        tenant.add("owners", {"is_active": True, **owner, "position": position})
    currencies = wanted.get("currencies") or defaults.CURRENCIES
    based = any(row.get("is_base") for row in currencies)
    for position, row in enumerate(currencies, 1):
        base = row.get("is_base", not based and position == 1)
        rate = str(row.get("exchange_rate", "1.0"))
        tenant.add("currencies", {"is_active": True, **row, "exchange_rate": rate, "is_base": base})
    for pipeline in wanted.get("pipelines") or [defaults.PIPELINE]:
        add_pipeline(tenant, pipeline)
    if tenant.edition == "suite":
        stages = wanted.get("lifecycle_stages") or defaults.LIFECYCLE
        for stage in stages:
            add_lifecycle_stage(tenant, stage)
        lacking = {row["type"] for row in defaults.LIFECYCLE} - {row.get("type") for row in stages}
        if lacking:
            raise ScenarioError(f"freshsales.json: no lifecycle stage of type {min(lacking)}")
    for name, rows in selectors.items():
        for position, row in enumerate(wanted.get(name, rows), 1):
            tenant.add(name, {"position": position, **(row if isinstance(row, dict) else {"name": row})})
    _activity_types(tenant, wanted.get("sales_activity_types") or [])
    _views(tenant)
    for field in wanted.get("fields") or []:
        customfields.create(tenant, **field)


def add_pipeline(tenant: Tenant, pipeline: Mapping[str, Any]) -> Doc:
    """A pipeline with its stages, after the others unless it says `position`."""
    count = len(tenant.table("pipelines"))
    doc = tenant.add(
        "pipelines",
        {
            "name": pipeline["name"],
            "position": pipeline.get("position") or count + 1,
            "is_default": bool(pipeline.get("is_default", count == 0)),
        },
    )
    for stage in pipeline.get("stages", ()):
        add_stage(tenant, doc["id"], stage)
    return doc


def add_stage(tenant: Tenant, pipeline_id: int, stage: Mapping[str, Any]) -> Doc:
    """A stage after the others of its pipeline; `forecast_type` follows probability 100/0 or the words won/lost."""
    stages = [s for s in tenant.table("stages").values() if s["deal_pipeline_id"] == pipeline_id]
    name, probability = stage["name"], stage.get("probability", 0)
    return tenant.add(
        "stages",
        {
            "name": name,
            "deal_pipeline_id": pipeline_id,
            "position": stage.get("position") or len(stages) + 1,
            "probability": probability,
            "forecast_type": stage.get("forecast_type") or forecast(name, probability),
            "updated_at": tenant.clock.iso(),
        },
    )


def forecast(name: str, probability: float) -> str:
    word = name.strip().casefold()
    if word in {"won", "closed won"} or probability == 100:
        return "Closed Won"
    return "Closed Lost" if word in {"lost", "closed lost"} or probability == 0 else "Open"


def add_lifecycle_stage(tenant: Tenant, stage: Mapping[str, Any]) -> Doc:
    """A lifecycle stage with its contact statuses; type `Custom` unless it says otherwise."""
    position = len(tenant.table("lifecycle_stages")) + 1
    kept = {"name": stage["name"], "type": stage.get("type", "Custom"), "position": position}
    doc = tenant.add("lifecycle_stages", kept | {"disabled": bool(stage.get("disabled"))})
    for place, name in enumerate(stage.get("statuses") or [stage["name"]], 1):
        tenant.add("contact_statuses", {"name": name, "position": place, "lifecycle_stage_id": doc["id"]})
    return doc


def _activity_types(tenant: Tenant, extra: list[dict[str, Any]]) -> None:
    own = [{**row, "is_default": False} for row in extra]
    for position, row in enumerate([*defaults.ACTIVITY_TYPES, *own], 1):
        doc = tenant.add("sales_activity_types", {"position": position, **row})
        for place, name in enumerate(defaults.OUTCOMES.get(row["name"], ()), 1):
            outcome = {"name": name, "position": place, "sales_activity_type_id": doc["id"]}
            tenant.add("sales_activity_outcomes", outcome)


def _views(tenant: Tenant) -> None:
    for module, names in defaults.VIEWS.items():
        if module != "leads" or tenant.edition == "classic":
            for name in names:
                tenant.add("views", {"module": module, "name": name, "updated_at": tenant.clock.iso()})


def _records(tenant: Tenant, existing: Mapping[str, list[Doc]]) -> None:
    for kind in ("sales_accounts", "contacts", "leads", "deals"):
        for row in existing.get(kind, ()):
            records.create(tenant, kind, _resolved(tenant, row))
    for row in existing.get("lists", ()):
        made = tenant.add("lists", {"name": row["name"], "created_at": tenant.clock.iso()})
        for email in row.get("contacts", ()):
            contact = tenant.get("contacts", _by(tenant, "contacts", "email", email)) or {}
            tenant.save("contacts", contact | {"list_ids": [*contact.get("list_ids", ()), made["id"]]})
    unknown = sorted(set(existing) - set(MODULES) - {"lists"})
    if unknown:
        raise ScenarioError(f"freshsales.json: unknown key existing.{unknown[0]}")


def _resolved(tenant: Tenant, row: Doc) -> Doc:
    body = dict(row)
    for word, (kind, attribute, key) in {
        "owner": ("owners", "email", "owner_id"),
        "pipeline": ("pipelines", "name", "deal_pipeline_id"),
        "currency": ("currencies", "currency_code", "currency_id"),
        "account": ("sales_accounts", "name", "sales_account_id"),
        "contact_status": ("contact_statuses", "name", "contact_status_id"),
    }.items():
        if word in body:
            body[key] = _by(tenant, kind, attribute, body.pop(word))
    if "stage" in body:
        body["deal_stage_id"] = _stage(tenant, body.pop("stage"), body.get("deal_pipeline_id"))
    if "lifecycle_stage" in body:
        wanted = body.pop("lifecycle_stage")
        rows = tenant.table("lifecycle_stages").values()
        body["lifecycle_stage_id"] = next(r["id"] for r in rows if wanted in {r["name"], r["type"]})
    if "accounts" in body:
        names = body.pop("accounts")
        ids = [_by(tenant, "sales_accounts", "name", name) for name in names]
        body["sales_accounts"] = [{"id": doc_id, "is_primary": i == 0} for i, doc_id in enumerate(ids)]
    if "contacts" in body:
        body["contacts_added_list"] = [
            _by(tenant, "contacts", "email", mail) for mail in body.pop("contacts")
        ]
    return body


def _by(tenant: Tenant, kind: str, attribute: str, value: str) -> int:
    for doc in tenant.live(kind):
        if str(doc.get(attribute, "")).casefold() == value.casefold():
            return int(doc["id"])
    raise ScenarioError(f"freshsales.json: no {kind} with {attribute} {value}")


def _stage(tenant: Tenant, name: str, pipeline_id: int | None) -> int:
    for doc in tenant.live("stages"):
        if doc["name"] == name and pipeline_id in {None, doc["deal_pipeline_id"]}:
            return int(doc["id"])
    raise ScenarioError(f"freshsales.json: no stage {name}")
