"""Everything 06_reconciliation found wrong, as one set of findings, and what its gate made of it.

A finding names its class, the entity (or module, relation, list), the source id, and the field or other end. Counts and
balances are not read here: the gate reads them, and `checks` says which of its checks each finding must bring down.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

# class of a finding: the critical checks of the gate that must fail for it
CHECKS = {
    "record missing": {"R-04"}, "record duplicated": {"R-05"}, "record unexpected": {"R-06"},
    "link missing": {"R-08"}, "link extra": {"R-09"}, "wrong primary": {"R-10"},
    "field": {"R-11"},
    "entry missing": {"R-21"}, "entry duplicated": {"R-22"}, "entry unexpected": {"R-23"}, "entry copy": {"R-23"},
    "entry field": {"R-24", "R-27"},
    "source row lost": {"R-30"},
    "member missing": {"R-21", "R-31"}, "member extra": {"R-23", "R-31"},
    "instant": {"R-32"}, "instant gone": {"R-32", "R-33"},
    "value lost": {"R-90"},
}  # fmt: skip
# ... and the one of which the gate only warns
WARNINGS = {"value rewritten": {"R-91"}}
# Says that a sheet of forty records can't show a hundred defects at once; of the data it says nothing.
OF_THE_SHEET = frozenset({"R-95"})


class Finding(NamedTuple):
    """One thing wrong; `source_id` is `target:<id>` for what no source record explains."""

    kind: str
    entity: str
    source_id: str
    field: str = ""


@dataclass(frozen=True)
class Look:
    """What one run of 06 found, and the checks of its gate that failed: critical ones in `failed`, others in `warned`."""

    findings: frozenset[Finding]
    failed: frozenset[str]
    warned: frozenset[str]
    passed: bool


def checks(findings: Iterable[Finding], known: Mapping[str, set[str]] = CHECKS) -> frozenset[str]:
    """The checks of *known* that have to fail for *findings*."""
    return frozenset(check for finding in findings for check in known.get(finding.kind, ()))


def looked(run: Path) -> Look:
    """What 06 left in the folder *run*."""
    data = run / "06_reconciliation" / "data"
    tables = {path.stem: pl.read_parquet(path) for path in data.glob("*.parquet")}
    told = json.loads((run / "06_reconciliation" / "gate.json").read_text(encoding="utf-8"))
    down = [(c["id"], c["severity"] == "critical") for c in told["checks"] if not c["passed"]]
    found = [
        *_records(tables),
        *_links(tables),
        *_fields(tables),
        *_history(tables),
        *_against_source(run, tables),
    ]
    return Look(
        frozenset(found),
        frozenset(check for check, is_critical in down if is_critical),
        frozenset(check for check, is_critical in down if not is_critical),
        told["passed"],
    )


def _rows(frame: pl.DataFrame, kind: pl.Expr | str, *names: pl.Expr | str) -> list[Finding]:
    """A finding for each row of *frame*: *names* are its columns, or what to make of them."""
    told = pl.lit(kind) if isinstance(kind, str) else kind
    parts = [pl.col(name) if isinstance(name, str) else name for name in names]
    shown = frame.select(told.alias("0"), *(p.cast(pl.String).alias(str(n)) for n, p in enumerate(parts, 1)))
    return [Finding(*row) for row in shown.iter_rows()]


def _records(tables: dict[str, pl.DataFrame]) -> list[Finding]:
    wrong = tables["classes"].filter(pl.col("class").is_in(["missing", "duplicated"]))
    strange = tables["target_only"].filter(pl.col("class") == "unexpected")
    return [
        *_rows(wrong, pl.format("record {}", "class"), "entity", "source_id"),
        *_rows(strange, "record unexpected", "module", pl.format("target:{}", "target_id")),
    ]


def _links(tables: dict[str, pl.DataFrame]) -> list[Finding]:
    wrong = tables["link_classes"].filter(pl.col("class").is_in(["missing", "extra", "wrong_primary"]))
    kind = pl.when(pl.col("class") == "wrong_primary").then(pl.lit("wrong primary")).otherwise(
        pl.format("link {}", "class")
    )  # fmt: skip
    return _rows(wrong, kind, "relation", "from_id", "to_id")


def _fields(tables: dict[str, pl.DataFrame]) -> list[Finding]:
    lost, other = (tables["lost_fields"].filter(pl.col(name) > 0) for name in ("unnamed", "unannounced"))
    return [
        *_rows(tables["differences"], "field", "entity", "source_id", "field"),
        *_rows(lost, "value lost", "entity", pl.lit(""), "target_field"),
        *_rows(other, "value rewritten", "entity", pl.lit(""), "target_field"),
    ]


def _history(tables: dict[str, pl.DataFrame]) -> list[Finding]:
    wrong = tables["history_classes"].filter(pl.col("class").is_in(["missing", "duplicated"]))
    strange = tables["history_target_only"].filter(pl.col("class") != "foreign")
    members = tables["member_classes"].filter(pl.col("class").is_in(["missing", "extra"]))
    return [
        *_rows(wrong, pl.format("entry {}", "class"), "module", "source_id"),
        *_rows(
            strange, pl.format("entry {}", "class"), "module", pl.format("target:{}", "target_id"),
            pl.col("source_id").fill_null(""),
        ),
        *_rows(members, pl.format("member {}", "class"), "list_key", "contact_id"),
        *_rows(tables["history_differences"], "entry field", "module", "source_id", "field"),
    ]  # fmt: skip


def _against_source(run: Path, tables: dict[str, pl.DataFrame]) -> list[Finding]:
    from crmbook.phases import reconcile_history

    carried = pl.read_parquet(run / "04_normalization" / "data" / "carried.parquet")
    standing = reconcile_history.standing(carried, tables["history_classes"], tables["member_classes"])
    late = tables["instants"].filter(~pl.col("is_equal"))
    kind = pl.when(pl.col("found").is_null()).then(pl.lit("instant gone")).otherwise(pl.lit("instant"))
    return [
        *_rows(standing.filter(pl.col("fate") == "lost"), "source row lost", "entity", "source_id"),
        *_rows(late, kind, "entity", "source_id"),
    ]
