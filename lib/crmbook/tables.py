"""Every table on disk: its columns, their types, its key, and one line of meaning.

A phase hands its frames to `conform`, which is the only way a table gets written: columns in order, exact
types, sorted by key, key unique and never null. A table may also hold one column per custom property
(`prefix`): `p_<name_std>` as text where it comes from the source, `cf_<api name>` typed where it is shaped
for the target. `personal` names the columns that may not leave `data/`; `p_` and `cf_` always are.
"""

from collections.abc import Sequence
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
    return _keyed(shaped, table) if table.key else shaped


def _keyed(shaped: pl.DataFrame, table: Table) -> pl.DataFrame:
    """*shaped* sorted by its key; SchemaError where that has nulls or repeats."""
    # Looking at neighbours costs a tenth of sorting, and less than counting the different keys.
    if _is_ascending(shaped, table.key):
        return shaped
    ordered = shaped.sort(table.key, maintain_order=True)
    if not _is_ascending(ordered, table.key):
        nulls = shaped.filter(pl.any_horizontal(pl.col(k).is_null() for k in table.key)).height
        repeats = shaped.height - shaped.select(table.key).n_unique()
        raise SchemaError(f"{table.name}: key {list(table.key)} has {nulls} nulls and {repeats} repeats")
    return ordered


