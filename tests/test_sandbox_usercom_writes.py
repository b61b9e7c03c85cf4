"""The User.com sandbox writes as the API does: what changes, what is refused, and what follows a record."""

import pytest

from crmbook.sandbox.usercom import export_state
from usercom_account import STAMP, T1, Api, clocked, refused


def test_creating_a_user():
    """Numbers in, words out; a browser key is given; the name is put together; both stamps are now."""
    api = clocked()
    body = {
        "custom_id": 9,
        "first_name": "Ewa",
        "last_name": "Lis",
        "gender": 3,
        "status": 2,
        "plan_type": "free",
    }
    answer = api.ask("POST", "users/", json=body)
    shown = answer.json()
    assert (201, "Ewa Lis", "female", "user", "9", "free", STAMP, STAMP, 12) == (
        answer.status_code,
        *(
            shown[k]
            for k in ("name", "gender", "status", "custom_id", "plan_type", "created_at", "updated_at")
        ),
        len(shown["user_key"]),
    )


def test_updating_a_user_stamps_it_and_keeps_the_rest():
    """A PUT changes what it names."""
    api = clocked()
    before = api.get("users/501/")
    after = api.ask("PUT", "users/501/", json={"city": "Gdynia"}).json()
    assert {**before, "city": "Gdynia", "updated_at": STAMP} == after == api.get("users/501/")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"first_name": "x" * 41}, "first_name"),
        ({"Last name": "x" * 41}, "last_name"),
        ({"city": "x" * 65}, "city"),
        ({"phone_number": "9225467887"}, "phone_number"),
        ({"email": "nobody"}, "email"),
        ({"custom_id": "crm-78"}, "custom_id"),
        ({"custom_id": ["a"]}, "custom_id"),
        ({"company_id": 99}, "company_id"),
    ],
)
def test_a_refused_user_is_unchanged(body, field):
    """400 names the field, and nothing of the body is kept."""
    api = Api()
    before = api.get("users/501/")
    assert [field] == refused(api.ask("PUT", "users/501/", json={"region": "Pomorze", **body}))
    assert before == api.get("users/501/")


def test_an_email_may_belong_to_several_users():
    """E-mail is not unique."""
    assert 201 == Api().ask("POST", "users/", json={"email": "ola@firm.example"}).status_code


@pytest.mark.parametrize(
    ("policy", "status", "stored"),
    [("ignore", 200, None), ("create", 200, 38), ("400", 400, None)],
)
def test_unknown_attributes_follow_the_switch(policy, status, stored):
    """The vendor's pages disagree on attributes that were never defined; the account decides."""
    api = Api(unknown_attribute=policy)
    assert status == api.ask("PUT", "users/501/", json={"Shoe size": 38}).status_code
    assert stored == api.get("users/501/").get("shoe_size")
    assert (policy == "create") == ("shoe_size" in [a["name_std"] for a in api.get("attributes/")["results"]])


@pytest.mark.parametrize(("version", "key"), [(2, "custom_id"), (1, "user_id")])
def test_upsert_by_the_clients_id(version, key):
    """The first request creates, the second updates; without the id it is refused."""
    api = Api(version=version)
    created = api.ask("POST", "users/update_or_create/", json={key: "new-1", "name": "A"}).json()
    updated = api.ask("POST", "users/update_or_create/", json={key: "new-1", "name": "B"}).json()
    assert ({"created": True, "id": 504}, {"created": False, "id": 504}) == (created, updated)
    assert "B" == api.get("users/504/")["name"]
    assert [key] == refused(api.ask("POST", "users/update_or_create/", json={"name": "C"}))


def test_upsert_adds_tags_and_removes_none():
    """Unknown tags are created, others stay."""
    api = Api()
    api.ask("POST", "users/update_or_create/", json={"custom_id": "crm-77", "tags": ["new"]})
    assert ["vip", "new"] == [tag["name"] for tag in api.get("users/501/")["tags"]]


def test_merging_users():
    """The parent's values win, gaps are filled, links and history move over, the others are gone."""
    api = Api()
    assert {"success": True} == api.ask(
        "POST", "users/merge/", json={"parent": 502, "users_list": [501]}
    ).json()
    parent = api.get("users/502/")
    assert ("Jan Kowalski", "Poland", "+48600100200", "pro") == tuple(
        parent[key] for key in ("name", "country", "phone_number", "plan_type")
    )
    assert ([5, 6], [10, 9], [3]) == tuple(
        [row["id"] for row in parent[k]] for k in ("tags", "companies", "lists")
    )
    assert (502, [502]) == (api.get("deals/40/")["user_id"], api.get("deals/40/")["participants"])
    assert ([900], [800], [502]) == (
        api.ids("users/502/events/"),
        api.ids("users/502/emails/"),
        api.ids("segments/300/users/"),
    )
    assert 404 == api.ask("GET", "users/501/").status_code


