"""The source client: both versions into one shape, pages to their end, and nothing hostile gets through."""

import json
from datetime import UTC, datetime

import httpx
import pytest
import stamina
from hypothesis import event, given, settings
from hypothesis import strategies as st

from crmbook.errors import AuthError, DataError, NotFound, UsageError
from crmbook.sandbox import demo
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.usercom import ROUTES, UNVERIFIED, UserCom

BASE = "http://127.0.0.1/api/public/"
TOKEN = "k" * 64


@pytest.fixture(autouse=True)
def no_backoff():
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def account(answers, seen=None):
    """A client whose server answers by path and query; what isn't there is a 404."""

    def handler(request):
        if seen is not None:
            seen.append(request)
        key = request.url.raw_path.decode().removeprefix("/api/public/")
        if key not in answers:
            return httpx.Response(404, json={"detail": "Not found."})
        body = answers[key]
        return body if isinstance(body, httpx.Response) else httpx.Response(200, json=body)

    return UserCom(BASE, TOKEN, requests_per_second=1000, transport=httpx.MockTransport(handler))


def page(*results, count=None, following=None):
    return {"count": len(results) if count is None else count, "next": following, "previous": None,
            "results": list(results)}  # fmt: skip


TIME = "2024-01-02T03:04:05.000006Z"
USER_V2 = {
    "id": 501, "custom_id": "crm-77", "user_key": "a1b2c3d4e5f6", "name": "Ola Nowak", "email": "ola@example.com",
    "phone_number": "", "gender": "female", "status": "user", "first_seen": None, "page_views": 3, "score": 0,
    "unsubscribed": False, "notifications": True, "assigned_to": 12, "city": None,
    "companies": [{"id": 9, "name": "Acme", "member_since": TIME}], "lists": [{"id": 3, "name": "News"}],
    "tags": [{"id": 5, "name": "vip"}], "created_at": TIME, "updated_at": TIME,
    "plan_type": "pro", "is_trial": False, "interests": ["a", "b"],
}  # fmt: skip
USER_V1 = {
    **{k: v for k, v in USER_V2.items() if k not in ("custom_id", "user_key", "plan_type", "is_trial", "interests")},
    "user_id": "crm-77", "key": "a1b2c3d4e5f6", "chat_id": "deprecated",
    "attributes": [
        {"id": 1, "name": "Plan type", "name_std": "plan_type", "value": "pro", "value_type": 4},
        {"id": 2, "name": "Is trial", "name_std": "is_trial", "value": False},
        {"id": 3, "name": "Interests", "name_std": "interests", "value": ["a", "b"]},
    ],
}  # fmt: skip
COMPANY_V2 = {"id": 9, "custom_id": "c9", "name": "Acme", "size": 11, "phone_numbers": None, "employees": [501],
              "tags": [], "industry": "toys"}  # fmt: skip
COMPANY_V1 = {"id": 9, "company_id": "c9", "name": "Acme", "approx_employees": 11, "phone_numbers": None,
              "employees": [501], "tags": [],
              "attributes": [{"id": 1, "name": "Industry", "name_std": "industry", "value": "toys"}]}  # fmt: skip
DEAL_V2 = {"id": 4, "custom_id": "d4", "name": "Big", "value": "1250.00", "currency": "EUR", "pipeline": 1, "stage": 2,
           "status": 1, "assigned_to": 12, "user_id": 501, "user_custom_id": "crm-77", "company_id": 9,
           "company_custom_id": "c9", "products": [1], "products_custom_id": ["p1"], "participants": [502],
           "expected_close_date": "2024-05-01", "person": "a custom attribute"}  # fmt: skip
DEAL_V1 = {"id": 4, "deal_id": "d4", "name": "Big", "value": "1250.00", "currency": "EUR", "pipeline": 1, "stage": 2,
           "status": "1", "assigned_to": 12, "person": 501, "user_id": "crm-77", "company": 9,
           "company_deal_id": "c9", "products": [1], "products_deal_id": ["p1"], "participants": [502],
           "expected_close_date": "2024-05-01", "activities_status_updated_at": None,
           "attributes": [{"id": 1, "name": "P", "name_std": "person", "value": "a custom attribute"}]}  # fmt: skip
