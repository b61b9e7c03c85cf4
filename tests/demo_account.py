"""A demo account read by the rules of the trade: what its rows say, not what the hazard list says."""

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from crmbook.sandbox import demo

SEEDS = (7, 8, 2026)
STEMS = {"user": "users", "company": "companies", "deal": "deals"}
VALID_EMAIL = re.compile(r"[^\s@,]+@[^\s@.,]+(\.[^\s@.,]+)+")
WARSAW = ZoneInfo("Europe/Warsaw")
FORMULA = ("=", "+", "-", "@")


class Account:
    """The rows of one generated account and what follows from them by the rules of the trade, not by the list."""

    def __init__(self, seed):
        scenario = demo.scenario(seed)
        self.rows = scenario.usercom
        self.target = scenario.freshsales
        self.tags = {row["id"]: row["name"] for row in self.rows["tags"]}
        self.kinds = {row["id"]: row["kind"] for row in self.rows["activity_types"]}
        self.by_email = {}
        for person in self.rows["users"]:
            if is_valid_email(person):
                self.by_email.setdefault(address(person), []).append(person)
        self.duplicates = {p["id"] for group in self.by_email.values() if len(group) > 1 for p in group}
        survivors = {max(group, key=survival)["id"] for group in self.by_email.values()}
        self.merged = self.duplicates - survivors
        self.unmoved = {p["id"] for p in self.rows["users"] if not is_valid_email(p)}
        self.buyers = {deal["user_id"] for deal in self.rows["deals"]}
        self.participants = {i for deal in self.rows["deals"] for i in deal["participants"]}
        self.talked_to = {
            a["user_id"]
            for a in self.rows["activities"]
            if self.kinds[a["activity_type"]] in ("call", "meeting", "email")
        }
        self.readers = {m["user_id"] for m in self.rows["emails"] if m["opened_at"] or m["clicked_at"]}
        self.chatters = {talk["user_id"] for talk in self.rows["conversations"]}
        self.silent = {
            p["id"]
            for p in self.rows["users"]
            if is_valid_email(p) and p["last_contacted"] is None and p["id"] not in self.duplicates
        }
        self.leads = self.silent - self.buyers - self.participants - self.talked_to - self.readers
        seats = {owner["email"].casefold(): owner for owner in self.target["owners"]}
        self.agents = {agent["id"]: agent for agent in self.rows["agents"]}
        self.unseated = {i for i, agent in self.agents.items() if agent["email"].casefold() not in seats}
        self.inactive = {
            i
            for i, agent in self.agents.items()
            if i not in self.unseated and not seats[agent["email"].casefold()]["is_active"]
        }
        self.twins, self.namesakes, self.merged_companies = namesakes(self.rows["companies"])
        self.probability = {s["id"]: s["probability"] for p in self.rows["pipelines"] for s in p["stages"]}

    def is_gone(self, row):
        return row["assigned_to"] is not None and row["assigned_to"] not in self.agents

    def has_tag(self, row, is_wanted):
        return any(is_wanted(self.tags[i]) for i in row["tag_ids"])


def address(person):
    return (person["email"] or "").strip().casefold()


def is_valid_email(person):
    return bool(VALID_EMAIL.fullmatch(address(person)))


def survival(person):
    values = [*person.values(), *person["attributes"].values()]
    return sum(value not in (None, "", [], {}) for value in values), person["last_seen"], -person["id"]


def namesakes(companies):
    """Ids sharing name and site, ids sharing the name only, and those of the former that are not the lowest."""
    groups = {}
    for row in companies:
        groups.setdefault(" ".join(row["name"].casefold().split()), []).append(row)
    twins, others, merged = set(), set(), set()
    for name, group in groups.items():
        if not name or len(group) == 1:
            continue
        hosts = Counter(host(row) for row in group)
        same = {row["id"] for row in group if host(row) and hosts[host(row)] > 1}
        twins |= same
        others |= {row["id"] for row in group} - same
        merged |= same - {min(same, default=0)}
    return twins, others, merged


def host(row):
    site = (row["attributes"].get("website") or "").casefold()
    return re.sub(r"^https?://(www\.)?|/$", "", site)


def has(row, *keys):
    return all(row[key] not in (None, "") for key in keys)


def is_nobody(person):
    return not any(person[key] for key in ("email", "phone_number", "custom_id"))


def attribute(row, name):
    return row["attributes"].get(name)


def instant(text):
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def in_dst_night(text):
    at = instant(text)
    nights = (("2025-10-26T00:00Z", "2025-10-26T02:00Z"), ("2026-03-29T00:30Z", "2026-03-29T01:30Z"))
    return at is not None and any(instant(first) <= at <= instant(last) for first, last in nights)


def is_far(text):
    return bool(text) and not 1970 <= int(text[:4]) <= 2030


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def texts(row):
    return [value for value in row["attributes"].values() if isinstance(value, str)]


def is_other_script(name):
    return any(c.isalpha() and "LATIN" not in unicodedata.name(c) for c in name or "")


def closes_on_another_day(deal):
    at = instant(deal["won_at"] or deal["lost_at"])
    return at is not None and at.astimezone(WARSAW).date() != at.date()


def letters(name):
    return re.sub(r"[^a-z]", "", name.casefold())
