"""How do the rows of one exported file become objects as the API sends them?

In: a file's header, the account's custom attributes, its tags and lists. Out: per row the version 2 object.
Names of both API versions, blanks and hyphens for underscores, and the display names of custom attributes are
understood. A column that is neither standard nor declared is a custom attribute nobody declared. No column is
left out: two that mean the same field are an error.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crmbook.errors import DataError
from crmbook.vendors import usercom_csv_cells as cells
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.usercom_csv_blocks import blocks
from crmbook.vendors.usercom_csv_text import TextFile
from crmbook.vendors.usercom_values import Json, WrongTypeError

# Columns with another kind than the API's field, or without one: name in the file, kind, key of the object.
_OWN: Final = {
    "users": """
        tags tag_names tags / tag_ids tag_ids tags / lists list_names lists / list_ids list_ids lists
        companies companies companies / company_ids refs company_ids / company_member_since texts since
        first_name text first_name / last_name text last_name / last_heard moment last_heard
        fcm_key device fcm_key / chat_id text chat_id / e_mail text email / phone text phone_number
    """,
    "companies": "tags tag_names tags / tag_ids tag_ids tags",
    "deals": """
        tags tag_names tags / tag_ids tag_ids tags / expected_close_date day expected_close_date
        activities_status_updated_at moment activities_status_updated_at
        pipeline_id ref pipeline / stage_id ref stage / contact_id ref user_id
    """,
    "activities": "activity_type_id ref activity_type",
    "agents": "agent_id ref id",
    "activity_types": "activity_type_id ref id",
    "tags": "tag_id ref id",
    "lists": "list_id ref id",
    "segments": "segment_id ref id",
    "segment_members": "segment_id ref segment_id / user_id ref user_id / client ref user_id",
    "conversations": "user_id ref user_id / agent_id ref agent_id / active flag active",
    "messages": """
        conversation_id ref conversation_id / chat ref conversation_id / author author author
        user_key text user_key / key text user_key / agent_id ref agent_id / content text content
        source any source / timestamp moment timestamp
    """,
    "pipelines": """
        pipeline_id ref pipeline_id / pipeline text pipeline / pipeline_position integer pipeline_position
        stage_id ref stage_id / stage text stage / stage_position integer stage_position
        probability number probability
    """,
}
_REQUIRED: Final = {
    "pipelines": ("pipeline_id", "pipeline", "stage_id", "stage"),
    "segment_members": ("segment_id", "user_id"),
    "attributes": ("name_std", "content_type", "value_type"),
    "conversations": ("id", "user_id"),
    "messages": ("id", "conversation_id", "author"),
    "events": ("id", "user_id"),
    "emails": ("id", "user_id"),
}
# What these mean depends on the version, so they are read only under the names of the file's own.
_TWO_MEANINGS: Final = frozenset({"user_id", "company_id", "deal_id"})


class CellError(Exception):
    """A cell that can't be read: its column and what was expected, nothing of what is there."""

    def __init__(self, column: str, expected: object) -> None:
        super().__init__(f"column {column}: expected {expected}")


@dataclass
class Catalog:
    """Tags or lists by id and by name; a name that two of them share is None."""

    file: str
    by_id: dict[str, Json] = field(default_factory=dict)
    by_name: dict[str, Json | None] = field(default_factory=dict)

    def add(self, one: Json) -> None:
        self.by_id[str(one["id"])] = one
        self.by_name[one["name"]] = None if one["name"] in self.by_name else one


@dataclass(frozen=True)
class Known:
    """
    What reading a file takes from others.

    `declared` is, per `name_std` of the entity's custom attributes, display name and value type; None where
    the account's attributes are not there.
    """

    declared: Mapping[str, tuple[str, str]] | None
    tags: Catalog
    lists: Catalog


@dataclass(frozen=True)
class Column:
    """A column: its name in the file, the key of the object, its kind or, where it is custom, its value type."""

    header: str
    key: str
    kind: str
    read: Callable[[str], Any]
    is_text: bool
    is_custom: bool = False


class Sheet:
    """
    The columns of the file *name* of *entity*; *guess* tells the value type of one nobody declared.

    Raises:
        DataError: a column that must be there is missing, or two columns mean the same field.
    """

    def __init__(
        self, entity: str, name: str, header: Sequence[str], known: Known, guess: Callable[[int], str]
    ) -> None:
        self.entity, self._known = entity, known
        self._standard = _standard(entity, [plain(one) for one in header])
        self.columns = [self._column(number, one, guess) for number, one in enumerate(header)]
        self._check(name)

    def object(self, values: Sequence[str | None]) -> Json:
        """The object in a row; raises CellError."""
        found: Json = {}
        for column, text in zip(self.columns, values, strict=True):
            value = None
            if text is not None and (text or column.is_text):
                try:
                    value = column.read(text)
                except WrongTypeError as expected:
                    raise CellError(column.header, expected) from None
            if value is not None or not column.is_custom:
                found[column.key] = value
        return _with_memberships(found) if self.entity == "users" else found

    def _column(self, number: int, header: str, guess: Callable[[int], str]) -> Column:
        declared = self._known.declared or {}
        name = plain(header)
        found = header if header in declared else None
        if name in self._standard and not (found and name in shape.SOMETIMES.get(self.entity, ())):
            key, kind = self._standard[name]
            return Column(header, key, kind, self._reader(kind), kind in cells.TEXTS)
        found = found or next((n for n, (label, _) in declared.items() if label == header), None)
        found = found or (name if name in declared else None)
        value_type = declared[found][1] if found else guess(number)
        return Column(
            header,
            found or name,
            value_type,
            lambda text: cells.custom(value_type, text),
            is_text=True,
            is_custom=True,
        )

    def _check(self, name: str) -> None:
        sources: dict[str, list[str]] = {}
        for column in self.columns:
            sources.setdefault(column.key, []).append(column.header)
        missing = [key for key in _REQUIRED.get(self.entity, ("id",)) if key not in sources]
        if missing:
            # What stands there isn't quoted: in a file without a header it would be somebody's record.
            raise DataError(
                f"{name} line 1: missing column {', '.join(missing)}; expected the names of the columns there"
            )
        for headers in sources.values():
            if len(headers) > 1:
                raise DataError(f"{name} line 1: columns {' and '.join(headers)} mean the same; keep one")

    def _reader(self, kind: str) -> Callable[[str], Any]:
        special: dict[str, Callable[[str], Any]] = {
            "tag_names": lambda text: _by_name(text, self._known.tags, is_loose=True),
            "list_names": lambda text: _by_name(text, self._known.lists, is_loose=False),
            "tag_ids": lambda text: _by_id(text, self._known.tags),
            "list_ids": lambda text: _by_id(text, self._known.lists),
            "companies": _companies,
            # Whether a device is known is all that counts; the key itself may not be exported.
            "device": lambda text: "" if text.strip().lower() in ("f", "false") else text,
        }
        return special[kind] if kind in special else cells.KINDS[kind]