ACTIVITY_V2 = {"id": 6, "activity_type": 2, "name": "Call", "due_date": TIME, "duration": 30, "done": True,
               "assigned_to": 12, "user_id": 501, "company_id": 9, "deal_id": 4}  # fmt: skip
ACTIVITY_V1 = {"id": 6, "activity_type": 2, "name": "Call", "datetime": TIME, "duration": 30, "done": True,
               "assigned_to": 12, "person": 501, "company": 9, "deal": 4}  # fmt: skip
EVENT_V2 = {"id": 8, "user_id": 501, "name": "paid", "event_id": 3, "timestamp": TIME, "data": {"sum": 3}}
EVENT_V1 = {"id": 8, "client": 501, "event": "paid", "event_id": 3, "timestamp": TIME,
            "items": [{"key": "sum", "value": 3}]}  # fmt: skip


@pytest.mark.parametrize(
    ("entity", "v2", "v1"),
    [
        ("users", USER_V2, USER_V1),
        ("companies", COMPANY_V2, COMPANY_V1),
        ("deals", DEAL_V2, DEAL_V1),
        ("activities", ACTIVITY_V2, ACTIVITY_V1),
        ("events", EVENT_V2, EVENT_V1),
    ],
)
def test_both_versions_of_an_object_have_one_shape(entity, v2, v1):
    """`user_id` and `company_id` change their meaning between versions; the shape doesn't."""
    assert shape.canonical(entity, v1) == shape.canonical(entity, v2)


def test_a_user_keeps_every_value_under_its_canonical_key():
    """References are text, custom attributes stand apart, what wasn't sent is null."""
    fields = shape.canonical("users", USER_V2)
    assert (fields["id"], fields["custom_id"], fields["user_key"], fields["assigned_to"]) == (
        "501",
        "crm-77",
        "a1b2c3d4e5f6",
        "12",
    )
    assert (fields["companies"], fields["lists"], fields["tags"]) == (
        [{"id": "9", "name": "Acme", "member_since": TIME}],
        [{"id": "3", "name": "News"}],
        [{"id": "5", "name": "vip"}],
    )
    assert fields["attributes"] == {"plan_type": "pro", "is_trial": False, "interests": ["a", "b"]}
    assert (fields["phone_number"], fields["web_push_subscription"], fields["last_heard"]) == ("", None, None)


def test_a_deal_refers_to_the_vendors_ids_in_both_versions():
    """Never to the client's own ids."""
    for deal in (DEAL_V1, DEAL_V2):
        fields = shape.canonical("deals", deal)
        assert (
            fields["user_id"],
            fields["user_custom_id"],
            fields["company_id"],
            fields["company_custom_id"],
        ) == (
            "501",
            "crm-77",
            "9",
            "c9",
        )


@pytest.mark.parametrize(
    ("declared", "expected"),
    [(None, ("Ola Nowak", {})), ({"first_name"}, ("Nowak", {"first_name": "Ola"}))],
    ids=["unknown", "custom"],
)
def test_a_key_that_is_sometimes_standard_is_custom_where_it_is_declared(declared, expected):
    """Whether version 2 returns `first_name` is unknown; the account's list of attributes decides."""
    fields = shape.canonical("users", {"id": 1, "first_name": "Ola", "last_name": "Nowak"}, declared)
    assert (fields["name"], fields["attributes"]) == expected


def test_a_custom_attribute_may_be_called_attributes():
    """Only objects with a name_std make it the version 1 list."""
    fields = shape.canonical("users", {"id": 1, "custom_id": None, "attributes": ["a", "b"]})
    assert fields["attributes"] == {"attributes": ["a", "b"]}


