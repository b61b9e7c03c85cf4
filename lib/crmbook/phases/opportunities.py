"""Deals as they will be written: at their place in the target's pipelines, linked to whoever survived.

In: the source's deals, and what became of contacts and companies. Out: deals with stage, dates, amount and links.
Only a deal without a place in the target's pipelines is rejected.
"""

from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import closing, tagging
from crmbook.phases.links import fate as fate_of
from crmbook.phases.links import listed, repointed, unless
from crmbook.phases.shape import Decisions, Shaped, cells, counted, merged, rejected

ENTITY: Final = "deal"


def deals(source: pl.DataFrame, decided: Decisions, *, accounts: Shaped, contacts: Shaped) -> Shaped:
    """
    Deals of *source* (`tables.SOURCE_DEALS`), their fate, and what happened on the way.

    A deal whose stage has no place in `stages` is rejected. One whose contact or company is gone goes without
    that link. An empty amount is 0, an empty name `(no name) <source id>`: the target wants both (live test).
    """
    shaped = cells(source, entity=ENTITY, decided=decided, table=tables.DEALS)
    places = closing.placed(source, decided.stages)
    refused = places.drop_nulls("refusal").select(
        "source_id",
        rule="refusal",
        field=pl.col("refusal").replace_strict(closing.FIELD_OF_REFUSAL, return_dtype=pl.String),
    )
    rejects = merged(tables.REJECTS, shaped.rejects, rejected(ENTITY, [refused], is_blocking=True))
    rows = _deal_structure(shaped.rows, source, places, decided)
    rows = rows.filter(pl.col("stage_id").is_not_null())
    rows = repointed(rows, "contact_ids", contacts.fate)
    rows = repointed(rows, "account_id", accounts.fate)
    kept = source.join(rows.select("source_id"), on="source_id", how="semi", maintain_order="left")
    empty = tables.MERGES.empty()
    tagged = tagging.placed(rows, decided.tag_plan, ENTITY)
    fate = fate_of(source, entity=ENTITY, merges=empty, rejects=rejects, excluded=tables.EXCLUDED.empty())
    changed, lost = counted(ENTITY, shaped.flags, fate)
    return Shaped(
        rows=tables.conform(tagged.rows, tables.DEALS),
        fate=fate,
        rejects=merged(tables.REJECTS, rejects, tagged.rejects),
        changes=merged(tables.CHANGES, changed, closing.changes(kept, shaped.rows, rows)),
        loss=merged(tables.LOSS, lost, closing.loss(kept, rows, decided), tagged.loss),
    )


def _deal_structure(
    rows: pl.DataFrame, source: pl.DataFrame, places: pl.DataFrame, decided: Decisions
) -> pl.DataFrame:
    ids = source["source_id"]
    people_ids = source.select(
        pl.concat_list(pl.concat_list("contact_id"), pl.col("participants").fill_null([]))
    )
    leaves_contact, leaves_company = (decided.leaves(ENTITY, f) for f in ("contact_id", "company_id"))
    made = rows.with_columns(
        closing.shown(source, places, decided),
        cf_usercom_original_id=ids,
        owner_agent_id=unless(decided.leaves(ENTITY, "assigned_to"), source["assigned_to"]),
        pipeline_id=source["pipeline_id"],
        stage_id=places["stage_id"],
        closed_date=closing.closed_date(source, decided),
        account_id=unless(leaves_company, source["company_id"]),
        contact_ids=listed(people_ids.to_series(), is_left=leaves_contact),
        tags=listed(source["tags"], is_left=decided.leaves(ENTITY, "tags")),
    )
    return made.with_columns(
        amount=pl.col("amount").fill_null(0.0),
        name=pl.coalesce("name", pl.concat_str(pl.lit("(no name) "), "source_id")),
        currency=pl.col("currency").str.to_uppercase(),
    )
