"""One request or more for each of many owners, several at a time, each answer kept as it arrives.

In: owners with the mark of their record, and how to ask for one. Out: readings in the store. Owners whose reading
is there under the same mark are not asked again. Before many are asked at once, single ones show that the
route exists: where the first few all answer 404 it is *not available*; a single 404 afterwards is an owner that
is gone since it was listed, and is asked again next time.
Invariant: a failure stops the asking only after what had been answered by then is kept.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice
from math import ceil
from typing import Final, Protocol

from crmbook.errors import NotFound
from crmbook.extract_history_store import Reading, Store
from crmbook.runs import Run

TRIES: Final = 5
_MOST_AT_ONCE: Final = 8

Ask = Callable[[str], Reading]


class Record(Protocol):
    """One record as the source client gives it."""

    @property
    def source_id(self) -> str: ...
    @property
    def raw(self) -> str: ...


class Page(Protocol):
    """Records and the vendor's count over all pages."""

    @property
    def records(self) -> Iterable[Record]: ...
    @property
    def reported(self) -> int | None: ...
    @property
    def ended_by_404(self) -> bool: ...


def reading(pages: Iterable[Page]) -> Reading:
    """All pages of one owner; of counts that differ between pages the last one stands."""
    records: list[tuple[str, str]] = []
    reported: int | None = None
    ended_by_404 = False
    for page in pages:
        ended_by_404 = page.ended_by_404
        records += [(record.source_id, record.raw) for record in page.records]
        reported = reported if page.reported is None else page.reported
    return Reading(records, reported, ended_by_404)


class Asking:
    """The asking for one kind of record, with progress under its name; *rate* is requests per second."""

    def __init__(self, run: Run, store: Store, kind: str, *, rate: float) -> None:
        self._run, self._store, self._kind = run, store, kind
        self._at_once = max(1, min(_MOST_AT_ONCE, ceil(rate)))
        self._marks: Mapping[str, str] = {}
        self._done = self._gone = self._ended_by_404 = 0

    def through(self, owners: Mapping[str, str], ask: Ask) -> bool:
        """
        Every owner's records in the store; False where there is no such route.

        Raises:
            CrmbookError: of the first request that failed.
        """
        kept = self._store.marks(self._kind)
        left: Collection[str] = owners
        if kept:
            left = [owner for owner, mark in owners.items() if kept.get(owner) != mark]
        self._marks, self._done = owners, len(owners) - len(left)
        self._run.log("history", kind=self._kind, owners=len(owners), already_read=self._done)
        self._run.progress(self._kind, self._done, len(owners))
        queue = iter(left)
        if left and not kept and not self._is_there(queue, ask):
            return False
        self._at_once_through(queue, ask)
        if self._ended_by_404:
            told = "next page not found, taken as the end"
            self._run.log(told, entity=self._kind, owners=self._ended_by_404)
        if self._gone:
            self._run.log("gone since listed", kind=self._kind, owners=self._gone)
        return True

    def _is_there(self, queue: Iterator[str], ask: Ask) -> bool:
        for owner in islice(queue, TRIES):
            answer = _asked(ask, owner)
            self._keep(owner, answer)
            if answer is not None:
                return True
        return False

    def _at_once_through(self, queue: Iterator[str], ask: Ask) -> None:
        failure: Exception | None = None
        with closing(_Pool(self._at_once)) as pool:
            running = {pool.submit(ask, owner): owner for owner in islice(queue, 2 * self._at_once)}
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    owner = running.pop(future)
                    try:
                        answer = future.result()
                    except Exception as error:
                        failure = failure or error
                        continue
                    self._keep(owner, answer)
                    if failure is None:
                        running |= {pool.submit(ask, following): following for following in islice(queue, 1)}
                if failure is not None:
                    running = {f: owner for f, owner in running.items() if not f.cancel()}
        if failure is not None:
            raise failure

    def _keep(self, owner: str, answer: Reading | None) -> None:
        if answer is None:
            self._gone += 1
            self._store.drop(self._kind, owner)
        else:
            self._ended_by_404 += answer.ended_by_404
            self._store.keep(self._kind, owner, self._marks[owner], answer)
        self._done += 1
        self._run.progress(self._kind, self._done, len(self._marks))


class _Pool:
    """Threads that ask; closing it drops what has not begun and waits for what has."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="history")

    def submit(self, ask: Ask, owner: str) -> Future[Reading | None]:
        return self._threads.submit(_asked, ask, owner)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def _asked(ask: Ask, owner: str) -> Reading | None:
    """The owner's records, None for one that is not there."""
    try:
        return ask(owner)
    except NotFound:
        return None
