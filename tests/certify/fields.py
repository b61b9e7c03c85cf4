"""Defects in one field of one record: a value that is nearly, but not quite, what was loaded."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from certify.demo import Demo, Doc, Planted
from certify.findings import Finding
from certify.kinds import BOTH, SOURCE, Kind, altered, changed, field, planted, value

Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Spoilt:
    """*change* of the value of `name`; where it gives None or the same value the record is none for this kind."""

    kind: str
    name: str
    change: Change
    finds: bool = True

    def __call__(self, demo: Demo) -> Planted:
        doc = demo.free(self.kind, lambda doc: self._fits(value(doc, self.name)), what=self.name)
        made = changed(doc, **{self.name: self.change(value(doc, self.name))})
        found = field(demo, self.kind, doc, self.name) if self.finds else set()
        return planted(f"{self.kind}.{self.name}", altered(self.kind, made), found)

    def _fits(self, old: Any) -> bool:
        new = None if old in (None, "", []) else self.change(old)
        return new is not None and new != old


def _mojibake(text: str) -> str:
    return text.encode().decode("latin-1")


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _an_hour_on(text: str) -> str:
    later = datetime.fromisoformat(text) + timedelta(hours=1)
    return later.isoformat().replace("+00:00", "Z")


def _without_fraction(text: str) -> str | None:
    return re.sub(r"\.\d+Z$", "Z", text)


def _the_day_before(text: str) -> str:
    return (date.fromisoformat(text) - timedelta(days=1)).isoformat()


def _day_as_month(text: str) -> str | None:
    year, month, day = text.split("-")
    return f"{year}-{day}-{month}" if int(day) <= 12 else None


def _swapped_digits(text: str) -> str:
    return text[:-2] + text[-1] + text[-2]


def _cut(text: str) -> str | None:
    return text[:255] if len(text) > 255 else None


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;")


def _broken(text: str) -> str:
    return text.replace(" ", "\n", 1)


def _without_decimals(number: float) -> float:
    return float(round(number))


def _one_choice_less(text: str) -> str | None:
    return text.rpartition(";")[0] or None


def _other_order(text: str) -> str:
    return ";".join(reversed(text.split(";")))


def _repeated(text: str) -> str:
    return f"{text};{text.split(';', maxsplit=1)[0]}"


def _unset(old: Any) -> Any:
    return "" if isinstance(old, str) else None


def _typo(mail: str) -> str:
    return mail.replace(".example", ".exmaple")


@dataclass(frozen=True)
class Emptied:
    """The value of one field gone."""

    kind: str
    name: str

    def __call__(self, demo: Demo) -> Planted:
        doc = demo.free(self.kind, lambda doc: value(doc, self.name) not in (None, "", []), what=self.name)
        made = changed(doc, **{self.name: None})
        return planted(
            f"{self.kind}.{self.name}", altered(self.kind, made), field(demo, self.kind, doc, self.name)
        )


def _neighbour(demo: Demo) -> Planted:
    doc = demo.free("contacts", lambda doc: doc.get("mobile_number") and not doc.get("work_number"))
    made = changed(doc, mobile_number=None, work_number=doc["mobile_number"])
    found = field(demo, "contacts", doc, "mobile_number", "work_number")
    return planted("contacts.mobile_number", altered("contacts", made), found)


def _names_swapped(demo: Demo) -> Planted:
    doc = demo.free("contacts", lambda doc: doc.get("first_name") and doc.get("last_name"))
    made = changed(doc, first_name=doc["last_name"], last_name=doc["first_name"])
    return planted(
        "contacts.first_name",
        altered("contacts", made),
        field(demo, "contacts", doc, "first_name", "last_name"),
    )


def _choices_merged(demo: Demo) -> Planted:
    """The choice with the fewest records becomes another one, in all of them."""
    kind, name = "deals", "cf_trip_type"
    by_choice: dict[str, list[Doc]] = {}
    for doc in demo.every(kind):
        if told := value(doc, name):
            by_choice.setdefault(told, []).append(doc)
    untaken = {
        choice: docs
        for choice, docs in by_choice.items()
        if not any((kind, doc["id"]) in demo.taken for doc in docs)
    }
    rarest = min(untaken, key=lambda choice: (len(untaken[choice]), choice))
    other = max(by_choice, key=lambda choice: (len(by_choice[choice]), choice))
    docs = untaken[rarest]
    demo.take(kind, *docs)
    found = [field(demo, kind, doc, name) for doc in docs]
    return planted(f"{kind}.{name}", altered(kind, *(changed(doc, **{name: other}) for doc in docs)), *found)


def _tag_added(demo: Demo) -> Planted:
    doc = demo.free("contacts", lambda doc: not doc.get("tags"))
    return planted(
        "contacts.tags",
        altered("contacts", changed(doc, tags=["nobody's"])),
        field(demo, "contacts", doc, "tags"),
    )


def _in_capitals(demo: Demo) -> Planted:
    """The same address, but not as the map had announced it: the gate warns."""
    plan = Spoilt("contacts", "email", str.upper, finds=False)(demo)
    return planted(plan.where, plan.changes, Finding("value rewritten", "contact", "", "email"))


def _field(name: str, kind: str, column: str, change: Change, editions: tuple[str, ...] = BOTH) -> Kind:
    assert kind in SOURCE
    return Kind(name, Spoilt(kind, column, change), editions)


KINDS = (
    # a choice's records are chosen before anything else can take one of them
    Kind("two choices merged into one", _choices_merged),
    _field("instant shifted by an hour", "contacts", "cf_usercom_last_contacted", _an_hour_on),
    _field(
        "instant without its fraction of a second", "contacts", "cf_usercom_created_at", _without_fraction
    ),
    _field("date shifted by a day", "sales_accounts", "cf_partner_since", _the_day_before),
    _field("day and month swapped", "deals", "expected_close", _day_as_month),
    _field("mojibake", "contacts", "city", _mojibake),
    _field("Unicode decomposed (NFC to NFD)", "contacts", "last_name", _decomposed),
    _field("trailing blank", "contacts", "first_name", lambda text: f"{text} "),
    _field("other case", "sales_accounts", "name", str.upper),
    _field(
        "no-break space for a blank", "sales_accounts", "address", lambda text: text.replace(" ", "\xa0", 1)
    ),
    _field("text cut at 255", "contacts", "cf_travel_notes", _cut),
    _field("blank turned into a line break", "contacts", "cf_travel_notes", _broken),
    _field("HTML escaped", "deals", "cf_usercom_stage", _escaped),
    _field("number kept as text with a fraction", "contacts", "cf_loyalty_points", lambda text: f"{text}.0"),
    _field("plus of a phone number lost", "sales_accounts", "phone", lambda text: text.removeprefix("+")),
    _field("number one off", "contacts", "cf_usercom_score", lambda number: number + 1),
    _field("decimals lost", "sales_accounts", "annual_revenue", _without_decimals),
    _field("checkbox flipped", "deals", "cf_deposit_paid", lambda flag: not flag),
    _field("digits of a phone number swapped", "contacts", "mobile_number", _swapped_digits),
    _field("e-mail address misspelt", "contacts", "email", _typo, ("suite",)),
    _field("amount × 100", "deals", "amount", lambda text: str(float(text) * 100)),
    _field("sign of an amount lost", "sales_accounts", "annual_revenue", lambda number: -number),
    _field("deal's name cut", "deals", "name", lambda text: text[:-1]),
    _field("one of several choices lost", "contacts", "cf_interests", _one_choice_less),
    _field("tag lost", "contacts", "cf_tags", _one_choice_less),
    Kind("tag added", _tag_added),
    Kind("field emptied", Emptied("contacts", "job_title")),
    Kind("closing date lost", Emptied("deals", "closed_date")),
    Kind("order lines lost", Emptied("deals", "cf_usercom_products")),
    Kind("reason of a lost deal lost", Emptied("deals", "cf_loss_reason")),
    Kind("value in the neighbouring field", _neighbour),
    Kind("first and last name swapped", _names_swapped),
)

NONE = (
    Kind(
        "several choices in another order",
        Spoilt("contacts", "cf_interests", _other_order, finds=False),
        is_none=True,
    ),
    Kind("a choice named twice", Spoilt("deals", "cf_destinations", _repeated, finds=False), is_none=True),
    Kind("an e-mail address in capitals", _in_capitals, is_none=True),
)