@pytest.mark.parametrize(
    ("items", "data"),
    [
        ({"a": 1}, {"a": 1}),
        ([{"key": "a", "value": 1}, {"key": "a", "value": 2}], {"a": [1, 2]}),
        ([{"a": 1}, {"b": None}], {"a": 1, "b": None}),
        ([["a", 1]], {"a": 1}),
        (None, None),
        ([], {}),
    ],
    ids=["object", "repeated", "pairs-as-objects", "pairs", "null", "empty"],
)
def test_the_data_of_an_event_keeps_every_value(items, data):
    """The form of `items` isn't documented; a repeated key collects its values."""
    assert shape.canonical("events", {"id": 1, "client": 2, "items": items})["data"] == data


@pytest.mark.parametrize(
    ("entity", "obj", "key", "value"),
    [
        ("users", {"gender": 3}, "gender", "female"),
        ("users", {"status": 1}, "status", "visitor"),
        ("users", {"tags": ["vip"]}, "tags", [{"id": None, "name": "vip"}]),
        ("users", {"companies": ["Acme"]}, "companies", [{"id": None, "name": "Acme", "member_since": None}]),
        ("users", {"custom_id": 77}, "custom_id", "77"),
        ("deals", {"value": 1250.5}, "value", "1250.5"),
        ("deals", {"status": "2"}, "status", 2),
        ("events", {"timestamp": -1.5}, "timestamp", "1969-12-31T23:59:58.500000Z"),
        ("attributes", {"content_type": "clientuser"}, "content_type", "user"),
        ("attributes", {"value_type": 6}, "value_type", "fixed"),
        ("companies", {"phone_numbers": ["1", None]}, "phone_numbers", ["1"]),
        ("pipelines", {"stages": [{"id": 1, "name": "New", "probability": 12.5}]}, "stages",
         [{"id": "1", "name": "New", "position": None, "probability": 12.5}]),
        ("segments", {"object_count": 3, "users": "https://x/"}, "object_count", 3),
    ],
)  # fmt: skip
def test_the_spellings_seen_in_the_wild_are_understood(entity, obj, key, value):
    """Where documents and recorded answers disagree, both are taken."""
    assert shape.canonical(entity, {"id": 1, **obj})[key] == value


HOSTILE = {
    "users": ["name", "email", "gender", "status", "page_views", "unsubscribed", "first_seen", "tags", "lists",
              "companies", "assigned_to", "created_at"],
    "companies": ["name", "size", "phone_numbers", "tags", "employees"],
    "deals": ["value", "currency", "pipeline", "stage", "status", "participants", "products", "lost_at"],
    "activities": ["activity_type", "due_date", "duration", "done"],
    "events": ["data", "event_id"],
    "pipelines": ["name", "position", "stages"],
    "attributes": ["name_std", "content_type", "value_type"],
    "segments": ["object_count"],
    "emails": ["subject", "sent_at"],
    "campaigns": ["name", "recipients_count"],
}  # fmt: skip


def refused(entity, key, value):
    """The line a value is refused with, or None where it is taken."""
    try:
        shape.canonical(entity, {"id": 7, key: value})
    except DataError as error:
        return str(error)


@pytest.mark.parametrize(("entity", "key"), [(e, k) for e, keys in HOSTILE.items() for k in keys])
def test_a_value_of_the_wrong_type_names_entity_record_and_key_and_not_the_value(entity, key):
    """Whatever the value is: an object, a list of lists, a boolean, a huge number."""
    values = ({"secret": 1}, [["secret"]], True, 10**30, -(10**30), {"id": {"secret": 1}}, [{"id": [1]}])
    refusals = [refusal for refusal in (refused(entity, key, value) for value in values) if refusal]
    assert len(refusals) >= 3
    assert [r for r in refusals if not r.startswith((f"{entity} 7: {key}: expected ", "stages: "))] == []
    assert [r for r in refusals if "secret" in r] == []


@pytest.mark.parametrize(
    "obj",
    [
        None,
        [],
        "x",
        {},
        {"id": None},
        {"id": True},
        {"id": -1},
        {"id": 1.5},
        {"id": "../x"},
        {"id": ""},
        {"id": {}},
    ],
    ids=str,
)
def test_a_record_without_a_usable_id_is_refused(obj):
    """An id ends up in paths and keys."""
    with pytest.raises(DataError, match="^users: "):
        shape.canonical("users", obj)


