"""What does the target say? Its contacts, leads, accounts and deals, read back through the All views.

In: a client of the target and the field settings read in 03_workspace. Out: the frames `actual_contacts`, `actual_leads`,
`actual_sales_accounts`, `actual_deals`, with the column types of the normalized tables. A hundred records a
call, never one by one. What can't be read exactly as what it should be is a DataError that names module, id and
key: a value is never guessed, and never quoted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import polars as pl

from crmbook import readback_values as wire
from crmbook import tables
from crmbook.errors import DataError
from crmbook.phases import edition as editions
from crmbook.vendors.freshsales_edition import Edition

Record = Mapping[str, Any]


MARK: Final = "cf_usercom_original_id"
# the key an include adds to a record, by module where it differs: where no record has it, the include went unheard
_KEYS: Final = {
    "owner": "owner_id",
    "contact_status": "contact_status_id",
    "lifecycle_stage": "lifecycle_stage_id",
    "sales_accounts": "sales_accounts",
    "contacts": "contact_ids",
    "sales_account": "sales_account_id",
    "currency": "currency_id",
}


class Pager(Protocol):
    """What is asked of the target's client."""

    @property
    def edition(self) -> Edition: ...

    def pages(self, module: str, *, include: Sequence[str]) -> Iterator[list[dict[str, Any]]]: ...


class Watched(Protocol):
    """The run, as far as reading needs it."""

    def read(self, table: str) -> pl.DataFrame: ...

    def progress(self, entity: str, done: int, total: int | None = None) -> None: ...


class Stored(Protocol):
    """The run, as far as saved tables are told."""

    def scan(self, table: str) -> pl.LazyFrame: ...


@dataclass(frozen=True)
class _Column:
    name: str
    path: tuple[str, ...]
    read: wire.Reader
    dtype: pl.DataType | type[pl.DataType]


def records(run: Watched, client: Pager) -> dict[str, pl.DataFrame]:
    """
    Every record of the target's main modules (leads too where it has them), by table name.

    Raises:
        DataError: a record has no id, or a key whose content is of another kind than the field.
        ApiError: as the client raises it; nothing is kept of a reading that broke off.
    """
    fields = run.read("target_fields")
    planned = dict(run.read("crosswalk").group_by("entity").len().iter_rows())
    found = {}
    for entity, module in editions.of(client.edition.name).modules.items():
        links = client.edition.module(module).links
        rows: list[Record] = []
        for page in client.pages(module, include=links):
            rows.extend(page)
            run.progress(module, len(rows), max(planned.get(entity, 0), len(rows)))
        found[f"actual_{module}"] = shaped(module, rows, fields, links=links)
    return found


