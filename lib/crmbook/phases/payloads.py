"""What one normalized record looks like as the vendor wants it written.

In: a target-shaped row and the tenant's settings. Out: the body of the request, canonical JSON in which
{"$id": "<entity>:<source_id>"} stands for a target id that is not known yet. Empty values are left out, so
an update never clears what the target holds. Invariant: a value the vendor would drop silently (an unknown
field, a choice it doesn't have) is an error here, before anything is written.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import polars as pl

from crmbook.errors import UpstreamError
from crmbook.phases import json_text

Encode = Callable[[Any], Any]

ONE_OF: Final = ("dropdown", "radio")  # a radio button always takes its label (vendor docs)
SEVERAL: Final = ("multi_select_dropdown",)

CHOICE_WRITES: Final = ("label", "id")
MULTI_WRITES: Final = ("array_label", "array_id", "semicolon_label", "semicolon_id")


def canonical(payload: Mapping[str, Any]) -> str:
    """The one JSON text of *payload*: sorted keys, no blanks, text as it is."""
    return json_text.whole(payload)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def reference(entity: str, source_id: str) -> dict[str, str]:
    return {"$id": f"{entity}:{source_id}"}


@dataclass(frozen=True)
class Chosen:
    """Choices as the tenant takes them: by label, or by *ids*; several as a list, or with *is_text* as one text."""

    ids: Mapping[str, Any] | None
    is_several: bool
    is_text: bool = False

    def __call__(self, value: Any) -> Any:
        if not self.is_several:
            return self.ids[value] if self.ids else value
        written = [self.ids[label] for label in value] if self.ids else list(value)
        return ";".join(str(part) for part in written) if self.is_text else written

    def text(self, value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        """The same as JSON, for a column."""
        if not self.ids and not self.is_text:
            return json_text.of(value, dtype)
        if not self.is_several:
            return self._told(pl.when(value != "").then(value), json_text.whole)
        if not self.is_text:
            return json_text.list_of(value.list.eval(self._told(pl.element(), json_text.whole)))
        labels = value.list.eval(self._told(pl.element(), str)) if self.ids else value
        return pl.when(value.list.len() > 0).then(json_text.text(labels.list.join(";")))

    def _told(self, label: pl.Expr, written: Callable[[Any], str]) -> pl.Expr:
        ids = self.ids or {}
        return label.replace_strict(list(ids), [written(one) for one in ids.values()], return_dtype=pl.String)


@dataclass(frozen=True)
class Shape:
    """How the rows of one module become bodies: its plain columns, and its custom ones with their encoding."""

    plain: tuple[str, ...]
    custom: Mapping[str, Encode]

    def texts(self, frame: pl.DataFrame, **extra: pl.Expr) -> pl.Series:
        """The body of each row; *extra* is the JSON of what is resolved elsewhere (ids, links)."""
        schema = frame.schema
        plain = {name: json_text.of(pl.col(name), schema[name]) for name in self.plain}
        custom = {
            name: how.text(pl.col(name), schema[name])
            if isinstance(how, Chosen)
            else json_text.of(pl.col(name), schema[name])
            for name, how in self.custom.items()
        }
        return bodies(frame, {**plain, **extra, "custom_field": json_text.object_of(custom)})


def bodies(frame: pl.DataFrame, members: Mapping[str, pl.Expr]) -> pl.Series:
    """The object of *members* (key to JSON) of each row, `{}` where it has none."""
    return frame.select(json_text.object_of(members).fill_null("{}").alias("payload")).to_series()


def shape(
    frame: pl.DataFrame,
    module: str,
    *,
    plain: Sequence[str],
    target_fields: pl.DataFrame,
    capabilities: Mapping[str, str],
) -> Shape:
    """
    The shape of *frame*'s rows; custom columns nobody filled are left out.

    Raises:
        UpstreamError: a filled custom column has no field in the target, holds values that are not among the
            field's choices, or is of a kind nobody measured how to write.
    """
    fields = {
        row["api_name"]: row for row in target_fields.filter(pl.col("module") == module).iter_rows(named=True)
    }
    custom = [
        name for name in frame.columns if name.startswith("cf_") and frame[name].null_count() < frame.height
    ]
    if absent := [name for name in custom if name not in fields]:
        raise UpstreamError(
            f"{module}: the target has no field {', '.join(absent)} and would drop its values silently;"
            " create the fields and run 03_workspace again"
        )
    broken = [
        name
        for name in (*plain, *custom)
        if frame.schema[name].is_float() and not frame[name].drop_nulls().is_finite().all()
    ]
    if broken:
        raise UpstreamError(
            f"{module}: {', '.join(broken)} holds values that are not numbers; run 04_normalization again"
        )
    return Shape(
        tuple(plain), {name: _encoding(frame[name], module, fields[name], capabilities) for name in custom}
    )


def _encoding(
    values: pl.Series, module: str, field: Mapping[str, Any], capabilities: Mapping[str, str]
) -> Encode:
    kind = field["field_type"]
    if kind not in (*ONE_OF, *SEVERAL):
        return _plain
    _check_choices(values, module, field)
    ids = dict(zip(field["choices"], map(_id, field["choice_ids"]), strict=False))
    if kind == "radio":
        return Chosen(None, is_several=False)
    if kind in ONE_OF:
        how = _measured(capabilities, "choice_write", CHOICE_WRITES, module, field["api_name"])
        return Chosen(ids if how == "id" else None, is_several=False)
    how = _measured(capabilities, "multi_write", MULTI_WRITES, module, field["api_name"])
    return Chosen(ids if how.endswith("_id") else None, is_several=True, is_text=how.startswith("semicolon"))


def _measured(
    capabilities: Mapping[str, str], name: str, known: Sequence[str], module: str, api_name: str
) -> str:
    how = capabilities.get(name, "unknown")
    if how not in known:
        raise UpstreamError(
            f"{module}: {api_name} is a list of choices and how this tenant wants them written was not measured"
            f" ({name} is {how}, expected one of {', '.join(known)}); run 03_workspace again"
        )
    return how


def _check_choices(values: pl.Series, module: str, field: Mapping[str, Any]) -> None:
    given = values.explode(empty_as_null=True) if isinstance(values.dtype, pl.List) else values
    strangers = (
        given.drop_nulls().unique().to_frame("c").filter(~pl.col("c").is_in(list(field["choices"]))).height
    )
    if strangers:
        raise UpstreamError(
            f"{module}: {strangers} different values of {field['api_name']} are not among its choices in the target;"
            " add the choices and run 03_workspace again"
        )


def _id(text: str | None) -> int | str | None:
    return int(text) if text and text.isdigit() else text


def instant(value: datetime | None) -> str | None:
    """The instant as the vendor reads it: ISO 8601 in UTC."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    return value.isoformat() if isinstance(value, date) else value
