"""Which choice of the target a source choice becomes, as a person decides it.

In: `tables.CHOICES` as proposed, and a person's rows, which name a choice by its key: `<entity>.<field>:<value>`.
Out: the choices with the person's targets (blank: dropped on purpose), and the fields that hold them with the
choices that are left. A key is made, never taken apart, so any value can have one.
"""

import hashlib
import json
import re
from typing import Any, Final

import polars as pl

from crmbook import tables

ENTITY: Final = "choice"
_LONGEST: Final = 200
# What a cell or a person's editor would change without being asked: control characters and line ends.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


def with_keys(choices: pl.DataFrame) -> pl.DataFrame:
    """*choices* with the `key` of each row; no two rows share one."""
    seen: set[str] = set()
    keys = []
    for entity, field, value in choices.select("entity", "source_field", "source_value").iter_rows():
        key = f"{entity}.{field}:{_told(value)}"
        if key in seen:
            key = f"{key} #{_digest(f'{entity}.{field}', value)}"
        seen.add(key)
        keys.append(key)
    return choices.with_columns(key=pl.Series(keys, dtype=pl.String))


def with_decisions(proposed: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
    """
    *proposed* with the targets a person gave: *edited* has source_field (the key), target_field and decision.

    Rows for choices that no longer exist have no effect; a skipped choice has a blank target.
    """
    given = pl.when(pl.col("decision") == "skip").then(pl.lit("")).otherwise("target_field")
    theirs = edited.select(key="source_field", given=given)
    joined = with_keys(proposed).join(theirs, on="key", how="left", maintain_order="left")
    made = joined.with_columns(target_value=pl.coalesce("given", "target_value"))
    return tables.conform(made.select(list(tables.CHOICES.columns)), tables.CHOICES)


def applied(fields: pl.DataFrame, mapping: pl.DataFrame, choices: pl.DataFrame) -> pl.DataFrame:
    """*fields* (`tables.CUSTOM_FIELDS`) with the target's choices in place of the source's, in the same order."""
    targets: dict[tuple[str, str], dict[str, str]] = {}
    for entity, field, value, target in choices.select(
        "entity", "source_field", "source_value", "target_value"
    ).iter_rows():
        targets.setdefault((entity, field), {})[value] = target or ""
    feeds = {
        (row["target_entity"], row["target_field"]): targets[row["entity"], row["source_field"]]
        for row in mapping.iter_rows(named=True)
        if (row["entity"], row["source_field"]) in targets and row["decision"] != "skip"
    }
    rows: list[dict[str, Any]] = fields.to_dicts()
    for row in rows:
        swapped = feeds.get((row["module"], row["api_name"]), {})
        made = [swapped.get(choice, choice) for choice in row["choices"]]
        extra = [target for target in swapped.values() if target not in made]
        row["choices"] = list(dict.fromkeys(c for c in [*made, *(extra if made else [])] if c))
    return tables.conform(pl.DataFrame(rows, schema=tables.CUSTOM_FIELDS.columns), tables.CUSTOM_FIELDS)


def changed(choices: pl.DataFrame) -> pl.DataFrame:
    """The choices that become something else than themselves: what of them changes what is written."""
    target = pl.col("target_value").fill_null("")
    return choices.filter(target != pl.col("source_value")).select(
        "entity", "source_field", "source_value", target_value=target
    )


def _told(value: str) -> str:
    """*value* as it may stand in a cell: as it is where no program changes it there, else quoted or shortened."""
    told = value
    if value != value.strip() or _UNSAFE.search(value) or value.startswith('"'):
        told = json.dumps(value, ensure_ascii=True)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}… #{_digest('', value)}"


def _digest(where: str, value: str) -> str:
    return hashlib.sha256(f"{where}\0{value}".encode()).hexdigest()[:12]
