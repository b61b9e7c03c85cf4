"""What of a run can be taken back, what has to stay, and why?

In: what stands in the target of all the run wrote, and who refers to it. Out: one action per record: `delete`
(created, untouched, nobody else's record refers to it), `restore` (it was there before: our keys only), `keep`
(somebody changed it, somebody else's record refers to it, or a kept record of ours needs it), `empty` (lists, which
nothing deletes), `leave` (files and links, likewise), `gone`, `none`.
A kept record keeps what it refers to (a kept deal its contacts and account, a kept note its record), never what
refers to it. Invariant: every record of the crosswalk has exactly one action.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.edition import MODULES

S, I = pl.String, pl.Int64
# One row per record of the run as it stands: `changed` by somebody since, `restores` what of ours can be put back.
STANDING: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "entity": S, "source_id": S, "target_id": I, "origin": S, "is_there": pl.Boolean, "is_done": pl.Boolean,
    "changed": tables.TEXTS, "restores": tables.TEXTS, "members": I,
}  # fmt: skip
# Who refers to a record the run created; `by_ours` names the record where this run created that one too.
REFERENCES: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "entity": S,
    "source_id": S,
    "by": S,
    "by_ours": S,
}

ORDER: Final = ("note", "task", "appointment", "sales_activity", "list", "deal", "contact", "lead", "company")
FILES: Final = ("document", "document_link")
BULK: Final = tuple(MODULES)
A_CALL: Final = 100

UNTOUCHED: Final = "made by this run, as it left it"
OURS_ONLY: Final = "was there before; what this run wrote goes, the rest stays"
CHANGED: Final = "somebody changed it since"
REFERRED: Final = "records that are not this run's refer to it"
NEEDED: Final = "a record that stays refers to it"
NOTHING: Final = "nothing of this run stands in it any more"
NO_DELETE: Final = "nothing public deletes a file or link; it goes when its record is forgotten"
EMPTIED: Final = "nothing public deletes a list; its members go"
THEIR_LIST: Final = "the list was there before; its members stay"
SOMEBODY_DELETED: Final = "somebody deleted it"
DONE: Final = "taken back in an earlier start"

_COUNTED: Final = {
    "delete": "deleted", "restore": "restored", "empty": "emptied", "keep": "kept", "leave": "left", "gone": "gone",
    "none": "kept",
}  # fmt: skip


def plan(standing: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """
    ROLLBACK_PLAN.

    Args:
        standing: `STANDING`, every record of the run's crosswalk.
        references: `REFERENCES`, of records this run created.
    """
    foreign = _grouped(references.filter(pl.col("by_ours").is_null()), "by")
    rows = {f"{row['entity']}:{row['source_id']}": row for row in standing.iter_rows(named=True)}
    made = {name: _first(row, foreign.get(name, [])) for name, row in rows.items()}
    for name, because in _needed(made, references).items():
        if made[name]["action"] == "delete":
            made[name] |= {"action": "keep", "reason": NEEDED, "because": because}
    schema = tables.ROLLBACK_PLAN.columns
    return tables.conform(
        pl.DataFrame(list(made.values()), schema=schema, orient="row"), tables.ROLLBACK_PLAN
    )


def summary(planned: pl.DataFrame) -> pl.DataFrame:
    """Records per entity, action and reason, in the order they are taken back."""
    place = {entity: number for number, entity in enumerate((*ORDER, *FILES))}
    return (
        planned.group_by("entity", "action", "reason")
        .agg(records=pl.len())
        .sort(pl.col("entity").replace_strict(place, default=99), "action", "reason")
    )


def staying(planned: pl.DataFrame) -> pl.DataFrame:
    """Every record that stays or keeps some keys because of a person or of records that are not ours, and why."""
    mine = planned.filter((pl.col("action") == "keep") | (pl.col("stays").list.len() > 0))
    return mine.select("entity", _id_as_text(), "action", "reason", "stays", "because")


def left_over(planned: pl.DataFrame) -> pl.DataFrame:
    """What no public call deletes and therefore remains: lists, files and links."""
    left = planned.filter(pl.col("action").is_in(["leave", "empty"]))
    return left.select("entity", _id_as_text(), "action", "reason")


def headline(planned: pl.DataFrame) -> str:
    """The plan in one line, for the person who decides."""
    due = planned.filter(~pl.col("is_done"))
    counts = dict(due.group_by("action").len().iter_rows())
    parts = [f"{count:,} {action}" for action in _COUNTED if (count := counts.get(action))]
    return ", ".join(parts) if parts else "nothing left to take back"


def calls(
    planned: pl.DataFrame,
    *,
    reading: int,
    pages: Mapping[str, int],
    forget: bool,
    requests_per_hour: int | None,
) -> pl.DataFrame:
    """
    ROLLBACK_CALLS: what the rollback takes, reading it all once more included.

    *reading* are the calls this plan took, *pages* how many of them listed a module, which is what asking again
    what is gone takes at most.
    """
    due = planned.filter(~pl.col("is_done"))
    rows = [("read what stands there, once more", reading)]
    for entity in ORDER:
        mine = due.filter(pl.col("entity") == entity)
        steps = {action: mine.filter(pl.col("action") == action) for action in ("delete", "restore", "empty")}
        deletes = steps["delete"].height
        batches = math.ceil(deletes / A_CALL)
        again = min(deletes, pages.get(MODULES.get(entity, ""), deletes) + 1)
        rows.append((f"delete: {entity}", batches + again if entity in BULK else deletes))
        rows.append((f"restore: {entity}", steps["restore"].height))
        rows.append((f"empty: {entity}", sum(math.ceil(n / A_CALL) for n in steps["empty"]["members"])))
        gone = mine.filter((pl.col("action") == "gone") & (pl.col("origin") == "created")).height
        rows.append((f"forget: {entity}", (deletes + gone) * (forget and entity in BULK)))
    rows = [row for row in rows if row[1]]
    rows.append(("total", sum(count for _, count in rows)))
    made = pl.DataFrame(rows, schema={"step": S, "calls": I}, orient="row").with_row_index("number")
    hours = pl.when(step="total").then(pl.col("calls") / (requests_per_hour or float("nan"))).fill_nan(None)
    return tables.conform(made.with_columns(pl.col("number").cast(I), hours=hours), tables.ROLLBACK_CALLS)


def outcomes(planned: pl.DataFrame, undone: pl.DataFrame) -> pl.DataFrame:
    """
    ROLLBACK_OUTCOMES: per entity what became of every record of the run.

    *undone* (`entity, source_id, state`) is what the ledger tells of the acts: done, refused, gone or intent.
    """
    acts = ("delete", "restore", "empty")
    told = planned.join(undone, on=["entity", "source_id"], how="left", maintain_order="left").with_columns(
        became=pl.when(~pl.col("action").is_in(acts))
        .then(pl.col("action").replace_strict(_COUNTED))
        .when(pl.col("state") == "done")
        .then(pl.col("action").replace_strict(_COUNTED))
        .when(pl.col("state").is_in(["refused", "gone"]))
        .then("state")
        .otherwise(pl.lit("unaccounted"))
    )
    columns = [name for name in tables.ROLLBACK_OUTCOMES.columns if name not in ("entity", "written")]
    counted = told.group_by("entity").agg(
        pl.len().cast(I).alias("written"),
        *((pl.col("became") == name).sum().cast(I).alias(name) for name in columns),
    )
    return tables.conform(counted, tables.ROLLBACK_OUTCOMES)


def _id_as_text() -> pl.Expr:
    """As it stands in the address of a record, not as a quantity."""
    return pl.col("target_id").cast(S)


def _first(row: Mapping[str, Any], foreign: list[str]) -> dict[str, Any]:
    """The action of one record as if it stood alone."""
    action, reason = _alone(row, foreign)
    plain = {name: row[name] for name in ("entity", "source_id", "target_id", "origin", "is_done", "members")}
    return plain | {
        "action": action,
        "reason": DONE if row["is_done"] else reason,
        "keys": row["restores"] if action == "restore" else [],
        "stays": [] if row["is_done"] else row["changed"],
        "because": [] if row["is_done"] else sorted(foreign),
    }


def _alone(row: Mapping[str, Any], foreign: list[str]) -> tuple[str, str]:
    is_created = row["origin"] == "created"
    if row["entity"] == "list" and row["is_there"]:
        return _list(row, is_created=is_created)
    if row["is_done"]:
        return ("delete", DONE) if is_created else ("restore", DONE)
    if row["entity"] in FILES:
        return "leave", NO_DELETE
    if not row["is_there"]:
        return "gone", SOMEBODY_DELETED
    if not is_created:
        if row["restores"]:
            return "restore", OURS_ONLY
        return ("keep", CHANGED) if row["changed"] else ("none", NOTHING)
    if row["changed"]:
        return "keep", CHANGED
    return ("keep", REFERRED) if foreign else ("delete", UNTOUCHED)


def _list(row: Mapping[str, Any], *, is_created: bool) -> tuple[str, str]:
    if not is_created:
        return "leave", THEIR_LIST
    return ("keep", CHANGED) if row["changed"] else ("empty", EMPTIED)


def _needed(made: Mapping[str, dict[str, Any]], references: pl.DataFrame) -> dict[str, list[str]]:
    """The records that kept ones refer to, through any number of steps, and by which."""
    ours = references.filter(pl.col("by_ours").is_not_null())
    needs: dict[str, list[tuple[str, str]]] = {}
    for entity, source_id, by, by_ours in ours.select(*REFERENCES).iter_rows():
        needs.setdefault(by_ours, []).append((f"{entity}:{source_id}", by))
    found: dict[str, list[str]] = {}
    due = [name for name, row in made.items() if row["action"] == "keep"]
    while due:
        for name, by in needs.get(due.pop(), []):
            if name not in found and made[name]["action"] == "delete":
                due.append(name)
            found[name] = sorted({*found.get(name, []), by})
    return found


def _grouped(frame: pl.DataFrame, column: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entity, source_id, value in (
        frame.select("entity", "source_id", column).unique(maintain_order=True).iter_rows()
    ):
        found.setdefault(f"{entity}:{source_id}", []).append(value)
    return found
