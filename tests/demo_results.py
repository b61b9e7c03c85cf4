"""The finished demo as its tables tell it, and for each hazard what has to be seen of a record that has it."""

import html
import re
import unicodedata
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from crmbook.sandbox import demo
from demo_account import STEMS, WARSAW, Account, attribute, instant

ENTITIES = {stem: entity.replace("user", "contact") for entity, stem in STEMS.items()}
MADE = {"contact": "contacts", "company": "sales_accounts", "deal": "deals"}
ACTUAL = {"contact": "actual_contacts", "company": "actual_sales_accounts", "deal": "actual_deals"}
HISTORY = {"activities": "activity", "emails": "email", "events": "event", "conversations": "conversation"}
_BLANKS = re.compile(r"[\s\u200b]+")

Row = dict[str, Any]


class Results:
    """One run's tables by record; source ids are text, as in the tables."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.account = Account(7)
        self.rows = {
            ENTITIES[stem]: {str(row["id"]): row for row in rows}
            for stem, rows in self.account.rows.items() if stem in ENTITIES
        }  # fmt: skip

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(next(self.run.glob(f"0?_*[a-z]/data/{name}.parquet")))

    def _by_record(self, tables: dict[str, str]) -> dict[tuple[str, str], Row]:
        return {
            (entity, row["source_id"]): row
            for entity, name in tables.items()
            for row in self.table(name).iter_rows(named=True)
        }

    @cached_property
    def classes(self) -> dict[tuple[str, str], tuple[str, str]]:
        columns = ("entity", "source_id", "class", "reason")
        return {(e, i): (c, r) for e, i, c, r in self.table("classes").select(columns).iter_rows()}

    @cached_property
    def made(self) -> dict[tuple[str, str], Row]:
        return self._by_record(MADE)

    @cached_property
    def actual(self) -> dict[tuple[str, str], Row]:
        return self._by_record(ACTUAL)

    @cached_property
    def survivors(self) -> dict[tuple[str, str], str]:
        columns = ("entity", "source_id", "survivor_id")
        return {(e, i): s for e, i, s in self.table("merges").select(columns).iter_rows()}

    @cached_property
    def repairs(self) -> set[tuple[str, str, str, str]]:
        return set(self.table("rejects").select("entity", "source_id", "rule", "field").iter_rows())

    @cached_property
    def differing(self) -> set[tuple[str, str]]:
        return set(self.table("differences").select("entity", "source_id").iter_rows())

    @cached_property
    def links(self) -> dict[str, list[Row]]:
        """Per source record that a relation leaves from, its relations with class and primary mark."""
        found: dict[str, list[Row]] = {}
        both = self.table("link_classes").join(
            self.table("links").select("relation", "from_id", "to_id", "is_primary", "kept_to"),
            on=["relation", "from_id", "to_id"],
        )
        for row in both.iter_rows(named=True):
            found.setdefault(row["from_id"], []).append(row)
        return found

    @cached_property
    def changes(self) -> set[tuple[str, str, str]]:
        return set(self.table("changes").select("entity", "field", "rule").iter_rows())

    @cached_property
    def losses(self) -> set[tuple[str, str, str]]:
        return set(self.table("loss").select("entity", "field", "kind").iter_rows())

    @cached_property
    def queued(self) -> set[str]:
        return set(self.table("owner_queue").get_column("agent_id"))

    @cached_property
    def owners(self) -> dict[str, int]:
        """Target ids of users by their e-mail in lower case."""
        users = self.table("target_owners").select("email", "owner_id").iter_rows()
        return {email.casefold(): owner_id for email, owner_id in users}

    @cached_property
    def forecasts(self) -> dict[tuple[str, str], str]:
        stages = self.table("stages").select("pipeline_id", "stage_id", "forecast_type").iter_rows()
        return {(pipeline, stage): kind for pipeline, stage, kind in stages}

    @cached_property
    def carried(self) -> dict[tuple[str, str], list[Row]]:
        """Per row of the history what carries it, or the reason why nothing does; a mail has a row per thing that happened."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.table("carried").iter_rows(named=True):
            stem = row["source_id"].partition(":")[0]
            found.setdefault(
                (row["entity"], stem if row["entity"] == "email" else row["source_id"]), []
            ).append(row)
        return found

    @cached_property
    def history(self) -> dict[tuple[str, str], Row]:
        """Every carrier as 04 shaped it, with the class and the target id 06 found."""
        classes = {
            (row["module"], row["source_id"]): row
            for row in self.table("history_classes").iter_rows(named=True)
        }
        made = {
            (module, row["source_id"]): row
            for module in ("tasks", "appointments", "sales_activities", "notes")
            for row in self.table(module).iter_rows(named=True)
        }
        return {key: {**row, **classes[key]} for key, row in made.items()}

    @cached_property
    def owner_of(self) -> dict[tuple[str, int], int]:
        return {
            (module, row["target_id"]): row["owner_id"]
            for module in ("tasks", "appointments", "sales_activities")
            for row in self.table(f"actual_{module}").iter_rows(named=True)
        }

    @cached_property
    def instants(self) -> dict[tuple[str, str], list[bool]]:
        found: dict[tuple[str, str], list[bool]] = {}
        for entity, source_id, is_equal in (
            self.table("instants").select("entity", "source_id", "is_equal").iter_rows()
        ):
            found.setdefault((entity, source_id.partition(":")[0]), []).append(is_equal)
        return found

    def carriers(self, entity: str, source_id: str) -> list[Row]:
        """The records of 04 that carry the row, none where it is not moved."""
        rows = self.carried.get((entity, source_id), [])
        return [self.history[r["carrier_module"], r["carrier_id"]] for r in rows if r["state"] == "carried"]

    def relation(self, source_id: str, name: str) -> list[Row]:
        return [row for row in self.links.get(source_id, []) if row["relation"] == name]

    def living(self, entity: str, source_id: str) -> str:
        """The record it lives on in, itself where it was not merged."""
        return self.survivors.get((entity, source_id), source_id)