def _is_ascending(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether every key is there and greater than the one before."""
    is_greater = pl.lit(value=False)
    for name in reversed(key):
        here, before = pl.col(name), pl.col(name).shift()
        is_greater = (here > before) | ((here == before) & is_greater)
    seen = frame.lazy().select(
        is_greater=is_greater.fill_null(value=False).slice(1).all(),
        is_there=pl.all_horizontal(pl.col(key).is_not_null()).all(),
    )
    return all(seen.collect().row(0))


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
        return Table(
            name, ("source_id",), RAW.meaning, RAW.columns, personal=RAW.personal, phase="01_discovery"
        )
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
HISTORY_ACTIVITIES = _table(
    "source_activities",
    "source_id",
    "a User.com activity; duration in minutes (the unit the sandbox's scenario states; the vendor's is unknown)",
    {
        "source_id": S, "activity_type_id": S, "name": S, "due_date": TIME, "duration": I, "description": S,
        "is_done": B, "done_date": TIME, "assigned_to": S, "contact_id": S, "company_id": S, "deal_id": S,
        "created_at": TIME, "updated_at": TIME,
    },
    personal="name description",
)
HISTORY_EVENTS = _table(
    "source_events",
    "source_id",
    "one occurrence of a custom event; data is its JSON object as text",
    {"source_id": S, "contact_id": S, "event_type_id": S, "name": S, "at": TIME, "data": S},
    personal="data",
)
HISTORY_EMAILS = _table(
    "source_emails",
    "source_id",
    "an e-mail User.com sent to a contact",
    {
        "source_id": S, "contact_id": S, "status": S, "subject": S, "created_at": TIME, "sent_at": TIME,
        "opened_at": TIME, "clicked_at": TIME,
    },
    personal="subject",
)
HISTORY_CONVERSATIONS = _table(
    "source_conversations",
    "source_id",
    "a chat or conversation with a contact; messages is their number",
    {"source_id": S, "contact_id": S, "agent_id": S, "is_active": B, "messages": I},
)
HISTORY_MESSAGES = _table(
    "source_messages",
    "conversation_id position",
    "a message of a conversation, position from 1 in order of time; side is agent or contact",
    {
        "conversation_id": S, "position": I, "source_id": S, "side": S, "agent_id": S, "content": S,
        "channel": S, "at": TIME,
    },
    personal="content",
)
SOURCE_FILES = _table(
    "source_files",
    "entity source_id name",
    "a file of the customer's attachments folder, `<entity>/<source id>/<file>`; path is relative to that folder",
    {"entity": S, "source_id": S, "name": S, "path": S, "size_bytes": I, "sha256": S},
    personal="name path",
)
INVENTORY = _table(
    "inventory",
    "entity",
    "per source entity: rows the vendor reports (null when it reports none), rows fetched, rows sent twice, rows"
    " of an export that are no records; origin is api, file, csv or skipped (not asked, by the customer's decision);"
    " available is false where the route answered 404 and where nobody asked; events and e-mails are counted over the"
    " contacts that were asked for them",
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
    " their share (0-1), fill, length in characters; choices are the distinct values where there are at most 300 and the kind is a choice, else empty;"
    " sign is what most values were recognised as (country, currency, time_zone, linkedin, facebook, twitter) and sign_share how many, blank and 0 where nothing",
    {
        "entity": S, "field": S, "label": S, "is_standard": B, "declared": S, "observed": S, "mostly": S,
        "mostly_share": F, "records": I, "filled": I, "distinct": I, "max_length": I, "max_choices": I,
        "choices": TEXTS, "sign": S, "sign_share": F,
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

PLAN_OPTIONS = _table(
    "plan_options",
    "position",
    "each plan of the edition from small to large: whether the account fits, and what speaks against it; ask is what the"
    " vendor does not publish; monthly is the list price of all users",
    {
        "plan": S, "position": I, "is_current": B, "fits": B, "is_recommended": B, "price": F, "currency": S, "monthly": F,
        "requests_per_hour": I, "hours": F, "against": S, "ask": S,
    },
)
QUOTE_RULES = _table(
    "quote_rules",
    "position",
    "the rules of the quote as they stood; kind is limit, base (id is the grade) or extra (amount for each step of what"
    " it counts beyond what is free)",
    {
        "position": I, "kind": S, "id": S, "text": S, "counts": S, "free": I, "step": I, "amount": F, "currency": S,
        "is_example": B,
    },
)
QUOTE = _table(
    "quote",
    "position",
    "what the move costs by the rules, line by line, then the total; above the limit one line that says so",
    {"position": I, "item": S, "quantity": I, "price": F, "amount": F, "currency": S, "basis": S},
)
TIMELINE = _table(
    "timeline",
    "position",
    "the steps of the move by business day at most, and what each waits for",
    {"position": I, "step": S, "first_day": I, "last_day": I, "waits_for": S},
)
SCOPE_CHECK = _table(
    "scope_check",
    "item",
    "what has to add up in the scope, counted another way: the quote's lines, the recommended plan, the business days",
    {"item": S, "expected": F, "found": F, "difference": F},
)
GOTCHAS = _table(
    "gotchas",
    "position",
    "a known trap of one side (User.com or Freshsales), whether it applies to this customer, why by its own numbers, and"
    " what to do",
    {"position": I, "side": S, "title": S, "applies": B, "because": S, "action": S, "source": S},
)

DELTA = _table(
    "delta",
    "entity source_id",
    "of a delta run: every source row now or in the run it goes on from, by its content; volatile fields don't count;"
    " change is new, changed, deleted or same",
    {"entity": S, "source_id": S, "change": S, "hash_before": S, "hash_after": S},
    personal="source_id",
)
DELTA_BALANCE = _table(
    "delta_balance",
    "entity",
    "of a delta run: rows then and now, and what became of them; unaccounted is the difference on both sides",
    {"entity": S, "before": I, "now": I, "new": I, "changed": I, "deleted": I, "same": I, "unaccounted": I},
)
FREEZE = _table(
    "freeze",
    "entity",
    "of a delta run: the newest change the source tells, and how many rows changed after the run it goes on from"
    " read them and while this one did; null where nothing tells when a row changed",
    {"entity": S, "newest": TIME, "since_base": I, "since_reading": I},
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
    "what carries an activity type in the target: a table of 04 or skip; the sendings, opens and clicks of e-mails are the"
    " types email:sent, email:opened, email:clicked; a type nobody lists has its id without a name",
    {"activity_type_id": S, "name": S, "kind": S, "carrier": S, "records": I, "reason": S},
)
MAPPING_COVERAGE = _table(
    "mapping_coverage",
    "entity",
    "filled source fields, and how many are mapped, skipped by decision or listed as unmapped",
    {"entity": S, "filled_fields": I, "mapped": I, "skipped": I, "listed": I, "unaccounted": I},
)
EVENT_MAP = _table(
    "event_types",
    "event",
    "what carries the occurrences of a custom event: notes (one summary per contact), sales_activities, tasks or skip",
    {"event": S, "carrier": S, "records": I, "calls": I, "reason": S},
)
TAG_PLAN = _table(
    "tag_plan",
    "module",
    "how tags are carried per module: native, multi_select or contact_type (a dropdown); api_name is the custom field,"
    " empty for native; too_long counts tags over 40 characters",
    {"module": S, "mode": S, "api_name": S, "distinct": I, "most_per_record": I, "too_long": I, "reason": S},
)
LIST_PLAN = _table(
    "list_plan",
    "list_key",
    "a static list or a segment and the contact list it becomes; list_key is list:<id> or segment:<id>; target_name is"
    " blank where it is left behind by decision",
    {"list_key": S, "kind": S, "name": S, "target_name": S, "members": I, "is_renamed": B},
)
PROPOSALS = _table(
    "proposals",
    "entity source_field rank",
    "what a source field, stage or activity type may become, the likeliest first, at most three; entity is contact, company, deal, stage"
    " or activity_type and source_field its key as in decisions.csv; confidence 0-1; is_chosen is true where it is the mapping's proposal",
    {
        "entity": S, "source_field": S, "rank": I, "target_field": S, "rule": S, "confidence": F, "reason": S,
        "is_chosen": B,
    },
)
CHOICE_PROPOSALS = _table(
    "choice_proposals",
    "entity source_field source_value rank",
    "what a source choice may become among the choices its target field has already; the first is the choice itself where"
    " the field is new",
    {
        "entity": S, "source_field": S, "source_value": S, "rank": I, "target_value": S, "confidence": F,
        "reason": S,
    },
    personal="source_value target_value",
)
OWNER_PROPOSALS = _table(
    "owner_proposals",
    "agent_id rank",
    "which Freshsales user a source owner may be; only the same e-mail is ever acted upon, a similar name is a suggestion",
    {"agent_id": S, "rank": I, "email": S, "confidence": F, "reason": S},
    personal="email",
)
UNMAPPED = _table(
    "unmapped",
    "entity field",
    "a filled source field that goes nowhere, the records it touches, and why",
    {"entity": S, "field": S, "filled": I, "reason": S},
)
EXCLUSIONS = _table(
    "exclusions",
    "source_id",
    "a contact the customer's exclusions.csv leaves behind, and why in the words of who decided; is_in_source is false for an"
    " id the extract does not hold",
    {"source_id": S, "reason": S, "is_in_source": B},
)
DECISION_ROWS = _table(
    "decision_rows",
    "entity source_field",
    "every decision as it stands in decisions.csv and mapping.xlsx, and the records it touches; entity is contact, company,"
    " deal, choice, stage, owner, activity_type, event, tag or list; position is their order in the files",
    {
        "entity": S, "source_field": S, "target_entity": S, "target_field": S, "rule": S, "decision": S,
        "confidence": F, "reason": S, "note": S, "records": I, "position": I,
    },
    personal="source_field target_field",
)
MAPPING_CHANGES = _table(
    "mapping_changes",
    "entity source_field",
    "a decision that differs from the map approved last, and the records it touches; choices are counted per field, owners"
    " tell that the user is another one, never who",
    {"entity": S, "source_field": S, "before": S, "after": S, "records": I},
)

LOSS_PREVIEW = _table(
    "loss_preview",
    "entity source_field target_field rule kind",
    "what the map does to values before anybody approves it: per field and kind of difference the rows it touches, their"
    " share of those that have a value (0-1, null where nothing is counted), and what follows; is_loss is false where the"
    " meaning stays; source_field is `(the record)` for whole records, whose rule is the reason",
    {
        "entity": S, "source_field": S, "target_field": S, "rule": S, "kind": S, "is_loss": B, "rows": I, "share": F,
        "consequence": S,
    },
)
WORKSPACE_LIMITS = _table(
    "workspace_limits",
    "module limit item",
    "what the map needs of the workspace beside what the plan and the vendor allow; item is blank or the field it is about;"
    " verdict is fits, unknown (nobody publishes the limit), told_apart or exceeds, with what to do",
    {
        "module": S, "limit": S, "item": S, "planned": I, "allowed": I, "verdict": S, "proposal": S, "source": S,
    },
)

# 03_workspace: what the target has
_phase = "03_workspace"

TARGET_FIELDS = _table(
    "target_fields",
    "module api_name",
    "a field of the target as its settings tell; choices and choice_ids run parallel; is_unique is null where no"
    " form tells it",
    {
        "module": S, "api_name": S, "label": S, "field_type": S, "is_custom": B, "is_required": B,
        "is_unique": B, "choices": TEXTS, "choice_ids": TEXTS,
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
TARGET_ACTIVITY_TYPES = _table(
    "target_activity_types",
    "type_id",
    "a type of sales activity; internal_name is its stable marker, which the customer's own types share",
    {"type_id": I, "name": S, "internal_name": S, "is_default": B, "position": I},
)
EXISTING_LISTS = _table(
    "existing_lists",
    "list_id",
    "a contact list of the target before the load; source_id is what an earlier run made it of, null for anybody else's",
    {"list_id": I, "name": S, "source_id": S},
)
CAPABILITIES = _table(
    "capabilities",
    "capability",
    "what this tenant was measured to do, when, and with which evidence",
    {"capability": S, "value": S, "evidence": S, "measured_at": TIME},
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
        "state": S, "zipcode": S, "country": S, "number_of_employees": I, "annual_revenue": F, "facebook": S,
        "twitter": S, "linkedin": S, "tags": TEXTS, "cf_usercom_original_id": S,
    },
    prefix="cf_",
    personal="name phone website address city state zipcode annual_revenue facebook twitter linkedin",
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
    "a record left out on purpose: chat_only, push_only, unidentified, or `by decision: <reason>` as exclusions.csv says",
    {"entity": S, "source_id": S, "reason": S},
)
EXCLUSIONS_OBEYED = _table(
    "exclusions_obeyed",
    "reason",
    "contacts left behind by decision, per reason: named in exclusions.csv, held by the source, left out, and written all the"
    " same; unaccounted is who is in the source and not left out",
    {"reason": S, "named": I, "in_source": I, "left_out": I, "written": I, "unaccounted": I},
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
LOSS_AGREEMENT = _table(
    "loss_agreement",
    "entity source_field kind",
    "what the map was said to lose beside what was lost making the records; unexplained is the difference, 0 where a fact"
    " measured in between explains it (why)",
    {"entity": S, "source_field": S, "kind": S, "previewed": I, "lost": I, "unexplained": I, "why": S},
)
TASKS = _table(
    "tasks",
    "source_id",
    "a task as it will be written; source_id is activity:<id> or event:<id>; parent_kind contact, company or deal",
    {
        "source_id": S, "owner_agent_id": S, "title": S, "due_date": TIME, "is_done": B, "description": S,
        "parent_kind": S, "parent_id": S,
    },
    personal="title description",
)
APPOINTMENTS = _table(
    "appointments",
    "source_id",
    "a meeting as it will be written; time_zone is a Rails name; attendees are never written",
    {
        "source_id": S, "owner_agent_id": S, "title": S, "from_date": TIME, "end_date": TIME, "description": S,
        "time_zone": S, "parent_kind": S, "parent_id": S,
    },
    personal="title description",
)
SALES_ACTIVITIES = _table(
    "sales_activities",
    "source_id",
    "a dated entry of the history; activity_type is the internal name of a Freshsales activity type (phone, email,"
    " chat, task...); source_id is activity:<id>, event:<id>, or email:<id>:sent|opened|clicked",
    {
        "source_id": S, "owner_agent_id": S, "activity_type": S, "title": S, "start_date": TIME, "end_date": TIME,
        "notes": S, "parent_kind": S, "parent_id": S,
    },
    personal="title notes",
)
NOTES = _table(
    "notes",
    "source_id",
    "a note as it will be written, HTML escaped, lines divided by <br>; the first line carries the source id; source_id is"
    " conversation:<id>:<part>, events:<contact id>:<event>:<part>, overflow:<entity>:<id>:<field>:<part>,"
    " overflow:activity:<id>:text:<part> or activity:<id>:<part>; parts count from 1",
    {"source_id": S, "description": S, "parent_kind": S, "parent_id": S},
    personal="description",
)
LISTS_TARGET = _table(
    "target_lists",
    "source_id",
    "a contact list as it will be made; source_id is list:<id> or segment:<id>",
    {"source_id": S, "name": S},
)
LIST_MEMBERS = _table(
    "list_members",
    "list_key contact_id",
    "a surviving contact in a list",
    {"list_key": S, "contact_id": S},
)
DOCUMENTS = _table(
    "documents",
    "source_id",
    "a file (path relative to the customer's attachments) or a link (url) as it will be attached",
    {
        "source_id": S, "kind": S, "name": S, "path": S, "url": S, "size_bytes": I, "sha256": S, "parent_kind": S,
        "parent_id": S,
    },
    personal="name path url",
)
HISTORY_BALANCE = _table(
    "history_balance",
    "entity",
    "per kind of history (activity, event, email, conversation, message, membership, file, link): source rows and what"
    " became of each: carried by some record, rejected with a reason, or skipped by decision",
    {"entity": S, "rows_in": I, "carried": I, "rejected": I, "skipped": I, "unaccounted": I},
)
CARRIED = _table(
    "carried",
    "entity source_id",
    "which target record carries which source row: carrier_module and carrier_id are keys of 04's tables (the part a"
    " message begins in); source_id is that of the source table, for an email <id>:sent|opened|clicked, for a message"
    " <conversation id>:<position>, for a membership <list key>:<contact id>, for a file or link"
    " <entity>:<source id>:<name or field>;"
    " state is carried, rejected or skipped, with the reason",
    {"entity": S, "source_id": S, "carrier_module": S, "carrier_id": S, "state": S, "reason": S},
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
    "seq",
    'one write, op_id its name: payload is JSON in which {"$id": "<entity>:<source_id>"} stands for a target id not known yet;'
    " target_id is set where an existing record is updated; after lists the ops it needs",
    {
        "op_id": S, "seq": I, "entity": S, "action": S, "source_id": S, "target_id": I, "payload": S,
        "payload_sha256": S, "after": TEXTS,
    },
    personal="payload",
)
STRATEGIES = _table(
    "strategies",
    "entity",
    "how the writes of an entity go out: bulk_with_links, bulk_then_links or single, by which key, and why",
    {"entity": S, "strategy": S, "key": S, "reason": S},
)
FORECAST = _table(
    "forecast",
    "plan entity",
    "calls and hours the load takes at each plan's quota; entity `total` is their sum, `guards` the run's own checks",
    {"plan": S, "entity": S, "calls": I, "requests_per_hour": I, "hours": F},
)
FORECAST_ERROR = _table(
    "forecast_error",
    "entity",
    "calls forecast beside calls used over all starts of the load; error is (used - forecast) / forecast",
    {"entity": S, "forecast": I, "used": I, "error": F},
)
FAILED_KEYS = _table(
    "failed_keys",
    "op_id",
    "a write the target refused, with the kind of reason; its own words stand in the ledger",
    {"op_id": S, "entity": S, "source_id": S, "kind": S},
)
STORAGE = _table(
    "storage",
    "requirement",
    "what the documents need beside what the target's plan allows, in bytes; null where the vendor does not say",
    {"requirement": S, "needed": F, "allowed": F, "fits": B, "source": S},
)
COVERAGE = _table(
    "coverage",
    "entity",
    "normalized rows beside the plan's primary writes for them, and those a delta run leaves as an earlier run wrote"
    " them; uncovered and repeated are the differences",
    {"entity": S, "normalized": I, "planned": I, "untouched": I, "uncovered": I, "repeated": I},
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
BEFORE_IMAGES = _table(
    "before_images",
    "module target_id",
    "a record the plan changes, whole, as the target showed it when the plan was made; record is its JSON",
    {"module": S, "target_id": I, "record": S},
    personal="record",
)
CAPABILITY_CHECK = _table(
    "capability_check",
    "capability",
    "what the tenant was measured to do before the plan was made, and right before the first write; verdict is"
    " confirmed, changed or not asked",
    {"capability": S, "measured": S, "now": S, "verdict": S},
)
FOREIGN_RECORDS = _table(
    "foreign_records",
    "kind target_id",
    "what nobody planned on a contact or lead this load created (entity, source_id), as Workflows make it; kept",
    {"kind": S, "target_id": I, "entity": S, "source_id": S, "seen_at": TIME},
)
CROSSWALK = _table(
    "crosswalk",
    "entity source_id",
    "source id to target id; origin is created or matched",
    {"entity": S, "source_id": S, "target_id": I, "origin": S},
)

UNTOUCHED = _table(
    "untouched",
    "entity source_id",
    "of a delta run: a record it does not write; why is same (an earlier run wrote it so), kept (a person's change in the"
    " target wins), gone (a person deleted it there), refused (it was refused with this content before)",
    {"entity": S, "source_id": S, "why": S},
)
CONFLICTS = _table(
    "conflicts",
    "entity source_id key",
    "of a delta run: a field that changed in the source and, by a person, in the target; key `record` is the whole record,"
    " deleted there; winner target or source",
    {"entity": S, "source_id": S, "target_id": I, "key": S, "winner": S},
)
TARGET_CHANGES = _table(
    "target_changes",
    "entity source_id",
    "of a delta run: a record of earlier runs that shows something else in the target than they left; key `record` where"
    " it is no longer there",
    {"entity": S, "source_id": S, "target_id": I, "keys": TEXTS},
)

# 06_reconciliation
_phase = "06_reconciliation"

ACTUAL_ACCOUNTS = _table(
    "actual_sales_accounts",
    "target_id",
    "an account as the target tells it; source_id is the mark it carries, null for one that is not ours",
    {
        "target_id": I, "source_id": S, "owner_id": I, "name": S, "phone": S, "website": S, "address": S,
        "city": S, "state": S, "zipcode": S, "country": S, "number_of_employees": I, "annual_revenue": F,
        "facebook": S, "twitter": S, "linkedin": S, "tags": TEXTS,
    },
    prefix="cf_",
    personal="name phone website address city state zipcode annual_revenue facebook twitter linkedin",
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
ACTUAL_LEADS = _table(
    "actual_leads",
    "target_id",
    "a lead of Freshsales Classic as the target tells it; source_id is the mark it carries; company_name is the company"
    " it names, which is no link",
    {
        "target_id": I, "source_id": S, "owner_id": I, "first_name": S, "last_name": S, "email": S, "mobile_number": S,
        "work_number": S, "address": S, "city": S, "state": S, "zipcode": S, "country": S, "time_zone": S,
        "job_title": S, "facebook": S, "twitter": S, "linkedin": S, "tags": TEXTS, "company_name": S,
    },
    prefix="cf_",
    personal="first_name last_name email mobile_number work_number address city state zipcode job_title"
    " facebook twitter linkedin company_name",
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
ACTUAL_TASKS = _table(
    "actual_tasks",
    "target_id",
    "a task as the target tells it; parent is <kind>:<target id> with kind contact, lead, company or deal, several joined"
    " by a blank; null where it hangs on nothing",
    {
        "target_id": I, "owner_id": I, "title": S, "due_date": TIME, "is_done": B, "description": S, "parent": S,
    },
    personal="title description",
)
ACTUAL_APPOINTMENTS = _table(
    "actual_appointments",
    "target_id",
    "a meeting as the target tells it; attendees is their number; owner_id is null where the target does not tell it",
    {
        "target_id": I, "owner_id": I, "title": S, "from_date": TIME, "end_date": TIME, "description": S,
        "time_zone": S, "attendees": I, "parent": S,
    },
    personal="title description",
)
ACTUAL_SALES_ACTIVITIES = _table(
    "actual_sales_activities",
    "target_id",
    "a dated entry of the history as the target tells it; activity_type is the internal name of its type",
    {
        "target_id": I, "owner_id": I, "activity_type": S, "title": S, "start_date": TIME, "end_date": TIME, "notes": S,
        "parent": S,
    },
    personal="title notes",
)
ACTUAL_NOTES = _table(
    "actual_notes",
    "target_id",
    "a note on a record that should have one",
    {"target_id": I, "description": S, "parent": S},
    personal="description",
)
ACTUAL_LISTS = _table("actual_lists", "target_id", "a contact list of the target", {"target_id": I, "name": S})
ACTUAL_LIST_MEMBERS = _table(
    "actual_list_members",
    "list_id contact_id",
    "a contact in one of the lists that were loaded, both as target ids",
    {"list_id": I, "contact_id": I},
)
ACTUAL_DOCUMENTS = _table(
    "actual_documents",
    "kind target_id",
    "a file or link on a record that should have one; sha256 of the bytes the target serves, null where it serves none",
    {
        "kind": S, "target_id": I, "name": S, "url": S, "size_bytes": I, "sha256": S, "parent": S,
    },
    personal="name url",
)
HISTORY_CLASSES = _table(
    "history_classes",
    "module source_id",
    "every record of the history in exactly one class: loaded, missing, duplicated, rejected by the target, or"
    " kept_by_target (a person deleted it since an earlier run loaded it)",
    {"module": S, "source_id": S, "class": S, "target_id": I, "reason": S},
)
HISTORY_TARGET_ONLY = _table(
    "history_target_only",
    "module target_id",
    "a target record of the history that is not the one place of a loaded one: copy (of source_id), unexpected (on a"
    " record that was loaded), or foreign (on others)",
    {"module": S, "target_id": I, "class": S, "source_id": S},
)
MEMBER_CLASSES = _table(
    "member_classes",
    "list_key contact_id",
    "every membership in exactly one class: found, missing, extra or kept_by_target (a person's since an earlier run);"
    " an extra contact of nobody's is target:<id>",
    {"list_key": S, "contact_id": S, "class": S, "reason": S},
)
HISTORY_DIFFERENCES = _table(
    "history_differences",
    "module source_id field",
    "a field of a history record whose value in the target is not the loaded one; kind is missing, changed or extra",
    {"module": S, "source_id": S, "target_id": I, "field": S, "kind": S, "expected": S, "actual": S},
    personal="expected actual",
)
HISTORY_FIDELITY = _table(
    "history_fidelity",
    "module field",
    "per field of the history: values compared, equal, different, and kept by the target",
    {"module": S, "field": S, "compared": I, "equal": I, "different": I, "kept_by_target": I},
)
HISTORY_CLASS_BALANCE = _table(
    "history_class_balance",
    "module",
    "the records of the history beside the sum of their classes; unaccounted is the difference; different are records"
    " with at least one differing field",
    {
        "module": S, "normalized": I, "loaded": I, "missing": I, "duplicated": I, "rejected": I, "kept_by_target": I,
        "unexpected": I, "different": I, "unaccounted": I,
    },
)
HISTORY_CHAIN = _table(
    "history_chain",
    "entity",
    "per kind of history in the source: rows extracted, and how many of them stand in the target, were rejected, skipped"
    " by decision, or lost (their carrier is missing)",
    {
        "entity": S, "extracted": I, "found": I, "rejected": I, "skipped": I, "lost": I, "kept_by_target": I,
        "unaccounted": I,
    },
)
INSTANTS = _table(
    "instants",
    "entity source_id",
    "the instant of a source activity, event, e-mail or message beside the one the target record that carries it shows;"
    " equal to the second, which is what the target keeps; source_id as in `carried`",
    {
        "entity": S, "source_id": S, "carrier_module": S, "target_id": I, "expected": TIME, "found": TIME,
        "is_equal": B,
    },
)
FLOW = _table(
    "flow",
    "entity position",
    "the way of each kind of source record, station by station: in the source, kept (04), planned (05), loaded (05),"
    " found (06); records that reached it, left behind since the station before, and the difference nobody explains",
    {"entity": S, "position": I, "step": S, "records": I, "left": I, "unaccounted": I},
)
FLOW_LEFT = _table(
    "flow_left",
    "entity position fate reason",
    "what did not reach a station of `flow`, by fate (merged: lives on in another record; left_out: by a rule, a decision"
    " or the target's refusal; lost: nobody knows why) and reason in plain words",
    {"entity": S, "position": I, "fate": S, "reason": S, "records": I},
)
INSTANT_BALANCE = _table(
    "instant_balance",
    "entity",
    "per kind of history: instants compared with the source, equal, different",
    {"entity": S, "compared": I, "equal": I, "different": I},
)
CLASSES = _table(
    "classes",
    "entity source_id",
    "every source record in exactly one class: loaded, merged, excluded, rejected, missing, duplicated, or kept_by_target"
    " (a person deleted it since an earlier run loaded it); module is where in the target target_id is",
    {"entity": S, "source_id": S, "class": S, "module": S, "target_id": I, "reason": S},
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
    "every relation in exactly one class: found, repointed, dropped, missing, extra, wrong_primary, or kept_by_target"
    " (a person changed it since an earlier run wrote it)",
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
    "per field: values compared, equal, different, and kept by the target: a person changed them since an earlier run",
    {"entity": S, "field": S, "compared": I, "equal": I, "different": I, "kept_by_target": I},
)
LOST_FIELDS = _table(
    "lost_fields",
    "entity source_field target_field rule kind",
    "the target's values taken back to the source's words, beside the source: rows found per field and kind of difference,"
    " rows the map had named; unnamed are losses nobody named, unannounced changes nobody named",
    {
        "entity": S, "source_field": S, "target_field": S, "rule": S, "kind": S, "is_loss": B, "compared": I,
        "named": I, "found": I, "unnamed": I, "unannounced": I,
    },
)
CLASS_BALANCE = _table(
    "class_balance",
    "entity",
    "the extract beside the sum of its classes; unaccounted is the difference, problems what needs a person",
    {
        "entity": S, "extracted": I, "loaded": I, "merged": I, "excluded": I, "rejected": I, "missing": I,
        "duplicated": I, "kept_by_target": I, "unexpected": I, "unaccounted": I,
    },
)
LINK_BALANCE = _table(
    "link_balance",
    "relation",
    "per relation: how many links the source has and what became of them",
    {
        "relation": S, "extracted": I, "found": I, "repointed": I, "dropped": I, "missing": I, "extra": I,
        "wrong_primary": I, "kept_by_target": I, "unaccounted": I,
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

SPOT_COVERAGE = _table(
    "spot_coverage",
    "covers",
    "each class, relation state, carrier, repair and hazard that occurs, and on how many records of the sheet it is",
    {"covers": S, "in_sheet": I},
)
KEPT = _table(
    "kept",
    "kind entity source_id what",
    "of a delta run: what the target shows by a person's change and not by ours; kind is record, field, link or member;"
    " what is the field, or the other end of the link",
    {"kind": S, "entity": S, "source_id": S, "what": S, "reason": S},
)

REASSIGNED = _table(
    "reassigned",
    "agent_id",
    "an agent whose records `crmbook reassign` handed to a user that was made after the load",
    {"agent_id": S, "owner_id": I},
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
AUTOMATION_SIGNS = _table(
    "automation_signs",
    "kind sign",
    "what in the data points to an automation: how many records, on how many days, why it is a sign, and the listed"
    " automation it belongs to; strength is strong (no person does it so) or weak; is_explained is false where a strong"
    " one belongs to none; text is what a mail, title or message says, whose sign is only its number",
    {
        "kind": S, "sign": S, "records": I, "days": I, "reason": S, "strength": S, "listed_in": S, "is_explained": B,
        "text": S,
    },
    personal="text",
)
REBUILD_GUIDE = _table(
    "rebuild_guide",
    "name part position",
    "each part of a listed automation beside what Freshsales Workflows have for it; part is trigger, condition or action;"
    " fits is same, another way, none or unknown (nothing known matches: a person decides); needs is the feature of the"
    " plan it takes, plan_has whether the target's plan has it (null where the vendor does not say)",
    {
        "name": S, "part": S, "position": I, "is_active": B, "listed": S, "there": S, "fits": S, "how": S, "needs": S,
        "plan_has": B, "source": S,
    },
)
REBUILD_LIMITS = _table(
    "rebuild_limits",
    "requirement",
    "what the active automations need of the target plan beside what it allows; null where the vendor does not say",
    {"requirement": S, "needed": F, "allowed": F, "fits": B, "source": S},
)
MAILINGS = _table(
    "mailings",
    "kind name",
    "a campaign, or a mail seen so often that it has a template: neither moves; how often it went out, how it was"
    " received, and from when to when; subject is that of a mail, whose name is only its number",
    {
        "kind": S, "name": S, "sent": I, "opened": I, "clicked": I, "first": D, "last": D, "action": S, "subject": S,
    },
    personal="subject",
)
HYPERCARE = _table(
    "hypercare",
    "day position",
    "what is done on each of the five business days after the switch, by whom, for how many records, by which command",
    {"day": I, "position": I, "what": S, "who": S, "records": I, "command": S},
)
SEGMENT_GUIDE = _table(
    "segment_guide",
    "segment_id",
    "one segment to rebuild as a filter, with its size on the day of the move and the list its members stand in",
    {"segment_id": S, "name": S, "description": S, "members": I, "list_name": S, "in_list": I},
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
    "per object of the source: what moved, what did not, and why; in what it stands, what is kept, and what is lossy",
    {
        "object": S, "in_source": I, "in_target": I, "not_moved": I, "why": S, "carrier": S, "kept": S, "lossy": S,
    },
)

# rollback, which has no place in the line
_phase = "rollback"

ROLLBACK_PLAN = _table(
    "rollback_plan",
    "entity source_id",
    "what is done about each record a run wrote: keys are put back, stays are keys somebody changed since, because"
    " names records that are not ours; members are those of a list that this run put in",
    {
        "entity": S, "source_id": S, "target_id": I, "origin": S, "action": S, "reason": S, "keys": TEXTS,
        "stays": TEXTS, "because": TEXTS, "members": I, "is_done": B,
    },
)
ROLLBACK_CALLS = _table(
    "rollback_calls",
    "number",
    "calls each step of the rollback takes; the total with its hours at the hourly quota, where the plan publishes one",
    {"number": I, "step": S, "calls": I, "hours": F},
)
ROLLBACK_OUTCOMES = _table(
    "rollback_outcomes",
    "entity",
    "what became of every record a run wrote; unaccounted is the difference",
    {
        "entity": S, "written": I, "deleted": I, "restored": I, "emptied": I, "kept": I, "left": I, "gone": I,
        "refused": I, "unaccounted": I,
    },
)
