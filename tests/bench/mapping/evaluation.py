"""The evaluation set of the mapping proposals: labelled field pairs, and the three figures a matcher is held to.

A pair is a source field as a customer may have named it, with a small masked profile, and the standard field of the
target it means, blank where it means none. The set was written before the proposals were tuned; its halves `dev` and
`test` are told apart by a hash, and only `dev` was looked at while tuning. `pairs.csv` is by the same hand as the words the
proposals know, so figures on it are an upper bound of what a stranger's account gives. `fresh.csv` was written later
from field lists of other systems, before its author had read those words, and measured once before anything was changed.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PAIRS = Path(__file__).with_name("pairs.csv")
FRESH = Path(__file__).with_name("fresh.csv")
TOP = 3

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
