"""Defects between records: links to accounts, of deals, memberships of lists, and files on their records."""

import base64
import copy
import hashlib
from typing import Any

import polars as pl

from certify.demo import Demo, Doc, Planted
from certify.findings import Finding
from certify.kinds import Kind, altered, changed, entry_gone, field, hanging, link, member, planted

_NOWHERE = 70_020_999_999  # an account's id the tenant never gave


def _of_account(demo: Demo, account_id: int) -> str:
    return demo.source_id("sales_accounts", {"id": account_id})


def _is_ours(demo: Demo, kind: str, *ids: int | None) -> bool:
    return all(doc_id in demo.ours(kind) for doc_id in ids)


def _linked(demo: Demo, number: int) -> Doc:
    """A free contact with so many accounts, all of them created by the load."""

    def fits(doc: Doc) -> bool:
        accounts = [row["id"] for row in doc.get("sales_accounts", ())]
        return len(accounts) >= number and _is_ours(demo, "sales_accounts", *accounts)

    return demo.free("contacts", fits, what=f"with {number} accounts")


def _contact_link(demo: Demo, verdict: str, doc: Doc, account_id: int) -> set[Finding]:
    return link(
        demo, verdict, "contact_account", demo.source_id("contacts", doc), _of_account(demo, account_id)
    )


def _orphaned(demo: Demo) -> Planted:
    doc = _linked(demo, 1)
    rows = copy.deepcopy(doc["sales_accounts"])
    lost, rows[0]["id"] = rows[0]["id"], _NOWHERE
    made = changed(doc, sales_accounts=rows)
    return planted(
        "contacts.sales_accounts", altered("contacts", made), _contact_link(demo, "link missing", doc, lost)
    )


def _secondary_dropped(demo: Demo) -> Planted:
    doc = _linked(demo, 2)
    lost = next(row for row in doc["sales_accounts"] if not row["is_primary"])
    made = changed(doc, sales_accounts=[row for row in doc["sales_accounts"] if row is not lost])
    return planted(
        "contacts.sales_accounts",
        altered("contacts", made),
        _contact_link(demo, "link missing", doc, lost["id"]),
    )


def _other_primary(demo: Demo) -> Planted:
    doc = _linked(demo, 2)
    first = next(row for row in doc["sales_accounts"] if row["is_primary"])
    second = next(row for row in doc["sales_accounts"] if not row["is_primary"])
    rows = [row | {"is_primary": row is second} for row in doc["sales_accounts"]]
    found = [_contact_link(demo, "wrong primary", doc, row["id"]) for row in (first, second)]
    return planted("contacts.sales_accounts", altered("contacts", changed(doc, sales_accounts=rows)), *found)


def _account_too_many(demo: Demo) -> Planted:
    doc, other = _linked(demo, 1), demo.free("sales_accounts", bool)
    rows = [*copy.deepcopy(doc["sales_accounts"]), {"id": other["id"], "is_primary": False}]
    found = Finding(
        "link extra",
        "contact_account",
        demo.source_id("contacts", doc),
        demo.source_id("sales_accounts", other),
    )
    return planted("contacts.sales_accounts", altered("contacts", changed(doc, sales_accounts=rows)), found)


def _account_of_a_deal(demo: Demo, other: int | None) -> Planted:
    doc = demo.free("deals", lambda doc: _is_ours(demo, "sales_accounts", doc.get("sales_account_id")))
    source_id = demo.source_id("deals", doc)
    found = link(demo, "link missing", "deal_account", source_id, _of_account(demo, doc["sales_account_id"]))
    if other:
        found.add(Finding("link extra", "deal_account", source_id, _of_account(demo, other)))
    made = changed(doc, sales_account_id=other)
    return planted("deals.sales_account_id", altered("deals", made), found)


def _deal_without_account(demo: Demo) -> Planted:
    return _account_of_a_deal(demo, None)


def _deal_of_another_account(demo: Demo) -> Planted:
    return _account_of_a_deal(demo, demo.free("sales_accounts", bool)["id"])


