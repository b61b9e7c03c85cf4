"""Does something appear on the contacts this load creates that nobody planned?

Workflows of a tenant act on imported contacts too; a real migration had to be cleaned up after them. Between the
writes one call per 100 new contacts asks for the newest tasks, meetings or activities, and what hangs on a contact the
load created without standing in its ledger is foreign. It is kept and told; more than a few stop the load. What stood
there when a later start begins is old and stops nothing. Invariant: nothing foreign is ever changed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from typing import Any, Final, Self

import polars as pl

from crmbook import tables
from crmbook.errors import AuthError, GateFailed, NotFound, Rejected
from crmbook.ledger import Ledger
from crmbook.phases.capabilities import LOOK_EVERY
from crmbook.runs import Run
from crmbook.vendors.freshsales import Freshsales

ALLOWED: Final = 3
_ENTITIES: Final = {"tasks": "task", "appointments": "appointment", "sales_activities": "sales_activity"}
_FILTERS: Final = {"tasks": "open", "appointments": "upcoming"}
_TURNS: Final = ("tasks", "appointments", "tasks", "sales_activities")
_PEOPLE: Final = {"Contact": "contact", "Lead": "lead"}
_PAGE: Final = 100
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS foreign_records(
  kind TEXT NOT NULL, target_id INTEGER NOT NULL, entity TEXT NOT NULL, source_id TEXT NOT NULL,
  seen_at TEXT NOT NULL, PRIMARY KEY (kind, target_id));
"""

Record = Mapping[str, Any]
Person = tuple[str, int]  # entity and target id


class Seen(Ledger):
    """The ledger as far as the watch needs it, and what it found so far, which outlives the start."""

    def __enter__(self) -> Self:
        super().__enter__()
        with self._told():
            self._db.executescript(_SCHEMA)
        return self

    def people_since(self, row: int) -> list[tuple[int, str, str, int]]:
        """Contacts and leads created after crosswalk row *row*: row, entity, source id, target id."""
        query = (
            "SELECT rowid, entity, source_id, target_id FROM crosswalk"
            " WHERE rowid > ? AND origin = 'created' AND entity IN ('contact', 'lead') ORDER BY rowid"
        )
        with self._told():
            return list(self._db.execute(query, (row,)))

    def is_ours(self, kind: str, target_id: int) -> bool:
        """Whether the load wrote this record."""
        query = "SELECT 1 FROM crosswalk WHERE entity = ? AND target_id = ?"
        with self._told():
            return self._db.execute(query, (_ENTITIES[kind], target_id)).fetchone() is not None

    def add(self, kind: str, target_id: int, entity: str, source_id: str) -> bool:
        """Whether it was not known yet."""
        row = (kind, target_id, entity, source_id, datetime.now(UTC).isoformat(timespec="seconds"))
        with self._change() as db:
            return (
                db.execute("INSERT OR IGNORE INTO foreign_records VALUES (?, ?, ?, ?, ?)", row).rowcount > 0
            )

    def table(self) -> pl.DataFrame:
        """FOREIGN_RECORDS; what turned out to be the load's own since it was seen is left out."""
        with self._told():
            rows = self._db.execute("SELECT * FROM foreign_records").fetchall()
        told = [
            (kind, target_id, entity, source_id, datetime.fromisoformat(at))
            for kind, target_id, entity, source_id, at in rows
            if not self.is_ours(kind, target_id)
        ]
        frame = pl.DataFrame(told, schema=tables.FOREIGN_RECORDS.columns, orient="row")
        return tables.conform(frame, tables.FOREIGN_RECORDS)


