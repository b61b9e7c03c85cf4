"""Defects in whole records: lost, doubled, unexplained, under another's mark, in the wrong stage or of the wrong owner."""

import copy

import polars as pl

from certify.demo import MARK, Demo, Doc, Planted
from certify.findings import Finding
from certify.kinds import SOURCE, Kind, altered, changed, field, gone, is_alone, link, owner, planted, value


def _lone(demo: Demo, kind: str) -> Doc:
    """A free record on which nothing hangs that is read from it."""
    return demo.free(kind, lambda doc: is_alone(demo, kind, doc), what="on which nothing hangs")


def _strange(kind: str, doc: Doc) -> Finding:
    return Finding("record unexpected", kind, f"target:{doc['id']}")


def _copied(demo: Demo, kind: str, doc: Doc) -> Doc:
    """A second record like *doc*, in no list."""
    return copy.deepcopy(doc) | {"id": demo.new_id(kind), "list_ids": []}


def _loss_behind_a_copy(demo: Demo) -> Planted:
    lost, kept = _lone(demo, "contacts"), demo.free("contacts", bool)
    twin = _copied(demo, "contacts", kept)
    doubled = Finding("record duplicated", "contact", demo.source_id("contacts", kept))
    changes = {"contacts": {lost["id"]: None, twin["id"]: twin}}
    return planted("contacts", changes, gone(demo, "contacts", lost), doubled, _strange("contacts", twin))


def _lost(kind: str) -> Kind:
    def plan(demo: Demo) -> Planted:
        doc = _lone(demo, kind)
        return planted(kind, {kind: {doc["id"]: None}}, gone(demo, kind, doc))

    return Kind(f"{SOURCE[kind]} lost", plan)


def _binned(demo: Demo) -> Planted:
    doc = _lone(demo, "deals")
    return planted("deals", altered("deals", changed(doc, is_deleted=True)), gone(demo, "deals", doc))


def _doubled(kind: str) -> Kind:
    def plan(demo: Demo) -> Planted:
        doc = demo.free(kind, bool)
        twin = _copied(demo, kind, doc)
        doubled = Finding("record duplicated", SOURCE[kind], demo.source_id(kind, doc))
        return planted(kind, altered(kind, twin), doubled, _strange(kind, twin))

    return Kind(f"{SOURCE[kind]} there twice", plan)


def _doubled_by_external_id(demo: Demo) -> Planted:
    doc = demo.free("contacts", bool)
    twin = changed(_copied(demo, "contacts", doc), cf_usercom_original_id=None)
    doubled = Finding("record duplicated", "contact", demo.source_id("contacts", doc))
    return planted("contacts.external_id", altered("contacts", twin), doubled, _strange("contacts", twin))


def _stranger(demo: Demo, **fields: object) -> Planted:
    doc = demo.free("contacts", bool)
    bare = _copied(demo, "contacts", doc) | {"custom_field": {}, "external_id": None}
    made = changed(bare, **{"email": "nobody@elsewhere.example", **fields})
    return planted("contacts", altered("contacts", made), _strange("contacts", made))


def _marked_stranger(demo: Demo) -> Planted:
    return _stranger(demo, cf_usercom_original_id="999999")


def _marks_swapped(demo: Demo) -> Planted:
    one, other = demo.free("contacts", bool), demo.free("contacts", bool)
    made = [
        changed(doc, cf_usercom_original_id=value(twin, MARK), external_id=twin["external_id"])
        for doc, twin in ((one, other), (other, one))
    ]
    found = [field(demo, "contacts", doc, MARK, "external_id") for doc in (one, other)]
    return planted(f"contacts.{MARK}", altered("contacts", *made), *found)


def _mark_on_another(demo: Demo) -> Planted:
    """The mark of one deal on another, which has lost its own."""
    one, other = demo.free("deals", bool), demo.free("deals", bool)
    made = changed(other, cf_usercom_original_id=value(one, MARK))
    return planted(f"deals.{MARK}", altered("deals", made), field(demo, "deals", other, MARK))


def _owners_swapped(demo: Demo) -> Planted:
    def agent(doc: Doc) -> str | None:
        return owner(demo, "contact_owner", doc, demo.source_id("contacts", doc))

    one = demo.free("contacts", agent)
    other = demo.free("contacts", lambda doc: agent(doc) and doc["owner_id"] != one["owner_id"])
    made = [changed(one, owner_id=other["owner_id"]), changed(other, owner_id=one["owner_id"])]
    found = [
        field(demo, "contacts", doc, "owner_id")
        | link(demo, "link missing", "contact_owner", demo.source_id("contacts", doc), str(agent(doc)))
        for doc in (one, other)
    ]
    return planted("contacts.owner_id", altered("contacts", *made), *found)


def _deal_of_the_admin(demo: Demo) -> Planted:
    doc = demo.free("deals", lambda doc: owner(demo, "deal_owner", doc, demo.source_id("deals", doc)))
    source_id = demo.source_id("deals", doc)
    agent = str(owner(demo, "deal_owner", doc, source_id))
    found = link(demo, "link missing", "deal_owner", source_id, agent)
    made = changed(doc, owner_id=min(demo.clean["owners"]))
    return planted("deals.owner_id", altered("deals", made), field(demo, "deals", doc, "owner_id"), found)


def _lead_for_a_contact(demo: Demo) -> Planted:
    """On Suite the two are told apart by the lifecycle stage."""
    lead, contact = sorted(demo.clean["lifecycle_stages"])[:2]
    first = min(i for i, s in demo.clean["contact_statuses"].items() if s["lifecycle_stage_id"] == lead)
    doc = demo.free("contacts", lambda doc: doc["lifecycle_stage_id"] == contact)
    made = changed(doc, lifecycle_stage_id=lead, contact_status_id=first)
    found = field(demo, "contacts", doc, "lifecycle_stage_id", "contact_status_id")
    return planted("contacts.lifecycle_stage_id", altered("contacts", made), found)


