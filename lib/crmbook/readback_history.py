"""What does the target say of the history? Tasks, meetings, activities, notes, lists and files, read back.

In: a client of the target, the crosswalk and the tables of 04 that say which records should carry notes and files. Out:
the `actual_*` frames of the history. Modules with a list are read whole and what the crosswalk knows but no list showed is
asked for by its id; notes and files have no list and are read from their parents, notes also from records of ours that say
they carry one. A value that can't be read exactly as what it should be is a DataError naming module, id and key.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import polars as pl

from crmbook import readback_shapes as shapes
from crmbook import tables
from crmbook.errors import NotFound
from crmbook.readback import Pager
from crmbook.vendors.freshsales_edition import Edition

Record = Mapping[str, Any]
Hash = Callable[[str, int], str | None]

# module: the entity of its records in the crosswalk
LISTED: Final = {"tasks": "task", "appointments": "appointment", "sales_activities": "sales_activity"}
PARENTS: Final = {
    "contact": "contacts",
    "company": "sales_accounts",
    "deal": "deals",
    "lead": "leads",
}
_DOCUMENTS: Final = {"documents": "document", "document_links": "document_link"}


class Noted:
    """A reader of records that remembers which of them said they carry a note: `places`, module and id."""

    def __init__(self, client: Pager) -> None:
        self._client = client
        self.places: set[tuple[str, int]] = set()

    @property
    def edition(self) -> Edition:
        return self._client.edition

    def pages(self, module: str, *, include: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        for page in self._client.pages(module, include=include):
            self.places |= {(module, shapes.record_id(module, row)) for row in page if row.get("recent_note")}
            yield page


class Target(Protocol):
    """What is asked of the target's client; nothing of it writes."""

    def pages(self, module: str, *, include: Sequence[str] = ()) -> Iterator[list[dict[str, Any]]]: ...
    def view(self, module: str, record_id: int) -> dict[str, Any] | None: ...
    def selector(self, name: str) -> list[dict[str, Any]]: ...
    def sublist(self, module: str, record_id: int, name: str) -> list[dict[str, Any]]: ...
    def associations(self, module: str, record_id: int) -> dict[str, list[dict[str, Any]]]: ...
    def list_members(self, list_id: int) -> Iterator[list[dict[str, Any]]]: ...


class Watched(Protocol):
    """The run, as far as reading needs it."""

    def read(self, table: str) -> pl.DataFrame: ...
    def progress(self, entity: str, done: int, total: int | None = None) -> None: ...


def records(
    run: Watched, client: Target, served: Hash, noted: Collection[tuple[str, int]] = ()
) -> dict[str, pl.DataFrame]:
    """
    The history of the target by table name.

    *noted* are the records that say they carry a note (`Noted`): one on a record of ours is read though it should have none.
    *served* gives the hash of the bytes behind a file's address (`vendors.download`). A parent that is gone has no notes
    and no files here: that they are missing is for the comparison to say.

    Raises:
        DataError: a record has no id, or a key whose content is of another kind than the field.
        ApiError: as the client raises it; nothing is kept of a reading that broke off.
    """
    crosswalk = run.read("crosswalk")
    found = {module: _listed(run, client, module, crosswalk) for module in LISTED}
    types = (
        shapes.internal_names(client.selector("sales_activity_types")) if found["sales_activities"] else {}
    )
    frames = {f"actual_{module}": shapes.shaped(module, rows, types) for module, rows in found.items()}
    frames["actual_notes"] = shapes.shaped("notes", _notes(run, client, crosswalk, noted), {})
    frames["actual_documents"] = _documents(run, client, crosswalk, served)
    lists = [row for page in client.pages("lists") for row in page]
    frames["actual_lists"] = shapes.shaped("lists", lists, {})
    frames["actual_list_members"] = _members(run, client, crosswalk)
    return frames


