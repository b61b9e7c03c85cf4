"""What a request body changes in a canonical row, under either version's names.

Limits are those the vendor's pages and clients name (40 characters for either half of a name, 64 for city and
phone, E.164 phones); nothing else is judged. A body key that is no standard attribute is a custom one; when no
such attribute is defined the switch `unknown_attribute` decides.
"""

import re
from typing import Any

from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_render import money
from crmbook.sandbox.usercom_state import Account
from crmbook.sandbox.usercom_wire import Call, invalid, not_found

GENDERS = {1: "unknown", 2: "male", 3: "female"}
STATUSES = {1: "visitor", 2: "user"}
LENGTHS = {"first_name": 40, "last_name": 40, "city": 64, "phone_number": 64}


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


MASS_UPDATABLE = _keys(
    "assigned_to city company_id country email facebook_url first_name gender google_url gravatar_url "
    "last_name linkedin_url notifications phone_number region score status timezone twitter_url unsubscribed "
    "custom_id"
)

_USER_PLAIN = _keys(
    "assigned_to city country email facebook_url google_url gravatar_url linkedin_url name notifications "
    "phone_number region score timezone twitter_url unsubscribed web_push_subscription page_views "
    "custom_id user_key first_seen last_seen last_contacted"
)
_USER_OTHER = _keys("first_name last_name gender status tags company_id company_custom_id")
_USER_READ_ONLY = _keys("id created_at updated_at companies lists attributes chat_id")
_TEXTS = ("custom_id", "user_key", "name", "first_name", "last_name", "email", "phone_number", "city")
_NAME_PARTS = {"First name": "first_name", "Last name": "last_name"}

_COMPANY_PLAIN = _keys(
    "custom_id name description email country region city address postal_code size phone_numbers"
)
_COMPANY_OTHER = _keys("id created_at updated_at employees tags attributes")

_DEAL_PLAIN = _keys(
    "custom_id name currency assigned_to restricted_to agent participants scope expected_close_date "
    "loss_reason loss_reason_description lost_at won_at order_products"
)
_DEAL_OTHER = _keys(
    "id value pipeline stage status user_id user_custom_id user_key company_id company_custom_id products "
    "products_custom_id tags created_at updated_at created_by activities_status attributes"
)


def user(call: Call, row: Doc, body: Doc) -> None:
    """Changes a user's row; raises 400 for a value over its limit, an unknown company or a taken id."""
    body = {_NAME_PARTS.get(name, name): value for name, value in body.items()}
    older = {"user_id": "custom_id", "key": "user_key", "company_id": "company_custom_id"}
    body = _current(call, body, older)
    _check_user(call.account, row, body)
    row.update({name: value for name, value in body.items() if name in _USER_PLAIN})
    if "first_name" in body or "last_name" in body:
        first, _, last = (row.get("name") or "").partition(" ")
        parts = (body.get("first_name", first), body.get("last_name", last))
        row["name"] = " ".join(part for part in parts if part) or None
    for name, labels in (("gender", GENDERS), ("status", STATUSES)):
        if name in body:
            row[name] = labels.get(body[name], body[name])
    if body.get("tags"):
        add_tags(call.account, row, body["tags"])
    if (firm := _company(call, body, missing=invalid(company_id="No such company."))) is not None:
        join(call.account, row, firm)
    known = _USER_PLAIN | _USER_OTHER | _USER_READ_ONLY
    attributes(call, "user", row, {name: value for name, value in body.items() if name not in known})


def company(call: Call, row: Doc, body: Doc) -> None:
    """Changes a company's row; raises 400 without a name."""
    body = _current(call, body, {"company_id": "custom_id", "approx_employees": "size"})
    row.update({name: value for name, value in body.items() if name in _COMPANY_PLAIN})
    if not row.get("name"):
        raise invalid(name="This field is required.")
    _unique(call.account, "companies", row, body)
    if body.get("tags"):
        add_tags(call.account, row, body["tags"])
    known = _COMPANY_PLAIN | _COMPANY_OTHER
    attributes(call, "company", row, {name: value for name, value in body.items() if name not in known})


def deal(call: Call, row: Doc, body: Doc) -> None:
    """Changes a deal's row; an unknown user or company is 404, an unknown pipeline, stage or status 400."""
    older = {"deal_id": "custom_id", "user_id": "user_custom_id", "person": "user_id"}
    older |= {"company_deal_id": "company_custom_id", "company": "company_id"}
    body = _current(call, body, older | {"products_deal_id": "products_custom_id"})
    row.update({name: value for name, value in body.items() if name in _DEAL_PLAIN})
    if not row.get("name"):
        raise invalid(name="This field is required.")
    _unique(call.account, "deals", row, body)
    if "value" in body:
        row["value"] = money(body["value"])
    _place(call.account, row, body)
    if (owner := reference(call, "users", body, "user_id", "user_custom_id")) is not None:
        row["user_id"] = owner["id"]
    if (firm := _company(call, body, missing=not_found())) is not None:
        row["company_id"] = firm["id"]
    if "products" in body:
        row["products"] = list(body["products"])
    elif "products_custom_id" in body:
        found = [call.account.find("products", "custom_id", name) for name in body["products_custom_id"]]
        row["products"] = [rows[0]["id"] for rows in found if rows]
    if body.get("tags"):
        add_tags(call.account, row, body["tags"])
    known = _DEAL_PLAIN | _DEAL_OTHER
    attributes(call, "deal", row, {name: value for name, value in body.items() if name not in known})


