"""A User.com account of any size, as the typed tables discovery makes of it: seeded, and made of columns, not of rows.

In: the number of contacts; companies are a fifth, deals a quarter, activities twice as many. Out: the frames of 01.
The hazards that cost a migration time are in it: addresses that repeat in another case, are missing or are none,
names in several scripts, phones in every style, choices with commas, dates with offsets, numbers too long, tags,
lists, merged companies, links to nothing. The same size and seed give the same account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from crmbook import tables

_FIRST: Final = (
    "Anna",
    "Björn",
    "Aoife",
    "Růžena",
    "Łukasz",
    "José",
    "Дмитрий",
    "美咲",
    "Chloé",
    "Jan",
    "Zoë",
    "Ivo",
)
_LAST: Final = (
    "Kowalska",
    "Sandström",
    "Gallagher",
    "Němcová",
    "Żuk",
    "García López",
    "Петров",
    "佐藤",
    "van den Berg",
    "O'Neill",
)
_CITIES: Final = ("Gdynia", "Malmö", "Plzeň", "Berlin", "Kraków", "Lyon", "Porto", " Oslo ")
_PLANS: Final = ("free", "starter, monthly", "pro, yearly", "enterprise")
_TOPICS: Final = ("wine", "cycling", "city, breaks", "hiking", "sailing", "food")
_TYPES: Final = (
    ("1", "To-do", "task"),
    ("2", "Phone call", "call"),
    ("3", "Meeting", "meeting"),
    ("4", "Remark", "other"),
)
_STAGES: Final = (("Inquiry", 10.0), ("Offer sent", 37.5), ("Deposit", 66.7), ("Won", 100.0), ("Lost", 0.0))
# content type, name_std, display name, value type
PROPERTIES: Final = (
    ("user", "plan", "Plan", "fixed"), ("user", "topics", "Topics", "fixed"), ("user", "renewal", "Renewal", "date"),
    ("user", "signed_at", "Signed at", "datetime"), ("user", "income", "Income", "float"), ("user", "visits", "Visits", "integer"),
    ("user", "is_vip", "VIP", "boolean"), ("user", "homepage", "Homepage", "string"), ("user", "remark", "Remark", "string"),
    ("user", "options", "Options", "json"),
    ("company", "website", "Website", "string"), ("company", "industry", "Industry", "fixed"),
    ("company", "annual_revenue", "Annual revenue", "float"), ("company", "fleet", "Fleet", "integer"),
    ("deal", "trip", "Trip", "fixed"), ("deal", "travellers", "Travellers", "integer"), ("deal", "paid", "Paid", "boolean"),
)  # fmt: skip
_ENTITIES: Final = {"user": "contact", "company": "company", "deal": "deal"}
_EPOCH: Final = 1_600_000_000_000_000
_SPAN: Final = 180_000_000_000_000
SEED: Final = 7


@dataclass(frozen=True)
class Sizes:
    """How many records of each kind an account of *contacts* has."""

    contacts: int

    @property
    def companies(self) -> int:
        return max(1, self.contacts // 5)

    @property
    def deals(self) -> int:
        return max(1, self.contacts // 4)

    @property
    def activities(self) -> int:
        return 2 * self.contacts

    @property
    def records(self) -> int:
        return self.contacts + self.companies + self.deals + self.activities


class _Maker:
    """Columns of *rows* values each, drawn from one seeded stream."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rows, self.random = rows, np.random.default_rng(seed)

    def number(self, most: int) -> pl.Series:
        return pl.Series(self.random.integers(0, most, self.rows), dtype=pl.Int64)

    def share(self, part: float) -> pl.Series:
        """True for about *part* of the rows."""
        return pl.Series(self.random.random(self.rows) < part)

    def pick(self, words: Sequence[str]) -> pl.Series:
        return pl.Series(words, dtype=pl.String).gather(self.number(len(words)))

    def instant(self) -> pl.Series:
        return (self.number(_SPAN) + _EPOCH).cast(tables.TIME)

    def some(self, words: Sequence[str], most: int) -> pl.Series:
        """Lists of up to *most* different words."""
        drawn = pl.DataFrame({str(n): self.pick(words) for n in range(most)})
        length = self.number(most + 1)
        lists = pl.concat_list(pl.all()).list.head(pl.lit(length)).list.unique(maintain_order=True)
        return drawn.select(lists).to_series()