def test_deleting_a_user():
    """Own history goes, deals and activities stay without the person."""
    api = Api()
    assert 204 == api.ask("DELETE", "users/501/").status_code
    deal = api.get("deals/40/")
    assert (None, None, None) == (
        deal["user_id"],
        deal["user_custom_id"],
        api.get("activities/60/")["user_id"],
    )
    assert {"events", "emails", "conversations"}.isdisjoint(export_state(api.store))
    assert ([502], []) == (api.ids("segments/300/users/"), api.get("companies/9/")["employees"])


@pytest.mark.parametrize(("root", "ids"), [("users", [501, 503]), ("users-by-id", ["crm-77", "crm-78"])])
def test_mass_updates(root, ids):
    """Standard and custom attributes of several users at once; by-id takes the client's ids."""
    api, ok = Api(), {"status": "ok"}
    standard = {"ids": ids, "attribute": "city", "value": "Sopot"}
    assert ok == api.ask("PUT", f"{root}/mass_update_standard_attributes/", json=standard).json()
    custom = {"ids": ids, "attribute": "interests", "value": "c"}
    assert ok == api.ask("PUT", f"{root}/mass_update_custom_attributes/", json=custom).json()
    changed = [u for u in api.get("users/")["results"] if u["city"] == "Sopot"]
    assert (2, [["c"], ["c"]]) == (len(changed), [u["interests"] for u in changed])
    wrong = {"ids": ids, "attribute": "page_views", "value": 1}
    assert ["attribute"] == refused(api.ask("PUT", f"{root}/mass_update_standard_attributes/", json=wrong))


@pytest.mark.parametrize("root", ["users/501", "users-by-id/crm-77"])
def test_single_attributes(root):
    """Set one, set several, remove by POST or DELETE; a single choice is kept as an array."""
    api = Api()
    api.ask("POST", f"{root}/set_attribute/", json={"attribute": "interests", "value": "z"})
    api.ask("POST", f"{root}/set_multiple_attributes/", json={"Plan type": "max", "nobody": 1})
    assert {"plan_type": "max", "interests": ["z"], "score": 7} == api.row("users", 501)["attributes"]
    api.ask("DELETE", f"{root}/remove_attribute/", content=b'{"attribute": 1}')
    api.ask("POST", f"{root}/remove_attribute/", json={"attribute": "interests"})
    assert {"score": 7} == api.row("users", 501)["attributes"]


@pytest.mark.parametrize("root", ["users/501", "users-by-id/crm-77", "companies/9", "companies-by-id/c-9"])
def test_tagging(root):
    """A tag is added by name and created when new; removal takes POST and DELETE."""
    api = Api()
    added = api.ask("POST", f"{root}/add_tag/", json={"name": "fresh"}).json()
    known = api.ask("POST", f"{root}/add_tag/", json={"name": "vip"}).json()
    assert ({"created": True, "tag": {"id": 7, "name": "fresh"}}, False) == (added, known["created"])
    api.ask("POST", f"{root}/add_many_tags/", json={"tag_names": ["a", "vip"]})
    assert ["vip", "fresh", "a"] == [tag["name"] for tag in api.get(f"{root}/")["tags"]]
    api.ask("POST", f"{root}/remove_tag/", json={"name": "vip"})
    api.ask("DELETE", f"{root}/remove_tag/", content=b'{"name": "a"}')
    assert ["fresh"] == [tag["name"] for tag in api.get(f"{root}/")["tags"]]


def test_list_membership():
    """Into a list, out of it; an unknown list is 404."""
    api = Api()
    assert {"id": 3} == api.ask("POST", "users/502/add_to_list/", json={"list": 3}).json()
    assert [3] == [row["id"] for row in api.get("users/502/")["lists"]]
    api.ask("POST", "users/502/remove_from_list/", json={"list": 3})
    assert [] == api.get("users/502/")["lists"]
    assert 404 == api.ask("POST", "users/502/add_to_list/", json={"list": 99}).status_code


def test_company_members():
    """Added by either id, removed again; the membership shows on both sides."""
    api = Api()
    api.ask("POST", "companies/10/add_member/", json={"user_id": 501})
    api.ask("POST", "companies/10/add_member/", json={"user_custom_id": "crm-78"})
    assert [501, 502] == api.get("companies/10/")["employees"]
    assert [9, 10] == [company["id"] for company in api.get("users/501/")["companies"]]
    api.ask("POST", "companies/10/remove_member/", json={"user_id": 501})
    assert [502] == api.get("companies/10/")["employees"]
    assert ["user_id"] == refused(api.ask("POST", "companies/10/add_member/", json={}))


