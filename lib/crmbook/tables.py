"""Every table on disk: its columns, their types, its key, and one line of meaning.

A phase hands its frames to `conform`, which is the only way a table gets written: columns in order, exact
types, sorted by key, key unique and never null. A table may also hold one column per custom property
(`prefix`): `p_<name_std>` as text where it comes from the source, `cf_<api name>` typed where it is shaped
for the target. `personal` names the columns that may not leave `data/`; `p_` and `cf_` always are.
"""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from crmbook.errors import SchemaError

TIME: Final = pl.Datetime("us", "UTC")
TEXTS: Final = pl.List(pl.String)


@dataclass(frozen=True)
class Table:
    """One table's contract; `columns` maps each name to its type in the order they are stored."""

    name: str
    key: tuple[str, ...]
    meaning: str
    columns: dict[str, pl.DataType | type[pl.DataType]]
    prefix: str = ""
    personal: frozenset[str] = field(default_factory=frozenset)
    phase: str = ""

    def is_personal(self, column: str) -> bool:
        return column in self.personal or bool(self.prefix and column.startswith(self.prefix))

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.columns)


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """
    *frame* as *table* declares it: its columns in order, then the prefixed ones by name, sorted by key.

    Columns are cast only where the cast is exact (an integer to a wider one, null to anything).

    Raises:
        SchemaError: a column is missing, extra or of another type (both sides are listed), or the key has
            nulls or repeats (the number of rows is given, never a value).
    """
    have, want = set(frame.columns), set(table.columns)
    extra = {c for c in have - want if not (table.prefix and c.startswith(table.prefix))}
    if want - have or extra:
        raise SchemaError(
            f"{table.name}: missing columns {sorted(want - have)}, unexpected columns {sorted(extra)};"
            f" expected {list(table.columns)}"
        )
    wrong = [
        f"{name} is {frame.schema[name]}, expected {dtype}"
        for name, dtype in table.columns.items()
        if not _is_exact(frame.schema[name], dtype)
    ]
    if wrong:
        raise SchemaError(f"{table.name}: {'; '.join(wrong)}")
    shaped = frame.select(
        *(pl.col(name).cast(dtype) for name, dtype in table.columns.items()),
        *(pl.col(name) for name in sorted(have - want)),
    )
    if table.key:
        nulls = shaped.filter(pl.any_horizontal(pl.col(k).is_null() for k in table.key)).height
        repeats = shaped.height - shaped.select(table.key).n_unique() if shaped.height else 0
        if nulls or repeats:
            raise SchemaError(f"{table.name}: key {list(table.key)} has {nulls} nulls and {repeats} repeats")
        shaped = shaped.sort(table.key, maintain_order=True)
    return shaped


def _is_exact(have: pl.DataType, want: pl.DataType | type[pl.DataType]) -> bool:
    if have == want or have == pl.Null:
        return True
    if isinstance(have, pl.List) and isinstance(want, pl.List):
        return have.inner == pl.Null or have.inner == want.inner
    return have.is_integer() and want in (pl.Int64, pl.Float64)


_ALL: dict[str, Table] = {}
_phase = ""


def _table(
    name: str,
    key: str,
    meaning: str,
    columns: dict[str, pl.DataType | type[pl.DataType]],
    *,
    prefix: str = "",
    personal: str = "",
) -> Table:
    made = Table(name, tuple(key.split()), meaning, columns, prefix, frozenset(personal.split()), _phase)
    _ALL[name] = made
    return made


def of(name: str) -> Table:
    """The contract of the table stored as `<name>.parquet`; raises SchemaError for a name nobody declared."""
    if name.startswith("raw_"):
        return Table(name, ("source_id",), RAW.meaning, RAW.columns, personal=RAW.personal, phase="01_discovery")
    if name not in _ALL:
        raise SchemaError(f"no table is called {name}; known: {', '.join(sorted(_ALL))}")
    return _ALL[name]


def names() -> list[str]:
    return sorted(_ALL)


# fmt: off
S, I, F, B, D = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date

# 01_discovery: what the source holds
_phase = "01_discovery"

