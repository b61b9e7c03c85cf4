"""Precision, recall and top-3 accuracy of the mapping proposals, beside published schema matchers on the same pairs.

    python tests/bench/mapping/run.py [--offline]

Two sets: `pairs.csv`, by the hand that wrote the words, and `fresh.csv`, from field lists of other systems. The matchers
are valentine's, installed with pip into an environment of its own under the user's cache, never into the project's. Each
is given the threshold that is best for it on the very set (highest F1); the proposals have the one they run with. How
much longer a matcher takes is told as a ratio. `--offline` leaves the matchers out.
"""

import json
import os
import subprocess
import sys
import time
import venv
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "lib")]

import evaluation  # noqa: E402

from crmbook.phases import proposal_targets  # noqa: E402

VALENTINE = "valentine==1.0.1"
KINDS = {
    "phone": "phone", "email": "email", "url": "url", "count": "integer", "money": "decimal", "date": "date",
    "linkedin": "url", "facebook": "url", "twitter": "url",
}  # fmt: skip


def main() -> None:
    for title, source in (("own", evaluation.PAIRS), ("fresh", evaluation.FRESH)):
        everything = evaluation.pairs("", source)
        english = [p for p in everything if p.language == "en"]
        # All of them first: what was understood once is remembered, and would take no time.
        took = ours(f"crmbook, {title}", everything)
        for split in ("dev", "test"):
            ours(f"crmbook, {title} {split}", [p for p in everything if p.split == split])
        ours(f"crmbook, {title} English", english)
        reliability(everything)
        if "--offline" not in sys.argv:
            theirs(title, everything, english, took)


def ours(name: str, pairs: list[evaluation.Pair]) -> float:
    """Prints the figures of the proposals on *pairs*; the seconds they took."""
    began = time.perf_counter()
    found = evaluation.figures(pairs, evaluation.proposed, proposal_targets.CONFIDENCE)
    took = time.perf_counter() - began
    line(name, found, proposal_targets.CONFIDENCE)
    return took


def reliability(pairs: list[evaluation.Pair]) -> None:
    """Prints how many first candidates have which confidence, and how many of them are right."""
    for low, high, number, right in evaluation.reliability(pairs, evaluation.proposed):
        print(f"    confidence {low:.2f}-{high:.2f}: {number:4} first candidates, right {right:.2f}")


def theirs(title: str, pairs: list[evaluation.Pair], english: list[evaluation.Pair], took: float) -> None:
    """Prints the figures of the matchers on *pairs*, and how much longer than *took* they need."""
    for name, (scores, seconds) in matched(pairs).items():
        rank = lambda pair, scores=scores: scores.get((pair.entity, pair.label), [])  # noqa: E731
        threshold = best_threshold(pairs, rank)
        line(f"{name}, {title}", evaluation.figures(pairs, rank, threshold), threshold)
        line(f"{name}, {title} English", evaluation.figures(english, rank, threshold), threshold)
        print(f"    {seconds / took:.1f} times as long as crmbook")


def line(name: str, found: evaluation.Figures, threshold: float) -> None:
    print(
        f"{name:34} {found.pairs:4} pairs  filled in {found.filled_in:4}  precision {found.precision:.3f}"
        f"  recall {found.recall:.3f}  top-3 {found.top:.3f}  (from {threshold:.2f})"
    )


def best_threshold(pairs: list[evaluation.Pair], rank: object) -> float:
    """The threshold with the highest F1 for *rank* on *pairs*."""
    scores = sorted({r[0][1] for p in pairs if (r := rank(p))})
    found = {t: evaluation.figures(pairs, rank, t) for t in scores}
    return max(
        found,
        key=lambda t: found[t].precision * found[t].recall / (found[t].precision + found[t].recall or 1),
    )


def matched(
    pairs: list[evaluation.Pair],
) -> dict[str, tuple[dict[tuple[str, str], evaluation.Ranking], float]]:
    """Per matcher its targets by field, the likeliest first, and the seconds it took."""
    question = {
        entity: {
            "source": [[p.label, p.kind] for p in pairs if p.entity == entity],
            "target": [[t.name, KINDS.get(t.values, "text")] for t in proposal_targets.targets(entity)],
        }
        for entity in ("contact", "company", "deal")
    }
    done = subprocess.run(
        [str(environment()), str(HERE / "matchers.py")], input=json.dumps(question), capture_output=True,
        text=True, check=False, timeout=1800,
    )  # fmt: skip
    print("".join(f"  {x}\n" for x in done.stderr.splitlines() if "left out" in x), end="")
    if done.returncode:
        sys.exit(f"the matchers did not run: {done.stderr.splitlines()[-1:]}")
    found = {}
    for name, (by_entity, seconds) in json.loads(done.stdout).items():
        ranked: dict[tuple[str, str], evaluation.Ranking] = defaultdict(list)
        for entity, rows in by_entity.items():
            for label, target, score in sorted(rows, key=lambda row: -row[2]):
                ranked[entity, label].append((target, score))
        found[name] = (ranked, seconds)
    return found


def environment() -> Path:
    """The python that has valentine; made once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "crmbook-bench" / VALENTINE
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", VALENTINE]
        subprocess.run(pip, check=True)
        (folder / ".installed").touch()
    return python


if __name__ == "__main__":
    main()
