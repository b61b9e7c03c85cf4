"""Canonical source records as typed tables: one row per record, its order and its text untouched.

In: records as the source clients return them (`source_id`, `raw`, `fields`). Out: frames in the shape of
`tables.SOURCE_*`. A custom property becomes the text column `p_<name_std>`: text as received, everything
else as compact JSON, null as null. A time that is none is a DataError naming record and field.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Protocol

import polars as pl

from crmbook import tables
from crmbook.errors import DataError

Json = dict[str, Any]


class Record(Protocol):
    """One source record: the vendor's id, its JSON as received, its canonical fields."""

    @property
    def source_id(self) -> str: ...
    @property
    def raw(self) -> str: ...
    @property
    def fields(self) -> Json: ...


_RAW: Final = "\x1eraw"
_BATCH: Final = 20_000
_TIMES: Final = (tables.TIME, pl.Date)
_AS_TEXT: Final = (*_TIMES, pl.String)
ENTITIES: Final = {"user": "contact", "company": "company", "deal": "deal"}

# Columns whose canonical key has another name or another shape; all others are taken as they are.
_TAKE: Final[dict[str, dict[str, Callable[[Json], Any]]]] = {
    "source_contacts": {
        "company_ids": lambda f: _oldest_first(f["companies"]),
        "tags": lambda f: _names(f["tags"]),
        "list_ids": lambda f: [one["id"] for one in f["lists"] if one["id"] is not None],
        "fcm_key": lambda f: bool(f["fcm_key"]) if f["fcm_key"] is not None else None,
        "most_active_time": lambda f: _text_of(f["most_active_time"]),
    },
    "source_companies": {"tags": lambda f: _names(f["tags"])},
    "source_deals": {
        "pipeline_id": lambda f: f["pipeline"],
        "stage_id": lambda f: f["stage"],
        "contact_id": lambda f: f["user_id"],
        "tags": lambda f: _names(f["tags"]),
        "order_products": lambda f: _text_of(f["order_products"]),
        "scope": lambda f: _text_of(f["scope"]),
        "activities_status": lambda f: _text_of(f["activities_status"]),
        "loss_reason": lambda f: _text_of(f["loss_reason"]),
    },
    "source_activities": {
        "activity_type_id": lambda f: f["activity_type"],
        "is_done": lambda f: f["done"],
        "contact_id": lambda f: f["user_id"],
    },
    "source_events": {
        "contact_id": lambda f: f["user_id"],
        "event_type_id": lambda f: f["event_id"],
        "at": lambda f: f["timestamp"],
        "data": lambda f: _text_of(f["data"]),
    },
    "source_emails": {"contact_id": lambda f: f["user_id"], "status": lambda f: _text_of(f["status"])},
    "agents": {"agent_id": lambda f: f["id"]},
    "source_activity_types": {"activity_type_id": lambda f: f["id"]},
    "tags": {"tag_id": lambda f: f["id"]},
    "lists": {"list_id": lambda f: f["id"]},
    "segments": {"segment_id": lambda f: f["id"]},
}


class Columns:
    """
    A source table under construction, page by page: no record is kept, and of its cells only a batch as Python values.

    Args:
        declared: properties the source declares for the entity; each becomes a column even if no record has it.
    """

    def __init__(self, table: tables.Table, declared: Iterable[str] = ()) -> None:
        self._table = table
        self._take = _TAKE.get(table.name, {})
        self._parts: list[pl.DataFrame] = []
        self._custom_names = [f"{table.prefix}{name}" for name in declared]
        self._begin()

    def _begin(self) -> None:
        self._fixed: dict[str, list[Any]] = {name: [] for name in self._table.columns}
        self._custom: dict[str, list[str | None]] = {name: [] for name in self._custom_names}
        self._raw: list[str] = []

    def add(self, records: Iterable[Record]) -> None:
        rest = iter(records)
        while part := list(islice(rest, _BATCH - len(self._raw))):
            self._add_fixed(part)
            self._add_custom([record.fields.get("attributes") or {} for record in part])
            self._raw += [record.raw for record in part]
            if len(self._raw) == _BATCH:
                self._put_away()

    def _add_fixed(self, part: list[Record]) -> None:
        cells = [record.fields for record in part]
        for name, values in self._fixed.items():
            if take := self._take.get(name):
                values += map(take, cells)
            elif name == "source_id":
                values += [record.source_id for record in part]
            else:
                values += [fields[name] for fields in cells]

    def _add_custom(self, part: list[Mapping[str, Any]]) -> None:
        for name in dict.fromkeys(name for attributes in part for name in attributes):
            column = f"{self._table.prefix}{name}"
            if column not in self._custom:
                self._custom[column] = [None] * len(self._raw)
                self._custom_names.append(column)
        for column, values in self._custom.items():
            name = column.removeprefix(self._table.prefix)
            found = [attributes.get(name) for attributes in part]
            values += [one if type(one) is str else _text_of(one) for one in found]

    def _put_away(self) -> None:
        """The batch as columns; times stay text until the whole table is asked for, so that what is none is told once."""
        fixed = [
            texts(name, self._fixed[name])
            if dtype in _AS_TEXT
            else pl.Series(name, self._fixed[name], dtype=dtype)
            for name, dtype in self._table.columns.items()
        ]
        custom = [texts(name, values) for name, values in self._custom.items()]
        self._parts.append(pl.DataFrame([*fixed, *custom, texts(_RAW, self._raw)]))
        self._begin()

    def _whole(self) -> pl.DataFrame:
        if self._raw or not self._parts:
            self._put_away()
        self._parts = [pl.concat(self._parts, how="diagonal")]
        return self._parts[0]

    def frame(self) -> pl.DataFrame:
        """The table, each id once: of a record sent twice the last one stands."""
        key, whole = self._table.key[0], self._whole().drop(_RAW)
        typed = [
            times(self._table.name.removeprefix("source_"), name, whole[name], whole[key], dtype)
            for name, dtype in self._table.columns.items()
            if dtype in _TIMES
        ]
        made = whole.with_columns(typed)
        return tables.conform(made.unique(key, keep="last", maintain_order=True), self._table)

    def raw(self) -> pl.DataFrame:
        """The records as received: `source_id`, `raw`; the last of a record sent twice."""
        made = self._whole().select(source_id=self._table.key[0], raw=_RAW)
        return made.unique("source_id", keep="last", maintain_order=True)


