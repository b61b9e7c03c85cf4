"""One record key by key: what is to be written differs from what was, and whose the present value is.

Bodies are flat (`delta_written.flat`). Whether a person changed a key is told by the image our last write left; a key no
image vouches for is compared with the value itself, and one we never wrote is a person's as soon as it is filled.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crmbook.phases import images
from crmbook.phases.delta_written import DROPPED, REMOVED, Key, flat, nested

Body = dict[str, Any]
Record = Mapping[str, Any]
_SHOWN_AS: Final = {"contacts_added_list": "contact_ids"}
_LINKS: Final = ("sales_accounts", "contacts_added_list")
# What says on which record another one hangs: always sent along, because it is how the target finds it.
_HANGING: Final = ("targetable_type", "targetable_id")
_UNCLEARED: Final = (*_HANGING, "company", "name", "email", "last_name")

__all__ = ["Body", "Known", "Record", "changed", "flat", "key_of", "name", "of", "references", "shows"]


def of(op: Mapping[str, Any]) -> Key:
    return op["entity"], op["source_id"]


def name(op: Mapping[str, Any]) -> str:
    """The record of *op* as references name it."""
    return f"{op['entity']}:{op['source_id']}"


def key_of(reference: str) -> Key:
    """Entity and source id a reference names."""
    entity, _, source_id = reference.partition(":")
    return entity, source_id


def references(body: Any) -> set[str]:
    """The records *body* refers to, as `<entity>:<source id>`."""
    return set(_references(body))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "$id" in value and isinstance(value["$id"], str):
            yield value["$id"]
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


@dataclass(frozen=True)
class Known:
    """What earlier runs wrote to one record: the last value of each key, the image they left; `ids` of every record."""

    written: Body
    image: Mapping[str, str]
    ids: Mapping[str, int]

    def differing(self, wanted: Body, new: Collection[Key]) -> list[str]:
        """The keys of which the target should show something else than was written, cleared ones too."""
        changed = [key for key, value in wanted.items() if self.written.get(key) != value]
        changed += [
            key
            for key, value in wanted.items()
            if key not in changed and any(key_of(ref) in new for ref in references(value))
        ]
        cleared = [key for key in self.written if key not in wanted and key not in _UNCLEARED]
        return sorted([*changed, *cleared])

    def is_persons(self, key: str, record: Record) -> bool:
        """Whether *record* shows for *key* what no write of ours left there."""
        if key in self.image:
            return images.changed({key: self.image[key]}, record) != []
        if key not in self.written:
            return _is_filled(images.shown(record, key))
        return not shows(record, key, self._resolved(self.written[key]))

    def is_shown(self, key: str, value: Any, record: Record) -> bool:
        """Whether *record* shows *value*, whose references are resolved; one to a record that is nowhere is not shown."""
        return all(ref in self.ids for ref in references(value)) and shows(record, key, self._resolved(value))

    def body(self, entity: str, send: Body, wanted: Body, record: Record) -> Body:
        """The request that makes *record* show *send*: keys emptied in the source are nulls."""
        made = nested({key: self._empty(key) if value is None else value for key, value in send.items()})
        made |= {key: wanted[key] for key in _HANGING if key in wanted}
        dropped: dict[str, list[Any]] = {}
        if "tags" in send:
            dropped["tags"] = _without(self.written.get("tags") or [], send["tags"] or [])
        if "sales_accounts" in send:
            dropped["sales_accounts"] = self._left("sales_accounts", send, record)
        if entity == "deal" and "contacts_added_list" in send:
            gone = self._left("contacts_added_list", send, record)
            made |= {REMOVED: gone} if gone else {}
        dropped = {key: values for key, values in dropped.items() if values}
        return made | ({DROPPED: dropped} if dropped else {})

    def _left(self, key: str, send: Body, record: Record) -> list[int]:
        """Target ids of the records *key* linked to and no longer does."""
        lost = references(self.written.get(key)) - references(send[key])
        shown = images.shown(record, key)
        linked = {link[0] if isinstance(link, list) else link for link in shown if shown} if isinstance(
            shown, list
        ) else set()  # fmt: skip
        return sorted(self.ids[ref] for ref in lost if self.ids.get(ref) in linked)

    @staticmethod
    def _empty(key: str) -> Any:
        return [] if key in (*_LINKS, "tags") else None

    def _resolved(self, value: Any) -> Any:
        """*value* with target ids; what refers to a record that is nowhere was never written, and is left out."""
        if isinstance(value, Mapping) and "$id" in value:
            return self.ids.get(value["$id"])
        if isinstance(value, Mapping):
            return {key: self._resolved(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._resolved(part) for part in value if references(part) <= self.ids.keys()]
        return value


def changed(known: Known, record: Record) -> list[str]:
    """The keys of *record* that are a person's by now, of those earlier runs wrote."""
    keys = sorted({*known.image, *known.written} - {*_HANGING})
    return [key for key in keys if known.is_persons(key, record)]


def shows(record: Record, key: str, value: Any) -> bool:
    """Whether *record* shows *value* for *key*, in any of the forms the target gives it back."""
    there = images.shown(record, key)
    wanted = images.shown(nested({_SHOWN_AS.get(key, key): value}), key)
    if not _is_filled(there) and not _is_filled(wanted):
        return True
    if there == wanted or str(there) == str(wanted):
        return True
    return _number(there) is not None and _number(there) == _number(wanted)


def _without(before: list[Any], now: list[Any]) -> list[Any]:
    return [one for one in before if one not in now]


def _is_filled(value: Any) -> bool:
    # An unset checkbox reads false; what the target does not show at all is empty.
    return not isinstance(value, images.Absent) and value not in (None, "", [], False)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except ValueError:
        return None
