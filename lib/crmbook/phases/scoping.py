"""What will the move take, and does the target's plan allow it?

In: what discovery found, and a plan's limits as data. Out: the plan check and the estimate, each figure with
the rule it follows from. A limit nobody publishes is null and neither fits nor fails. Calls are counted at
one request per record: an upper bound, since the load may send many records in one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import polars as pl

from crmbook import clean, tables
from crmbook.phases import matching, tagging
from crmbook.phases.edition import SUITE, Edition
from crmbook.phases.standard_map import MODULES

INDIVIDUAL: Final = 2_000_000
PAGE: Final = 100
HOURS: Final = "hours at the plan's quota"
_MB: Final = 1024**2
_GB: Final = 1024**3
_HISTORY_BASIS: Final = "at most: one per activity, event, chat and file, three per e-mail"
_GROUPS: Final = {"multi_select_dropdown": "multi_select"}
_WON_OR_LOST: Final = (2, 3)
# Points up to which a grade holds, its name, and how long such a move takes in weeks. B is the service's own
# promise; the others are set around it.
_GRADES: Final = (
    (0, "A", "Simple", 3),
    (3, "B", "Standard", 5),
    (5, "C", "Complex", 8),
    (99, "D", "Individual", 12),
)


@dataclass(frozen=True)
class Limit:
    """What a plan allows of one thing: a number, or None where nobody says or any number will do."""

    allowed: float | None
    source: str
    is_open: bool = False


def plan_check(
    fields: pl.DataFrame,
    *,
    stages: pl.DataFrame,
    agents: pl.DataFrame,
    deals: pl.DataFrame,
    limits: Mapping[str, Limit],
    edition: Edition = SUITE,
    automations: int = 0,
    files: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """
    What the customer needs beside what the plan allows, as `tables.PLAN_CHECK`.

    *limits* are by name: `custom_fields.<group>` and `custom_fields_total` per module, `choices_per_field`,
    `pipelines`, `currencies`, `users`, `workflows`, `file_mb`, `files_gb`. A name that isn't there counts as not published.
    """
    needed: dict[str, tuple[float, str]] = {**_field_needs(fields, edition)}
    chosen = fields.filter(pl.col("observed").is_in(["choice", "choices"]))
    most = max([0, *chosen.get_column("distinct")])
    needed |= {
        "choices in one field": (most, "choices_per_field"),
        "pipelines": (stages.get_column("pipeline_id").n_unique(), "pipelines"),
        "currencies": (deals.get_column("currency").drop_nulls().n_unique(), "currencies"),
        "users": (agents.height, "users"),
    }
    if automations:
        needed["active workflows"] = (automations, "workflows")
    if files is not None and files.height:
        needed["largest file in MB"] = (_rounded(files["size_bytes"].max(), _MB), "file_mb")
        needed["files in GB"] = (_rounded(files["size_bytes"].sum(), _GB), "files_gb")
    rows = [checked(requirement, count, limits.get(name)) for requirement, (count, name) in needed.items()]
    return tables.conform(pl.DataFrame(rows, schema=tables.PLAN_CHECK.columns), tables.PLAN_CHECK)


def estimate(
    inventory: pl.DataFrame,
    *,
    fields: pl.DataFrame,
    billing: pl.DataFrame,
    stages: pl.DataFrame,
    deals: pl.DataFrame,
    requests_per_hour: int | None,
    edition: Edition = SUITE,
) -> pl.DataFrame:
    """What the move takes, as `tables.ESTIMATE`; `complexity` carries its grade as the unit."""
    counts = dict(inventory.select("entity", "distinct").iter_rows())
    records = sum(counts.get(entity, 0) for entity in ("contacts", "companies", "deals", "activities"))
    moving = billing.filter(pl.col("tier") == "identified").height
    writes = _writes(counts, moving, deals, edition)
    history = _history(counts)
    reads = sum(ceil(n / PAGE) for n in (counts.get("companies", 0), moving, counts.get("deals", 0)))
    grade, points, weeks, reasons = complexity(inventory, fields=fields, stages=stages)
    rows: list[tuple[str, float | None, str, str]] = [
        ("records", records, "records", "contacts, companies, deals and activities in the account"),
        (
            "billable contacts",
            billing.filter("is_billable").height,
            "contacts",
            "any of six attributes (vendor docs)",
        ),
        ("contacts left out", billing.height - moving, "contacts", "no e-mail, phone or user id"),
        ("custom properties", custom(fields).height, "fields", "declared or seen, filled at least once"),
        (
            "calls to write",
            writes,
            "calls",
            "one per record, one more per closed deal"
            + (" and per contact with a deal" if edition.has_lifecycles else ""),
        ),
        ("calls to write the history", history, "calls", _HISTORY_BASIS),
        ("calls to read back", reads, "calls", f"{PAGE} records a page"),
        (
            HOURS,
            _hours(writes + history + reads, requests_per_hour),
            "hours",
            _quota_basis(requests_per_hour),
        ),
        ("complexity", points, f"grade {grade}", "; ".join(reasons) or "nothing out of the ordinary"),
        ("timeline", weeks, "weeks", f"at most, for grade {grade}"),
    ]
    if records > INDIVIDUAL:
        rows.append(("scoped individually", records, "records", f"more than {INDIVIDUAL:,} records"))
    made = pl.DataFrame(
        [(i, None if f is None else float(f), u, b) for i, f, u, b in rows],
        schema=tables.ESTIMATE.columns,
        orient="row",
    )
    return tables.conform(made, tables.ESTIMATE)


def complexity(
    inventory: pl.DataFrame, *, fields: pl.DataFrame, stages: pl.DataFrame
) -> tuple[str, int, int, list[str]]:
    """Grade with its name, points, weeks at most, and one reason per point given."""
    counts = dict(inventory.select("entity", "distinct").iter_rows())
    records = sum(counts.get(entity, 0) for entity in ("contacts", "companies", "deals", "activities"))
    own = custom(fields)
    reasons = [
        f"more than {least:,} records" for least in (100_000, 1_000_000, INDIVIDUAL) if records > least
    ]
    reasons += [f"more than {least} custom properties" for least in (30, 100) if own.height > least]
    if (pipelines := stages.get_column("pipeline_id").n_unique()) > 1:
        reasons.append(f"{pipelines} pipelines")
    if number := structured(fields):
        reasons.append(f"{number} properties hold JSON")
    if closed := gaps(inventory):
        reasons.append(f"the API does not tell {', '.join(closed)}")
    points = len(reasons)
    _, letter, name, weeks = next(grade for grade in _GRADES if points <= grade[0])
    if records > INDIVIDUAL:
        _, letter, name, weeks = _GRADES[-1]
    return f"{letter} {name}", points, weeks, reasons


def _field_needs(fields: pl.DataFrame, edition: Edition) -> dict[str, tuple[int, str]]:
    structural = [(module, kind) for module, _, kind in matching.structural_fields(fields)]
    structural += tagging.expected(fields)
    proposed = [
        (MODULES[proposal.entity], clean.RULES[proposal.rule].field_type)
        for proposal in matching.proposals(fields)
        if proposal.label and proposal.source_field != "source_id"
    ]
    wanted = pl.DataFrame(
        [*structural, *proposed], schema={"module": pl.String, "kind": pl.String}, orient="row"
    )
    types = Counter(edition.by_module(wanted).iter_rows())
    needs: dict[str, tuple[int, str]] = {}
    for module in edition.modules.values():
        groups: Counter[str] = Counter()
        for (owner, kind), count in types.items():
            if owner == module:
                groups[_GROUPS.get(kind, kind)] += count
        needs |= {f"{module}: {g} fields": (n, f"custom_fields.{g}") for g, n in sorted(groups.items())}
        needs[f"{module}: custom fields in all"] = (groups.total(), "custom_fields_total")
    return needs


def checked(requirement: str, needed: float, limit: Limit | None) -> dict[str, Any]:
    """One row of a plan check: what is *needed* beside the *limit*, and whether it fits."""
    allowed = limit.allowed if limit else None
    return {
        "requirement": requirement,
        "needed": float(needed),
        "allowed": allowed,
        "fits": True if limit and limit.is_open else None if allowed is None else needed <= allowed,
        "source": limit.source if limit else "not published",
    }


def custom(fields: pl.DataFrame) -> pl.DataFrame:
    """The custom properties somebody filled."""
    return fields.filter(~pl.col("is_standard"), pl.col("filled") > 0)


def structured(fields: pl.DataFrame) -> int:
    """How many custom properties hold JSON."""
    return custom(fields).filter((pl.col("observed") == "json") | (pl.col("declared") == "json")).height


def gaps(inventory: pl.DataFrame) -> list[str]:
    """The lists a move needs that the API does not tell."""
    needed = pl.col("entity").is_in(["pipelines", "agents", "activity_types"])
    return inventory.filter(~pl.col("available"), needed)["entity"].to_list()


def _history(counts: Mapping[str, int]) -> int:
    """An upper bound: events become one note per contact and kind, so never more than there are events."""
    single = sum(counts.get(entity, 0) for entity in ("activities", "conversations", "files", "events"))
    return single + 3 * counts.get("emails", 0) + ceil(counts.get("segment_members", 0) / PAGE)


def _rounded(size_bytes: Any, unit: int) -> float:
    return round(float(size_bytes or 0) / unit, 2)


def _writes(counts: Mapping[str, int], moving: int, deals: pl.DataFrame, edition: Edition) -> int:
    closed = deals.filter(pl.col("status").is_in(_WON_OR_LOST)).height
    if not edition.has_lifecycles:
        return counts.get("companies", 0) + moving + deals.height + closed
    people = pl.concat(
        [deals.get_column("contact_id"), deals.get_column("participants").explode().alias("contact_id")]
    ).drop_nulls()
    return counts.get("companies", 0) + moving + deals.height + closed + people.n_unique()


def _hours(calls: int, requests_per_hour: int | None) -> float | None:
    return None if requests_per_hour is None else round(calls / requests_per_hour, 2)


def _quota_basis(requests_per_hour: int | None) -> str:
    if requests_per_hour is None:
        return "the plan publishes no hourly quota"
    return f"{requests_per_hour:,} calls an hour, counted for the whole account"