def account(contacts: int, seed: int = SEED) -> dict[str, pl.DataFrame]:
    """Every table of 01 that is not counted from the others, by its name."""
    sizes = Sizes(contacts)
    made = {
        "source_contacts": _contacts(_Maker(sizes.contacts, seed), sizes),
        "source_companies": _companies(_Maker(sizes.companies, seed + 1)),
        "source_deals": _deals(_Maker(sizes.deals, seed + 2), sizes),
        "source_activities": _activities(_Maker(sizes.activities, seed + 3), sizes),
        **_catalogs(),
    }
    return {name: tables.conform(frame, tables.of(name)) for name, frame in made.items()}


def tag_names() -> list[str]:
    return [f"tag {n}" if n % 7 else f"tag, {n}" for n in range(40)]


def _ids(rows: int, base: int) -> pl.Series:
    return (pl.int_range(rows, eager=True) + base).cast(pl.String)


def _pointer(draw: _Maker, count: int, base: int, part: float) -> pl.Series:
    """Ids of *count* records starting at *base* in about *part* of the rows, one in a thousand pointing to nothing."""
    found = draw.number(count + count // 1000) + base
    return pl.select(pl.when(draw.share(part)).then(found)).to_series().cast(pl.String)


def _null_unless(draw: _Maker, part: float, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(draw.share(part)).then(values)).to_series()


def _emails(draw: _Maker) -> pl.Series:
    """Nine in a hundred address somebody else's record, in another case; some are missing, some are none."""
    own = pl.int_range(draw.rows, eager=True)
    other, roll = draw.number(max(1, draw.rows)), pl.Series(draw.random.random(draw.rows))
    whose = pl.select(pl.when(roll < 0.09).then(other).otherwise(own)).to_series()
    base = pl.select(pl.format("person.{}@Mail{}.example", whose, whose % 997)).to_series()
    return pl.select(
        pl.when(roll < 0.03).then(base.str.to_uppercase())
        .when(roll > 0.99).then(pl.lit("no address"))
        .when(roll > 0.93).then(None)
        .otherwise(base)
    ).to_series()  # fmt: skip


def _phones(draw: _Maker) -> pl.Series:
    digits = (draw.number(10**8) + 10**8).cast(pl.String)
    style = draw.number(4)
    made = pl.select(
        pl.when(style == 0).then(pl.format("+48 {}", digits))
        .when(style == 1).then(pl.format("+48-{}-{}", digits.str.head(3), digits.str.tail(6)))
        .when(style == 2).then(pl.format("({}) {}", digits.str.head(3), digits.str.tail(6)))
        .otherwise(pl.lit("call after 6"))
    ).to_series()  # fmt: skip
    return _null_unless(draw, 0.6, made)


def _json(lists: pl.Series) -> pl.Series:
    """Lists of text as JSON text, null where empty: what discovery keeps of a choice property."""
    items = lists.to_frame("v").select(
        pl.when(pl.col("v").list.len() > 0).then(pl.lit('["') + pl.col("v").list.join('","') + pl.lit('"]'))
    )
    return items.to_series()


def _contacts(draw: _Maker, sizes: Sizes) -> pl.DataFrame:
    rows, base = draw.rows, 1_000_000
    companies = pl.DataFrame(
        {
            "a": _pointer(draw, sizes.companies, 5_000_000, 0.7),
            "b": _pointer(draw, sizes.companies, 5_000_000, 0.1),
        }
    )
    income = pl.select(pl.format("{}.{}", draw.number(90_000), draw.number(10**4) * 10 + 1)).to_series()
    columns: dict[str, Any] = {
        "source_id": _ids(rows, base),
        "custom_id": _null_unless(draw, 0.8, pl.select(pl.format("web-{}", _ids(rows, base))).to_series()),
        "user_key": pl.select(pl.format("key{}", _ids(rows, base))).to_series(),
        "name": _null_unless(draw, 0.97, pl.select(pl.format("{} {}", draw.pick(_FIRST), draw.pick(_LAST))).to_series()),
        "email": _emails(draw),
        "phone_number": _phones(draw),
        "gender": draw.pick(("female", "male", "unknown")),
        "status": draw.pick(("user", "visitor")),
        "page_views": draw.number(200), "score": draw.number(90),
        "unsubscribed": draw.share(0.1), "notifications": draw.share(0.5), "web_push_subscription": draw.share(0.2),
        "city": draw.pick(_CITIES), "country": draw.pick(("Poland", "Sweden", "Czechia")),
        "timezone": draw.pick(("Europe/Warsaw", "Europe/Stockholm")),
        "linkedin_url": _null_unless(draw, 0.1, pl.select(pl.format("linkedin.com/in/p{}", draw.number(10**6))).to_series()),
        "assigned_to": _null_unless(draw, 0.6, draw.pick([agent[0] for agent in agents()])),
        "company_ids": companies.select(
            pl.concat_list("a", "b").list.drop_nulls().list.unique(maintain_order=True)
        ).to_series(),
        "tags": draw.some(tag_names(), 3),
        "list_ids": draw.some([str(201 + n) for n in range(5)], 2),
        "p_plan": _json(draw.some(_PLANS, 1)), "p_topics": _json(draw.some(_TOPICS, 3)),
        "p_renewal": _null_unless(draw, 0.5, draw.instant().dt.strftime("%Y-%m-%d")),
        "p_signed_at": _null_unless(draw, 0.5, draw.instant().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")),
        "p_income": _null_unless(draw, 0.5, income),
        "p_visits": _null_unless(draw, 0.5, draw.number(10**6).cast(pl.String)),
        "p_is_vip": draw.share(0.2).cast(pl.String),
        "p_homepage": _null_unless(draw, 0.3, pl.select(pl.format("Example.org/p/{}", draw.number(10**6))).to_series()),
        "p_remark": _null_unless(draw, 0.4, pl.select(pl.format(" Asked for offer {}, twice ", draw.number(10**6))).to_series()),
        "p_options": _null_unless(
            draw, 0.2, pl.select(pl.concat_str(pl.lit('{"seat":'), draw.number(60), pl.lit(',"diet":{"kind":"none"}}'))).to_series()
        ),
    }  # fmt: skip
    times = ("first_seen", "last_seen", "created_at", "updated_at")
    columns |= {name: draw.instant() for name in times}
    columns["last_contacted"] = _null_unless(draw, 0.3, draw.instant())
    return _whole(columns, tables.SOURCE_CONTACTS)


def _companies(draw: _Maker) -> pl.DataFrame:
    """One name in twenty is another company's; a third of those share the site as well and are merged."""
    own, rows = pl.int_range(draw.rows, eager=True), draw.rows
    whose = pl.select(pl.when(draw.share(0.05)).then(draw.number(rows)).otherwise(own)).to_series()
    site = pl.select(pl.when(draw.share(0.7)).then(own).otherwise(whose)).to_series()
    name, url = pl.format("Firma {} Sp. z o.o.", whose), pl.format("https://Firma-{}.example/", site)
    phones = pl.DataFrame({"a": _phones(draw), "b": _phones(draw)})
    columns: dict[str, Any] = {
        "source_id": _ids(rows, 5_000_000),
        "name": pl.select(name).to_series(),
        "country": draw.pick(("Poland", "Sweden", "Czechia")), "city": draw.pick(_CITIES),
        "address": pl.select(pl.format("Main street {}", draw.number(400))).to_series(),
        "size": draw.number(900),
        "phone_numbers": phones.select(pl.concat_list("a", "b").list.drop_nulls()).to_series(),
        "tags": draw.some(tag_names()[:10], 1),
        "created_at": draw.instant(), "updated_at": draw.instant(),
        "p_website": _null_unless(draw, 0.9, pl.select(url).to_series()),
        "p_industry": _json(draw.some(("Health, care", "Travel", "Retail"), 1)),
        "p_annual_revenue": _null_unless(draw, 0.5, pl.select(pl.format("{}.5", draw.number(10**7))).to_series()),
        "p_fleet": _null_unless(draw, 0.5, draw.number(40).cast(pl.String)),
    }  # fmt: skip
    return _whole(columns, tables.SOURCE_COMPANIES)


def _deals(draw: _Maker, sizes: Sizes) -> pl.DataFrame:
    rows = draw.rows
    status, stage = draw.number(5), draw.number(len(_STAGES))
    pipeline = draw.number(2) + 1
    closed = draw.instant()
    columns: dict[str, Any] = {
        "source_id": _ids(rows, 7_000_000),
        "name": pl.select(pl.format("Trip {} to {}", draw.number(9999), draw.pick(_CITIES))).to_series(),
        "value": pl.select(pl.format("{}.{}", draw.number(50_000), draw.number(90) + 10)).to_series(),
        "currency": draw.pick(("PLN", "EUR")),
        "pipeline_id": pipeline.cast(pl.String), "stage_id": (pipeline * 10 + stage).cast(pl.String),
        "status": status, "assigned_to": _null_unless(draw, 0.8, draw.pick([agent[0] for agent in agents()])),
        "contact_id": _pointer(draw, sizes.contacts, 1_000_000, 0.9),
        "company_id": _pointer(draw, sizes.companies, 5_000_000, 0.5),
        "participants": pl.DataFrame({"a": _pointer(draw, sizes.contacts, 1_000_000, 0.1)}).select(
            pl.concat_list("a").list.drop_nulls()
        ).to_series(),
        "products": pl.Series([[]], dtype=tables.TEXTS).new_from_index(0, rows),
        "tags": draw.some(tag_names()[:5], 2),
        "expected_close_date": _null_unless(draw, 0.7, draw.instant().dt.date()),
        "won_at": pl.select(pl.when(status == 2).then(closed)).to_series(),
        "lost_at": pl.select(pl.when(status == 3).then(closed)).to_series(),
        "loss_reason": pl.select(pl.when(status == 3).then(pl.lit("too dear"))).to_series(),
        "created_at": draw.instant(), "updated_at": draw.instant(),
        "p_trip": _json(draw.some(("Event", "Round trip"), 1)),
        "p_travellers": _null_unless(draw, 0.7, draw.number(40).cast(pl.String)),
        "p_paid": draw.share(0.5).cast(pl.String),
    }  # fmt: skip
    return _whole(columns, tables.SOURCE_DEALS)


def _activities(draw: _Maker, sizes: Sizes) -> pl.DataFrame:
    rows = draw.rows
    due = draw.instant()
    done = draw.share(0.7)
    columns: dict[str, Any] = {
        "source_id": _ids(rows, 20_000_000),
        "activity_type_id": draw.pick([one[0] for one in _TYPES]),
        "name": pl.select(pl.format("Talk {}: offer", draw.number(10**5))).to_series(),
        "due_date": due, "duration": draw.number(90),
        "description": _null_unless(draw, 0.5, pl.select(pl.format("About trip {} & more", draw.number(10**6))).to_series()),
        "is_done": done,
        "done_date": pl.select(pl.when(done).then(due + pl.duration(hours=2))).to_series(),
        "assigned_to": draw.pick([agent[0] for agent in agents()]),
        "contact_id": _pointer(draw, sizes.contacts, 1_000_000, 0.9),
        "company_id": _pointer(draw, sizes.companies, 5_000_000, 0.2),
        "deal_id": _pointer(draw, sizes.deals, 7_000_000, 0.1),
        "created_at": draw.instant(), "updated_at": draw.instant(),
    }  # fmt: skip
    return _whole(columns, tables.HISTORY_ACTIVITIES)


def _whole(columns: dict[str, Any], table: tables.Table) -> pl.DataFrame:
    missing = [
        pl.lit([] if dtype == tables.TEXTS else None, dtype=dtype).alias(name)
        for name, dtype in table.columns.items()
        if name not in columns
    ]
    return pl.DataFrame(columns).with_columns(missing)


def agents() -> list[tuple[str, str, str]]:
    """Id, name and address; the last one has no seat in the target."""
    return [(str(n), f"Agent {n}", f"agent{n}@scale.example") for n in range(11, 17)]


def _catalogs() -> dict[str, pl.DataFrame]:
    def frame(table: tables.Table, rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=table.columns, orient="row")

    stages = [
        (str(p), f"Pipeline {p}", p, str(p * 10 + n), name, n + 1, probability)
        for p in (1, 2)
        for n, (name, probability) in enumerate(_STAGES)
    ]
    declared = [(_ENTITIES[e], std, label, kind) for e, std, label, kind in PROPERTIES]
    lists = [(str(201 + n), f"List {n}", None) for n in range(5)]
    empty = (
        "segments",
        "segment_members",
        "source_events",
        "source_emails",
        "source_conversations",
        "source_messages",
    )
    return {
        "agents": frame(tables.AGENTS, agents()),
        "source_stages": frame(tables.SOURCE_STAGES, stages),
        "source_activity_types": frame(tables.ACTIVITY_TYPES, _TYPES),
        "attributes": frame(tables.ATTRIBUTES, declared),
        "tags": frame(tables.TAGS, [(str(n + 1), name) for n, name in enumerate(tag_names())]),
        "lists": frame(tables.LISTS, lists),
        **{name: tables.of(name).empty() for name in empty},
    }  # fmt: skip