def test_companies_come_and_go():
    """Only the name is obligatory; deleting one frees its members and deals."""
    api = Api()
    created = api.ask("POST", "companies/", json={"name": "Acme", "custom_id": "c-11", "tier": "gold"})
    assert (201, 11, ["gold"]) == (created.status_code, created.json()["id"], created.json()["tier"])
    assert ["name"] == refused(api.ask("POST", "companies/", json={"size": 4}))
    renamed = api.ask("PUT", "companies-by-id/c-11/", json={"name": "Other"}).json()
    assert ("Other", "c-11") == (renamed["name"], renamed["custom_id"])
    api.ask("DELETE", "companies/9/")
    assert ([], None) == (api.get("users/501/")["companies"], api.get("deals/40/")["company_id"])


def test_creating_and_winning_a_deal():
    """A deal without a place starts in the first stage; the value becomes text; winning is stamped."""
    api = clocked()
    body = {
        "name": "New",
        "value": 99.5,
        "currency": "PLN",
        "user_custom_id": "crm-78",
        "company_id": 9,
        "margin": 1,
    }
    created = api.ask("POST", "deals/", json=body)
    shown = created.json()
    assert (201, "99.50", 7, 70, 1, 502, "c-9", 1) == (
        created.status_code,
        *(
            shown[k]
            for k in ("value", "pipeline", "stage", "status", "user_id", "company_custom_id", "margin")
        ),
    )
    won = api.ask("PUT", f"deals/{shown['id']}/", json={"stage": 80, "status": 2}).json()
    assert (8, 80, 2, STAMP) == tuple(won[key] for key in ("pipeline", "stage", "status", "won_at"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"value": 1}, "name"),
        ({"name": "x", "stage": 99}, "stage"),
        ({"name": "x", "pipeline": 8, "stage": 70}, "pipeline"),
        ({"name": "x", "status": 7}, "status"),
        ({"name": "x", "custom_id": "d-40"}, "custom_id"),
    ],
)
def test_deals_that_are_refused(body, field):
    """400 names the field and creates nothing."""
    api = Api()
    assert [field] == refused(api.ask("POST", "deals/", json=body))
    assert [40, 41] == api.ids("deals/")


@pytest.mark.parametrize("reference", [{"user_id": 999}, {"user_custom_id": "x"}, {"company_id": 999}])
def test_a_deal_for_somebody_unknown_is_404(reference):
    """Clients create the person first and try again."""
    assert 404 == Api().ask("POST", "deals/", json={"name": "x", **reference}).status_code


def test_deal_upsert_and_its_old_names():
    """Version 1 points to the person by `person` or by the client's id in `user_id`."""
    api, older = Api(), Api(version=1)
    assert {"created": False, "id": 40} == api.ask(
        "POST", "deals/update_or_create/", json={"custom_id": "d-40", "value": 7}
    ).json()
    assert "7.00" == api.get("deals/40/")["value"]
    created = older.ask(
        "POST", "deals-by-id/", json={"deal_id": "d-9", "name": "x", "user_id": "crm-78"}
    ).json()
    assert ("d-9", 502) == (created["deal_id"], created["person"])
    assert 501 == older.ask("PUT", "deals-by-id/d-9/", json={"person": 501}).json()["person"]


def test_activities():
    """Type, name and due date are obligatory; references must exist; it can be changed and deleted."""
    api = Api()
    body = {"activity_type": 1, "name": "Call", "due_date": T1, "user_id": 502}
    created = api.ask("POST", "activities/", json=body)
    assert (201, 61, 502, False) == (
        created.status_code,
        *(created.json()[k] for k in ("id", "user_id", "done")),
    )
    for missing in ("activity_type", "name", "due_date"):
        left = {key: value for key, value in body.items() if key != missing}
        assert [missing] == refused(api.ask("POST", "activities/", json=left))
    assert 404 == api.ask("POST", "activities/", json={**body, "deal_id": 999}).status_code
    assert ["activity_type"] == refused(api.ask("POST", "activities/", json={**body, "activity_type": 9}))
    assert api.ask("PUT", "activities/61/", json={"done": True}).json()["done"] is True
    assert (204, [60]) == (api.ask("DELETE", "activities/61/").status_code, api.ids("activities/"))


def test_a_done_activity_leaves_nothing_planned():
    """The deal's activity status follows its activities."""
    api = Api()
    api.ask("PUT", "activities/60/", json={"done": True})
    assert "no planned" == api.get("deals/40/")["activities_status"]


def test_ids_are_never_given_twice():
    """A deleted record's id is not reused."""
    api = Api()
    first = api.ask("POST", "tags/", json={"name": "a"}).json()["id"]
    api.ask("DELETE", f"tags/{first}/")
    assert first + 1 == api.ask("POST", "tags/", json={"name": "b"}).json()["id"]
