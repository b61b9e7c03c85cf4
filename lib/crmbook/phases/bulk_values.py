"""Choices as a bulk job takes them, where that differs from a single write.

A real importer saw labels refused in jobs that single writes accepted (public client), so both are measured. In:
the tenant's fields and capabilities. Out: per custom field of choices the same value in the job's way. Invariant:
the labels behind a value never change, only how they are written.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl

from crmbook.phases.payloads import CHOICE_WRITES, MULTI_WRITES

Translate = Callable[[Any], Any]
_KINDS: Final = {
    "dropdown": ("choice_write", CHOICE_WRITES),
    "multi_select_dropdown": ("multi_write", MULTI_WRITES),
}


def translations(
    target_fields: pl.DataFrame, capabilities: Mapping[str, str]
) -> dict[str, dict[str, Translate]]:
    """Module to custom field to what turns the value of a single write into that of a job; same ones left out."""
    found: dict[str, dict[str, Translate]] = {}
    for field in _choosing(target_fields).iter_rows(named=True):
        name, known = _KINDS[field["field_type"]]
        singly, in_job = capabilities.get(name), capabilities.get(f"bulk_{name}")
        if singly in known and in_job in known and singly != in_job:
            ids = dict(zip(field["choices"], field["choice_ids"], strict=False))
            found.setdefault(field["module"], {})[field["api_name"]] = _translate(ids, singly, in_job)
    return found


def untold(module: str, target_fields: pl.DataFrame, capabilities: Mapping[str, str]) -> str:
    """The first custom field of *module* that single writes can choose in and jobs can't, empty where none."""
    for field in _choosing(target_fields.filter(pl.col("module") == module)).iter_rows(named=True):
        name, known = _KINDS[field["field_type"]]
        if capabilities.get(name) in known and capabilities.get(f"bulk_{name}", "") not in known:
            return str(field["api_name"])
    return ""


def _choosing(target_fields: pl.DataFrame) -> pl.DataFrame:
    is_choice = pl.col("is_custom") & pl.col("field_type").is_in(list(_KINDS))
    return target_fields.filter(is_choice & (pl.col("choices").list.len() > 0)).sort("module", "api_name")


def _translate(ids: Mapping[str, str], singly: str | None, in_job: str | None) -> Translate:
    labels = {str(choice_id): label for label, choice_id in ids.items()}
    was, will = str(singly), str(in_job)

    def translate(value: Any) -> Any:
        parts = (
            value.split(";") if was.startswith("semicolon") else value if isinstance(value, list) else [value]
        )
        told = [labels[str(part)] if was.endswith("id") else part for part in parts]
        written = [_id(ids[label]) if will.endswith("id") else label for label in told]
        if will.startswith("semicolon"):
            return ";".join(str(part) for part in written)
        return written if will.startswith("array") else written[0]

    return translate


def _id(text: str) -> int | str:
    return int(text) if text.isdigit() else text
