"""Does a record show what was written to it?

In: the body that was sent and the record as the vendor shows it afterwards. Out: the keys that show something
else. Values are compared by meaning, because the vendor writes them its own way: money as text, instants with
its offset, several choices joined by semicolons, e-mails in any case. What the record holds beyond the body
(further links, tags) agrees. Invariant: a link that is not shown counts as not written.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from crmbook.phases.images import CUSTOM, is_shown, shown
from crmbook.phases.strategies import LINKS

_LINK_KEYS: Final = frozenset(key for keys in LINKS.values() for key in keys)


def lacking(body: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """The keys of *body* (custom fields as `custom_field.<name>`) that *record* shows otherwise, sorted."""
    sent = {key: value for key, value in body.items() if key != "custom_field"}
    sent |= {f"{CUSTOM}{name}": value for name, value in (body.get("custom_field") or {}).items()}
    return sorted(key for key, value in sent.items() if not _agrees(key, value, record))


def part(body: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    """*body* cut down to *keys*, as `lacking` names them."""
    made = {key: body[key] for key in keys if not key.startswith(CUSTOM)}
    custom = {key.removeprefix(CUSTOM): body["custom_field"][key.removeprefix(CUSTOM)]
              for key in keys if key.startswith(CUSTOM)}  # fmt: skip
    return made | ({"custom_field": custom} if custom else {})


def is_link(key: str) -> bool:
    return key in _LINK_KEYS


def _agrees(key: str, sent: Any, record: Mapping[str, Any]) -> bool:
    there = shown(record, key)
    if not is_shown(there):
        return not is_link(key)
    if key == "sales_accounts":
        return all([int(link["id"]), bool(link.get("is_primary"))] in (there or []) for link in sent)
    if key in ("contacts_added_list", "tags"):
        return set(sent) <= set(there or [])
    if isinstance(sent, Mapping):
        inner = there if isinstance(there, Mapping) else {}
        return all(_plain(inner.get(name)) == _plain(value) for name, value in sent.items())
    return bool(_plain(sent) == _plain(there))


def _plain(value: Any) -> Any:
    """*value* in the one form that sent and shown values share."""
    if isinstance(value, bool) or value is None:
        return str(value or "").lower()
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 else sorted(str(_plain(one)) for one in value)
    text = " ".join(str(value).split())
    if isinstance(value, str) and ";" in text:
        return sorted(str(_plain(one)) for one in text.split(";"))
    return _number(text) or _instant(text) or text.casefold()


def _number(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return str(number.normalize() + 0) if number.is_finite() else None


def _instant(text: str) -> str | None:
    if len(text) < len("2026-01-01T00:00"):
        return None
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat("T", "seconds")
    except (ValueError, OverflowError):
        return None
