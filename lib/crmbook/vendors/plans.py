"""What a Freshsales plan allows, and who says so: `plans.toml` as frozen objects.

Every figure is either there, with its source, or None and named in `unknown`: a limit nobody publishes is
never taken for unlimited. Reading the file holds it to that.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, Final

from crmbook.errors import ConfigError

FIELD_GROUPS: Final = {
    "text": "text",
    "url": "text",
    "textarea": "textarea",
    "number": "number",
    "decimal": "number",
    "dropdown": "dropdown",
    "radio": "dropdown",
    "multi_select_dropdown": "multi_select",
    "checkbox": "checkbox",
    "date": "date",
    "datetime": "date",
    "auto_complete": "lookup",
    "formula": "formula",
}
"""The group of `custom_fields` each type of field, as the vendor names it, counts towards."""


@dataclass(frozen=True)
class Source:
    """Where a figure comes from; `trust` is official, inferred or low; `read` is a year and month."""

    title: str
    trust: str
    read: str


@dataclass(frozen=True)
class Price:
    """List price: *amount* of *currency* per *per*."""

    amount: float
    currency: str
    per: str


@dataclass(frozen=True)
class Plan:
    """
    One plan. Counts of fields are per module; None is a figure the vendor doesn't publish.

    `custom_fields` counts by group (`FIELD_GROUPS`); `basis` gives the source of every figure that is there.
    """

    name: str
    edition: str
    basis: Mapping[str, Source]
    unknown: frozenset[str]
    price: Price | None = None
    users: int | None = None
    requests_per_hour: int | None = None
    requests_per_minute: int | None = None
    custom_fields: Mapping[str, int] | None = None
    custom_fields_total: int | None = None
    choices_per_field: int | None = None
    text_characters: int | None = None
    textarea_characters: int | None = None
    unique_fields: int | None = None
    multiple_pipelines: bool | None = None
    storage_gb_per_user: float | None = None
    file_mb: int | None = None
    workflows: int | None = None
    products_catalogue: bool | None = None
    multi_currency: bool | None = None
    custom_activity_types: bool | None = None
    time_workflows: bool | None = None
    event_tracking: bool | None = None
    ai: bool | None = None
    bot_sessions: int | None = None

    def limits(self) -> dict[str, int]:
        """The request windows `quota.Quota` takes; empty where the vendor publishes none."""
        windows = {"hour": self.requests_per_hour, "minute": self.requests_per_minute}
        return {window: n for window, n in windows.items() if n is not None}


FIGURES: Final = tuple(f.name for f in fields(Plan) if f.name not in ("name", "edition", "basis", "unknown"))


@cache
def load() -> dict[str, Plan]:
    """All plans by name, Suite's from small to large, then Classic's."""
    return parse(files("crmbook.vendors").joinpath("plans.toml").read_text(encoding="utf-8"))


def plan(name: str) -> Plan:
    """The plan called *name*; raises ConfigError naming the known ones."""
    if name not in load():
        raise ConfigError(f"plan: {name}: expected one of {', '.join(load())}")
    return load()[name]


def parse(text: str) -> dict[str, Plan]:
    """The plans in *text*; raises ConfigError where a figure is neither given with a source nor named as unknown."""
    document = tomllib.loads(text)
    sources = {
        code: Source(entry["title"], entry["trust"], document["read"])
        for code, entry in document["sources"].items()
    }
    return {name: _plan(name, entry, sources) for name, entry in document["plans"].items()}


def _plan(name: str, entry: dict[str, Any], sources: Mapping[str, Source]) -> Plan:
    given, unknown = entry.keys() - {"edition", "unknown"}, frozenset(entry["unknown"])
    if given & unknown or given | unknown != set(FIGURES):
        odd = sorted((given & unknown) | ((given | unknown) ^ set(FIGURES)))
        raise ConfigError(
            f"plans.toml: {name}: {', '.join(odd)}: expected a value, or the name under unknown"
        )
    missing = sorted(key for key in given if entry[key].get("source") not in sources)
    if missing:
        raise ConfigError(
            f"plans.toml: {name}: {', '.join(missing)}: expected a source listed under [sources]"
        )
    basis = {key: sources[entry[key]["source"]] for key in sorted(given)}
    values = {key: entry[key]["value"] for key in given}
    if "price" in values:
        price = entry["price"]
        values["price"] = Price(float(price["value"]), price["currency"], price["per"])
    return Plan(name, entry["edition"], basis, unknown, **values)
