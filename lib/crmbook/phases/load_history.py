"""Which writes carry the lists, the history and the documents into the target?

In: the tables of 04 beside contacts, companies and deals, and what the target held. Out: operations, after
those of the records they hang on.
Invariant: each row has exactly one write, and each member of a list stands in exactly one call.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from crmbook.errors import UpstreamError
from crmbook.phases import history_existing, json_text, narrow, payloads
from crmbook.phases.edition import LEAD
from crmbook.phases.history_tables import MODULES, History
from crmbook.phases.narrow import Frame
from crmbook.phases.operations import Op, few, op, primaries, primary
from crmbook.phases.payloads import reference
from crmbook.phases.resolving import Owners

MEMBERS_A_CALL: Final = 100
TARGETABLE: Final = {"contact": "Contact", LEAD: "Lead", "company": "SalesAccount", "deal": "Deal"}
_DONE: Final = 1
_ASCII: Final = r"^[\x00-\x7f]*$"
_MEMBERS: Final = pl.Struct({"ids": pl.List(pl.Struct({"$id": pl.String}))})
Body = dict[str, pl.Expr]


def parts(
    history: History,
    *,
    loaded: Mapping[str, pl.DataFrame],
    owners: Owners,
    types: pl.DataFrame,
    existing: pl.DataFrame,
) -> Iterator[pl.DataFrame]:
    """
    The writes of *history*: lists with their members, tasks, appointments, sales activities, notes, files, links.

    It is checked at once, and a part is made when it is asked for.

    *loaded* are the records by entity they may hang on, *types* the target's activity types, *existing* what
    it held before with the `original_id` that `history_existing.recognized` gave it.

    Raises:
        UpstreamError: a parent or member is not loaded, an activity type is not in the target, or a list
            there has a name that is to be given.
    """
    _check_parents(history, loaded)
    found = history_existing.found(existing)
    history_existing.check_names(history.target_lists, existing)
    bodies = {
        "task": _task(owners),
        "appointment": _APPOINTMENT,
        "sales_activity": _sales_activity(_type_ids(history.sales_activities, types), owners),
        "note": _NOTE,
        "document": _DOCUMENT,
        "document_link": _LINK,
    }
    return _made(history, bodies, found)


def _made(
    history: History, bodies: Mapping[str, Body], found: Mapping[str, Mapping[str, int]]
) -> Iterator[pl.DataFrame]:
    yield few(_list_ops(history, found["list"]))
    for entity, frame in history.records().items():
        if entity in bodies:
            for rows in narrow.parts(in_order(frame)):
                yield _hung(entity, rows, bodies[entity], found[entity])


def _hung(entity: str, rows: pl.DataFrame, body: Body, found: Mapping[str, int]) -> pl.DataFrame:
    parent = pl.concat_str("parent_kind", pl.lit(":"), "parent_id")
    kinds = {kind: json_text.whole(name) for kind, name in TARGETABLE.items()}
    target = {
        "targetable_type": pl.col("parent_kind").replace_strict(kinds, return_dtype=pl.String),
        "targetable_id": pl.lit('{"$id":') + json_text.text(parent) + pl.lit("}"),
    }
    return primaries(entity, rows, found, payloads.bodies(rows, {**body, **target}), pl.concat_list(parent))


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """*rows* by `source_id` with part 10 of a conversation after part 9: the target shows notes as they were made."""
    if not rows.filter(~pl.col("source_id").str.contains(_ASCII)).is_empty():
        # Names of events stand in ids; what else counts as a digit only Python's own key knows.
        ids = rows["source_id"].to_list()
        return rows[sorted(range(rows.height), key=lambda row: natural(ids[row]))]
    source_id = pl.col("source_id")
    keys = rows.select(
        numbers=source_id.str.extract_all(r"\d+"),
        texts=source_id.str.replace_all(r"\d+", "\0").str.split("\0"),
    )
    most = keys.select(pl.col("numbers").list.len().max()).item() or 0
    order = [pl.col("texts").list.first()]
    for i in range(most):
        number, text = (
            pl.col("numbers").list.get(i, null_on_oob=True),
            pl.col("texts").list.get(i + 1, null_on_oob=True),
        )
        order += [number.str.len_chars(), number, text]
    return rows[keys.select(pl.arg_sort_by(order)).to_series()]


def natural(source_id: str) -> list[tuple[int, str]]:
    """The key `in_order` sorts by, of one id."""
    parts = re.split(r"(\d+)", source_id)
    return [(len(part), part) if part.isdigit() else (0, part) for part in parts]


def membership_coverage(
    planned: Frame, list_members: pl.DataFrame, untouched: pl.DataFrame
) -> dict[str, Any]:
    """The row `membership` of COVERAGE: the members there should be beside those in the plan's calls and the untouched."""
    is_add = (pl.col("entity") == "list") & (pl.col("action") == "add")
    adds = planned.lazy().filter(is_add).select("source_id", "payload").collect()
    ids = pl.col("payload").str.json_decode(_MEMBERS).struct.field("ids")
    sent = adds.select(list_key="source_id", contact_id=ids).explode("contact_id", empty_as_null=False)
    sent = sent.select(
        "list_key", contact_id=pl.col("contact_id").struct.field("$id").str.strip_prefix("contact:")
    )
    kept = untouched.filter(pl.col("entity") == "membership")["source_id"].str
    there = pl.DataFrame({"list_key": kept.extract(r"(?s)^(.*):"), "contact_id": kept.extract(r"([^:]*)$")})
    named = pl.concat([sent, there])
    wanted = list_members.select("list_key", "contact_id").unique()
    return {
        "entity": "membership",
        "normalized": list_members.height,
        "planned": sent.height,
        "untouched": there.height,
        "uncovered": wanted.join(named, on=["list_key", "contact_id"], how="anti").height,
        "repeated": named.height - named.n_unique(),
    }


