"""Users as contacts: who is left out, who is the same person, and what address and names the others get.

Who can't be identified has no place in the target; whoever has no valid address only under a policy that makes
one up and says so. No name is invented but the last name of someone who has none.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import clean, parse, tables
from crmbook.phases import dedupe, exclusions, split, tagging
from crmbook.phases.links import fate as fate_of
from crmbook.phases.links import listed, repointed, unless
from crmbook.phases.shape import Decisions, Shaped, cells, counted, merged, rejected, tally

ENTITY: Final = "contact"
PLACEHOLDER_DOMAIN: Final = "placeholder.invalid"
PLACEHOLDER_TAG: Final = "no-email"
_OWN: Final = ("source_id", "external_id", "cf_usercom_original_id", "email")
_HELPERS: Final = ("_name", "_seen", "_filled", "_email", "_stands", "_is_tidied")
_FITTING_WORDS: Final = "^(?:(.{1,255}) )?(.{1,255})$"


def contacts(
    source: pl.DataFrame,
    decided: Decisions,
    *,
    source_deals: pl.DataFrame,
    accounts: Shaped,
    engagement: pl.DataFrame | None = None,
    standing: pl.DataFrame | None = None,
) -> Shaped:
    """
    Contacts of *source* (`tables.SOURCE_CONTACTS`), their fate, and what happened on the way.

    Who can't be identified, or is left out by decision, is excluded. Without a valid e-mail address a contact is rejected, or gets a
    placeholder, as the policy says. One address is one contact, whatever its case: the fullest record, then
    the one last seen, then the lowest id; before all of that, who stands in the target since an earlier run
    (*standing*: `source_id`, `email`). The split looks at everything that was merged into a contact, and at
    *engagement* (`contact_id`, `is_engaged`).
    """
    excluded = exclusions.left_out(source, decided.exclusions, otherwise=exclusion())
    ids, evidence = source.select("source_id"), split.evidence(source, source_deals, engagement)
    # Of a large account two copies of its contacts are as much as there is room for: whatever is done with, goes.
    source = source.filter(~pl.col("source_id").is_in(excluded["source_id"].implode()))
    shaped = cells(source, entity=ENTITY, decided=decided, table=tables.CONTACTS)
    rows, rejects, flags = shaped.rows, shaped.rejects, shaped.flags
    del shaped
    rows = _contact_structure(rows, source, decided, accounts)
    del source
    rows, rejects = addressed(rows, rejects, decided.policy.contact_without_email)
    rows = rows.with_columns(_email=clean.email_key(pl.col("email")), _filled=_filled(rows))
    rows = dedupe.standing(rows, standing)
    twins = dedupe.merges(rows, key=["_email"], rank=_rank(), rule="email", entity=ENTITY)
    if decided.policy.duplicate_email == "reject":
        refused = twins.select("source_id", rule=pl.lit("email_duplicate"), field=pl.lit("email"))
        rejects = merged(tables.REJECTS, rejects, rejected(ENTITY, [refused], is_blocking=True))
        rows, twins = (
            rows.join(twins, on="source_id", how="anti", maintain_order="left"),
            tables.MERGES.empty(),
        )
    rows, filled, collapsed = dedupe.fold(rows, twins, rank=_rank(), own=(*_OWN, *_HELPERS[1:]))
    tidied = tally(tables.CHANGES, ENTITY, [("name", "name", int(rows["_is_tidied"].sum()))])
    rows, told = named(rows, "_name")
    rows = rows.drop(_HELPERS)
    excluded = excluded.with_columns(entity=pl.lit(ENTITY)).select(list(tables.EXCLUDED.columns))
    fate = fate_of(ids, entity=ENTITY, merges=twins, rejects=rejects, excluded=excluded)
    rows = _sided(rows, split.of_survivors(evidence, fate))
    tagged = tagging.placed(rows, decided.tag_plan, ENTITY)
    changes, loss = counted(ENTITY, flags, fate)
    lost = dedupe.collapsed(ENTITY, collapsed, {"owner_agent_id": "assigned_to", **decided.source_of(ENTITY)})
    return Shaped(
        rows=tables.conform(tagged.rows, tables.CONTACTS),
        fate=fate,
        rejects=merged(tables.REJECTS, rejects, told.rejects, tagged.rejects),
        excluded=tables.conform(excluded, tables.EXCLUDED),
        merges=tables.conform(twins, tables.MERGES),
        changes=merged(tables.CHANGES, changes, tidied, told.changes, dedupe.taken_over(ENTITY, filled)),
        loss=merged(tables.LOSS, loss, told.loss, lost, tagged.loss),
    )


def _contact_structure(
    rows: pl.DataFrame, source: pl.DataFrame, decided: Decisions, accounts: Shaped
) -> pl.DataFrame:
    ids = source["source_id"]
    names = source.select("name", tidy=tidy(pl.col("name")))
    made = rows.with_columns(
        external_id=ids,
        cf_usercom_original_id=ids,
        owner_agent_id=unless(decided.leaves(ENTITY, "assigned_to"), source["assigned_to"]),
        tags=listed(source["tags"], is_left=decided.leaves(ENTITY, "tags")),
        account_ids=listed(source["company_ids"], is_left=decided.leaves(ENTITY, "company_ids")),
        _name=unless(decided.leaves(ENTITY, "name"), names["tidy"]),
        _is_tidied=(names["tidy"] != names["name"]).fill_null(value=False),
        _seen=source["last_seen"],
    )
    return repointed(made, "account_ids", accounts.fate)


def tidy(name: pl.Expr) -> pl.Expr:
    """*name* as it is split: composed, single blanks between the words."""
    return parse.single_spaced(name)


def _filled(rows: pl.DataFrame) -> pl.Expr:
    return dedupe.filled_cells(
        [c for c in rows.columns if c not in (*_OWN, "_seen", "_is_tidied")], rows.schema
    )


def _rank() -> list[pl.Expr]:
    long_ago = 2**62
    return [
        pl.col("_stands"),
        pl.col("_filled").neg(),
        pl.col("_seen").dt.epoch("us").neg().fill_null(long_ago),
        *dedupe.id_order(),
    ]


def _sided(rows: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    side = split.side(has_deal=pl.col("has_deal"), is_engaged=pl.col("is_engaged"))
    return (
        rows.lazy()
        .join(evidence.lazy(), on="source_id", how="left", maintain_order="left")
        .with_columns(split=side)
        .with_columns(lifecycle=split.lifecycle(split=pl.col("split"), has_won=pl.col("has_won")))
        .drop("has_deal", "has_won", "is_engaged")
        .collect()
    )


def exclusion() -> pl.Expr:
    """
    Why a source contact is left out: chat_only, push_only or unidentified; null where it is identified.

    An e-mail address, a phone number or a client's id identifies a contact; without any of them a last
    heard chat makes it chat_only, a push subscription push_only (vendor docs on billable contacts).
    """
    is_identified = pl.any_horizontal(
        parse.is_filled(pl.col(c)) for c in ("email", "phone_number", "custom_id")
    )
    has_push = pl.col("web_push_subscription").fill_null(False) | pl.col("fcm_key").fill_null(False)
    is_chat = pl.col("last_heard").is_not_null()
    reason = pl.when(is_chat).then(pl.lit("chat_only")).when(has_push).then(pl.lit("push_only"))
    return pl.when(~is_identified).then(reason.otherwise(pl.lit("unidentified")))


def addressed(
    rows: pl.DataFrame, rejects: pl.DataFrame, without_email: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    *rows* that have an address, and *rejects* with a blocking row for each of the others.

    Under the policy `placeholder` all rows stay: whoever lacks an address gets one that reaches nobody, and
    the tag that says so. Else the reason is `email_invalid` where there was a text, `email_missing` where not.
    """
    if without_email == "placeholder":
        return _with_placeholders(rows), rejects
    lacking = rows.filter(pl.col("email").is_null()).select("source_id")
    is_refused = (pl.col("rule") == "email_invalid") & (pl.col("field") == "email")
    told = rejects.with_columns(is_blocking=pl.col("is_blocking") | is_refused)
    silent = lacking.join(rejects.filter(is_refused), on="source_id", how="anti").select(
        "source_id", rule=pl.lit("email_missing"), field=pl.lit("email")
    )
    kept = rows.filter(pl.col("email").is_not_null())
    return kept, merged(tables.REJECTS, told, rejected(ENTITY, [silent], is_blocking=True))


