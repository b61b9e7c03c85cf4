"""How likely is it that a source field is this field of the target?

In: what the field is called and what its values are (`Evidence`). Out: candidates, the likeliest first, each with a
confidence and the evidence in words. A target is named by a set of meanings (`meanings.toml`); a word left over
that means something else makes it another thing, so a name has to be understood whole to be believed. Values that
do not suit lower the confidence, whatever the name says. No value is ever part of a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import permutations
from typing import Any, Final, NamedTuple

from crmbook import clean
from crmbook.phases.lexicon import content
from crmbook.phases.proposal_words import Word, alike, meanings_of, understand

CONFIDENCE: Final = 0.75
SUGGESTED: Final = 3
_LEAST: Final = 0.05
_CONTRADICTED: Final = 0.15
_OTHERWISE: Final = 0.35
_UNKNOWN: Final = 0.7
_PREFIX: Final = 0.9
_LONGEST_PREFIX: Final = 3
_BY_SPELLING: Final = 0.5
_LOOKS_ALIKE: Final = 0.7
_ELSEWHERE: Final = 0.1
_LONGEST_PLACE: Final = 120
_LONGEST_CODE: Final = 12
_TOO_LONG: Final = 0.7
_NOT_PLAIN: Final = frozenset({"choice", "choices", "json", "empty"})
# Meanings that make a field another one than its other words say.
_CONTRARY: Final = frozenset(
    {
        "other_person", "contact_person", "delivery", "billing", "previous", "desired", "birth", "thing", "check",
        "second", "middle_name", "tax", "other_date", "seats", "fax", "division",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """
    A source field as far as its meaning goes.

    `kind` is the kind of value at least nine in ten have and `share` (0-1) how many; `sign` and `sign_share` what
    the values were recognised as (country, currency, time_zone, linkedin, facebook, twitter), blank where nothing.
    """

    entity: str
    label: str
    kind: str
    share: float = 1.0
    max_length: int = 0
    sign: str = ""
    sign_share: float = 0.0


@dataclass(frozen=True)
class Target:
    """
    A field of the target: the sets of meanings that name it, what may stand beside them, what may not, the values
    it takes.
    """

    entity: str
    name: str
    patterns: Mapping[tuple[str, ...], float]
    allowed: frozenset[str]
    denied: frozenset[str]
    values: str
    rule: str


class Candidate(NamedTuple):
    """A target with its confidence (0-1); `why` is the evidence in words, `against` what else its name says."""

    target: str
    confidence: float
    rule: str
    why: str
    against: str = ""


@cache
def targets(entity: str) -> tuple[Target, ...]:
    """The standard fields of the target that a field of *entity* may be, in the order of `meanings.toml`."""
    usual = content()["allowed"].get(entity, "")
    return tuple(
        Target(
            entity,
            name,
            {tuple(meanings.split()): weight for meanings, weight in spec["patterns"].items()},
            frozenset(f"{spec.get('beside', usual)} {spec.get('allowed', '')}".split()),
            frozenset(spec.get("denied", "").split()),
            spec["values"],
            spec.get("rule", "copy"),
        )
        for name, spec in content()["targets"][entity].items()
    )


def candidates(evidence: Evidence) -> list[Candidate]:
    """Every target that is at all likely, the likeliest first; ties in the order of `meanings.toml`."""
    return list(_likely(evidence))


@lru_cache(maxsize=4096)
def _likely(evidence: Evidence) -> tuple[Candidate, ...]:
    words = understand(evidence.label)
    found = [_candidate(evidence, words, target) for target in targets(evidence.entity)]
    return tuple(sorted((c for c in found if c.confidence >= _LEAST), key=lambda c: -c.confidence))


def prefilled(evidence: Evidence) -> list[Candidate]:
    """The candidates sure enough to be filled in, and whose values fit the field whole."""
    return [c for c in candidates(evidence) if c.confidence >= CONFIDENCE and fits(evidence, c)]


def offer(evidence: Evidence, target: Target) -> Candidate:
    """*target* as somebody else names it: the confidence is how well the values suit, whatever the name says."""
    suits, said = _suits(evidence, target)
    return Candidate(target.name, round(suits, 2), target.rule, said)


def fits(evidence: Evidence, candidate: Candidate) -> bool:
    """Whether *candidate* takes such values: single ones, and none longer than the field."""
    longest = clean.PHONE_LENGTH if candidate.rule == "phone" else clean.STANDARD_LENGTH
    return evidence.kind not in _NOT_PLAIN and evidence.max_length <= longest


def _candidate(evidence: Evidence, words: tuple[Word, ...], target: Target) -> Candidate:
    by_name, pattern = _named(words, target)
    spelled = _BY_SPELLING * alike(evidence.label, target.name, least=_LOOKS_ALIKE)
    suits, said = _suits(evidence, target)
    others = _others(words, target.allowed | set(pattern), target.denied) if pattern else []
    told = f"its name says {_listed(pattern)}" + (f", but also {_told(others)}" if others else "")
    against = _told([word for word in others if word.meanings])
    if by_name < spelled:
        by_name, told, against = spelled, "the names look alike", ""
    confidence = round(min(by_name * suits, 0.99), 2)
    return Candidate(target.name, confidence, target.rule, f"{told}; {said}", against)


def _named(words: tuple[Word, ...], target: Target) -> tuple[float, tuple[str, ...]]:
    """How sure the words are that they name *target*, and which meanings they were taken for."""
    best: tuple[float, tuple[str, ...]] = 0.0, ()
    for pattern, weight in target.patterns.items():
        score = weight * _matched(words, pattern, target.allowed | set(pattern))
        if target.denied & meanings_of(words):
            score *= _CONTRADICTED
        if score > best[0]:
            best = score, pattern
    return best


def _others(words: tuple[Word, ...], allowed: frozenset[str], denied: frozenset[str]) -> list[Word]:
    """The words of a name that say something else."""
    return [w for w in words if not w.meanings & allowed or w.meanings & denied]


def _told(words: list[Word]) -> str:
    return ", ".join(f"{w.text} ({_listed(sorted(w.meanings)) or 'nobody knows the word'})" for w in words)


def _listed(meanings: Sequence[str]) -> str:
    return " and ".join(m.replace("_", " ") for m in meanings)


def _matched(words: tuple[Word, ...], pattern: tuple[str, ...], allowed: frozenset[str]) -> float:
    """1 where the words are the *pattern* and nothing else, less for each that is something else, 0 without it."""
    if len(words) < len(pattern) or not set(pattern) <= meanings_of(words):
        return 0.0
    best = 0.0
    for chosen in permutations(range(len(words)), len(pattern)):
        if all(meaning in words[n].meanings for n, meaning in zip(chosen, pattern, strict=True)):
            score = 1.0
            for n, word in enumerate(words):
                score *= word.certainty if n in chosen else _beside(word, allowed, is_first=n == 0)
            best = max(best, score)
    return best


def _beside(word: Word, allowed: frozenset[str], *, is_first: bool) -> float:
    if word.meanings & allowed:
        return word.certainty
    if word.meanings & _CONTRARY:
        return _CONTRADICTED
    if word.meanings:
        return _OTHERWISE
    # What stands before the words of a name is more often a system's prefix than a word.
    return _PREFIX if is_first and len(word.text) <= _LONGEST_PREFIX else _UNKNOWN


def _suits(evidence: Evidence, target: Target) -> tuple[float, str]:
    """How well the values suit *target* (0-1), and that in words."""
    suited: dict[str, Any] = content()["values"][target.values]
    by_kind = suited.get(evidence.kind, _ELSEWHERE) * evidence.share
    by_sign = suited.get(f"sign:{evidence.sign}", 0.0) * evidence.sign_share
    if target.values == "place" and evidence.max_length > _LONGEST_PLACE:
        by_kind *= _TOO_LONG
    if target.values == "code" and evidence.max_length > _LONGEST_CODE:
        by_kind *= _TOO_LONG
    if by_sign > by_kind:
        return by_sign, f"{evidence.sign_share:.0%} of the values are {_SIGNS[evidence.sign]}"
    return by_kind, of_kind(evidence.kind, evidence.share)


_SIGNS: Final = {
    "country": "countries", "currency": "currencies", "time_zone": "time zones", "linkedin": "addresses at LinkedIn",
    "facebook": "addresses at Facebook", "twitter": "addresses at Twitter",
}  # fmt: skip
_KINDS: Final = {
    "text": "text", "json": "JSON", "choices": "a list of choices", "url": "a web address", "email": "an e-mail",
    "integer": "a whole number", "long_integer": "a number of more than 11 digits", "decimal": "a number",
    "long_decimal": "a number of more than 11 digits or 4 decimals", "datetime": "a time",
    "phone": "a telephone number", "boolean": "true or false", "choice": "one choice", "empty": "empty",
}  # fmt: skip


def in_words(kind: str) -> str:
    """A kind of value with its article."""
    return _KINDS.get(kind, f"a {kind}")


def of_kind(kind: str, share: float) -> str:
    """What the values are, and how many of them."""
    values = "every value is" if share == 1 else f"{share:.0%} of the values are"
    return f"{values} {in_words(kind)}"
