"""The history of the source account, read through real HTTP: whole, once, and again after whatever went wrong."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from crmbook import extract, extract_history, runs
from crmbook.errors import AuthError, UsageError
from crmbook.extract_history_store import NAME, Reading, Store, mark
from crmbook.sandbox.server import Sandbox
from history_account import (
    HISTORY,
    PEOPLE,
    ROWS,
    VISITORS,
    Open,
    asked,
    fault,
    fetched,
    log,
    open_run,
    scenario,
    set_aside,
)

__all__ = ["open_run"]
EVERYBODY = len(PEOPLE)


def _inventory(run: runs.Run) -> dict[str, tuple[int | None, int, bool, str]]:
    rows = run.read("inventory").select("entity", "reported", "fetched", "available", "origin")
    return {entity: tuple(rest) for entity, *rest in rows.iter_rows() if entity in HISTORY}


@pytest.fixture
def read(open_run: Open) -> runs.Run:
    """The account, read, three records a page."""
    with Sandbox(scenario(page_size=3)) as box:
        run = open_run(box)
        extract.fetch(run)
    return run


def test_every_kind_is_counted_as_reported(read: runs.Run) -> None:
    """The vendor's counts, summed over contacts and conversations, beside what was read."""
    counts = {"activities": 3, "events": 40, "emails": 22, "conversations": 8, "messages": 9}

    assert {kind: (n, n, True, "api") for kind, n in counts.items()} == _inventory(read)


def test_an_activity_is_typed(read: runs.Run) -> None:
    """The instant before 1970, minutes, text untouched; whoever it is about, also nobody."""
    rows = read.read("source_activities").rows_by_key("source_id", named=True, unique=True)

    assert {
        "activity_type_id": "1", "name": "Call", "due_date": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        "duration": 30, "description": "<p>x</p>", "is_done": True, "done_date": None, "assigned_to": "11",
        "contact_id": "1", "company_id": None, "deal_id": None,
    } == {k: v for k, v in rows["60"].items() if k not in ("created_at", "updated_at")}  # fmt: skip
    assert (None, "91", "41") == tuple(rows["61"][k] for k in ("contact_id", "company_id", "deal_id"))


def test_an_event_is_typed(read: runs.Run) -> None:
    """Microseconds stay, data is its JSON, and every occurrence of the scenario is there once."""
    frame = read.read("source_events")

    assert sorted(str(row["id"]) for row in ROWS["events"]) == frame.get_column("source_id").to_list()
    assert (
        "807",
        "8",
        "6",
        "e1",
        datetime(2024, 3, 1, 10, 0, 7, 1, tzinfo=UTC),
        '{"n":7,"list":[{"a":null}]}',
    ) == (frame.filter(pl.col("source_id") == "807").row(0))


def test_an_email_is_typed(read: runs.Run) -> None:
    """The contact is known from whom was asked: the vendor's e-mail doesn't say."""
    row = read.read("source_emails").filter(pl.col("source_id") == "503").row(0, named=True)

    opened = datetime(2024, 1, 1, 0, 0, 1, 500000, tzinfo=UTC)
    assert ("3", "3", "s3", opened, None) == tuple(
        row[k] for k in ("contact_id", "status", "subject", "opened_at", "clicked_at")
    )


def test_messages_stand_in_order_of_time_with_their_side(read: runs.Run) -> None:
    """The later message was stored first; the agent is known, the contact needs no name."""
    talk = read.read("source_messages").filter(pl.col("conversation_id") == "72")
    columns = ("position", "side", "agent_id", "content", "channel")

    assert [(1, "agent", "11", "yes?", "email"), (2, "contact", None, "hi <b>2</b>", "chat")] == (
        talk.select(columns).rows()
    )


