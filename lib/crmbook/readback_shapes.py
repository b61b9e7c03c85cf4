"""The vendor's records of the history as rows: which key becomes which column, read as what it should be.

In: tasks, appointments, sales activities, notes, lists and files as the client returns them. Out: frames or rows of
`actual_*`. A parent is `<kind>:<target id>`; a module's list shows it as `targetables` or as `targetable_type` and `_id`.
Nothing is guessed: a key of another kind is a DataError with module, id and key, never the value.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from crmbook import readback_values as wire
from crmbook import tables
from crmbook.errors import DataError

Record = Mapping[str, Any]

KIND_OF_MODULE: Final = {"contacts": "contact", "sales_accounts": "company", "deals": "deal", "leads": "lead"}
_KIND_OF_CLASS: Final = {"Contact": "contact", "SalesAccount": "company", "Deal": "deal", "Lead": "lead"}
_WANTED_INSTANT: Final = "a point in time with its offset"


def internal_names(types: Sequence[Record]) -> dict[int, str]:
    """Type id to internal name (`phone`, `email`…), which keeps its meaning where a tenant renames the type."""
    return {record_id("sales_activity_types", row): str(row.get("internal_name")) for row in types}


def record_id(module: str, row: Any) -> int:
    """The id of *row*; DataError where it has none."""
    try:
        found = wire.whole(row.get("id")) if isinstance(row, Mapping) else None
    except wire.NotThatError:
        found = None
    if found is None:
        raise DataError(f"{module}: a record has no usable id; expected a whole number")
    return found


def shaped(module: str, rows: Sequence[Record], types: Mapping[int, str]) -> pl.DataFrame:
    """*rows* as the table `actual_<module>`, each id once, as last seen; raises DataError as this module says."""
    table = tables.of(f"actual_{module}")
    names = [name for name in table.columns if name != "target_id"]
    read: dict[int, dict[str, Any]] = {}
    for row in rows:
        target_id = record_id(module, row)
        cells = {name: _cell(module, target_id, row, name, table.columns[name], types) for name in names}
        read[target_id] = {"target_id": target_id, **cells}
    return tables.conform(pl.DataFrame(list(read.values()), schema=table.columns, orient="row"), table)


def document(kind: str, row: Record) -> dict[str, Any]:
    """A row of `document_associations` as kind, target_id, name, url, size_bytes."""
    target_id = record_id(kind, row)
    cell = {
        "name": ("name", wire.text),
        "url": ("url", wire.text),
        "size_bytes": ("content_file_size", wire.whole),
    }
    read = {name: _read(kind, target_id, row, key, reader) for name, (key, reader) in cell.items()}
    return {"kind": kind, "target_id": target_id, **read}


def instant(value: Any) -> datetime:
    """A point in time in UTC, whatever its offset; NotThatError where it names none."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise wire.NotThatError(_WANTED_INSTANT) from None
    if moment.tzinfo is None:
        raise wire.NotThatError(_WANTED_INSTANT)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise wire.NotThatError(_WANTED_INSTANT) from None


def _cell(module: str, target_id: int, row: Record, name: str, dtype: Any, types: Mapping[int, str]) -> Any:
    if name == "parent":
        return _parent(module, target_id, row)
    if name == "is_done":
        return _read(module, target_id, row, "status", wire.whole) == 1
    if name == "attendees":
        return len(_read(module, target_id, row, "appointment_attendee_ids", wire.id_texts) or [])
    if name == "activity_type":
        type_id = _read(module, target_id, row, "sales_activity_type_id", wire.whole)
        return None if type_id is None else types.get(type_id, f"#{type_id}")
    return _read(module, target_id, row, name, _BY_TYPE[dtype])


def _read(module: str, target_id: int, row: Record, key: str, reader: wire.Reader) -> Any:
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        return reader(value)
    except wire.NotThatError as problem:
        raise DataError(f"{module} {target_id}: {key} is {wire.kind(value)}, expected {problem}") from None


def _parent(module: str, target_id: int, row: Record) -> str | None:
    if "targetables" in row:
        many = row["targetables"] or []
    elif row.get("targetable_id"):
        many = [{"id": row["targetable_id"], "type": row.get("targetable_type")}]
    else:
        many = []
    if not isinstance(many, list) or not all(isinstance(one, Mapping) for one in many):
        raise DataError(f"{module} {target_id}: targetables is {wire.kind(many)}, expected a list of objects")
    found = [(_read(module, target_id, one, "id", wire.whole), str(one.get("type"))) for one in many]
    return (
        " ".join(sorted(f"{_KIND_OF_CLASS.get(kind, kind)}:{parent_id}" for parent_id, kind in found)) or None
    )


_BY_TYPE: Final[dict[Any, wire.Reader]] = {
    pl.Int64: wire.whole,
    pl.String: wire.text,
    tables.TIME: instant,
}
