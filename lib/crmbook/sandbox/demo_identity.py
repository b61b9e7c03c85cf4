"""Cases about who a contact is: nothing to identify it by, doubtful e-mails, duplicates, names, companies.

These have a block of ids of their own (from 41201), because they decide whether a record moves at all.
"""

from crmbook.sandbox.demo_case import Case, case, each, ids, same
from crmbook.sandbox.store import Doc

_NOBODY: Doc = {
    **dict.fromkeys(
        ("custom_id", "name", "email", "phone_number", "last_contacted", "assigned_to"),
    ),
    **dict.fromkeys(("city", "region", "country", "timezone")),
    "gender": "unknown",
    "status": "visitor",
    "score": 0,
    "notifications": False,
    "web_push_subscription": False,
    "company_ids": [],
    "tag_ids": [],
    "list_ids": [],
}
_SEEN_EARLY, _SEEN_LATE = "2026-02-03T09:15:00.000000Z", "2026-10-18T16:40:00.250000Z"
_POOR: Doc = {
    **dict.fromkeys(("custom_id", "phone_number", "city", "region", "country", "timezone", "assigned_to")),
    "last_contacted": None,
    "last_seen": _SEEN_LATE,
    "list_ids": [],
}
_RICH: Doc = {
    "custom_id": "loyalty-7",
    "phone_number": "+447700900111",
    "city": "Poznań",
    "region": "Wielkopolskie",
    "country": "Poland",
    "timezone": "Europe/Warsaw",
    "assigned_to": 12,
    "last_seen": _SEEN_EARLY,
    "last_contacted": None,
    "list_ids": [],
    "attributes": {
        "plan_type": ["Family"],
        "newsletter": True,
        "loyalty_points": 410,
        "job_title": "Teacher",
        "consent_at": "2024-05-02T10:00:00.000000Z",
        "average_spend": 2310.5,
        "travel_notes": "Interested in Fjords by ferry",
        "interests": ["Hiking"],
        "birthday": "1984-06-30",
        "next_trip_at": "2027-02-11T08:00:00.000000Z",
    },
}
_BARE_ATTRIBUTES = dict.fromkeys(_RICH["attributes"])


def _member(*links: tuple[int, str | None]) -> Doc:
    return {"company_ids": [{"id": company_id, "member_since": since} for company_id, since in links]}


def _loser(change: Doc) -> Doc:
    return {**_POOR, "company_ids": [], "tag_ids": [], "attributes": _BARE_ATTRIBUTES, **change}


def _twins(email: str, seen: tuple[str, str]) -> tuple[Doc, Doc]:
    first = {**_RICH, "name": "Marta Lis", "email": email, "company_ids": [], "tag_ids": [2]}
    second = {**first, "email": email.upper()}
    return {**first, "last_seen": seen[0]}, {**second, "last_seen": seen[1]}


_PAIR_OLD_WINS = _twins("marta.lis@post.example", (_SEEN_LATE, _SEEN_LATE))
_PAIR_SEEN_WINS = _twins("ewa.sowa@post.example", (_SEEN_EARLY, _SEEN_LATE))

_DUPLICATES: dict[int, Doc] = {
    41234: {
        **_RICH,
        "name": "Jana Nováková",
        "email": "Jana.Novakova@post.example",
        "custom_id": "web-41234",
    },
    41235: _loser({"name": "J. Nováková", "email": "jana.novakova@POST.example", "tag_ids": [6, 8]}),
    41236: _loser({"name": "Emil H.", "email": " emil.holm@mail.example", **_member((61003, _SEEN_EARLY))}),
    41237: {**_RICH, "name": "Emil Holm", "email": "emil.holm@mail.example ", "custom_id": "web-41237"},
    41238: {**_PAIR_OLD_WINS[0], "custom_id": "web-41238"},
    41239: {**_PAIR_OLD_WINS[1], "custom_id": "web-41239"},
    41240: {**_PAIR_SEEN_WINS[0], "custom_id": "web-41240"},
    41241: {**_PAIR_SEEN_WINS[1], "custom_id": "web-41241"},
    41242: _loser({"name": "Ingrid M.", "email": "INGRID.MOE@inbox.example", **_member((61004, None))}),
    41243: {**_RICH, "name": "Ingrid Moe", "email": "ingrid.moe@inbox.example", "custom_id": "web-41243"},
    41244: _loser({"name": "I. Moe", "email": "\tingrid.moe@inbox.example ", "tag_ids": [3]}),
}
# What the winners lack and a loser knows.
_DUPLICATES[41234]["phone_number"] = None
_DUPLICATES[41235]["phone_number"] = "+447700900135"
DUPLICATE_LOSERS = (41235, 41236, 41239, 41240, 41242, 41244)