RAW = Table(
    "raw_<entity>",
    ("source_id",),
    "one source record as received, as JSON text",
    {"source_id": S, "raw": S},
    personal=frozenset({"raw"}),
)
SOURCE_CONTACTS = _table(
    "source_contacts",
    "source_id",
    "a User.com user; company_ids oldest membership first; tags by name",
    {
        "source_id": S, "custom_id": S, "user_key": S, "name": S, "email": S, "phone_number": S,
        "gender": S, "status": S, "first_seen": TIME, "last_seen": TIME, "last_contacted": TIME,
        "last_heard": TIME, "page_views": I, "score": I, "unsubscribed": B, "notifications": B,
        "web_push_subscription": B, "fcm_key": B, "created_at": TIME, "updated_at": TIME, "city": S,
        "region": S, "country": S, "timezone": S, "facebook_url": S, "linkedin_url": S, "twitter_url": S,
        "google_url": S, "gravatar_url": S, "last_ip": S, "browser": S, "browser_language": S, "os_type": S,
        "resolution": S, "most_active_time": S, "assigned_to": S, "company_ids": TEXTS, "tags": TEXTS,
        "list_ids": TEXTS,
    },
    prefix="p_",
    personal="custom_id user_key name email phone_number city region facebook_url linkedin_url twitter_url"
    " google_url gravatar_url last_ip",
)
SOURCE_COMPANIES = _table(
    "source_companies",
    "source_id",
    "a User.com company",
    {
        "source_id": S, "custom_id": S, "name": S, "description": S, "email": S, "country": S, "region": S,
        "city": S, "address": S, "postal_code": S, "size": I, "phone_numbers": TEXTS, "tags": TEXTS,
        "created_at": TIME, "updated_at": TIME,
    },
    prefix="p_",
    personal="custom_id name description email region city address postal_code phone_numbers",
)
SOURCE_DEALS = _table(
    "source_deals",
    "source_id",
    "a User.com deal; value is the decimal text received; status 0 abandoned 1 open 2 won 3 lost 4 archived",
    {
        "source_id": S, "custom_id": S, "name": S, "value": S, "currency": S, "pipeline_id": S, "stage_id": S,
        "status": I, "assigned_to": S, "contact_id": S, "company_id": S, "participants": TEXTS,
        "products": TEXTS, "order_products": S, "restricted_to": S, "agent": S, "created_by": S, "scope": S,
        "activities_status": S, "tags": TEXTS, "expected_close_date": D, "loss_reason": S,
        "loss_reason_description": S, "lost_at": TIME, "won_at": TIME, "created_at": TIME, "updated_at": TIME,
    },
    prefix="p_",
    personal="custom_id name value loss_reason_description",
)
ATTRIBUTES = _table(
    "attributes",
    "entity property",
    "a custom property as the source declares it; entity contact, company or deal; property is name_std",
    {"entity": S, "property": S, "name": S, "value_type": S},
)
SOURCE_STAGES = _table(
    "source_stages",
    "pipeline_id stage_id",
    "a deal stage of the source; probability in percent as given, null when not told",
    {
        "pipeline_id": S, "pipeline": S, "pipeline_position": I, "stage_id": S, "stage": S,
        "stage_position": I, "probability": F,
    },
)
AGENTS = _table(
    "agents",
    "agent_id",
    "a User.com team member",
    {"agent_id": S, "name": S, "email": S},
    personal="name email",
)
ACTIVITY_TYPES = _table(
    "source_activity_types",
    "activity_type_id",
    "a kind of activity as the customer named it; kind is call, meeting, email, task, push or other",
    {"activity_type_id": S, "name": S, "kind": S},
)
TAGS = _table("tags", "tag_id", "a tag shared by contacts, companies and deals", {"tag_id": S, "name": S})
LISTS = _table("lists", "list_id", "a static list of contacts", {"list_id": S, "name": S, "description": S})
SEGMENTS = _table(
    "segments",
    "segment_id",
    "a dynamic segment; object_count as the vendor counts it",
    {"segment_id": S, "name": S, "description": S, "object_count": I},
)
SEGMENT_MEMBERS = _table(
    "segment_members", "segment_id contact_id", "a member of a segment", {"segment_id": S, "contact_id": S}
)
INVENTORY = _table(
    "inventory",
    "entity",
    "per source entity: rows the vendor reports (null when it reports none), rows fetched, rows sent twice, rows"
    " of an export that are no records; origin is api, file or csv; available is false where the route answered 404",
    {
        "entity": S, "reported": I, "fetched": I, "duplicates": I, "distinct": I, "available": B, "origin": S,
        "rejected": I,
    },
)
SOURCE_REJECTS = _table(
    "source_rejects",
    "file line",
    "a line of an export that is no record, and why; no values",
    {"file": S, "line": I, "reason": S},
)
FIELDS = _table(
    "fields",
    "entity field",
    "per source field: is it standard, declared and observed kind (all values), the kind most values have and"
    " their share (0-1), fill, length in characters; choices are the distinct values where there are at most 300 and the kind is a choice, else empty",
    {
        "entity": S, "field": S, "label": S, "is_standard": B, "declared": S, "observed": S, "mostly": S,
        "mostly_share": F, "records": I, "filled": I, "distinct": I, "max_length": I, "max_choices": I,
        "choices": TEXTS,
    },
    personal="choices",
)
BILLING = _table(
    "billing",
    "source_id",
    "per contact: which attribute makes it billable, and the group that follows from them",
    {
        "source_id": S, "email": B, "phone": B, "user_id": B, "last_heard": B, "web_push": B, "fcm_key": B,
        "is_billable": B, "tier": S,
    },
)
ESTIMATE = _table(
    "estimate",
    "item",
    "what the move takes: figure, its unit, and the rule it follows from",
    {"item": S, "figure": F, "unit": S, "basis": S},
)
PLAN_CHECK = _table(
    "plan_check",
    "requirement",
    "what the customer needs of the target plan beside what the plan allows; null where the vendor does not say",
    {"requirement": S, "needed": F, "allowed": F, "fits": B, "source": S},
)

