"""The target client: one interface over both editions, on the sandbox's real sockets and on odd answers."""

import time
from datetime import UTC, datetime

import httpx
import pytest
import stamina

from crmbook.errors import (
    AuthError,
    ConfigError,
    DataError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    UsageError,
)
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import connect

SWITCHES = {
    "requests_per_hour": 1_000_000,
    "requests_per_minute": 1_000_000,
    "index_delay_s": 0,
    "job_polls": 1,
    "allow_field_api": True,
    "bin_reserves_email": True,
    "fields": [
        {"module": "contacts", "label": "Usercom original id", "api_name": "cf_usercom_original_id",
         "field_type": "text", "unique": True},
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_backoff():
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(scope="module", params=["suite", "classic"])
def box(request):
    with Sandbox(edition=request.param, switches=SWITCHES) as running:
        running.edition = request.param
        yield running


@pytest.fixture
def target(box):
    ready = box.ready["freshsales_test"]
    made = connect(box.edition, ready["base_url"], ready["token"])
    yield made
    made.close()


_serial = iter(range(10**6))


def contact(target, **fields):
    n = next(_serial)
    return target.create("contacts", {"email": f"c{n}@people.example", "last_name": f"Berg {n}", **fields})


def account(target, **fields):
    return target.create("sales_accounts", {"name": f"Acme {next(_serial)}", **fields})


def deal(target, **fields):
    return target.create("deals", {"name": f"Deal {next(_serial)}", "amount": 10, **fields})


MADE = {"contacts": contact, "sales_accounts": account, "deals": deal}


def test_the_check_gives_the_accounts_users(target):
    """One call that proves key and address."""
    owners = target.check()
    assert (len(owners) >= 1, {"id", "email", "is_active"} <= owners[0].keys(), target.client.calls) == (
        True,
        True,
        1,
    )


@pytest.mark.parametrize("module", MADE)
def test_a_record_is_created_viewed_changed_deleted_and_forgotten(target, module):
    """The whole life of one, with what each step says the second time."""
    made = MADE[module](target)
    assert target.view(module, made["id"])["id"] == made["id"]
    key = "name" if module != "contacts" else "job_title"
    assert target.update(module, made["id"], {key: "Changed"})[key] == "Changed"
    assert (target.delete(module, made["id"]), target.delete(module, made["id"])) == (True, False)
    assert target.view(module, made["id"]) is None
    assert [row["id"] for page in target.bin(module) for row in page if row["id"] == made["id"]] == [
        made["id"]
    ]
    assert (target.forget(module, made["id"]), target.forget(module, made["id"])) == (True, False)
    assert [row["id"] for page in target.bin(module) for row in page if row["id"] == made["id"]] == []


def test_an_upsert_says_whether_it_created(target):
    """First a creation, then a change of the same record."""
    n = next(_serial)
    body = {"external_id": f"src-{n}", "email": f"u{n}@people.example", "last_name": "Up"}
    first, is_new = target.upsert("contacts", {"external_id": f"src-{n}"}, body)
    second, is_new_again = target.upsert("contacts", {"external_id": f"src-{n}"}, body | {"job_title": "CTO"})
    assert (is_new, is_new_again, second["id"], second["job_title"]) == (True, False, first["id"], "CTO")


def test_links_of_a_contact_are_read_with_it(target):
    """All accounts, one of them primary."""
    one, two = account(target), account(target)
    links = [{"id": one["id"], "is_primary": False}, {"id": two["id"], "is_primary": True}]
    made = contact(target, sales_accounts=links)
    got = target.view("contacts", made["id"], include=("sales_accounts",))["sales_accounts"]
    assert {row["id"]: row["is_primary"] for row in got} == {one["id"]: False, two["id"]: True}


def test_a_refusal_names_the_field_the_way_the_vendor_does(target):
    """And the same e-mail twice is refused without showing it."""
    made = contact(target)
    with pytest.raises(Rejected) as caught:
        target.create("contacts", {"email": made["email"].upper(), "last_name": "Twin"})
    assert "already exists." in caught.value.messages[0]
    assert made["email"].upper() not in str(caught.value).upper().replace("…", "")
    with pytest.raises(Rejected, match="Deal name can't be empty"):
        target.create("deals", {"name": " ", "amount": 1})


@pytest.mark.parametrize("module", MADE)
def test_all_records_come_page_by_page(target, module):
    """More than two pages, each record once, through the view with all of them."""
    made = {MADE[module](target)["id"] for _ in range(205)}
    pages = list(target.pages(module))
    ids = [row["id"] for page in pages for row in page]
    assert (len(ids), len(set(ids)), made <= set(ids), max(map(len, pages)), target.remarks) == (
        len(ids), len(ids), True, 100, [],
    )  # fmt: skip


def test_a_view_nobody_has_is_not_found(target):
    """Rather than silently everything."""
    with pytest.raises(NotFound, match="no view is named Unicorns"):
        list(target.pages("contacts", view="Unicorns"))


def test_lookup_and_search_find_by_exact_value(target):
    """External id, and rules that combine."""
    n = next(_serial)
    made = contact(target, external_id=f"find-{n}")
    assert [row["id"] for row in target.lookup("contacts", "external_id", f"find-{n}")] == [made["id"]]
    assert target.lookup("contacts", "external_id", "nobody") == []
    rules = [{"attribute": "contact_email.email", "operator": "is_in", "value": made["email"]}]
    assert [row["id"] for page in target.search("contacts", rules) for row in page] == [made["id"]]


def test_an_index_that_lags_is_seen_as_it_is(box):
    """A record just written isn't found yet; the view has it at once."""
    with Sandbox(edition=box.edition, switches=SWITCHES | {"index_delay_s": 60}) as slow:
        ready = slow.ready["freshsales_test"]
        target = connect(box.edition, ready["base_url"], ready["token"])
        made = contact(target, external_id="lag-1")
        before = target.lookup("contacts", "external_id", "lag-1")
        listed = [row["id"] for page in target.pages("contacts") for row in page]
        slow.admin("POST", "clock", {"advance_s": 61})
        after = target.lookup("contacts", "external_id", "lag-1")
    assert (before, made["id"] in listed, [row["id"] for row in after]) == ([], True, [made["id"]])


def test_history_hangs_on_its_parent_and_is_read_there(target):
    """Notes, tasks, appointments and activities of one contact."""
    parent = contact(target)["id"]
    on_it = {"targetable_type": "Contact", "targetable_id": parent}
    owner = target.check()[0]["id"]
    kind = target.selector("sales_activity_types")[0]["id"]
    start, end = "2019-05-03T08:00:00Z", "2019-05-03T08:30:00Z"
    made = {
        "notes": target.create("notes", {"description": "hello", **on_it}),
        "tasks": target.create("tasks", {"title": "Call", "due_date": start, "status": 1, "owner_id": owner, **on_it}),
        "appointments": target.create(
            "appointments", {"title": "Demo", "from_date": start, "end_date": end, "time_zone": "UTC", **on_it}
        ),
        "sales_activities": target.create("sales_activities", {
            "title": "Phone", "start_date": start, "end_date": end, "owner_id": owner,
            "sales_activity_type_id": kind, **on_it,
        }),
    }  # fmt: skip
    for name in ("notes", "tasks", "appointments"):
        assert [row["id"] for row in target.sublist("contacts", parent, name)] == [made[name]["id"]]
    for name in ("tasks", "appointments", "sales_activities"):
        assert made[name]["id"] in [row["id"] for page in target.pages(name) for row in page]
    for name, record in made.items():
        assert (target.delete(name, record["id"]), target.delete(name, record["id"])) == (True, False)


def test_a_long_sublist_is_read_to_its_end(target):
    """More than a page of notes on one account."""
    parent = account(target)["id"]
    on_it = {"targetable_type": "SalesAccount", "targetable_id": parent}
    made = {target.create("notes", {"description": f"n{i}", **on_it})["id"] for i in range(130)}
    assert {row["id"] for row in target.sublist("sales_accounts", parent, "notes")} == made


def test_a_phone_call_is_logged(target):
    """Its answer is a list of one among side-loads."""
    on_it = {"targetable_type": "Contact", "targetable_id": contact(target)["id"]}
    made = target.create("phone_calls", {"call_direction": True, **on_it, "note": {"description": "hi"}})
    assert target.view("phone_calls", made["id"])["id"] == made["id"]
    with pytest.raises(NotFound, match="no list"):
        list(target.pages("phone_calls"))


def test_lists_are_made_filled_read_and_emptied(target):
    """In batches of up to a hundred."""
    made = target.create_list(f"VIP {next(_serial)}")
    members = [contact(target)["id"] for _ in range(3)]
    target.add_to_list(made["id"], members)
    assert sorted(row["id"] for page in target.list_members(made["id"]) for row in page) == sorted(members)
    target.remove_from_list(made["id"], members[:1])
    assert len([row for page in target.list_members(made["id"]) for row in page]) == 2
    target.remove_from_list(made["id"], None)
    assert list(target.list_members(made["id"])) == []
    assert made["id"] in [row["id"] for page in target.pages("lists") for row in page]


def test_files_and_links_are_put_on_a_record_and_read_back(target, tmp_path):
    """Name and size are what a verification compares."""
    made = deal(target)["id"]
    (tmp_path / "offer ż.pdf").write_bytes(b"%PDF hello")
    target.upload("deals", made, tmp_path / "offer ż.pdf")
    target.link("deals", made, "https://files.example/x.pdf", "x.pdf")
    got = target.associations("deals", made)
    assert [(d["name"], d["content_file_size"]) for d in got["documents"]] == [("offer ż.pdf", 10)]
    assert [(link["name"], link["url"]) for link in got["document_links"]] == [
        ("x.pdf", "https://files.example/x.pdf")
    ]


def test_a_bulk_job_writes_a_hundred_records_in_one_call(target):
    """The job is asked for, then the records are read back by their key."""
    n = next(_serial)
    rows = [{"emails": f"b{n}-{i}@people.example", "data": {"last_name": "Bulk", "external_id": f"b{n}-{i}"}}
            for i in range(100)]  # fmt: skip
    job_id = target.bulk_upsert("contacts", rows)
    for _ in range(50):
        state = target.job(job_id)
        found = target.lookup("contacts", "external_id", f"b{n}-99")
        if found:
            break
        time.sleep(0.05)
    assert (len(found), "status" in state) == (1, True)


def test_a_bulk_call_of_more_than_a_hundred_is_refused_before_it_leaves(target):
    """And an empty one."""
    for rows in ([], [{"name": "x", "data": {}}] * 101):
        with pytest.raises(UsageError, match="one call takes 1 to 100 records"):
            target.bulk_upsert("sales_accounts", rows)
    assert target.client.calls == 0


def test_owners_are_assigned_and_records_destroyed_in_bulk(target):
    """Contacts of a destroyed account stay."""
    one, two = account(target)["id"], account(target)["id"]
    linked = contact(target, sales_accounts=[{"id": one, "is_primary": True}])["id"]
    owner = target.check()[0]["id"]
    target.bulk_assign_owner("sales_accounts", [one, two], owner)
    assert target.view("sales_accounts", two, include=("owner",))["owner_id"] == owner
    target.bulk_destroy("sales_accounts", [one, two])
    assert (target.view("sales_accounts", one), target.view("contacts", linked)["id"]) == (None, linked)


def test_pipelines_come_with_their_stages_in_order(target):
    """The default pipeline of a fresh tenant."""
    pipeline = target.pipelines()[0]
    names = [stage["name"] for stage in pipeline["deal_stages"]]
    assert (pipeline["is_default"], names[0], names[-2:]) == (True, "New", ["Won", "Lost"])


@pytest.mark.parametrize("module", MADE)
def test_the_fields_of_a_module_say_which_are_custom(target, module):
    """By their API name."""
    fields = {field["name"]: field for field in target.fields(module)}
    custom = {name for name in fields if name.startswith("cf_")}
    assert ("cf_usercom_original_id" in custom) == (module == "contacts")
    assert all({"label", "type"} <= field.keys() for field in fields.values())


def test_a_field_is_created_where_the_tenant_allows_it(target):
    """Through the form it belongs to; the list of fields tells what came of it."""
    form = target.forms("deals")[0]
    label = f"Extra {next(_serial)}"
    internal_name = label.lower().replace(" ", "_")
    target.create_field(
        "deals", str(form["id"]), {"label": label, "internal_name": internal_name, "type": "text"}
    )
    assert f"cf_{internal_name}" in {field["name"] for field in target.fields("deals")}


def test_leads_are_a_module_of_classic_only(target):
    """On Suite nothing is sent, and the error says what a lead is there."""
    if target.edition.name == "suite":
        with pytest.raises(UsageError, match="a lead is a contact in the lifecycle stage of type Lead"):
            target.create("leads", {"last_name": "Lead"})
        assert target.client.calls == 0
    else:
        made = target.create("leads", {"last_name": "Lead", "email": f"lead{next(_serial)}@people.example"})
        assert made["id"] in [row["id"] for page in target.pages("leads") for row in page]


def test_a_wrong_key_is_an_auth_error(box):
    """Exit 2, one line, no key."""
    target = connect(box.edition, box.ready["freshsales_test"]["base_url"], "wrong-key-1234")
    with pytest.raises(AuthError) as caught:
        target.check()
    assert str(caught.value) == (
        "GET /selector/owners: not allowed (HTTP 401) for owners; check the key and the rights of its user"
    )


@pytest.mark.parametrize("retry_after", [True, False], ids=["retry-after", "silent"])
def test_a_spent_hour_is_an_error_with_the_time_it_frees(box, retry_after):
    """Exit 5; the vendor's headers tell, with Retry-After or without."""
    switches = SWITCHES | {"requests_per_hour": 3, "retry_after": retry_after}
    with Sandbox(edition=box.edition, switches=switches) as poor:
        ready = poor.ready["freshsales_test"]
        target = connect(box.edition, ready["base_url"], ready["token"], max_wait_s=5)
        for _ in range(3):
            target.check()
        with pytest.raises(RateLimited) as caught:
            target.check()
    assert (caught.value.exit_code, 3000 < caught.value.retry_after_s <= 3600) == (5, True)


def test_a_creation_cut_off_after_the_work_is_unclear_and_done(target, box):
    """The client sends it once; the record is there."""
    box.admin(
        "POST", "faults", [{"realm": "freshsales_test", "method": "POST", "kind": "drop_after", "times": 1}]
    )
    n = next(_serial)
    body = {"email": f"drop{n}@people.example", "last_name": "Drop", "external_id": f"drop-{n}"}
    with pytest.raises(Unavailable) as caught:
        target.create("contacts", body)
    box.admin("DELETE", "faults")
    assert (caught.value.sent, len(target.lookup("contacts", "external_id", f"drop-{n}"))) == (True, 1)


def test_a_read_cut_off_is_read_again(target, box):
    """Nobody notices but the count of calls."""
    made = contact(target)
    before = target.client.calls
    box.admin(
        "POST", "faults", [{"realm": "freshsales_test", "method": "GET", "kind": "truncate", "times": 1}]
    )
    got = target.view("contacts", made["id"])
    box.admin("DELETE", "faults")
    assert (got["id"], target.client.calls - before) == (made["id"], 2)


def test_an_upsert_cut_off_is_sent_again_and_makes_one_record(target, box):
    """The unique key makes the second harmless."""
    box.admin(
        "POST", "faults", [{"realm": "freshsales_test", "path": "upsert", "kind": "drop_after", "times": 1}]
    )
    n = next(_serial)
    body = {"email": f"again{n}@people.example", "last_name": "Again", "external_id": f"again-{n}"}
    _, is_new = target.upsert("contacts", {"external_id": f"again-{n}"}, body)
    box.admin("DELETE", "faults")
    assert (is_new, len(target.lookup("contacts", "external_id", f"again-{n}"))) == (False, 1)


# Answers the sandbox doesn't give.


def odd(answers, seen=None, edition="suite"):
    """A client whose server answers by method and path below the API."""

    def handler(request):
        if seen is not None:
            seen.append(request)
        key = f"{request.method} {request.url.path.partition('/api/')[2]}"
        body = answers.get(key, httpx.Response(404))
        return body if isinstance(body, httpx.Response) else httpx.Response(200, json=body)

    return connect(edition, "http://127.0.0.1", "key", transport=httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("edition", "given", "base"),
    [
        (
            "suite",
            "https://acme.myfreshworks.com/crm/sales/api",
            "https://acme.myfreshworks.com/crm/sales/api/",
        ),
        (
            "suite",
            "https://acme.myfreshworks.com/crm/sales/api/",
            "https://acme.myfreshworks.com/crm/sales/api/",
        ),
        ("suite", "https://acme.myfreshworks.com/crm/sales", "https://acme.myfreshworks.com/crm/sales/api/"),
        ("suite", "https://acme.myfreshworks.com", "https://acme.myfreshworks.com/crm/sales/api/"),
        ("classic", "https://acme.freshsales.io/", "https://acme.freshsales.io/api/"),
        ("classic", "https://acme.freshsales.io/api", "https://acme.freshsales.io/api/"),
    ],
)
def test_the_address_the_product_shows_is_completed(edition, given, base):
    """The settings page shows it without /api."""
    assert str(connect(edition, given, "key").client.base_url) == base


@pytest.mark.parametrize(
    ("edition", "given", "complaint"),
    [
        ("suite", "https://acme.myfreshworks.com/api", "edition suite expects https://<host>/crm/sales/api"),
        ("classic", "https://acme.freshsales.io/crm/sales/api", "edition classic expects https://<host>/api"),
        ("gold", "https://acme.freshsales.io/", "edition: gold: expected suite or classic"),
    ],
)
def test_an_address_of_another_edition_is_refused(edition, given, complaint):
    """Every call would answer 404."""
    with pytest.raises(ConfigError, match=complaint):
        connect(edition, given, "key")


def test_the_key_is_sent_as_this_vendor_wants_it():
    """`Token token=`, and not in the client's repr."""
    seen = []
    target = odd({"GET selector/owners": {"users": []}}, seen)
    target.check()
    assert (seen[0].headers["authorization"], "key" in repr(target.client._http.auth)) == (
        "Token token=key",
        False,
    )


def test_a_tenant_without_the_view_of_all_is_read_by_an_empty_search_and_says_so():
    """One client saw no "All Deals", another did."""
    target = odd({
        "GET deals/filters": {"filters": [{"id": 1, "name": "My Deals"}]},
        "POST filtered_search/deal": {"deals": [{"id": 5}], "meta": {"total_pages": 1, "total": 1}},
    })  # fmt: skip
    assert ([row["id"] for page in target.pages("deals") for row in page], target.remarks) == (
        [5],
        ["deals: no view All Deals; read through a filtered search, which may lag"],
    )


def test_a_list_without_totals_is_read_until_an_empty_page():
    """Whether every list sends meta isn't documented."""
    pages = iter([{"lists": [{"id": 1}]}, {"lists": [{"id": 2}]}, {"lists": []}])
    target = connect("suite", "http://127.0.0.1", "key", transport=httpx.MockTransport(
        lambda _request: httpx.Response(200, json=next(pages))))  # fmt: skip
    assert [[row["id"] for row in page] for page in target.pages("lists")] == [[1], [2]]


def test_filters_that_overlap_show_a_record_once():
    """A task may be open and overdue in one tenant's counting."""
    target = odd({"GET tasks": {"tasks": [{"id": 1}, {"id": 2}], "meta": {"total": 2, "total_pages": 1}}})
    assert [row["id"] for page in target.pages("tasks") for row in page] == [1, 2]


def test_a_sublist_that_ignores_paging_ends():
    """It repeats itself; each row counts once."""
    rows = [{"id": i} for i in range(1, 4)]
    target = odd({"GET contacts/1/notes": {"notes": rows, "meta": {"total": 9}}})
    assert target.sublist("contacts", 1, "notes") == rows


@pytest.mark.parametrize("sent_id", ["70054866612", 70054866612], ids=["text", "number"])
def test_an_id_is_a_number_however_it_is_sent(sent_id):
    """Search and bulk write it as text."""
    assert odd({"GET contacts/1": {"contact": {"id": sent_id}}}).view("contacts", 1) == {"id": 70054866612}


@pytest.mark.parametrize(
    "body",
    [None, [], {}, "x", {"contact": None}, {"contact": []}, {"contact": {}}, {"contact": {"id": None}},
     {"contact": {"id": True}}, {"contact": {"id": -1}}, {"contact": {"id": 10**30}}, {"contacts": [{"id": 1}, {"id": 2}]}],
    ids=str,
)  # fmt: skip
def test_an_answer_without_its_record_is_one_line(body):
    """Hostile or changed answers never end in a traceback."""
    with pytest.raises(DataError, match="^contacts: the answer holds no record with an id"):
        odd({"GET contacts/1": httpx.Response(200, json=body)}).view("contacts", 1)


@pytest.mark.parametrize(
    "body", [None, {}, {"filters": None}, {"filters": {}}, {"filters": [1]}, "x", 3], ids=str
)
def test_an_answer_without_its_rows_is_one_line(body):
    """Named by what was read."""
    with pytest.raises(DataError, match="expected a list of objects under filters"):
        odd({"GET contacts/filters": httpx.Response(200, json=body)}).views("contacts")


@pytest.mark.parametrize(
    "body", [None, {}, {"job_status_url": None}, {"job_status_url": "https://x/../;"}], ids=str
)
def test_a_bulk_answer_without_a_job_is_one_line(body):
    """The job's id ends up in a path."""
    target = odd({"POST contacts/bulk_upsert": httpx.Response(202, json=body)})
    with pytest.raises(DataError, match="names no job"):
        target.bulk_upsert("contacts", [{"emails": "a@x.example", "data": {}}])


def test_a_job_is_known_by_the_last_part_of_its_address():
    """And its status may be wrapped."""
    target = odd({
        "POST deals/bulk_upsert": httpx.Response(202, json={"job_status_url": "https://x/api/job_statuses/42?a=1"}),
        "GET job_statuses/42": {"job_status": {"status": "done"}},
    })  # fmt: skip
    assert (target.bulk_upsert("deals", [{"id": "1", "data": {}}]), target.job("42")) == (
        "42",
        {"status": "done"},
    )


def test_the_cascade_of_a_bulk_deletion_is_switched_off():
    """Deleting an account must not take its contacts and deals along."""
    seen = []
    odd({"POST sales_accounts/bulk_destroy": {"message": "ok"}}, seen).bulk_destroy("sales_accounts", [1])
    assert seen[0].content == b'{"selected_ids":[1],"delete_associated_contacts_deals":false}'


def test_pipelines_with_stages_inside_cost_one_call():
    """Some answers embed them."""
    stages = [
        {"id": 3, "name": "B", "position": 2},
        {"id": 2, "name": "A", "position": 1},
        {"id": 4, "name": "C"},
    ]
    seen = []
    target = odd({"GET selector/deal_pipelines": {"deal_pipelines": [
        {"id": 9, "name": "Second", "position": 2, "deal_stages": []},
        {"id": 1, "name": "First", "position": 1, "deal_stages": stages},
    ]}}, seen)  # fmt: skip
    pipelines = target.pipelines()
    assert [p["name"] for p in pipelines] == ["First", "Second"]
    assert ([s["name"] for s in pipelines[0]["deal_stages"]], len(seen)) == (["A", "B", "C"], 1)


def test_a_module_without_a_field_list_is_not_found():
    """Tasks have none in the vendor docs."""
    with pytest.raises(NotFound, match="it has no field list"):
        odd({}).fields("tasks")


def test_dates_and_amounts_come_back_as_the_vendor_writes_them(target):
    """Decimal text, and the same instant in the account's offset."""
    made = deal(target, amount=20, expected_close="2031-02-03")
    got = target.view("deals", made["id"])
    age = abs((datetime.fromisoformat(got["created_at"]) - datetime.now(UTC)).total_seconds())
    assert (got["amount"], got["expected_close"], age < 3600) == ("20.0", "2031-02-03", True)
