"""The tenant's settings as the target_* tables, and the checklist as the file an admin works from.

Only reads. A row of settings that lacks what the tables need is an error that names the module and the key;
what the vendor leaves open (a probability nobody set) is null.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from crmbook import csvfiles, tables
from crmbook.errors import AuthError, DataError, NotFound
from crmbook.phases import edition as editions
from crmbook.vendors.freshsales import Freshsales

_Row = dict[str, Any]


def read(client: Freshsales) -> dict[str, pl.DataFrame]:
    """The tables target_fields, _owners, _stages, _statuses, _currencies and _activity_types by name."""
    return {
        "target_fields": _fields(client),
        "target_owners": owners(client),
        "target_stages": _stages(client.pipelines()),
        "target_statuses": _statuses(client),
        "target_currencies": _table(
            tables.TARGET_CURRENCIES, "currencies", client.selector("currencies"), _currency
        ),
        "target_activity_types": _table(
            tables.TARGET_ACTIVITY_TYPES,
            "sales_activity_types",
            client.selector("sales_activity_types"),
            _activity_type,
        ),
    }


def owners(client: Freshsales) -> pl.DataFrame:
    """TARGET_OWNERS: the tenant's users as they are now."""
    return _table(tables.TARGET_OWNERS, "owners", client.selector("owners"), _owner)


def lists(client: Freshsales, earlier: pl.DataFrame) -> pl.DataFrame:
    """EXISTING_LISTS; *earlier* is the crosswalk of earlier runs, which tells the lists they made."""
    rows = [row for page in client.pages("lists") for row in page]
    there = _table(tables.EXISTING_LISTS, "lists", rows, _list)
    made = earlier.filter(pl.col("entity") == "list").select("source_id", list_id="target_id")
    return tables.conform(
        there.drop("source_id").join(made, on="list_id", how="left", maintain_order="left"),
        tables.EXISTING_LISTS,
    )


def write_checklist(path: Path, checklist: pl.DataFrame) -> None:
    """checklist.csv: the checklist's columns, text that looks like a formula standing as text, 0600."""
    rows = checklist.with_columns(
        unique=pl.when("unique").then(pl.lit("true")).otherwise(pl.lit("false"))
    ).iter_rows(named=True)
    csvfiles.write(path, list(tables.CHECKLIST.columns), rows)


def _fields(client: Freshsales) -> pl.DataFrame:
    rows = []
    for module in editions.of(client.edition.name).modules.values():
        shaped = [_shaped(_field, row, f"{module} fields") for row in client.fields(module)]
        unique = _unique(client, module)
        rows += [
            row | {"module": module, "is_unique": unique.get(row["api_name"])}
            for row in shaped
            if row["api_name"]
        ]
    frame = pl.DataFrame(rows, schema=tables.TARGET_FIELDS.columns)
    return tables.conform(frame.unique(["module", "api_name"], keep="first"), tables.TARGET_FIELDS)


def _unique(client: Freshsales, module: str) -> dict[str, bool]:
    """Whether a field is unique, which only the forms tell (vendor docs); empty where they are not shown."""
    try:
        forms = client.forms(module)
    except (AuthError, NotFound, DataError):
        return {}
    groups = [group for form in forms for group in form.get("fields") or [] if isinstance(group, Mapping)]
    found: dict[str, bool] = {}
    for field in [field for group in groups for field in (group, *(group.get("fields") or []))]:
        options = field.get("field_options") if isinstance(field, Mapping) else None
        if isinstance(options, Mapping) and isinstance(options.get("unique"), bool):
            found[str(field.get("name"))] = options["unique"]
    return found


def _field(row: _Row) -> _Row:
    name = str(row.get("name") or "")
    choices = [choice for choice in row.get("choices") or [] if isinstance(choice, Mapping)]
    default = row.get("default")
    return {
        "api_name": name,
        "label": str(row.get("label") or name),
        "field_type": str(row["type"]),
        "is_custom": not default if isinstance(default, bool) else name.startswith("cf_"),
        "is_required": bool(row.get("required")),
        "choices": [str(choice["value"]) for choice in choices],
        "choice_ids": [str(choice["id"]) for choice in choices],
    }


def _owner(row: _Row) -> _Row:
    return {
        "owner_id": int(row["id"]),
        "name": row.get("display_name"),
        "email": str(row["email"]),
        "is_active": row.get("is_active") is not False,
    }


def _stages(pipelines: Iterable[_Row]) -> pl.DataFrame:
    rows = [
        _shaped(_stage, stage | {"pipeline": pipeline}, "deal_stages")
        for pipeline in pipelines
        for stage in pipeline["deal_stages"]
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.TARGET_STAGES.columns), tables.TARGET_STAGES)


def _stage(row: _Row) -> _Row:
    probability = row.get("probability")
    return {
        "stage_id": int(row["id"]),
        "pipeline_id": int(row["pipeline"]["id"]),
        "pipeline": str(row["pipeline"]["name"]),
        "stage": str(row["name"]),
        "position": int(row["position"]),
        "probability": None if probability is None else float(probability),
        "forecast_type": str(row["forecast_type"]),
    }


def _statuses(client: Freshsales) -> pl.DataFrame:
    """Empty on an edition without lifecycle stages."""
    if not editions.of(client.edition.name).has_lifecycles:
        return tables.TARGET_STATUSES.empty()
    stages = {row.get("id"): row for row in client.selector("lifecycle_stages") if not row.get("disabled")}
    statuses = [row for row in client.selector("contact_statuses") if row.get("lifecycle_stage_id") in stages]
    rows = [row | {"lifecycle": stages[row["lifecycle_stage_id"]]} for row in statuses]
    return _table(tables.TARGET_STATUSES, "contact_statuses", rows, _contact_status)


def _contact_status(row: _Row) -> _Row:
    stage = row["lifecycle"]
    return {
        "status_id": int(row["id"]),
        "status": str(row["name"]),
        "position": int(row["position"]),
        "stage_id": int(stage["id"]),
        "stage": str(stage["name"]),
        "stage_type": str(stage["type"]),
        "stage_position": int(stage["position"]),
    }


def _currency(row: _Row) -> _Row:
    return {
        "currency_id": int(row["id"]),
        "code": str(row["currency_code"]),
        "is_active": row.get("is_active") is not False,
        "is_base": row.get("currency_type") == 1,
    }


def _activity_type(row: _Row) -> _Row:
    position = row.get("position")
    return {
        "type_id": int(row["id"]),
        "name": str(row["name"]),
        "internal_name": str(row["internal_name"]),
        "is_default": row.get("is_default") is not False,
        "position": None if position is None else int(position),
    }


def _list(row: _Row) -> _Row:
    return {"list_id": int(row["id"]), "name": str(row["name"]), "source_id": None}


def _table(
    table: tables.Table, entity: str, rows: Iterable[_Row], shape: Callable[[_Row], _Row]
) -> pl.DataFrame:
    shaped = [_shaped(shape, row, entity) for row in rows]
    return tables.conform(pl.DataFrame(shaped, schema=table.columns), table)


def _shaped(shape: Callable[[_Row], _Row], row: _Row, entity: str) -> _Row:
    try:
        return shape(row)
    except KeyError as missing:
        raise DataError(f"{entity}: a row of the target's settings has no {missing.args[0]}") from None
    except (TypeError, ValueError):
        raise DataError(
            f"{entity}: a row of the target's settings has a value of another kind than documented"
        ) from None
