"""Who holds a value: records by the fields that must be unique or that clients look records up by."""

from collections.abc import Iterable

Entry = tuple[str, str]  # field, key


class ValueIndex:
    """Ids by (kind, field, key). Several ids under one key are possible where a field is not unique."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str, str], list[int]] = {}
        self._entries: dict[tuple[str, int], list[Entry]] = {}

    def put(self, kind: str, doc_id: int, entries: Iterable[Entry]) -> None:
        """The record's values replaced by *entries*."""
        self.drop(kind, doc_id)
        kept = self._entries[kind, doc_id] = list(entries)
        for field, key in kept:
            self._ids.setdefault((kind, field, key), []).append(doc_id)

    def drop(self, kind: str, doc_id: int) -> None:
        for field, key in self._entries.pop((kind, doc_id), ()):
            self._ids[kind, field, key].remove(doc_id)

    def ids(self, kind: str, field: str, key: str) -> list[int]:
        return sorted(self._ids.get((kind, field, key), ()))


def key_of(field: str, value: object) -> str | None:
    """What two values are compared by: case counts in custom fields only; blanks are never duplicates."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    return text if field.startswith("cf_") else text.casefold()
