"""The demo account's 90 companies: ordinary ones, then those that share a name or hold what no field takes.

Contacts and deals of the generators belong to ORDINARY companies only; memberships of the others are planted.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox import demo_words as words
from crmbook.sandbox.demo_case import (
    NOW,
    Case,
    between,
    case,
    draw,
    each,
    ids,
    planted,
    same,
    sometimes,
    stamp,
)
from crmbook.sandbox.store import Doc

FIRST, LAST = 61001, 61090
ORDINARY: Final = tuple(ids(61001, 61055))
COMPANY_IN_TARGET, WEBSITE_IN_TARGET = "Zebra Freight Ltd", "https://zebra-freight.example"


def companies(seed: int) -> list[Doc]:
    return planted([_company(seed, row_id) for row_id in ids(FIRST, LAST)], CASES)


def _company(seed: int, row_id: int) -> Doc:
    rng = draw(seed, "companies", row_id)
    number = row_id - FIRST
    place = rng.choice(words.PLACES)
    first, last = words.COMPANY_FIRST[number % 16], words.COMPANY_LAST[(number + number // 16) % 11]
    created = between(rng, datetime(2023, 1, 10, tzinfo=UTC), NOW - timedelta(days=200))
    optional: Doc = {
        "website": f"https://www.firma-{number}.example",
        "industry": [rng.choice(catalogue.INDUSTRIES)],
        "annual_revenue": rng.randrange(10**5, 10**9) / 100,
        "partner_since": stamp(created)[:10],
        "is_agency": sometimes(rng, 0.2),
        "fleet_size": rng.randrange(40),
        "contract": f'{{"number": "K/{number}/2025", "discount": {rng.randrange(15)}}}',
        "last_audit_at": stamp(between(rng, created, NOW)),
    }
    return {
        "id": row_id,
        "custom_id": f"erp-c-{row_id}" if sometimes(rng, 0.5) else None,
        "name": f"{first} {last} {words.COMPANY_FORM[number % 7]}",
        "description": f"Books {rng.choice(words.TRIPS)}" if sometimes(rng, 0.4) else None,
        "email": f"office@firma-{number}.example" if sometimes(rng, 0.5) else None,
        "country": place.country,
        "region": place.region,
        "city": place.city,
        "address": rng.choice(words.STREETS).format(rng.randrange(1, 120)),
        "postal_code": f"{rng.randrange(10, 99)}-{rng.randrange(100, 999)}",
        "size": rng.choice((None, 3, 12, 45, 180, 950)),
        "phone_numbers": [place.phone.format(number % 100)],
        "tag_ids": [rng.choice(catalogue.PLAIN_TAGS)] if sometimes(rng, 0.4) else [],
        "created_at": stamp(created),
        "updated_at": stamp(between(rng, created, NOW)),
        "attributes": {name: value for name, value in optional.items() if sometimes(rng, 0.7)},
    }


def _named(name: str, website: str | None) -> Doc:
    return {"name": name, "attributes": {"website": website}}


_TWINS: dict[int, Doc] = {
    61061: _named("Blue Heron Events", "https://blueheron.example"),
    61062: _named("Blue Heron Events", "https://blueheron.example"),
    61063: _named("Puszcza Outdoor", "http://www.puszcza.example/"),
    61064: _named("Puszcza Outdoor", "HTTPS://Puszcza.example"),
    61070: _named("Amber Coast", "https://ambercoast.example"),
    61071: _named(" amber  coast", "https://ambercoast.example"),
}
_NAMESAKES: dict[int, Doc] = {
    61065: _named("Globus", "https://globus-pl.example"),
    61066: _named("Globus", "https://globus-de.example"),
    61067: _named("Horizont", "https://horizont-a.example"),
    61068: _named("Horizont", "https://horizont-b.example"),
    61069: _named("Horizont", None),
}

CASES: tuple[Case, ...] = (
    case(
        "same_name_same_website", "companies", "one company entered twice; the web site is written differently",
        "merged: links, deals and tags go to the survivor", _TWINS,
    ),
    case(
        "same_name_other_website", "companies", "different companies of one name",
        "changed: a suffix where the target wants names unique", _NAMESAKES,
    ),
    case(
        "company_name_blank", "companies", "a name of nothing but blanks", "rejected: no name",
        each(61072, "name", ("   ", "\t\u00a0")),
    ),
    case(
        "company_name_formula", "companies", "a name a spreadsheet would compute",
        "loaded: unchanged, text in every sheet", each(61074, "name", ("=SUM(A1:A9) Travel",)),
    ),
    case(
        "company_name_over_255", "companies", "a name longer than the target takes", "listed: never cut silently",
        each(61075, "name", (f"Przedsiębiorstwo {'Wielobranżowe ' * 19}Import-Eksport",)),
    ),
    case(
        "company_name_over_40", "companies", "a name longer than 40 characters", "loaded: whole",
        each(61076, "name", ("Stowarzyszenie Miłośników Kolei Wąskotorowych i Parowozów",))
        | same((61075,), {}),
    ),
    case(
        "phone_numbers_null", "companies", "null instead of a list of telephone numbers", "loaded: no number",
        each(61077, "phone_numbers", (None, None, None)),
    ),
    case(
        "phone_numbers_empty", "companies", "an empty list of telephone numbers", "loaded: no number",
        each(61080, "phone_numbers", ([], [], [])),
    ),
    case(
        "phone_numbers_several", "companies", "more than one telephone number", "loaded: all of them",
        each(
            61083, "phone_numbers",
            (
                ["+447700900401", "+447700900402"],
                ["030 23125 401", "+49 (0)30 23125402", "reception"],
                ["+447700900403", "+447700900403"],
            ),
        ),
    ),
    case(
        "account_in_target", "companies", "the target has an account of this name already",
        "loaded: into the existing record",
        same((61086,), _named(COMPANY_IN_TARGET, WEBSITE_IN_TARGET)),
    ),
    case(
        "website_bare", "companies", "a web site without a scheme, or none at all",
        "changed: completed, or listed as no web site", each(61087, "attributes.website", ("firma-87.example", "none yet")),
    ),
    case(
        "company_tag_long", "companies", "a tag longer than 40 characters", "listed: flagged for review",
        same((61089,), {"tag_ids": [catalogue.LONG_TAG]}),
    ),
    case(
        "description_long", "companies", "a description longer than a text field takes",
        "loaded: in a text area, whole", each(61090, "description", ("Coach trips for clubs. " * 40,)),
    ),
    case(
        "description_html", "companies", "markup in a description", "loaded: as text",
        each(61056, "description", ("<p>Pays <b>late</b> &amp; in cash</p>",)),
    ),
    case(
        "size_odd", "companies", "a headcount of nobody, or of a continent", "loaded: as given",
        each(61057, "size", (0, 450_000_000)),
    ),
    case(
        "company_country_free_text", "companies", "a country as somebody typed it", "loaded: as given",
        each(61059, "country", ("polska", "U.S.A.")),
    ),
)  # fmt: skip
