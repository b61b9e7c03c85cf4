"""What makes a contact of a User.com user: who is left out, which address and which names it gets.

Every function adds to or reads from a frame with one row per contact; none drops a row.
"""

from typing import Final

import polars as pl

from crmbook import clean

PLACEHOLDER_DOMAIN: Final = "placeholder.invalid"
PLACEHOLDER_TAG: Final = "no-email"
_LAST_WORD: Final = r"(?s)^(?:(.*\S)\s+)?(\S+)$"


def exclusion() -> pl.Expr:
    """
    Why a source contact is left out: chat_only, push_only or unidentified; null where it is identified.

    An e-mail address, a phone number or a client's id identifies a contact; without any of them a last
    heard chat makes it chat_only, a push subscription push_only (vendor docs on billable contacts).
    """
    is_identified = pl.any_horizontal(
        clean.trimmed(pl.col(c)).is_not_null() for c in ("email", "phone_number", "custom_id")
    )
    has_push = pl.col("web_push_subscription").fill_null(False) | clean.trimmed(pl.col("fcm_key")).is_not_null()
    reason = pl.when(pl.col("last_heard").is_not_null()).then(pl.lit("chat_only"))
    reason = reason.when(has_push).then(pl.lit("push_only")).otherwise(pl.lit("unidentified"))
    return pl.when(~is_identified).then(reason)


def with_placeholders(rows: pl.DataFrame) -> pl.DataFrame:
    """*rows* in which whoever lacks `email` has an address that reaches nobody, and the tag that says so."""
    lacks = pl.col("email").is_null()
    address = pl.concat_str(pl.lit("usercom-"), "source_id", pl.lit(f"@{PLACEHOLDER_DOMAIN}"))
    tagged = pl.concat_list("tags", pl.lit([PLACEHOLDER_TAG])).list.unique(maintain_order=True)
    return rows.with_columns(
        email=pl.when(lacks).then(address).otherwise("email"), tags=pl.when(lacks).then(tagged).otherwise("tags")
    )


def with_names(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """
    *rows* with `first_name` and `last_name` made of the column *name*.

    The last word is the last name, whatever stands before it the first name. The target wants a last name
    (vendor docs): where there is none, or one of more than 255 characters, it is what stands before the @ of
    `email`.
    """
    words = clean.trimmed(pl.col(name)).str.extract_groups(_LAST_WORD).struct
    first, last = (_fitting(words.field(part)) for part in ("1", "2"))
    return rows.with_columns(
        first_name=first, last_name=pl.coalesce(last, pl.col("email").str.extract("^(.*)@"))
    )


def is_name_too_long(name: str) -> pl.Expr:
    """True where a part of the name is longer than the target's 255 characters."""
    words = clean.trimmed(pl.col(name)).str.extract_groups(_LAST_WORD).struct
    return pl.any_horizontal(words.field(p).str.len_chars() > clean.STANDARD_LENGTH for p in ("1", "2")).fill_null(False)


def _fitting(part: pl.Expr) -> pl.Expr:
    return pl.when(part.str.len_chars() <= clean.STANDARD_LENGTH).then(part)
