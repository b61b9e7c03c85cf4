"""A small edition of the chaos bench: a dozen kills and each kind of fault once, and the end is that of an undisturbed load."""

import random
from collections.abc import Iterator

import pytest

from bench.chaos import run, worlds
from bench.chaos.trials import Bench, End, Nursery
from crmbook.sandbox.scenario import Scenario, check
from customer_setup import _person, scenario

_AT = "2026-03-02T09:30:00.000000Z"


def small() -> Scenario:
    """The customer acme with something of everything that hangs on its people."""
    told = scenario()
    rows = told.usercom | {
        "activities": [
            {"id": n, "activity_type": 1, "name": f"Call {n % 3}", "due_date": _AT, "done": n % 2 == 0, "assigned_to": 1,
             "user_id": [1, 2, 9, 10][n % 4], "created_at": _AT, "updated_at": _AT}
            for n in range(1, 13)
        ],
        "conversations": [
            {"id": n, "user_id": n, "agent_id": 1, "active": False, "messages": [
                {"id": 10 * n + m, "content": f"message {m}", "author": "user", "timestamp": _AT} for m in range(3)
            ]}
            for n in (1, 2, 7)
        ],
        "lists": [{"id": 1, "name": "Newsletter"}, {"id": 2, "name": "Fairs"}],
    }  # fmt: skip
    more = [
        _person(n, f"Guest {n}", email=f"guest{n}@people.example", last_seen=_AT, company_ids=[{"id": 21, "member_since": _AT}])
        for n in range(40, 60)
    ]  # fmt: skip
    rows["users"] = [person | {"list_ids": [1 + person["id"] % 2]} for person in [*rows["users"], *more]]
    made = Scenario(rows, told.freshsales)
    check(made)
    return made


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("chaos")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CHAOS_SOURCE", "CHAOS_TARGET", "CRMBOOK_RUNS"):
            patch.setenv(name, "")
        world = worlds.prepared("small", folder / "world", told=small(), switches={"index_delay_s": 0.05})
        with Nursery(folder / "loads.log") as nursery:
            yield Bench(world, nursery, folder, random.Random(1), is_guarded=False)


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> tuple[End, int]:
    return bench.undisturbed()


def test_a_load_killed_a_dozen_times_ends_as_one_that_was_not(
    bench: Bench, undisturbed: tuple[End, int]
) -> None:
    """SIGKILL around random requests and at random moments: the same state, no record twice, none missing."""
    trial = bench.killed(*undisturbed, kills=12, a_load=8)
    assert trial.kills >= 12
    assert trial.is_clean, trial


@pytest.mark.parametrize("name", run.FAULTS)
def test_each_kind_of_fault_leaves_no_trace(bench: Bench, undisturbed: tuple[End, int], name: str) -> None:
    """Under the fault the load ends, started again where it stopped, in the very state of an undisturbed one."""
    reference, requests = undisturbed
    faults = [run.rated(fault, requests, seed, most=12) for seed, fault in enumerate(run.FAULTS[name], 1)]
    trial = bench.troubled(name, faults, reference, timeout_s=run.TIMEOUTS_S.get(name))
    assert trial.is_clean, trial
    assert trial.faults >= 1


def test_a_server_that_is_killed_and_started_again_leaves_no_trace(
    bench: Bench, undisturbed: tuple[End, int]
) -> None:
    """What it had answered it still knows."""
    trial = bench.served_again(undisturbed[0], kills=1)
    assert trial.is_clean, trial


def test_a_start_that_is_killed_while_it_measures_leaves_no_canary(
    bench: Bench, undisturbed: tuple[End, int]
) -> None:
    """With all guards in place, as a run has them: what a cut measurement left is cleaned up by the next."""
    bench.is_guarded = True
    trial = bench.killed(*undisturbed, kills=2, a_load=2)
    bench.is_guarded = False
    assert trial.is_clean, trial
