"""The rows of an exported file by the thousand, column by column.

In: a file as `usercom_csv_text` understands it. Out: the same rows and the same lines that are none, in blocks: one
column of text per column of the file. Whole rows are told apart and read by Polars; where that and reading row by
row might differ (a quote nobody closes, text that is no UTF-8, a null in quotes), the block is read row by row.
"""

import io
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import polars as pl

from crmbook.vendors.usercom_csv_text import MOST_LINES, NULL, Row, TextFile

_SIZE: Final = 4 << 20
_BLANK: Final = " \t\n\r\x0b\x0c"


class Block(NamedTuple):
    """
    Rows of a file: the line and the offset each begins at (`line`, `offset`), and its cells, a column each, named by
    its place from "0" on; null and the empty text as in `Row`. `broken` are the lines among them that are no row.
    """

    places: pl.DataFrame
    cells: pl.DataFrame
    broken: list[Row]

    def row(self, number: int) -> Row:
        """The row in place *number* of the block."""
        line, offset = self.places.row(number)
        return Row(line, offset, list(self.cells.row(number)))


def blocks(file: TextFile, size: int = _SIZE) -> Iterator[Block]:
    """Every row of *file* below its header and every line that is none, in blocks of about *size* bytes."""
    reader = _Reader(file)
    line, offset = file.below_header()
    with file.path.open("rb") as stream:
        while True:
            stream.seek(offset)
            chunk = stream.read(size) + stream.readline()
            if not chunk:
                return
            found = reader.read(chunk, line, offset)
            if found is None:
                block, line, offset = _by_row(file, line, offset, offset + len(chunk))
            else:
                block, lines, taken = found
                line, offset = line + lines, offset + taken
            yield block


class _Reader:
    """Whole lines as blocks, of one file."""

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._schema = {str(number): pl.String for number in range(len(file.header))}
        delimiter = re.escape(file.delimiter)
        cell = rf'(?:"(?:[^"]|"")*"|[^"{delimiter}]*)'
        self._whole = rf"\A{cell}(?:{delimiter}{cell})*\z"

    def read(self, chunk: bytes, line: int, offset: int) -> tuple[Block, int, int] | None:
        """The rows that end in *chunk*, its lines and bytes they take; None where only reading row by row tells."""
        if self._file.has_marker and f'"{NULL}"'.encode() in chunk:
            return None
        try:
            text = chunk.decode("utf-8")
        except UnicodeDecodeError:
            return None
        parts = text.split("\n")
        if not parts[-1]:
            parts.pop()
        lines = pl.DataFrame({"text": parts}, schema={"text": pl.String})
        length = pl.col("text").str.len_bytes().cast(pl.Int64) + 1
        lines = lines.select(
            pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias("line"),
            (length.cum_sum() - length + offset).alias("offset"),
            "text",
        )
        rows = lines.with_columns(lines=pl.lit(1, dtype=pl.UInt32))
        if '"' in text:
            joined = _joined(lines)
            if joined is None:
                return None
            rows, lines = joined
        block = self._block(rows, is_quoted='"' in text)
        taken = min(len(chunk), int(lines.select(length.sum()).item()))
        return None if block is None else (block, lines.height, taken)

    def _block(self, rows: pl.DataFrame, *, is_quoted: bool) -> Block | None:
        text, outside = pl.col("text"), pl.col("outside")
        told = rows.with_columns(text.str.strip_suffix("\r"), whole="text")
        told = told.with_columns(outside=text.str.replace_all(r'"[^"]*"', "") if is_quoted else text)
        has_all = outside.str.count_matches(self._file.delimiter, literal=True) == len(self._schema) - 1
        told = told.with_columns(
            is_row=has_all & text.str.contains(self._whole) if is_quoted else has_all,
            is_blank=(pl.col("lines") == 1) & (text.str.strip_chars(_BLANK) == ""),
        )
        # Polars takes neither a carriage return outside quotes nor a mark before the first line for a part of a cell.
        is_unclear = text.str.starts_with("\ufeff") | outside.str.contains("\r", literal=True)
        is_torn = ~pl.col("is_row") & (pl.col("lines") > 1)
        if told.select((is_unclear | is_torn).any()).item():
            return None
        good = told.filter("is_row", ~pl.col("is_blank"))
        wrong = told.filter(~pl.col("is_row"), ~pl.col("is_blank"))
        broken = [
            self._file.row(line, offset, whole.encode())
            for line, offset, whole in wrong.select("line", "offset", "whole").iter_rows()
        ]
        cells = self._cells(good["text"])
        if cells.height != good.height:
            return None
        return Block(good.select("line", "offset"), cells, broken)

    def _cells(self, rows: pl.Series) -> pl.DataFrame:
        if rows.is_empty():
            return pl.DataFrame(schema=self._schema)
        content = io.BytesIO("\n".join(rows.to_list()).encode())
        cells = pl.read_csv(content, has_header=False, schema=self._schema, separator=self._file.delimiter)
        if not self._file.has_marker:
            return cells
        return cells.select(
            pl.when(pl.col(name).is_null()).then(pl.lit("")).when(pl.col(name) != NULL).then(name).alias(name)
            for name in cells.columns
        )


def _joined(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """
    The rows in *lines*, those of several lines put together, and the lines that are in them; None where a quote stays
    open too long or to the end.
    """
    quotes = pl.col("text").str.count_matches('"', literal=True) % 2
    told = lines.with_columns((quotes.cum_sum() % 2 == 1).alias("is_open"))
    if not told["is_open"].any():
        return lines.with_columns(lines=pl.lit(1, dtype=pl.UInt32)), lines
    begins = (~pl.col("is_open").shift(fill_value=False)).cum_sum().alias("row")
    told = told.with_columns(begins)
    if told["is_open"][-1]:
        told = told.filter(pl.col("row") < pl.col("row").max())
    rows = told.group_by("row", maintain_order=True).agg(
        pl.col("line", "offset").first(),
        pl.col("text").str.join("\n"),
        pl.len().cast(pl.UInt32).alias("lines"),
    )
    if rows.is_empty() or rows.select(pl.col("lines").max()).item() > MOST_LINES:
        return None
    return rows.drop("row"), told.select("line", "offset", "text")


def _by_row(file: TextFile, line: int, offset: int, end: int) -> tuple[Block, int, int]:
    """The rows that begin before *end*, read one by one, and the place that follows them."""
    good: list[Row] = []
    broken: list[Row] = []
    for row in file.rows_from(line, offset):
        line, offset = row.line, row.offset
        if offset >= end:
            break
        (broken if row.problem else good).append(row)
    else:
        line, offset = line + 1, file.path.stat().st_size
    names = [str(number) for number in range(len(file.header))]
    columns = zip(*(row.cells for row in good), strict=True) if good else ((),) * len(names)
    return (
        Block(
            pl.DataFrame(
                [(r.line, r.offset) for r in good],
                schema={"line": pl.Int64, "offset": pl.Int64},
                orient="row",
            ),
            pl.DataFrame([pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)]),
            broken,
        ),
        line,
        offset,
    )
