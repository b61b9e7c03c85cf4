"""Conversations as notes: every message, in order, with its time and side, as text."""

from typing import Any

import polars as pl
import pytest

from crmbook.phases import conversations as talking
from crmbook.phases import notetext
from history_rows import FATES, TEAM, at, conversations, messages, only, states

NINE = at("2026-05-11T09:00:00")


def _talks(*said: dict[str, Any], **talk: Any) -> talking.Talks:
    held = conversations({"source_id": "91", "contact_id": "1", "agent_id": "7", "is_active": False, **talk})
    rows = [
        {"conversation_id": "91", "position": n, "at": NINE, "content": "x", **r}
        for n, r in enumerate(said, 1)
    ]
    return talking.talks(held, messages(*rows), TEAM, FATES)


def _note(talks: talking.Talks) -> str:
    return str(only(notetext.pack(talks.blocks.lazy()).notes)["description"])


def test_a_conversation_reads_like_one() -> None:
    """The id in the first line, then who led it, then a block per message."""
    talks = _talks({"content": "Is it free?"}, {"side": "agent", "agent_id": "8", "content": "Yes.\nCome!"})

    expected = (
        "User.com chat 91<br>with Ann Lee, closed<br><b>2026-05-11 09:00:00 UTC, contact</b><br>Is it free?"
        "<br><b>2026-05-11 09:00:00 UTC, agent Bo Ek</b><br>Yes.<br>Come!"
    )
    assert expected == _note(talks)
    assert {"91": ("carried", ""), "91:1": ("carried", ""), "91:2": ("carried", "")} == states(talks.told)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        pytest.param("UTC, agent 99</b>", {"side": "agent", "agent_id": "99"}, id="agent who left"),
        pytest.param("UTC, agent</b>", {"side": "agent"}, id="agent nobody names"),
        pytest.param("contact</b><br>(no text)", {"content": None}, id="a picture"),
        pytest.param("contact</b><br>(no text)", {"content": " "}, id="blank"),
        pytest.param("contact, by email</b>", {"channel": "email"}, id="another channel"),
        pytest.param("<b>(no time), contact</b>", {"at": None}, id="no time"),
        pytest.param("<br>&lt;script&gt;x&lt;/script&gt;", {"content": "<script>x</script>"}, id="markup"),
        pytest.param("09:00:00.250000 UTC", {"at": at("2026-05-11T09:00:00.25")}, id="fraction"),
    ],
)
def test_no_message_is_left_out_or_changed(expected: str, message: dict[str, Any]) -> None:
    """What is not known is said so; what is said is shown as text."""
    assert expected in _note(_talks(message))


def test_messages_keep_their_order_beyond_ten() -> None:
    """Positions are numbers."""
    shown = _note(_talks(*({"content": f"say {n}."} for n in range(1, 13))))

    assert sorted(range(1, 13), key=lambda n: shown.index(f"say {n}.")) == list(range(1, 13))


@pytest.mark.parametrize(
    ("reason", "talk", "said"),
    [
        pytest.param("no_messages", {}, [], id="nothing said"),
        pytest.param("contact rejected: email_missing", {"contact_id": "3"}, [{}], id="contact not moved"),
        pytest.param("contact not in the source", {"contact_id": "44"}, [{}], id="contact unknown"),
        pytest.param("no_parent", {"contact_id": None}, [{}], id="nobody's"),
    ],
)
def test_what_has_no_place_is_listed_with_its_messages(
    reason: str, talk: dict[str, Any], said: list[dict[str, Any]]
) -> None:
    """Each message shares the fate of its conversation."""
    talks = _talks(*said, **talk)

    assert set(states(talks.told).values()) == {("rejected", reason)}
    assert (talks.told.height, talks.blocks.height) == (1 + len(said), 0)


def test_a_merged_contacts_conversation_hangs_on_the_survivor() -> None:
    """One conversation stays one note."""
    notes = notetext.pack(_talks({}, contact_id="2").blocks.lazy()).notes

    assert ("contact", "1") == notes.select("parent_kind", "parent_id").row(0)


def test_a_message_of_no_conversation_is_listed() -> None:
    """An extract cut in two must not hide it."""
    stray = messages({"conversation_id": "5", "position": 1, "content": "x"})

    talks = talking.talks(conversations(), stray, TEAM, FATES)

    assert {"5:1": ("rejected", "conversation not in the source")} == states(talks.told)


def test_a_long_conversation_is_split_and_whole() -> None:
    """A text longer than one note goes on in the next."""
    talks = _talks({"content": "word " * 4_000}, {"content": "end"})

    noted = notetext.pack(talks.blocks.lazy())

    shown = "".join(d.partition("<br>")[2] for d in noted.notes.sort("source_id")["description"])
    assert noted.notes.height > 2
    assert shown.count("word") == 4_000
    assert shown.endswith("<br>end")
    first = dict(noted.places.filter(pl.col("position") > 0).select("position", "note_id").iter_rows())
    assert ("conversation:91:1", f"conversation:91:{noted.notes.height}") == (first[1], first[2])