def test_a_conversation_counts_its_messages_also_none(read: runs.Run) -> None:
    """An empty one takes no request and is there all the same."""
    assert [("71", "3", 1), ("72", "6", 2), ("73", "9", 0), ("74", "12", 1)] == (
        read.read("source_conversations").select("source_id", "contact_id", "messages").head(4).rows()
    )


def test_everything_is_kept_as_received(read: runs.Run) -> None:
    """Under the ids of the typed table; a conversation with its messages."""
    for kind in ("activities", "events", "emails", "conversations"):
        ids = read.read(f"source_{kind}").get_column("source_id").to_list()
        assert ids == read.read(f"raw_{kind}").get_column("source_id").to_list(), kind
    whole = json.loads(dict(read.read("raw_conversations").iter_rows())["72"])
    assert [20, 21] == [message["id"] for message in whole["messages"]]


def test_only_what_may_exist_is_asked_for(open_run: Open) -> None:
    """Everybody for events; e-mails of those somebody could write to; conversations that have messages."""
    with Sandbox(scenario()) as box:
        extract.fetch(open_run(box))
        counts = asked(box)

    with_messages = sum(1 for row in ROWS["conversations"] if row["messages"])
    assert {
        "/users/:id/events/": EVERYBODY, "/users/:id/emails/": EVERYBODY - len(VISITORS),
        "/conversations/": 1, "/conversations/:id/": with_messages,
    } == counts  # fmt: skip


def test_without_a_list_of_conversations_every_contact_is_asked_for_theirs(open_run: Open) -> None:
    """More requests, the same tables."""
    with Sandbox(scenario()) as box:
        listed = fetched(open_run(box))
    with Sandbox(scenario(provisional={"conversations": False})) as box:
        single = fetched(open_run(box))
        counts = asked(box)

    assert listed == single
    assert EVERYBODY == counts["/users/:id/conversations/"]


def test_a_stopped_reading_goes_on_where_it_was(open_run: Open) -> None:
    """Nobody who was read is asked again, and the tables are those of an undisturbed reading."""
    with Sandbox(scenario()) as box:
        undisturbed = fetched(open_run(box))
        before = asked(box)
    with Sandbox(scenario()) as box:
        run = open_run(box)
        fault(box, {"status": 403, "path": r"/users/15/events/"})
        with pytest.raises(AuthError):
            extract.fetch(run)
        first = asked(box)["/users/:id/events/"]
        set_aside(run)
        fault(box)
        run = open_run(box, run_id=run.run_id)
        tables = fetched(run)
        counts = asked(box)

    assert undisturbed == tables
    assert 0 < first < EVERYBODY
    assert {**before, "/users/:id/events/": EVERYBODY + 1, "/conversations/": 2} == counts
    assert [first - 1] == [
        entry["already_read"] for entry in log(run, "history") if entry["kind"] == "events"
    ][1:]


def test_a_killed_reading_goes_on_where_it_was(open_run: Open, customers: Path) -> None:
    """SIGKILL in the middle; the next attempt takes the readings over, byte for byte."""
    with Sandbox(scenario()) as box:
        undisturbed = fetched(open_run(box))
    with Sandbox(scenario()) as box:
        run = open_run(box)
        fault(box, {"kind": "delay", "delay_s": 0.05, "path": r"/users/\d+/events/"})
        _killed_in_the_middle(run)
        fault(box)
        set_aside(run)
        again = open_run(box, run_id=run.run_id)
        tables = fetched(again)

    taken = next(
        entry for entry in log(again, "history") if entry["kind"] == "events" and entry["already_read"]
    )
    assert undisturbed == tables
    assert 0 < taken["already_read"] < EVERYBODY
    assert not (run.folder / "01_discovery~1" / "data" / NAME).exists()