def plain(header: str) -> str:
    """A column's name as the vendor forms names: lower case, one underscore for blanks and hyphens."""
    return re.sub(r"[\s_-]+", "_", header.strip().lower())


def _standard(entity: str, header: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Per name a column may have: key of the version 2 object, and kind."""
    found: dict[str, tuple[str, str]] = {}
    own = [line.split() for line in re.split(r"\s*/\s*|\n", _OWN.get(entity, "")) if line.strip()]
    if entity in shape.FIELDS and entity != "pipelines":
        is_v1 = shape.is_v1(entity, dict.fromkeys(header))
        first, second = shape.names(entity, is_v1=is_v1), shape.names(entity, is_v1=not is_v1)
        found = {name: (key, kind) for key, (name, kind) in first.items()}
        for key, (name, kind) in second.items():
            if name not in _TWO_MEANINGS:
                found.setdefault(name, (key, kind))
    found["id"] = ("id", "ref")
    return found | {name: (key, kind) for name, kind, key in own}


def _by_name(text: str, catalog: Catalog, *, is_loose: bool) -> list[Json]:
    """The tags or lists named; one that is unknown or not unique is an error unless *is_loose*."""
    found = []
    for name in cells.elements(text):
        if isinstance(name, dict):
            found.append(name)
            continue
        known = catalog.by_name.get(str(name))
        if known is None and not is_loose:
            raise WrongTypeError(f"names that stand once in {catalog.file}")
        found.append(known or {"id": None, "name": str(name)})
    return found


def _by_id(text: str, catalog: Catalog) -> list[Json]:
    found = []
    for one in cells.refs(text):
        known = catalog.by_id.get(str(one))
        if known is None:
            raise WrongTypeError(f"ids that stand in {catalog.file}")
        found.append(known)
    return found


def _companies(text: str) -> list[Json]:
    return [
        one if isinstance(one, dict) else {"id": one, "name": None, "member_since": None}
        for one in cells.refs(text)
    ]


def _with_memberships(found: Json) -> Json:
    """`company_ids` and the times beside them as the API's list of companies."""
    since, ids = found.pop("since", None), found.pop("company_ids", None)
    if ids is None and since is None:
        return found
    ids = ids or []
    since = since if since is not None else [None] * len(ids)
    if len(since) != len(ids):
        raise CellError("company_member_since", "one time for each of company_ids")
    try:
        times = [None if one is None else cells.moment(str(one)) for one in since]
    except WrongTypeError as expected:
        raise CellError("company_member_since", expected) from None
    found["companies"] = memberships(ids, times)
    return found


def memberships(ids: Sequence[Any], times: Sequence[str | None] = ()) -> list[Json]:
    """The API's list of a contact's companies; without *times* none of them is known."""
    since = times or [None] * len(ids)
    return [{"id": one, "name": None, "member_since": at} for one, at in zip(ids, since, strict=True)]


def conversation(row: Json, messages: list[Json]) -> Json:
    """A conversation as `GET /conversations/:id/` gives it."""
    told = {"active": row.get("active"), "agent": row.get("agent_id"), "messages": messages}
    return {"id": row["id"], "user": {"id": row["user_id"]}, **told}


def message(row: Json, conversation: Json) -> Json:
    """A message as the API nests it: the contact's side is told by a key, an agent's by none."""
    is_agent = row["author"] == "agent"
    author: dict[str, Any] = {"id": row.get("agent_id"), "key": None}
    if not is_agent:
        author = {"id": conversation["user_id"], "key": row.get("user_key") or "exported"}
    return {
        "id": row["id"],
        "chat": conversation["id"],
        "user": author,
        "content": row.get("content"),
        "source": row.get("source"),
        "timestamp": row.get("timestamp"),
    }


def looks(file: TextFile) -> list[str]:
    """Per column the value type its filled cells all look like, `fixed` or `json`, else blank."""
    possible: list[frozenset[str] | None] = [None] * len(file.header)
    for block in blocks(file):
        for number, column in enumerate(block.cells.iter_columns()):
            filled = column.filter(column != "")
            if filled.is_empty() or possible[number] == frozenset():
                continue
            # Most columns are ruled out by how their cells begin.
            is_either = bool(filled.str.contains(r"^[\[{]").all())
            seen = [cells.looks(text) for text in filled.unique()] if is_either else [frozenset[str]()]
            before = possible[number]
            possible[number] = frozenset.intersection(*seen, *([] if before is None else [before]))
    return [next(iter(found)) if found and len(found) == 1 else "" for found in possible]
