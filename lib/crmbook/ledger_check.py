"""Is what stands in a ledger what a ledger holds? Whole pages, every constraint, and values of the kind each column declares.

SQLite itself takes any value for any column, and a file changed by hand keeps no constraint: read as if it were right it
would send a write twice, or end somewhere far away. One pass over the file; nothing of it is quoted.
"""

import sqlite3
from functools import cache
from typing import Final

_FIRST: Final = frozenset({"writes", "crosswalk", "meta"})
_KINDS: Final = {"TEXT": "text", "INTEGER": "integer", "REAL": "real"}


def lost(db: sqlite3.Connection) -> str:
    """The table that every ledger began with and that is gone from *db*; blank where none is, and of a new file."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    gone = sorted(_FIRST - there) if there else []
    return f"changed by hand: {gone[0]} is gone" if gone else ""


def fault(db: sqlite3.Connection, schema: str) -> str:
    """What is wrong first with *db*, which *schema* describes; blank where nothing is."""
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        return f"damaged or changed by hand ({str(found).splitlines()[0][:80]})"
    for table, wrong in _wrong(schema):
        if db.execute(f'SELECT 1 FROM "{table}" WHERE {wrong} LIMIT 1').fetchone():  # noqa: S608  names of our own schema
            return f"changed by hand: {table} holds a value of another kind than was written"
    return ""


@cache
def _wrong(schema: str) -> list[tuple[str, str]]:
    """Per table of *schema* the condition that finds a value of the wrong kind."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(schema)
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (name, " OR ".join(_not_that(*row) for row in db.execute(f'PRAGMA table_info("{name}")')))
            for name in names
        ]
    finally:
        db.close()


def _not_that(_number: int, column: str, declared: str, is_needed: int, _default: object, is_key: int) -> str:
    kinds = [_KINDS[declared], *([] if is_needed or is_key else ["null"])]
    return f'typeof("{column}") NOT IN ({", ".join(map(repr, kinds))})'
