"""Does the workspace the map asks for fit the target's plan, and can its fields be told apart?

In: the custom fields, stages and owners of 02, what discovery knows of the fields, and plans' limits as data. Out:
one row per limit, with a proposal where something does not fit: which fields to leave behind, or which plan has the
room. Nothing is folded or renamed here. A limit nobody publishes is `unknown`, never fits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from crmbook import clean, tables
from crmbook.phases.lexicon import fold
from crmbook.phases.matching import label_of
from crmbook.phases.scoping import Limit
from crmbook.phases.standard_map import MODULES

FITS, UNKNOWN, APART, NOTED, REVIEW, EXCEEDS = "fits", "unknown", "told_apart", "to_note", "review", "exceeds"
VERDICTS: Final = (FITS, UNKNOWN, APART, NOTED, REVIEW, EXCEEDS)
_GROUPS: Final = {
    "multi_select_dropdown": "multi_select", "url": "text", "decimal": "number", "radio": "dropdown",
    "datetime": "date", "auto_complete": "lookup",
}  # fmt: skip
# The vendor's own unique field, which counts towards the limit (vendor docs).
_BUILT_IN: Final = {"contacts": "email", "sales_accounts": "name"}
_LENGTHS: Final = {"text": clean.TEXT_LENGTH, "textarea": clean.TEXTAREA_LENGTH}
_ENTITY: Final = {module: entity for entity, module in MODULES.items()} | {"leads": "contact"}
_TARGETS: Final = {
    "contacts": tables.CONTACTS, "leads": tables.CONTACTS, "sales_accounts": tables.ACCOUNTS, "deals": tables.DEALS,
}  # fmt: skip

_OTHER: Final = "two fields can't have one label; give one of them another target in decisions.csv"

Limits = Mapping[str, Limit]
Row = dict[str, Any]


def workspace_limits(
    custom_fields: pl.DataFrame,
    *,
    mapping: pl.DataFrame,
    fields: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    currencies: int,
    limits: Limits,
    plans: Mapping[str, Limits],
) -> pl.DataFrame:
    """
    What the map needs beside what is allowed, as `tables.WORKSPACE_LIMITS`.

    Args:
        custom_fields: `tables.CUSTOM_FIELDS` by the modules of the edition.
        mapping: the decisions, which tell the source field of a custom field.
        fields: what discovery knows of the source's fields.
        stages: the stages of all pipelines.
        owners: the source's agents.
        currencies: different currencies of the deals.
        limits: the plan's, by the names `plan_limits.of` gives.
        plans: those of the other plans of the edition, from small to large.
    """
    known = {(r["entity"], r["field"]): r for r in fields.iter_rows(named=True)}
    carried = mapping.filter(pl.col("decision") != "skip", pl.col("target_field").str.starts_with("cf_"))
    sources = {(r["entity"], r["target_field"]): r["source_field"] for r in carried.iter_rows(named=True)}
    rows: list[Row] = []
    for (module,), group in custom_fields.sort("module", "api_name").group_by("module", maintain_order=True):
        own = [
            r | {"source": known.get((_ENTITY[module], sources.get((_ENTITY[module], r["api_name"]), "")))}
            for r in group.to_dicts()
        ]
        rows += [
            *_counts(str(module), own, limits, plans),
            *_unique(str(module), own, limits),
            *_choices(str(module), own, limits),
            *_lengths(str(module), own),
            *_names(str(module), own),
        ]
    pipelines = stages.get_column("target_pipeline").n_unique()
    rows += [
        _row("", "pipelines", "", pipelines, limits.get("pipelines"), _bigger("pipelines", pipelines, plans)),
        _row(
            "",
            "currencies",
            "",
            currencies,
            limits.get("currencies"),
            _bigger("currencies", currencies, plans),
        ),
        _row("", "users", "", owners.height, limits.get("users"), _bigger("users", owners.height, plans)),
    ]
    made = pl.DataFrame(rows, schema=tables.WORKSPACE_LIMITS.columns)
    return tables.conform(made, tables.WORKSPACE_LIMITS)


def shown(checked: pl.DataFrame) -> pl.DataFrame:
    """*checked* as a notebook shows it: what does not fit first."""
    rank = pl.col("verdict").replace_strict(
        {v: i for i, v in enumerate(reversed(VERDICTS))}, return_dtype=pl.Int64
    )
    return checked.sort(rank, "module", "limit", "item").drop("source")


def _counts(module: str, own: Sequence[Row], limits: Limits, plans: Mapping[str, Limits]) -> list[Row]:
    groups = Counter(_GROUPS.get(r["field_type"], r["field_type"]) for r in own)
    rows = []
    for group, planned in sorted(groups.items()):
        name = f"custom_fields.{group}"
        members = [r for r in own if _GROUPS.get(r["field_type"], r["field_type"]) == group]
        limit = limits.get(name)
        rows.append(
            _row(
                module, f"{group} fields", "", planned, limit, _too_many(members, planned, limit, name, plans)
            )
        )
    limit, name = limits.get("custom_fields_total"), "custom_fields_total"
    proposal = _too_many(own, len(own), limit, name, plans)
    return [*rows, _row(module, "custom fields in all", "", len(own), limit, proposal)]


def _too_many(
    members: Sequence[Row], planned: int, limit: Limit | None, name: str, plans: Mapping[str, Limits]
) -> str:
    """Which fields to leave behind, those with the fewest values first; or a plan that has the room."""
    over = planned - int(limit.allowed) if limit and limit.allowed is not None else 0
    rare = sorted(
        (r for r in members if r["source"] and r["source"]["field"] != "source_id"),
        key=lambda r: (r["source"]["filled"], r["api_name"]),
    )[: max(over, 0)]
    named = ", ".join(f"{r['source']['field']} ({r['source']['filled']:,} rows)" for r in rare)
    skipping = f"skip {named}" if named else "leave fields behind"
    return f"{skipping}; or {_bigger(name, planned, plans)}"


def _bigger(name: str, planned: int, plans: Mapping[str, Limits]) -> str:
    room = next((plan for plan, limits in plans.items() if _has_room(limits.get(name), planned)), None)
    return f"take plan {room}" if room else "no plan of this edition is known to have the room"


def _has_room(limit: Limit | None, planned: int) -> bool:
    return limit is not None and (limit.is_open or (limit.allowed is not None and planned <= limit.allowed))


def _unique(module: str, own: Sequence[Row], limits: Limits) -> list[Row]:
    named = [r["api_name"] for r in own if r["is_unique"]] + [n for m, n in _BUILT_IN.items() if m == module]
    proposal = "a module takes no more; let one of them repeat"
    return [
        _row(module, "unique fields", ", ".join(named), len(named), limits.get("unique_fields"), proposal)
    ]


def _choices(module: str, own: Sequence[Row], limits: Limits) -> list[Row]:
    limit = limits.get("choices_per_field")
    chosen = [r for r in own if r["choices"]]
    largest = max(chosen, key=lambda r: len(r["choices"]), default=None)
    proposal = "give it the rule text in decisions.csv, or choose fewer"
    return [
        _row(module, "choices in a field", r["api_name"], len(r["choices"]), limit, proposal)
        for r in chosen
        if r is largest or not _has_room(limit, len(r["choices"]))
    ]


def _lengths(module: str, own: Sequence[Row]) -> list[Row]:
    """The longest value of each kind of text field, and every field with one that does not fit."""
    rows = []
    for kind, room in _LENGTHS.items():
        known = [(r["source"]["max_length"] or 0, r) for r in own if r["field_type"] == kind and r["source"]]
        longest = max(known, key=lambda pair: pair[0], default=None)
        for length, r in known:
            if length > room or (length, r) == longest:
                row = _row(
                    module,
                    f"characters in a {kind} field",
                    r["api_name"],
                    length,
                    Limit(room, "vendor docs"),
                    "",
                )
                if length > room:
                    row |= {
                        "verdict": NOTED,
                        "proposal": "what is longer stands whole in a note on the record",
                    }
                rows.append(row)
    return rows


def _names(module: str, own: Sequence[Row]) -> list[Row]:
    """Fields that would be one field by name or label, and what was done about it."""
    rows: list[Row] = []
    alike: dict[str, list[Row]] = {}
    for r in own:
        alike.setdefault(
            fold(label_of(r["source"]["label"])) if r["source"] else fold(r["label"]), []
        ).append(r)
    for name, members in sorted(alike.items()):
        if len(members) > 1:
            is_apart = len({_label(r) for r in members}) == len(members)
            told = " and ".join(sorted(r["api_name"] for r in members))
            verdict, proposal = (APART, "one of them is numbered") if is_apart else (EXCEEDS, _OTHER)
            rows.append(_named(module, name, told, len(members), verdict, proposal))
    times = Counter(_label(r) for r in own)
    twice = [r["api_name"] for r in own if times[_label(r)] > 1]
    if twice and not [row for row in rows if row["verdict"] == EXCEEDS]:
        rows.append(_named(module, "alike", " and ".join(twice), len(twice), EXCEEDS, _OTHER))
    standard = {fold(c): c for c in _TARGETS[module].columns if not c.startswith("cf_")}
    theirs = [(r, standard[fold(r["label"])]) for r in own if r["source"] and fold(r["label"]) in standard]
    return rows + [
        _named(module, fold(r["label"]), f"{r['api_name']} and {field}", 2, REVIEW,
               f"the target has a field of that name itself; map it to {field} or rename it")
        for r, field in theirs
    ]  # fmt: skip


def _label(row: Row) -> str:
    return str(row["label"]).strip().casefold()


def _named(module: str, name: str, told: str, planned: int, verdict: str, proposal: str) -> Row:
    return {
        "module": module, "limit": f"fields named {name}", "item": told, "planned": planned, "allowed": 1,
        "verdict": verdict, "proposal": proposal, "source": "vendor docs: a label gives the api name",
    }  # fmt: skip


def _row(module: str, limit: str, item: str, planned: int, allowed: Limit | None, proposal: str) -> Row:
    number = None if allowed is None or allowed.allowed is None else int(allowed.allowed)
    fits = _has_room(allowed, planned)
    verdict = FITS if fits else UNKNOWN if number is None else EXCEEDS
    return {
        "module": module, "limit": limit, "item": item, "planned": planned, "allowed": number, "verdict": verdict,
        "proposal": proposal if verdict == EXCEEDS else "", "source": allowed.source if allowed else "not published",
    }  # fmt: skip
