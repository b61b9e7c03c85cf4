"""The User.com sandbox keeps what belongs to a user, and the small sets records refer to, as the API does."""

from crmbook.sandbox.usercom import export_state
from usercom_account import ROWS, T0, T1, Api, clocked, refused


def test_tags_and_lists():
    """Create, rename, delete; a deleted tag or list leaves its records."""
    api = Api()
    assert {"id": 7, "name": "new"} == api.ask("POST", "tags/", json={"name": "new"}).json()
    assert {"id": 5, "name": "gold"} == api.ask("PUT", "tags/5/", json={"name": "gold"}).json()
    assert ([501, 502], [9]) == (api.ids("tags/5/users/"), api.ids("tags/5/companies/"))
    api.ask("DELETE", "tags/5/")
    assert ([], [6, 7]) == (api.get("users/501/")["tags"], api.ids("tags/"))
    created = api.ask("POST", "lists/", json={"name": "B", "description": "d"}).json()
    assert {"id": 4, "name": "B", "description": "d"} == created
    assert "C" == api.ask("PUT", "lists/3/", json={"name": "C"}).json()["name"]
    api.ask("DELETE", "lists/3/")
    assert ([], [4]) == (api.get("users/501/")["lists"], api.ids("lists/"))


def test_segments_are_read_only_and_counted():
    """A segment links to its members by an absolute URL and says how many there are."""
    api = Api()
    assert [
        {
            "id": 300,
            "name": "With email",
            "description": "",
            "users": "http://box:8700/api/public/segments/300/users/",
            "object_count": 2,
        },
        {
            "id": 301,
            "name": "Empty",
            "description": "",
            "users": "http://box:8700/api/public/segments/301/users/",
            "object_count": 0,
        },
    ] == api.get("segments/")["results"]
    assert api.get("users/501/") == api.get(api.get("segments/300/")["users"])["results"][0]
    assert ([], [300]) == (api.ids("segments/301/users/"), api.ids("users/502/segments/"))
    assert 405 == api.ask("POST", "segments/", json={"name": "x"}).status_code


def test_attributes():
    """Written `clientuser`, read `user`; the key is lower case with underscores; deleting takes the values."""
    api = Api()
    body = {"name": "My Attribute", "value_type": "fixed", "content_type": "clientuser"}
    created = {
        "id": 6,
        "name": "My Attribute",
        "name_std": "my_attribute",
        "content_type": "user",
        "value_type": "fixed",
    }
    assert created == api.ask("POST", "attributes/", json=body).json() == api.get("attributes/6/")
    assert ["name"] == refused(api.ask("POST", "attributes/", json=body))
    assert ["value_type"] == refused(api.ask("POST", "attributes/", json={**body, "value_type": "text"}))
    assert ["content_type"] == refused(api.ask("POST", "attributes/", json={**body, "content_type": "user"}))
    assert {"value_type": "string"} == api.get("attribute-type/plan_type/users/")
    assert 404 == api.ask("GET", "attribute-type/plan_type/companies/").status_code
    api.ask("DELETE", "attributes/1/")
    assert "plan_type" not in api.get("users/501/")


def test_events():
    """`created` tells a new event type; timestamps are UNIX seconds going in and ISO coming out."""
    api = Api()
    body = {"user_id": 502, "name": "signed_up", "timestamp": 1704103200, "data": {"a": 1}}
    assert {"id": 4, "created": False} == api.ask("POST", "events/", json=body).json()
    assert {"id": 5, "created": True} == api.ask(
        "POST", "users-by-id/crm-78/events/", json={"name": "left"}
    ).json()
    assert {
        "id": 901,
        "timestamp": "2024-01-01T10:00:00.000000Z",
        "event": "signed_up",
        "event_id": 4,
        "user_id": 502,
        "data": {"a": 1},
    } == api.get("users/502/events/")["results"][0]
    assert [{"id": 4, "name": "signed_up"}, {"id": 5, "name": "left"}] == api.get("events/")["results"]
    assert {"id": 5, "name": "left"} == api.get("events/5/")
    assert 404 == api.ask("POST", "events/", json={**body, "user_id": 999}).status_code
    assert ["timestamp"] == refused(api.ask("POST", "events/", json={**body, "timestamp": T0}))


def test_events_v1():
    """Version 1: `client` for the user and `items` for the data."""
    assert [
        {
            "id": 900,
            "timestamp": T0,
            "event": "signed_up",
            "event_id": 4,
            "client": 501,
            "items": [{"key": "from", "value": "web"}],
        }
    ] == Api(version=1).get("users/501/events/")["results"]


def test_emails_campaigns_and_page_views():
    """Sent e-mails of a user; campaigns with their filter; a page view shows in hits and timeline."""
    api = Api()
    sent = {"status": "opened", "created_at": None, "sent_at": T0, "opened_at": None, "clicked_at": None}
    assert [{"id": 800, **sent, "subject": "Hello"}] == api.get("users/501/emails/")["results"]
    assert ([20, 21], [21]) == (
        api.ids("email-campaign/"),
        api.ids("email-campaign/?started_at__gt=2024-01-15"),
    )
    assert "Spring" == api.get("email-campaign/20/")["name"]
    view = {"client_user": "a1b2c3d4e5f6", "page_domain": "shop.example", "page_path": "/x", "timestamp": T1}
    assert 201 == api.ask("POST", "site-views/", json=view).status_code
    hit = api.get("users/501/ping_hits/")["results"][0]
    assert ("shop.example/x", 501, T1) == (hit["url"], hit["client"], hit["timestamp"])
    assert [
        {"id": 1, "datetime": T1, "name": "Page view", "content": {"url": "shop.example/x", "title": None}}
    ] == (api.get("users/501/timeline/")["results"])


