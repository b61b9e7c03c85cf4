"""Why did the target refuse a write, without the values its sentence may quote?

In: the vendor's own sentences, and ours for writes that never left. Out: one kind a write, FAILED_KEYS. The
sentences are those of live tests in English; a tenant in another language gives `other`.
"""

import re
from typing import Final

import polars as pl

from crmbook import tables

DEPENDS: Final = "depends_on_missing"
OTHER: Final = "other"
_KINDS: Final = {
    DEPENDS: r"is not in the target|none of its members",
    "gone": r"no longer there|^not found",
    "file": r"\bfile\b",
    "duplicate": r"already exists|already been taken",
    "too_long": r"not in required length",
    "required": r"need to fill|can't be (empty|blank)",
    "unknown_reference": r"doesn't exist|invalid .* provided",
    "invalid_value": r"invalid|not in required format|not a valid",
    "not_allowed": r"not authorized|permission",
}
KINDS: Final = (*_KINDS, OTHER)


def kind(messages: list[str]) -> str:
    """The first kind that one of *messages* is of."""
    text = "\n".join(messages)
    found = (name for name, words in _KINDS.items() if re.search(words, text, re.IGNORECASE | re.MULTILINE))
    return next(found, OTHER)


def failed_keys(rejected: pl.DataFrame) -> pl.DataFrame:
    """FAILED_KEYS of *rejected* (`op_id`, `entity`, `source_id`, `messages`)."""
    kinds = pl.Series("kind", [kind(said) for said in rejected["messages"].to_list()], dtype=pl.String)
    return tables.conform(
        rejected.select("op_id", "entity", "source_id").with_columns(kinds), tables.FAILED_KEYS
    )
