"""The source account, read: every record as received, and the typed tables made of it.

In: an open run of 01_discovery. Out: its `raw_*`, `source_*` and `inventory` tables. A route that answers
404 is *not available*, never *empty*; a file the customer filled in stands for it and wins over the API.
Everything that can be read is saved before the run stops for agents or pipelines that a person has to give.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import polars as pl

from crmbook import (
    config,
    delta_extract,
    extract_csv,
    extract_frames,
    extract_history,
    source_attachments,
    source_files,
    tables,
    waiting,
)
from crmbook.errors import NotFound, Waiting
from crmbook.extract_columns import Columns
from crmbook.phases import sampling
from crmbook.runs import Run
from crmbook.vendors import usercom_csv_parts
from crmbook.vendors.quota import Quota
from crmbook.vendors.trust import checked_base_url
from crmbook.vendors.usercom import Page, Record, UserCom
from crmbook.vendors.usercom_csv import UserComCsv

_SOURCES: Final = {
    "contacts": ("users", tables.SOURCE_CONTACTS, "contact"),
    "companies": ("companies", tables.SOURCE_COMPANIES, "company"),
    "deals": ("deals", tables.SOURCE_DEALS, "deal"),
}
GAP_FILES: Final = source_files.FILES
_SMALL: Final = {"tags": tables.TAGS, "lists": tables.LISTS, "segments": tables.SEGMENTS}


class _Extract:
    """One reading of the source; `inventory` grows by a row per entity as they are done."""

    def __init__(self, run: Run, client: UserCom | UserComCsv) -> None:
        self.run = run
        self.client = client
        self.inventory: list[dict[str, Any]] = []

    def records(self, entity: str, pages: Iterator[Page]) -> Iterator[list[Record]]:
        """The records page by page, with progress; afterwards the entity's inventory row stands."""
        reported, rejected, fetched, seen = None, 0, 0, set[str]()
        for page in pages:
            reported = page.reported if reported is None else reported
            rejected += page.rejected
            fetched += len(page.records)
            seen.update(record.source_id for record in page.records)
            self.run.progress(entity, fetched, reported)
            if page.ended_by_404:
                self.run.log("next page not found, taken as the end", entity=entity, fetched=fetched)
            yield page.records
        self.run.progress(entity, fetched, fetched)
        self.note(entity, reported=reported, fetched=fetched, distinct=len(seen), rejected=rejected)

    def take(self, entity: str, route: str, columns: Columns) -> None:
        """
        Every record of a large entity into *columns*; afterwards its inventory row stands.

        Raises:
            NotFound: the account has no such route.
        """
        client = self.client
        if isinstance(client, UserCom):
            for records in self.records(entity, client.pages(route)):
                columns.add(records)
            return
        fetched = 0
        for part in usercom_csv_parts.parts(client, route):
            if isinstance(part, usercom_csv_parts.Part):
                columns.add_part(part)
                fetched += part.ids.len()
            else:
                columns.add(part)
                fetched += len(part)
            self.run.progress(entity, fetched, None)
        self.run.progress(entity, fetched, fetched)
        self.note(entity, fetched=fetched, distinct=columns.distinct, rejected=client.rejected(route))

    def note(
        self,
        entity: str,
        *,
        reported: int | None = None,
        fetched: int = 0,
        distinct: int | None = None,
        available: bool = True,
        origin: str = "",
        rejected: int = 0,
    ) -> None:
        distinct = fetched if distinct is None else distinct
        self.inventory.append(
            {
                "entity": entity, "reported": reported, "fetched": fetched, "duplicates": fetched - distinct,
                "distinct": distinct, "available": available, "origin": origin or self.client.origin,
                "rejected": rejected,
            }
        )  # fmt: skip
        self.run.log(
            "read", entity=entity, reported=reported, fetched=fetched, available=str(available).lower()
        )

    def all_of(self, entity: str, route: str) -> list[Record] | None:
        """Every record of a small entity, None where the account has no such route."""
        try:
            return [r for page in self.records(entity, self.client.pages(route)) for r in page]
        except NotFound:
            self.note(entity, available=False)
            return None

    def save_raw(self, entity: str, records: list[Record]) -> None:
        self.run.save(f"raw_{entity}", _raw({r.source_id: r.raw for r in records}))


def fetch(run: Run) -> None:
    """
    Reads the whole source account into this phase's tables.

    With a sample, contacts, companies, deals and their history are cut to it; `inventory` still counts the
    account, but of what exists per contact only what was read.

    Raises:
        ConfigError: the token's variable is not set, a file in the source folder is malformed, or an export missing.
        Waiting: pipelines or agents are not available and their file is not filled in.
    """
    if run.customer.source.kind == "csv":
        with extract_csv.source(run) as exports:
            _fetch(_Extract(run, exports))
        return
    with closing(_client(run)) as client:
        run.save("source_rejects", tables.SOURCE_REJECTS.empty())
        _fetch(_Extract(run, client))


def _client(run: Run) -> UserCom:
    source = run.customer.source
    token = config.token(source.token_env, section="source", key=run.customer.key)
    base_url = f"{source.base_url}/"
    rate = source.requests_per_second
    limits = {"second": int(rate)} if rate >= 1 else {"minute": max(1, int(rate * 60))}
    host = checked_base_url(base_url).netloc.decode()
    quota = Quota(run.quota_path, host, limits)
    run.pace.calls_left = quota.left
    return UserCom(base_url, token, quota=quota, max_wait_s=waiting.max_wait_s())


