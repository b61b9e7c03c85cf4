"""What do the words of a field's name mean?

In: a name as somebody typed it, in any of the languages of `words.toml`. Out: its words with their meanings.
Names are split at punctuation, blanks and capitals, compounds at the seams of known words. A word that only begins
or ends with a known one, or is misspelled, is taken for it with less certainty. Nothing here knows a target field.
Deterministic and offline.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from rapidfuzz import fuzz, process

from crmbook.phases.lexicon import Lexicon, Senses, fold, lexicon_of, merged

_SYMBOLS: Final = (
    ("#", " number "),
    ("%", " percent "),
    ("№", " number "),
    ("n°", " number "),
    ("nº", " number "),
)
_SEAM: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBERED: Final = re.compile(r"([^\W\d]{3,})(\d)")
# Phone 2 is not the phone; 1 is the first, and larger numbers number something else.
_LATER_ONES: Final = frozenset("23456789")
_SHORTEST_PART: Final = 3
_LONGEST_COMPOUND: Final = 40
# Letters German, Dutch and Swedish put between the parts of a compound.
_LINKS: Final = ("", "s", "es", "n", "en", "e")
# Written together, English keeps its "of": numberofemployees.
_JOINTS: Final = frozenset({"of", "de"})
_LAST_PARTS: Final = frozenset({"nr", "no"})
_BY_BEGINNING: Final = 0.7
_BY_END: Final = 0.6
# Words of no language in particular: names of networks, abbreviations.
_EVERYBODYS: Final = frozenset({"any", "short"})
_RESEMBLES: Final = 88
_SHORTEST_SHORTENED: Final = 4
_SHORTENED: Final = 0.85
_SEVERAL: Final = 0.7
_SHORTEST_MISSPELLED: Final = 6
_EVERY_MISSPELLING: Final = 0.9

Meanings = frozenset[str]
NOTHING: Final[Meanings] = frozenset()


def alike(one: str, other: str, *, least: float = 0.0) -> float:
    """How alike two names are spelled (0-1), whatever the order of their words; 0 below *least*."""
    words = (fold(one).replace("_", " "), fold(other).replace("_", " "))
    if not all(words):
        return 0.0
    return float(fuzz.token_sort_ratio(*words, score_cutoff=least * 100)) / 100


@dataclass(frozen=True)
class Word:
    """A word of a name and what it may mean, nothing where nobody knows it; `certainty` is 1 where it is known whole."""

    text: str
    meanings: Meanings
    certainty: float = 1.0


@dataclass(frozen=True)
class _Known:
    """A word before it is settled which language the name is in."""

    text: str
    senses: Senses
    certainty: float = 1.0

    @property
    def languages(self) -> frozenset[str]:
        """The languages it is a word of; none where it is one of any."""
        spoken = frozenset().union(*self.senses.values())
        return spoken - _EVERYBODYS if not spoken & _EVERYBODYS else frozenset()

    def spoken_in(self, languages: frozenset[str]) -> Word:
        """The word with what it means in *languages*, with all it may mean where there are none."""
        there = {
            m for m, spoken in self.senses.items() if not languages or spoken & (languages | _EVERYBODYS)
        }
        return Word(self.text, frozenset(there or self.senses), self.certainty)


@cache
def understand(name: str, section: str = "words") -> tuple[Word, ...]:
    """
    The words of *name* that carry meaning, in order; fillers and single letters nobody knows are left out.

    *section* is `words` (`words.toml`) for fields, `activities` (`meanings.toml`) for kinds of activity.
    """
    lexicon = lexicon_of(section)
    tokens = _tokens(name)
    words: list[_Known] = []
    place = 0
    while place < len(tokens):
        length, senses = lexicon.sequence(tokens[place:])
        if length:
            words.append(_Known(" ".join(tokens[place : place + length]), senses))
        else:
            words += _single(lexicon, tokens[place])
        place += length or 1
    return tuple(word.spoken_in(_common(words)) for word in words)


def _common(words: list[_Known]) -> frozenset[str]:
    """The languages all *words* are of that are of one; a word of two languages means what it means in these."""
    spoken = [word.languages for word in words if word.languages]
    return frozenset.intersection(*spoken) if spoken else frozenset()


def _tokens(name: str) -> list[str]:
    for symbol, word in _SYMBOLS:
        name = name.replace(symbol, word)
    return [token for token in fold(_SEAM.sub(" ", name)).split("_") if token]


def _single(lexicon: Lexicon, token: str) -> list[_Known]:
    numbered = _NUMBERED.fullmatch(token)
    if numbered and token not in lexicon.whole:
        return _single(lexicon, numbered[1]) + _single(lexicon, numbered[2])
    if found := lexicon.known(token):
        return [_Known(token, found)]
    if token in _LATER_ONES:
        return [_Known(token, {"second": _EVERYBODYS})]
    if token in lexicon.fillers or token.isdigit() or len(token) == 1:
        return []
    return _compound(lexicon, token) or [_resembling(lexicon, token)]


def _compound(lexicon: Lexicon, token: str) -> list[_Known]:
    """*token* as the fewest known words, the last as long as can be; empty where it is none."""
    if len(token) > _LONGEST_COMPOUND:
        return []
    # Per place the words that lead there, as few as can be.
    ways: dict[int, list[_Known]] = {0: []}
    for end in range(2, len(token) + 1):
        parts = ((n, _part(lexicon, token[n:end], is_last=end == len(token))) for n in sorted(ways))
        found = [ways[n] + part for n, part in parts if part is not None]
        if found:
            ways[end] = min(found, key=len)
    words = ways.get(len(token), [])
    return words if len(words) > 1 else []


def _part(lexicon: Lexicon, text: str, *, is_last: bool) -> list[_Known] | None:
    """The word a part of a compound is, none for a joint or a filler, None where it is neither."""
    if text in _JOINTS and not is_last:
        return []
    if len(text) < _SHORTEST_PART and not (is_last and text in _LAST_PARTS):
        return None
    for link in _LINKS[: 1 if is_last else None]:
        stem = text.removesuffix(link)
        is_long = len(stem) >= min(len(text), _SHORTEST_PART)
        if text.endswith(link) and is_long and (found := lexicon.known(stem)):
            return [_Known(stem, found)]
    return [] if text in lexicon.fillers and len(text) > _SHORTEST_PART else None


def _resembling(lexicon: Lexicon, token: str) -> _Known:
    """*token* as the word it is misspelled or shortened from, begins or ends with."""
    for likely in (_misspelled(lexicon, token), _shortened(lexicon, token)):
        if likely.senses:
            return likely
    if begun := lexicon.beginning(token):
        return _Known(token, lexicon.begun[begun], _BY_BEGINNING)
    ends = (token[n:] for n in range(1, len(token) - _SHORTEST_PART))
    found: Senses = next((known for end in ends if (known := lexicon.known(end))), {})
    return _Known(token, found, _BY_END if found else 1.0)


def _shortened(lexicon: Lexicon, token: str) -> _Known:
    """*token* as what it is the beginning or the consonants of; less sure where that is not one meaning."""
    if len(token) < _SHORTEST_SHORTENED:
        return _Known(token, {})
    found = lexicon.shortened(token)
    shared = frozenset.intersection(*map(frozenset, found)) if found else NOTHING
    senses = merged(found)
    if shared:
        return _Known(token, {m: senses[m] for m in shared}, _SHORTENED)
    return _Known(token, senses, _SEVERAL)


def _misspelled(lexicon: Lexicon, token: str) -> _Known:
    if len(token) >= _SHORTEST_MISSPELLED:
        found = process.extractOne(token, lexicon.long_words, scorer=fuzz.ratio, score_cutoff=_RESEMBLES)
        if found:
            senses = merged([lexicon.whole.get(found[0], {}), lexicon.begun.get(found[0], {})])
            return _Known(token, senses, found[1] / 100 * _EVERY_MISSPELLING)
    return _Known(token, {})


def meanings_of(words: Iterable[Word]) -> Meanings:
    """All that *words* may mean."""
    return frozenset().union(*(word.meanings for word in words))
