"""Whom has the company talked to? What of a contact's history makes it a Contact rather than a Lead.

In: the activities, their types, the e-mails. Out: per contact that has any of them, the counts and the verdict.
Recorded calls, meetings and e-mails count (vendor-pair specification); an e-mail counts once it was opened or clicked,
since sending says nothing of the contact. Tasks, push messages, unknown types and events count for nothing.
"""

from typing import Final

import polars as pl

_KINDS: Final = {"call": "calls", "meeting": "meetings", "email": "email_activities"}
COUNTS: Final = (*_KINDS.values(), "emails_sent", "emails_opened", "emails_clicked")
_ENGAGING: Final = tuple(name for name in COUNTS if name != "emails_sent")


def engagement(activities: pl.DataFrame, activity_types: pl.DataFrame, emails: pl.DataFrame) -> pl.DataFrame:
    """
    One row per contact: `contact_id`, the counts named by `COUNTS`, `is_engaged`; sorted by contact.

    The frames are `source_activities`, any frame with `activity_type_id` and `kind`, and `source_emails`. Whether an
    activity is done does not matter: that it was planned with somebody is recorded all the same.
    """
    kinds = activity_types.lazy().select("activity_type_id", pl.col("kind").str.to_lowercase())
    done = (
        activities.lazy()
        .join(kinds, on="activity_type_id", how="left")
        .select(
            "contact_id", *((pl.col("kind") == kind).fill_null(False).alias(n) for kind, n in _KINDS.items())
        )
    )
    sent = emails.lazy().select(
        "contact_id",
        *(
            pl.col(f"{what}_at").is_not_null().alias(f"emails_{what}")
            for what in ("sent", "opened", "clicked")
        ),
    )
    return (
        pl.concat([done, sent], how="diagonal")
        .filter(pl.col("contact_id").is_not_null())
        .group_by("contact_id")
        .agg(pl.col(COUNTS).fill_null(False).sum().cast(pl.Int64))
        .with_columns(pl.any_horizontal(pl.col(_ENGAGING) > 0).alias("is_engaged"))
        .sort("contact_id")
        .collect()
    )
