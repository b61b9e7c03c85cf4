"""How far it is: speed, quota left and the time of day, in the file, the status of another process, the bar and the lab."""

import io
import json
import re
import sys
from datetime import datetime
from pathlib import Path

import pytest

import mapping_case
from crmbook import desk, lab_tables, pipeline, progress, runs
from crmbook.vendors.quota import Quota

NOON = datetime(2026, 6, 1, 12, tzinfo=datetime.now().astimezone().tzinfo).timestamp()


class Clock:
    """A clock that is set by hand."""

    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_speed_and_end_follow_from_what_was_done(clock: Clock) -> None:
    """Done per second since the entity began; the end is what is left at that speed."""
    pace = progress.Pace("05_load", clock=clock)
    assert pace.told("contact", 0, 100) == {
        "phase": "05_load", "entity": "contact", "done": 0, "total": 100, "at": NOON, "rate": 0.0, "done_at": None,
        "calls_left": {}, "waits_until": None, "reason": "",
    }  # fmt: skip
    clock.now += 10
    state = pace.told("contact", 20, 100)
    assert state
    assert (state["rate"], state["done_at"]) == (2.0, NOON + 10 + 40)


def test_what_an_earlier_attempt_did_is_no_speed(clock: Clock) -> None:
    """A load that goes on at 90 of 100 is as fast as its own ten; another entity begins anew."""
    pace = progress.Pace("05_load", clock=clock)
    pace.told("deal", 90, 100)
    clock.now += 5
    assert (pace.told("deal", 95, 100) or {})["rate"] == 1.0
    clock.now += 5
    assert (pace.told("note", 7, None) or {})["rate"] == 0.0


def test_it_is_told_five_times_a_second_and_always_at_the_end(clock: Clock) -> None:
    """What comes sooner is not written; the last one is."""
    pace = progress.Pace("01_discovery", clock=clock)
    pace.told("users", 1, 3)
    clock.now += 0.1
    assert pace.told("users", 2, 3) is None
    assert pace.told("users", 3, 3) is not None


def test_the_line_tells_what_is_known() -> None:
    """Without a total, a speed or a quota the line is shorter; nothing is made up."""
    bare = {"phase": "01_discovery", "entity": "users", "done": 1200, "total": None, "at": NOON, "rate": 0.0}
    assert progress.line(bare) == "01_discovery users 1,200 of ?"
    known = {**bare, "total": 4000, "rate": 12.5, "done_at": NOON + 224, "calls_left": {"hour": 812}}
    assert progress.line(known) == (
        "01_discovery users 1,200 of 4,000 · 12.5 a second · 812 calls left this hour · done at 2026-06-01 12:03"
    )


def test_a_pause_says_until_when(clock: Clock) -> None:
    """While the quota is spent the line names the time it goes on, and stays live until then."""
    state = progress.Pace("05_load", clock=clock).waiting(1800, "the hour's 1000 requests are spent")
    assert progress.line(state) == "05_load waits until 2026-06-01 12:30: the hour's 1000 requests are spent"
    assert [progress.is_live(state, NOON + after) for after in (0, 1800, 1900)] == [True, True, False]


def test_the_quota_left_is_the_budgets_own(tmp_path: Path, clock: Clock) -> None:
    """Asked of the shared budget, not more often than every two seconds; a closed connection has none."""
    quota = Quota(tmp_path / "q.db", "crm.example", {"hour": 100}, clock=clock)
    pace = progress.Pace("05_load", quota.left, clock=clock)
    quota.acquire()
    assert (pace.told("contact", 1, 9) or {})["calls_left"] == {"hour": 99}
    quota.acquire()
    clock.now += 1
    assert (pace.told("contact", 2, 9) or {})["calls_left"] == {"hour": 99}
    clock.now += 2
    assert (pace.told("contact", 3, 9) or {})["calls_left"] == {"hour": 98}
    quota.close()
    clock.now += 3
    assert (pace.told("contact", 4, 9) or {})["calls_left"] == {}


@pytest.fixture
def run(customers: Path) -> runs.Run:
    """A phase of a customer's run that is under way."""
    record = mapping_case.new_run(customers)
    return runs.open("02_mapping", customer=mapping_case.CUSTOMER, run_id=record.folder.name)


def test_the_status_of_another_process_shows_it(run: runs.Run) -> None:
    """`crmbook status` reads what the notebook wrote; once it is old, nothing is said to go on."""
    said: list[str] = []
    run.progress("users", 3, 9)
    told = desk.status(mapping_case.CUSTOMER, "", said.append)
    assert "  now: 02_mapping users 3 of 9" in said
    assert told["runs"][-1]["progress"]["done"] == 3
    path = run.folder / progress.NAME
    runs.write_json(path, {**json.loads(path.read_text(encoding="utf-8")), "at": NOON})
    said.clear()
    desk.status(mapping_case.CUSTOMER, "", said.append)
    assert [line for line in said if "now:" in line] == []


def test_a_spent_quota_is_seen_in_the_status(run: runs.Run) -> None:
    """The pause stands in the log and in the status, with its end."""
    said: list[str] = []
    run.wait(1200.0, "the hour's 50 requests are spent")
    desk.status(mapping_case.CUSTOMER, "", said.append)
    assert [
        line for line in said if re.fullmatch(r"  now: 02_mapping waits until .*: the hour's 50 .*", line)
    ]
    assert '"event": "waiting", "wait_s": 1200.0' in (run.folder / "log.jsonl").read_text(encoding="utf-8")


def test_a_phase_that_asks_no_vendor_tells_its_tables(run: runs.Run) -> None:
    """Every table saved is a step, so that no phase stands still for whoever watches."""
    run.save("exclusions", runs.tables.EXCLUSIONS.empty())
    state = json.loads((run.folder / progress.NAME).read_text(encoding="utf-8"))
    assert (state["entity"], state["done"]) == ("tables written", 1)


class Terminal(io.StringIO):
    """A terminal of eighty columns that keeps what was written."""

    def isatty(self) -> bool:
        return True


def test_the_bar_shows_phase_entity_quota_and_time_of_day(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """A new entity begins a new bar; a pause is named; without a terminal there is no bar."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pipeline.bar("05_load") as nothing:
        assert nothing is None
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(sys, "stderr", terminal)
    pace = progress.Pace("05_load", lambda: {"hour": 812}, clock=clock)
    with pipeline.bar("05_load") as watch:
        assert watch
        watch(pace.told("contact", 0, 400) or {})
        clock.now += 10
        watch(pace.told("contact", 100, 400) or {})
        watch(pace.waiting(60, "the minute's 50 requests are spent"))
    drawn = terminal.getvalue()
    assert "05_load contact" in drawn
    assert "100/400" in drawn
    assert "812 calls left this hour, done at 2026-06-01 12:00" in drawn
    assert "05_load waits until 2026-06-01 12:01" in drawn


def test_in_the_lab_the_line_stands_under_the_cell_and_nowhere_else(
    run: runs.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outside of the lab a notebook shows nothing of it, so that the archive keeps no trace."""
    run.progress("users", 1, 9)
    assert capsys.readouterr().out == ""
    monkeypatch.setenv(lab_tables.VARIABLE, "1")
    run.progress("companies", 2, 9)
    assert "Markdown" in capsys.readouterr().out