def test_conversations():
    """Lists count messages; one conversation comes as an object in the page envelope; only `key` tells the sides."""
    api = Api()
    person = {"id": 501, "key": "a1b2c3d4e5f6", "email": "ola@firm.example", "name": "Ola Nowak"}
    summary = {"id": 70, "user": person, "active": False, "agent": 12, "messages": 2}
    assert summary == api.get("users/501/conversations/")["results"][0]
    assert [71] == api.ids("users-by-id/crm-77/conversations/?status=true")
    shown = api.get("conversations/70/")
    agent = {"id": 12, "key": None, "email": "ada@firm.example", "name": "Ada Agent"}
    first = {
        "id": 1,
        "chat": 70,
        "user": person,
        "content": "<b>Hi</b>",
        "source": "chat",
        "source_context": {},
    }
    second = {"id": 2, "chat": 70, "user": agent, "content": "Hello", "source": "email", "source_context": {}}
    messages = [{**first, "timestamp": T0}, {**second, "timestamp": T1}]
    assert {"count": 1, "next": None, "previous": None, "results": {**summary, "messages": messages}} == shown


def test_writing_messages():
    """A conversation starts with the agent's message; the contact answers; closing needs the conversation."""
    api = Api()
    started = api.ask("POST", "users/502/conversations/", json={"content": "Hi", "user": 12, "source": 1})
    assert (201, 72, 1) == (started.status_code, started.json()["id"], started.json()["messages"])
    reply = {"user_id": 502, "content": "Bye", "conversation": 72, "state": "close"}
    assert 201 == api.ask("POST", "message/send_message_as_user/", json=reply).status_code
    shown = api.get("conversations/72/")["results"]
    assert (False, [None, "ffffffffffff"]) == (shown["active"], [m["user"]["key"] for m in shown["messages"]])
    assert 404 == api.ask("POST", "message/send_message_as_user/", json={**reply, "user_id": 501}).status_code
    del reply["conversation"]
    assert ["conversation"] == refused(api.ask("POST", "message/send_message_as_user/", json=reply))
    assert ["source"] == refused(
        api.ask("POST", "users/502/conversations/", json={"content": "x", "source": 9})
    )


def test_products_and_their_events():
    """Minimal: create, details by the client's id, one event of the closed list, read back from the user."""
    api = Api()
    created = api.ask("POST", "products/", json={"custom_id": "p-1", "name": "Bike", "price": 10})
    assert (201, 10) == (created.status_code, api.get("products-by-id/p-1/details/")["price"])
    event = {
        "user_id": 501,
        "event_type": "purchase",
        "timestamp": 1704103200,
        "data": {"custom_data": {"n": 1}, "price": 9},
    }
    assert {"id": 1} == api.ask("POST", "products-by-id/p-1/product_event/", json=event).json()
    assert [
        {
            "id": 1,
            "client": 501,
            "timestamp": "2024-01-01T10:00:00.000000Z",
            "event_type": "purchase",
            "custom_data": {"n": 1},
        }
    ] == api.get("users/501/product_events/")["results"]
    assert 9 == api.get("products-by-id/p-1/details/")["price"]
    assert ["event_type"] == refused(
        api.ask("POST", "products/1/product_event/", json={**event, "event_type": "buy"})
    )
    assert 404 == api.ask("POST", "products-by-id/p-2/product_event/", json=event).status_code
    deal = api.ask("POST", "deals/", json={"name": "x", "products_custom_id": ["p-1"]}).json()
    assert ([1], ["p-1"]) == (deal["products"], deal["products_custom_id"])


def test_tickets():
    """Only creation is known; the history's stamp has an offset instead of Z."""
    api = clocked()
    body = {"name": "Help", "description": "d", "due_date": T1, "user_id": 501, "status": "active"}
    created = api.ask("POST", "tickets/", json=body)
    shown = created.json()
    assert (201, 501, [], [{"entered_at": "2026-11-01T00:00:00.000000+00:00", "status": "active"}]) == (
        created.status_code,
        *(shown[key] for key in ("person", "attributes", "status_history")),
    )
    assert ["status"] == refused(api.ask("POST", "tickets/", json={**body, "status": "new"}))


def test_reading_changes_nothing():
    """Every list and every record read leaves the account as it was seeded."""
    api = Api()
    for kind in (
        "users",
        "companies",
        "deals",
        "activities",
        "tags",
        "lists",
        "segments",
        "attributes",
        "events",
    ):
        api.get(f"{kind}/")
    for part in ("events", "emails", "timeline", "ping_hits", "product_events", "conversations", "segments"):
        api.get(f"users/501/{part}/")
    assert ROWS == export_state(api.store)
