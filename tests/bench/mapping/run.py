"""Precision, recall and top-3 accuracy of the mapping proposals, beside published schema matchers on the same pairs.

    python tests/bench/mapping/run.py [--offline]

The matchers are valentine's, installed with pip into an environment of its own under the user's cache, never into the
project's. Each matcher is given the threshold that is best for it on this very set (highest F1); the proposals
have the one they run with. `--offline` leaves the matchers out.
"""

import json
import os
import subprocess
import sys
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
    everything = evaluation.pairs()
    for split in ("dev", "test", ""):
        some = [p for p in everything if split in ("", p.split)]
        found = evaluation.figures(some, evaluation.proposed, proposal_targets.CONFIDENCE)
        line(f"crmbook, {split or 'all'}", found, proposal_targets.CONFIDENCE)
    for split in ("dev", "test", ""):
        found = evaluation.figures(
            evaluation.pairs(split, evaluation.FRESH), evaluation.proposed, proposal_targets.CONFIDENCE
        )
        line(f"crmbook, fresh {split or 'all'}", found, proposal_targets.CONFIDENCE)
    english = [p for p in everything if p.language == "en"]
    found = evaluation.figures(english, evaluation.proposed, proposal_targets.CONFIDENCE)
    line("crmbook, English only", found, proposal_targets.CONFIDENCE)
    if "--offline" in sys.argv:
        return
    for name, scores in matched(everything).items():
        rank = lambda pair, scores=scores: scores.get((pair.entity, pair.label), [])  # noqa: E731
        threshold = best_threshold(everything, rank)
        line(f"{name}, all", evaluation.figures(everything, rank, threshold), threshold)
        line(f"{name}, English only", evaluation.figures(english, rank, threshold), threshold)


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


def matched(pairs: list[evaluation.Pair]) -> dict[str, dict[tuple[str, str], evaluation.Ranking]]:
    """Per matcher and field its targets, the likeliest first."""
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
    found: dict[str, dict[tuple[str, str], evaluation.Ranking]] = {}
    for name, by_entity in json.loads(done.stdout).items():
        ranked: dict[tuple[str, str], evaluation.Ranking] = defaultdict(list)
        for entity, rows in by_entity.items():
            for label, target, score in sorted(rows, key=lambda row: -row[2]):
                ranked[entity, label].append((target, score))
        found[name] = ranked
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
