"""How far each record of the source came, and which links lost an end: the tables and the pictures of 06.

In: what 06 found, the plan, the crosswalk. Out: `flow` and `flow_left`, saved, and figures of them.
"""

from collections.abc import Iterator

import polars as pl

from crmbook import figures, history_checks
from crmbook.phases import flow as way
from crmbook.phases import link_check
from crmbook.phases.narrow import only
from crmbook.runs import Run


def follow(run: Run) -> None:
    """`flow` and `flow_left` of what 06 found so far, saved."""
    # The bodies of a large plan are most of it, and nothing here asks for them.
    planned, untouched, crosswalk = (
        only(run.scan(name), "entity", "source_id") for name in ("plan", "untouched", "crosswalk")
    )
    counted = pl.concat(
        [b.select("entity", "extracted") for b in run.frames("class_balance", "history_chain")]
    )
    at, left = way.flow(
        classes=run.scan("classes"), standing=history_checks.standing(run), planned=planned, untouched=untouched,
        crosswalk=crosswalk, extracted=dict(counted.iter_rows()),
    )  # fmt: skip
    run.save_all(flow=at, flow_left=left)


def flow(run: Run) -> None:
    """The picture of the whole move: records, then their history."""
    for title, at, left in parted(*run.frames("flow", "flow_left")):
        figures.flow(at, left, title=title)


def parted(at: pl.DataFrame, left: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """FLOW and FLOW_LEFT of the records, and of their history, each with its title."""
    is_record = pl.col("entity").is_in(way.RECORDS)
    yield "Companies, contacts and deals", at.filter(is_record), left.filter(is_record)
    yield (
        "Their history: activities, e-mails, events, talks, files",
        at.filter(~is_record),
        left.filter(~is_record),
    )


def lost_links(run: Run) -> None:
    """The picture of the links between records."""
    figures.links(link_check.pictured(run.read("link_balance")), title="Links between records")
