"""The ledger: intents before, outcomes after, and nothing half-written whatever happens."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time

import pytest

from crmbook import ledger_frames
from crmbook.errors import DataError, UsageError
from crmbook.ledger import Intent, Ledger, Outcome


def intent(source_id="1", entity="contact", action="create", seq=1, **more):
    return Intent(
        f"{entity}:{action}:{source_id}", seq, entity, action, source_id, "POST", "/contacts", "hash", **more
    )


def outcome(source_id="1", target_id=70_001, entity="contact", action="create", origin="created", note=None):
    return Outcome(f"{entity}:{action}:{source_id}", target_id, "after", origin, note)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def test_an_intent_is_pending_until_its_outcome(path):
    """What left without an outcome is named; what has one is finished and in the crosswalk."""
    with Ledger(path) as ledger:
        ledger.intend([intent("1"), intent("2", seq=2)])
        ledger.done([outcome("1")])
        assert [w.op_id for w in ledger.pending()] == ["contact:create:2"]
        assert ledger.finished().to_list() == ["contact:create:1"]
        assert ledger.target_ids() == {"contact:1": 70_001}
        assert ledger.crosswalk().rows() == [("contact", "1", 70_001, "created")]


def test_what_is_read_some_at_a_time_is_whole(path, monkeypatch):
    """Every finished write and every record of the crosswalk once, wherever a batch of rows ends."""
    monkeypatch.setattr(ledger_frames, "_AT_ONCE", 2)
    ids = [str(number) for number in range(1, 6)]
    with Ledger(path) as ledger:
        ledger.intend([intent(source_id, seq=int(source_id)) for source_id in ids])
        ledger.done([outcome(source_id, 70_000 + int(source_id)) for source_id in ids])
        assert sorted(ledger.finished()) == [f"contact:create:{source_id}" for source_id in ids]
        assert ledger.crosswalk().rows() == [("contact", n, 70_000 + int(n), "created") for n in ids]


def test_a_write_without_any_answer_may_be_worked_on_for_as_long_as_that_takes(path):
    """As of when it was sent; what was answered, or called unclear, is worked on no more."""
    before = time.time()
    with Ledger(path) as ledger:
        ledger.intend([intent("1"), intent("2", seq=2)])
        assert before + 59 <= ledger.under_way_until(60.0) <= time.time() + 60
        ledger.done([outcome("1")])
        assert ledger.under_way_until(60.0) >= before + 59
        ledger.unclear(["contact:create:2"], "dropped")
        assert ledger.under_way_until(60.0) <= before


def test_it_survives_closing(path):
    """Everything said is there for the next process, readable by the owner only."""
    with Ledger(path) as ledger:
        ledger.intend([intent(before='{"id":1}')])
    with Ledger(path) as ledger:
        assert [(w.before, w.attempts, w.state) for w in ledger.pending()] == [('{"id":1}', 1, "intent")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_repeated_intent_keeps_the_first_before_image(path):
    """The record as it stood before the first attempt is what a rollback needs."""
    with Ledger(path) as ledger:
        ledger.intend([intent(before="first")])
        ledger.unclear(["contact:create:1"], "dropped")
        assert ledger.pending()[0].state == "unclear"
        ledger.intend([intent(before="second")])
        assert [(w.before, w.attempts, w.state) for w in ledger.pending()] == [("first", 2, "intent")]


def test_refusals_are_kept_with_the_vendors_words(path):
    """A rejected write is finished, counted, and says why."""
    with Ledger(path) as ledger:
        ledger.intend([intent("1"), intent("2", seq=2)])
        ledger.reject("contact:create:1", ["a@x.example already exists."])
        ledger.skip(intent("3", entity="deal", action="close", seq=3), "deal:3 is not in the target")
        assert ledger.rejected().rows() == [
            ("contact:create:1", "contact", "create", "1", ["a@x.example already exists."]),
            ("deal:close:3", "deal", "close", "3", ["deal:3 is not in the target"]),
        ]
        assert ledger.outcomes().rows() == [
            ("contact", "create", "pending", 1),
            ("contact", "create", "rejected", 1),
            ("deal", "close", "rejected", 1),
        ]


def test_an_empty_ledger_has_empty_tables(path):
    """Nothing written yet is no error."""
    with Ledger(path) as ledger:
        assert (ledger.crosswalk().height, ledger.outcomes().height, ledger.rejected().height) == (0, 0, 0)


@pytest.mark.parametrize(
    "second", [outcome("2"), outcome("1", 70_002)], ids=["one-target-twice", "closed-already"]
)
def test_the_crosswalk_is_one_to_one(path, second):
    """A target id belongs to one source record, and an outcome comes once; the refused change leaves no trace."""
    with Ledger(path) as ledger:
        ledger.intend([intent("1"), intent("2", seq=2)])
        ledger.done([outcome("1")])
        before = ledger.state_hash()
        with pytest.raises(DataError, match=r"^ledger\.db: "):
            ledger.done([second])
        assert before == ledger.state_hash()
        assert ledger.target_ids() == {"contact:1": 70_001}


def test_many_outcomes_are_one_transaction(path):
    """One bad outcome in a batch takes the whole batch back, as a killed process would."""
    with Ledger(path) as ledger:
        ledger.intend([intent("1"), intent("2", seq=2)])
        with pytest.raises(DataError):
            ledger.done([outcome("1"), outcome("3", 70_003)])
        assert [w.op_id for w in ledger.pending()] == ["contact:create:1", "contact:create:2"]


def test_a_run_keeps_the_plan_and_target_it_began_with(path):
    """The same facts bind again; another plan or host is refused without saying the values."""
    with Ledger(path) as ledger:
        ledger.bind(plan_hash="aa", target_host="x.example")
        ledger.bind(plan_hash="aa", target_host="x.example")
        with pytest.raises(UsageError, match=r"another target host; .*new run") as stop:
            ledger.bind(plan_hash="aa", target_host="y.example")
        assert (ledger.meta("plan_hash"), ledger.meta("target_host")) == ("aa", "x.example")
        assert "y.example" not in str(stop.value)


def test_state_hash_tells_the_story_not_its_dates(path, tmp_path):
    """Attempts, dates and target ids differ between two loads of the same plan; the hash does not."""
    with Ledger(path) as ledger, Ledger(tmp_path / "other.db") as other:
        for book, target_id in ((ledger, 1), (other, 2)):
            book.intend([intent()])
            book.done([outcome(target_id=target_id)])
        assert ledger.state_hash() == other.state_hash()
        other.intend([intent("2", seq=2)])
        assert ledger.state_hash() != other.state_hash()


def test_two_processes_never_load_one_run(path):
    """The right to write is exclusive, and given back."""
    with Ledger(path) as ledger, Ledger(path) as second:
        with (
            ledger.writing(),
            pytest.raises(UsageError, match="another process is loading"),
            second.writing(),
        ):
            pass
        with second.writing():
            assert second.pending() == []


def test_a_damaged_file_is_said_to_be_damaged(path):
    """Garbage in place of the ledger is one line that says not to delete it."""
    path.write_bytes(b"no database at all " * 100)
    with (
        pytest.raises(DataError, match=r"^ledger\.db: file is not a database; restore a backup") as stop,
        Ledger(path),
    ):
        pass
    assert "\n" not in str(stop.value)


def test_a_ledger_that_cannot_be_written(path):
    """A place that takes no file is one line naming the ledger."""
    path.mkdir()
    with pytest.raises(DataError, match=r"^ledger\.db: Is a directory; make it writable"), Ledger(path):
        pass


def test_a_full_disk_loses_nothing(path):
    """SQLite's own page limit stands for the disk: the write is refused whole, what was there stays."""
    with Ledger(path) as ledger:
        ledger.intend([intent("1")])
        (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
        ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(
            DataError, match=r"^ledger\.db: database or disk is full; free some space and run again"
        ):
            ledger.intend([intent(str(i), seq=i, before="x" * 5_000) for i in range(2, 200)])
        ledger._db.execute("PRAGMA max_page_count = 1000000")
        assert [w.op_id for w in ledger.pending()] == ["contact:create:1"]
        ledger.done([outcome("1")])
        assert ledger.finished().to_list() == ["contact:create:1"]


def test_a_locked_ledger_names_the_reason(path, monkeypatch):
    """Another writer holding the file is a usage error, not a stack."""
    with Ledger(path) as ledger:
        ledger._db.execute("PRAGMA busy_timeout = 20")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UsageError, match="another process is writing it"):
            ledger.intend([intent()])
        other.execute("ROLLBACK")
        other.close()
        ledger.intend([intent()])
        assert len(ledger.pending()) == 1


def test_a_killed_process_leaves_its_intents(path):
    """SIGKILL between intent and outcome: the intent is there, and the right to write is free again."""
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from crmbook.ledger import Intent, Ledger
        with Ledger(Path(sys.argv[1])) as ledger, ledger.writing():
            ledger.intend([Intent("contact:create:1", 1, "contact", "create", "1", "POST", "/contacts", "h")])
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    dead = subprocess.run([sys.executable, "-c", script, str(path)], check=False, env=dict(os.environ))
    assert dead.returncode == -signal.SIGKILL
    with Ledger(path) as ledger, ledger.writing():
        assert [w.op_id for w in ledger.pending()] == ["contact:create:1"]