def test_a_record_keeps_what_was_received():
    """Compact JSON, keys in their order, letters as letters."""
    obj = {"id": 2, "name": "Żółć", "zeta": 1, "alpha": [1.5, None]}
    record = next(account({"tags/": page(obj)}).pages("tags")).records[0]
    assert record.raw == '{"id":2,"name":"Żółć","zeta":1,"alpha":[1.5,null]}'


def test_pages_follow_next_verbatim_to_the_end():
    """The cursor is opaque; the key and version 2 go with every request."""
    seen = []
    source = account(
        {
            "tags/": page({"id": 1}, count=3, following=f"{BASE}tags/?cursor=a%2Fb%3D&v=2"),
            "tags/?cursor=a%2Fb%3D&v=2": page({"id": 2}, {"id": 3}, count=3),
        },
        seen,
    )
    pages = list(source.pages("tags"))
    assert [[r.source_id for r in p.records] for p in pages] == [["1"], ["2", "3"]]
    assert [(p.reported, p.ended_by_404) for p in pages] == [(3, False), (3, False)]
    assert {(r.headers["accept"], r.headers["authorization"]) for r in seen} == {
        ("*/*; version=2", f"Token {TOKEN}")
    }


def test_a_404_on_next_is_the_end_and_is_recorded():
    """The vendor is known to hand out one link too many."""
    source = account({"tags/": page({"id": 1}, count=1, following=f"{BASE}tags/?cursor=9")})
    assert [(len(p.records), p.reported, p.ended_by_404) for p in source.pages("tags")] == [
        (1, 1, False),
        (0, 1, True),
    ]


def test_a_404_on_the_first_page_means_not_available():
    """Never an empty list."""
    with pytest.raises(NotFound):
        list(account({}).pages("agents"))


def test_pages_that_come_round_again_are_an_error():
    """A circle of links would never end."""
    source = account({"tags/": page({"id": 1}, following=f"{BASE}tags/?c=1"),
                      "tags/?c=1": page({"id": 2}, following=f"{BASE}tags/?c=1")})  # fmt: skip
    with pytest.raises(DataError, match="no end"):
        list(source.pages("tags"))


def test_a_next_on_another_host_is_not_followed():
    """The key stays where it belongs."""
    seen = []
    source = account({"tags/": page({"id": 1}, following="https://evil.example/?cursor=1")}, seen)
    with pytest.raises(DataError, match="another host"):
        list(source.pages("tags"))
    assert len(seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"results": None},
        {"results": {}},
        "x",
        7,
        None,
        {"results": [1]},
        {"results": [None]},
        {"results": [[]]},
    ],
    ids=str,
)
def test_a_page_of_another_shape_is_one_line(body):
    """Named by entity, without the body."""
    with pytest.raises(DataError, match="^tags: "):
        list(account({"tags/": httpx.Response(200, json=body)}).pages("tags"))


@pytest.mark.parametrize("count", [None, "3", True, 2.5], ids=str)
def test_a_count_that_is_no_number_is_not_reported(count):
    """Null means the vendor said nothing."""
    body = {"count": count, "next": None, "results": [{"id": 1}]}
    assert next(account({"tags/": body}).pages("tags")).reported is None


def test_a_bare_array_is_a_page():
    """Some searches answer without an envelope."""
    pages = list(account({"tags/": [{"id": 1}]}).pages("tags"))
    assert [(r.source_id, p.reported) for p in pages for r in p.records] == [("1", None)]


def test_nothing_is_deduplicated():
    """Records move between pages; counting what was sent twice is the caller's."""
    pages = list(account({"tags/": page({"id": 1}, {"id": 1})}).pages("tags"))
    assert [r.source_id for r in pages[0].records] == ["1", "1"]


