r"""Which rows does an exported file have, and which of its lines are none?

In: a CSV file as a database writes it: UTF-8 with or without a mark, any of `, ; | tab` between the cells,
quotes doubled inside quotes, line breaks inside quotes. Out: row after row with its line number, read once
from front to end, so size doesn't matter. Where the file tells the two apart, null (nothing, or `\N`) is
None and an empty text (`""`) is "". A line that is no row comes out with its problem and reading goes on at
the next line; nothing is skipped silently.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from crmbook.errors import DataError

Cells = list[str | None]

_BOM: Final = b"\xef\xbb\xbf"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS: Final = ",;\t|"
NULL: Final = "\\N"
# A quote that nobody closes would otherwise take the rest of the file for one cell.
MOST_LINES: Final = 10_000
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Row:
    """One row: the line it starts in, its place in bytes, its cells; or, where it is none, what is wrong."""

    line: int
    offset: int
    cells: Cells
    problem: str = ""


class TextFile:
    """
    One file, its header read; `header` holds the names as they stand there, without blanks around.

    Raises:
        DataError: empty, not UTF-8, or no line of column names that are all there and all different.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        with path.open("rb") as stream:
            start = stream.read(len(_BOM))
            if start.startswith(_WIDE):
                raise DataError(f"{self.name}: UTF-16; save it as CSV UTF-8")
            self._start = len(_BOM) if start == _BOM else 0
            stream.seek(self._start)
            first = stream.readline()
        self.delimiter = _delimiter(first)
        self._cell = re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|([^"{self.delimiter}]*+))({self._sep}|\Z)')
        self.has_marker = self._find_marker()
        self.header: list[str] = []
        self.header = self._header()

    @property
    def _sep(self) -> str:
        return re.escape(self.delimiter)

    def rows(self) -> Iterator[Row]:
        """Every row below the header, and every line that is none; blank lines are neither."""
        with self.path.open("rb") as stream:
            stream.seek(self._start)
            parsed = self._parsed(stream, self._start, 1)
            next(parsed, None)
            yield from parsed

    def below_header(self) -> tuple[int, int]:
        """Line and offset of what follows the header."""
        with self.path.open("rb") as stream:
            stream.seek(self._start)
            header = next(self._parsed(stream, self._start, 1))
            stream.seek(header.offset)
            taken = _until_closed(stream.readline(), deque(), stream)
        return header.line + len(taken), header.offset + sum(map(len, taken))

    def rows_from(self, line: int, offset: int) -> Iterator[Row]:
        """As `rows`, from *line* on, which begins at *offset* and is no middle of a row."""
        with self.path.open("rb") as stream:
            stream.seek(offset)
            yield from self._parsed(stream, offset, line)

    def row(self, line: int, offset: int, content: bytes) -> Row:
        """The row that *content* is, all of its lines."""
        return self._checked(self._row(line, offset, content))

    def at(self, places: Iterable[tuple[int, int]]) -> Iterator[Row]:
        """The rows at *places*, pairs of `line` and `offset` as `rows` gave them."""
        with self.path.open("rb") as stream:
            for line, offset in places:
                stream.seek(offset)
                yield next(self._parsed(stream, offset, line))

    def _header(self) -> list[str]:
        with self.path.open("rb") as stream:
            stream.seek(self._start)
            row = next(self._parsed(stream, self._start, 1), None)
        if row is None:
            raise DataError(f"{self.name}: empty; expected a line of column names and a line for each record")
        if row.problem:
            raise DataError(f"{self.name} line {row.line}: {row.problem}; expected the names of the columns")
        names = [(cell or "").strip() for cell in row.cells]
        if "" in names:
            raise DataError(f"{self.name} line {row.line}: column {names.index('') + 1} has no name")
        for number, name in enumerate(names):
            if name in names[:number]:
                raise DataError(
                    f"{self.name} line {row.line}: columns {names.index(name) + 1} and {number + 1} have the same name"
                )
        return names

    def _checked(self, row: Row) -> Row:
        if row.problem or not self.header or len(row.cells) == len(self.header):
            return row
        return Row(row.line, row.offset, [], f"{len(row.cells)} cells, expected {len(self.header)}")

    def _parsed(self, stream: IO[bytes], offset: int, line: int) -> Iterator[Row]:
        ahead: deque[bytes] = deque()
        while first := ahead.popleft() if ahead else stream.readline():
            taken = _until_closed(first, ahead, stream)
            row = self.row(line, offset, b"".join(taken))
            if row.problem and len(taken) > 1:
                # The fault may lie in the first line alone; the others get their own chance.
                ahead.extendleft(reversed(taken[1:]))
                taken = taken[:1]
            if first.strip() or len(taken) > 1:
                yield row
            line += len(taken)
            offset += sum(map(len, taken))

    def _row(self, line: int, offset: int, content: bytes) -> Row:
        try:
            text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            return Row(line, offset, [], "not UTF-8; expected text saved as UTF-8")
        if '"' not in text:
            return Row(line, offset, [self._plain(cell) for cell in text.split(self.delimiter)])
        cells: Cells = []
        at = 0
        while found := self._cell.match(text, at):
            quoted, plain, ends = found.groups()
            cells.append(self._plain(plain) if quoted is None else quoted.replace('""', '"'))
            if not ends:
                return Row(line, offset, cells)
            at = found.end()
        place = f"cell {len(cells) + 1}"
        if re.compile(r'"[^"]*+(?:""[^"]*+)*+\Z').match(text, at):
            return Row(line, offset, [], f"{place}: a quote that is not closed; double a quote inside quotes")
        return Row(line, offset, [], f"{place}: text beside quotes; expected the whole cell in quotes")

    def _plain(self, cell: str) -> str | None:
        if cell == NULL:
            return None
        return cell if cell or self.has_marker else None

    def _find_marker(self) -> bool:
        r"""Whether null is written `\N` here; an empty cell is then an empty text."""
        sep = self._sep.encode()
        marker = re.compile(rb"(?:^|\n|%b)\\N(?:%b|\r?\n|\Z)" % (sep, sep))
        with self.path.open("rb") as stream:
            # Whole lines, so that a chunk begins and ends where one may.
            while chunk := stream.read(_CHUNK) + stream.readline():
                if rb"\N" in chunk and marker.search(chunk):
                    return True
        return False


def _until_closed(first: bytes, ahead: deque[bytes], stream: IO[bytes]) -> list[bytes]:
    taken, is_open = [first], first.count(b'"') % 2
    while is_open and len(taken) < MOST_LINES:
        more = ahead.popleft() if ahead else stream.readline()
        if not more:
            break
        taken.append(more)
        is_open ^= more.count(b'"') % 2
    return taken


def _delimiter(header: bytes) -> str:
    outside = re.sub(rb'"[^"]*"', b"", header).decode("utf-8", "replace")
    return max(_DELIMITERS, key=lambda one: (outside.count(one), -_DELIMITERS.index(one)))
