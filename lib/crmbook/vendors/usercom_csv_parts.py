"""Users, companies, deals and activities of an export by the thousand: the records of `UserComCsv.pages`, as columns.

In: an export and an entity. Out: per block of the file its records column by column, or record by record where the
file's columns don't allow it (names that mean two things, times of membership beside the ids). Rows that are none are
among the export's rejects, with the lines and reasons that reading row by row gives: it is what finds them.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from crmbook.vendors import usercom_csv_kinds as kinds
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.usercom import Record
from crmbook.vendors.usercom_csv import UserComCsv
from crmbook.vendors.usercom_csv_blocks import Block, blocks
from crmbook.vendors.usercom_csv_kinds import Coded, Reader
from crmbook.vendors.usercom_csv_sheet import Column, Sheet, memberships

ENTITIES: Final = ("users", "companies", "deals", "activities")
_DTYPES: Final = {"integer": pl.Int64, "flag": pl.Boolean} | dict.fromkeys(
    ("text", "decimal", "moment", "ref", "gender", "user_status"), pl.String
)
_IDS, _SINCE = "company_ids", "since"


@dataclass(frozen=True)
class Part:
    """
    Some records: ids, JSON as `usercom.Record.raw`, canonical fields by name as columns, custom attributes as text.

    An attribute that is no text is compact JSON; one that a record has not is null. Companies nobody told a time of may
    be lists of their ids.
    """

    ids: pl.Series
    raw: pl.Series
    fields: dict[str, pl.Series | Coded]
    attributes: dict[str, pl.Series]


def parts(export: UserComCsv, entity: str) -> Iterator[Part | list[Record]]:
    """
    All records of *entity*, one of ENTITIES, in the order of its file; a repeated id comes again.

    Raises:
        NotFound: there is no such file.
        DataError: its header can't be read.
    """
    file, sheet = export.sheet(entity)
    shaper = _Shaper(entity, sheet, export.declared(entity) or ())
    if not shaper.is_plain:
        yield from (page.records for page in export.pages(entity))
        return
    for block in blocks(file):
        for row in block.broken:
            export.reject(entity, row, row.problem)
        for part in _of_block(export, entity, shaper, block) if block.cells.height else ():
            if entity == "users":
                ids = (
                    part.ids
                    if isinstance(part, Part)
                    else pl.Series([r.source_id for r in part], dtype=pl.String)
                )
                export.users.append(ids)
            yield part


def _of_block(export: UserComCsv, entity: str, shaper: "_Shaper", block: Block) -> list[Part | list[Record]]:
    part, refused = shaper.part(block.cells)
    if refused is None:
        return [part]
    numbers = refused.arg_true().to_list()
    if [record for record, _ in export.records(entity, map(block.row, numbers))]:
        # A row of them is a record after all: then the block is what reading row by row makes of it.
        return [[record for record, _ in export.records(entity, map(block.row, range(block.cells.height)))]]
    left = block.cells.filter(~refused)
    return [shaper.part(left)[0]] if left.height else []


@dataclass
class _Cells:
    """One column of the file: its place, the key of the object, how it is read, whether null is left out."""

    place: str
    key: str
    reader: Reader
    is_custom: bool
    is_optional: bool
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f",{json.dumps(self.key, ensure_ascii=False)}:"


class _Shaper:
    """The columns of one file as canonical fields; `is_plain` tells whether each means the same in every row."""

    def __init__(self, entity: str, sheet: Sheet, declared: Collection[str]) -> None:
        self._entity = entity
        self._kinds = {key: kind for key, (_, kind) in shape.names(entity, is_v1=False).items()}
        sometimes = shape.SOMETIMES.get(entity, set())
        if entity == "users":
            self._kinds |= {"last_heard": "moment", "fcm_key": "text"}
        keys = {column.key: column.is_custom for column in sheet.columns}
        known = {"id", *self._kinds, *sometimes, _IDS}
        odd = {key for key, is_custom in keys.items() if is_custom == (key in known)}
        self.is_plain = not (
            odd
            or keys.keys() & (shape.V1_MARKS.get(entity, set()) | {"attributes", _SINCE})
            or sometimes & keys.keys() & set(declared)
            or {_IDS, "companies"} <= keys.keys()
        )
        self._columns = (
            [self._cells(n, column) for n, column in enumerate(sheet.columns)] if self.is_plain else []
        )
        # The list of memberships comes last, where it is made of ids.
        self._columns.sort(key=lambda one: one.is_optional and not one.is_custom)

    def part(self, cells: pl.DataFrame) -> tuple[Part, pl.Series | None]:
        """The records in *cells*; which rows are refused, None where none is."""
        rows = cells.height
        said = {one.key: one.reader.said(cells[one.place]) for one in self._columns}
        refused = [told.refused for told in said.values() if told.refused is not None]
        ids = said["id"].values
        assert isinstance(ids, pl.Series)
        if ids.null_count():
            refused.append(ids.is_null())
        values = {key: told.values for key, told in said.items()}
        fields = {
            key: values[key] if key in values else _missing(kind, rows) for key, kind in self._kinds.items()
        }
        if self._entity == "users" and {"first_name", "last_name"} & values.keys():
            fields["name"] = _full_name(
                fields["name"], *(values.get(f"{one}_name") for one in ("first", "last"))
            )
        attributes = {
            one.key: one_of
            for one in self._columns
            if one.is_custom
            and self._entity in shape.WITH_ATTRIBUTES
            and isinstance(one_of := values[one.key], pl.Series)
            and one_of.null_count() < rows
        }
        raw = self._json({key: told.as_json for key, told in said.items()}, rows)
        wrong = pl.DataFrame({str(n): one for n, one in enumerate(refused)}).select(
            pl.any_horizontal(pl.all())
        )
        return Part(ids, raw, fields, attributes), wrong.to_series() if refused else None

    def _cells(self, number: int, column: Column) -> _Cells:
        place = str(number)
        if column.is_custom:
            plain = kinds.CUSTOM.get(column.kind, kinds.NO_DOUBT)
            reader = Reader(column.read, _as_text, is_text=True, dtype=pl.String, plain=plain)
            return _Cells(place, column.key, reader, is_custom=True, is_optional=True)
        if column.key == _IDS:

            def companies(text: str) -> Any:
                return memberships(column.read(text))

            reader = kinds.Memberships(
                companies, lambda value: shape.value_of("companies", value), is_text=False
            )
            return _Cells(place, "companies", reader, is_custom=False, is_optional=True)
        kind = "ref" if column.key == "id" else self._kinds.get(column.key, "")
        plain = kinds.STANDARD.get(column.kind, ()) if kind in (column.kind, "") else ()
        reader = Reader(
            column.read,
            lambda value: shape.value_of(kind, value) if kind else value,
            is_text=column.is_text,
            dtype=_DTYPES.get(kind or column.kind),
            plain=plain,
        )
        return _Cells(place, column.key, reader, is_custom=False, is_optional=False)

    def _json(self, said: dict[str, pl.Series], rows: int) -> pl.Series:
        """The objects, their keys in the order of the file; a custom attribute without a value is left out."""
        pieces: list[pl.Expr] = []
        for one in self._columns:
            column = said[one.key]
            if column.null_count() == rows:
                pieces += [] if one.is_optional else [pl.lit(f"{one.name}null")]
            elif one.is_optional:
                pieces.append((pl.lit(one.name) + pl.col(one.key)).fill_null(""))
            else:
                pieces += [pl.lit(one.name), pl.col(one.key).fill_null("null")]
        told = pl.DataFrame({key: column for key, column in said.items() if column.null_count() < rows})
        body = pl.concat_str(pieces).str.slice(1)
        return told.select(raw=pl.lit("{") + body + pl.lit("}")).to_series()


def _missing(kind: str, rows: int) -> pl.Series | Coded:
    dtype = _DTYPES.get(kind)
    if dtype is None:
        return Coded([shape.value_of(kind, None)], pl.repeat(0, rows, dtype=pl.UInt32, eager=True))
    return pl.repeat(None, rows, dtype=dtype, eager=True)


def _full_name(name: Any, first: Any, last: Any) -> pl.Series:
    """The name, or where there is none both parts of it that are there."""
    named = pl.DataFrame(
        {"name": name} | {k: v for k, v in (("first", first), ("last", last)) if v is not None}
    )
    there = (pl.col(n).replace("", None) for n in named.columns[1:])
    both = pl.concat_str(*there, separator=" ", ignore_nulls=True).replace("", None)
    return named.select(pl.coalesce("name", both)).to_series()


def _as_text(value: Any) -> str | None:
    return value if value is None else kinds.whole(value if isinstance(value, str) else kinds.dumped(value))
