"""Every document of both vendors in one SQLite file that survives a restart; memory answers the reads.

A document is a JSON object under (realm, kind, id): realm is `usercom`, `freshsales_test` or
`freshsales_production`; kind is the plural resource name; id is an integer. Writes reach the file when
`commit()` is called, once per request, so a killed server loses at most the request it was serving.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Doc = dict[str, Any]


class Table:
    """The documents of one (realm, kind), iterated in order of their ids."""

    def __init__(self, store: "Store", realm: str, kind: str) -> None:
        self._store, self._realm, self._kind = store, realm, kind
        self._docs: dict[int, Doc] = {}
        self._sorted = True
        self._last = 0

    def __len__(self) -> int:
        return len(self._docs)

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._docs

    def __iter__(self) -> Iterator[int]:
        if not self._sorted:
            self._docs = dict(sorted(self._docs.items()))
            self._sorted = True
        return iter(list(self._docs))

    def get(self, doc_id: int) -> Doc | None:
        """The document itself, not a copy: whoever changes it calls `put`."""
        return self._docs.get(doc_id)

    def values(self) -> list[Doc]:
        return [self._docs[i] for i in self]

    def put(self, doc_id: int, doc: Doc) -> None:
        if doc_id not in self._docs and doc_id < self._last:
            self._sorted = False
        self._last = max(self._last, doc_id)
        self._docs[doc_id] = doc
        self._store._dirty[self._realm, self._kind, doc_id] = doc

    def delete(self, doc_id: int) -> None:
        if self._docs.pop(doc_id, None) is not None:
            self._store._dirty[self._realm, self._kind, doc_id] = None

    def reserve(self, first: int = 1, step: int = 1) -> int:
        """An id never given before in this table, also not to a deleted document."""
        counter = f"{self._realm}/{self._kind}"
        given = max(self._store._counters.get(counter, 0), self._last)
        fresh = max(given + step, first)
        self._store._counters[counter] = fresh
        self._store._dirty_counters.add(counter)
        return fresh


class Store:
    """All tables; `path` None keeps them in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE IF NOT EXISTS docs(realm TEXT, kind TEXT, id INTEGER, doc TEXT, PRIMARY KEY(realm, kind, id));"
            "CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER);"
        )
        self._tables: dict[tuple[str, str], Table] = {}
        self._dirty: dict[tuple[str, str, int], Doc | None] = {}
        self._counters: dict[str, int] = dict(self._db.execute("SELECT name, value FROM counters"))
        self._dirty_counters: set[str] = set()
        for realm, kind, doc_id, doc in self._db.execute(
            "SELECT realm, kind, id, doc FROM docs ORDER BY 1, 2, 3"
        ):
            self.table(realm, kind)._docs[doc_id] = json.loads(doc)
            self.table(realm, kind)._last = doc_id

    def table(self, realm: str, kind: str) -> Table:
        return self._tables.setdefault((realm, kind), Table(self, realm, kind))

    def kinds(self, realm: str) -> list[str]:
        return sorted(kind for (r, kind), table in self._tables.items() if r == realm and len(table))

    def commit(self) -> None:
        """Everything put or deleted since the last commit, in one transaction."""
        if not self._dirty and not self._dirty_counters:
            return
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO docs VALUES (?, ?, ?, ?)",
                [(*key, json.dumps(doc)) for key, doc in self._dirty.items() if doc is not None],
            )
            self._db.executemany(
                "DELETE FROM docs WHERE realm=? AND kind=? AND id=?",
                [key for key, doc in self._dirty.items() if doc is None],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO counters VALUES (?, ?)",
                [(name, self._counters[name]) for name in self._dirty_counters],
            )
        self._dirty.clear()
        self._dirty_counters.clear()

    def close(self) -> None:
        self.commit()
        self._db.close()
