"""What do the words of a field's name mean?

In: a name as somebody typed it, in any of the languages of `meanings.toml`. Out: its words with their meanings.
Names are split at punctuation, blanks and capitals, compounds at the seam of two known words; a misspelled word
is taken for the known one it resembles. Nothing here knows a target field. Deterministic and offline.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from rapidfuzz import fuzz, process

_FOLDS: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe"})
_SYMBOLS: Final = (
    ("#", " number "),
    ("%", " percent "),
    ("№", " number "),
    ("n°", " number "),
    ("nº", " number "),
)
_SEAM: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBERED: Final = re.compile(r"([a-z]{3,})(\d)")
# Phone 2 is not the phone; 1 is the first, and larger numbers number something else.
_LATER_ONES: Final = frozenset("23456789")
_LONGEST_SEQUENCE: Final = 3
_SHORTEST_PART: Final = 3
_INFLECTION: Final = 3
_RESEMBLES: Final = 88
_SHORTEST_MISSPELLED: Final = 6
_EVERY_MISSPELLING: Final = 0.9

Meanings = frozenset[str]
NOTHING: Final[Meanings] = frozenset()


def fold(text: str) -> str:
    """*text* without case, accents and punctuation, words joined by underscores: what two names share."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_FOLDS))
    return "_".join(re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c))))


def alike(one: str, other: str, *, least: float = 0.0) -> float:
    """How alike two names are spelled (0-1), whatever the order of their words; 0 below *least*."""
    words = (fold(one).replace("_", " "), fold(other).replace("_", " "))
    if not all(words):
        return 0.0
    return float(fuzz.token_sort_ratio(*words, score_cutoff=least * 100)) / 100


@dataclass(frozen=True)
class Word:
    """A word of a name and what it may mean, nothing where nobody knows it; `certainty` is 1 unless it was misspelled."""

    text: str
    meanings: Meanings
    certainty: float = 1.0


@dataclass
class _Lexicon:
    """Whole words, beginnings of words and sequences of words, each with its meanings; fillers mean nothing."""

    whole: dict[str, set[str]] = field(default_factory=dict)
    begun: dict[str, set[str]] = field(default_factory=dict)
    sequences: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    fillers: frozenset[str] = frozenset()

    def add(self, word: str, meaning: str) -> None:
        parts = tuple(fold(part) + "*" * part.endswith("*") for part in word.split("_") if part)
        if len(parts) > 1:
            self.sequences.setdefault(parts, set()).add(meaning)
        else:
            known = self.begun if word.endswith("*") else self.whole
            known.setdefault(parts[0].rstrip("*"), set()).add(meaning)

    def beginning(self, word: str) -> str:
        """The longest known beginning of *word*, blank where there is none."""
        return next((word[:n] for n in range(len(word), 1, -1) if word[:n] in self.begun), "")

    def known(self, word: str) -> Meanings:
        """The meanings of *word*, whole or but for a few letters of inflection."""
        if word in self.whole:
            return frozenset(self.whole[word] | self.begun.get(word, set()))
        begun = self.beginning(word)
        return frozenset(self.begun[begun]) if begun and len(word) - len(begun) <= _INFLECTION else NOTHING


@cache
def content() -> dict[str, Any]:
    """`meanings.toml`, read."""
    return tomllib.loads((files("crmbook.phases") / "meanings.toml").read_text(encoding="utf-8"))


@cache
def _lexicon(section: str) -> _Lexicon:
    lexicon = _Lexicon(fillers=frozenset(content()["fillers"]["words"].split()))
    for meaning, words in content()[section].items():
        for word in words.split():
            lexicon.add(word, meaning)
    return lexicon


def phrases() -> frozenset[str]:
    """Every entry of the lexicon, folded: what a name would have to be to stand in it word for word."""
    return frozenset(
        fold(word.replace("*", "")) for words in content()["words"].values() for word in words.split()
    )


@cache
def understand(name: str, section: str = "words") -> tuple[Word, ...]:
    """
    The words of *name* that carry meaning, in order; fillers and single letters nobody knows are left out.

    *section* of `meanings.toml` is `words` for fields, `activities` for kinds of activity.
    """
    lexicon = _lexicon(section)
    tokens = _tokens(name)
    words: list[Word] = []
    place = 0
    while place < len(tokens):
        length, meanings = _sequence(lexicon, tokens[place:])
        if length:
            words.append(Word(" ".join(tokens[place : place + length]), meanings))
        else:
            words += _single(lexicon, tokens[place])
        place += length or 1
    return tuple(words)


def _tokens(name: str) -> list[str]:
    for symbol, word in _SYMBOLS:
        name = name.replace(symbol, word)
    return [token for token in fold(_SEAM.sub(" ", name)).split("_") if token]


def _sequence(lexicon: _Lexicon, tokens: list[str]) -> tuple[int, Meanings]:
    for length in range(min(_LONGEST_SEQUENCE, len(tokens)), 1, -1):
        found = [
            meanings
            for parts, meanings in lexicon.sequences.items()
            if len(parts) == length and all(_is_like(t, p) for t, p in zip(tokens, parts, strict=False))
        ]
        if found:
            return length, frozenset().union(*found)
    return 0, NOTHING


def _is_like(token: str, part: str) -> bool:
    return token.startswith(part[:-1]) if part.endswith("*") else token == part


def _single(lexicon: _Lexicon, token: str) -> list[Word]:
    numbered = _NUMBERED.fullmatch(token)
    if numbered and token not in lexicon.whole:
        return _single(lexicon, numbered[1]) + _single(lexicon, numbered[2])
    if found := lexicon.known(token):
        return [Word(token, found)]
    if token in _LATER_ONES:
        return [Word(token, frozenset({"second"}))]
    if token in lexicon.fillers or token.isdigit() or len(token) == 1:
        return []
    if compound := _compound(lexicon, token):
        return compound
    if begun := lexicon.beginning(token):
        return [Word(token, frozenset(lexicon.begun[begun]))]
    return [_misspelled(lexicon, token)]


def _compound(lexicon: _Lexicon, token: str) -> list[Word]:
    """*token* as two known words, the second as long as can be."""
    for seam in range(_SHORTEST_PART, len(token) - _SHORTEST_PART + 1):
        left, right = lexicon.known(token[:seam]), lexicon.known(token[seam:])
        if left and right:
            return [Word(token[:seam], left), Word(token[seam:], right)]
    return []


def _misspelled(lexicon: _Lexicon, token: str) -> Word:
    if len(token) >= _SHORTEST_MISSPELLED:
        candidates = [w for w in (*lexicon.whole, *lexicon.begun) if len(w) >= _SHORTEST_MISSPELLED - 1]
        found = process.extractOne(token, sorted(candidates), scorer=fuzz.ratio, score_cutoff=_RESEMBLES)
        if found:
            meanings = lexicon.whole.get(found[0], set()) | lexicon.begun.get(found[0], set())
            return Word(token, frozenset(meanings), found[1] / 100 * _EVERY_MISSPELLING)
    return Word(token, NOTHING)


def meanings_of(words: Iterable[Word]) -> Meanings:
    """All that *words* may mean."""
    return frozenset().union(*(word.meanings for word in words))