def test_attributes_the_account_does_not_list_are_named():
    """A new standard key of the vendor looks like a custom attribute."""
    listed = {"id": 1, "name": "Plan", "name_std": "plan", "content_type": "user", "value_type": "string"}
    user = {"id": 1, "custom_id": None, "plan": "a", "new_vendor_key": 1}
    source = account({"attributes/": page(listed), "users/": page(user)})
    record = next(source.pages("users")).records[0]
    assert (record.fields["attributes"], record.undeclared) == (
        {"plan": "a", "new_vendor_key": 1},
        ("new_vendor_key",),
    )


def test_without_a_list_of_attributes_nothing_is_undeclared():
    """Unknown isn't wrong."""
    record = next(
        account({"users/": page({"id": 1, "custom_id": None, "plan": "a"})}).pages("users")
    ).records[0]
    assert (record.fields["attributes"], record.undeclared) == ({"plan": "a"}, ())


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def stamped(user_id, hour):
    return {
        "id": user_id,
        "custom_id": None,
        "updated_at": None if hour is None else f"2024-05-01T{hour:02}:00:00Z",
    }


def test_a_window_of_users_is_asked_for_in_unix_seconds():
    """`search=updated_at` with both ends."""
    key = f"users/?search=updated_at&min={NOON.timestamp():.0f}&max={NOON.timestamp():.0f}"
    source = account({"attributes/": page(), key: page(stamped(1, 12))})
    pages = list(source.pages("users", since=NOON, until=NOON))
    assert [(r.source_id, p.reported) for p in pages for r in p.records] == [("1", 1)]


def test_a_window_falls_back_to_the_other_path():
    """Public clients disagree about where it is asked for."""
    key = f"users/search/?search=updated_at&min={NOON.timestamp():.0f}"
    source = account({"attributes/": page(), key: page(stamped(1, 13))})
    assert [r.source_id for p in source.pages("users", since=NOON) for r in p.records] == ["1"]


@pytest.mark.parametrize("entity", ["users", "companies"])
def test_a_window_holds_even_if_the_vendor_ignores_it(entity):
    """What lies outside is left out, what has no date stays, and the count no longer applies."""
    everything = page(stamped(1, 11), stamped(2, 12), stamped(3, 13), stamped(4, None))
    answers = {"attributes/": page(), "companies/": everything}
    answers[f"users/?search=updated_at&min={NOON.timestamp():.0f}"] = everything
    pages = list(account(answers).pages(entity, since=NOON))
    assert [[(r.source_id) for r in p.records] for p in pages] == [["2", "3", "4"]]
    assert pages[0].reported is None


def test_an_entity_nobody_knows_is_a_usage_error():
    """With the names there are."""
    with pytest.raises(UsageError, match="known: activities"):
        list(account({}).pages("unicorns"))


def test_conversations_tell_agent_and_contact_apart():
    """By the null key; the odd envelope has an object under results."""
    message = {"id": 1, "chat": 5, "content": "Hi", "source": "chat", "source_context": {}, "timestamp": TIME}
    one = {
        "active": True, "id": 5, "agent": 12, "user": {"id": 501, "key": "abc", "name": "Ola", "email": None},
        "messages": [
            {**message, "user": {"id": 501, "key": "abc"}},
            {**message, "id": 2, "user": {"id": 12, "key": None}, "source": 4},
        ],
    }  # fmt: skip
    source = account({"conversations/5/": {"count": 1, "next": None, "previous": None, "results": one},
                      "users/501/conversations/": page({**one, "messages": 2})})  # fmt: skip
    record = source.conversation("5")
    assert record.fields == {
        "id": "5", "user_id": "501", "agent_id": "12", "active": True, "message_count": 2,
        "messages": [
            {"id": "1", "author": "user", "agent_id": None, "content": "Hi", "source": "chat", "timestamp": TIME},
            {"id": "2", "author": "agent", "agent_id": "12", "content": "Hi", "source": "sms", "timestamp": TIME},
        ],
    }  # fmt: skip
    listed = next(source.conversations("501")).records[0]
    assert (listed.fields["message_count"], listed.fields["messages"]) == (2, None)
    assert json.loads(record.raw) == one