def attributes(records: Iterable[Record]) -> pl.DataFrame:
    """The custom properties of contacts, companies and deals, as `tables.ATTRIBUTES`; others are left out."""
    rows = [
        {
            "entity": ENTITIES[r.fields["content_type"]],
            "property": r.fields["name_std"],
            "name": r.fields["name"] or r.fields["name_std"],
            "value_type": r.fields["value_type"] or "",
        }
        for r in records
        if r.fields["content_type"] in ENTITIES and r.fields["name_std"]
    ]
    made = pl.DataFrame(rows, schema=tables.ATTRIBUTES.columns)
    return tables.conform(
        made.unique(tables.ATTRIBUTES.key, keep="last", maintain_order=True), tables.ATTRIBUTES
    )


def stages(records: Iterable[Record]) -> pl.DataFrame:
    """Every stage of every pipeline, as `tables.SOURCE_STAGES`."""
    rows = [
        {
            "pipeline_id": r.source_id,
            "pipeline": r.fields["name"],
            "pipeline_position": r.fields["position"],
            "stage_id": stage["id"],
            "stage": stage["name"],
            "stage_position": stage["position"],
            "probability": stage["probability"],
        }
        for r in records
        for stage in r.fields["stages"] or []
    ]
    made = pl.DataFrame(rows, schema=tables.SOURCE_STAGES.columns)
    made = made.unique(tables.SOURCE_STAGES.key, keep="last", maintain_order=True)
    return tables.conform(made, tables.SOURCE_STAGES)


def _oldest_first(companies: list[Json]) -> list[str]:
    known = [c for c in companies if c["id"] is not None]
    ordered = sorted(known, key=lambda c: _moment(c.get("member_since"), c["id"]))
    return list(dict.fromkeys(c["id"] for c in ordered))


def _moment(text: str | None, company_id: str) -> datetime:
    """The instant; memberships without one sort last."""
    if not text:
        return datetime.max.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(
            f"contacts: member_since of company {company_id}: expected an ISO 8601 time"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _names(named: list[Json]) -> list[str]:
    return list(dict.fromkeys(one["name"] for one in named if one["name"] is not None))


def _text_of(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def texts(name: str, values: list[Any]) -> pl.Series:
    """Texts as a column; half a character, legal in JSON and no text, becomes the sign for an unreadable one."""
    try:
        return pl.Series(name, values, dtype=pl.String)
    except UnicodeEncodeError:
        # Half of a surrogate pair (an emoji cut in two) is legal in JSON and not in UTF-8.
        whole = [None if v is None else re.sub("[\ud800-\udfff]", "\ufffd", v) for v in values]
        return pl.Series(name, whole, dtype=pl.String)


def times(
    entity: str,
    name: str,
    values: Sequence[Any] | pl.Series,
    ids: Sequence[str] | pl.Series,
    dtype: Any = tables.TIME,
) -> pl.Series:
    """
    ISO 8601 texts as UTC instants, or as dates where *dtype* says so; null and blank are null.

    Raises:
        DataError: a text is no time; names *entity*, the id beside it and *name*.
    """
    text = pl.Series(name, values, dtype=pl.String)
    text = text.to_frame().select(pl.col(name).replace("", None)).to_series()
    if dtype == pl.Date:
        parsed = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    else:
        parsed = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")
    wrong = text.is_not_null() & parsed.is_null()
    if wrong.any():
        what = "a date such as 2024-01-31" if dtype == pl.Date else "an ISO 8601 time with an offset"
        raise DataError(f"{entity} {ids[wrong.arg_true()[0]]}: {name}: expected {what}; see the raw record")
    return parsed.rename(name)
