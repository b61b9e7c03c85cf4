"""The load of a scenario under every kind of trouble, against an undisturbed one: a table, exit 1 on any difference.

    python tests/bench/chaos/run.py [--scenario demo|FOLDER] [--edition suite|classic] [--kills 200] [--seed 1]
                                    [--capabilities NAME|all] [--no-guards] [--keep FOLDER]

A folder is a scenario as `crmbook sandbox --scenario` takes it. Nothing but this machine is needed.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.chaos import worlds
from bench.chaos.trials import Bench, Nursery, Trial

_DOWN = {"kind": "status", "status": 503, "body": {"errors": {"code": 503, "message": ["down"]}}}
_SPENT = {"kind": "status", "status": 429}
# name -> faults; `share` becomes a probability that hits so many of an undisturbed load's requests
FAULTS: dict[str, list[dict[str, Any]]] = {
    "dropped before processing": [{"kind": "drop_before", "share": 60}],
    "dropped after processing": [{"kind": "drop_after", "share": 60}],
    "half an answer": [{"kind": "truncate", "share": 60}],
    "429 with Retry-After": [{**_SPENT, "headers": {"Retry-After": "1"}, "share": 30, "times": 6}],
    "429 storm without": [{**_SPENT, "times": 3}],
    "500 storm": [{"kind": "status", "status": 500, "share": 100}],
    "503 storm": [{**_DOWN, "share": 150}],
    "down for 60 requests": [{**_DOWN, "times": 60}],
    "slower than the client waits": [{"kind": "delay", "delay_s": 0.8, "share": 15}],
    "jobs that fail": [{"kind": "job_fail", "path": "bulk_upsert", "times": 4}],
    "jobs half done": [{"kind": "job_partial", "path": "bulk_upsert", "times": 4}],
    "everything at once": [
        {"kind": "drop_after", "share": 25},
        {"kind": "drop_before", "share": 25},
        {"kind": "truncate", "share": 25},
        {"kind": "status", "status": 500, "share": 25},
        # not every third: a measurement has three jobs, and would find the last one failing each time it looks
        {"kind": "job_partial", "path": "bulk_upsert", "every": 4},
    ],
}
TIMEOUTS_S = {"slower than the client waits": 0.4}
_STARTED = time.monotonic()
_COLUMNS = {
    "trouble": "name", "loads": "loads", "kills": "kills", "faults": "faults", "restarts": "restarts",
    "requests": "requests", "other state": "differing", "other ledger": "ledgers_differing",
    "duplicates": "duplicates", "losses": "losses",
}  # fmt: skip


def tried(bench: Bench, *, kills: int, a_load: int, server_kills: int) -> list[Trial]:
    """Every kind of trouble, one after another."""
    reference, requests = bench.undisturbed()
    trials = [_said(Trial("none", loads=1, requests=requests))]
    trials.append(_said(bench.killed(reference, requests, kills=kills, a_load=a_load)))
    for name, faults in FAULTS.items():
        given = [rated(fault, requests, seed) for seed, fault in enumerate(faults, 1)]
        trials.append(_said(bench.troubled(name, given, reference, timeout_s=TIMEOUTS_S.get(name))))
    return [*trials, _said(bench.served_again(reference, kills=server_kills))]


def rated(fault: dict[str, Any], requests: int, seed: int, *, most: int = 1_000) -> dict[str, Any]:
    """*fault* as the sandbox takes it, for a load of so many requests; of a `share` at most *most* are hit."""
    share = min(fault.get("share", 0), most)
    rate = {"probability": min(0.3, share / requests), "seed": seed} if share else {}
    return {key: value for key, value in fault.items() if key != "share"} | rate


def table(trials: list[Trial]) -> str:
    rows = [[str(asdict(trial)[key]) for key in _COLUMNS.values()] for trial in trials]
    lines = [list(_COLUMNS), ["---", *(["---:"] * (len(_COLUMNS) - 1))], *rows]
    remarks = [f"{trial.name}: {remark}" for trial in trials for remark in trial.remarks]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *remarks])


def _said(trial: Trial) -> Trial:
    outcome = "as undisturbed" if trial.is_clean else "DIFFERS"
    moment = f"{time.monotonic() - _STARTED:5.0f} s"
    print(f"{moment}  {trial.name}: {outcome}", file=sys.stderr, flush=True)
    return trial


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--scenario", default="demo")
    asked.add_argument("--edition", choices=["suite", "classic"], default="suite")
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--capabilities", choices=[*worlds.CAPABILITIES, "all"], default="all")
    asked.add_argument(
        "--no-guards", action="store_true", help="loads that don't measure the tenant at each start"
    )
    asked.add_argument("--keep", type=Path, help="work in this folder and leave it")
    given = asked.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="crmbook-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    names = list(worlds.CAPABILITIES) if given.capabilities == "all" else [given.capabilities]
    is_clean = True
    for number, name in enumerate(names):
        started = time.monotonic()
        world = worlds.prepared(
            given.scenario,
            folder / f"world-{number}",
            edition=given.edition,
            switches=worlds.CAPABILITIES[name],
        )
        with Nursery(folder / "loads.log") as nursery:
            bench = Bench(world, nursery, folder, random.Random(given.seed), is_guarded=not given.no_guards)
            trials = tried(bench, kills=-(-given.kills // len(names)), a_load=25, server_kills=5)
        print(f"\n{world.name}, {world.edition}, {name}: {world.writes:,} writes, seed {given.seed},"
              f" {time.monotonic() - started:.0f} s\n\n{table(trials)}", flush=True)  # fmt: skip
        is_clean &= all(trial.is_clean for trial in trials)
    if not given.keep:
        shutil.rmtree(folder)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