# 02_mapping: decisions
_phase = "02_mapping"

MAPPING = _table(
    "mapping",
    "entity source_field",
    "one decision per source field; rule names a function of clean.RULES; confidence 0-1",
    {
        "entity": S, "source_field": S, "target_entity": S, "target_field": S, "rule": S, "decision": S,
        "confidence": F, "reason": S, "note": S,
    },
)
CUSTOM_FIELDS = _table(
    "custom_fields",
    "module api_name",
    "a custom field the target must have: label, Freshsales type, choices in order, unique",
    {"module": S, "api_name": S, "label": S, "field_type": S, "choices": TEXTS, "is_unique": B},
    personal="choices",
)
CHOICES = _table(
    "choices",
    "entity source_field source_value",
    "one source choice and what it becomes",
    {"entity": S, "source_field": S, "source_value": S, "target_value": S, "records": I},
    personal="source_value target_value",
)
STAGES = _table(
    "stages",
    "pipeline_id stage_id",
    "one deal stage and where it goes; stage_id `won`/`lost` are stages added because deals are closed in an"
    " open stage; target_probability is the nearest integer; forecast_type Open, Closed Won or Closed Lost",
    {
        "pipeline_id": S, "stage_id": S, "pipeline": S, "stage": S, "probability": F, "target_pipeline": S,
        "target_stage": S, "target_position": I, "target_probability": I, "forecast_type": S, "is_rounded": B,
        "is_added": B, "deals": I,
    },
)
OWNERS = _table(
    "owners",
    "agent_id",
    "a source owner and the Freshsales user it becomes, matched by e-mail; is_known is false for an agent id"
    " that records name but the agents list does not hold",
    {"agent_id": S, "name": S, "email": S, "is_known": B, "records": I},
    personal="name email",
)
ACTIVITY_MAP = _table(
    "activity_types",
    "activity_type_id",
    "what carries an activity type in the target",
    {"activity_type_id": S, "name": S, "kind": S, "carrier": S, "records": I},
)
MAPPING_COVERAGE = _table(
    "mapping_coverage",
    "entity",
    "filled source fields, and how many are mapped, skipped by decision or listed as unmapped",
    {"entity": S, "filled_fields": I, "mapped": I, "skipped": I, "listed": I, "unaccounted": I},
)
UNMAPPED = _table(
    "unmapped",
    "entity field",
    "a filled source field that goes nowhere, the records it touches, and why",
    {"entity": S, "field": S, "filled": I, "reason": S},
)

# 03_workspace: what the target has
_phase = "03_workspace"

