"""What does this tenant do where the vendor's documents and its clients contradict each other?

Measured with a few canary records that are removed for good afterwards. A value is `unknown` where nothing
could be measured, with the reason as evidence; the load refuses what depends on an unknown. Figures in seconds
are rounded up to a step, so that two measurements of one tenant read the same.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from crmbook import probe_choices, tables
from crmbook.errors import ApiError, RateLimited, Rejected
from crmbook.phases.capabilities import CALLS
from crmbook.probe_bulk import Bulk
from crmbook.probe_canaries import Canaries, canaries, contact, label
from crmbook.probe_findings import UNKNOWN, Finding, truth, within
from crmbook.settle import MARK
from crmbook.vendors.freshsales import Freshsales

_NOT_THERE: Final = (401, 403, 404, 405)
_REFUSED_FOR_CONTENT: Final = (400, 422)

Record = dict[str, Any]


def measure(
    client: Freshsales,
    target_fields: pl.DataFrame,
    *,
    sleep: Callable[[float], None] = time.sleep,
    only_decisive: bool = False,
) -> pl.DataFrame:
    """
    CAPABILITIES of the tenant.

    `choice_write` label, id; `multi_write` array_label, array_id, semicolon_label, semicolon_id, the same with `bulk_`
    before them for jobs; `bulk_key_<module>` the key a job goes by; `bulk_size` rows a call; `index_delay_s`,
    `bulk_job_s` at most so many seconds, `bulk_job_polls` and `probe_calls` counts; the others true or false.
    *only_decisive* leaves out what no plan depends on, and lets trouble of the vendor through instead of taking it for
    an answer.

    Raises:
        ApiError: the tenant refuses even the simplest contact or account; what was made is removed.
    """
    measured_at, before = datetime.now(UTC), client.client.calls
    with canaries(client, sleep=sleep) as row:
        findings = list(_decisive(row, target_fields, sleep, only_decisive=only_decisive))
    calls = client.client.calls - before
    findings.append(Finding(CALLS, str(calls), "what measuring took, cleaning up included"))
    rows = [vars(finding) | {"measured_at": measured_at} for finding in findings]
    return tables.conform(pl.DataFrame(rows, schema=tables.CAPABILITIES.columns), tables.CAPABILITIES)


def _decisive(
    row: Canaries, target_fields: pl.DataFrame, sleep: Callable[[float], None], *, only_decisive: bool
) -> Iterator[Finding]:
    yield _index_delay(row, sleep)
    account = row.create("sales_accounts", {"name": label("a")})
    fields = probe_choices.fields(target_fields)
    records = {"contacts": row.first, "sales_accounts": account}
    written = list(probe_choices.measure(row.client, fields, records))
    yield from written
    marked = target_fields.filter(pl.col("api_name") == MARK).get_column("module").to_list()
    ways = {finding.capability: finding.value for finding in written}
    bulk = Bulk(row, account, marked, fields, ways, sleep, is_strict=only_decisive)
    yield from bulk.findings()
    yield _account_name_unique(row)
    yield _workflows(row)
    yield _created_at(row.first)
    yield _email_required(row)
    if not only_decisive:
        yield bulk.size()
        yield from _others(row)


def _others(row: Canaries) -> Iterator[Finding]:
    yield _bin_reserves_email(row)
    yield _field_api(row.client)
    yield _retry_after(row.client)


def _created_at(first: Record) -> Finding:
    settable = str(first.get("created_at", "")).startswith("2001-02-0")
    return Finding("created_at_settable", truth(settable), "a contact created with a date of 2001, read back")


def _index_delay(row: Canaries, sleep: Callable[[float], None]) -> Finding:
    found, _ = within(lambda: row.client.lookup("contacts", "external_id", label("a")), sleep)
    if found is None:
        return Finding("index_delay_s", UNKNOWN, "lookup did not show a new contact in time")
    return Finding("index_delay_s", str(found), "seconds until lookup showed a new contact, rounded up")


def _account_name_unique(row: Canaries) -> Finding:
    taken = not row.is_accepted("sales_accounts", {"name": label("a")})
    return Finding("account_name_unique", truth(taken), "two accounts of one name")


def _workflows(row: Canaries) -> Finding:
    tasks = row.tasks()
    return Finding("workflows_act", truth(bool(tasks)), "tasks nobody asked for, looked for on a new contact")


def _email_required(row: Canaries) -> Finding:
    body = {"last_name": label("b"), "mobile_number": "+48 000 000 000", "external_id": label("b")}
    required = not row.is_accepted("contacts", body)
    return Finding("email_required", truth(required), "a contact with a phone number and no e-mail")


def _bin_reserves_email(row: Canaries) -> Finding:
    binned = row.create("contacts", contact("d"))
    row.bin(int(binned["id"]))
    reserved = not row.is_accepted("contacts", contact("d"))
    return Finding(
        "bin_reserves_email", truth(reserved), "a contact created with the e-mail of one in the bin"
    )


def _field_api(client: Freshsales) -> Finding:
    """
    Whether custom fields can be created: an empty one is asked for, which no tenant can make, because a field can't be
    deleted again through any documented route.
    """
    try:
        form = next(iter(client.forms("contacts")), None)
        if form is None:
            return Finding("field_api", UNKNOWN, "the tenant shows no form to create fields in")
        client.create_field("contacts", str(form.get("id")), {})
    except RateLimited:
        raise
    except ApiError as answer:
        told = f"an empty field asked for: HTTP {answer.status}"
        if answer.status in _NOT_THERE:
            return Finding("field_api", truth(value=False), told)
        if isinstance(answer, Rejected) and answer.status in _REFUSED_FOR_CONTENT:
            return Finding("field_api", truth(value=True), f"{told}, refused for its content")
        return Finding("field_api", UNKNOWN, told)
    return Finding("field_api", UNKNOWN, "an empty field was accepted; look at the contacts' form")


def _retry_after(client: Freshsales) -> Finding:
    seen = client.client.quota.refusals()
    if not seen.answers:
        return Finding("retry_after", UNKNOWN, "no refusal for quota was seen, none is provoked")
    return Finding(
        "retry_after", truth(bool(seen.told)), "whether a refusal for quota ever told how long to wait"
    )
