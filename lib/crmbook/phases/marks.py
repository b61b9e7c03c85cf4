"""What the mark of a decision means, and which rows are still open.

A row is a person's where its mark is one of PERSONS. A row is open where nobody decided it and the proposal may
not stand on its own: a field below STANDS_ALONE, or anything a change in the source opened again.
"""

from typing import Final

import polars as pl

from crmbook.phases.standard_map import MODULES

PROPOSED: Final = "proposed"
SKIP: Final = "skip"
PERSONS: Final = ("confirmed", "changed", SKIP)
DECISIONS: Final = (PROPOSED, *PERSONS)
# The confidence from which a proposal for a field may be approved without anybody having looked at its row.
STANDS_ALONE: Final = 0.5
# How the note of a row begins that a change in the source opened again.
REOPENED: Final = "re-opened: "


def is_reopened() -> pl.Expr:
    """Whether a row with `decision` and `note` waits for a person since its source changed."""
    note = pl.col("note").fill_null("")
    return (pl.col("decision") == PROPOSED) & note.str.starts_with(REOPENED)


def is_kept() -> pl.Expr:
    """Whether what stands in the row is kept by a re-run: a person decided it, or has to decide it anew."""
    return pl.col("decision").is_in(PERSONS) | is_reopened()


def is_open() -> pl.Expr:
    """Whether a row (entity, decision, confidence, note) is undecided."""
    is_field = pl.col("entity").is_in(list(MODULES))
    is_weak = is_field & (pl.col("decision") == PROPOSED) & (pl.col("confidence") < STANDS_ALONE)
    return is_weak.fill_null(value=False) | is_reopened()


def reopened_note(why: str, before: str) -> str:
    """The note of a re-opened row: *why*, then what a person had noted there."""
    kept = "" if before.startswith(REOPENED) else before
    return f"{REOPENED}{why} · {kept}" if kept else f"{REOPENED}{why}"
