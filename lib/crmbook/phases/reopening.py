"""Which decided rows a change in the source opens again, and why.

In: the rows as decided, what the source showed about each when it was decided, and what it shows now. Out: the
same rows; those whose evidence changed are proposals again, with the person's target kept and a note that says
what changed. Where the evidence is the same nothing opens, whatever else changed.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import polars as pl

from crmbook.phases import marks

Key = tuple[str, str]
Evidence = Mapping[Key, str]


def of_fields(fields: pl.DataFrame) -> dict[Key, str]:
    """What a decision about a field rests on, in words: the declared and the observed kind (`tables.FIELDS`)."""
    return {
        (r["entity"], r["field"]): f"{r['declared'] or 'nothing'} declared and {r['observed']} found"
        for r in fields.iter_rows(named=True)
    }


def of_rows(proposed: pl.DataFrame) -> dict[Key, str]:
    """What a decision beside fields rests on: what was proposed (entity, source_field, target_field), hashed."""
    return {
        (entity, field): hashlib.sha256((target or "").encode()).hexdigest()[:12]
        for entity, field, target in proposed.select("entity", "source_field", "target_field").iter_rows()
    }


def fields_opened(
    decided: pl.DataFrame, proposed: pl.DataFrame, *, then: Evidence, now: Evidence, approved: pl.DataFrame
) -> pl.DataFrame:
    """
    *decided* (`tables.MAPPING`) with the touched rows opened.

    A person's row keeps its target; one that was skipped shows the proposal. A row nobody decided opens where
    it goes elsewhere than in the map *approved* last (entity, source_field, target_field, rule).
    """
    keys = ("entity", "source_field")
    proposals = {tuple(r[k] for k in keys): r for r in proposed.iter_rows(named=True)}
    places = {(r[0], r[1]): (r[2], r[3]) for r in approved.select(*keys, "target_field", "rule").iter_rows()}
    rows = decided.to_dicts()
    for row in rows:
        key = (row["entity"], row["source_field"])
        if key in then and key in now and then[key] != now[key]:
            row |= _opened(row, proposals.get(key, row), f"{then[key]}, now {now[key]}", places.get(key))
    return pl.DataFrame(rows, schema=decided.schema)


def rows_opened(rows: pl.DataFrame, *, then: Evidence, now: Evidence) -> pl.DataFrame:
    """*rows* beside fields (entity, source_field, decision, note) with those opened whose proposal changed."""
    made = rows.to_dicts()
    for row in made:
        key = (row["entity"], row["source_field"])
        is_touched = key in then and key in now and then[key] != now[key]
        if is_touched and row["decision"] in marks.PERSONS and row["decision"] != marks.SKIP:
            why = "the source changed since this was decided"
            row |= {"decision": marks.PROPOSED, "note": marks.reopened_note(why, row["note"])}
    return pl.DataFrame(made, schema=rows.schema)


def _opened(
    row: dict[str, Any], proposal: dict[str, Any], change: str, approved: tuple[str, str] | None
) -> dict[str, Any]:
    """What changes in *row*; nothing where a skip is all that is proposed, or the row goes where it went."""
    note = row["note"] or ""
    if row["decision"] == marks.SKIP:
        if proposal["decision"] == marks.SKIP:
            return {}
        why = f"was left behind; {change}"
        return {**proposal, "note": marks.reopened_note(why, note)}
    if row["decision"] in marks.PERSONS:
        return {"decision": marks.PROPOSED, "note": marks.reopened_note(change, note)}
    if approved is None or approved == (row["target_field"], row["rule"]) or note.startswith(marks.REOPENED):
        return {}
    place = f"{approved[0]} ({approved[1]})" if approved[0] else "left behind"
    return {"note": marks.reopened_note(f"{place} when approved; {change}", note)}