def test_an_email_belongs_to_the_user_it_was_asked_for():
    """The vendor's object doesn't say."""
    source = account({"users/501/emails/": page({"id": 1, "status": "sent", "subject": "Hi"})})
    assert next(source.emails("501")).records[0].fields["user_id"] == "501"


def test_a_wrong_key_is_an_auth_error_without_the_key():
    """Exit 2."""
    source = account({"tags/": httpx.Response(401, json={"detail": "Invalid token."})})
    with pytest.raises(AuthError) as caught:
        source.check()
    assert (caught.value.exit_code, TOKEN in str(caught.value)) == (2, False)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
SHORT = st.sampled_from(["id", "name", "name_std", "value", "key", "member_since"])
LISTS = st.lists(SCALARS, min_size=1, max_size=2) | st.lists(
    st.dictionaries(SHORT, SCALARS, max_size=3), max_size=2
)
VALUES = SCALARS | LISTS | st.dictionaries(SHORT, SCALARS, max_size=2)


def keys_of(entity):
    """Every key either version of an entity may have, and those read on the side."""
    known = (
        {}
        if entity == "conversations"
        else {**shape.names(entity, is_v1=True), **shape.names(entity, is_v1=False)}
    )
    old_names = {name for name, _ in known.values()}
    return sorted({*known, *old_names, "attributes", "messages", "user", "agent", "first_name", "fcm_key"})


@pytest.mark.parametrize(
    ("entity", "key"), [(entity, key) for entity in [*ROUTES, "emails"] for key in keys_of(entity)]
)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(value=VALUES)
def test_whatever_json_arrives_is_a_record_or_a_data_error(entity, key, value):
    """Never another exception, and the record can be written down."""
    obj = {"id": 7, key: value}
    try:
        fields = shape.conversation(obj) if entity == "conversations" else shape.canonical(entity, obj)
    except DataError as refusal:
        event(str(refusal))
    else:
        assert json.loads(json.dumps(fields)) == fields


# From here on against the sandbox, over real sockets.


@pytest.fixture(scope="module")
def scenario():
    return demo.scenario()


@pytest.fixture(scope="module")
def box(scenario):
    with Sandbox(scenario) as running:
        yield running


@pytest.fixture
def source(box):
    ready = box.ready["usercom"]
    made = UserCom(ready["base_url"], ready["token"], requests_per_second=10_000)
    yield made
    made.close()


def read(source, entity):
    return {r.source_id: r.fields for p in source.pages(entity) for r in p.records}


def old(source):
    """The same account through version 1."""
    source.client._http.headers["Accept"] = "application/json"
    return source


@pytest.mark.parametrize("entity", sorted(set(ROUTES) - {"events"}))
def test_every_record_of_the_account_is_read(source, scenario, entity):
    """Ids and the reported count match the scenario's rows."""
    pages = list(source.pages(entity))
    read_ids = sorted(int(r.source_id) for p in pages for r in p.records)
    expected = sorted(row["id"] for row in scenario.usercom.get(entity, []))
    assert (read_ids, pages[0].reported) == (expected, len(expected))


@pytest.mark.parametrize("entity", ["users", "companies", "deals", "activities"])
def test_the_account_reads_the_same_through_both_versions(box, entity):
    """All but custom attributes named like a standard key: the flat version has no place for those."""
    ready = box.ready["usercom"]
    new, previous = (UserCom(ready["base_url"], ready["token"], requests_per_second=10_000) for _ in range(2))
    in_v2, in_v1 = read(new, entity), read(old(previous), entity)
    for fields in in_v1.values():
        shadowed = fields.get("attributes", {}).keys() & fields.keys()
        fields["attributes"] = {k: v for k, v in fields.get("attributes", {}).items() if k not in shadowed}
    assert in_v1 == {source_id: {"attributes": {}, **fields} for source_id, fields in in_v2.items()}


