"""The error tree: exit codes, one line each, and nothing private in them."""

import pickle

import pytest

from crmbook import errors


def tree(kind=errors.CrmbookError):
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


PUBLIC = [kind for kind in tree() if not kind.__name__.startswith("_")]


def made(kind):
    if kind is errors.Waiting:
        return kind("the mapping is not approved", "crmbook approve acme mapping --by NAME")
    if kind is errors.Unavailable:
        return kind("GET", "/contacts", sent=False)
    if issubclass(kind, errors.ApiError):
        return kind("GET", "/contacts", status=400, entity="contacts", attempt=2)
    return kind("contacts.csv: row 3: expected a number")


def test_every_error_is_drawn_in_the_module_docstring():
    """A class nobody drew is a class nobody decided on."""
    drawn = {word for line in errors.__doc__.splitlines() for word in line.split()}
    assert [kind.__name__ for kind in PUBLIC if kind.__name__ not in drawn] == []


def test_the_exit_codes_drawn_are_those_the_classes_have():
    """The docstring's numbers are the contract's."""
    lines = [
        line.replace("│", " ").replace("├──", " ").replace("└──", " ") for line in errors.__doc__.splitlines()
    ]
    drawn = {
        words[0]: int(words[1]) for words in map(str.split, lines) if len(words) > 1 and words[1].isdigit()
    }
    assert {kind.__name__: kind.exit_code for kind in PUBLIC} == drawn


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_an_error_survives_a_trip_to_another_process(kind):
    """Text and fields are the same after pickling, which batch runs do."""
    error = made(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (kind, str(error), vars(error))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in PUBLIC if kind not in (errors.CrmbookError, errors.SchemaError)],
    ids=lambda kind: kind.__name__,
)
def test_a_notebook_shows_one_line_of_what_a_person_can_act_on(kind):
    """The line holds the class and the message, and no stack."""
    error = made(kind)
    assert error._render_traceback_() == [f"{kind.__name__}: {error}"]


def test_a_message_of_several_lines_is_shown_as_one():
    """Line breaks in a message don't break the one-line rule."""
    assert errors.UsageError("a\n  b")._render_traceback_() == ["UsageError: a b"]


def test_an_api_error_names_method_route_status_entity_and_attempt():
    """What, where, and how often it was tried."""
    error = errors.NotFound("GET", "/contacts/:id", status=404, entity="contacts", attempt=3)
    assert str(error) == "GET /contacts/:id: not found (HTTP 404) for contacts after 3 attempts"


@pytest.mark.parametrize(
    "route",
    ["/search?q=ada@example.org", "https://u:secret@crm.example/search?q=x#y", "/search#ada@example.org"],
    ids=["query", "whole-url", "fragment"],
)
def test_a_route_never_shows_host_user_or_query(route):
    """Values looked up stand in queries."""
    assert errors.ApiError("GET", route).route == "/search"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("ada@example.org already exists.", "… already exists."),
        ("Ada Berg the second already exists.", "… already exists."),
        ('"Acme" is not a valid choice.', "… is not a valid choice."),
        ("phone +48 600 100 200 is taken", "phone … is taken"),
        ("Deal name can't be empty", "Deal name can't be empty"),
        ("Name has already been taken", "Name has already been taken"),
        ("x" * 300, "x" * 159 + "…"),
    ],
    ids=["email", "words", "quoted", "phone", "apostrophe", "field-name", "long"],
)
def test_a_refusal_shows_the_vendors_sentence_without_its_values(message, shown):
    """The whole sentence stays in `messages`, for the ledger."""
    error = errors.Rejected("POST", "/contacts", messages=[message])
    assert (error.detail, error.messages) == (shown, [message])


@pytest.mark.parametrize(
    ("body", "sentences"),
    [
        ({"errors": {"code": 400, "message": ["a", "b"]}}, ["a", "b"]),
        ({"errors": [{"message": "a"}]}, ["a"]),
        ({"errors": {"email": ["bad"]}}, ["email: bad"]),
        ({"detail": "Not found."}, ["Not found."]),
        ({"message": "a"}, ["a"]),
        ({"name": ["required"]}, ["name: required"]),
        ({"login": "failed", "message": None}, []),
        ({"error_code": 500}, []),
        (["a", {"message": "b"}], ["a", "b"]),
        (None, []),
        ([[[[[[["deep"]]]]]]], []),
    ],
    ids=[
        "suite",
        "list",
        "fields",
        "detail",
        "message",
        "bare-fields",
        "login",
        "code",
        "bare-list",
        "none",
        "deep",
    ],
)
def test_the_sentences_of_an_error_answer_are_found_in_every_shape_seen(body, sentences):
    """Both vendors use several envelopes."""
    assert errors.vendor_messages(body) == sentences


def test_waiting_carries_what_and_the_command_to_type():
    """Exit 4 prints both."""
    error = errors.Waiting("3 fields are missing", "crmbook run acme --env test")
    assert (str(error), error.what, error.command) == (
        "3 fields are missing; then: crmbook run acme --env test",
        "3 fields are missing",
        "crmbook run acme --env test",
    )


def test_a_spent_quota_says_when_it_frees():
    """Minutes for hours' waits, seconds for short ones."""
    texts = [str(errors.RateLimited("GET", "/x", retry_after_s=s)) for s in (2, 600)]
    assert texts == [
        f"GET /x: quota spent; free again in {wait}; run again then to resume" for wait in ("2 s", "10 min")
    ]


def test_an_empty_sentence_of_the_vendor_leaves_no_loose_end() -> None:
    """A line says something after each of its semicolons."""
    error = errors.Rejected("GET", "/users/:id/emails/", messages=["count: too many", " ", ""])
    assert str(error) == "GET /users/:id/emails/: refused; count: too many"