def parents(rows: pl.DataFrame, crosswalk: pl.DataFrame) -> list[tuple[str, int]]:
    """Module and target id of every record *rows* (`parent_kind`, `parent_id`) hang on, each once, in order."""
    wanted = rows.select(entity="parent_kind", source_id="parent_id").unique().drop_nulls()
    places = crosswalk.filter(pl.col("entity").is_in(list(PARENTS)))
    # A contact that went to the leads of Classic stands in the crosswalk as a lead.
    own = pl.when(pl.col("entity") == "lead").then(pl.lit("contact")).otherwise("entity")
    found = places.with_columns(parent=own).join(
        wanted, left_on=["parent", "source_id"], right_on=["entity", "source_id"], how="semi"
    )
    pairs = found.select("entity", "target_id").unique().sort("entity", "target_id")
    return [(PARENTS[entity], target_id) for entity, target_id in pairs.iter_rows()]


def _listed(run: Watched, client: Target, module: str, crosswalk: pl.DataFrame) -> list[Record]:
    ours = crosswalk.filter(pl.col("entity") == LISTED[module])["target_id"].to_list()
    rows: list[Record] = []
    for page in client.pages(module):
        rows.extend(page)
        run.progress(module, len(rows), max(len(ours), len(rows)))
    shown = {row["id"] for row in rows}
    unseen = sorted(set(ours) - shown)
    rows.extend(row for target_id in unseen if (row := client.view(module, target_id)) is not None)
    return rows


def _notes(
    run: Watched, client: Target, crosswalk: pl.DataFrame, noted: Collection[tuple[str, int]]
) -> list[Record]:
    found: dict[int, Record] = {}
    created = crosswalk.filter((pl.col("origin") == "created") & pl.col("entity").is_in(list(PARENTS)))
    ours = {(PARENTS[entity], target_id) for entity, target_id in created["entity", "target_id"].iter_rows()}
    places = sorted({*parents(run.read("notes"), crosswalk), *ours.intersection(noted)})
    for number, (module, target_id) in enumerate(places, start=1):
        try:
            rows = client.sublist(module, target_id, "notes")
        except NotFound:
            rows = []
        # A note on two of our records is shown by both.
        found |= {shapes.record_id("notes", row): row for row in rows}
        run.progress("notes of records", number, len(places))
    return list(found.values())


def _documents(run: Watched, client: Target, crosswalk: pl.DataFrame, served: Hash) -> pl.DataFrame:
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    places = parents(run.read("documents"), crosswalk)
    for number, (module, target_id) in enumerate(places, start=1):
        for kind, row in _attached(client, module, target_id):
            read = shapes.document(kind, row)
            key = (kind, read["target_id"])
            parent = f"{shapes.KIND_OF_MODULE[module]}:{target_id}"
            known = rows.setdefault(key, read | {"parent": parent, "sha256": None})
            if known["parent"] != parent:
                known["parent"] = " ".join(sorted({*known["parent"].split(" "), parent}))
            elif kind == "document" and read["url"]:
                known["sha256"] = served(read["url"], read["size_bytes"] or 0)
        run.progress("files of records", number, len(places))
    schema = tables.ACTUAL_DOCUMENTS.columns
    return tables.conform(
        pl.DataFrame(list(rows.values()), schema=schema, orient="row"), tables.ACTUAL_DOCUMENTS
    )


def _attached(client: Target, module: str, target_id: int) -> Iterable[tuple[str, Record]]:
    try:
        found = client.associations(module, target_id)
    except NotFound:
        return []
    return [(kind, row) for key, kind in _DOCUMENTS.items() for row in found[key]]


def _members(run: Watched, client: Target, crosswalk: pl.DataFrame) -> pl.DataFrame:
    ours = crosswalk.filter(pl.col("entity") == "list")["target_id"].unique().sort().to_list()
    rows: set[tuple[int, int]] = set()
    for number, list_id in enumerate(ours, start=1):
        try:
            rows |= {
                (list_id, shapes.record_id("contacts", r))
                for page in client.list_members(list_id)
                for r in page
            }
        except NotFound:
            continue
        run.progress("members of lists", number, len(ours))
    schema = tables.ACTUAL_LIST_MEMBERS.columns
    return tables.conform(pl.DataFrame(sorted(rows), schema=schema, orient="row"), tables.ACTUAL_LIST_MEMBERS)