def test_users_arrive_as_the_scenario_has_them(source, scenario):
    """Compared with the rows the server was seeded from, not with our own reading."""
    got = read(source, "users")
    plain = (
        "custom_id",
        "name",
        "email",
        "phone_number",
        "city",
        "country",
        "timezone",
        "created_at",
        "last_contacted",
    )
    for row in scenario.usercom["users"]:
        fields = got[str(row["id"])]
        assert {k: fields[k] for k in plain} == {k: row.get(k) for k in plain}
        assert [t["id"] for t in fields["tags"]] == [str(t) for t in row.get("tag_ids") or []]
        assert [c["id"] for c in fields["companies"]] == [str(c["id"]) for c in row.get("company_ids") or []]


def test_deals_arrive_as_the_scenario_has_them(source, scenario):
    """References, status and dates."""
    got = read(source, "deals")
    for row in scenario.usercom["deals"]:
        fields = got[str(row["id"])]
        for key in ("pipeline", "stage", "user_id", "company_id", "assigned_to"):
            assert fields[key] == (None if row.get(key) is None else str(row[key]))
        for key in ("name", "status", "currency", "expected_close_date", "won_at", "lost_at"):
            assert fields[key] == row.get(key)


def test_the_members_of_a_segment_are_read(source, scenario):
    """All of them, page by page."""
    for row in scenario.usercom["segments"]:
        members = [r.source_id for p in source.segment_members(str(row["id"])) for r in p.records]
        assert sorted(members) == sorted(str(u) for u in row.get("user_ids") or [])


@pytest.mark.parametrize("kind", ["events", "emails", "conversations"])
def test_the_history_of_every_user_is_read(source, scenario, kind):
    """Occurrences, e-mails and conversations, each with its user."""
    rows = scenario.usercom[kind]
    users = {str(row["user_id"]) for row in rows}
    read_ids = {
        (r.source_id, r.fields["user_id"])
        for user_id in users
        for p in getattr(source, kind)(user_id)
        for r in p.records
    }
    assert read_ids == {(str(row["id"]), str(row["user_id"])) for row in rows}


def test_a_conversation_is_read_with_its_messages(source, scenario):
    """Side, order and text of every message."""
    for row in scenario.usercom["conversations"]:
        messages = source.conversation(str(row["id"])).fields["messages"]
        assert [(m["author"], m["content"]) for m in messages] == [
            (m.get("author"), m["content"]) for m in row.get("messages") or []
        ]


def test_a_window_of_the_sandbox_holds(source, scenario):
    """What was updated since a day, by the server's own filter."""
    moments = sorted(row["updated_at"] for row in scenario.usercom["users"] if row.get("updated_at"))
    since = datetime.fromisoformat(moments[len(moments) // 2])
    pages = list(source.pages("users", since=since))
    expected = {
        str(row["id"])
        for row in scenario.usercom["users"]
        if row.get("updated_at") and datetime.fromisoformat(row["updated_at"]) >= since
    }
    assert expected <= {r.source_id for p in pages for r in p.records}
    assert len(expected) < len(scenario.usercom["users"])


def test_switched_off_routes_are_not_available(scenario):
    """404 is told apart from empty."""
    off = dict.fromkeys(("pipelines", "agents", "activity-types", "conversations"), False)
    bare = type(scenario)({}, {}, {"provisional": off})
    with Sandbox(bare) as box:
        ready = box.ready["usercom"]
        source = UserCom(ready["base_url"], ready["token"], requests_per_second=1000)
        available = {entity: source.available(entity) for entity in sorted(UNVERIFIED)}
    assert available == {
        "activities": True,
        "activity_types": False,
        "agents": False,
        "campaigns": True,
        "conversations": False,
        "events": True,
        "pipelines": False,
    }


def test_the_last_next_of_the_sandbox_may_be_a_404(scenario):
    """All records, and the fact recorded."""
    faulty = type(scenario)(scenario.usercom, {}, {"next_404": True})
    with Sandbox(faulty) as box:
        ready = box.ready["usercom"]
        pages = list(UserCom(ready["base_url"], ready["token"], requests_per_second=1000).pages("users"))
    assert (sum(len(p.records) for p in pages), pages[-1].ended_by_404) == (
        len(scenario.usercom["users"]),
        True,
    )
