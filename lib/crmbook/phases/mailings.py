"""Which campaigns and e-mail templates stay behind, and which of them are worth writing anew?

In: the campaigns as the source sent them, and the mails it sent to contacts. Out: MAILINGS. No interface tells the
templates themselves: a subject that went out more than once stands for one. Invariant: nothing here moves, and every
campaign of the source has its line.
"""

from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.automation_signs import repeated

CAMPAIGN: Final = "campaign"
TEMPLATE: Final = "template"
_NUMBERS: Final = {"sent": "recipients_count", "opened": "statistics.opened", "clicked": "statistics.clicked"}


def mailings(raw_campaigns: pl.DataFrame | None, emails: pl.DataFrame) -> pl.DataFrame:
    """*raw_campaigns* as `tables.RAW`, None where the source does not list them; *emails* as `tables.HISTORY_EMAILS`."""
    rows = [*_campaigns(tables.RAW.empty() if raw_campaigns is None else raw_campaigns), *_templates(emails)]
    return tables.conform(pl.DataFrame(rows, schema=tables.MAILINGS.columns), tables.MAILINGS)


def _campaigns(raw: pl.DataFrame) -> Iterator[dict[str, Any]]:
    found = raw.select(
        "source_id",
        name=pl.col("raw").str.json_path_match("$.name"),
        first=pl.col("raw").str.json_path_match("$.started_at").str.head(10).str.to_date(strict=False),
        **{
            column: pl.col("raw").str.json_path_match(f"$.{path}").cast(pl.Int64, strict=False)
            for column, path in _NUMBERS.items()
        },
    )
    for row in found.iter_rows(named=True):
        name = f"{row.pop('name') or 'without a name'} (#{row.pop('source_id')})"
        is_used = bool(row["sent"])
        yield row | {
            "kind": CAMPAIGN, "name": name, "last": None, "subject": None,
            "action": "keep its figures; write it anew only if it goes out again" if is_used else "never sent: leave it",
        }  # fmt: skip


def _templates(emails: pl.DataFrame) -> Iterator[dict[str, Any]]:
    sent = emails.filter(pl.col("sent_at").is_not_null()).with_columns(pl.col("subject").str.strip_chars())
    facts = sent.group_by("subject").agg(
        opened=pl.col("opened_at").is_not_null().sum().cast(pl.Int64),
        clicked=pl.col("clicked_at").is_not_null().sum().cast(pl.Int64),
        first=pl.col("sent_at").min().dt.date(), last=pl.col("sent_at").max().dt.date(),
    )  # fmt: skip
    often = repeated(sent, "subject", "sent_at").join(
        facts, left_on="text", right_on="subject", maintain_order="left"
    )
    for number, row in enumerate(often.iter_rows(named=True), 1):
        yield {
            "kind": TEMPLATE, "name": f"mail {number}", "sent": row["records"], "opened": row["opened"],
            "clicked": row["clicked"], "first": row["first"], "last": row["last"],
            "action": "write it anew as a Freshsales template, if it goes on", "subject": row["text"],
        }  # fmt: skip
