"""The demo loaded once, and what 06_reconciliation says of it whenever the target was tampered with.

In: an edition. Out: a `Demo`, whose `free` documents of the target can be chosen for a defect, whose `plant` and
`take_back` change the target behind everybody's back, and whose `look` is what 06 then finds, by record and field.
The notebook of 06 is played with its gate. Invariant: what was planted and taken back left no trace in the tenant.
"""

import contextlib
import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from bench.chaos import worlds
from certify.findings import Finding, Look, looked
from crmbook import decisions, runs
from crmbook.errors import GateFailed
from crmbook.sandbox.server import Sandbox

Doc = dict[str, Any]
Changes = dict[str, dict[int, Doc | None]]

RUN = "test-01"
# The source's field whose addresses become document links: no field of the demo does by itself.
LINKED = ("company", "p_website")
ENTITIES = {
    "contacts": "contact", "leads": "lead", "sales_accounts": "company", "deals": "deal", "tasks": "task",
    "appointments": "appointment", "sales_activities": "sales_activity", "notes": "note", "lists": "list",
    "documents": "document", "document_links": "document_link",
}  # fmt: skip
MARK = "cf_usercom_original_id"


@dataclass(frozen=True)
class Planted:
    """One defect: the documents as they are to stand (null: gone), and every finding it must lead to, no other."""

    changes: Changes
    expected: frozenset[Finding]
    where: str

    @property
    def documents(self) -> set[tuple[str, int]]:
        return {(kind, doc_id) for kind, docs in self.changes.items() for doc_id in docs}


@dataclass
class Demo:
    """A loaded demo that is being served; `clean` is the tenant as the load left it, kind to id to document."""

    world: worlds.World
    box: Sandbox
    clean: dict[str, dict[int, Doc]] = field(init=False)
    taken: set[tuple[str, int]] = field(default_factory=set)
    _tables: dict[str, pl.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clean = self._state()

    @property
    def edition(self) -> str:
        return self.world.edition

    @property
    def run(self) -> Path:
        return self.world.runs / worlds.CUSTOMER / RUN

    def table(self, name: str) -> pl.DataFrame:
        """A table of the run as it stood before anything was planted, whichever phase wrote it."""
        if name not in self._tables:
            (path,) = self.run.glob(f"0[1-5]_*/data/{name}.parquet")
            self._tables[name] = pl.read_parquet(path)
        return self._tables[name]

    @cached_property
    def _crosswalk(self) -> pl.DataFrame:
        return self.table("crosswalk")

    @cached_property
    def _sources(self) -> dict[tuple[str, int], str]:
        rows = self._crosswalk.filter(pl.col("origin") == "created")
        return {(entity, there): sid for entity, sid, there in rows.drop("origin").iter_rows()}

    def ours(self, kind: str) -> set[int]:
        """The ids of the documents the load created."""
        return {i for entity, i in self._sources if entity == ENTITIES[kind]}

    def known(self, kind: str) -> set[int]:
        """The ids of the documents the load created or found there."""
        rows = self._crosswalk.filter(pl.col("entity") == ENTITIES[kind])
        return set(rows["target_id"].to_list())

    def source_id(self, kind: str, doc: Doc) -> str:
        """The source id of a document that the load created."""
        return self._sources[ENTITIES[kind], doc["id"]]

    def every(self, kind: str) -> Iterator[Doc]:
        """The documents the load created, by id, taken or not."""
        return (doc for doc in self.clean[kind].values() if (ENTITIES[kind], doc["id"]) in self._sources)

    def free(self, kind: str, test: Callable[[Doc], Any], *, what: str = "") -> Doc:
        """The first document the load created, passes *test*, and no other defect has taken; it is taken now."""
        for doc in self.every(kind):
            if (kind, doc["id"]) not in self.taken and test(doc):
                self.take(kind, doc)
                return doc
        raise LookupError(f"the demo on {self.edition} has no free record in {kind} {what}")

    def take(self, kind: str, *docs: Doc) -> None:
        self.taken |= {(kind, doc["id"]) for doc in docs}

    def new_id(self, kind: str) -> int:
        """An id the tenant never gave, another one each time."""
        fresh = max(*self.clean[kind], *(i for k, i in self.taken if k == kind)) + 1_000
        self.taken.add((kind, fresh))
        return fresh

    def plant(self, *defects: Planted) -> None:
        for defect in defects:
            self._write(defect.changes)

    def take_back(self, *defects: Planted) -> None:
        """The documents of the load again; AssertionError where the tenant is not the clean one afterwards."""
        for defect in defects:
            self._write({k: {i: self.clean[k].get(i) for i in docs} for k, docs in defect.changes.items()})
        assert _digest(self.clean) == _digest(self._state()), "the tenant is not as the load left it"

    def look(self) -> Look:
        """06_reconciliation played on the target as it stands, and what it found."""
        with contextlib.suppress(GateFailed):
            worlds.played("06_reconciliation", gated=True)
        return looked(self.run)

    def _write(self, changes: Changes) -> None:
        self.box.admin("PUT", f"/{worlds.REALM}/documents", changes)

    def _state(self) -> dict[str, dict[int, Doc]]:
        told = self.box.admin("GET", f"/state?realm={worlds.REALM}")[worlds.REALM]
        return {kind: {doc["id"]: doc for doc in docs} for kind, docs in told.items() if kind != "settings"}


def loaded(folder: Path, edition: str) -> worlds.World:
    """The demo walked to the end of 05_load, with one address field carried as document links."""
    world = worlds.prepared("demo", folder, edition=edition, decide=_links_decided)
    with world.served():
        worlds.played("05_load")
    return world


@contextlib.contextmanager
def served(world: worlds.World) -> Iterator[Demo]:
    with world.served() as box:
        os.environ["CRMBOOK_RUNS"] = str(world.runs)
        yield Demo(world, box)


def _links_decided(record: runs.Record) -> None:
    path = record.folder / "02_mapping" / decisions.NAME
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if (row["entity"], row["source_field"]) == LINKED:
            row |= {"target_field": "document_links", "rule": "identity", "decision": "changed"}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _digest(state: dict[str, dict[int, Doc]]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