def _deal_of_another_person(demo: Demo) -> Planted:
    def fits(doc: Doc) -> bool:
        return len(doc.get("contact_ids", ())) == 1 and _is_ours(demo, "contacts", *doc["contact_ids"])

    doc, other = demo.free("deals", fits), demo.free("contacts", bool)
    source_id = demo.source_id("deals", doc)
    was = demo.source_id("contacts", {"id": doc["contact_ids"][0]})
    found = link(demo, "link missing", "deal_contact", source_id, was)
    extra = Finding("link extra", "deal_contact", source_id, demo.source_id("contacts", other))
    made = changed(doc, contact_ids=[other["id"]])
    return planted("deals.contact_ids", altered("deals", made), found, extra)


def _participant_lost(demo: Demo) -> Planted:
    def fits(doc: Doc) -> bool:
        return len(doc.get("contact_ids", ())) > 1 and _is_ours(demo, "contacts", *doc["contact_ids"])

    doc = demo.free("deals", fits)
    lost = doc["contact_ids"][-1]
    was = demo.source_id("contacts", {"id": lost})
    found = link(demo, "link missing", "deal_contact", demo.source_id("deals", doc), was)
    made = changed(doc, contact_ids=doc["contact_ids"][:-1])
    return planted("deals.contact_ids", altered("deals", made), found)


def _lead_of_another_company(demo: Demo) -> Planted:
    """A lead of Classic has no link to an account, it names one."""
    links = demo.table("links").filter(pl.col("relation") == "contact_account", pl.col("state") == "kept")
    named = dict(links.group_by("kept_from").agg(pl.col("kept_to")).iter_rows())

    def fits(doc: Doc) -> bool:
        return bool(doc.get("company")) and len(named.get(demo.source_id("leads", doc), ())) == 1

    doc = demo.free("leads", fits)
    source_id = demo.source_id("leads", doc)
    made = changed(doc, company=doc["company"] | {"name": "Another Company"})
    found = link(demo, "link missing", "contact_account", source_id, named[source_id][0])
    return planted("leads.company", altered("leads", made), field(demo, "leads", doc, "company_name"), found)


# lists


def _list_key(demo: Demo, list_id: int) -> str:
    return demo.source_id("lists", {"id": list_id})


def _member_lost(demo: Demo) -> Planted:
    doc = demo.free("contacts", lambda doc: doc.get("list_ids"))
    lost = doc["list_ids"][0]
    made = changed(doc, list_ids=doc["list_ids"][1:])
    found = member(demo, "member missing", _list_key(demo, lost), demo.source_id("contacts", doc))
    return planted("lists, its members", altered("contacts", made), found)


def _member_too_many(demo: Demo) -> Planted:
    lists = sorted(demo.clean["lists"])
    doc = demo.free("contacts", lambda doc: set(lists) - set(doc.get("list_ids", ())))
    more = next(i for i in lists if i not in doc.get("list_ids", ()))
    made = changed(doc, list_ids=[*doc.get("list_ids", ()), more])
    found = member(demo, "member extra", _list_key(demo, more), demo.source_id("contacts", doc))
    return planted("lists, its members", altered("contacts", made), found)


def _stranger_in_a_list(demo: Demo) -> Planted:
    doc = next(doc for i, doc in demo.clean["contacts"].items() if i not in demo.known("contacts"))
    first = min(demo.clean["lists"])
    made = changed(doc, list_ids=[first])
    found = member(demo, "member extra", _list_key(demo, first), f"target:{doc['id']}")
    return planted("lists, its members", altered("contacts", made), found)


def _list_renamed(demo: Demo) -> Planted:
    doc = demo.free("lists", bool)
    return planted(
        "lists.name", altered("lists", changed(doc, name="Other")), field(demo, "lists", doc, "name")
    )


