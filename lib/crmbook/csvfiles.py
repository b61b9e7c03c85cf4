"""CSV files a person edits: read with an exact place for every fault, written so that text stays text.

Text that a spreadsheet would take for a formula is written behind an apostrophe, and one leading apostrophe
is taken away on reading; so what is read back is what was written. UTF-8 with or without a mark, comma or
semicolon between the columns. Files are replaced by rename.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from crmbook import runs
from crmbook.errors import ConfigError, named, readable

Number = TypeVar("Number", int, float)

# As OWASP lists them; some spreadsheets take the wide forms of East Asian keyboards for the narrow ones.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")
# A line end nobody quotes, and what a spreadsheet set to another country may take for a cell that starts a formula.
_QUOTED: Final = re.compile(r"\r|[;\t|]\s*[=+\-@＝＋－＠]")
_LARGEST: Final = 2**63 - 1


def write(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, mode: int = 0o600
) -> None:
    """*rows* under *columns* at *path*; None is an empty cell."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    runs.write_text(path, text(columns, rows), mode=mode)


def text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """*rows* under *columns* as the text of a file; None is an empty cell."""
    out = io.StringIO(newline="")
    # A carriage return alone ends a line for whoever reads, but is not quoted by whoever writes.
    plain, quoted = (
        csv.writer(out, lineterminator="\n", quoting=q) for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    plain.writerow(columns)
    for row in rows:
        cells = [safe(row.get(column)) for column in columns]
        (quoted if any(map(_QUOTED.search, cells)) else plain).writerow(cells)
    return out.getvalue()


def read(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """
    The rows of *path* with their line numbers, all cells as trimmed text; rows without any text are left out.

    Raises:
        ConfigError: not UTF-8, a column is missing, unknown or there twice, or a row has more cells than the
            header. A column may stand anywhere.
    """
    try:
        with readable(path.name):
            text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path.name}: not UTF-8 (byte {problem.start}); save it as CSV UTF-8") from None
    header_line = text.partition("\n")[0]
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(path.name, header, columns)
        start = reader.line_num + 1
        for cells in reader:
            line, start = start, reader.line_num + 1
            if any(cell.strip() for cell in cells):
                rows.append((line, _row(path.name, line, header, cells)))
    except csv.Error as problem:
        raise ConfigError(f"{path.name} line {reader.line_num}: {problem}; check the quotes there") from None
    return rows


def safe(value: Any) -> str:
    """*value* as a cell that no spreadsheet computes."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def fault(name: str, line: int, column: str, problem: str) -> ConfigError:
    """The error for one cell: file, line, column, and what was expected."""
    return ConfigError(f"{name} line {line}, column {column}: {problem}")


def number(name: str, line: int, column: str, text: str, kind: Callable[[str], Number]) -> Number | None:
    """The number in a cell, None where it is empty; raises ConfigError."""
    if not text:
        return None
    try:
        found: Number | None = kind(text.replace(",", "."))
    except ValueError:
        found = None
    # What no column can hold is no number either.
    if found is None or not abs(found) <= _LARGEST:
        what = "a whole number" if kind is int else "a number"
        raise fault(name, line, column, f"expected {what}")
    return found


def _check_header(name: str, header: list[str], columns: Sequence[str]) -> None:
    missing, unknown = [c for c in columns if c not in header], [h for h in header if h not in columns]
    repeated = sorted({h for h in header if header.count(h) > 1})
    # What is missing is told first: in a file without a header the unknown names would be somebody's record.
    for what, found in (("missing", missing), ("unknown", [*map(named, unknown)]), ("repeated", repeated)):
        if found:
            raise ConfigError(
                f"{name} line 1: {what} column {', '.join(found)}; expected {', '.join(columns)}"
            )


def _row(name: str, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(header):
        raise ConfigError(
            f"{name} line {line}: {len(cells)} cells, expected {len(header)}; quote text that holds a comma"
        )
    cells = [*cells, *[""] * (len(header) - len(cells))]
    return {column: cell.strip().removeprefix("'") for column, cell in zip(header, cells, strict=True)}