TARGET_FIELDS = _table(
    "target_fields",
    "module api_name",
    "a field of the target as its settings tell; choices and choice_ids run parallel",
    {
        "module": S, "api_name": S, "label": S, "field_type": S, "is_custom": B, "is_required": B,
        "choices": TEXTS, "choice_ids": TEXTS,
    },
)
TARGET_OWNERS = _table(
    "target_owners",
    "owner_id",
    "a Freshsales user",
    {"owner_id": I, "name": S, "email": S, "is_active": B},
    personal="name email",
)
TARGET_STAGES = _table(
    "target_stages",
    "stage_id",
    "a deal stage of the target",
    {
        "stage_id": I, "pipeline_id": I, "pipeline": S, "stage": S, "position": I, "probability": F,
        "forecast_type": S,
    },
)
TARGET_STATUSES = _table(
    "target_statuses",
    "status_id",
    "a contact status and the lifecycle stage it belongs to; stage_type is the stable marker, names may change",
    {
        "status_id": I, "status": S, "position": I, "stage_id": I, "stage": S, "stage_type": S,
        "stage_position": I,
    },
)
TARGET_CURRENCIES = _table(
    "target_currencies",
    "currency_id",
    "a currency of the target",
    {"currency_id": I, "code": S, "is_active": B, "is_base": B},
)
CAPABILITIES = _table(
    "capabilities",
    "capability",
    "what this tenant was measured to do, with the evidence",
    {"capability": S, "value": S, "evidence": S},
)
CHECKLIST = _table(
    "checklist",
    "item_id",
    "one thing the target must have before the load; choices is a JSON array",
    {
        "item_id": S, "kind": S, "module": S, "label": S, "api_name": S, "field_type": S, "choices": S,
        "pipeline": S, "stage": S, "probability": I, "position": I, "unique": B, "how": S, "status": S,
        "found": S,
    },
    personal="label api_name choices found",
)
READINESS = _table(
    "readiness",
    "kind",
    "the checklist's items that stop a load, counted by status",
    {"kind": S, "present": I, "missing": I, "mismatch": I},
)
WORKFLOWS = _table(
    "workflows",
    "item",
    "whether anything in the target would act on loaded records",
    {"item": S, "is_confirmed": B, "note": S},
)

# 04_normalization: target-shaped records
_phase = "04_normalization"

ACCOUNTS = _table(
    "sales_accounts",
    "source_id",
    "an account as it will be written; owner_agent_id is a source agent",
    {
        "source_id": S, "owner_agent_id": S, "name": S, "phone": S, "website": S, "address": S, "city": S,
        "state": S, "zipcode": S, "country": S, "number_of_employees": I, "tags": TEXTS,
        "cf_usercom_original_id": S,
    },
    prefix="cf_",
    personal="name phone website address city state zipcode",
)
CONTACTS = _table(
    "contacts",
    "source_id",
    "a contact as it will be written; account_ids are surviving companies, the primary one first; split is"
    " Lead or Contact; lifecycle is the type of the Suite stage",
    {
        "source_id": S, "owner_agent_id": S, "split": S, "lifecycle": S, "first_name": S, "last_name": S,
        "email": S, "mobile_number": S, "work_number": S, "address": S, "city": S, "state": S, "zipcode": S,
        "country": S, "time_zone": S, "job_title": S, "facebook": S, "twitter": S, "linkedin": S,
        "external_id": S, "tags": TEXTS, "account_ids": TEXTS, "cf_usercom_original_id": S,
    },
    prefix="cf_",
    personal="first_name last_name email mobile_number work_number address city state zipcode job_title"
    " facebook twitter linkedin",
)
DEALS = _table(
    "deals",
    "source_id",
    "a deal as it will be written; pipeline_id and stage_id are keys of `stages`; contact_ids and account_id"
    " are surviving source ids",
    {
        "source_id": S, "owner_agent_id": S, "name": S, "amount": F, "currency": S, "pipeline_id": S,
        "stage_id": S, "expected_close": D, "closed_date": D, "account_id": S, "contact_ids": TEXTS,
        "tags": TEXTS, "cf_usercom_original_id": S,
    },
    prefix="cf_",
    personal="name amount",
)
LINKS = _table(
    "links",
    "relation from_id to_id",
    "every relation of the source; kept_from and kept_to are the survivors it stands for in the target, null"
    " when state is dropped; state is kept, repointed or dropped, with the reason",
    {
        "relation": S, "from_id": S, "to_id": S, "kept_from": S, "kept_to": S, "is_primary": B, "state": S,
        "reason": S,
    },
)
REJECTS = _table(
    "rejects",
    "entity source_id rule field",
    "a reason a record is not loaded (blocking) or was repaired (not blocking); no values",
    {"entity": S, "source_id": S, "rule": S, "field": S, "is_blocking": B},
)
EXCLUDED = _table(
    "excluded",
    "entity source_id",
    "a record left out on purpose: chat_only, push_only or unidentified",
    {"entity": S, "source_id": S, "reason": S},
)
MERGES = _table(
    "merges",
    "entity source_id",
    "a record that lives on in another one",
    {"entity": S, "source_id": S, "survivor_id": S, "rule": S},
)
CHANGES = _table(
    "changes",
    "entity field rule",
    "what cleaning changed: records whose value is not what was received",
    {"entity": S, "field": S, "rule": S, "records": I},
)
LOSS = _table(
    "loss",
    "entity field kind",
    "what the target can't hold: rounded, truncated, collapsed, shifted or dropped values",
    {"entity": S, "field": S, "kind": S, "records": I},
)
BALANCE = _table(
    "balance",
    "entity",
    "rows in = rows out + merged + rejected + excluded; unaccounted is the difference",
    {"entity": S, "rows_in": I, "rows_out": I, "merged": I, "rejected": I, "excluded": I, "unaccounted": I},
)

