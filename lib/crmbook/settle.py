"""Did a write of unknown outcome happen? The target is asked, the write is not repeated.

A created record carries its source id (contacts also as external_id). The newest page of the view with all
records shows it at once, if it is there; lookup knows older ones but lags behind writes by seconds, so both
are asked until the index had time to catch up. Invariant: a record is found only if it carries the very mark.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from crmbook.errors import DataError
from crmbook.vendors.freshsales import Freshsales

MARK: Final = "cf_usercom_original_id"
DEFAULT_PATIENCE_S: Final = 20.0  # the longest lag seen by public clients
_POLLS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
_PAGE: Final = 100

Record = dict[str, Any]


def patience_s(capabilities: Mapping[str, str]) -> float:
    """How long to look before a record counts as not there: twice the measured index delay, and a second."""
    try:
        return min(2 * float(capabilities["index_delay_s"]) + 1, DEFAULT_PATIENCE_S)
    except (KeyError, ValueError):
        return DEFAULT_PATIENCE_S


class Finder:
    """
    Finds records of one target by the source id they carry.

    *until* (seconds since the epoch) is the moment before which nothing counts as not there: a request whose
    sender was killed may still be worked on.
    """

    def __init__(
        self,
        client: Freshsales,
        *,
        patience_s: float,
        until: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._patience_s, self._sleep = client, patience_s, sleep
        self._until, self._clock = until, clock

    def find(self, module: str, source_id: str) -> Record | None:
        """
        The record of *module* that carries *source_id*, None only after the index had time to catch up.

        Raises:
            DataError: several records carry it.
        """
        return self.patiently(
            lambda: (
                _only(module, source_id, newest(self._client, module)) or self._looked_up(module, source_id)
            )
        )

    def patiently(self, look: Callable[[], Record | None]) -> Record | None:
        """What *look* finds, None only after the target had time to show it."""
        waited_s = 0.0
        for poll in range(1_000):
            left_s = max(self._patience_s - waited_s, self._until - self._clock())
            found = look()
            if found or left_s <= 0:
                return found
            pause_s = min(_POLLS_S[min(poll, len(_POLLS_S) - 1)], left_s)
            self._sleep(pause_s)
            waited_s += pause_s
        raise AssertionError("patience ends before the polls do")

    def _looked_up(self, module: str, source_id: str) -> Record | None:
        field = "external_id" if module == "contacts" else MARK
        hits = self._client.lookup(module, field, source_id)
        # The index may still hold what was deleted, and may show less than the record has.
        live = [self._client.view(module, int(hit["id"])) for hit in hits]
        return _only(module, source_id, [record for record in live if record])


def newest(client: Freshsales, module: str) -> list[Record]:
    """
    The page of 100 records of *module* created last, as the view shows it without delay (vendor docs); empty
    where the tenant has no view with all records.
    """
    kind = client.edition.module(module)
    view_id = next((view["id"] for view in client.views(module) if view.get("name") == kind.all_view), None)
    if view_id is None:
        return []
    path, route = f"{kind.path}/view/{view_id}", f"/{kind.path}/view/:id"
    params = {"sort": "created_at", "sort_type": "desc", "page": 1, "per_page": _PAGE}
    return client.rows(module, client.ask("GET", path, route, entity=module, params=params).body, module)


def carries(record: Mapping[str, Any], source_id: str) -> bool:
    """Whether *record* is marked as the one made from *source_id*."""
    custom = record.get("custom_field")
    marks = (record.get("external_id"), custom.get(MARK) if isinstance(custom, Mapping) else None)
    return source_id in [str(mark) for mark in marks if mark is not None]


def _only(module: str, source_id: str, records: Iterable[Record]) -> Record | None:
    found = {record["id"]: record for record in records if carries(record, source_id)}
    if len(found) > 1:
        ids = ", ".join(str(record_id) for record_id in sorted(found))
        raise DataError(
            f"{module}: records {ids} both carry source id {source_id}; delete all but one, then run again"
        )
    return next(iter(found.values()), None)
