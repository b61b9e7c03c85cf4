"""The evaluation set of the mapping proposals: labelled field pairs, and the three figures a matcher is held to.

A pair is a source field as a customer may have named it, with a small masked profile, and the standard field of the
target it means, blank where it means none. The halves `dev` and `test` are told apart by a hash. `pairs.csv` is by the
same hand as the words the proposals know, and both of its halves have been looked at: read it as an upper bound.
`fresh.csv` was written from field lists of other systems before its author had read those words; only its `dev` was
looked at while tuning. A name that later became a word of the list was taken out.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PAIRS = Path(__file__).with_name("pairs.csv")
FRESH = Path(__file__).with_name("fresh.csv")
TOP = 3
STEPS = (0.05, 0.25, 0.5, 0.65, 0.75, 0.85, 0.93, 1.0)

Ranking = list[tuple[str, float]]


@dataclass(frozen=True)
class Pair:
    """One labelled field; `sign` is what its values were recognised as, blank where nothing."""

    entity: str
    industry: str
    language: str
    label: str
    kind: str
    share: float
    max_length: int
    sign: str
    sign_share: float
    target: str

    @property
    def split(self) -> str:
        digest = hashlib.sha256(f"{self.entity}|{self.label}".encode()).digest()
        return "dev" if digest[-1] % 2 == 0 else "test"


@dataclass(frozen=True)
class Figures:
    """Over all fields: `precision` of what is filled in, `recall` of the fields that have a target, `top` of those."""

    pairs: int
    filled_in: int
    precision: float
    recall: float
    top: float


def pairs(split: str = "", source: Path = PAIRS) -> list[Pair]:
    """The pairs of one half, all without *split*."""
    with source.open(encoding="utf-8", newline="") as stream:
        found = [_pair(row) for row in csv.DictReader(stream)]
    return [pair for pair in found if split in ("", pair.split)]


def figures(wanted: Iterable[Pair], rank: Callable[[Pair], Ranking], threshold: float) -> Figures:
    """
    How well *rank* does: its targets with their confidence, the likeliest first.

    The first is filled in from *threshold* on. A field that means nothing in the target and is filled in lowers the
    precision; the three first count only for fields that have a target.
    """
    rankings = [(pair, rank(pair)) for pair in wanted]
    filled = [(p, r[0][0]) for p, r in rankings if r and r[0][1] >= threshold]
    meant = [(p, r) for p, r in rankings if p.target]
    right = sum(p.target == target for p, target in filled)
    near = sum(p.target in [target for target, _ in r[:TOP]] for p, r in meant)
    return Figures(
        len(rankings), len(filled), right / max(len(filled), 1), right / len(meant), near / len(meant)
    )


def reliability(
    wanted: Iterable[Pair], rank: Callable[[Pair], Ranking]
) -> list[tuple[float, float, int, float]]:
    """Per step of confidence (from, to): how many first candidates have it, and how many of them (0-1) are right."""
    firsts = [(r[0][1], p.target == r[0][0]) for p in wanted if (r := rank(p))]
    found = []
    for low, high in pairwise(STEPS):
        right = [is_right for confidence, is_right in firsts if low <= confidence < high]
        found.append((low, high, len(right), sum(right) / max(len(right), 1)))
    return found


def proposed(pair: Pair) -> Ranking:
    """What the proposals make of *pair*; one that may not be filled in stands below the rest of the confidence."""
    from crmbook.phases import proposal_targets as proposals

    evidence = proposals.Evidence(
        pair.entity, pair.label, pair.kind, pair.share, pair.max_length, pair.sign, pair.sign_share
    )
    sure = {c.target for c in proposals.prefilled(evidence)}
    found = proposals.candidates(evidence)
    return [
        (c.target, c.confidence if c.target in sure else min(c.confidence, proposals.CONFIDENCE - 0.01))
        for c in found
    ]


def _pair(row: dict[str, str]) -> Pair:
    sign, _, share = row["signs"].partition("=")
    return Pair(
        row["entity"], row["industry"], row["language"], row["label"], row["kind"], float(row["share"]),
        int(row["length"]), sign, float(share or 0), row["target"],
    )  # fmt: skip