# 05_load
_phase = "05_load"

PLAN = _table(
    "plan",
    "op_id",
    'one write: payload is JSON in which {"$id": "<entity>:<source_id>"} stands for a target id not known yet;'
    " target_id is set where an existing record is updated; after lists the ops it needs",
    {
        "op_id": S, "seq": I, "entity": S, "action": S, "source_id": S, "target_id": I, "payload": S,
        "payload_sha256": S, "after": TEXTS,
    },
    personal="payload",
)
FORECAST = _table(
    "forecast",
    "plan entity",
    "calls and hours the load takes at each plan's quota",
    {"plan": S, "entity": S, "calls": I, "requests_per_hour": I, "hours": F},
)
COVERAGE = _table(
    "coverage",
    "entity",
    "normalized rows beside the plan's primary writes for them; uncovered and repeated are the differences",
    {"entity": S, "normalized": I, "planned": I, "uncovered": I, "repeated": I},
)
OUTCOMES = _table(
    "outcomes",
    "entity action outcome",
    "what became of the plan's writes: done, rejected, pending",
    {"entity": S, "action": S, "outcome": S, "writes": I},
)
EXISTING = _table(
    "existing",
    "module target_id",
    "a record the target held before the load, by the keys a source record could match",
    {"module": S, "target_id": I, "email": S, "external_id": S, "name": S, "original_id": S},
    personal="email name",
)
CROSSWALK = _table(
    "crosswalk",
    "entity source_id",
    "source id to target id; origin is created or matched",
    {"entity": S, "source_id": S, "target_id": I, "origin": S},
)

# 06_reconciliation
_phase = "06_reconciliation"

