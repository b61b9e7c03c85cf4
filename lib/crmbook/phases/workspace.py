"""Is the target workspace configured for the mapping?

In: what the mapping needs (custom fields, stages, owners, currencies) and what the tenant's settings say.
Out: the checklist, one row per thing the target must have, with what stands there instead. Names are
compared without case and outer blanks; api names exactly, because the vendor drops unknown keys silently.
Invariant: every need has exactly one row, and a row is `present` only if the settings prove it.
"""

import json
from collections.abc import Iterable
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.errors import SchemaError
from crmbook.phases import settings_check
from crmbook.phases.settings_check import Policy, named

ADMIN_ITEM: Final = "owner:admin"
WORKFLOWS_ITEM: Final = "setting:workflows_off"

# What the vendor's field creation is known to do; choices and uniqueness through it are unknown (vendor docs).
_CREATABLE: Final = ("text", "textarea", "number", "decimal", "checkbox", "date")

# Kinds of history that only one type of sales activity fits, by its internal name (recorded tenants).
NEEDED_TYPES: Final = {"call": "phone", "email": "email"}

_NEED_COLUMNS: Final = [c for c in tables.CHECKLIST.columns if c not in ("status", "found")]


def needs(
    *,
    custom_fields: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    currencies: Iterable[str | None],
    admin_email: str,
    activity_types: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """
    One row per thing the target must have; CHECKLIST without `status` and `found`.

    The administrator is the row `owner:admin`, also when they are an agent; agents without an e-mail can't
    be asked for and are left to the owner queue. Several source stages may need the same target stage.
    *activity_types* (`tables.ACTIVITY_MAP`) names the types of sales activity that calls and mails need.
    """
    parts = [
        _field_needs(custom_fields),
        *_stage_needs(stages),
        _owner_needs(owners, admin_email),
        _setting_needs(currencies, activity_types),
    ]
    return pl.concat(parts, how="vertical").sort("item_id")


def check(
    needed: pl.DataFrame,
    *,
    target_fields: pl.DataFrame,
    target_owners: pl.DataFrame,
    target_stages: pl.DataFrame,
    target_currencies: pl.DataFrame,
    policy: Policy,
    target_activity_types: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """
    The checklist: *needed* with `status` present, missing or mismatch, and what was `found` instead.

    `how` becomes `api` for fields the tenant may be asked to create when the policy says so.
    """
    if missing := set(_NEED_COLUMNS) - set(needed.columns):
        raise SchemaError(f"needs: missing columns {sorted(missing)}; expected {_NEED_COLUMNS}")
    creatable = (
        (pl.col("kind") == "custom_field")
        & pl.col("field_type").is_in(_CREATABLE)
        & ~pl.col("unique")
        & pl.lit(policy.custom_fields == "api")
    )
    needed = needed.with_columns(how=pl.when(creatable).then(pl.lit("api")).otherwise("how"))
    kind = pl.col("kind")
    return tables.conform(
        pl.concat(
            [
                settings_check.fields(needed.filter(kind == "custom_field"), target_fields),
                settings_check.pipelines(needed.filter(kind == "pipeline"), target_stages),
                settings_check.stages(needed.filter(kind == "stage"), target_stages),
                settings_check.owners(needed.filter(kind == "owner"), target_owners),
                settings_check.settings(
                    needed.filter(kind == "setting"), target_currencies, policy, target_activity_types
                ),
            ],
            how="vertical",
        ),
        tables.CHECKLIST,
    )


def blocking(checklist: pl.DataFrame) -> pl.DataFrame:
    """The rows that stop the load; a missing owner does not (the administrator stands in), the admin does."""
    stands_in = (pl.col("kind") == "owner") & (pl.col("item_id") != ADMIN_ITEM)
    return checklist.filter((pl.col("status") != "present") & ~stands_in)


def shown(checklist: pl.DataFrame) -> pl.DataFrame:
    """The rows as a notebook may show them: an owner's row without the e-mail that is its api name."""
    is_owner = pl.col("kind") == "owner"
    name = pl.when(is_owner).then(pl.lit("(a person)")).otherwise("api_name")
    return checklist.select(
        "kind", "module", name.alias("api_name"), "field_type", "pipeline", "stage", "status"
    )


def readiness(checklist: pl.DataFrame) -> pl.DataFrame:
    """What the load needs, counted by status, without what stops nothing, as `tables.READINESS`."""
    stands_in = (pl.col("kind") == "owner") & (pl.col("item_id") != ADMIN_ITEM)
    counts = [
        (pl.col("status") == status).sum().cast(pl.Int64).alias(status)
        for status in ("present", "missing", "mismatch")
    ]
    needed = checklist.filter(~stands_in).group_by("kind").agg(*counts)
    return tables.conform(needed, tables.READINESS)


def by_status(checklist: pl.DataFrame) -> pl.DataFrame:
    """Rows per `kind`, with the counts present, missing, mismatch and blocking."""
    stops = blocking(checklist).group_by("kind").agg(blocking=pl.len().cast(pl.Int64))
    counts = [
        (pl.col("status") == status).sum().cast(pl.Int64).alias(status)
        for status in ("present", "missing", "mismatch")
    ]
    return (
        checklist.group_by("kind")
        .agg(*counts)
        .join(stops, on="kind", how="left")
        .with_columns(pl.col("blocking").fill_null(0))
        .sort("kind")
    )


def _need(frame: pl.DataFrame, **columns: pl.Expr | str) -> pl.DataFrame:
    given = {k: pl.lit(v) if isinstance(v, str) else v for k, v in columns.items()}
    blank: dict[str, pl.Expr] = {
        name: pl.lit(None, dtype=dtype) if dtype in (pl.Int64, pl.Boolean) else pl.lit("")
        for name, dtype in tables.CHECKLIST.columns.items()
    }
    blank |= {"how": pl.lit("admin"), "choices": pl.lit("[]"), "unique": pl.lit(value=False)}
    shaped = frame.select(**{name: given.get(name, blank[name]) for name in _NEED_COLUMNS})
    return shaped.cast({name: tables.CHECKLIST.columns[name] for name in _NEED_COLUMNS})


def _field_needs(custom_fields: pl.DataFrame) -> pl.DataFrame:
    choices = [json.dumps(c or [], ensure_ascii=False) for c in custom_fields["choices"].to_list()]
    return _need(
        custom_fields.with_columns(choices=pl.Series("choices", choices, dtype=pl.String)),
        item_id=pl.format("field:{}:{}", "module", "api_name"),
        kind="custom_field",
        module=pl.col("module"),
        label=pl.col("label"),
        api_name=pl.col("api_name"),
        field_type=pl.col("field_type"),
        choices=pl.col("choices"),
        unique=pl.col("is_unique").fill_null(value=False),
    )


def _stage_needs(stages: pl.DataFrame) -> list[pl.DataFrame]:
    wanted = (
        stages.sort("target_pipeline", "target_position", "stage_id")
        .unique(["target_pipeline", "target_stage"], keep="first", maintain_order=True)
        .sort("target_pipeline", "target_position")
    )
    pipelines = wanted.select("target_pipeline").unique(maintain_order=True).with_row_index("position", 1)
    return [
        _need(
            pipelines,
            item_id=pl.format("pipeline:{}", "target_pipeline"),
            kind="pipeline",
            module="deals",
            label=pl.col("target_pipeline"),
            pipeline=pl.col("target_pipeline"),
            position=pl.col("position"),
        ),
        _need(
            wanted,
            item_id=pl.format("stage:{}/{}", "target_pipeline", "target_stage"),
            kind="stage",
            module="deals",
            label=pl.col("target_stage"),
            field_type=pl.col("forecast_type"),
            pipeline=pl.col("target_pipeline"),
            stage=pl.col("target_stage"),
            probability=pl.col("target_probability"),
            position=pl.col("target_position"),
        ),
    ]


def _owner_needs(owners: pl.DataFrame, admin_email: str) -> pl.DataFrame:
    admin = pl.DataFrame({"agent_id": ["admin"], "name": [admin_email], "email": [admin_email]})
    others = owners.filter(
        (pl.col("email").fill_null("").str.strip_chars() != "")
        & (named("email") != admin_email.strip().lower())
    ).unique("agent_id", keep="first", maintain_order=True)
    return _need(
        pl.concat([admin, others.select("agent_id", "name", "email")]),
        item_id=pl.format("owner:{}", "agent_id"),
        kind="owner",
        label=pl.coalesce("name", "email"),
        api_name=pl.col("email").str.strip_chars(),
    )


def _setting_needs(currencies: Iterable[str | None], activity_types: pl.DataFrame | None) -> pl.DataFrame:
    codes = sorted({code.strip().upper() for code in currencies if code and code.strip()})
    labels = {"workflows_off": "Workflows are off during the load"}
    labels |= {f"currency:{code}": f"Currency {code} is active" for code in codes}
    if activity_types is not None:
        carried = activity_types.filter(pl.col("carrier") == "sales_activities", pl.col("records") > 0)
        names = sorted({NEEDED_TYPES[kind] for kind in carried["kind"] if kind in NEEDED_TYPES})
        labels |= {f"activity_type:{name}": f"Sales activity type {name.title()}" for name in names}
    rows = pl.DataFrame({"api_name": list(labels), "label": list(labels.values())})
    return _need(
        rows,
        item_id=pl.format("setting:{}", "api_name"),
        kind="setting",
        label=pl.col("label"),
        api_name=pl.col("api_name"),
    )
