"""The small sets every record refers to: tags, lists, segments and attributes; and the provisional routes.

Pipelines, agents, activity types and the account-wide conversation list are on no public page. Their paths and
shapes are guesses, each can be switched to 404, and a test that passes on them is no evidence about the vendor.
"""

from typing import Any

from crmbook.sandbox import usercom_render as render
from crmbook.sandbox import usercom_write as write
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_companies import view as company
from crmbook.sandbox.usercom_users import shown as user
from crmbook.sandbox.usercom_wire import Call, Handler, Reply, Route, invalid, not_found, paged, twins

VALUE_TYPES = ("boolean", "integer", "date", "string", "datetime", "fixed", "float", "json")
CONTENT_TYPES = {"clientuser": "user", "company": "company", "deal": "deal", "product": "product"}
CONTENT_TYPES |= {"ticket": "ticket"}
_CARRIERS = {"user": "users", "company": "companies", "deal": "deals", "product": "products"}


def tag(row: Doc) -> Doc:
    return {"id": row["id"], "name": row["name"]}


def tags(call: Call) -> Doc:
    return paged(call, call.account.rows("tags"), tag)


def create_tag(call: Call) -> Reply:
    return Reply(201, tag(call.account.tag(str(call.need("name")))[0]))


def rename_tag(call: Call, row_id: int) -> Doc:
    row = {**call.row("tags", row_id), "name": str(call.need("name"))}
    return tag(call.account.save("tags", row, stamped=False))


def delete_tag(call: Call, row_id: int) -> Reply:
    gone = call.row("tags", row_id)["id"]
    for kind in ("users", "companies", "deals"):
        _drop(call, kind, "tag_ids", gone)
    call.account.delete("tags", gone)
    return Reply(204)


def tagged_users(call: Call, row_id: int) -> Doc:
    found = call.account.find("users", "tag_ids", call.row("tags", row_id)["id"])
    return paged(call, found, user(call))


def tagged_companies(call: Call, row_id: int) -> Doc:
    found = call.account.find("companies", "tag_ids", call.row("tags", row_id)["id"])
    return paged(call, found, lambda row: company(call, row))


def lists(call: Call) -> Doc:
    return paged(call, call.account.rows("lists"), render.list_)


def create_list(call: Call) -> Reply:
    row = {"name": str(call.need("name")), "description": call.body.get("description") or ""}
    return Reply(201, render.list_(call.account.insert("lists", row, stamped=False)))


def update_list(call: Call, row_id: int) -> Doc:
    changed: Doc = {key: call.body[key] for key in ("name", "description") if key in call.body}
    return render.list_(call.account.save("lists", call.row("lists", row_id) | changed, stamped=False))


def delete_list(call: Call, row_id: int) -> Reply:
    gone = call.row("lists", row_id)["id"]
    _drop(call, "users", "list_ids", gone)
    call.account.delete("lists", gone)
    return Reply(204)


def _drop(call: Call, kind: str, key: str, gone: int) -> None:
    for row in list(call.account.find(kind, key, gone)):
        call.account.save(kind, {**row, key: [i for i in row[key] if i != gone]})


def segment(call: Call, row: Doc) -> Doc:
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row.get("description") or "",
        "users": f"{call.base}segments/{row['id']}/users/",
        "object_count": len(row.get("user_ids") or []),
    }


def segments(call: Call) -> Doc:
    return paged(call, call.account.rows("segments"), lambda row: segment(call, row))


def view_segment(call: Call, row_id: int) -> Doc:
    return segment(call, call.row("segments", row_id))


def segments_of(call: Call, row: Doc) -> Doc:
    found = call.account.find("segments", "user_ids", row["id"])
    return paged(call, found, lambda own: segment(call, own))


def segment_members(call: Call, row_id: int) -> Doc:
    ids = sorted(call.row("segments", row_id).get("user_ids") or [])
    found = [row for row in (call.account.row("users", i) for i in ids) if row is not None]
    return paged(call, found, user(call))


