"""Every map that was offered stays with its hash, so that a later one can be compared with what was approved.

In: the phase folders of the customer's runs, earlier attempts included. Out: the approved maps, oldest first. What
offer.json keeps beside the hash tells counts and names of fields, no values; the rows are in data/maps/<hash>/.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import runs, tables
from crmbook.errors import UsageError
from crmbook.phases import marks
from crmbook.phases.standard_map import MODULES
from crmbook.runs import Record, Run

OFFER: Final = "offer.json"
PHASE: Final = "02_mapping"
_MAPS: Final = "maps"
_TABLE: Final = "decision_rows.parquet"
_SHOWN: Final = 5


@dataclass(frozen=True)
class Approved:
    """A map a person approved, and where its rows are kept."""

    digest: str
    by: str
    at: str
    path: Path

    def rows(self) -> pl.DataFrame:
        """As `tables.DECISION_ROWS`."""
        return pl.read_parquet(self.path)


def keep(run: Run, digest: str, summary: str, rows: pl.DataFrame, told: str) -> None:
    """What is offered, beside the tables of the phase: its hash, where the decisions come from (*told*), what is open."""
    still = rows.sort("position").filter(marks.is_open())
    first = (
        still.sort("records", descending=True, maintain_order=True)
        .select("entity", "source_field")
        .iter_rows()
    )
    names = [f"{entity}.{field}" if entity in MODULES else entity for entity, field in first]
    path = run.phase_folder / "data" / _MAPS / digest / _TABLE
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    stream = io.BytesIO()
    rows.write_parquet(stream)
    runs.write_bytes(path, stream.getvalue(), mode=0o600)
    content = {
        "hash": digest,
        "summary": summary,
        "told": told,
        "open": dict(still.group_by("entity", maintain_order=True).len().iter_rows()),
        "open_first": names[:_SHOWN],
        "proposed": rows.filter(pl.col("decision") == marks.PROPOSED).height,
        "rows": rows.height,
    }
    runs.write_json(run.phase_folder / OFFER, content)


def offered(record: Record) -> dict[str, Any]:
    """What the run's mapping offers now, as `keep` wrote it; empty where there is none."""
    return _offer(record.folder / PHASE)


def approved(customer: str) -> list[Approved]:
    """The maps of the customer that were approved and still have their rows, in the order of approval, each once in a row."""
    kept: dict[str, Path] = {}
    signed: list[tuple[str, str, str]] = []
    for record in runs.all_runs(customer):
        kept |= {path.parent.name: path for path in record.folder.glob(f"{PHASE}*/data/{_MAPS}/*/{_TABLE}")}
        signed += [(a["at"], a["hash"], a["by"]) for a in record.get()["approvals"] if a["what"] == "mapping"]
    made: list[Approved] = []
    for at, digest, by in sorted(signed):
        if digest in kept and (not made or made[-1].digest != digest):
            made.append(Approved(digest, by, at, kept[digest]))
    return made


def told(record: Record) -> list[str]:
    """What a person should know about the run's map: what is undecided, and what changed since the map approved last."""
    lines = [open_rows(record)] if open_rows(record) else []
    path = record.folder / PHASE / "data" / "mapping_changes.parquet"
    changes = pl.read_parquet(path) if path.exists() else tables.MAPPING_CHANGES.empty()
    if changes.height:
        lines.append(f"{changes.height} decisions differ from the map approved last")
    most = changes.sort("records", descending=True, maintain_order=True).head(_SHOWN)
    return lines + [
        f"{r['entity']} {r['source_field']}: {r['before']} → {r['after']} ({r['records']:,} records)"
        for r in most.iter_rows(named=True)
    ]


def open_rows(record: Record) -> str:
    """The rows nobody decided and no proposal may stand for, in words; blank where there are none."""
    offer = offered(record)
    counts: dict[str, int] = offer.get("open", {})
    if not counts:
        return ""
    each = ", ".join(f"{entity} {count}" for entity, count in counts.items())
    return f"{sum(counts.values())} rows are undecided ({each}), first {', '.join(offer['open_first'])}"


def refuse_open(record: Record) -> None:
    """Raises UsageError while rows of the run's map are undecided."""
    if still := open_rows(record):
        raise UsageError(
            f"{record.folder.name}: {still}; decide them in {PHASE}/mapping.xlsx or decisions.csv and run the phase"
            " again, or accept every proposal as it stands with: crmbook run … --approve-all --by NAME"
        )


def read_from(record: Record) -> list[str]:
    """Where the decisions of the run's map come from, as a line to print; none where nobody decided anything yet."""
    told = offered(record).get("told")
    return [told] if told else []


def accepted(record: Record, what: str) -> str:
    """What an approval of *what* without a look accepts, in words; blank for anything but the mapping."""
    offer = offered(record) if what == "mapping" else {}
    if not offer:
        return ""
    still = sum(offer.get("open", {}).values())
    return (
        f"{offer.get('proposed', 0)} of {offer.get('rows', 0)} proposals as they stand, {still} of them open"
    )


def _offer(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / OFFER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