ACTUAL_ACCOUNTS = _table(
    "actual_sales_accounts",
    "target_id",
    "an account as the target tells it; source_id is the mark it carries, null for one that is not ours",
    {
        "target_id": I, "source_id": S, "owner_id": I, "name": S, "phone": S, "website": S, "address": S,
        "city": S, "state": S, "zipcode": S, "country": S, "number_of_employees": I, "tags": TEXTS,
    },
    prefix="cf_",
    personal="name phone website address city state zipcode",
)
ACTUAL_CONTACTS = _table(
    "actual_contacts",
    "target_id",
    "a contact as the target tells it; source_id is the mark it carries; account_ids are target ids as text,"
    " the primary one first; primary_account_id is null where no link is marked so",
    {
        "target_id": I, "source_id": S, "external_id": S, "owner_id": I, "lifecycle_stage_id": I,
        "contact_status_id": I, "first_name": S, "last_name": S, "email": S, "mobile_number": S,
        "work_number": S, "address": S, "city": S, "state": S, "zipcode": S, "country": S, "time_zone": S,
        "job_title": S, "facebook": S, "twitter": S, "linkedin": S, "tags": TEXTS, "account_ids": TEXTS,
        "primary_account_id": S,
    },
    prefix="cf_",
    personal="first_name last_name email mobile_number work_number address city state zipcode job_title"
    " facebook twitter linkedin",
)
ACTUAL_DEALS = _table(
    "actual_deals",
    "target_id",
    "a deal as the target tells it; source_id is the mark it carries; account_id and contact_ids are target ids"
    " as text",
    {
        "target_id": I, "source_id": S, "owner_id": I, "name": S, "amount": F, "currency_id": I,
        "deal_pipeline_id": I, "deal_stage_id": I, "expected_close": D, "closed_date": D, "account_id": S,
        "contact_ids": TEXTS, "tags": TEXTS,
    },
    prefix="cf_",
    personal="name amount",
)
CLASSES = _table(
    "classes",
    "entity source_id",
    "every source record in exactly one class: loaded, merged, excluded, rejected, missing, duplicated",
    {"entity": S, "source_id": S, "class": S, "target_id": I, "reason": S},
)
TARGET_ONLY = _table(
    "target_only",
    "module target_id",
    "a target record that no source record explains; class is pre_existing or unexpected",
    {"module": S, "target_id": I, "class": S},
)
LINK_CLASSES = _table(
    "link_classes",
    "relation from_id to_id",
    "every relation in exactly one class: found, repointed, dropped, missing, extra, wrong_primary",
    {"relation": S, "from_id": S, "to_id": S, "class": S, "reason": S},
)
DIFFERENCES = _table(
    "differences",
    "entity source_id field",
    "a field whose value in the target is not the loaded one; kind is missing, changed or extra",
    {"entity": S, "source_id": S, "target_id": I, "field": S, "kind": S, "expected": S, "actual": S},
    personal="expected actual",
)
FIELD_FIDELITY = _table(
    "field_fidelity",
    "entity field",
    "per field: values compared, equal, different",
    {"entity": S, "field": S, "compared": I, "equal": I, "different": I},
)
CLASS_BALANCE = _table(
    "class_balance",
    "entity",
    "the extract beside the sum of its classes; unaccounted is the difference, problems what needs a person",
    {
        "entity": S, "extracted": I, "loaded": I, "merged": I, "excluded": I, "rejected": I, "missing": I,
        "duplicated": I, "unexpected": I, "unaccounted": I,
    },
)
LINK_BALANCE = _table(
    "link_balance",
    "relation",
    "per relation: how many links the source has and what became of them",
    {
        "relation": S, "extracted": I, "found": I, "repointed": I, "dropped": I, "missing": I, "extra": I,
        "wrong_primary": I, "unaccounted": I,
    },
)
OWNER_QUEUE = _table(
    "owner_queue",
    "agent_id",
    "an owner with no active Freshsales user; its records stand with the admin until reassigned",
    {"agent_id": S, "email": S, "reason": S, "contacts": I, "deals": I},
    personal="email",
)
SPOT_CHECK = _table(
    "spot_check",
    "entity source_id",
    "records a person looks at in both systems before signing off, and what each stands for",
    {"entity": S, "source_id": S, "target_id": I, "covers": S, "source_url": S, "target_url": S},
)

# 07_handoff
_phase = "07_handoff"

AUTOMATIONS = _table(
    "automations",
    "name",
    "one User.com automation the customer rebuilds",
    {"name": S, "trigger": S, "conditions": S, "actions": S, "is_active": B, "notes": S},
)
AUTOMATION_CHECK = _table(
    "automation_check",
    "item",
    "active automations the customer counts in User.com beside those in the inventory",
    {"item": S, "expected": I, "listed": I, "missing": I},
)
SEGMENT_GUIDE = _table(
    "segment_guide",
    "segment_id",
    "one segment to rebuild as a filter, with its size on the day of the move",
    {"segment_id": S, "name": S, "description": S, "members": I},
)
OPEN_ITEMS = _table(
    "open_items",
    "item",
    "what a person still has to do, and for how many records",
    {"item": S, "records": I, "who": S, "action": S},
)
MOVED = _table(
    "moved",
    "object",
    "per object of the source: what moved, what did not, and why",
    {"object": S, "in_source": I, "in_target": I, "not_moved": I, "why": S},
)
