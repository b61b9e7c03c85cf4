"""Is every relation of the source there in the target, between the right records, and no other?

In: LINKS of 04, where each record was found (CLASSES), the normalized contacts, and the records as the target
tells them. Out: LINK_CLASSES and LINK_BALANCE. A relation stands between two target ids; an owner is a relation to
a user. Every row of LINKS is in exactly one class; what the target links beyond them is `extra`.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.compare import located
from crmbook.phases.edition import LEAD, PLACES
from crmbook.phases.narrow import Frame, only
from crmbook.phases.target_ids import TargetIds

# relation: entity it starts from, entity it leads to
RELATIONS: Final = {
    "contact_account": ("contact", "company"),
    "deal_contact": ("deal", "contact"),
    "deal_account": ("deal", "company"),
    "contact_owner": ("contact", ""),
    "deal_owner": ("deal", ""),
}
_WORDS: Final = {
    "contact_account": "works at",
    "deal_contact": "is with",
    "deal_account": "belongs to",
    "contact_owner": "is looked after by",
    "deal_owner": "is sold by",
}
_COUNTED: Final = ("found", "repointed", "dropped", "missing", "extra", "wrong_primary", "kept_by_target")
_COLUMNS: Final = {
    "contact_account": "account_ids",
    "deal_contact": "contact_ids",
    "deal_account": "account_id",
    "contact_owner": "owner_id",
    "deal_owner": "owner_id",
}
_ASKED: Final = ["relation", "from_id", "to_id", "kept_from", "kept_to", "state", "reason"]
_PAIR: Final = ["from_target", "to_target"]


def link_classes(
    *,
    links: Frame,
    people: Mapping[str, Frame],
    classes: pl.DataFrame,
    crosswalk: pl.DataFrame,
    actual: Mapping[str, Frame],
    ids: TargetIds,
) -> pl.DataFrame:
    """
    Every row of *links* in one class, and the target's links nobody asked for; LINK_CLASSES.

    `missing` says which end is not there, `repointed` also covers owners for whom the admin stands in. A link is
    `wrong_primary` where the target marks another account of the contact than the first of its `account_ids`.
    An `extra` link names a foreign record as `target:<id>`. What a record that was there before (`origin`
    matched) is linked to beside our records is its own business.

    *people* are the normalized contacts by place. A lead has no link to an account: it names one, and the relation is
    found where it names the right one; another name is a difference of its field, not an `extra` link.
    """
    parts = []
    for relation, (start, end) in RELATIONS.items():
        every = links.lazy().filter(pl.col("relation") == relation).select(_ASKED).collect()
        end_at = located(classes, crosswalk, end) if end else _users(every, ids)
        for place in (place for place in PLACES[start] if place in actual):
            mine, start_at = _from(every, place, people), located(classes, crosswalk, place)
            placed = _placed(mine, start_at, end_at)
            is_named = (relation, place) == ("contact_account", LEAD)
            there = _named(placed, people, actual) if is_named else _there(relation, actual[place])
            if (relation, place) == ("contact_account", "contact"):
                placed = _with_primary(placed, people[place], actual[place])
            parts.append(_judged(placed, there, start, end))
            if end and not is_named:
                parts.append(_extra(relation, placed, there, start_at, end_at))
    return tables.conform(pl.concat([tables.LINK_CLASSES.empty(), *parts]), tables.LINK_CLASSES)


def _from(links: pl.DataFrame, place: str, people: Mapping[str, Frame]) -> pl.DataFrame:
    """The *links* that start at *place*; those that start nowhere any more start at the contacts."""
    if LEAD not in people:
        return links
    leads = only(people[LEAD], "source_id").to_series()
    is_lead = pl.col("kept_from").is_in(leads.implode()).fill_null(value=False)
    is_person = pl.col("relation").is_in(["contact_account", "contact_owner"])
    return links.filter(is_lead & is_person if place == LEAD else ~(is_lead & is_person))


def _named(placed: pl.DataFrame, people: Mapping[str, Frame], actual: Mapping[str, Frame]) -> pl.DataFrame:
    """from_target and to_target of the leads that name the company they should."""
    wanted = people[LEAD].lazy().select(kept_from="source_id", name="company_name").drop_nulls().collect()
    shown = actual[LEAD].lazy().select(from_target="target_id", name="company_name").drop_nulls().collect()
    told = placed.join(wanted, on="kept_from").join(shown, on=["from_target", "name"], how="semi")
    return told.select(_PAIR).drop_nulls().unique()


def source_links(contacts: Frame, deals: Frame) -> dict[str, int]:
    """How many relations the source records (`source_contacts`, `source_deals`) hold, counted from them alone."""
    contacts = only(contacts, "company_ids", "assigned_to")
    deals = only(deals, "contact_id", "participants", "company_id", "assigned_to")
    people = deals.select(
        pl.concat_list(pl.concat_list("contact_id"), pl.col("participants").fill_null([])).list.drop_nulls()
    )
    return {
        "contact_account": _total(contacts["company_ids"]),
        "deal_contact": _total(people.to_series()),
        "deal_account": deals["company_id"].count(),
        "contact_owner": contacts["assigned_to"].count(),
        "deal_owner": deals["assigned_to"].count(),
    }


def link_balance(*, link_classes: pl.DataFrame, extracted: Mapping[str, int]) -> pl.DataFrame:
    """The relations counted in the source (`source_links`) beside the sum of their classes; LINK_BALANCE."""
    rows = []
    for relation in RELATIONS:
        mine = link_classes.filter(pl.col("relation") == relation)
        counts = dict(mine.group_by("class").len().iter_rows())
        judged = sum(number for name, number in counts.items() if name != "extra")
        rows.append(
            {
                "relation": relation,
                "extracted": extracted[relation],
                **{name: counts.get(name, 0) for name in _COUNTED},
                "unaccounted": extracted[relation] - judged,
            }
        )
    return tables.conform(pl.DataFrame(rows, schema=tables.LINK_BALANCE.columns), tables.LINK_BALANCE)


def pictured(balance: pl.DataFrame) -> pl.DataFrame:
    """LINK_BALANCE as a figure takes it: relation, source and target in words, kept, lost."""
    ends = [RELATIONS[relation] for relation in balance["relation"]]
    return balance.select(
        pl.col("relation").replace(_WORDS),
        kept=pl.col("found") + pl.col("repointed") + pl.col("kept_by_target"),
        lost=pl.col("dropped") + pl.col("missing") + pl.col("wrong_primary"),
    ).with_columns(
        source=pl.Series([start for start, _ in ends], dtype=pl.String),
        target=pl.Series([end or "owner" for _, end in ends], dtype=pl.String),
    )


def _total(ids: pl.Series) -> int:
    return int(ids.fill_null([]).list.unique().list.len().sum())


def _users(links: pl.DataFrame, ids: TargetIds) -> pl.DataFrame:
    """The agents of *links* as if they were records: where they are, and whether the admin stands in."""
    agents = links.select(source_id="kept_to").drop_nulls().unique()
    fallback = ids.owners.filter("is_fallback")["agent_id"].implode()
    known = ids.owners["agent_id"].implode()
    return agents.with_columns(
        target_id=ids.owner_id(pl.col("source_id")),
        is_matched=pl.lit(value=False),
        is_stand_in=pl.col("source_id").is_in(fallback) | ~pl.col("source_id").is_in(known),
    )


def _placed(links: pl.DataFrame, start_at: pl.DataFrame, end_at: pl.DataFrame) -> pl.DataFrame:
    """*links* with the target ids of both ends, `from_target` and `to_target`, null where one is not there."""
    ends = end_at if "is_stand_in" in end_at.columns else end_at.with_columns(is_stand_in=pl.lit(value=False))
    return links.join(
        start_at.select(kept_from="source_id", from_target="target_id"), on="kept_from", how="left"
    ).join(
        ends.select("is_stand_in", kept_to="source_id", to_target="target_id"), on="kept_to", how="left"
    )  # fmt: skip


def _there(relation: str, actual: Frame) -> pl.DataFrame:
    """The target's links of *relation* in the records that start it: from_target, to_target, each pair once."""
    pairs = actual.lazy().select(from_target="target_id", to_target=_COLUMNS[relation]).collect()
    if isinstance(pairs.schema["to_target"], pl.List):
        pairs = pairs.explode("to_target", empty_as_null=True)
    return pairs.with_columns(pl.col("to_target").cast(pl.Int64)).drop_nulls().unique()