def by_entity(frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The frames of `records` under the names the comparison uses."""
    names = {place: f"actual_{module}" for place, module in editions.MODULES.items()}
    return {place: frames[name] for place, name in names.items() if name in frames}


def told(run: Stored, names: Collection[str]) -> dict[str, pl.LazyFrame]:
    """The same of tables that are saved, read as far as somebody asks: *names* are those of `records`."""
    places = {place: f"actual_{module}" for place, module in editions.MODULES.items()}
    return {place: run.scan(name) for place, name in places.items() if name in names}


def shaped(
    module: str, rows: Sequence[Record], target_fields: pl.DataFrame, *, links: Sequence[str] = ()
) -> pl.DataFrame:
    """
    *rows* as the table `actual_<module>`; a record that paging showed twice counts once, as last seen.

    *links* are the includes that were asked for.

    Raises:
        DataError: see `records`; or no record of ours has a key that its include should have brought.
    """
    table = tables.of(f"actual_{module}")
    columns = [*_standard(table), *_custom(module, target_fields)]
    read: dict[int, dict[str, Any]] = {}
    for place, row in enumerate(rows):
        target_id = _record_id(module, row, place)
        read[target_id] = {
            "target_id": target_id,
            **{c.name: _value(module, target_id, row, c) for c in columns},
        }
    _check_includes(module, [_KEYS[link] for link in links if link in _KEYS], rows, read)
    schema = {"target_id": pl.Int64, **{c.name: c.dtype for c in columns}}
    return tables.conform(pl.DataFrame(list(read.values()), schema=schema, orient="row"), table)


def _record_id(module: str, row: Any, place: int) -> int:
    try:
        found = wire.whole(row.get("id")) if isinstance(row, Mapping) else None
    except wire.NotThatError:
        found = None
    if found is None:
        raise DataError(
            f"{module}: record {place + 1} of the All view has no usable id; expected a whole number"
        )
    return found


def _value(module: str, target_id: int, row: Record, column: _Column) -> Any:
    value: Any = row
    for key in column.path:
        if value is not None and not isinstance(value, Mapping):
            raise DataError(
                f"{module} {target_id}: {column.path[0]} is {wire.kind(value)}, expected an object"
            )
        value = None if value is None else value.get(key)
    if value is None or value == "":
        return None
    try:
        return column.read(value)
    except wire.NotThatError as problem:
        key = ".".join(column.path)
        raise DataError(f"{module} {target_id}: {key} is {wire.kind(value)}, expected {problem}") from None


def _check_includes(
    module: str, keys: Sequence[str], rows: Sequence[Record], read: Mapping[int, Mapping[str, Any]]
) -> None:
    if not any(values["source_id"] for values in read.values()):
        return
    for key in keys:
        if not any(key in row for row in rows):
            raise DataError(
                f"{module}: none of {len(read)} records has {key}; the target left out what include asked for"
            )


def _standard(table: tables.Table) -> Iterator[_Column]:
    for name, dtype in table.columns.items():
        if name != "target_id":
            path, read = (
                _SPECIAL.get((table.name, name)) or _SPECIAL.get(("", name)) or ((name,), _by_type(dtype))
            )
            yield _Column(name, path, read, dtype)


def _by_type(dtype: pl.DataType | type[pl.DataType]) -> wire.Reader:
    if dtype == pl.Int64:
        return wire.whole
    if dtype == pl.Float64:
        return wire.number
    if dtype == pl.Date:
        return wire.day
    return wire.texts if isinstance(dtype, pl.List) else wire.text


def _custom(module: str, target_fields: pl.DataFrame) -> Iterator[_Column]:
    mine = target_fields.filter((pl.col("module") == module) & "is_custom" & (pl.col("api_name") != MARK))
    for name, kind, choices in mine.select("api_name", "field_type", "choices").iter_rows():
        read, dtype = _CUSTOM.get(kind, (wire.text, pl.String))
        if kind == "multi_select_dropdown":
            read, dtype = wire.several(choices or []), tables.TEXTS
        yield _Column(name, ("custom_field", name), read, dtype)


_SPECIAL: Final[dict[tuple[str, str], tuple[tuple[str, ...], wire.Reader]]] = {
    ("", "source_id"): (("custom_field", MARK), wire.text),
    ("", "tags"): (("tags",), wire.texts),
    ("actual_contacts", "account_ids"): (("sales_accounts",), wire.accounts),
    ("actual_contacts", "primary_account_id"): (("sales_accounts",), wire.primary),
    ("actual_leads", "company_name"): (("company", "name"), wire.text),
    ("actual_deals", "account_id"): (("sales_account_id",), wire.id_text),
    ("actual_deals", "contact_ids"): (("contact_ids",), wire.id_texts),
}
_CUSTOM: Final[dict[str, tuple[wire.Reader, pl.DataType | type[pl.DataType]]]] = {
    "number": (wire.number, pl.Float64),
    "decimal": (wire.number, pl.Float64),
    "checkbox": (wire.flag, pl.Boolean),
    "date": (wire.day, pl.Date),
    "datetime": (wire.instant, pl.String),
}