def _with_placeholders(rows: pl.DataFrame) -> pl.DataFrame:
    lacks = pl.col("email").is_null()
    address = pl.concat_str(pl.lit("usercom-"), "source_id", pl.lit(f"@{PLACEHOLDER_DOMAIN}"))
    tagged = pl.concat_list("tags", pl.lit([PLACEHOLDER_TAG])).list.unique(maintain_order=True)
    return rows.with_columns(
        email=pl.when(lacks).then(address).otherwise("email"),
        tags=pl.when(lacks).then(tagged).otherwise("tags"),
    )


@dataclass(frozen=True)
class Told:
    """What naming cost: non-blocking rejects, changes and losses."""

    rejects: pl.DataFrame
    changes: pl.DataFrame
    loss: pl.DataFrame


def named(rows: pl.DataFrame, name: str) -> tuple[pl.DataFrame, Told]:
    """
    *rows* with `first_name` and `last_name` made of the column *name*, and what that cost.

    The last word is the last name, whatever stands before it the first name, single blanks between. Where that
    is more than 255 characters, more words go to the last name; a name that fits in no way is cut and told.
    The target wants a last name (vendor docs): where there is none, it is what stands before
    the @ of `email`.
    """
    room = clean.STANDARD_LENGTH
    words = (
        rows.select(name, "email", _whole=tidy(pl.col(name)))
        .with_columns(_last=pl.col("_whole").str.split(" ").list.last())
        .with_columns(
            _first=pl.col("_whole")
            .str.strip_suffix(pl.col("_last"))
            .str.strip_chars_end(" ")
            .replace("", None)
        )
    )
    is_long = words.select(pl.max_horizontal(pl.col("_first", "_last").str.len_chars()) > room).to_series()
    if is_long.any():
        fitting = _parts(pl.when(is_long).then("_whole"), _FITTING_WORDS)
        words = words.with_columns(_fit_first=fitting["_first"], _fit_last=fitting["_last"]).with_columns(
            _is_cut=(is_long & pl.col("_fit_last").is_null()).fill_null(value=False),
            _first=pl.coalesce("_fit_first", pl.col("_first").str.head(room)),
            _shown=pl.coalesce("_fit_last", pl.col("_last").str.head(room)),
        )
    else:
        words = words.with_columns(_is_cut=pl.lit(value=False), _shown="_last")
    local_part = pl.when(pl.col("_shown").is_null()).then("email").str.extract("^(.*)@")
    told = words.select(
        "_is_cut",
        first_name="_first",
        last_name=pl.coalesce("_shown", local_part),
        _is_borrowed=pl.col("_last").is_null(),
    )
    made = rows.with_columns(told.get_columns())
    flags = ("_is_cut", "_is_borrowed")
    cut, borrowed = (int(made[f].sum()) for f in flags)
    noticed = made.filter("_is_cut").select("source_id", rule=pl.lit("too_long"), field=pl.lit("name"))
    return made.drop(flags), Told(
        rejects=rejected(ENTITY, [noticed], is_blocking=False),
        changes=tally(tables.CHANGES, ENTITY, [("name", "last_name_from_email", borrowed)]),
        loss=tally(tables.LOSS, ENTITY, [("name", "truncated", cut)]),
    )


def _parts(whole: pl.Expr, pattern: str) -> dict[str, pl.Expr]:
    groups = whole.str.extract_groups(pattern).struct
    return {"_first": groups.field("1"), "_last": groups.field("2")}