def _killed_in_the_middle(run: runs.Run) -> None:
    code = (
        "from crmbook import extract, runs;"
        f"extract.fetch(runs.open('01_discovery', customer='acme', run_id='{run.run_id}'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    progress = run.folder / ".progress.json"
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            state = json.loads(progress.read_text(encoding="utf-8")) if progress.exists() else {}
            if state.get("entity") == "events" and 2 < state["done"] < EVERYBODY - 4:
                break
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert -signal.SIGKILL == process.returncode


def test_a_reading_that_passed_is_not_taken_over(open_run: Open) -> None:
    """Discovery run again on purpose looks at the account anew."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        extract.fetch(run)
        run.close()
        set_aside(run)
        extract.fetch(open_run(box, run_id=run.run_id))
        counts = asked(box)

    assert 2 * EVERYBODY == counts["/users/:id/events/"]


def test_a_reading_in_the_same_folder_after_it_passed_starts_anew(open_run: Open) -> None:
    """Cells run again by hand, without the runner."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        extract.fetch(run)
        run.close()
        extract.fetch(run)
        counts = asked(box)

    assert 2 * EVERYBODY == counts["/users/:id/events/"]


def test_a_contact_that_changed_since_is_asked_again(open_run: Open) -> None:
    """Whoever came back to the site in between may have new events."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        extract.fetch(run)
        box.admin("PUT", "/usercom/users/4", {"last_seen": "2026-01-01T00:00:00.000000Z"})
        new = {"user_id": 4, "event_id": 5, "name": "e0", "timestamp": "2026-01-01T00:00:00Z", "data": {}}
        box.admin("POST", "/usercom/events", new)
        extract.fetch(run)
        counts = asked(box)

    assert EVERYBODY + 1 == counts["/users/:id/events/"]
    assert 41 == run.read("source_events").height


def test_another_source_is_read_from_the_start(open_run: Open) -> None:
    """The same run pointed at another address: nothing of the first account gets into the second's tables."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        extract.fetch(run)
    with Sandbox(scenario({"events": ROWS["events"][:3]})) as box:
        again = open_run(box, run_id=run.run_id)
        extract.fetch(again)
        counts = asked(box)

    assert EVERYBODY == counts["/users/:id/events/"]
    assert 3 == again.read("source_events").height


def test_an_unreadable_file_of_readings_means_reading_again(open_run: Open) -> None:
    """After a power cut, say; the tables don't depend on it."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        first = fetched(run)
        (run.phase_folder / "data" / NAME).write_bytes(b"no database" * 100)
        assert first == fetched(run)


def test_the_readings_are_the_owners_alone(read: runs.Run) -> None:
    """Personal data as received: nobody else on the machine reads it."""
    assert 0o600 == stat.S_IMODE((read.phase_folder / "data" / NAME).stat().st_mode)


def test_two_processes_never_read_one_run(tmp_path: Path) -> None:
    """The second is told so in one line."""
    with Store(tmp_path / NAME, "a.example"), pytest.raises(UsageError) as caught:
        Store(tmp_path / NAME, "a.example", patience_s=0.01)
    assert ".history.db: another process reads this run's history; wait until it ends" == str(caught.value)


def test_fewer_records_than_reported_are_asked_for_again(tmp_path: Path) -> None:
    """A page lost on the way would otherwise stay lost in every later attempt."""
    with Store(tmp_path / NAME, "a.example") as store:
        store.keep("events", "1", mark("x"), Reading([("8", "{}")], 2))
        store.keep("events", "2", mark("x"), Reading([("9", "{}")], 1))

        assert {"2": mark("x")} == store.marks("events")
        assert (3, 2, 2) == store.counts("events", ["1", "2", "3"])


def test_a_throttled_account_is_read_whole(open_run: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads meet the same 429s; the vendor's pause holds for all of them."""
    # A minute's limit learned of a refusal is waited for by the minute; test_quota has that, on a clock of its own.
    monkeypatch.setattr("crmbook.vendors.quota._WORTH_LEARNING", 100_000)
    with Sandbox(scenario()) as box:
        calm = fetched(open_run(box))
    with Sandbox(scenario()) as box:
        fault(box, {"status": 429, "every": 9, "times": 6, "headers": {"retry-after": "0.05"},
                    "path": r"/(events|emails)/"})  # fmt: skip
        throttled = fetched(open_run(box))

    assert calm == throttled


def test_a_link_too_many_at_the_end_of_a_contacts_pages_is_the_end(open_run: Open) -> None:
    """Everything is there, and the log says of how many contacts."""
    with Sandbox(scenario(page_size=1, next_404=True)) as box:
        run = open_run(box)
        extract.fetch(run)

    told = {
        e["entity"]: e["owners"] for e in log(run, "next page not found, taken as the end") if "owners" in e
    }
    with_events = len({row["user_id"] for row in ROWS["events"]})
    assert {"events": with_events, "emails": EVERYBODY - len(VISITORS)} == told
    assert [40, 22] == [run.read(f"source_{kind}").height for kind in ("events", "emails")]


@pytest.mark.parametrize("kind", ["activities", "events", "emails"])
def test_a_route_that_does_not_exist_is_not_available(open_run: Open, kind: str) -> None:
    """Neither empty nor an error, and only a few contacts are asked to find out; the rest is read."""
    with Sandbox(scenario()) as box:
        fault(box, {"status": 404, "path": rf"/{kind}/$"})
        run = open_run(box)
        extract.fetch(run)
        counts = asked(box)

    assert (None, 0, False, "api") == _inventory(run)[kind]
    assert 0 == run.read(f"source_{kind}").height
    assert {True} == {available for k, (_, _, available, _) in _inventory(run).items() if k != kind}
    assert kind == "activities" or counts[f"/users/:id/{kind}/"] <= 5


def test_without_any_route_to_conversations_they_are_not_available(open_run: Open) -> None:
    """Neither the account-wide list nor the contacts' own."""
    with Sandbox(scenario(provisional={"conversations": False})) as box:
        fault(box, {"status": 404, "path": r"/conversations/$"})
        run = open_run(box)
        extract.fetch(run)

    assert [(None, 0, False, "api")] * 2 == [_inventory(run)[kind] for kind in ("conversations", "messages")]


def test_without_messages_the_conversations_are_still_listed(open_run: Open) -> None:
    """That there was a talk, with whom, and how long it was."""
    with Sandbox(scenario()) as box:
        fault(box, {"status": 404, "path": r"/conversations/\d+/$"})
        run = open_run(box)
        extract.fetch(run)

    assert 9 == run.read("source_conversations").get_column("messages").sum()
    assert (None, 0, False, "api") == _inventory(run)["messages"]


def test_somebody_gone_since_listed_has_no_history(open_run: Open) -> None:
    """One 404 is a contact, not the route."""
    with Sandbox(scenario()) as box:
        fault(
            box, {"status": 404, "path": r"/users/7/events/"}, {"status": 404, "path": r"/conversations/74/"}
        )
        run = open_run(box)
        extract.fetch(run)

    gone = {entry["kind"]: entry["owners"] for entry in log(run, "gone since listed")}
    assert {"events": 1, "messages": 1} == gone
    assert 0 == run.read("source_events").filter(pl.col("contact_id") == "7").height
    assert "74" not in run.read("source_conversations").get_column("source_id")
    assert {True} == {available for _, _, available, _ in _inventory(run).values()}


def test_fewer_messages_than_announced_show_in_the_inventory(open_run: Open) -> None:
    """Whether long conversations come in pages is unknown; a missing message would stop the gate."""
    short = {"count": 1, "next": None, "previous": None,
             "results": {"id": 72, "user": {"id": 6, "key": "k"}, "active": True, "agent": 11, "messages": []}}  # fmt: skip
    with Sandbox(scenario()) as box:
        fault(box, {"status": 200, "path": r"/conversations/72/", "body": short})
        run = open_run(box)
        extract.fetch(run)

    assert (9, 7, True, "api") == _inventory(run)["messages"]


def test_without_history_only_what_decides_about_a_visitor_is_read(open_run: Open) -> None:
    """The inventory says that it was skipped, which is neither empty nor missing; tables are there."""
    with Sandbox(scenario()) as box:
        run = open_run(box, source='history = "none"')
        extract.fetch(run)
        counts = asked(box)

    heard = run.read("source_contacts").filter(pl.col("last_heard").is_not_null())
    assert ["24"] == heard.get_column("source_id").to_list()
    assert {"/conversations/": 1, "/conversations/:id/": 1} == counts
    assert dict.fromkeys(HISTORY, (None, 0, False, "skipped")) == _inventory(run)
    assert [0] * 5 == [run.read(f"source_{kind}").height for kind in HISTORY]


def test_without_history_and_list_only_visitors_are_asked(open_run: Open) -> None:
    """Nobody else's chats decide anything."""
    with Sandbox(scenario(provisional={"conversations": False})) as box:
        extract.fetch(open_run(box, source='history = "none"'))
        counts = asked(box)

    assert {
        "/conversations/": 1,
        "/users/:id/conversations/": len(VISITORS),
        "/conversations/:id/": 1,
    } == counts


@pytest.mark.parametrize("has_list", [True, False], ids=["account-wide list", "per contact"])
def test_a_sample_brings_its_own_history_only(open_run: Open, has_list: bool) -> None:
    """Five contacts: nobody else is asked for events, and no table holds anybody else."""
    with Sandbox(scenario(provisional={"conversations": has_list})) as box:
        run = open_run(box, sample=5)
        extract.fetch(run)
        counts = asked(box)

    people = set(run.read("source_contacts").get_column("source_id"))
    assert (5, 5) == (len(people), counts["/users/:id/events/"])
    for table in ("source_events", "source_emails", "source_conversations"):
        frame = run.read(table)
        assert frame.height, table
        assert set(frame.get_column("contact_id")) <= people, table
    talks = set(run.read("source_conversations").get_column("source_id"))
    assert set(run.read("source_messages").get_column("conversation_id")) <= talks
    whose = run.read("source_activities").get_column("contact_id").drop_nulls()
    assert set(whose) <= people


def test_an_account_without_contacts_has_an_empty_history(open_run: Open) -> None:
    """Tables and counts are there."""
    with Sandbox(scenario({key: [] for key in ROWS} | {k: ROWS[k] for k in ("pipelines", "agents")})) as box:
        run = open_run(box)
        extract.fetch(run)

    assert [0] * 5 == [run.read(f"source_{kind}").height for kind in HISTORY]
    assert [0] * 5 == [fetched for _, fetched, _, _ in _inventory(run).values()]


def test_progress_tells_how_many_contacts_are_done(open_run: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of how many, so that whoever watches sees the time left."""
    seen: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(
        runs.Run, "progress", lambda _, entity, done, total=None: seen.append((entity, done, total))
    )
    with Sandbox(scenario()) as box:
        extract.fetch(open_run(box))

    assert [("events", done, EVERYBODY) for done in range(EVERYBODY + 1)] == [
        s for s in seen if s[0] == "events"
    ]


def test_the_kinds_of_history_are_the_inventorys() -> None:
    """One name each, wherever they are counted."""
    assert set(HISTORY) == set(extract_history.KINDS)


def test_a_file_left_from_before_the_run_is_not_taken_over(open_run: Open) -> None:
    """Somebody copied a folder: its readings are older than the run."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        extract.fetch(run)
        path = run.phase_folder / "data" / NAME
        old = (datetime.fromisoformat(run.record.get()["created_at"]) - timedelta(days=1)).timestamp()
        os.utime(path, (old, old))
        extract.fetch(run)
        counts = asked(box)

    assert 2 * EVERYBODY == counts["/users/:id/events/"]
