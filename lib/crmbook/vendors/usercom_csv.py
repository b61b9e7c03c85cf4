r"""The source as a folder of CSV exports: the same pages of the same records as over the API.

No vendor page describes the export, so much is understood: names of columns in both API versions, any of
`, ; | tab`, a byte order mark, `t`/`f`, `{a,"b, c"}`, `\N`, both styles of time. One file an entity, named
after it: `users.csv`, `companies.csv`, `deals.csv` (these three must be there) and `attributes`, `tags`, `lists`,
`segments`, `segment_members` (segment_id, user_id), `activities`, `activity_types`, `events`, `emails`,
`conversations`, `messages` (conversation_id, author user or agent), `agents`, `campaigns`, `pipelines` (a row a
stage). A file that isn't there is not available, which is not the same as empty. A row that is no record is
in `rejects` and counted on its entity's last page.
"""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from crmbook.errors import ConfigError, DataError, NotFound, UsageError
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.usercom import Page, Record, record
from crmbook.vendors.usercom_csv_sheet import Catalog, CellError, Known, Sheet, conversation, looks, message
from crmbook.vendors.usercom_csv_text import Row, TextFile
from crmbook.vendors.usercom_values import Json

REQUIRED: Final = ("users", "companies", "deals")
ENTITIES: Final = (
    *REQUIRED, "attributes", "tags", "lists", "segments", "activities", "activity_types", "events", "emails",
    "conversations", "agents", "campaigns", "pipelines",
)  # fmt: skip
# A file of these with its header only is one that nobody filled in.
_FILLED_IN_BY_HAND: Final = ("agents", "activity_types", "pipelines")
_PAGE: Final = 500


