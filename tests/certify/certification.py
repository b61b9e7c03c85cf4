"""Is every planted defect named, in its class, on its record, and nothing else?

In: a demo that is served, and the kinds. Out: one `Verdict` a kind. One at a time, or in rounds: kinds whose documents
and findings have nothing in common are planted together, and each is still held to its own findings; what nobody
expected condemns the whole round. Clean data first, and again at the end: it must give no finding.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from certify import fields, history, records, relations
from certify.demo import Demo, Planted
from certify.findings import OF_THE_SHEET, WARNINGS, Finding, Look, checks
from certify.kinds import Kind

# A kind that takes a group of records chooses before those that take one.
KINDS = (*fields.KINDS, *records.KINDS, *relations.KINDS, *history.KINDS)
NONE = (*fields.NONE, *records.NONE, *history.NONE)
# What 06 counts by field and not by record, under the name the map has for it; a full name is one value of the source.
COUNTED = ("value lost", "value rewritten")
_IN_THE_MAP = {"currency_id": "currency", "first_name": "last_name"}


@dataclass(frozen=True)
class Case:
    """A kind with its plan on this demo."""

    kind: Kind
    plan: Planted


@dataclass
class Verdict:
    """What 06 said of one case: `problems` in words, empty where the case is named as it should be."""

    case: Case
    look: Look
    problems: list[str] = field(default_factory=list)

    @property
    def named(self) -> list[Finding]:
        """The case's own findings that 06 has, by class."""
        return sorted(self.case.plan.expected & self.look.findings)


def cases(demo: Demo) -> list[Case]:
    """Every kind of this edition, planned: no two take the same document."""
    return [Case(kind, kind.plan(demo)) for kind in (*KINDS, *NONE) if demo.edition in kind.editions]


def rounds(every: Iterable[Case]) -> Iterator[list[Case]]:
    """*every* case in as few rounds as it takes to keep apart what touches or finds the same; the harmless ones first."""
    left = list(every)
    harmless = [case for case in left if case.kind.is_none]
    yield harmless
    left = [case for case in left if not case.kind.is_none]
    while left:
        chosen: list[Case] = []
        for case in left:
            if not any(_meet(case.plan, other.plan) for other in chosen):
                chosen.append(case)
        yield chosen
        left = [case for case in left if case not in chosen]


def examined(demo: Demo, together: list[Case]) -> list[Verdict]:
    """The verdicts on cases planted at once and taken back again."""
    plans = [case.plan for case in together]
    demo.plant(*plans)
    try:
        look = demo.look()
    finally:
        demo.take_back(*plans)
    expected = frozenset[Finding]().union(*(plan.expected for plan in plans))
    shared = [*_unasked(look, expected), *_gate(look, expected)]
    return [Verdict(case, look, [*_own(case, look), *shared]) for case in together]


def unclean(look: Look) -> list[str]:
    """What 06 finds on data nobody tampered with."""
    return [*_unasked(look, frozenset()), *_gate(look, frozenset())]


def _own(case: Case, look: Look) -> list[str]:
    return [f"not found: {' '.join(finding)}" for finding in sorted(case.plan.expected - look.findings)]


def _unasked(look: Look, expected: frozenset[Finding]) -> list[str]:
    """
    Findings nobody planted.

    A value that is lost, or rewritten, on its way back to the source is counted by field: it counts as asked for where a
    finding on this very field was.
    """
    touched = {(f.entity, _IN_THE_MAP.get(f.field, f.field)) for f in expected if f.kind == "field"}
    strange = [
        finding
        for finding in look.findings - expected
        if not (finding.kind in COUNTED and (finding.entity, finding.field) in touched)
    ]
    return [f"nobody's: {' '.join(finding)}" for finding in sorted(strange)]


def _gate(look: Look, expected: frozenset[Finding]) -> list[str]:
    """Where the gate stopped for something else than the findings asked for, warned of something else, or let them pass."""
    asked = expected | {finding for finding in look.findings if finding.kind in COUNTED}
    pairs = ((look.failed, checks(asked)), (look.warned - OF_THE_SHEET, checks(asked, WARNINGS)))
    told = [
        f"gate: {sorted(down)} failed, expected {sorted(wanted)}" for down, wanted in pairs if down != wanted
    ]
    return told + ([f"gate: passed is {look.passed}"] if look.passed is bool(look.failed) else [])


def _meet(one: Planted, other: Planted) -> bool:
    return bool(one.documents & other.documents or one.expected & other.expected)
