"""What became of rows that went out in bulk: read back by their key, a hundred a call, never taken from the job.

The view with all records, the last changed first, shows a write without delay (vendor docs); pages are read as
long as they bring wanted rows. A row is found by its id where that is known, else by the source id it carries.
Invariant: nothing is found twice; two records that carry one source id are an error that names both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crmbook.apply_writes import Op
from crmbook.errors import DataError
from crmbook.ledger import Origin
from crmbook.settle import MARK
from crmbook.vendors.freshsales import Freshsales
from crmbook.vendors.freshsales_session import PER_PAGE, identified, meta

Record = dict[str, Any]
_MOST_PAGES: Final = 100_000


@dataclass
class Row:
    """
    One planned write on its way in bulk: `body` is all it shall show, `key` one pair that finds it.

    `record` is the record as last seen after a call, None as long as none was; `is_doubtful` says that a call
    with it was accepted, or is of unknown fate.
    """

    op: Op
    module: str
    key: Mapping[str, Any]
    body: Record
    without: list[str]
    target_id: int | None = None
    origin: Origin | None = None
    before: Record | None = None
    record: Record | None = None
    is_doubtful: bool = False


class Looking:
    """Reads modules of one target by pages; the ids of its views are asked for once."""

    def __init__(self, client: Freshsales) -> None:
        self._client = client
        self._views: dict[str, int | None] = {}

    def find(self, rows: Sequence[Row]) -> None:
        """`record` of each of *rows* (of one module) that its last changed records show."""
        if not rows:
            return
        wanted = _Wanted(rows)
        for number in range(1, _MOST_PAGES):
            page, _ = self._page(rows[0].module, number)
            if not wanted.take(page) or not wanted.left or len(page) < PER_PAGE:
                return

    def by_id(self, module: str, target_ids: Iterable[int]) -> dict[int, Record]:
        """The records of these ids that are there: by pages where that takes fewer calls than one each."""
        left, found = set(target_ids), dict[int, Record]()
        for number in range(1, _MOST_PAGES):
            if not left:
                return found
            page, pages = self._page(module, number)
            found |= {record["id"]: record for record in page if record["id"] in left}
            left -= found.keys()
            if pages is None or number >= pages:
                # A record that moved while the pages were read may be missed; it is asked for below.
                break
            if pages - number >= len(left):
                break
        links = self._client.edition.module(module).links
        for target_id in sorted(left):
            if record := self._client.view(module, target_id, include=links):
                found[target_id] = record
        return found

    def _page(self, module: str, number: int) -> tuple[list[Record], int | None]:
        """A page of the last changed records and the number of pages; empty where no view has all records."""
        kind = self._client.edition.module(module)
        if module not in self._views:
            named = [view["id"] for view in self._client.views(module) if view.get("name") == kind.all_view]
            self._views[module] = named[0] if named else None
        view_id = self._views[module]
        if view_id is None:
            return [], None
        params = {"sort": "updated_at", "sort_type": "desc", "page": number, "per_page": PER_PAGE}
        body = self._client.ask(
            "GET", f"{kind.path}/view/{view_id}", f"/{kind.path}/view/:id", entity=module,
            params=params | ({"include": ",".join(kind.links)} if kind.links else {}),
        ).body  # fmt: skip
        rows = [identified(module, row) for row in self._client.rows(module, body, module)]
        return rows, meta(body, "total_pages")


class _Wanted:
    """Rows looked for, by what finds them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._by_id = {row.target_id: row for row in rows if row.target_id is not None}
        self._by_mark = {row.op.source_id: row for row in rows if row.target_id is None}
        self._seen: dict[str, int] = {}
        self.left = len(rows)

    def take(self, page: Iterable[Record]) -> int:
        """How many of the records of *page* are wanted; each becomes its row's `record`."""
        taken = 0
        for record in page:
            row = self._by_id.get(record["id"]) or self._marked(record)
            if row is None:
                continue
            taken += 1
            if row.op.op_id not in self._seen:
                self.left -= 1
            known = self._seen.setdefault(row.op.op_id, record["id"])
            if known != record["id"]:
                raise DataError(
                    f"{row.module}: records {known} and {record['id']} both carry source id {row.op.source_id};"
                    " delete all but one, then run again"
                )
            row.record = record
        return taken

    def _marked(self, record: Record) -> Row | None:
        custom = record.get("custom_field")
        marks = (custom.get(MARK) if isinstance(custom, Mapping) else None, record.get("external_id"))
        found = (self._by_mark.get(str(mark)) for mark in marks if mark is not None)
        return next((row for row in found if row), None)
