"""Every kind of defect planted in the target of a loaded demo, one at a time: a table, exit 1 where 06 misses one.

    python tests/certify/run.py [--edition suite|classic|both] [--together] [--only WORDS] [--keep FOLDER]

After each one the tenant is as the load left it again, by its whole state. With --together, as in the tests, kinds that
have nothing in common are planted at once, each still held to its own findings. Nothing but this machine is needed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from certify import certification, demo, memory
from certify.certification import Verdict
from certify.findings import WARNINGS, Finding, checks
from certify.kinds import BOTH

_STARTED = time.monotonic()
_HEAD = ("defect", "planted in", "found as", "on", "gate")
# What is shown of several findings: the record before what follows from it.
_FIRST = (
    "record missing",
    "record",
    "entry missing",
    "entry duplicated",
    "entry",
    "wrong",
    "link",
    "field",
    "member",
)


def table(verdicts: list[Verdict]) -> str:
    lines = [_HEAD, ("---",) * len(_HEAD), *(_row(verdict) for verdict in verdicts)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(verdict: Verdict) -> tuple[str, ...]:
    plan = verdict.case.plan
    found, on = _told(verdict.named) if plan.expected else ("nothing", "–")
    stops = sorted(checks(plan.expected) & verdict.look.failed)
    warns = sorted(checks(plan.expected, WARNINGS) & verdict.look.warned)
    gate = f"stops: {', '.join(stops)}" if stops else f"warns: {', '.join(warns)}" if warns else "passes"
    return verdict.case.kind.name, plan.where, "MISSED" if verdict.problems else found, on, gate


def _told(named: list[Finding]) -> tuple[str, str]:
    ranked = sorted(
        named, key=lambda f: next((n for n, word in enumerate(_FIRST) if f.kind.startswith(word)), 99)
    )
    if not ranked:
        return "nothing", "–"
    first = ranked[0]
    more = f" and {len(ranked) - 1} more" if len(ranked) > 1 else ""
    return first.kind, f"{first.entity} {first.source_id} {first.field}".strip() + more


def certified(world: demo.worlds.World, *, together: bool, only: str) -> list[Verdict]:
    """The verdicts on every kind; RuntimeError where clean data gives a finding, before or after."""
    found: list[Verdict] = []
    with demo.served(world) as loaded, memory.remembering():
        _clean(loaded)
        every = [case for case in certification.cases(loaded) if only in case.kind.name]
        for batch in certification.rounds(every) if together else [[case] for case in every]:
            verdicts = certification.examined(loaded, batch)
            found += verdicts
            for verdict in verdicts:
                _said(verdict)
        _clean(loaded)
    return sorted(found, key=lambda verdict: every.index(verdict.case))


def _clean(loaded: demo.Demo) -> None:
    if problems := certification.unclean(loaded.look()):
        raise RuntimeError(f"clean data: {'; '.join(problems)}")


def _said(verdict: Verdict) -> None:
    outcome = "; ".join(verdict.problems) or "named"
    print(
        f"{time.monotonic() - _STARTED:5.0f} s  {verdict.case.kind.name}: {outcome}",
        file=sys.stderr,
        flush=True,
    )


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--edition", choices=[*BOTH, "both"], default="both")
    asked.add_argument("--together", action="store_true", help="plant what has nothing in common at once")
    asked.add_argument("--only", default="", help="only kinds with these words in their name")
    asked.add_argument("--keep", type=Path, help="work in this folder and leave it")
    given = asked.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="crmbook-certify-"))
    is_whole = True
    for edition in BOTH if given.edition == "both" else [given.edition]:
        world = demo.loaded(folder / edition, edition)
        verdicts = certified(world, together=given.together, only=given.only)
        missed = [verdict for verdict in verdicts if verdict.problems]
        is_whole &= not missed
        print(f"\n{edition}: {len(verdicts)} kinds, {len(missed)} missed; clean data before and after: no finding\n\n"
              f"{table(verdicts)}", flush=True)  # fmt: skip
    if not given.keep:
        shutil.rmtree(folder)
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