def attributes(call: Call, content_type: str, row: Doc, values: Doc) -> None:
    """Sets custom attributes by `name_std`, display name or id; a `fixed` value is kept as an array."""
    for name, value in values.items():
        definition = call.account.attribute(content_type, name) or _missing(call, content_type, name, value)
        if definition is None:
            continue
        if definition["value_type"] == "fixed" and value is not None and not isinstance(value, list):
            value = [str(value)]
        row.setdefault("attributes", {})[definition["name_std"]] = value


def name_std(name: str) -> str:
    """The key of an attribute: lower case, blanks become underscores (vendor docs)."""
    return name.lower().replace(" ", "_")


def add_tags(account: Account, row: Doc, names: list[str]) -> None:
    """Adds tags by name, creating those that do not exist; never removes one."""
    for name in names:
        tag, _ = account.tag(str(name))
        ids = row.setdefault("tag_ids", [])
        if tag["id"] not in ids:
            ids.append(tag["id"])


def join(account: Account, row: Doc, firm: Doc) -> None:
    links = row.setdefault("company_ids", [])
    if firm["id"] not in [link["id"] for link in links]:
        links.append({"id": firm["id"], "member_since": account.now()})


def reference(call: Call, kind: str, body: Doc, by_id: str, by_custom_id: str) -> Doc | None:
    """The row a body points to, None when it points to nothing; 404 when there is no such row."""
    if body.get(by_id) is not None:
        return call.row(kind, body[by_id])
    if body.get(by_custom_id) is not None:
        found = call.account.find(kind, "custom_id", str(body[by_custom_id]))
        if not found:
            raise not_found()
        return found[0]
    return None


def _company(call: Call, body: Doc, *, missing: Exception) -> Doc | None:
    found: Doc | None = None
    if body.get("company_id") is not None:
        found = call.account.row("companies", body["company_id"])
    elif body.get("company_custom_id") is not None:
        found = next(iter(call.account.find("companies", "custom_id", str(body["company_custom_id"]))), None)
    else:
        return None
    if found is None:
        raise missing
    return found


def _current(call: Call, body: Doc, older: dict[str, str]) -> Doc:
    """The body under version 2's names; `user_id` and its like mean something else in version 1."""
    names = older if call.version == 1 else {}
    current = {names.get(name, name): value for name, value in body.items()}
    for name in _TEXTS:
        value = current.get(name)
        if isinstance(value, bool | list | dict):
            raise invalid(**{name: "Not a valid string."})
        if value is not None:
            current[name] = str(value)
    return current


def _check_user(account: Account, row: Doc, body: Doc) -> None:
    for name, length in LENGTHS.items():
        if len(body.get(name) or "") > length:
            raise invalid(**{name: f"Ensure this field has no more than {length} characters."})
    phone = body.get("phone_number")
    if phone and not re.fullmatch(r"\+[1-9]\d{6,14}", phone):
        raise invalid(phone_number="The phone number entered is not valid.")
    if body.get("email") and "@" not in body["email"]:
        raise invalid(email="Enter a valid email address.")
    _unique(account, "users", row, body)


def _unique(account: Account, kind: str, row: Doc, body: Doc) -> None:
    if body.get("custom_id") is None:
        return
    if any(other["id"] != row.get("id") for other in account.find(kind, "custom_id", body["custom_id"])):
        raise invalid(custom_id="This field must be unique.")


def _place(account: Account, row: Doc, body: Doc) -> None:
    """Pipeline, stage and status. A deal created without a place starts in the first one (inferred)."""
    pipelines = account.rows("pipelines")
    home = {stage["id"]: pipeline["id"] for pipeline in pipelines for stage in pipeline["stages"]}
    if "stage" in body and body["stage"] not in home:
        raise invalid(stage="No such stage.")
    if "stage" in body:
        row["stage"] = body["stage"]
        row["pipeline"] = body.get("pipeline", home[body["stage"]])
    elif "pipeline" in body or "pipeline" not in row:
        wanted = body.get("pipeline", pipelines[0]["id"] if pipelines else None)
        row["pipeline"] = wanted
        row["stage"] = next((stage for stage, pipeline in home.items() if pipeline == wanted), None)
    if row["stage"] is None or home[row["stage"]] != row["pipeline"]:
        raise invalid(pipeline="No such pipeline, or the stage is not one of its stages.")
    status = body.get("status", row.get("status", 1))
    if status not in range(5):
        raise invalid(status="Expected 0 abandoned, 1 in progress, 2 won, 3 lost or 4 archived.")
    row["status"] = status
    for value, stamp in ((2, "won_at"), (3, "lost_at")):
        if status == value and not row.get(stamp):
            row[stamp] = account.now()


def _missing(call: Call, content_type: str, name: str, value: Any) -> Doc | None:
    policy = call.account.switch("unknown_attribute")
    if policy == "400":
        raise invalid(**{name: "No such attribute."})
    if policy != "create":
        return None
    types: dict[type, str] = {bool: "boolean", int: "integer", float: "float", list: "fixed", dict: "json"}
    definition = {"name": name, "name_std": name_std(name), "content_type": content_type}
    definition["value_type"] = types.get(type(value), "string")
    return call.account.insert("attributes", definition, stamped=False)
