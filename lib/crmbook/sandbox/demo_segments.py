"""The demo account's six segments: dynamic in the source, so their members follow from the contacts.

One is empty, one is named like a list, and some have members that do not survive the migration.
"""

from collections.abc import Callable
from typing import Final

from crmbook.sandbox.demo_case import Case, case, same
from crmbook.sandbox.store import Doc

_RULES: Final[tuple[tuple[int, str, str, Callable[[Doc], bool]], ...]] = (
    (501, "With email", "E-mail is set", lambda person: bool(person["email"])),
    (502, "VIP guests", "Is VIP is t", lambda person: person["attributes"].get("is_vip") == "t"),
    (503, "Poland, newsletter", "Country is Poland and Newsletter is true",
     lambda person: person["country"] == "Poland" and person["attributes"].get("newsletter") is True),
    (504, "Visitors", "Status is visitor", lambda person: person["status"] == "visitor"),
    (505, "Score over 1000", "Score is greater than 1000", lambda person: person["score"] > 1000),
    (506, "=Hot leads: next 30 days", "Score is greater than 100", lambda person: person["score"] > 100),
)  # fmt: skip


def segments(people: list[Doc]) -> list[Doc]:
    return [
        {
            "id": segment_id,
            "name": name,
            "description": description,
            "user_ids": [person["id"] for person in people if is_member(person)],
        }
        for segment_id, name, description, is_member in _RULES
    ]


CASES: tuple[Case, ...] = (
    case("segment_empty", "segments", "nobody is in it", "loaded: as an empty list", same((505,), {})),
    case("segment_named_like_list", "segments", "a list has the same name", "changed: another name", same((502,), {})),
    case(
        "segment_with_unmoved", "segments", "some members are excluded, rejected or merged",
        "listed: the members that did not move", same((501, 503, 504), {}),
    ),
    case("segment_formula", "segments", "a name a spreadsheet would compute", "loaded: unchanged", same((506,), {})),
)  # fmt: skip
