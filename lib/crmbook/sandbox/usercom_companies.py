"""Companies and their members, and the tags of users and companies, both also by the client's own id."""

import copy
from typing import Any

from crmbook.sandbox import usercom_render as render
from crmbook.sandbox import usercom_write as write
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_users import OK
from crmbook.sandbox.usercom_wire import Call, Handler, Reply, Route, invalid, not_found, paged, twins


def listing(call: Call) -> Doc:
    return paged(call, call.account.rows("companies"), lambda row: view(call, row))


def view(call: Call, row: Doc) -> Doc:
    return render.company(call.account, row, call.version)


def create(call: Call) -> Reply:
    row: Doc = {"attributes": {}}
    write.company(call, row, call.body)
    return Reply(201, view(call, call.account.insert("companies", row)))


def update(call: Call, row: Doc) -> Doc:
    fresh = copy.deepcopy(row)
    write.company(call, fresh, call.body)
    return view(call, call.account.save("companies", fresh))


def delete(call: Call, row: Doc) -> Reply:
    account, gone = call.account, row["id"]
    for member in list(account.find("users", "company_ids", gone)):
        links = [link for link in member["company_ids"] if link["id"] != gone]
        account.save("users", {**member, "company_ids": links})
    for kind in ("deals", "activities", "tickets"):
        for pointing in list(account.find(kind, "company_id", gone)):
            account.save(kind, {**pointing, "company_id": None})
    account.delete("companies", gone)
    return Reply(204)


def add_member(call: Call, row: Doc) -> Doc:
    member = copy.deepcopy(_member(call))
    write.join(call.account, member, row)
    call.account.save("users", member)
    return OK


def remove_member(call: Call, row: Doc) -> Doc:
    member = _member(call)
    links = [link for link in member.get("company_ids") or [] if link["id"] != row["id"]]
    call.account.save("users", {**member, "company_ids": links})
    return OK


def _member(call: Call) -> Doc:
    names = ("person", "user_id") if call.version == 1 else ("user_id", "user_custom_id")
    found = write.reference(call, "users", call.body, *names)
    if found is None:
        raise invalid(user_id="This field is required.")
    return found


def set_attribute(call: Call, row: Doc) -> Doc:
    return _set(call, row, {call.need("attribute"): call.body.get("value")})


def set_multiple_attributes(call: Call, row: Doc) -> Doc:
    return _set(call, row, call.body)


def _set(call: Call, row: Doc, values: Doc) -> Doc:
    fresh = copy.deepcopy(row)
    write.attributes(call, "company", fresh, values)
    call.account.save("companies", fresh)
    return OK


def tagging(kind: str) -> list[tuple[str, str, Handler]]:
    """The tag routes of users and of companies, which are alike."""

    def add_tag(call: Call, row: Doc) -> Doc:
        name = str(call.need("name"))
        tag, created = call.account.tag(name)
        _retag(call, row, [*(row.get("tag_ids") or []), tag["id"]])
        return {"created": created, "tag": {"id": tag["id"], "name": tag["name"]}}

    def add_many_tags(call: Call, row: Doc) -> Doc:
        added = [call.account.tag(str(name))[0]["id"] for name in call.need("tag_names")]
        _retag(call, row, [*(row.get("tag_ids") or []), *added])
        return OK

    def remove_tag(call: Call, row: Doc) -> Doc:
        found = call.account.find("tags", "name", call.need("name"))
        if not found:
            raise not_found()
        _retag(call, row, [i for i in row.get("tag_ids") or [] if i != found[0]["id"]])
        return OK

    def _retag(call: Call, row: Doc, ids: list[Any]) -> None:
        call.account.save(kind, {**row, "tag_ids": list(dict.fromkeys(ids))})

    return [
        ("POST", "add_tag/", add_tag),
        ("POST", "add_many_tags/", add_many_tags),
        ("POST DELETE", "remove_tag/", remove_tag),
    ]


ROUTES = [
    Route("GET", "companies/", listing),
    Route("POST", "companies/", create),
    *twins(
        "companies",
        [
            ("GET", "", view),
            ("PUT", "", update),
            ("DELETE", "", delete),
            ("POST", "add_member/", add_member),
            ("POST", "remove_member/", remove_member),
            ("POST", "set_attribute/", set_attribute),
            ("POST", "set_multiple_attributes/", set_multiple_attributes),
        ],
    ),
    *twins("companies", tagging("companies")),
    *twins("users", tagging("users")),
]
