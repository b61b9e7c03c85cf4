"""One shape for what User.com sends in two: a received object in, its canonical fields out.

The keys are those of both API versions under their version 2 names; every id and reference is text, dates
stay as received, `tags`, `lists` and `companies` are lists of `{"id", "name"}`, `attributes` is
`{name_std: value}`. The version is read off each object, since vendor pages and recorded answers disagree
about what the header selects; `user_id` and `company_id` mean the client's own id in version 1 and the
vendor's in version 2. Under version 2 every key that is no standard one is a custom attribute. A value of
the wrong type is a DataError that names entity, source id and key.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from crmbook.errors import DataError
from crmbook.vendors.usercom_values import KINDS, SOURCES, Json, WrongTypeError, kind_of, ref

# One line per field: its key, its kind, and its name in version 1 where that differs.
FIELDS: Final = {
    "users": """
        custom_id text user_id / user_key text key / name text / email text / phone_number text
        gender gender / status user_status / first_seen moment / last_seen moment / last_contacted moment
        page_views integer / score integer / unsubscribed flag / notifications flag / web_push_subscription flag
        city text / region text / country text / timezone text / assigned_to ref
        facebook_url text / google_url text / linkedin_url text / twitter_url text / gravatar_url text
        last_ip text / browser text / browser_language text / os_type text / resolution text
        most_active_time any / companies companies / lists named / tags named
        created_at moment / updated_at moment
    """,
    "companies": """
        custom_id text company_id / name text / description text / email text / country text / region text
        city text / address text / postal_code text / size integer approx_employees / phone_numbers texts
        employees refs / tags named / created_at moment / updated_at moment
    """,
    "deals": """
        custom_id text deal_id / name text / value decimal / currency text / pipeline ref / stage ref
        status integer / assigned_to ref / restricted_to ref / agent ref / created_by ref
        user_id ref person / user_custom_id text user_id / company_id ref company
        company_custom_id text company_deal_id / products refs / products_custom_id texts products_deal_id
        order_products any / participants refs / scope any / tags named / activities_status any
        expected_close_date text / loss_reason any / loss_reason_description text
        lost_at moment / won_at moment / created_at moment / updated_at moment
    """,
    "activities": """
        custom_id text / activity_type ref / name text / due_date moment datetime / duration integer
        description text / done flag / done_date moment / assigned_to ref
        user_id ref person / company_id ref company / deal_id ref deal / created_by ref
        created_at moment / updated_at moment
    """,
    "events": "user_id ref client / event_id ref / name text event / timestamp moment / data data items",
    "emails": """
        user_id ref / status any / created_at moment / sent_at moment / opened_at moment
        clicked_at moment / subject text
    """,
    "pipelines": "name text / position integer / stages stages",
    "stages": "name text / position integer / probability number",
    "activity_types": "name text / kind text",
    "agents": "name text / email text",
    "tags": "name text",
    "lists": "name text / description text",
    "segments": "name text / description text / object_count integer",
    "attributes": "name text / name_std text / content_type content_type / value_type value_type",
    "campaigns": """
        name text / type any / status any / recipients_count integer / closed any / started_at moment / smtp any
        custom_settings any / real_sender any / statistics any
    """,
}  # fmt: skip

# Keys that betray the version; without any, version 2 is what we asked for.
_V2_MARKS: Final = {
    "users": {"custom_id", "user_key"},
    "companies": {"custom_id", "size"},
    "deals": {"user_custom_id", "company_custom_id", "products_custom_id"},
}
V1_MARKS: Final = {
    "users": {"key", "user_id"},
    "companies": {"approx_employees", "company_id"},
    "deals": {"person"},
    # Vendor pages print version 1 names for activities in both versions.
    "activities": {"person", "company", "deal", "datetime"},
    "events": {"client", "event", "items"},
}
_MIXED: Final = ("activities", "events")
WITH_ATTRIBUTES: Final = {"users": "user", "companies": "company", "deals": "deal"}
# Standard in one version or on one page only; a custom attribute declared under such a name is custom.
SOMETIMES: Final[dict[str, set[str]]] = {
    "users": {"first_name", "last_name", "chat_id", "last_heard", "fcm_key"},
    "companies": set[str](),
    "deals": {"activities_status_updated_at"},
}


def canonical(entity: str, obj: Any, declared: Collection[str] | None = None) -> Json:
    """
    The canonical fields of a received *obj*; every field of the entity is there, null where it wasn't sent.

    *declared* are the `name_std` of the entity's custom attributes, where known: they decide about the few
    keys that are standard in some answers only (`first_name`, `last_heard` …).

    Raises:
        DataError: not an object, without a usable id, or with a value of the wrong type.
    """
    source_id = source_id_of(entity, obj)
    fields: Json = {"id": source_id}
    for key, (name, kind) in names(entity, is_v1=is_v1(entity, obj)).items():
        read = key if name not in obj and entity in _MIXED else name
        fields[key] = _value(entity, source_id, read, kind, obj.get(read))
    if entity in WITH_ATTRIBUTES:
        fields["attributes"] = _attributes(entity, source_id, obj, declared)
    if entity == "users":
        fields |= _sometimes(source_id, obj, declared or ())
    return fields


def source_id_of(entity: str, obj: Any) -> str:
    """The vendor's id of *obj* as text; raises DataError where it has none that can stand in a path."""
    if not isinstance(obj, Mapping):
        raise DataError(f"{entity}: expected an object for each record, got {kind_of(obj)}")
    try:
        text = ref(obj.get("id"))
    except WrongTypeError:
        text = None
    if text is None:
        raise DataError(f"{entity}: a record without a usable id (got {kind_of(obj.get('id'))})")
    return text


