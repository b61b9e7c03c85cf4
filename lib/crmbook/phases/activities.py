"""Activities and mails of the source as dated entries.

In: `source_activities`, `source_emails` and what carries each type. Out: entries (`dated.ENTRY`) for whoever
carries them, and the mails of which nothing is told. An activity that was never scheduled stands at the time it
was done, else created, else changed; of a mail every sending, opening and click is an entry of its own.
"""

from typing import Final

import polars as pl

from crmbook.phases import carriers, dated

_MAIL_TITLES: Final = {"sent": "E-mail sent", "opened": "E-mail opened", "clicked": "E-mail clicked"}


def entries(activities: pl.DataFrame, types: pl.DataFrame) -> pl.LazyFrame:
    """*activities* with their carriers (`tables.ACTIVITY_MAP`) as entries."""
    known = types.lazy().select("activity_type_id", "carrier", "kind", label="name")
    # A done activity's own time is the best guess after the planned one; all three stand in the text anyway.
    time_from = (
        pl.when(pl.col("due_date").is_not_null())
        .then(pl.lit(None, dtype=pl.String))
        .when(pl.col("done_date").is_not_null())
        .then(pl.lit("done_date"))
        .otherwise(pl.lit("created_at"))
    )
    return (
        activities.lazy()
        .with_columns(pl.col("activity_type_id").fill_null(carriers.UNKNOWN_TYPE))
        .join(known, on="activity_type_id", how="left", maintain_order="left")
        .select(
            entity=pl.lit("activity"),
            raw_id="source_id",
            source_id=pl.lit("activity:") + pl.col("source_id"),
            carrier="carrier",
            kind="kind",
            label="label",
            title="name",
            at=pl.coalesce("due_date", "done_date", "created_at", "updated_at"),
            time_from=time_from,
            minutes="duration",
            body="description",
            is_done="is_done",
            done_at="done_date",
            created_at="created_at",
            owner_agent_id="assigned_to",
            contact_id="contact_id",
            company_id="company_id",
            deal_id="deal_id",
        )
    )


def mails(emails: pl.DataFrame, types: pl.DataFrame) -> pl.LazyFrame:
    """Every sending, opening and click of *emails* as an entry; its id is `<mail id>:<mark>`."""
    carrier = dict(types.select("activity_type_id", "carrier").iter_rows())
    parts = [_marked(emails.lazy(), mark, carrier.get(f"email:{mark}")) for mark in carriers.MARKS]
    return pl.concat(parts)


def silent_mails(emails: pl.DataFrame) -> pl.LazyFrame:
    """Mails that were neither sent nor opened nor clicked, as rows of `tables.CARRIED`."""
    nothing = pl.lit(None, dtype=pl.String)
    is_silent = pl.all_horizontal(pl.col(c).is_null() for c in carriers.MARKS.values())
    return (
        emails.lazy()
        .filter(is_silent)
        .select(
            entity=pl.lit("email"),
            source_id="source_id",
            carrier_module=nothing,
            carrier_id=nothing,
            state=pl.lit("rejected"),
            reason=pl.lit("never_sent"),
        )
    )


def _marked(emails: pl.LazyFrame, mark: str, carrier: str | None) -> pl.LazyFrame:
    raw_id = pl.col("source_id") + pl.lit(f":{mark}")
    subject = pl.col("subject").str.strip_chars().replace("", None)
    title = pl.concat_str(pl.lit(_MAIL_TITLES[mark]), subject, separator=": ", ignore_nulls=True)
    known = {
        "entity": pl.lit("email"), "raw_id": raw_id, "source_id": pl.lit("email:") + raw_id,
        "carrier": pl.lit(carrier, dtype=pl.String), "kind": pl.lit("email"), "label": pl.lit(_MAIL_TITLES[mark]),
        "title": title, "at": pl.col(carriers.MARKS[mark]), "is_done": pl.lit(None, dtype=pl.Boolean),
        "contact_id": pl.col("contact_id"),
    }  # fmt: skip
    blank = {name: pl.lit(None, dtype=dtype) for name, dtype in dated.ENTRY.items()}
    return emails.filter(pl.col(carriers.MARKS[mark]).is_not_null()).select(
        **{name: known.get(name, blank[name]) for name in dated.ENTRY}
    )
