"""The automation inventory the customer writes by hand: no interface of the source tells its automations.

In: runs/<customer>/source/automations.csv or the run's 07_handoff/automations.csv, whichever was changed last. Out:
rows for `phases.handoff.automations`. What was read is copied to the run's folder with the same time of change, so
that the next edit of either file is the later one.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from crmbook import csvfiles

NAME: Final = "automations.csv"
COLUMNS: Final = ("name", "trigger", "conditions", "actions", "active", "notes")
_TRUE: Final = ("true", "t", "yes", "1")
_FALSE: Final = ("false", "f", "no", "0")


class Folders(Protocol):
    """The run, as far as it says where things are."""

    @property
    def source_folder(self) -> Path: ...

    @property
    def phase_folder(self) -> Path: ...


def automations(run: Folders) -> list[dict[str, Any]]:
    """
    The rows of the inventory, with the columns of `tables.AUTOMATIONS`; none where nobody filled it in.

    Where there is no file at all, one with the header only is written to the source folder for the customer.

    Raises:
        ConfigError: the file has other columns, a name is empty or there twice, or `active` is no truth value.
    """
    path = _newest(run)
    if path is None:
        csvfiles.write(run.source_folder / NAME, COLUMNS, [])
        path = run.source_folder / NAME
    rows = csvfiles.read(path, COLUMNS)
    parsed = _parsed(rows)
    copy = run.phase_folder / NAME
    if copy != path:
        csvfiles.write(copy, COLUMNS, (row for _, row in rows))
        os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    return parsed


def chosen(run: Folders) -> str:
    """Which file counts, as a person would name it; empty where there is none."""
    path = _newest(run)
    return f"{path.parent.name}/{path.name}" if path else ""


def _newest(run: Folders) -> Path | None:
    """The file changed last; the customer's own among equals. A rerun moves the run's copy to 07_handoff~N."""
    phase = run.phase_folder
    copies = [phase / NAME, *(folder / NAME for folder in sorted(phase.parent.glob(f"{phase.name}~*")))]
    found = [path for path in (run.source_folder / NAME, *copies) if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _parsed(rows: list[tuple[int, dict[str, str]]]) -> list[dict[str, Any]]:
    lines: dict[str, int] = {}
    found = []
    for line, row in rows:
        name = row["name"]
        if not name:
            raise csvfiles.fault(NAME, line, "name", "is empty; expected the automation's name")
        if name in lines:
            raise csvfiles.fault(
                NAME, line, "name", f"the same name as in line {lines[name]}; names must differ"
            )
        lines[name] = line
        found.append(dict(_cells(line, row)))
    return found


def _cells(line: int, row: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for column, text in row.items():
        if column != "active":
            yield column, text
        elif text.lower() in (*_TRUE, *_FALSE):
            yield "is_active", text.lower() in _TRUE
        else:
            raise csvfiles.fault(NAME, line, "active", "expected true or false")
