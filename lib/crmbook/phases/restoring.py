"""What of a record is still as we left it, and what puts back what stood there before?

In: what was written to one record (its ledger rows and the body sent), the record as it stood before and as it
stands now. Out: the keys somebody changed since, and the body that restores the others. Tags and links are taken
out one by one, so that whatever a person added or removed beside ours stays.
Invariant: a key whose present value is not the one we left is never written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crmbook.phases import images
from crmbook.phases.images import CUSTOM

Record = Mapping[str, Any]

LINKS: Final = {"sales_accounts": "company", "contacts_added_list": "contact", "sales_account_id": "company"}
_SETS: Final = ("tags", "sales_accounts", "contacts_added_list")
_UNSHOWN: Final = ("ids", "path", "sha256", "size_bytes")  # of lists and files; no record shows them
_FIXED: Final = ("targetable_type", "targetable_id")  # settled when the record is made
_FOLLOWS_STAGE: Final = ("closed_date", "probability")


@dataclass(frozen=True)
class Written:
    """All a run wrote to one record: `image` of what it left, `sent` as one body, `before` where it was there."""

    entity: str
    source_id: str
    target_id: int
    origin: str
    image: Mapping[str, str]
    sent: Record
    before: Record = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.entity}:{self.source_id}"

    def added(self, key: str) -> set[int]:
        """The ids this run linked to the record under *key*, which it did not have before."""
        return _ids(self.sent, key) - _ids(self.before, key)


@dataclass(frozen=True)
class Restoration:
    """The body that puts a matched record back; `keys` it restores, `stays` are keys somebody changed since."""

    body: dict[str, Any]
    keys: list[str]
    stays: list[str]


def changed(written: Written, present: Record) -> list[str]:
    """The keys of a created record that somebody changed since, sorted."""
    known = {key: told for key, told in written.image.items() if key not in _UNSHOWN}
    found = images.changed(known, present)
    judged = [key for key in _keys(written) if key not in written.image and _is_id(key)]
    found += [
        key
        for key in judged
        if shows(present, key) and images.shown(present, key) != _as_shown(written.sent, key)
    ]
    return sorted(found)


def restoration(written: Written, present: Record) -> Restoration:
    """What has to be written to a record that was there before, so that nothing of ours stands in it."""
    body: dict[str, Any] = {}
    keys, stays = [], []
    for key in _keys(written):
        if key in _SETS:
            part = _without_ours(written, present, key)
            body |= part
            keys += [key] if part else []
        elif shows(present, key) and images.shown(present, key) != images.shown(written.before, key):
            if shows(written.before, key) and _is_ours(written, present, key):
                keys.append(key)
                _put(body, key, _former(written, key))
            else:
                stays.append(key)
    if "deal_stage_id" in keys:
        # The vendor moves both with the stage, asked or not (live test).
        body |= {key: written.before[key] for key in _FOLLOWS_STAGE if key in written.before}
    return Restoration(body, sorted(keys), sorted(stays))


def left_over(record: Record, written: Written, keys: list[str]) -> list[str]:
    """Those of *keys* that *record*, as the restoring write answered it, does not show as they were before."""
    plain = (key for key in keys if key not in (*_SETS, "company") and shows(record, key))
    return [key for key in plain if images.shown(record, key) != images.shown(written.before, key)]


def shows(record: Record, key: str) -> bool:
    name = key.removeprefix(CUSTOM)
    return key in images.image(record, {"custom_field": {name: None}} if name != key else {key: None})


def arrived(before: Record, present: Record, body: Record) -> dict[str, str]:
    """
    The image of a change of unknown fate: what *present* shows as *body* said and *before* did not; empty where it
    did not arrive.
    """
    image = images.image(present, body)
    return {
        key: told
        for key, told in image.items()
        if images.shown(present, key) == _as_shown(body, key)
        and images.shown(present, key) != images.shown(before, key)
    }


def _keys(written: Written) -> list[str]:
    keys = [key for key in written.sent if key != "custom_field"]
    keys += [f"{CUSTOM}{name}" for name in written.sent.get("custom_field") or {}]
    return [key for key in dict.fromkeys([*keys, *written.image]) if key not in (*_FIXED, *_UNSHOWN)]


def _is_id(key: str) -> bool:
    return key.endswith("_id") or key in LINKS


def _is_ours(written: Written, present: Record, key: str) -> bool:
    if key in written.image:
        return key not in images.changed({key: written.image[key]}, present)
    return bool(images.shown(present, key) == _as_shown(written.sent, key))


def _as_shown(sent: Record, key: str) -> Any:
    """The value of *key* in a body, in the form in which a record shows it."""
    if key == "contacts_added_list":
        return sorted(sent.get(key) or [])
    return images.shown(sent, key)


def _ids(record: Record, key: str) -> set[int]:
    if key == "sales_accounts":
        return {int(link["id"]) for link in record.get(key) or []}
    if key == "contacts_added_list":
        return {int(one) for one in [*(record.get(key) or []), *(record.get("contact_ids") or [])]}
    value = record.get(key)
    return {int(value)} if value else set()


def _former(written: Written, key: str) -> Any:
    was = written.before.get(key)
    if key.startswith(CUSTOM):
        return (written.before.get("custom_field") or {}).get(key.removeprefix(CUSTOM))
    if key == "amount":
        return None if was is None else float(was)
    if key == "company":
        return {name: (was or {}).get(name) for name in written.sent.get(key) or {}}
    return was


def _put(body: dict[str, Any], key: str, value: Any) -> None:
    if key.startswith(CUSTOM):
        body.setdefault("custom_field", {})[key.removeprefix(CUSTOM)] = value
    else:
        body[key] = value


def _without_ours(written: Written, present: Record, key: str) -> dict[str, Any]:
    """The part of the body that takes our tags or links out; empty where none of them is there."""
    if key == "tags":
        ours = set(written.sent.get(key) or []) - set(written.before.get(key) or [])
        there = list(present.get(key) or [])
        kept = [tag for tag in there if tag not in ours]
        return {key: kept} if kept != there else {}
    if key == "contacts_added_list":
        ours_there = written.added(key) & {int(one) for one in present.get("contact_ids") or []}
        return {"contacts_removed_list": sorted(ours_there)} if ours_there else {}
    return _links_without_ours(written, present)


def _links_without_ours(written: Written, present: Record) -> dict[str, Any]:
    there = {int(link["id"]): bool(link.get("is_primary")) for link in present.get("sales_accounts") or []}
    kept = [one for one in there if one not in written.added("sales_accounts")]
    chosen = next((one for one, is_primary in there.items() if is_primary), None)
    former = _primary(written.before)
    is_ours = chosen not in kept or chosen == _primary(written.sent)
    primary = former if is_ours and former in kept else chosen
    links = [{"id": one, "is_primary": one == primary} for one in kept]
    same = sorted((link["id"], link["is_primary"]) for link in links) == sorted(there.items())
    return {} if same else {"sales_accounts": links}


def _primary(record: Record) -> int | None:
    links = record.get("sales_accounts") or []
    return next((int(link["id"]) for link in links if link.get("is_primary")), None)