Seen = Callable[[Results, str], bool]


def named(results: Results, source_id: str) -> bool:
    """First and last name together are the source's name, composed and with single blanks."""
    made = results.made["contact", source_id]
    given = unicodedata.normalize("NFC", results.rows["contact"][source_id]["name"])
    whole = " ".join(part for part in (made["first_name"], made["last_name"]) if part)
    return whole == _BLANKS.sub(" ", given.replace("\u200b", "")).strip() != ""


def same(entity: str, field: str, source: str) -> Seen:
    """The value read back is the source's own; *source* is a key of the row or of its attributes."""

    def check(results: Results, source_id: str) -> bool:
        row = results.rows[entity][source_id]
        value = row[source] if source in row else attribute(row, source)
        found = results.actual[entity, source_id][field]
        if isinstance(value, list) and not isinstance(found, list):
            value = value[0] if value else None
        if isinstance(value, str) and isinstance(found, str):
            return found == value.strip()
        return (sorted(found) if isinstance(found, list) else found) == (
            sorted(value) if isinstance(value, list) else value
        )

    return check


def blank(entity: str, *fields: str) -> Seen:
    """The target has no value there."""
    return lambda results, source_id: all(results.actual[entity, source_id][f] in (None, []) for f in fields)


def is_split(side: str) -> Seen:
    return lambda results, source_id: results.made["contact", source_id]["split"] == side


def repaired(entity: str, rule: str, field: str) -> Seen:
    """Listed as a repair, or the value is what the source has."""
    return lambda results, source_id: (entity, source_id, rule, field) in results.repairs


def forecast(kind: str) -> Seen:
    def check(results: Results, source_id: str) -> bool:
        deal = results.made["deal", source_id]
        return results.forecasts[deal["pipeline_id"], deal["stage_id"]] == kind

    return check


def closed_on_its_day(results: Results, source_id: str) -> bool:
    row = results.rows["deal"][source_id]
    day = instant(row["won_at"] or row["lost_at"]).astimezone(WARSAW).date()
    return bool(results.actual["deal", source_id]["closed_date"] == day)


def status_kept(results: Results, source_id: str) -> bool:
    """The source's status and stage stand in fields of their own."""
    statuses = ("abandoned", "in progress", "won", "lost", "archived")
    row, found = results.rows["deal"][source_id], results.actual["deal", source_id]
    stages = {
        s["id"]: f"{p['name']} / {s['name']}" for p in results.account.rows["pipelines"] for s in p["stages"]
    }
    return (found["cf_usercom_deal_status"], found["cf_usercom_stage"]) == (
        statuses[row["status"]],
        stages[row["stage"]],
    )


def linked(relation: str, *classes: str) -> Seen:
    """There are such relations, all of them in these classes."""

    def check(results: Results, source_id: str) -> bool:
        found = results.relation(source_id, relation)
        return bool(found) and {row["class"] for row in found} <= set(classes)

    return check


def one_class(relation: str, wanted: str) -> Seen:
    """At least one such relation is in this class."""
    return lambda results, source_id: wanted in {r["class"] for r in results.relation(source_id, relation)}