def _other_status(demo: Demo) -> Planted:
    doc = demo.free("contacts", lambda doc: doc["contact_status_id"])
    stage = doc["lifecycle_stage_id"]
    other = max(i for i, s in demo.clean["contact_statuses"].items() if s["lifecycle_stage_id"] == stage)
    made = changed(doc, contact_status_id=other)
    return planted(
        "contacts.contact_status_id",
        altered("contacts", made),
        field(demo, "contacts", doc, "contact_status_id"),
    )


def _moved(kind: str, to: str) -> Kind:
    """On Classic the two are different modules."""

    def plan(demo: Demo) -> Planted:
        doc = _lone(demo, kind)
        made = {k: v for k, v in doc.items() if k != "company"} | {"id": demo.new_id(to)}
        made |= {"list_ids": [], "sales_accounts": []} if to == "contacts" else {}
        changes = {kind: {doc["id"]: None}, to: {made["id"]: made}}
        return planted(kind, changes, gone(demo, kind, doc), _strange(to, made))

    return Kind(f"{kind.removesuffix('s')} that should be a {to.removesuffix('s')}", plan, ("classic",))


def _staged(demo: Demo, found: set[str], **wanted: object) -> Planted:
    """A deal in another stage than it should be: *wanted* of the stage it moves to."""
    stages = demo.clean["stages"]

    def target(doc: Doc) -> Doc | None:
        now = stages[doc["deal_stage_id"]]
        every = [s for s in stages.values() if all(test(now, s) for test in wanted.values())]  # type: ignore[operator]
        return every[0] if every else None

    doc = demo.free("deals", target)
    to = target(doc)
    assert to
    made = changed(doc, deal_stage_id=to["id"], deal_pipeline_id=to["deal_pipeline_id"])
    return planted("deals.deal_stage_id", altered("deals", made), field(demo, "deals", doc, *found))


def _same_name_elsewhere(demo: Demo) -> Planted:
    return _staged(
        demo,
        {"deal_stage_id", "deal_pipeline_id"},
        other=lambda now, s: s["name"] == now["name"] and s["deal_pipeline_id"] != now["deal_pipeline_id"],
    )


def _won_is_open(demo: Demo) -> Planted:
    return _staged(
        demo,
        {"deal_stage_id"},
        other=lambda now, s: (
            now["forecast_type"] == "Closed Won"
            and s["forecast_type"] == "Open"
            and s["deal_pipeline_id"] == now["deal_pipeline_id"]
        ),
    )


def _other_currency(demo: Demo) -> Planted:
    doc = demo.free("deals", lambda doc: doc["currency_id"])
    other = next(i for i in sorted(demo.clean["currencies"]) if i != doc["currency_id"])
    made = changed(doc, currency_id=other)
    return planted("deals.currency_id", altered("deals", made), field(demo, "deals", doc, "currency_id"))


def _matched(demo: Demo) -> Doc:
    rows = demo.table("crosswalk").filter(pl.col("entity") == "company", pl.col("origin") == "matched")
    return demo.clean["sales_accounts"][int(rows["target_id"][0])]


def _lost_of_a_matched(demo: Demo) -> Planted:
    """A value we wrote into an account that was there before."""
    doc = _matched(demo)
    source_id = str(value(doc, MARK))
    made = changed(doc, cf_usercom_created_at=None)
    found = Finding("field", "company", source_id, "cf_usercom_created_at")
    return planted("sales_accounts.cf_usercom_created_at", altered("sales_accounts", made), found)


def _not_ours(demo: Demo) -> Planted:
    """A record of the tenant's own, which the load never touched, changed by its people."""
    ours = {int(i) for i in demo.table("crosswalk")["target_id"]}
    doc = next(doc for i, doc in demo.clean["deals"].items() if i not in ours)
    return planted("deals.name", altered("deals", changed(doc, name="Renamed by its owner")))


def _beside_ours(demo: Demo) -> Planted:
    """A field nobody loaded, of an account that was there before."""
    doc = _matched(demo)
    return planted("sales_accounts.twitter", altered("sales_accounts", changed(doc, twitter="@people")))


KINDS = (
    Kind("lost record offset by a duplicate", _loss_behind_a_copy),
    _lost("sales_accounts"),
    _lost("deals"),
    Kind("record in the recycle bin", _binned),
    _doubled("sales_accounts"),
    _doubled("deals"),
    Kind("contact there twice, by external id only", _doubled_by_external_id),
    Kind("extra record under a mark of nobody's", _marked_stranger),
    Kind("extra record without a mark", _stranger),
    Kind("source ids of two records swapped", _marks_swapped),
    Kind("source id on the wrong record", _mark_on_another),
    Kind("owners swapped", _owners_swapped),
    Kind("deal handed to the admin", _deal_of_the_admin),
    Kind("contact that is a lead", _lead_for_a_contact, ("suite",)),
    Kind("wrong status of the right lifecycle stage", _other_status, ("suite",)),
    _moved("leads", "contacts"),
    _moved("contacts", "leads"),
    Kind("stage of the right name in another pipeline", _same_name_elsewhere),
    Kind("won deal that is open", _won_is_open),
    Kind("currency swapped", _other_currency),
    Kind("value lost in a record that was there before", _lost_of_a_matched),
)

NONE = (
    Kind("another's record changed by its people", _not_ours, is_none=True),
    Kind("field we did not write, of a record that was there before", _beside_ours, is_none=True),
)
