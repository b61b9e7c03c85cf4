"""Which known traps of User.com and Freshsales apply to this customer, by which of their own numbers?

In: the tables of 01 as figures. Out: GOTCHAS, in the order of `gotchas.toml`. One that doesn't apply is kept with the
reason, so that it is seen to have been looked at. Invariant: each trap of the file has exactly one rule here.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import polars as pl

from crmbook import tables

Verdict = tuple[bool, str]
_GB: Final = 1_000_000_000
_FAN_OUT: Final = 6  # routes asked for each contact's history


@dataclass(frozen=True)
class Facts:
    """
    What 01 counted of the customer, and what their plan gives; None is what nobody publishes or told.

    `stay_behind` are billable contacts without e-mail, phone and user id, `no_email` are those that would be rejected for it.
    """

    contacts: int
    billable: int
    stay_behind: int
    no_email: int
    automations: int
    campaigns: int
    emails: int
    conversations: int
    calls: int
    call_minutes: int
    segments: int
    odd_properties: int
    is_export: bool
    has_history: bool
    requests_per_second: float
    file_bytes: int
    storage_bytes: float | None
    plan: str
    has_ai: bool | None
    bot_sessions: int | None
    keeps_placeholders: bool


def gotchas(facts: Facts) -> pl.DataFrame:
    """Every trap with its verdict; GOTCHAS."""
    document = _document()
    rows = []
    for position, entry in enumerate(document["gotcha"], 1):
        applies, because = RULES[entry["id"]](facts)
        source = document["sources"][entry["source"]]
        rows.append({
            "position": position, "side": entry["side"], "title": entry["title"], "applies": applies, "because": because,
            "action": entry["action"], "source": f"{source['title']} ({source['trust']}, read {source['read']})",
        })  # fmt: skip
    return tables.conform(pl.DataFrame(rows, schema=tables.GOTCHAS.columns), tables.GOTCHAS)


@cache
def _document() -> Mapping[str, Any]:
    return tomllib.loads((files("crmbook.phases") / "gotchas.toml").read_text(encoding="utf-8"))


def _billing(f: Facts) -> Verdict:
    return f.stay_behind > 0, (
        f"{f.stay_behind:,} of {f.billable:,} billable contacts are only known by chat or push and have no place in a CRM"
        if f.stay_behind else f"all {f.billable:,} billable contacts are known by e-mail, phone or user id"
    )  # fmt: skip


def _automations(f: Facts) -> Verdict:
    return f.automations > 0, f"the customer counts {f.automations:,} active automations"


def _templates(f: Facts) -> Verdict:
    return f.campaigns + f.emails > 0, f"{f.campaigns:,} campaigns and {f.emails:,} mails sent to contacts"


def _formats(f: Facts) -> Verdict:
    if f.is_export:
        return True, "the account is read from exports"
    return f.odd_properties > 0, f"properties whose values are not all written alike: {f.odd_properties:,}"


def _size(f: Facts) -> Verdict:
    return (
        f.billable > 0,
        f"the account holds {f.contacts:,} contact records, {f.billable:,} of them billable; the app may show another number",
    )


def _rate(f: Facts) -> Verdict:
    if f.is_export or not f.has_history:
        return False, "the history of each contact is not asked of the API"
    hours = f.contacts * _FAN_OUT / f.requests_per_second / 3600
    return True, (
        f"the history is asked contact by contact: {f.contacts * _FAN_OUT:,} requests, {_time(hours)} at"
        f" {f.requests_per_second:g} a second"
    )


def _time(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{max(1, round(hours * 60))} minutes at least"


def _segments(f: Facts) -> Verdict:
    return f.segments > 0, f"{f.segments:,} segments"


def _ai(f: Facts) -> Verdict:
    if f.has_ai is None:
        return True, f"the vendor does not say whether {f.plan} has it: ask"
    return (
        not f.has_ai,
        f"the plan in customer.toml is {f.plan}, which {'has it' if f.has_ai else 'does not have it'}",
    )


def _off(f: Facts) -> Verdict:
    return (
        f.emails + f.automations > 0,
        f"{f.emails:,} mails were sent and {f.automations:,} automations are active today",
    )


def _workflows(f: Facts) -> Verdict:
    return f.contacts > 0, f"{f.contacts:,} contacts would set off whatever starts when a record is created"


def _bots(f: Facts) -> Verdict:
    given = "an unknown number of" if f.bot_sessions is None else f"{f.bot_sessions:,}"
    return (
        f.conversations > 0,
        f"{f.conversations:,} chats so far; {f.plan} comes with {given} sessions, once",
    )


def _phone(f: Facts) -> Verdict:
    return f.calls > 0, f"{f.calls:,} calls with {f.call_minutes:,} minutes are on record"


def _storage(f: Facts) -> Verdict:
    if not f.file_bytes:
        return False, "no files are handed over"
    room = "an unknown amount" if f.storage_bytes is None else f"{f.storage_bytes / _GB:,.1f} GB"
    return True, f"{f.file_bytes / _GB:,.2f} GB of files; {f.plan} gives {room} to these users together"


def _email(f: Facts) -> Verdict:
    left = "get a placeholder" if f.keeps_placeholders else "are rejected"
    return (
        f.no_email > 0,
        f"{f.no_email:,} contacts that would move have none and {left}, by [policy] contact_without_email",
    )


RULES: Final[Mapping[str, Callable[[Facts], Verdict]]] = {
    "billing": _billing, "automations": _automations, "templates": _templates, "formats": _formats, "size": _size,
    "rate": _rate, "segments": _segments, "ai": _ai, "off": _off, "workflows": _workflows, "bots": _bots, "phone": _phone,
    "storage": _storage, "email": _email,
}  # fmt: skip