CASES: tuple[Case, ...] = (
    case(
        "chat_only", "users", "a visitor who only ever wrote in the chat", "excluded: chat_only",
        same(ids(41201, 41208), {**_NOBODY, "attributes": _BARE_ATTRIBUTES}),
    ),
    case(
        "push_only", "users", "a browser that accepted web push, nothing else", "excluded: push_only",
        same(ids(41209, 41212), {**_NOBODY, "web_push_subscription": True, "attributes": _BARE_ATTRIBUTES}),
    ),
    case(
        "unidentified", "users", "an anonymous visitor", "excluded: unidentified",
        same(ids(41213, 41220), {**_NOBODY, "attributes": _BARE_ATTRIBUTES}),
    ),
    case(
        "phone_only", "users", "a telephone number, no e-mail and no customer id", "rejected: no e-mail",
        {
            i: {"email": "" if i == 41226 else None, "custom_id": None, "phone_number": f"+4477009002{i % 100}"}
            for i in ids(41221, 41226)
        },
    ),
    case(
        "user_id_only", "users", "a customer id, no e-mail and no telephone", "rejected: no e-mail",
        {i: {"email": None, "phone_number": None, "custom_id": f"erp-{i}"} for i in ids(41227, 41231)},
    ),
    case(
        "visitor_with_email", "users", "still a visitor by status, but left an e-mail", "loaded: as any contact",
        same(ids(41232, 41233), {"status": "visitor"}),
    ),
    case(
        "duplicate_email", "users", "one e-mail in other case or with blanks: four pairs and a triple",
        "merged: into the most complete, most recently seen, lowest id", _DUPLICATES,
    ),
    case(
        "duplicate_email_loser", "users", "the records of a duplicate e-mail that do not survive",
        "merged: deals, tags, company links and missing fields go to the survivor", same(DUPLICATE_LOSERS, {}),
    ),
    case(
        "invalid_email", "users", "an e-mail no mail server takes", "rejected: invalid e-mail",
        each(
            41245, "email",
            (
                *("jan.kowalski", "anna@@mail.example", "@mail.example", "kurt@", "no e-mail"),
                *("petra klein@mail.example", "ola@mail..example", "a@mail.example, b@mail.example"),
            ),
        ),
    ),
    case(
        "unusual_email", "users", "an e-mail that looks odd and is valid", "loaded: unchanged but for blanks",
        each(
            41253, "email",
            ("o'neil+trips@mail.example", "grand-hotel_7@sub.post.example", "  Nora.Lund@inbox.example  "),
        ),
    ),
    case(
        "several_companies", "users", "a member of two to four companies",
        "loaded: every link, exactly one primary, the oldest membership",
        {
            41256: _member((61001, "2023-04-01T08:00:00.000000Z"), (61002, "2024-04-01T08:00:00.000000Z")),
            41257: _member((61002, "2023-05-01T08:00:00.000000Z"), (61061, "2023-06-01T08:00:00.000000Z")),
            41258: _member(
                (61005, "2023-04-02T08:00:00.000000Z"), (61006, "2023-04-03T08:00:00.000000Z"),
                (61007, "2023-04-04T08:00:00.000000Z"), (61008, "2023-04-05T08:00:00.000000Z"),
            ),
            41259: _member((61061, "2024-01-01T00:00:00.000000Z"), (61062, "2024-01-02T00:00:00.000000Z")),
            41260: _member(
                (61009, "2025-09-01T08:00:00.000000Z"), (61010, "2023-04-01T08:00:00.000000Z"),
                (61011, "2024-02-01T08:00:00.000000Z"),
            ),
            41261: _member((61012, None), (61013, "2024-07-01T08:00:00.000000Z")),
        },
    ),
    case(
        "member_since_unordered", "users", "the oldest membership is not the first in the list",
        "loaded: the oldest membership is primary", same((41260,), {}),
    ),
    case(
        "member_since_missing", "users", "a membership without a date", "loaded: the dated membership is primary",
        same((41261,), {}),
    ),
    case(
        "company_not_moved", "users", "a member of a company that has no name", "listed: the link has no target",
        {41262: _member((61072, "2024-03-01T08:00:00.000000Z"))},
    ),
    case(
        "name_one_word", "users", "one word for a name", "loaded: as last name",
        each(41263, "name", ("Zdzisława", "Björk")),
    ),
    case(
        "name_long", "users", "a name longer than 40 characters", "loaded: whole",
        each(
            41265, "name",
            ("María de los Ángeles Fernández-Villaverde y Ruiz de Alarcón", f"Hubert {'Blaine' * 60}"),
        ),
    ),
    case(
        "name_emoji", "users", "signs outside the basic plane in a name", "loaded: unchanged",
        each(41267, "name", ("Ania 🧳✈️ Podróżniczka",)),
    ),
    case(
        "name_html", "users", "markup in a name", "loaded: as text, escaped wherever a page shows it",
        each(41268, "name", ('<b onclick="alert(1)">Rolf</b> <script>alert(2)</script>',)),
    ),
    case(
        "name_formula", "users", "a name a spreadsheet would take for a formula",
        "loaded: unchanged, and text in every sheet a person opens",
        each(41269, "name", ("=1+1 Nowak", "+48 Klient", "-Anna Lis", "@Jan Lis")),
    ),
    case("name_missing", "users", "no name", "loaded: with what the e-mail gives", each(41273, "name", (None, "   "))),
    case(
        "name_blanks", "users", "tabs, line ends, no-break and zero-width blanks in a name",
        "changed: single blanks", each(41275, "name", ("Łukasz\t Nowak\u00a0", "Eva\r\nRichter", "Jo\u200bsé  Gil")),
    ),
    case(
        "name_decomposed", "users", "accents as combining marks", "changed: composed",
        each(41278, "name", ("Zoe\u0308 Lefe\u0300vre",)),
    ),
    case(
        "name_other_script", "users", "names in other scripts and directions", "loaded: unchanged",
        each(41279, "name", ("李 小龙", "محمد العلي", "Дмитро Шевченко", "Ελένη Παππά")),
    ),
)  # fmt: skip