class UserComCsv:
    """
    One User.com account as its exports in *folder*, read only; used like `usercom.UserCom`.

    `rejects` maps file and line to what is wrong with the row there.

    Raises:
        ConfigError: no such folder, or a file that must be there is not.
    """

    origin = "csv"

    def __init__(self, folder: Path) -> None:
        missing = [f"{entity}.csv" for entity in REQUIRED if not (folder / f"{entity}.csv").is_file()]
        if not folder.is_dir():
            raise ConfigError(f"source.path: {folder.name} is no folder; expected the folder of the exports")
        if missing:
            raise ConfigError(
                f"source.path: {', '.join(missing)} not in {folder.name}; export it, or put a file with its header"
                " only where the account has none"
            )
        self.folder = folder
        self.rejects: dict[tuple[str, int], str] = {}
        self._files: dict[str, TextFile] = {}
        self._sheets: dict[str, tuple[TextFile, Sheet]] = {}
        self._places: dict[tuple[str, str], dict[str, array[int]]] = {}
        self._catalogs: dict[str, Catalog] = {}
        self._attributes: dict[str, dict[str, tuple[str, str]]] | None = None
        # The ids read by now, page by page: two million of them as text would be a set of their own size.
        self.users: list[pl.Series] = []

    def close(self) -> None:
        """Nothing is open between two calls."""

    def check(self) -> None:
        """Nothing, where every file's header can be read; else the error that says which can't."""
        for path in sorted(self.folder.glob("*.csv")):
            if path.stem in (*ENTITIES, "segment_members", "messages"):
                self.sheet(path.stem)

    def available(self, entity: str) -> bool:
        """Whether the folder tells *entity*."""
        try:
            self._file(_known(entity))
        except NotFound:
            return False
        return True

    def pages(self, entity: str) -> Iterator[Page]:
        """
        All records of *entity* in the order of its file; a repeated id comes again. `reported` is null.

        Raises:
            NotFound: there is no such file.
            DataError: its header can't be read.
        """
        self._file(_known(entity))
        whole = {"conversations": self._conversations, "pipelines": self._pipelines}
        records = (
            whole[entity]() if entity in whole else (r for r, _ in self.records(entity, self._rows(entity)))
        )
        page: list[Record] = []
        for one in records:
            page.append(one)
            if len(page) == _PAGE:
                self._note(entity, page)
                yield Page(page, None)
                page = []
        self._note(entity, page)
        yield Page(page, None, rejected=self.rejected(entity))

    def rejected(self, entity: str) -> int:
        """How many rows of *entity* were no records so far."""
        files = {f"{entity}.csv", "messages.csv" if entity == "conversations" else ""}
        return sum(file in files for file, _ in self.rejects)

    def _note(self, entity: str, page: list[Record]) -> None:
        if entity == "users":
            self.users.append(pl.Series([one.source_id for one in page], dtype=pl.String))

    def segment_members(self, segment_id: str) -> Iterator[Page]:
        """The users in a segment, as records that hold their ids only."""
        if not (self.folder / "segment_members.csv").is_file():
            raise ConfigError(
                "source.path: segment_members.csv is not there; expected segment_id and user_id of every member,"
                " or no segments.csv either"
            )
        ids = [str(obj["user_id"]) for _, obj in self._found("segment_members", "segment_id", segment_id)]
        yield Page([Record(one, "", {"id": one}) for one in ids], None)

    def events(self, user_id: str) -> Iterator[Page]:
        """A user's event occurrences."""
        return self._of_user("events", user_id)

    def emails(self, user_id: str) -> Iterator[Page]:
        """The e-mails sent to a user."""
        return self._of_user("emails", user_id)

    def conversations(self, user_id: str) -> Iterator[Page]:
        """A user's conversations, with their messages."""
        found = self._found("conversations", "user_id", user_id)
        yield Page([self._conversation(obj) for _, obj in found], None)

    def conversation(self, conversation_id: str) -> Record:
        """One conversation with its messages."""
        for _, obj in self._found("conversations", "id", conversation_id):
            return self._conversation(obj)
        raise NotFound("read", "conversations.csv", entity="conversations")

    def declared(self, entity: str) -> frozenset[str] | None:
        """The `name_std` of the custom attributes of *entity*; None where attributes.csv is not there."""
        known = self._declared(entity)
        return None if known is None else frozenset(known)

    def reject_strays(self) -> None:
        """Events and e-mails of users that are not in users.csv, among the rejects: nobody asks for them by user."""
        users: set[str] = set()
        for entity in filter(self.available, ("events", "emails")):
            users = users or set(pl.concat(self.users).to_list() if self.users else ())
            list(self._found(entity, "user_id", ""))
            for user_id, flat in self._places[entity, "user_id"].items():
                for line, offset in zip(flat[::2], flat[1::2], strict=True) if user_id not in users else ():
                    self.reject(entity, Row(line, offset, []), "column user_id: no such user in users.csv")

    def _of_user(self, entity: str, user_id: str) -> Iterator[Page]:
        rows = (row for row, _ in self._found(entity, "user_id", user_id))
        yield Page([one for one, _ in self.records(entity, rows)], None)

    def records(self, entity: str, rows: Iterable[Row]) -> Iterator[tuple[Record, Json]]:
        """The records in *rows*, each beside its object; the other rows become rejects."""
        declared = self.declared(entity) if entity in shape.WITH_ATTRIBUTES else None
        for row, obj in self._objects(entity, rows):
            try:
                yield record(entity, obj, declared), obj
            except DataError as problem:
                self.reject(entity, row, str(problem).removesuffix("; see the raw record"))

    def _objects(self, entity: str, rows: Iterable[Row]) -> Iterator[tuple[Row, Json]]:
        _, sheet = self.sheet(entity)
        for row in rows:
            if row.problem:
                self.reject(entity, row, row.problem)
                continue
            try:
                obj = sheet.object(row.cells)
            except CellError as problem:
                self.reject(entity, row, str(problem))
                continue
            if entity == "attributes" and "id" not in obj:
                obj = {"id": row.line, **obj}
            yield row, obj

    def _rows(self, entity: str) -> Iterator[Row]:
        return self.sheet(entity)[0].rows()

    def _found(self, entity: str, key: str, value: str) -> Iterator[tuple[Row, Json]]:
        """The rows of *entity* whose *key* is *value*, from an index of places made once."""
        if (entity, key) not in self._places:
            places: dict[str, array[int]] = {}
            for row, obj in self._objects(entity, self._rows(entity)):
                if obj[key] is None:
                    self.reject(entity, row, f"column {key}: expected an id")
                    continue
                places.setdefault(str(obj[key]), array("q")).extend((row.line, row.offset))
            self._places[entity, key] = places
        flat = self._places[entity, key].get(value, array("q"))
        return self._objects(entity, self.sheet(entity)[0].at(zip(flat[::2], flat[1::2], strict=True)))

    def _conversations(self) -> Iterator[Record]:
        known: set[str] = set()
        for row, obj in self._objects("conversations", self._rows("conversations")):
            known.add(str(obj["id"]))
            try:
                yield self._conversation(obj)
            except DataError as problem:
                self.reject("conversations", row, str(problem))
        for conversation_id, flat in self._places.get(("messages", "conversation_id"), {}).items():
            for line, offset in (
                zip(flat[::2], flat[1::2], strict=True) if conversation_id not in known else ()
            ):
                self.reject("messages", Row(line, offset, []), "no such conversation in conversations.csv")

    def _conversation(self, obj: Json) -> Record:
        """The record as `GET /conversations/:id/` gives it; without messages.csv there are no messages."""
        messages = []
        if (self.folder / "messages.csv").is_file():
            found = self._found("messages", "conversation_id", str(obj["id"]))
            messages = [message(row, obj) for _, row in found]
        return record("conversations", conversation(obj, messages))

    def _pipelines(self) -> Iterator[Record]:
        grouped: dict[str, Json] = {}
        for row, obj in self._objects("pipelines", self._rows("pipelines")):
            stage = {"id": obj["stage_id"], "name": obj["stage"], "position": obj.get("stage_position"),
                     "probability": obj.get("probability")}  # fmt: skip
            one = {
                "id": obj["pipeline_id"],
                "name": obj["pipeline"],
                "position": obj.get("pipeline_position"),
            }
            try:
                record("pipelines", {**one, "stages": [stage]})
            except DataError as problem:
                self.reject("pipelines", row, str(problem).removesuffix("; see the raw record"))
                continue
            grouped.setdefault(str(one["id"]), {**one, "stages": []})["stages"].append(stage)
        return (record("pipelines", one) for one in grouped.values())

    def sheet(self, entity: str) -> tuple[TextFile, Sheet]:
        if entity not in self._sheets:
            file = self._file(entity)
            known = Known(self._declared(entity), self._catalog("tags"), self._catalog("lists"))
            seen: list[str] = []

            def guess(number: int) -> str:
                if not seen and entity in shape.WITH_ATTRIBUTES:
                    seen.extend(looks(file))
                return seen[number] if seen else ""

            self._sheets[entity] = file, Sheet(entity, file.name, file.header, known, guess)
        return self._sheets[entity]

    def _file(self, entity: str) -> TextFile:
        path = self.folder / f"{entity}.csv"
        if not path.is_file():
            raise NotFound("read", path.name, entity=entity)
        if entity not in self._files:
            self._files[entity] = TextFile(path)
        file = self._files[entity]
        if entity in _FILLED_IN_BY_HAND and next(file.rows(), None) is None:
            raise NotFound("read", path.name, entity=entity, detail="it has its header only")
        return file

    def _declared(self, entity: str) -> dict[str, tuple[str, str]] | None:
        if entity not in shape.WITH_ATTRIBUTES:
            return None
        if self._attributes is None and self.available("attributes"):
            self._attributes = {kind: {} for kind in shape.WITH_ATTRIBUTES}
            by_type = {content: kind for kind, content in shape.WITH_ATTRIBUTES.items()}
            for one, _ in self.records("attributes", self._rows("attributes")):
                kind = by_type.get(one.fields["content_type"])
                if kind and one.fields["name_std"]:
                    facts = one.fields["name"] or "", one.fields["value_type"] or ""
                    self._attributes[kind][one.fields["name_std"]] = facts
        return None if self._attributes is None else self._attributes[entity]

    def _catalog(self, entity: str) -> Catalog:
        if entity not in self._catalogs:
            # Set first: reading the file itself asks for the catalogs.
            catalog = self._catalogs[entity] = Catalog(f"{entity}.csv")
            if self.available(entity):
                for one, obj in self.records(entity, self._rows(entity)):
                    catalog.add({**obj, "name": one.fields["name"]})
        return self._catalogs[entity]

    def reject(self, entity: str, row: Row, reason: str) -> None:
        self.rejects.setdefault((f"{entity}.csv", row.line), reason)


def _known(entity: str) -> str:
    if entity not in ENTITIES:
        raise UsageError(f"an export has no entity {entity}; known: {', '.join(sorted(ENTITIES))}")
    return entity
