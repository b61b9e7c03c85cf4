"""Source records as a typed table under construction: a batch at a time, whatever their number.

In: records one by one or as columns, in the order received. Out: the table in the shape of `tables.SOURCE_*`, and the
records as received. A custom property becomes the text column `p_<name_std>`: text as received, everything else as
compact JSON, null as null.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol, Self

import polars as pl

from crmbook import tables
from crmbook.extract_spool import Spool
from crmbook.extract_values import Json, instants, names, no_time, oldest_first, text_of, texts
from crmbook.runs import Run
from crmbook.vendors.usercom_csv_kinds import Coded
from crmbook.vendors.usercom_csv_parts import Part


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


def _ids(named: list[Json]) -> list[str]:
    return [one["id"] for one in named if one["id"] is not None]


def _is_known(value: Any) -> bool | None:
    return None if value is None else bool(value)


# Columns whose canonical key has another name or another shape; all others are taken as they are.
_Shape = Callable[[Any], Any] | None
_TAKE: Final[dict[str, dict[str, tuple[str, _Shape]]]] = {
    "source_contacts": {
        "company_ids": ("companies", oldest_first),
        "tags": ("tags", names),
        "list_ids": ("lists", _ids),
        "fcm_key": ("fcm_key", _is_known),
        "most_active_time": ("most_active_time", text_of),
    },
    "source_companies": {"tags": ("tags", names)},
    "source_deals": {
        "pipeline_id": ("pipeline", None),
        "stage_id": ("stage", None),
        "contact_id": ("user_id", None),
        "tags": ("tags", names),
        "order_products": ("order_products", text_of),
        "scope": ("scope", text_of),
        "activities_status": ("activities_status", text_of),
        "loss_reason": ("loss_reason", text_of),
    },
    "source_activities": {
        "activity_type_id": ("activity_type", None),
        "is_done": ("done", None),
        "contact_id": ("user_id", None),
    },
    "source_events": {
        "contact_id": ("user_id", None),
        "event_type_id": ("event_id", None),
        "at": ("timestamp", None),
        "data": ("data", text_of),
    },
    "source_emails": {"contact_id": ("user_id", None), "status": ("status", text_of)},
    "agents": {"agent_id": ("id", None)},
    "source_activity_types": {"activity_type_id": ("id", None)},
    "tags": {"tag_id": ("id", None)},
    "lists": {"list_id": ("id", None)},
    "segments": {"segment_id": ("id", None)},
}


class Columns:
    """
    A source table under construction, page by page: no record is kept, and of its cells only a batch as Python values.

    What is too much for the memory lies in *folder* until `close`; without one everything stays there.

    Args:
        declared: properties the source declares for the entity; each becomes a column even if no record has it.
    """

    def __init__(self, table: tables.Table, declared: Iterable[str] = (), folder: Path | None = None) -> None:
        self._table, self._key = table, table.key[0]
        self._take = _TAKE.get(table.name, {})
        self._spool = Spool(folder, table.name, self._key)
        self._declared = [f"{table.prefix}{name}" for name in declared]
        self._custom_names = list(self._declared)
        self._wrong: dict[str, str] = {}
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing of it is left on disk."""
        self._spool.close()

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

    def add_part(self, part: Part) -> None:
        """Records that are columns already."""
        if self._raw:
            self._put_away()
        fixed = [
            part.ids if name == "source_id" else self._column(name, part, dtype)
            for name, dtype in self._table.columns.items()
        ]
        custom = {f"{self._table.prefix}{name}": values for name, values in part.attributes.items()}
        blank = pl.repeat(None, part.ids.len(), dtype=pl.String, eager=True)
        properties = dict.fromkeys([*self._declared, *custom])
        self._keep(
            [values.alias(name) for name, values in zip(self._table.columns, fixed, strict=True)]
            + [custom.get(name, blank).alias(name) for name in properties],
            part.raw,
        )

    def _column(self, name: str, part: Part, dtype: Any) -> pl.Series:
        key, shape = self._take.get(name, (name, None))
        values = part.fields[key]
        if isinstance(values, pl.Series):
            if shape is None:
                return values
            if isinstance(values.dtype, pl.List):
                return values.list.unique(maintain_order=True)
            different = values.unique(maintain_order=True)
            places = values.replace_strict(different, pl.int_range(different.len(), eager=True))
            values = Coded(different.to_list(), places)
        taken = values.values if shape is None else [shape(one) for one in values.values]
        different = texts(name, taken) if dtype in _AS_TEXT else pl.Series(name, taken, dtype=dtype)
        return different.gather(values.places)

    def _add_fixed(self, part: list[Record]) -> None:
        cells = [record.fields for record in part]
        for name, values in self._fixed.items():
            key, shape = self._take.get(name, (name, None))
            if name == "source_id":
                values += [record.source_id for record in part]
            elif shape is None:
                values += [fields[key] for fields in cells]
            else:
                values += [shape(fields[key]) for fields in cells]

    def _add_custom(self, part: list[Mapping[str, Any]]) -> None:
        for name in dict.fromkeys(name for attributes in part for name in attributes):
            column = f"{self._table.prefix}{name}"
            if column not in self._custom:
                self._custom[column] = [None] * len(self._raw)
                self._custom_names.append(column)
        for column, values in self._custom.items():
            name = column.removeprefix(self._table.prefix)
            found = [attributes.get(name) for attributes in part]
            values += [one if type(one) is str else text_of(one) for one in found]

    def _put_away(self) -> None:
        fixed = [
            texts(name, self._fixed[name])
            if dtype in _AS_TEXT
            else pl.Series(name, self._fixed[name], dtype=dtype)
            for name, dtype in self._table.columns.items()
        ]
        custom = [texts(name, values) for name, values in self._custom.items()]
        self._keep([*fixed, *custom], texts(_RAW, self._raw))
        self._begin()

    def _keep(self, columns: list[pl.Series], raw: pl.Series) -> None:
        """The batch with its times typed; of those that are none the first of each column waits for `frame` to tell it."""
        typed = []
        for column in columns:
            dtype = self._table.columns.get(column.name)
            if dtype in _TIMES:
                column, wrong = instants(column, dtype)
                if wrong is not None:
                    self._wrong.setdefault(column.name, columns[0][wrong])
            typed.append(column)
        self._spool.add(pl.DataFrame([*typed, raw.alias(_RAW)]))

    def _finish_batch(self) -> None:
        if self._raw or self._spool.is_empty:
            self._put_away()

    def _finish(self) -> None:
        self._finish_batch()
        for name, dtype in self._table.columns.items():
            if name in self._wrong:
                raise no_time(self._table.name.removeprefix("source_"), self._wrong[name], name, dtype)

    @property
    def is_large(self) -> bool:
        """Whether more came than stays in memory; `lazy` and `lazy_raw` are then how to read it."""
        return self._spool.is_large

    @property
    def distinct(self) -> int:
        """How many different ids came."""
        self._finish_batch()
        return self._spool.ids.n_unique()

    def lazy(self) -> pl.LazyFrame:
        """The table in its own order, each id once: of a record sent twice the last one stands."""
        self._finish()
        if not self._spool.is_large:
            return self.frame().lazy()
        found = self._spool.lazy()
        custom = sorted(set(found.collect_schema()) - set(self._table.columns) - {_RAW})
        return found.select(*self._table.columns, *custom)

    def lazy_raw(self) -> pl.LazyFrame:
        """As `raw`, in order."""
        self._finish_batch()
        return self._spool.lazy().select(source_id=self._key, raw=_RAW)

    def frame(self) -> pl.DataFrame:
        """
        The table as it is saved.

        Raises:
            DataError: a text is no time; names record and field.
        """
        self._finish()
        if self._spool.is_large:
            return self.lazy().collect()
        made = self._spool.held().drop(_RAW).unique(self._key, keep="last", maintain_order=True)
        return tables.conform(made, self._table)

    def raw(self) -> pl.DataFrame:
        """The records as received: `source_id`, `raw`; the last of a record sent twice."""
        self._finish_batch()
        if self._spool.is_large:
            return self.lazy_raw().collect()
        made = self._spool.held().select(source_id=self._key, raw=_RAW)
        return made.unique("source_id", keep="last", maintain_order=True)

    def save(self, run: Run, heard: pl.DataFrame | None = None) -> None:
        """The table, saved; with *heard* (`source_id`, `last_heard`) those instants in it."""
        if not self.is_large:
            run.save(self._table.name, _told(self.frame().lazy(), heard).collect())
            return
        run.sink(self._table.name, _told(self.lazy(), heard))

    def save_raw(self, run: Run, name: str) -> None:
        """The records as received, saved as the table *name*."""
        if self.is_large:
            run.sink(name, self.lazy_raw())
        else:
            run.save(name, self.raw())


def _told(frame: pl.LazyFrame, heard: pl.DataFrame | None) -> pl.LazyFrame:
    if heard is None:
        return frame
    names = frame.collect_schema().names()
    joined = frame.drop("last_heard").join(heard.lazy(), on="source_id", how="left", maintain_order="left")
    return joined.select(names)
