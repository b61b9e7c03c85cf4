"""Cases about what a contact's fields hold: custom attributes of every type, dates, phones, tags, owners.

They sit on ordinary contacts (41001 to 41199), so that the mess is spread over leads and contacts alike.
"""

from typing import Final

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox.demo_case import Case, case, each, ids, same

LONG_TEXT: Final = "Zażółć gęślą jaźń; the guest asked again about the visa. "

_FIELDS: tuple[Case, ...] = (
    case(
        "boolean_as_text", "users", "t or f in a text attribute", "loaded: by decision a checkbox",
        each(41001, "attributes.is_vip", "ttfftftfffttftfftttf"),
    ),
    case(
        "empty_text", "users", "an attribute that is there and empty", "loaded: as no value",
        each(41021, "attributes.travel_notes", ("", "   ", "\n")),
    ),
    case(
        "choice_punctuation", "users", "a choice holding commas, quotes, braces or semicolons",
        "loaded: verbatim, the choice created before the value",
        each(41025, "attributes.plan_type", [[plan] for plan in catalogue.HARD_PLANS * 2]),
    ),
    case(
        "choices_punctuation", "users", "several choices, some holding the separators of exports",
        "loaded: every choice verbatim",
        each(
            41117, "attributes.interests",
            [["Food", plain] for plain in catalogue.HARD_INTERESTS[:4]] + [list(catalogue.HARD_INTERESTS)],
        ),
    ),
    case(
        "choice_empty", "users", "a choice attribute with no choice in it", "loaded: as no value",
        each(41150, "attributes.interests", ([], [], [])),
    ),
    case(
        "datetime_offset", "users", "a moment written with an offset instead of Z", "loaded: the same instant",
        each(
            41033, "attributes.next_trip_at",
            (
                *("2027-01-10T08:00:00+01:00", "2027-07-01T23:30:00-07:00", "2027-03-05T00:15:00+05:30"),
                *("2026-12-31T23:59:59.999999+00:00", "2027-02-28T20:00:00-0330", "2027-04-01 06:00:00+02"),
            ),
        )
        | same(ids(41046, 41047), {}),
    ),
    case(
        "date_extreme", "users", "a date before 1970 or far ahead", "loaded: unchanged",
        each(41039, "attributes.birthday", ("1969-12-31", "1931-02-28", "2099-12-31")),
    ),
    case(
        "datetime_dst_night", "users", "a moment in the night the clocks change in Warsaw",
        "loaded: the same instant, both 02:30 apart",
        each(
            41042, "attributes.next_trip_at",
            (
                *("2025-10-26T00:30:00.000000Z", "2025-10-26T01:30:00.000000Z"),
                *("2026-03-29T00:59:59.999999Z", "2026-03-29T01:00:00.000000Z"),
                *("2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00"),
            ),
        ),
    ),
    case(
        "json_property", "users", "JSON as text", "loaded: as text; parts of it extracted by decision",
        each(
            41048, "attributes.preferences",
            (
                *('{"seat": "window", "meals": ["vegan", "kosher"], "nights": 7}', '["aisle", "quiet"]'),
                *('{"seat": "aisle", "address": {"city": "Łódź", "zip": "90-001"}}', '{"nights": 3.5}', "{}"),
                *('{"seat": null, "note": "said \\"no stairs\\""}', '"just a text"', "[]", "12", "null"),
            ),
        ),
    ),
    case(
        "json_malformed", "users", "a JSON attribute that is not JSON", "listed: kept as text",
        each(41058, "attributes.preferences", ("{'seat': 'window'",)),
    ),
    case(
        "text_over_256", "users", "a text longer than a text field takes", "loaded: in a text area, whole",
        each(41059, "attributes.travel_notes", [LONG_TEXT * n for n in (5, 12, 100)]),
    ),
    case(
        "text_over_10000", "users", "a text longer than any field takes", "listed: whole in a note, never cut",
        each(41062, "attributes.travel_notes", (LONG_TEXT * 200,)),
    ),
    case(
        "integer_beyond_float", "users", "a whole number no float holds exactly", "loaded: to the last digit",
        each(41063, "attributes.loyalty_points", (2**53 + 1,)),
    ),
    case(
        "names_collide", "users", "two attributes whose names differ by a hyphen", "loaded: in two fields",
        {
            41064 + n: {"attributes": {"lead_source": [source], "lead-source": f"import {n}, {source.upper()}"}}
            for n, source in enumerate(catalogue.LEAD_SOURCES)
        },
    ),
    case(
        "standard_name", "users", "an attribute named like a standard key", "listed: version 2 shows the standard value only",
        each(41070, "attributes.region", ("EMEA", "DACH", "Nordics", "EMEA")),
    ),
    case(
        "float_exact", "users", "a float with more digits than money has, or below zero", "loaded: within four decimals",
        each(41153, "attributes.average_spend", (0.30000000000000004, 1234.56789, -12.5)),
    ),
    case(
        "formula_value", "users", "a text value a spreadsheet would compute", "loaded: unchanged, text in sheets",
        each(41156, "attributes.job_title", ('=cmd|"/c calc"!A1', "@SUM(1)", "+1 host")),
    ),
)  # fmt: skip