def _with_primary(placed: pl.DataFrame, contacts: Frame, actual: Frame) -> pl.DataFrame:
    """*placed* with `is_first` (should be primary) and `is_marked` (is primary in the target)."""
    first = only(contacts, "source_id", "account_ids").select(
        kept_from="source_id", first=pl.col("account_ids").list.first()
    )
    marked = only(actual, "target_id", "primary_account_id").select(
        from_target="target_id", marked=pl.col("primary_account_id").cast(pl.Int64)
    )
    both = placed.join(first, on="kept_from", how="left").join(marked, on="from_target", how="left")
    return both.with_columns(
        is_first=pl.col("kept_to").eq_missing(pl.col("first")),
        is_marked=pl.col("to_target").eq_missing(pl.col("marked")),
    )


def _judged(placed: pl.DataFrame, there: pl.DataFrame, start: str, end: str) -> pl.DataFrame:
    has_primary = "is_first" in placed.columns
    wrong = (pl.col("is_first") != pl.col("is_marked")) if has_primary else pl.lit(value=False)
    which = pl.when("is_first").then(pl.lit("not the primary one in the target")).otherwise(
        pl.lit("the primary one in the target")
    ) if has_primary else pl.lit(None, pl.String)  # fmt: skip
    no_link = "not linked in the target" if end else "another owner in the target"
    verdicts = [
        (pl.col("state") == "dropped", "dropped", pl.col("reason")),
        (pl.col("from_target").is_null(), "missing", pl.lit(f"its {start} is not in the target")),
        (pl.col("to_target").is_null(), "missing", pl.lit(f"its {end or 'owner'} is not in the target")),
        (pl.col("is_there").is_null(), "missing", pl.lit(no_link)),
        (wrong, "wrong_primary", which),
        (pl.col("is_stand_in"), "repointed", pl.lit("the admin stands in for the owner")),
        (pl.col("state") == "repointed", "repointed", pl.format("now {} to {}", "kept_from", "kept_to")),
    ]
    name, reason = pl.lit("found"), pl.lit("")
    for condition, verdict, why in reversed(verdicts):
        name = pl.when(condition).then(pl.lit(verdict)).otherwise(name)
        reason = pl.when(condition).then(why).otherwise(reason)
    judged = placed.join(there.with_columns(is_there=pl.lit(value=True)), on=_PAIR, how="left")
    return judged.select(
        "relation", "from_id", "to_id", name.alias("class"), reason.alias("reason")
    )  # fmt: skip


def _extra(
    relation: str, placed: pl.DataFrame, there: pl.DataFrame, start_at: pl.DataFrame, end_at: pl.DataFrame
) -> pl.DataFrame:
    """The target's links of our records that no row of LINKS stands for."""
    ours = there.join(placed.select(_PAIR).drop_nulls(), on=_PAIR, how="anti").join(
        start_at.select(from_id="source_id", from_target="target_id", is_old="is_matched"), on="from_target"
    )
    ends = end_at.select(to_target="target_id", to_source="source_id", is_known="is_matched")
    strange = ours.join(ends, on="to_target", how="left").filter(
        ~pl.col("is_old") | ~pl.col("is_known").fill_null(value=True)
    )
    named = strange.join(
        placed.select("from_id", to_source="to_id", is_taken=pl.lit(value=True)),
        on=["from_id", "to_source"],
        how="left",
    )
    foreign = pl.format("target:{}", "to_target")
    return named.select(
        "from_id",
        relation=pl.lit(relation),
        to_id=pl.when(pl.col("is_taken")).then(foreign).otherwise(pl.coalesce("to_source", foreign)),
        reason=pl.lit("linked in the target only"),
        **{"class": pl.lit("extra")},
    ).select(list(tables.LINK_CLASSES.columns))
