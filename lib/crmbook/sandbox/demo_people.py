"""The demo account's 300 contacts: ordinary people, then the cases of the two sibling modules planted in.

Who is engaged is decided here, by id: only engaged contacts get deals, calls, meetings, opened mails and
conversations from the other generators, so that both sides of the Lead/Contact split are well filled. The
cases may say otherwise for a named contact.
"""

import unicodedata
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox import demo_words as words
from crmbook.sandbox.demo_case import NOW, between, draw, ids, planted, sometimes, stamp
from crmbook.sandbox.demo_companies import ORDINARY as ORDINARY_COMPANIES
from crmbook.sandbox.demo_identity import CASES as IDENTITY
from crmbook.sandbox.demo_values import CASES as VALUES
from crmbook.sandbox.store import Doc

FIRST, LAST = 41001, 41300
CASES = (*IDENTITY, *VALUES)

# Contacts no generator may engage: cases, and everyone whose history must stay exactly as planted.
QUIET: Final = frozenset({*ids(41122, 41148), *ids(41201, 41252)})
_OPENED = datetime(2023, 3, 1, tzinfo=UTC)


def people(seed: int) -> list[Doc]:
    return planted([_person(seed, row_id) for row_id in ids(FIRST, LAST)], CASES)


def engaged(seed: int) -> list[int]:
    """The contacts that history may be given to, in order of id."""
    return [i for i in ids(FIRST, LAST) if i not in QUIET and _is_engaged(seed, i)]


def _is_engaged(seed: int, row_id: int) -> bool:
    return sometimes(draw(seed, "engaged", row_id), 0.44)


def _person(seed: int, row_id: int) -> Doc:
    rng = draw(seed, "users", row_id)
    place = rng.choice(words.PLACES)
    gender = rng.choice(("female", "male"))
    given = rng.choice(words.GIVEN[place.language][gender])
    family = rng.choice(words.FAMILY[place.language])
    number = row_id - FIRST
    created = between(rng, _OPENED, NOW - timedelta(days=90))
    seen = between(rng, created, NOW)
    contacted = row_id not in QUIET and _is_engaged(seed, row_id)
    return {
        "id": row_id,
        "custom_id": f"web-{row_id}" if sometimes(rng, 0.7) else None,
        "user_key": f"{rng.getrandbits(48):012x}",
        "name": f"{given} {family}",
        "email": f"{_ascii(given)}.{_ascii(family)}{number}@{rng.choice(words.MAIL_DOMAINS)}",
        "phone_number": place.phone.format(number % 100) if sometimes(rng, 0.6) else None,
        "gender": gender if sometimes(rng, 0.8) else "unknown",
        "status": "user",
        "first_seen": stamp(created),
        "last_seen": stamp(seen),
        "last_contacted": stamp(between(rng, created, NOW)) if contacted else None,
        "page_views": rng.randrange(400),
        "score": rng.randrange(120 if contacted else 60),
        "unsubscribed": False,
        "notifications": sometimes(rng, 0.7),
        "web_push_subscription": sometimes(rng, 0.1),
        "created_at": stamp(created),
        "updated_at": stamp(between(rng, seen, NOW)),
        "city": place.city,
        "region": place.region,
        "country": place.country,
        "timezone": place.time_zone,
        "assigned_to": rng.choice((*catalogue.ACTIVE_AGENTS, None)),
        "company_ids": _memberships(rng, created),
        "tag_ids": sorted(rng.sample(catalogue.PLAIN_TAGS, rng.choice((0, 0, 1, 1, 2, 4)))),
        "list_ids": [201] if sometimes(rng, 0.4) else [],
        "attributes": _attributes(rng, created),
    }


def _memberships(rng: Random, created: datetime) -> list[Doc]:
    if not sometimes(rng, 0.6):
        return []
    return [{"id": rng.choice(ORDINARY_COMPANIES), "member_since": stamp(created + timedelta(hours=1))}]


def _attributes(rng: Random, created: datetime) -> Doc:
    optional: Doc = {
        "plan_type": [rng.choice(catalogue.PLAIN_PLANS)],
        "interests": sorted(rng.sample(catalogue.PLAIN_INTERESTS, rng.randrange(1, 4))),
        "newsletter": sometimes(rng, 0.5),
        "loyalty_points": rng.randrange(5000),
        "birthday": (datetime(1972, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(12000))).strftime(
            "%Y-%m-%d"
        ),
        "next_trip_at": stamp(NOW + timedelta(days=rng.randrange(1, 300))),
        "consent_at": stamp(created),
        "average_spend": rng.randrange(10_000, 900_000) / 100,
        "job_title": rng.choice(words.JOBS),
        "travel_notes": f"Interested in {rng.choice(words.TRIPS)}",
    }
    return {name: value for name, value in optional.items() if sometimes(rng, 0.55)}


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("ł", "l").replace("Ł", "L").replace("ß", "ss"))
    return "".join(c for c in plain if c.isascii() and c.isalpha()).lower()