class Workflows:
    """
    The watch of one start. *allowed* foreign records stop nothing: a person may be at work too.

    Where contacts were created before, it begins by asking what hangs on them already, unless *is_idle*.
    """

    def __init__(
        self, client: Freshsales, seen: Seen, *, allowed: int = ALLOWED, is_idle: bool = False
    ) -> None:
        self._client, self._seen, self._allowed = client, seen, allowed
        self._people: dict[Person, str] = {}
        self._row = 0
        self._turns = cycle(_TURNS)
        self._blind: set[str] = set()
        self._old: dict[str, str] = {}
        self._new: dict[str, int] = {}
        self._meet()
        self._at_first = len(self._people)
        self._due = self._at_first + allowed + 1
        for kind in _ENTITIES if self._people and not is_idle else ():
            self._ask(kind, is_new=False)

    def look(self) -> None:
        """
        Asks the target when enough contacts were created since it was asked last; else costs nothing.

        Raises:
            GateFailed: more foreign records than allowed appeared since this start began.
        """
        self._meet()
        if len(self._people) >= self._due:
            self._due = len(self._people) + LOOK_EVERY
            self._ask(next(self._turns))
            self._judge()

    def finish(self) -> None:
        """The last look, at every kind; raises as `look`."""
        self._meet()
        if len(self._people) > self._at_first:
            for kind in _ENTITIES:
                self._ask(kind)
            self._judge()

    def _meet(self) -> None:
        for row, entity, source_id, target_id in self._seen.people_since(self._row):
            self._people[entity, target_id] = source_id
            self._row = row

    def _ask(self, kind: str, *, is_new: bool = True) -> None:
        rows = self._newest(kind)
        for record in rows:
            whose = next((person for person in _hangs_on(record) if person in self._people), None)
            if whose is None or self._seen.is_ours(kind, int(record["id"])):
                continue
            is_unknown = self._seen.add(kind, int(record["id"]), whose[0], self._people[whose])
            if is_new and is_unknown and _moment(record) > self._old.get(kind, ""):
                self._new[kind] = self._new.get(kind, 0) + 1
        if not is_new:
            self._old[kind] = max(map(_moment, rows), default="")

    def _newest(self, kind: str) -> list[dict[str, Any]]:
        """The 100 created last; none of a kind whose list this key may not see."""
        if kind in self._blind:
            return []
        params: dict[str, Any] = {"sort": "created_at", "sort_type": "desc", "page": 1, "per_page": _PAGE}
        params |= {"include": "targetable"} | ({"filter": _FILTERS[kind]} if kind in _FILTERS else {})
        try:
            body = self._client.ask("GET", kind, f"/{kind}", entity=kind, params=params).body
        except (AuthError, NotFound, Rejected):
            self._blind.add(kind)
            return []
        return self._client.rows(kind, body, kind)

    def _judge(self) -> None:
        if sum(self._new.values()) > self._allowed:
            said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in self._new.items())
            raise GateFailed(
                f"{said} nobody planned hang on contacts this load created, so Workflows of the target act on it;"
                " switch Workflows off in its admin settings, then run again; what they made is kept and listed"
                " in foreign_records"
            )


@contextmanager
def watching(run: Run, client: Freshsales, *, is_idle: bool = False) -> Iterator[Workflows]:
    """The watch over a load of *run*; what it found is saved as `foreign_records`, however the load ends."""
    with Seen(run.ledger_path) as seen:
        try:
            allowed = int(run.parameters.get("foreign_records_allowed", ALLOWED))
            yield Workflows(client, seen, allowed=allowed, is_idle=is_idle)
        finally:
            run.save("foreign_records", seen.table())


def _hangs_on(record: Record) -> Iterator[Person]:
    """The contacts and leads a record names, in the two ways the vendor's answers do."""
    single = {"type": record.get("targetable_type"), "id": record.get("targetable_id")}
    for target in (*(record.get("targetables") or []), single):
        if target.get("type") in _PEOPLE and str(target.get("id") or "").isdigit():
            yield _PEOPLE[target["type"]], int(target["id"])


def _moment(record: Record) -> str:
    """When it was created, in a form that sorts; empty where the answer does not say."""
    try:
        return datetime.fromisoformat(str(record.get("created_at"))).astimezone(UTC).isoformat()
    except ValueError:
        return ""