def is_v1(entity: str, obj: Json) -> bool:
    """Whether *obj* carries the names of API version 1."""
    if _V2_MARKS.get(entity, set()) & obj.keys():
        return False
    return bool(V1_MARKS.get(entity, set()) & obj.keys()) or _listed(obj.get("attributes"))


def conversation(obj: Any) -> Json:
    """
    A conversation, with or without its messages (`messages` is null where only their number was sent).

    The author of a message is `agent` where `user.key` is null, the only sign the vendor docs give.
    """
    source_id = source_id_of("conversations", obj)
    user, agent = obj.get("user"), obj.get("agent")
    messages = obj.get("messages")

    def value(name: str, kind: str, what: Any) -> Any:
        return _value("conversations", source_id, name, kind, what)

    if isinstance(messages, list):
        shaped = [_message(source_id, message) for message in messages]
        count = len(shaped)
    else:
        shaped, count = None, value("messages", "integer", messages)
    return {
        "id": source_id,
        "user_id": value("user", "ref", user.get("id") if isinstance(user, dict) else user),
        "agent_id": value("agent", "ref", agent.get("id") if isinstance(agent, dict) else agent),
        "active": value("active", "flag", obj.get("active")),
        "message_count": count,
        "messages": shaped,
    }


def _message(conversation_id: str, obj: Any) -> Json:
    where = f"conversation {conversation_id}, message"
    source_id = source_id_of(where, obj)
    user = obj.get("user") or {}
    if not isinstance(user, dict):
        raise DataError(f"{where} {source_id}: user: expected an object, got {kind_of(user)}")
    is_agent = not user.get("key")
    source = obj.get("source")
    return {
        "id": source_id,
        "author": "agent" if is_agent else "user",
        "agent_id": _value(where, source_id, "user.id", "ref", user.get("id")) if is_agent else None,
        "content": _value(where, source_id, "content", "text", obj.get("content")),
        "source": SOURCES.get(source, source) if isinstance(source, int) else source,
        "timestamp": _value(where, source_id, "timestamp", "moment", obj.get("timestamp")),
    }


@cache
def names(entity: str, *, is_v1: bool) -> dict[str, tuple[str, str]]:
    """Per canonical field of *entity*: the key it is read from in that version, and its kind."""
    found = {}
    for declaration in re.split(r"\s*/\s*|\n", FIELDS[entity]):
        if declaration.strip():
            key, kind, *old = declaration.split()
            found[key] = (old[0] if is_v1 and old else key, kind)
    return found


def _attributes(entity: str, source_id: str, obj: Json, declared: Collection[str] | None) -> Json:
    values: Json = {}
    listed = obj.get("attributes")
    if _listed(listed):
        for item in listed or []:
            if not isinstance(item, dict) or not isinstance(item.get("name_std"), str):
                raise DataError(f"{entity} {source_id}: attributes: expected objects with a name_std")
            values[item["name_std"]] = item.get("value")
    if is_v1(entity, obj):
        return values
    standard = {"id"} | {name for name, _ in names(entity, is_v1=False).values()}
    standard |= SOMETIMES[entity] - set(declared or ())
    if _listed(listed):
        standard.add("attributes")
    return values | {key: value for key, value in obj.items() if key not in standard}


def _sometimes(source_id: str, obj: Json, declared: Collection[str]) -> Json:
    def value(name: str, kind: str) -> Any:
        return _value("users", source_id, name, kind, None if name in declared else obj.get(name))

    fields: Json = {"last_heard": value("last_heard", "moment"), "fcm_key": value("fcm_key", "text")}
    parts = [value("first_name", "text"), value("last_name", "text")]
    if obj.get("name") is None and any(parts):
        fields["name"] = " ".join(part for part in parts if part)
    return fields


def _listed(value: Any) -> bool:
    # A flat custom attribute may itself be called "attributes"; only objects with a name_std make it the list.
    return value == [] or (
        isinstance(value, list) and any(isinstance(v, dict) and "name_std" in v for v in value)
    )


def value_of(kind: str, value: Any) -> Any:
    """The canonical *value* of a field of *kind*; null where none was sent, or an empty list. Raises WrongTypeError."""
    if value is None and kind not in ("named", "companies", "refs"):
        return None
    if kind == "stages":
        return [canonical("stages", stage) for stage in (value if isinstance(value, list) else [value])]
    return KINDS[kind](value)


def _value(entity: str, source_id: str, name: str, kind: str, value: Any) -> Any:
    try:
        return value_of(kind, value)
    except WrongTypeError as expected:
        raise DataError(
            f"{entity} {source_id}: {name}: expected {expected}, got {kind_of(value)}; see the raw record"
        ) from None
