"""06 run again after its sign-off: the drift check, which leaves the signed reconciliation and its archive alone.

The signed folder steps aside while 06 reads the target anew, and comes back whatever happens; the new reading is kept
beside it as `06_reconciliation~N`. What reads otherwise now stands in drift.csv of the run's folder: ids and fields,
no values. Invariant: folder, state, offer and approval of the sign-off are afterwards what they were before, also when
the check was killed and somebody starts the run again.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import archive, csvfiles, runs
from crmbook.errors import GateFailed
from crmbook.phases import drift
from crmbook.runs import Record

PHASE: Final = "06_reconciliation"
NAME: Final = "drift.csv"
_OFFER: Final = "reconciliation"
_ASIDE: Final = f"{PHASE}~signed"


def is_signed(record: Record) -> bool:
    """Whether what 06 offered was approved: then running it again is a check, not a new reconciliation."""
    content = record.get()
    offer = content["offers"].get(_OFFER, {})
    is_passed = content["phases"].get(PHASE, {}).get("status") == "passed"
    return bool(is_passed and offer and record.approved(_OFFER, offer["hash"]))


@contextmanager
def beside(record: Record) -> Iterator[None]:
    """06 may run inside the block; a failed gate is no error here, `told` says what it means."""
    content = record.get()
    record.change(drift={"phase": content["phases"][PHASE], "offer": content["offers"][_OFFER]})
    (record.folder / PHASE).rename(record.folder / _ASIDE)
    try:
        yield
    except GateFailed:
        pass
    finally:
        restore(record)


def restore(record: Record) -> None:
    """The sign-off as it was, where a check was begun; the reading that was made is kept as the next `~N`."""
    content = record.get()
    begun = content.get("drift")
    if not begun:
        return
    aside, folder = record.folder / _ASIDE, record.folder / PHASE
    if aside.exists():
        if folder.exists():
            folder.rename(_next(record.folder))
        aside.rename(folder)
    content["phases"][PHASE], content["offers"][_OFFER] = begun["phase"], begun["offer"]
    runs.write_json(record.path, {key: value for key, value in content.items() if key != "drift"})


def told(record: Record) -> dict[str, Any]:
    """
    What the newest reading tells beside the signed one, also in drift.csv and in the chain of the archive.

    Raises:
        GateFailed: something reads otherwise than it was signed off.
    """
    reading = _latest(record.folder)
    signed, now = (_tables(folder / "data") for folder in (record.folder / PHASE, reading))
    found, made = drift.drift(signed, now), drift.made(signed, now)
    csvfiles.write(record.folder / NAME, found.columns, found.iter_rows(named=True))
    facts = {"at": runs.now(), "folder": reading.name, "drifted": found.height, "made": made}
    record.change(drift_checks=[*record.get().get("drift_checks", []), facts])
    archive.seal(record, {"event": "drift", **facts})
    if found.height:
        by = record.approved(_OFFER, record.get()["offers"][_OFFER]["hash"]) or {}
        raise GateFailed(
            f"{record.folder.name}: not as {by.get('by', 'somebody')} signed it off on {by.get('at', '')[:10]}:"
            f" {drift.summary(found)}; the sign-off stands, see {record.folder.name}/{NAME} and {reading.name}/report.html"
        )
    return facts


def said(facts: dict[str, Any]) -> str:
    """The good news in one line."""
    made = f"; {facts['made']:,} records were made there since" if facts["made"] else ""
    return f"all is as it was signed off{made}"


def _tables(data: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(data / f"{name}.parquet") for name in drift.NAMES}


def _numbers(folder: Path) -> dict[int, Path]:
    pattern = re.compile(rf"{PHASE}~(\d+)")
    return {int(m[1]): path for path in folder.glob(f"{PHASE}~*") if (m := pattern.fullmatch(path.name))}


def _next(folder: Path) -> Path:
    return folder / f"{PHASE}~{max(_numbers(folder), default=0) + 1}"


def _latest(folder: Path) -> Path:
    numbers = _numbers(folder)
    return numbers[max(numbers)]
