r"""The account as a folder of CSV exports, in the style a database dumps it.

No vendor page describes the export: `t`/`f`, `{a,"b, c"}`, null as nothing beside `""` for an empty text are what
a PostgreSQL dump looks like. `Style` varies what a person may be handed: separator, mark, line ends, `\N`, the
style of times, the names of version 1. Custom attributes are columns by `name_std`.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmbook.sandbox import usercom_render as render
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_state import Account

_OLD_NAMES: dict[str, dict[str, str]] = {
    "users": {"custom_id": "user_id", "user_key": "key"},
    "companies": {"custom_id": "company_id", "size": "approx_employees"},
    "deals": {
        "custom_id": "deal_id", "user_id": "person", "user_custom_id": "user_id", "company_id": "company",
        "company_custom_id": "company_deal_id", "products_custom_id": "products_deal_id",
    },
    "activities": {"user_id": "person", "company_id": "company", "deal_id": "deal", "due_date": "datetime"},
    "events": {"user_id": "client", "name": "event", "data": "items"},
}  # fmt: skip
_ACTIVITY = (
    *("id", "custom_id", "activity_type", "name", "due_date", "duration", "description", "done", "done_date"),
    *("assigned_to", "user_id", "company_id", "deal_id", "created_by", "created_at", "updated_at"),
)
_PLAIN: dict[str, tuple[str, ...]] = {
    "attributes": ("id", "name", "name_std", "content_type", "value_type"),
    "tags": ("id", "name"),
    "agents": ("id", "name", "email"),
    "activity_types": ("id", "name", "kind"),
    "activities": _ACTIVITY,
    "events": ("id", "user_id", "event_id", "name", "timestamp", "data"),
    "emails": ("id", "user_id", "status", "created_at", "sent_at", "opened_at", "clicked_at", "subject"),
    "conversations": ("id", "user_id", "agent_id", "active"),
    "campaigns": (
        *("id", "name", "type", "status", "recipients_count", "closed", "started_at", "smtp"),
        *("custom_settings", "real_sender", "statistics"),
    ),
}
_TYPES = {"users": "user", "companies": "company", "deals": "deal"}
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d+)?Z")
_JSON_COLUMNS = frozenset({"order_products", "data", "statistics", "custom_settings"})


@dataclass(frozen=True)
class Style:
    r"""`null` is the empty text or `\N`; `times` is iso or postgres; `headers` is v2 or v1; `members` is ids or json."""

    delimiter: str = ","
    bom: bool = False
    newline: str = "\n"
    null: str = ""
    times: str = "iso"
    headers: str = "v2"
    members: str = "ids"

    @classmethod
    def of(cls, described: Doc) -> "Style":
        """Raises ValueError for a name no style has."""
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(described) - set(known)):
            raise ValueError(f"style has no {', '.join(unknown)}; expected {', '.join(known)}")
        return cls(**described)


def export(account: Account, folder: Path, style: Style | None = None) -> dict[str, int]:
    """Writes the account's files into *folder*, a new or empty one; returns the rows of each."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"{folder.name} is not empty; expected a new folder")
    chosen = style or Style()
    tables = {kind: _records(account, kind, chosen) for kind in _TYPES}
    tables |= {kind: ([*keys], account.rows(kind)) for kind, keys in _PLAIN.items()}
    tables |= _catalogs(account)
    for kind, (columns, rows) in tables.items():
        types = {a["name_std"]: a["value_type"] for a in _declared(account, kind)}
        old = _OLD_NAMES.get(kind, {}) if chosen.headers == "v1" else {}
        lines = [[_quoted(old.get(c, c), chosen) for c in columns]]
        lines += ([_cell(c, row.get(c), types.get(c), chosen) for c in columns] for row in rows)
        text = "".join(chosen.delimiter.join(line) + chosen.newline for line in lines)
        content = text.encode("utf-8", "surrogatepass")
        (folder / f"{kind}.csv").write_bytes((b"\xef\xbb\xbf" if chosen.bom else b"") + content)
    return {kind: len(rows) for kind, (_, rows) in tables.items()}


def _declared(account: Account, kind: str) -> list[Doc]:
    return [a for a in account.rows("attributes") if a["content_type"] == _TYPES.get(kind)]