def _fetch(job: _Extract) -> None:
    run = job.run
    source_attachments.fetch(run, note=job.note)
    filled = {entity: source_files.read(run.source_folder, entity) for entity in source_files.FILES}
    attributes = job.all_of("attributes", "attributes") or []
    job.save_raw("attributes", attributes)
    declared = run.save("attributes", extract_frames.attributes(attributes))
    for entity, table in _SMALL.items():
        _small(job, entity, table)
    missing = [entity for entity in source_files.FILES if not _settings(job, entity, filled[entity])]
    with contextlib.ExitStack() as opened:
        columns = {entity: opened.enter_context(_columns(job, entity, declared)) for entity in _SOURCES}
        history = opened.enter_context(extract_history.History(job))
        if run.sample:
            _save_sample(run, columns, history)
        else:
            _save_all(run, columns, history)
    _segment_members(job)
    _campaigns(job)
    run.save("inventory", pl.DataFrame(job.inventory, schema=tables.INVENTORY.columns))
    delta_extract.compare(run, job.client)
    _stop_for_missing(run, missing)


def _small(job: _Extract, entity: str, table: tables.Table) -> None:
    records = job.all_of(entity, entity) or []
    columns = Columns(table)
    columns.add(records)
    job.save_raw(entity, records)
    job.run.save(table.name, columns.frame())


def _settings(job: _Extract, entity: str, filled: pl.DataFrame | None) -> bool:
    """Pipelines, agents or activity types, from the file or the API; False where neither has them."""
    table = source_files.FILES[entity].table
    if filled is not None:
        job.note(entity, fetched=filled.get_column(table.key[0]).n_unique(), origin="file")
        job.run.save(table.name, filled)
        return True
    records = job.all_of(entity, entity)
    if entity == "pipelines":
        job.run.save(table.name, extract_frames.stages(records or []))
    else:
        columns = Columns(table)
        columns.add(records or [])
        job.run.save(table.name, columns.frame())
    if records:
        job.save_raw(entity, records)
    return records is not None


def _columns(job: _Extract, entity: str, declared: pl.DataFrame) -> Columns:
    route, table, owner = _SOURCES[entity]
    names = declared.filter(pl.col("entity") == owner).get_column("property").to_list()
    columns = Columns(table, names, job.run.data_folder)
    try:
        job.take(entity, route, columns)
        columns.save_raw(job.run, f"raw_{entity}")
    except BaseException:
        columns.close()
        raise
    return columns


def _save_all(run: Run, columns: Mapping[str, Columns], history: extract_history.History) -> None:
    contacts = columns["contacts"].lazy().select(extract_history.ASKED).collect()
    heard = history.with_last_heard(contacts, everybody=True)
    news = heard.select("source_id", "last_heard")
    is_told = heard.get_column("last_heard").null_count() == contacts.get_column("last_heard").null_count()
    for entity, table in columns.items():
        table.save(run, news if entity == "contacts" and not is_told else None)
    nobody = tables.SOURCE_COMPANIES.empty(), tables.SOURCE_DEALS.empty()
    history.save(heard, *nobody)


def _save_sample(run: Run, columns: Mapping[str, Columns], history: extract_history.History) -> None:
    frames = {entity: table.frame() for entity, table in columns.items()}
    heard = history.with_last_heard(frames["contacts"], everybody=False)
    frames = _sampled(run, {**frames, "contacts": heard})
    frames["contacts"] = history.with_last_heard(frames["contacts"], everybody=True)
    for entity, frame in frames.items():
        run.save(f"source_{entity}", frame)
    history.save(**frames)


def _segment_members(job: _Extract) -> None:
    rows: list[tuple[str, str]] = []
    for segment_id in job.run.read("segments").get_column("segment_id"):
        for page in job.client.segment_members(segment_id):
            rows.extend((segment_id, record.source_id) for record in page.records)
            job.run.progress("segment members", len(rows))
    members = pl.DataFrame(rows, schema=tables.SEGMENT_MEMBERS.columns, orient="row").unique()
    job.note("segment_members", fetched=len(rows), distinct=members.height)
    job.run.save("segment_members", members)


def _campaigns(job: _Extract) -> None:
    """Kept as received only: no interface of the target takes campaigns."""
    raw: dict[str, str] = {}
    try:
        for records in job.records("campaigns", job.client.pages("campaigns")):
            raw.update((record.source_id, record.raw) for record in records)
    except NotFound:
        job.note("campaigns", available=False)
        return
    job.run.save("raw_campaigns", _raw(raw))


def _raw(raw: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"source_id": list(raw), "raw": list(raw.values())}, schema=tables.RAW.columns)


def _sampled(run: Run, frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    cut = sampling.sample(frames["contacts"], frames["companies"], frames["deals"], run.sample)._asdict()
    run.log("sampled", **{entity: frame.height for entity, frame in cut.items()})
    return cut


def _stop_for_missing(run: Run, missing: list[str]) -> None:
    needed = [entity for entity in missing if source_files.FILES[entity].is_required]
    if not needed:
        return
    asked = [
        f"{source_files.write_empty(run.source_folder, entity).name} ({', '.join(source_files.FILES[entity].columns)})"
        for entity in needed
    ]
    raise Waiting(
        f"the source API does not tell {' and '.join(needed)}; fill in runs/{run.customer.key}/source/"
        + " and ".join(asked),
        f"crmbook run {run.customer.key} --env {run.env} --run {run.run_id}",
    )
