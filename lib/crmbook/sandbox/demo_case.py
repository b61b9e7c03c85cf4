"""The parts every piece of the demo account is made of: hazards, time stamps and rows with planted faults.

A row is drawn from a generator of its own, seeded by the scenario's seed, its kind and its id, so that
adding one row never changes another. A case then overrides single values of chosen rows; what is planted
where does not depend on the seed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from crmbook.sandbox.store import Doc

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OUTCOMES = ("loaded", "excluded", "rejected", "merged", "changed", "queued", "listed")


@dataclass(frozen=True)
class Hazard:
    """
    One kind of trouble and every record that has it.

    `entity` is the scenario's file stem; `expected` is one of OUTCOMES, a colon, and what a migration under
    the default policies makes of these records.
    """

    name: str
    entity: str
    source_ids: tuple[int, ...]
    meaning: str
    expected: str


@dataclass(frozen=True)
class Case:
    """A hazard and the values that plant it: per id the keys to override."""

    hazard: Hazard
    changes: dict[int, Doc]


def case(name: str, entity: str, meaning: str, expected: str, changes: dict[int, Doc]) -> Case:
    return Case(Hazard(name, entity, tuple(sorted(changes)), meaning, expected), changes)


def ids(first: int, last: int) -> range:
    """The ids from first to last, both included."""
    return range(first, last + 1)


def same(wanted: Iterable[int], change: Doc) -> dict[int, Doc]:
    """The same change for every id."""
    return dict.fromkeys(wanted, change)


def each(first: int, key: str, values: Iterable[object]) -> dict[int, Doc]:
    """Consecutive ids from *first*, one value of *key* each; a dotted key names a custom attribute."""
    rows: dict[int, Doc] = {}
    for number, value in enumerate(values):
        stem, _, name = key.partition(".")
        rows[first + number] = {stem: {name: value}} if name else {stem: value}
    return rows


def planted(rows: list[Doc], cases: Iterable[Case]) -> list[Doc]:
    """The rows with every case's values in place; attributes are merged, other keys replaced."""
    by_id = {row["id"]: dict(row) for row in rows}
    for one in cases:
        for row_id, change in one.changes.items():
            row = by_id[row_id]
            for key, value in change.items():
                row[key] = {**row[key], **value} if key == "attributes" else value
    return list(by_id.values())


def draw(seed: int, kind: str, row_id: int) -> Random:
    return Random(f"{seed}/{kind}/{row_id}")


def stamp(moment: datetime) -> str:
    """UTC with microseconds and Z, as the vendor writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def between(rng: Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(microseconds=rng.randrange(int((last - first).total_seconds() * 1_000_000)))


def by_day(rng: Random, first: datetime, last: datetime) -> datetime:
    """A moment of a working day, far from midnight and from the hour the clocks change."""
    return between(rng, first, last - timedelta(days=1)).replace(hour=rng.randrange(7, 17))


def sometimes(rng: Random, share: float) -> bool:
    return rng.random() < share