def _records(account: Account, kind: str, style: Style) -> tuple[list[str], list[Doc]]:
    """Users, companies or deals as version 2 shows them, with relations as columns."""
    shown: dict[str, Callable[[Account, Doc, int], Doc]] = {
        "users": render.user,
        "companies": render.company,
        "deals": render.deal,
    }
    rows = [shown[kind](account, row, 2) for row in account.rows(kind)]
    blank = shown[kind](account, {"id": 0, "name": None}, 2)
    names = [a["name_std"] for a in _declared(account, kind) if a["name_std"] not in blank]
    if kind == "deals":
        blank["order_products"] = None
    standard = [key for key in blank if key not in ("companies", "lists", "tags") or style.members == "json"]
    if style.members == "ids":
        standard.append("tags")
        if kind == "users":
            standard += ["list_ids", "company_ids", "company_member_since"]
        rows = [_flat(row) for row in rows]
    return [*standard, *names], rows


def _flat(row: Doc) -> Doc:
    firms = row.get("companies", [])
    return {
        **row,
        "tags": [tag["name"] for tag in row["tags"]],
        "list_ids": [one["id"] for one in row.get("lists", [])],
        "company_ids": [firm["id"] for firm in firms],
        "company_member_since": [firm["member_since"] for firm in firms],
    }


def _catalogs(account: Account) -> dict[str, tuple[list[str], list[Doc]]]:
    segments = account.rows("segments")
    stages = [
        {
            "pipeline_id": pipeline["id"], "pipeline": pipeline["name"], "pipeline_position": pipeline.get("position"),
            "stage_id": stage["id"], "stage": stage["name"], "stage_position": stage.get("position"),
            "probability": stage.get("probability"),
        }
        for pipeline in account.rows("pipelines")
        for stage in pipeline["stages"]
    ]  # fmt: skip
    messages = [
        {**message, "conversation_id": row["id"], "author": message.get("author", "user")}
        for row in account.rows("conversations")
        for message in row.get("messages") or []
    ]
    members = [
        {"segment_id": row["id"], "user_id": one} for row in segments for one in row.get("user_ids") or []
    ]
    counted = [
        {**row, "description": row.get("description") or "", "object_count": len(row.get("user_ids") or [])}
        for row in segments
    ]
    positions = ("pipeline_id", "pipeline", "pipeline_position", "stage_id", "stage", "stage_position")
    message = ("id", "conversation_id", "author", "agent_id", "content", "source", "timestamp")
    return {
        "lists": (["id", "name", "description"], [render.list_(row) for row in account.rows("lists")]),
        "pipelines": ([*positions, "probability"], stages),
        "segments": (["id", "name", "description", "object_count"], counted),
        "segment_members": (["segment_id", "user_id"], members),
        "messages": ([*message], messages),
    }


def _cell(column: str, value: Any, value_type: str | None, style: Style) -> str:
    if value is None:
        return style.null
    if isinstance(value, bool):
        return "t" if value else "f"
    if value_type == "json" or column in _JSON_COLUMNS or _has_objects(value):
        return _quoted(json.dumps(value, ensure_ascii=False), style)
    if isinstance(value, list):
        return _quoted(_array(value, style), style)
    if isinstance(value, dict):
        return _quoted(json.dumps(value, ensure_ascii=False), style)
    if isinstance(value, str):
        is_time = value_type in (None, "datetime")
        return _quoted(_time(value, style) if is_time else value, style)
    return json.dumps(value)


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _time(text: str, style: Style) -> str:
    found = _ISO.fullmatch(text) if style.times == "postgres" else None
    if found is None:
        return text
    fraction = (found[3] or "").rstrip("0").rstrip(".")
    return f"{found[1]} {found[2]}{fraction}+00"


def _array(values: Iterable[Any], style: Style) -> str:
    """An array as PostgreSQL writes it: quotes around what its own marks, blanks or nothing would blur."""
    return "{" + ",".join("NULL" if one is None else _element(one, style) for one in values) + "}"


def _element(value: Any, style: Style) -> str:
    text = _time(value, style) if isinstance(value, str) else json.dumps(value)
    if text and text.upper() != "NULL" and not re.search(r'[\s,{}"\\]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(text: str, style: Style) -> str:
    if text and text != style.null and not re.search(rf'["\r\n{re.escape(style.delimiter)}]', text):
        return text
    return '"' + text.replace('"', '""') + '"'
