"""The demo account's 150 deals in three pipelines; status, stage and currency follow from the id.

Contacts with a deal come from the engaged ones, so a lead never has a deal unless a case gives it one.
Values are decimal text as the vendor sends them.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox import demo_words as words
from crmbook.sandbox.demo_case import (
    NOW,
    Case,
    between,
    by_day,
    case,
    draw,
    each,
    ids,
    planted,
    same,
    sometimes,
    stamp,
)
from crmbook.sandbox.demo_companies import ORDINARY as ORDINARY_COMPANIES
from crmbook.sandbox.demo_people import engaged
from crmbook.sandbox.store import Doc

FIRST, LAST = 52001, 52150
ABANDONED, OPEN, WON, LOST, ARCHIVED = range(5)
_OPEN_STAGES: Final = (311, 312, 313, 331, 336, 332, 333, 334, 321, 322, 323)
_WON_STAGES: Final = (314, 335)
_BEGAN = datetime(2023, 6, 1, tzinfo=UTC)


def deals(seed: int) -> list[Doc]:
    buyers = engaged(seed)
    return planted([_deal(seed, row_id, buyers) for row_id in ids(FIRST, LAST)], CASES)


def _status(row_id: int) -> int:
    if row_id in ids(52061, 52085):
        return WON
    return LOST if row_id in ids(52086, 52095) else OPEN


def _stage(row_id: int) -> int:
    if _status(row_id) == WON:
        return _WON_STAGES[row_id % 2]
    return 315 if _status(row_id) == LOST else _OPEN_STAGES[row_id % len(_OPEN_STAGES)]


def _currency(row_id: int) -> str:
    if row_id % 5 == 0:
        return "EUR"
    return "USD" if row_id % 7 == 0 else "PLN"


def _deal(seed: int, row_id: int, buyers: list[int]) -> Doc:
    rng = draw(seed, "deals", row_id)
    created = between(rng, _BEGAN, NOW - timedelta(days=60))
    closed = by_day(rng, created + timedelta(days=1), NOW)
    trip, status, stage = rng.choice(words.TRIPS), _status(row_id), _stage(row_id)
    return {
        "id": row_id,
        "custom_id": f"offer-{row_id}" if sometimes(rng, 0.3) else None,
        "name": f"{trip}, {created:%B %Y}",
        "value": f"{rng.randrange(20_000, 4_000_000) / 100:.2f}",
        "currency": _currency(row_id),
        "pipeline": catalogue.PIPELINE_OF[stage],
        "stage": stage,
        "status": status,
        "assigned_to": rng.choice((*catalogue.ACTIVE_AGENTS, None)),
        "user_id": rng.choice(buyers),
        "company_id": rng.choice(ORDINARY_COMPANIES),
        "products": [],
        "participants": [],
        "tag_ids": [rng.choice(catalogue.PLAIN_TAGS)] if sometimes(rng, 0.5) else [],
        "expected_close_date": stamp(created + timedelta(days=rng.randrange(10, 400)))[:10],
        "loss_reason": None,
        "loss_reason_description": "",
        "lost_at": stamp(closed) if status == LOST else None,
        "won_at": stamp(closed) if status == WON else None,
        "created_at": stamp(created),
        "updated_at": stamp(between(rng, closed, NOW)),
        "attributes": _attributes(rng, created),
    }


def _attributes(rng: Random, created: datetime) -> Doc:
    optional: Doc = {
        "trip_type": [rng.choice(catalogue.TRIP_TYPES)],
        "destinations": sorted(rng.sample(catalogue.DESTINATIONS, rng.randrange(1, 4))),
        "travellers": rng.randrange(1, 60),
        "departure_date": stamp(created + timedelta(days=rng.randrange(30, 500)))[:10],
        "deposit_paid": sometimes(rng, 0.5),
        "margin": rng.randrange(200, 3000) / 100,
        "quote_sent_at": stamp(created + timedelta(hours=30)),
        "extras": '{"insurance": true, "transfers": ["airport", "hotel"]}',
    }
    return {name: value for name, value in optional.items() if sometimes(rng, 0.6)}


def _won(stage: int, won_at: str) -> Doc:
    return {"status": WON, "stage": stage, "pipeline": catalogue.PIPELINE_OF[stage], "won_at": won_at}


def _lost(stage: int, reason: str, lost_at: str = "2026-05-04T13:00:00.000000Z") -> Doc:
    return {
        "status": LOST,
        "stage": stage,
        "pipeline": catalogue.PIPELINE_OF[stage],
        "lost_at": lost_at,
        "loss_reason": 3,
        "loss_reason_description": reason,
    }


_PLANTED_STAGES: Final = {
    **dict(zip(ids(52118, 52123), (332, 333, 322, 331, 321, 336), strict=True)),
    **dict(zip(ids(52124, 52127), (313, 334, 323, 322), strict=True)),
}
_LOSS_REASONS = (
    *("Too expensive", "Chose a competitor; cheaper by 12 %", 'Said "not this year"', "=PRICE"),
    *("Wizz & Ryan: brak połączeń", "x" * 300),
)

_CLOSED: tuple[Case, ...] = (
    case(
        "lost_with_reason", "deals", "lost, and somebody wrote down why", "loaded: closed lost, with the reason",
        {
            row_id: _lost(_PLANTED_STAGES[row_id], reason)
            for row_id, reason in zip(ids(52118, 52123), _LOSS_REASONS, strict=True)
        },
    ),
    case(
        "lost_in_open_stage", "deals", "lost while in a stage that is not the end of its pipeline",
        "loaded: closed lost, the stage kept in a field", same(ids(52118, 52123), {}),
    ),
    case("lost_without_reason", "deals", "lost, nobody wrote why", "loaded: closed lost", same(ids(52086, 52095), {})),
    case("won", "deals", "won in its pipeline's last stage", "loaded: closed won on the day it was won", same(ids(52061, 52085), {})),
    case(
        "won_in_open_stage", "deals", "won while in a stage that is not the end of its pipeline",
        "loaded: closed won, the stage kept in a field",
        {i: _won(_PLANTED_STAGES[i], "2026-06-15T09:00:00.000000Z") for i in ids(52124, 52127)},
    ),
    case(
        "closed_around_midnight", "deals", "closed on another day in Warsaw than in UTC",
        "loaded: the day it was in the customer's time zone",
        {
            52061: {"won_at": "2026-01-31T23:30:00.000000Z"},
            52062: {"won_at": "2026-06-30T22:15:00.000000Z"},
            52086: {"lost_at": "2025-12-31T23:00:00.000000Z"},
        },
    ),
    case(
        "won_with_reason", "deals", "won, and the reason is in a custom attribute", "loaded: in a field of its own",
        each(52063, "attributes.closed_won_reason", ("Best price", "Repeat guest; knows Björn", "Wygrana z przetargu")),
    ),
    case("abandoned", "deals", "given up without being lost", "loaded: open, the status in a field", same(ids(52128, 52131), {"status": ABANDONED})),
    case("archived", "deals", "put away", "loaded: open, the status in a field", same(ids(52132, 52134), {"status": ARCHIVED})),
)  # fmt: skip

_LINKS: tuple[Case, ...] = (
    case("deal_without_contact", "deals", "a company, no contact", "loaded: without contact", same(ids(52101, 52104), {"user_id": None})),
    case("deal_without_company", "deals", "a contact, no company", "loaded: without account", same(ids(52105, 52109), {"company_id": None})),
    case(
        "deal_alone", "deals", "neither contact nor company", "loaded: on its own",
        same(ids(52110, 52111), {"user_id": None, "company_id": None}),
    ),
    case(
        "with_participants", "deals", "further contacts take part", "loaded: every participant is linked",
        {
            52112: {"participants": [41130]},
            52113: {"participants": [41131, 41132]},
            52114: {"participants": [41133, 41130]},
            52115: {"user_id": 41122, "participants": [41122, 41131]},
            52116: {"participants": [41243, 41242]},
            52117: {"participants": [41221, 41133]},
        },
    ),
    case(
        "deal_of_unmoved_contact", "deals", "its contact is rejected or excluded", "loaded: the link is listed as open",
        {52096: {"user_id": 41221}, 52097: {"user_id": 41245}, 52098: {"user_id": 41227}, 52099: {"user_id": 41201}},
    ),
    case(
        "deal_of_merged_contact", "deals", "its contact is merged into another", "loaded: linked to the survivor",
        {52001: {"user_id": 41235}, 52002: {"user_id": 41244}, 52003: {"user_id": 41239}},
    ),
    case(
        "deal_of_merged_company", "deals", "its company is merged into another", "loaded: linked to the survivor",
        {52004: {"company_id": 61062}, 52005: {"company_id": 61064}},
    ),
    case(
        "deal_of_unmoved_company", "deals", "its company has no name", "loaded: the link is listed as open",
        {52006: {"company_id": 61072}},
    ),
    case(
        "deal_makes_contact", "deals", "its contact was never contacted otherwise", "loaded: its contact is no lead",
        {52007 + n: {"user_id": user_id} for n, user_id in enumerate(ids(41123, 41129))} | {52115: {}},
    ),
    case(
        "deal_owner_gone", "deals", "assigned to somebody the account no longer lists", "queued: the admin owns it",
        same(ids(52139, 52142), {"assigned_to": catalogue.GONE_AGENT}),
    ),
    case(
        "deal_owner_not_in_target", "deals", "assigned to somebody who is no user of the target",
        "queued: the admin owns it until reassigned", same(ids(52143, 52145), {"assigned_to": catalogue.UNKNOWN_AGENT}),
    ),
    case(
        "deal_owner_inactive", "deals", "assigned to somebody inactive in the target", "queued: the admin owns it until that user is active",
        same(ids(52146, 52147), {"assigned_to": catalogue.INACTIVE_AGENT}),
    ),
    case(
        "with_products", "deals", "product ids the account no longer explains", "loaded: in a readable field",
        each(52066, "products", ([7001], [7001, 7002], [7003, 7003])),
    ),
)  # fmt: skip

_FRACTIONAL = tuple(
    i for i in ids(FIRST, LAST)
    if not float(catalogue.PROBABILITY[_PLANTED_STAGES.get(i, _stage(i))]).is_integer()
)  # fmt: skip

_VALUES: tuple[Case, ...] = (
    case(
        "probability_fraction", "deals", "in a stage whose probability is no whole number",
        "changed: rounded, and the rounding listed", same(_FRACTIONAL, {}),
    ),
    case(
        "currency_not_base", "deals", "in another currency than the target's base", "loaded: amount and currency as given",
        same((i for i in ids(FIRST, LAST) if _currency(i) != "EUR"), {}),
    ),
    case("value_zero", "deals", "worth nothing", "loaded: 0", each(52135, "value", ("0.00",))),
    case("value_huge", "deals", "a value of eleven digits", "loaded: exactly", each(52136, "value", ("98765432109.99",))),
    case("value_many_decimals", "deals", "more decimals than money has", "loaded: the two decimals the source shows", each(52137, "value", ("1234.56789",))),
    case("value_missing", "deals", "no value", "loaded: 0, as the source shows it", each(52138, "value", (None,))),
    case("deal_name_long", "deals", "a name longer than 255 characters", "listed: never cut silently", each(52148, "name", ("Round trip " * 28,))),
    case("deal_name_missing", "deals", "a name of nothing but blanks", "changed: named after its id, and listed", each(52149, "name", ("  ",))),
    case("deal_name_formula", "deals", "a name a spreadsheet would compute", "loaded: unchanged, text in sheets", each(52150, "name", ('=IMPORTDATA("x") trip',))),
    case(
        "deal_tag_long", "deals", "a tag longer than 40 characters", "listed: flagged for review",
        same((52014,), {"tag_ids": [catalogue.LONGER_TAG, 4]}),
    ),
)  # fmt: skip

CASES = (*_CLOSED, *_LINKS, *_VALUES)
