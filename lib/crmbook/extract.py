"""The source account, read: every record as received, and the typed tables made of it.

In: an open run of 01_discovery. Out: its `raw_*`, `source_*` and `inventory` tables. A route that answers
404 is *not available*, never *empty*; a file the customer filled in stands for it and wins over the API.
Everything that can be read is saved before the run stops for agents or pipelines that a person has to give.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import polars as pl

from crmbook import config, extract_csv, extract_frames, parse, source_files, tables
from crmbook.errors import NotFound, Waiting
from crmbook.extract_frames import Columns
from crmbook.phases import sampling
from crmbook.runs import Run
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
        reported, rejected, fetched, seen = None, 0, 0, Counter[str]()
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

    `last_heard` comes from conversations: of everybody where the account lists them, else only of contacts
    without e-mail, phone and user id, for whom it decides whether they exist at all. With a sample, contacts,
    companies and deals are cut to it; `inventory` still counts the account.

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
    return UserCom(base_url, token, quota=Quota(run.quota_path, host, limits))


def _fetch(job: _Extract) -> None:
    run = job.run
    filled = {entity: source_files.read(run.source_folder, entity) for entity in source_files.FILES}
    attributes = job.all_of("attributes", "attributes") or []
    job.save_raw("attributes", attributes)
    declared = run.save("attributes", extract_frames.attributes(attributes))
    for entity, table in _SMALL.items():
        _small(job, entity, table)
    missing = [entity for entity in source_files.FILES if not _settings(job, entity, filled[entity])]
    frames = {entity: _records(job, entity, declared) for entity in _SOURCES}
    heard = frames["contacts"].join(_last_heard(job, frames["contacts"]), on="source_id", how="left")
    frames["contacts"] = heard.with_columns(pl.coalesce("last_heard", "_heard").alias("last_heard")).drop(
        "_heard"
    )
    _save_sources(run, frames)
    _segment_members(job)
    for entity in ("activities", "campaigns") if run.customer.source.history == "all" else ("campaigns",):
        _history(job, entity)
    run.save("inventory", pl.DataFrame(job.inventory, schema=tables.INVENTORY.columns))
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


def _records(job: _Extract, entity: str, declared: pl.DataFrame) -> pl.DataFrame:
    route, table, owner = _SOURCES[entity]
    names = declared.filter(pl.col("entity") == owner).get_column("property").to_list()
    columns = Columns(table, names)
    for records in job.records(entity, job.client.pages(route)):
        columns.add(records)
    job.run.save(f"raw_{entity}", columns.raw())
    return columns.frame()


def _last_heard(job: _Extract, contacts: pl.DataFrame) -> pl.DataFrame:
    """When each contact last wrote in a chat: `source_id`, `_heard`."""
    listed = job.all_of("conversations", "conversations")
    if listed is None:
        listed = [r for user_id in _unidentified(contacts) for r in _conversations_of(job, user_id)]
    whole = [w for w in _with_messages(job, listed) if w is not None]
    job.save_raw("conversations", whole)
    said = [
        (record.fields["user_id"], message["timestamp"])
        for record in whole
        for message in record.fields["messages"] or []
        if message["author"] == "user" and record.fields["user_id"]
    ]
    users, times = [user for user, _ in said], [time for _, time in said]
    heard = pl.DataFrame(
        [
            pl.Series("source_id", users, dtype=pl.String),
            extract_frames.times("messages of contact", "_heard", times, users),
        ]
    )
    return heard.group_by("source_id").agg(pl.col("_heard").max())


def _unidentified(contacts: pl.DataFrame) -> list[str]:
    """Contacts only a chat can identify; nobody else's conversations are worth a request each."""
    blank = [parse.trimmed(pl.col(c)).is_null() for c in ("email", "phone_number", "custom_id")]
    return contacts.filter(*blank, pl.col("last_heard").is_null()).get_column("source_id").to_list()


def _conversations_of(job: _Extract, user_id: str) -> list[Record]:
    try:
        return [record for page in job.client.conversations(user_id) for record in page.records]
    except NotFound:
        return []


def _with_messages(job: _Extract, listed: list[Record]) -> Iterator[Record | None]:
    for done, record in enumerate(listed, 1):
        if record.fields["messages"] is None and record.fields["message_count"] != 0:
            yield _conversation(job, record)
        else:
            yield record
        job.run.progress("messages", done, len(listed))


def _conversation(job: _Extract, listed: Record) -> Record | None:
    try:
        whole = job.client.conversation(listed.source_id)
    except NotFound:
        job.run.log("conversation is gone since it was listed", entity="conversations")
        return None
    user_id = listed.fields["user_id"] or whole.fields["user_id"]
    return replace(whole, fields={**whole.fields, "user_id": user_id})


def _segment_members(job: _Extract) -> None:
    rows: list[tuple[str, str]] = []
    for segment_id in job.run.read("segments").get_column("segment_id"):
        for page in job.client.segment_members(segment_id):
            rows.extend((segment_id, record.source_id) for record in page.records)
            job.run.progress("segment members", len(rows))
    members = pl.DataFrame(rows, schema=tables.SEGMENT_MEMBERS.columns, orient="row").unique()
    job.note("segment_members", fetched=len(rows), distinct=members.height)
    job.run.save("segment_members", members)


def _history(job: _Extract, entity: str) -> None:
    """Records kept as received only: what they become is decided from `raw_*`."""
    raw: dict[str, str] = {}
    try:
        for records in job.records(entity, job.client.pages(entity)):
            raw.update((record.source_id, record.raw) for record in records)
    except NotFound:
        job.note(entity, available=False)
        return
    job.run.save(f"raw_{entity}", _raw(raw))


def _raw(raw: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"source_id": list(raw), "raw": list(raw.values())}, schema=tables.RAW.columns)


def _save_sources(run: Run, frames: dict[str, pl.DataFrame]) -> None:
    if run.sample:
        cut = sampling.sample(frames["contacts"], frames["companies"], frames["deals"], run.sample)
        frames = cut._asdict()
        run.log("sampled", **{entity: frame.height for entity, frame in frames.items()})
    for entity, frame in frames.items():
        run.save(f"source_{entity}", frame)


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
