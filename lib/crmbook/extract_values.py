"""What a received value is in a typed table: texts, times, names and the ids of companies."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from crmbook import tables
from crmbook.errors import DataError

Json = dict[str, Any]


def oldest_first(companies: list[Json]) -> list[str]:
    """The ids of *companies*, each once, by the time somebody became a member; raises DataError."""
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


def names(named: list[Json]) -> list[str]:
    """The names in *named*, each once."""
    return list(dict.fromkeys(one["name"] for one in named if one["name"] is not None))


def text_of(value: Any) -> str | None:
    """*value* as text: text as it is, everything else as compact JSON."""
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
    parsed, wrong = instants(pl.Series(name, values, dtype=pl.String), dtype)
    if wrong is not None:
        raise no_time(entity, ids[wrong], name, dtype)
    return parsed


def instants(received: pl.Series, dtype: Any) -> tuple[pl.Series, int | None]:
    """Texts as *dtype*, null and blank as null, and the place of the first that can't be."""
    text = received.to_frame().select(pl.col(received.name).replace("", None)).to_series()
    if dtype == pl.Date:
        parsed = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    else:
        parsed = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")
    wrong = (text.is_not_null() & parsed.is_null()).arg_true()
    return parsed.rename(received.name), int(wrong[0]) if wrong.len() else None


def no_time(entity: str, source_id: str, name: str, dtype: Any) -> DataError:
    """What to raise for a text that is no *dtype*."""
    what = "a date such as 2024-01-31" if dtype == pl.Date else "an ISO 8601 time with an offset"
    return DataError(f"{entity} {source_id}: {name}: expected {what}; see the raw record")
