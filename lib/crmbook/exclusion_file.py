"""Contacts a person decided to leave behind: runs/<customer>/source/exclusions.csv, for every run of the customer.

`source_id, reason` and nothing else: ids and a rule in words, never a value about a person. Written by the exploring
notebook or by hand; 02 reads it, its content is part of the map that is approved, and 04 obeys it. Once a run has
applied its plan the file is no longer asked for that run: what was written is taken back by a rollback, not by a list.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from crmbook import csvfiles, runs
from crmbook.errors import ParameterError
from crmbook.phases import exclusions
from crmbook.runs import Record, Run

NAME: Final = "exclusions.csv"
COLUMNS: Final = ("source_id", "reason")
# How run.json names the file among the inputs of 02.
KEY: Final = f"source/{NAME}"
LONGEST: Final = 80
_PERSONAL: Final = re.compile(r"@|\d(?:[\s()./-]?\d){6}")
_ID: Final = re.compile(r"[^\s@,;]{1,64}")


def read(source_folder: Path) -> pl.DataFrame:
    """
    `source_id`, `reason` of the file in *source_folder*; no rows where there is none.

    Raises:
        ConfigError: other columns, a cell that is empty, an id that is none or stands there twice, or a reason that is
            too long or might name a person.
    """
    path, lines, rows = source_folder / NAME, dict[str, int](), []
    for line, row in csvfiles.read(path, COLUMNS) if path.is_file() else ():
        source_id, reason = row["source_id"], row["reason"]
        if not _ID.fullmatch(source_id):
            raise csvfiles.fault(NAME, line, "source_id", "expected the id of a contact in User.com")
        if source_id in lines:
            raise csvfiles.fault(NAME, line, "source_id", f"the same id as in line {lines[source_id]}")
        if problem := _unfit(reason):
            raise csvfiles.fault(NAME, line, "reason", problem)
        lines[source_id] = line
        rows.append((source_id, reason))
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def exclude(source_folder: Path, ids: Iterable[str], reason: str) -> int:
    """
    How many contacts the file leaves out after *ids* were added for *reason*; who is named already keeps their reason.

    What stood there for the same reason is replaced: a selection made narrower takes its former members back.

    Raises:
        ParameterError: the reason is empty, too long, or might name a person.
    """
    reason = " ".join(reason.split())
    if problem := _unfit(reason):
        raise ParameterError(f"reason: {problem}")
    others = read(source_folder).filter(pl.col("reason") != reason)
    added = sorted(set(ids) - set(others["source_id"]))
    made = pl.DataFrame({"source_id": added, "reason": [reason] * len(added)}, schema=others.schema)
    every = pl.concat([others, made])
    csvfiles.write(source_folder / NAME, COLUMNS, every.sort("reason", "source_id").iter_rows(named=True))
    return every.height


def take(run: Run, contacts: pl.DataFrame) -> pl.DataFrame:
    """`exclusions` of the run, saved; the file's hash is an input of 02."""
    run.inputs[KEY] = digest(run.source_folder)
    return run.save("exclusions", exclusions.located(read(run.source_folder), contacts))


def digest(source_folder: Path) -> str:
    """The sha256 of the file, empty where there is none."""
    path = source_folder / NAME
    return runs.sha256(path) if path.is_file() else ""


def is_newer(record: Record) -> bool:
    """Whether the file is not the one the run's map was made with, and the run may still obey it."""
    if record.phase("05_load").get("status") == "passed":
        return False
    state = record.phase("02_mapping")
    known = state.get("inputs", {}).get(KEY, "")
    return state.get("status") == "passed" and known != digest(record.folder.parent / "source")


def _unfit(reason: str) -> str:
    if not reason:
        return "is empty; expected why these contacts stay behind"
    if len(reason) > LONGEST:
        return f"{len(reason)} characters, expected at most {LONGEST}"
    if _PERSONAL.search(reason):
        return "looks like an address or a number of a person; expected a rule in words"
    return ""
