"""Companies as accounts: no name no account, same name and site one account, same name alone told apart.

The target refuses an account without a name, and may refuse a second one of the same name (tenant setting,
measured). Whether two names are the same ignores case and runs of blanks, like a person reading them.
"""

from typing import Final

import polars as pl

from crmbook import clean, parse, tables
from crmbook.phases import dedupe, tagging
from crmbook.phases import links as linking
from crmbook.phases.shape import Decisions, Shaped, cells, counted, merged, rejected, tally

ENTITY: Final = "company"
PHONE_NUMBERS: Final = "cf_usercom_phone_numbers"
_OWN: Final = ("source_id", "cf_usercom_original_id", "name")
_HELPERS: Final = ("_name", "_site", "_stands")


def accounts(companies: pl.DataFrame, decided: Decisions, standing: pl.DataFrame | None = None) -> Shaped:
    """
    Accounts of *companies* (`tables.SOURCE_COMPANIES`), their fate, and what happened on the way.

    A company without a name is rejected (`name_missing`). Under the policy `merge`, companies of the same name
    and web site become the one with the lowest id, or the one that stands in the target since an earlier run
    (*standing*: `source_id`). Names still the same get the source id behind
    them, all but the lowest, where the target or the policy wants names unique.
    """
    shaped = cells(companies, entity=ENTITY, decided=decided, table=tables.ACCOUNTS)
    rows, phone_loss = _structured(shaped.rows, companies, decided)
    nameless = rows.filter(pl.col("name").is_null()).select(
        "source_id", rule=pl.lit("name_missing"), field=pl.lit("name")
    )
    rejects = merged(tables.REJECTS, shaped.rejects, rejected(ENTITY, [nameless], is_blocking=True))
    rows = dedupe.standing(_keyed(rows.filter(pl.col("name").is_not_null())), standing)
    rank = [pl.col("_stands"), *dedupe.id_order()]
    merges = tables.MERGES.empty()
    if decided.policy.duplicate_account == "merge":
        merges = dedupe.merges(
            rows, key=["_name", "_site"], rank=rank, rule="name_and_website", entity=ENTITY
        )
    rows, filled, collapsed = dedupe.fold(rows, merges, rank=rank, own=(*_OWN, *_HELPERS))
    suffixed = cut = 0
    if decided.account_name_unique or decided.policy.duplicate_account == "suffix":
        rows, suffixed, cut = _told_apart(rows)
    tagged = tagging.placed(rows, decided.tag_plan, ENTITY)
    fate = linking.fate(
        companies, entity=ENTITY, merges=merges, rejects=rejects, excluded=tables.EXCLUDED.empty()
    )
    changes, loss = counted(ENTITY, shaped.flags, fate)
    return Shaped(
        rows=tables.conform(tagged.rows.drop(_HELPERS), tables.ACCOUNTS),
        fate=fate,
        rejects=merged(tables.REJECTS, rejects, tagged.rejects),
        merges=tables.conform(merges, tables.MERGES),
        changes=merged(
            tables.CHANGES,
            changes,
            dedupe.taken_over(ENTITY, filled),
            tally(tables.CHANGES, ENTITY, [("name", "suffixed", suffixed)]),
        ),
        loss=merged(
            tables.LOSS,
            loss,
            phone_loss,
            dedupe.collapsed(
                ENTITY, collapsed, {PHONE_NUMBERS: "phone_numbers", **decided.source_of(ENTITY)}
            ),
            tally(tables.LOSS, ENTITY, [("name", "truncated", cut)]),
            tagged.loss,
        ),
    )


def _structured(
    rows: pl.DataFrame, companies: pl.DataFrame, decided: Decisions
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """*rows* with ids, tags and further phone numbers, and the loss where no field takes those."""
    ids, tags, numbers = (companies[c] for c in ("source_id", "tags", "phone_numbers"))
    rows = rows.with_columns(
        cf_usercom_original_id=ids, tags=linking.listed(tags, is_left=decided.leaves(ENTITY, "tags"))
    )
    listed = numbers.to_frame().select(all=clean.filled(pl.col("phone_numbers")))["all"]
    # A company without a name is rejected as a whole.
    is_several = (listed.list.len() > 1).fill_null(False) & rows["name"].is_not_null()
    if decided.leaves(ENTITY, "phone_numbers"):
        return rows, tables.LOSS.empty()
    if not decided.has_field("sales_accounts", PHONE_NUMBERS):
        return rows, tally(tables.LOSS, ENTITY, [("phone_numbers", "dropped", int(is_several.sum()))])
    joined = listed.list.join(", ")
    is_short = joined.str.len_chars() <= clean.TEXT_LENGTH
    kept = pl.DataFrame({"text": joined, "is_kept": is_several & is_short})
    text = kept.select(pl.when("is_kept").then("text").alias(PHONE_NUMBERS))
    too_long = int((is_several & ~is_short).sum())
    return rows.with_columns(text.to_series()), tally(
        tables.LOSS, ENTITY, [("phone_numbers", "dropped", too_long)]
    )


def _keyed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        _name=clean.name_key(pl.col("name")),
        _site=parse.host(pl.col("website")),
    )


def _told_apart(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """*rows* with names made unique, how many got a suffix, and how many had to be cut for it."""
    suffix = pl.concat_str(pl.lit(" ("), "source_id", pl.lit(")"))
    room = clean.STANDARD_LENGTH - suffix.str.len_chars()
    later = dedupe.merges(rows, key=["_name"], rank=dedupe.id_order(), rule="", entity=ENTITY)
    is_later = pl.col("source_id").is_in(later["source_id"].implode())
    is_cut = is_later & (pl.col("name").str.len_chars() > room)
    cut = rows.filter(is_cut).height
    name = pl.when(is_later).then(pl.col("name").str.head(room) + suffix).otherwise("name")
    return rows.with_columns(name=name), later.height, cut