def _list_ops(history: History, found: Mapping[str, int]) -> Iterator[Op]:
    members: dict[str, list[str]] = {}
    for list_key, contact_id in history.list_members.sort("list_key", "contact_id").iter_rows():
        members.setdefault(list_key, []).append(contact_id)
    for list_key, name in history.target_lists.sort("source_id").select("source_id", "name").iter_rows():
        yield primary("list", list_key, found, {"name": name})
        ids = members.pop(list_key, [])
        for part, start in enumerate(range(0, len(ids), MEMBERS_A_CALL), 1):
            batch = ids[start : start + MEMBERS_A_CALL]
            body = {"ids": [reference("contact", one) for one in batch]}
            yield op("list", "add", list_key, body, needs=[f"contact:{one}" for one in batch], part=part)


def _texts(*names: str) -> Body:
    return {name: json_text.of(pl.col(name), pl.String()) for name in names}


def _instants(*names: str) -> Body:
    return {name: json_text.instant(pl.col(name)) for name in names}


def _task(owners: Owners) -> Body:
    status = pl.when("is_done").then(pl.lit(str(_DONE))).otherwise(pl.lit("0"))
    return {
        **_texts("title", "description"),
        **_instants("due_date"),
        "status": status,
        "owner_id": owners.json(),
    }


def _sales_activity(type_ids: Mapping[str, int], owners: Owners) -> Body:
    kinds = {kind: str(type_id) for kind, type_id in type_ids.items()}
    return {
        **_texts("title", "notes"),
        **_instants("start_date"),
        "end_date": json_text.instant(pl.coalesce("end_date", "start_date")),
        "owner_id": owners.json(),
        "sales_activity_type_id": pl.col("activity_type").replace_strict(
            kinds, default=None, return_dtype=pl.String
        ),
    }


# No attendees: they may get invitations (vendor docs). Nothing documented holds an owner.
_APPOINTMENT: Final = {
    **_texts("title", "description"),
    **_instants("from_date", "end_date"),
    "time_zone": json_text.text(
        pl.when(pl.col("time_zone") != "").then("time_zone").otherwise(pl.lit("UTC"))
    ),
}
_NOTE: Final = _texts("description")
_DOCUMENT: Final = {
    **_texts("name", "path", "sha256"),
    "size_bytes": pl.col("size_bytes").cast(pl.String),
}
_LINK: Final = _texts("url", "name")


def _type_ids(sales_activities: pl.DataFrame, types: pl.DataFrame) -> dict[str, int]:
    """Internal name to type id; the vendor's own type before the customer's of the same internal name."""
    first = types.sort("is_default", "position", "type_id", descending=[True, False, False])
    first = first.unique("internal_name", keep="first", maintain_order=True)
    known = dict(first.select("internal_name", "type_id").iter_rows())
    if absent := sorted(set(sales_activities["activity_type"]) - set(known)):
        raise UpstreamError(
            f"sales_activities: the target has no activity type {', '.join(map(str, absent))};"
            " add it there and run 03_workspace again, or choose another carrier in 02_mapping"
        )
    return known


def _check_parents(history: History, loaded: Mapping[str, pl.DataFrame]) -> None:
    known = [frame.select(parent_kind=pl.lit(kind), parent_id="source_id") for kind, frame in loaded.items()]
    for entity, frame in history.records().items():
        if entity != "list":
            lost = frame.join(pl.concat(known), on=["parent_kind", "parent_id"], how="anti").height
            _refuse(MODULES[entity], lost, "hang on")
    members = history.list_members
    strangers = members.join(loaded["contact"], left_on="contact_id", right_on="source_id", how="anti").height
    homeless = members.join(history.target_lists, left_on="list_key", right_on="source_id", how="anti").height
    _refuse("list_members", strangers + homeless, "name")


def _refuse(table: str, count: int, what: str) -> None:
    if count:
        raise UpstreamError(
            f"{table}: {count} rows {what} records that are not loaded; run 04_normalization again"
        )