def _list_lost(demo: Demo) -> Planted:
    """The smallest list that has members, and with it who was in it."""
    members = demo.table("list_members")
    sizes = dict(members.group_by("list_key").len().iter_rows())
    doc = demo.free("lists", lambda doc: sizes.get(demo.source_id("lists", doc)) == min(sizes.values()))
    key = demo.source_id("lists", doc)
    people = members.filter(pl.col("list_key") == key)["contact_id"].to_list()
    found = [member(demo, "member missing", key, person) for person in people]
    return planted("lists", {"lists": {doc["id"]: None}}, Finding("entry missing", "lists", key), *found)


# files and links


def _with_content(doc: Doc, content: bytes) -> Doc:
    made = changed(doc, content=base64.b64encode(content).decode(), content_file_size=len(content))
    return made | {"sha256": hashlib.sha256(content).hexdigest()}


def _other_bytes(demo: Demo) -> Planted:
    doc = demo.free("documents", bool)
    content = bytearray(base64.b64decode(doc["content"]))
    content[len(content) // 2] ^= 1
    made = _with_content(doc, bytes(content))
    return planted(
        "documents, its bytes", altered("documents", made), field(demo, "documents", doc, "sha256")
    )


def _cut_short(demo: Demo) -> Planted:
    doc = demo.free("documents", bool)
    made = _with_content(doc, base64.b64decode(doc["content"])[:-1])
    found = field(demo, "documents", doc, "sha256", "size_bytes")
    return planted("documents, its bytes", altered("documents", made), found)


def _attached_lost(kind: str, name: str) -> Kind:
    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, bool)
        return planted(kind, {kind: {doc["id"]: None}}, entry_gone(demo, kind, demo.source_id(kind, doc)))

    return Kind(name, plan)


def _renamed(kind: str, column: str, name: str, change: Any) -> Kind:
    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, bool)
        made = changed(doc, **{column: change(doc[column])})
        return planted(f"{kind}.{column}", altered(kind, made), field(demo, kind, doc, column))

    return Kind(name, plan)


def _file_on_another(demo: Demo) -> Planted:
    """On a record that should have no file, where nobody looks: it is missing where it should be."""
    doc = demo.free("documents", bool)
    other = demo.free("contacts", lambda contact: not hanging(demo, "contacts", contact))
    made = changed(doc, targetable_type="Contact", targetable_id=other["id"])
    found = entry_gone(demo, "documents", demo.source_id("documents", doc))
    return planted("documents, its record", altered("documents", made), found)


def _file_too_many(demo: Demo) -> Planted:
    """A file nobody loaded, on a record that has one of ours."""
    there = next(demo.every("documents"))
    made = _with_content(there, b"not ours") | {"id": demo.new_id("documents"), "name": "more.pdf"}
    found = Finding("entry unexpected", "documents", f"target:{made['id']}")
    return planted("documents", altered("documents", made), found)


KINDS = (
    Kind("orphaned link", _orphaned),
    Kind("secondary account dropped", _secondary_dropped),
    Kind("wrong primary account", _other_primary),
    Kind("account nobody linked", _account_too_many),
    Kind("deal without its account", _deal_without_account),
    Kind("deal of another account", _deal_of_another_account),
    Kind("deal of another person", _deal_of_another_person),
    Kind("participant of a deal lost", _participant_lost),
    Kind("lead of another company", _lead_of_another_company, ("classic",)),
    Kind("list lost", _list_lost),
    Kind("list member missing", _member_lost),
    Kind("list member nobody added", _member_too_many),
    Kind("stranger in a list", _stranger_in_a_list),
    Kind("list renamed", _list_renamed),
    Kind("file of the same size with other bytes", _other_bytes),
    Kind("file cut short", _cut_short),
    _attached_lost("documents", "file lost"),
    _renamed("documents", "name", "file renamed", lambda name: f"copy of {name}"),
    Kind("file on another record", _file_on_another),
    Kind("file nobody loaded", _file_too_many),
    _renamed("document_links", "url", "document link to another address", lambda url: url + "/en"),
    _attached_lost("document_links", "document link lost"),
)
