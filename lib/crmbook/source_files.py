"""What the source API does not tell and the customer fills in: runs/<customer>/source/*.csv.

In: pipelines.csv, agents.csv, activity_types.csv. Out: the typed tables the API would have given. A file with
rows wins over the API; a file with its header only counts as not filled in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import csvfiles, tables
from crmbook.errors import ConfigError

ACTIVITY_KINDS: Final = ("call", "meeting", "email", "task", "push", "other")

Row = dict[str, str]


@dataclass(frozen=True)
class SourceFile:
    """One file: its name, the table it fills, and whether discovery can't end without it."""

    name: str
    table: tables.Table
    is_required: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table.columns)


FILES: Final = {
    "pipelines": SourceFile("pipelines.csv", tables.SOURCE_STAGES, is_required=True),
    "agents": SourceFile("agents.csv", tables.AGENTS, is_required=True),
    "activity_types": SourceFile("activity_types.csv", tables.ACTIVITY_TYPES, is_required=False),
}


def read(folder: Path, entity: str) -> pl.DataFrame | None:
    """
    The table in the file of *entity*, None where there is no file or it has no rows.

    Raises:
        ConfigError: a column is missing, a cell is empty that may not be, not a number, or an id is there twice.
    """
    file = FILES[entity]
    path = folder / file.name
    if not path.is_file():
        return None
    rows = csvfiles.read(path, file.columns)
    if not rows:
        return None
    parsed = [_PARSERS[entity](file.name, line, row) for line, row in rows]
    _check_key(file, [line for line, _ in rows], parsed)
    return tables.conform(pl.DataFrame(parsed, schema=file.table.columns), file.table)


def write_empty(folder: Path, entity: str) -> Path:
    """The file of *entity* with its header, for a person to fill in; one that exists is left alone."""
    file = FILES[entity]
    path = folder / file.name
    if not path.exists():
        csvfiles.write(path, file.columns, [])
    return path


def _pipeline(name: str, line: int, row: Row) -> dict[str, Any]:
    _require(name, line, row, "pipeline_id", "pipeline", "stage_id", "stage")
    probability = csvfiles.number(
        name, line, "probability", row["probability"].removesuffix("%").strip(), float
    )
    if probability is not None and not 0 <= probability <= 100:
        raise csvfiles.fault(name, line, "probability", "expected percent from 0 to 100")
    positions = {
        column: csvfiles.number(name, line, column, row[column], int)
        for column in ("pipeline_position", "stage_position")
    }
    return {**row, **positions, "probability": probability}


def _agent(name: str, line: int, row: Row) -> dict[str, Any]:
    _require(name, line, row, "agent_id")
    if row["email"] and row["email"].count("@") != 1:
        raise csvfiles.fault(name, line, "email", "expected one e-mail address")
    return {column: text or None for column, text in row.items()}


def _activity_type(name: str, line: int, row: Row) -> dict[str, Any]:
    _require(name, line, row, "activity_type_id", "name", "kind")
    if row["kind"] not in ACTIVITY_KINDS:
        raise csvfiles.fault(name, line, "kind", f"expected one of {', '.join(ACTIVITY_KINDS)}")
    return dict(row)


_PARSERS: Final[dict[str, Callable[[str, int, Row], dict[str, Any]]]] = {
    "pipelines": _pipeline,
    "agents": _agent,
    "activity_types": _activity_type,
}


def _require(name: str, line: int, row: Row, *columns: str) -> None:
    for column in columns:
        if not row[column]:
            raise csvfiles.fault(name, line, column, "is empty; expected a value")


def _check_key(file: SourceFile, lines: list[int], rows: list[dict[str, Any]]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for line, row in zip(lines, rows, strict=True):
        key = tuple(row[column] for column in file.table.key)
        if key in seen:
            raise ConfigError(
                f"{file.name} line {line}, column {file.table.key[-1]}: the same id as in line {seen[key]}"
            )
        seen[key] = line
