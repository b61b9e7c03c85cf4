"""How a choice is written: by label or id, several as a list or as text; tried on a field the tenant has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook.errors import Rejected
from crmbook.phases.payloads import CHOICE_WRITES, MULTI_WRITES
from crmbook.probe_findings import UNKNOWN, Finding
from crmbook.vendors.freshsales import Freshsales

Record = dict[str, Any]
WAYS: Final = {"choice_write": CHOICE_WRITES, "multi_write": MULTI_WRITES}
_KINDS: Final = {"choice_write": "dropdown", "multi_write": "multi_select_dropdown"}
_HOW_MANY: Final = {"choice_write": 1, "multi_write": 2}


@dataclass(frozen=True)
class Choices:
    """A custom field with choices; `ids` maps each label to its id."""

    capability: str
    module: str
    api_name: str
    ids: Mapping[str, str]

    @property
    def wanted(self) -> list[str]:
        """The labels that are written."""
        chosen = list(self.ids)[: _HOW_MANY[self.capability]]
        return sorted(chosen)

    def written(self, how: str) -> dict[str, Any]:
        """The body that writes them this way."""
        parts: list[Any] = list(self.wanted)
        if how.endswith("id"):
            parts = [_number(self.ids[label]) for label in self.wanted]
        value: Any = parts[0] if self.capability == "choice_write" else parts
        if how.startswith("semicolon"):
            value = ";".join(str(part) for part in parts)
        return {"custom_field": {self.api_name: value}}

    def came_back(self, record: Record | None) -> bool:
        """Whether *record* shows exactly what was to be written."""
        shown = ((record or {}).get("custom_field") or {}).get(self.api_name)
        # One choice is one text, even where its label holds the sign that parts several.
        several = str(shown or "").split(";") if self.capability == "multi_write" else [str(shown or "")]
        parts = shown if isinstance(shown, list) else several
        labels = {str(choice_id): label for label, choice_id in self.ids.items()}
        return (
            sorted(labels.get(str(part), str(part)) for part in parts if part not in (None, ""))
            == self.wanted
        )


def fields(target_fields: pl.DataFrame) -> dict[str, Choices]:
    """The field each way is tried on, by capability: the first with choices, contacts before accounts."""
    found: dict[str, Choices] = {}
    for capability, kind in _KINDS.items():
        for field in _fitting(target_fields, capability, kind):
            found.setdefault(capability, field)
    return found


def measure(
    client: Freshsales, known: Mapping[str, Choices], records: Mapping[str, Record]
) -> Iterator[Finding]:
    """`choice_write` and `multi_write` in single writes, tried on the canary of the field's module."""
    for capability, ways in WAYS.items():
        field = known.get(capability)
        if field is None:
            missing = f"no custom {_KINDS[capability]} with choices on contacts or accounts"
            yield Finding(capability, UNKNOWN, missing)
            continue
        how = next((way for way in ways if _reads_back(client, field, way, records[field.module])), UNKNOWN)
        where = f"{field.module} {field.api_name}"
        refused = f"{where}: no way of writing a choice came back"
        yield Finding(capability, how, refused if how == UNKNOWN else f"{where} written as {how}, read back")


def _fitting(target_fields: pl.DataFrame, capability: str, kind: str) -> Iterator[Choices]:
    fitting = target_fields.filter(
        (pl.col("field_type") == kind) & pl.col("is_custom") & (pl.col("choices").list.len() > 0)
    )
    for module in ("contacts", "sales_accounts"):
        rows = fitting.filter(pl.col("module") == module).sort("api_name")
        names: Sequence[str] = rows["api_name"].to_list()
        for name, choices, ids in zip(names, rows["choices"], rows["choice_ids"], strict=True):
            yield Choices(capability, module, name, dict(zip(choices, ids, strict=False)))


def _reads_back(client: Freshsales, field: Choices, how: str, record: Record) -> bool:
    record_id = int(record["id"])
    try:
        client.update(field.module, record_id, field.written(how))
    except Rejected:
        return False
    return field.came_back(client.view(field.module, record_id))


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text