_STANDARD: tuple[Case, ...] = (
    case(
        "country_free_text", "users", "a country as somebody typed it", "loaded: as given",
        each(41074, "country", ("usa", "india", "Polska", "POLAND ", "Deutschland", "UK", "pl", "-")),
    ),
    case(
        "phone_national", "users", "a telephone number without its country", "loaded: as given",
        each(41082, "phone_number", ("020 7946 0123", "06 39 98 12 34", "(202) 555-0147")),
    ),
    case(
        "phone_junk", "users", "words or more than a number where a telephone number belongs",
        "changed: what is no number is listed, never guessed",
        each(41085, "phone_number", ("call after 6 pm", "n/a", "+44 7700 900321 ext. 12 / +44 7700 900322")),
    ),
    case(
        "phone_empty", "users", "an empty text instead of no telephone number", "loaded: as no value",
        each(41088, "phone_number", ("",)),
    ),
    case("unsubscribed", "users", "wants no mail", "loaded: still wants none", same(ids(41089, 41098), {"unsubscribed": True})),
    case(
        "tag_long", "users", "a tag longer than 40 characters", "listed: flagged for review before the load",
        same(ids(41099, 41101), {"tag_ids": [1, catalogue.LONG_TAG, catalogue.LONGER_TAG]}),
    ),
    case("tag_formula", "users", "a tag a spreadsheet would compute", "loaded: verbatim", same((41102,), {"tag_ids": [catalogue.FORMULA_TAG]})),
    case(
        "tag_case_twins", "users", "two tags that differ in case only", "loaded: both, verbatim",
        same((41103,), {"tag_ids": [catalogue.VIP_UPPER, catalogue.VIP_LOWER, catalogue.COMMA_TAG]}),
    ),
    case(
        "owner_gone", "users", "assigned to somebody the account no longer lists", "queued: the admin owns it",
        same(ids(41104, 41107), {"assigned_to": catalogue.GONE_AGENT}),
    ),
    case(
        "owner_not_in_target", "users", "assigned to somebody who is no user of the target",
        "queued: the admin owns it until reassigned", same(ids(41108, 41112), {"assigned_to": catalogue.UNKNOWN_AGENT}),
    ),
    case(
        "owner_inactive", "users", "assigned to somebody inactive in the target", "queued: the admin owns it until that user is active",
        same(ids(41113, 41116), {"assigned_to": catalogue.INACTIVE_AGENT}),
    ),
    case(
        "email_in_target", "users", "the target has this e-mail already, in other case",
        "loaded: into the existing record",
        same((41149,), {"name": "Sofia Brandt", "email": "Sofia.Brandt@post.example"}),
    ),
)  # fmt: skip

_SPLIT: tuple[Case, ...] = (
    case(
        "contact_by_deal", "users", "never contacted, but has a deal", "loaded: as contact, not lead",
        same(ids(41122, 41129), {}),
    ),
    case(
        "contact_by_participation", "users", "never contacted, takes part in somebody's deal",
        "loaded: as contact, not lead", same(ids(41130, 41133), {}),
    ),
    case(
        "contact_by_call", "users", "never contacted by the record, but a call or meeting is on file",
        "loaded: as contact, not lead", same(ids(41134, 41137), {}),
    ),
    case(
        "contact_by_mail", "users", "never contacted by the record, but opened a mail",
        "loaded: as contact, not lead", same(ids(41138, 41139), {}),
    ),
    case(
        "lead_with_chat", "users", "no engagement but a conversation", "loaded: as lead, the talk in a note",
        same(ids(41140, 41143), {}),
    ),
    case(
        "lead_with_events", "users", "no engagement but events of the web site", "loaded: as lead, with its events",
        same(ids(41144, 41148), {}),
    ),
)  # fmt: skip

CASES = (*_FIELDS, *_STANDARD, *_SPLIT)