def attribute(row: Doc) -> Doc:
    return {key: row[key] for key in ("id", "name", "name_std", "content_type", "value_type")}


def attributes(call: Call) -> Doc:
    return paged(call, call.account.rows("attributes"), attribute)


def view_attribute(call: Call, row_id: int) -> Doc:
    return attribute(call.row("attributes", row_id))


def create_attribute(call: Call) -> Reply:
    """The content type of people is written `clientuser` and read `user` (vendor docs)."""
    name, value_type, written = call.need("name"), call.need("value_type"), call.need("content_type")
    if not 1 <= len(str(name)) <= 255:
        raise invalid(name="Ensure this field has no more than 255 characters.")
    if value_type not in VALUE_TYPES:
        raise invalid(value_type=f'"{value_type}" is not a valid choice.')
    if written not in CONTENT_TYPES:
        raise invalid(content_type=f'"{written}" is not a valid choice.')
    content_type = CONTENT_TYPES[written]
    if call.account.attribute(content_type, write.name_std(str(name))) is not None:
        raise invalid(name="An attribute of this name exists.")
    row = {"name": str(name), "name_std": write.name_std(str(name)), "content_type": content_type}
    row["value_type"] = value_type
    return Reply(201, attribute(call.account.insert("attributes", row, stamped=False)))


def delete_attribute(call: Call, row_id: int) -> Reply:
    gone = call.row("attributes", row_id)
    kind = _CARRIERS.get(gone["content_type"])
    for row in call.account.rows(kind) if kind else []:
        if gone["name_std"] in (row.get("attributes") or {}):
            kept = {k: v for k, v in row["attributes"].items() if k != gone["name_std"]}
            call.account.save(str(kind), {**row, "attributes": kept}, stamped=False)
    call.account.delete("attributes", row_id)
    return Reply(204)


def value_type(content_type: str) -> Handler:
    def handle(call: Call, name: str) -> Any:
        found = call.account.attribute(content_type, name)
        if found is None or found["name_std"] != name:
            raise not_found()
        return {"value_type": found["value_type"]}

    return handle


def provisional(name: str, handler: Handler) -> Handler:
    """The handler while the account serves this undocumented route, otherwise 404."""

    def handle(call: Call) -> Any:
        if call.account.switch("provisional").get(name, True) is False:
            raise not_found()
        return handler(call)

    return handle


def rows_as_kept(kind: str) -> Handler:
    return lambda call: paged(call, call.account.rows(kind), dict)


ROUTES = [
    Route("GET", "tags/", tags),
    Route("POST", "tags/", create_tag),
    Route("PUT", "tags/<row_id>/", rename_tag),
    Route("DELETE", "tags/<row_id>/", delete_tag),
    Route("GET", "tags/<row_id>/users/", tagged_users),
    Route("GET", "tags/<row_id>/companies/", tagged_companies),
    Route("GET", "lists/", lists),
    Route("POST", "lists/", create_list),
    Route("PUT", "lists/<row_id>/", update_list),
    Route("DELETE", "lists/<row_id>/", delete_list),
    Route("GET", "segments/", segments),
    Route("GET", "segments/<row_id>/", view_segment),
    Route("GET", "segments/<row_id>/users/", segment_members),
    *twins("users", [("GET", "segments/", segments_of)]),
    Route("GET", "attributes/", attributes),
    Route("POST", "attributes/", create_attribute),
    Route("GET", "attributes/<row_id>/", view_attribute),
    Route("DELETE", "attributes/<row_id>/", delete_attribute),
    Route("GET", "attribute-type/<name:str>/users/", value_type("user")),
    Route("GET", "attribute-type/<name:str>/companies/", value_type("company")),
    Route("GET", "pipelines/", provisional("pipelines", rows_as_kept("pipelines"))),
    Route("GET", "agents/", provisional("agents", rows_as_kept("agents"))),
    Route("GET", "activity-types/", provisional("activity-types", rows_as_kept("activity_types"))),
]
