"""The week after the switch, and the mails that stay behind: every day its drift check, nothing without work."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from crmbook import tables
from crmbook.phases import hypercare, mailings
from reconciliation_world import frame

COMMANDS = {name: f"crmbook {name}" for name in ("drift", "reassign", "delta", "pack", "rollback")}
NOTHING = {"owners": 0, "automations": 0, "segments": 0, "mailings": 0, "sheet": 20, "items": 1, "signs": 0}


def week(**given: int) -> pl.DataFrame:
    return hypercare.hypercare(hypercare.Work(**{**NOTHING, **given}), COMMANDS)


def test_the_drift_check_is_the_first_thing_on_each_of_five_days() -> None:
    """Whatever there is to do, and by the command that does it."""
    first = week().filter(pl.col("position") == 1)
    assert [(day, "crmbook drift") for day in range(1, 6)] == first.select("day", "command").rows()


def test_a_task_without_work_is_left_out() -> None:
    """Owners, automations, segments and signs stand there only where the customer has some, with their number."""
    named = ("owners", "automations", "segments", "signs")
    without = set(week()["what"])
    added = week(**{name: number for number, name in enumerate(named, 3)})
    new = added.filter(~pl.col("what").is_in(list(without)))
    assert [(1, 3), (2, 4), (2, 6), (3, 5)] == new.select("day", "records").rows()


RAW = (
    '{"name": "Spring", "recipients_count": 180, "started_at": "2026-03-02T08:00:00Z", "statistics": {"opened": 71, "clicked": 12}}',
    '{"name": "Never", "recipients_count": 0, "started_at": null, "statistics": {}}',
)


def mail(number: int, subject: str | None, **given: Any) -> dict[str, Any]:
    at = datetime(2026, 1, number, 9, tzinfo=UTC)
    return {"source_id": str(number), "subject": subject, "sent_at": at, **given}


def test_campaigns_and_repeated_mails_do_not_move() -> None:
    """Each campaign has its line with its figures; a subject seen twice stands for a template, by a number only."""
    sent = frame(
        tables.HISTORY_EMAILS,
        mail(1, "Hi"), mail(2, "Hi ", opened_at=datetime(2026, 1, 3, tzinfo=UTC)), mail(3, "Once"), mail(4, None),
        mail(5, "Hi", sent_at=None),
    )  # fmt: skip
    campaigns = frame(tables.RAW, *({"source_id": str(n), "raw": raw} for n, raw in enumerate(RAW)))
    found = mailings.mailings(campaigns, sent)
    assert [
        ("campaign", "Never (#1)", 0, None, None, None),
        ("campaign", "Spring (#0)", 180, 71, 12, None),
        ("template", "mail 1", 2, 1, 0, "Hi"),
    ] == found.select("kind", "name", "sent", "opened", "clicked", "subject").rows()
    assert "never sent: leave it" == found["action"][0]


def test_a_source_that_lists_no_campaigns_has_no_lines_of_them() -> None:
    """Not available is not an error."""
    assert 0 == mailings.mailings(None, frame(tables.HISTORY_EMAILS)).height