def oldest_is_primary(results: Results, source_id: str) -> bool:
    """Every membership is found, and the one the record has longest is the only primary one."""
    dated = [c for c in results.rows["contact"][source_id]["company_ids"] if c["member_since"]]
    oldest = min(dated, key=lambda c: str(instant(c["member_since"])))["id"]
    found = results.relation(source_id, "contact_account")
    gone = {row["to_id"] for row in found if results.classes["company", row["to_id"]][0] == "rejected"}
    return (
        len(found) == len(results.rows["contact"][source_id]["company_ids"])
        and {row["to_id"] for row in found if row["class"] == "dropped"} == gone
        and {row["class"] for row in found} <= {"found", "repointed", "dropped"}
        and {row["kept_to"] for row in found if row["is_primary"]} == {results.living("company", str(oldest))}
    )


def participants_linked(results: Results, source_id: str) -> bool:
    row = results.rows["deal"][source_id]
    wanted = {results.living("contact", str(i)) for i in (row["user_id"], *row["participants"]) if i}
    reached = {r["kept_to"] for r in results.relation(source_id, "deal_contact") if r["class"] != "dropped"}
    return reached == {i for i in wanted if results.classes["contact", i][0] == "loaded"}


def buyer_is_contact(results: Results, source_id: str) -> bool:
    buyer = results.living("contact", str(results.rows["deal"][source_id]["user_id"]))
    return bool(results.made["contact", buyer]["split"] == "Contact")


def owned_by_admin(results: Results, entity: str, source_id: str) -> bool:
    """The record stands with the admin, and its agent is in the queue."""
    owner = results.owners[demo.ADMIN_EMAIL]
    agent = str(results.rows[entity][source_id]["assigned_to"])
    return results.actual[entity, source_id]["owner_id"] == owner and agent in results.queued


def on_survivor(entity: str) -> Seen:
    """It hangs on the record its contact lives on in."""

    def check(results: Results, source_id: str) -> bool:
        stem = next(stem for stem, name in HISTORY.items() if name == entity)
        row = next(row for row in results.account.rows[stem] if str(row["id"]) == source_id)
        survivor = results.survivors["contact", str(row["user_id"])]
        found = results.carriers(entity, source_id)
        return bool(found) and {(c["parent_kind"], c["parent_id"]) for c in found} == {("contact", survivor)}

    return check


def of_split(entity: str, side: str) -> Seen:
    """Its contact is on that side of the split."""

    def check(results: Results, source_id: str) -> bool:
        parents = {
            c["parent_id"] for c in results.carriers(entity, source_id) if c["parent_kind"] == "contact"
        }
        return bool(parents) and {results.made["contact", i]["split"] for i in parents} == {side}

    return check


def at_its_instant(entity: str) -> Seen:
    """Every instant of it that the target tells is the source's."""
    return lambda results, source_id: all(results.instants.get((entity, source_id), [False]))


def told_in_order(results: Results, source_id: str) -> bool:
    """Every message stands escaped in the conversation's notes, by time, in as many parts as it takes."""
    talk = next(row for row in results.account.rows["conversations"] if str(row["id"]) == source_id)
    parts = sorted(
        (int(name.rpartition(":")[2]), row["description"])
        for (module, name), row in results.history.items()
        if module == "notes" and name.startswith(f"conversation:{source_id}:")
    )
    told = "".join(text for _, text in parts)
    times = re.findall(r"<b>(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*) UTC", told)
    plain = re.sub(r"\s+", "", html.unescape(re.sub(r"<[^>]*>", "", told)))
    texts = [re.sub(r"\s+", "", m["content"] or "") for m in talk["messages"]]
    return times == sorted(times) and len(times) >= len(texts) and all(_pieces(text, plain) for text in texts)


def _pieces(text: str, whole: str) -> bool:
    """Whether *text* stands in *whole*, at most divided where one part ends and the next begins."""
    return all(text[i : i + 40] in whole for i in range(0, max(len(text) - 80, 1), 40))


def tagged(results: Results, source_id: str) -> bool:
    """The target shows exactly the source's tags, letter by letter."""
    row = results.rows["contact"][source_id]
    return set(results.actual["contact", source_id]["cf_tags"]) == {
        results.account.tags[i] for i in row["tag_ids"]
    }


def matched(entity: str) -> Seen:
    """The record that was in the target before is the one it became."""

    def check(results: Results, source_id: str) -> bool:
        origins = results.table("crosswalk").filter(entity=entity, source_id=source_id)["origin"].to_list()
        return origins == ["matched"]

    return check


def same_instant(results: Results, source_id: str) -> bool:
    given = instant(attribute(results.rows["contact"][source_id], "next_trip_at"))
    return given is not None and given == instant(results.actual["contact", source_id]["cf_next_trip_at"])
