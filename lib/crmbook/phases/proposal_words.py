"""What do the words of a field's name mean?

In: a name as somebody typed it, in any of the languages of `words.toml`. Out: its words with their meanings.
Names are split at punctuation, blanks and capitals, compounds at the seams of known words. A word that only begins
or ends with a known one, or is misspelled, is taken for it with less certainty. Nothing here knows a target field.
Deterministic and offline.
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
_NUMBERED: Final = re.compile(r"([^\W\d]{3,})(\d)")
# Ukrainian writes an apostrophe inside words where French and Italian put one between two.
_INSIDE: Final = re.compile(r"(?<=[\u0400-\u04ff])['\u2019\u02bc`](?=[\u0400-\u04ff])")
# Phone 2 is not the phone; 1 is the first, and larger numbers number something else.
_LATER_ONES: Final = frozenset("23456789")
_LONGEST_SEQUENCE: Final = 3
_SHORTEST_PART: Final = 3
_LONGEST_COMPOUND: Final = 40
# Letters German, Dutch and Swedish put between the parts of a compound.
_LINKS: Final = ("", "s", "es", "n", "en", "e")
# Written together, English keeps its "of": numberofemployees.
_JOINTS: Final = frozenset({"of", "de"})
_LAST_PARTS: Final = frozenset({"nr", "no"})
_INFLECTION: Final = 3
_BY_BEGINNING: Final = 0.7
_BY_END: Final = 0.6
# Words of no language in particular: names of networks, abbreviations.
_EVERYBODYS: Final = frozenset({"any", "short"})
_RESEMBLES: Final = 88
_SHORTEST_MISSPELLED: Final = 6
_EVERY_MISSPELLING: Final = 0.9

Meanings = frozenset[str]
# Per meaning the languages in which a word has it.
_Senses = dict[str, frozenset[str]]
NOTHING: Final[Meanings] = frozenset()


def fold(text: str) -> str:
    """*text* without case, accents and punctuation, words joined by underscores: what two names share."""
    plain = unicodedata.normalize("NFKD", _INSIDE.sub("", text.casefold()).translate(_FOLDS))
    return "_".join(re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c))))


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
    senses: _Senses
    certainty: float = 1.0

    @property
    def languages(self) -> frozenset[str]:
        """The languages it is a word of; none where it is one of any."""
        spoken = frozenset().union(*self.senses.values())
        return spoken - _EVERYBODYS if not spoken & _EVERYBODYS else frozenset()

    def spoken_in(self, languages: frozenset[str]) -> Word:
        """The word with what it means in *languages*, with all it may mean where there are none."""
        there = {m for m, spoken in self.senses.items() if not languages or spoken & (languages | _EVERYBODYS)}
        return Word(self.text, frozenset(there or self.senses), self.certainty)


@dataclass
class _Lexicon:
    """Whole words, beginnings of words and sequences of words, each with its meanings; fillers mean nothing."""

    whole: dict[str, _Senses] = field(default_factory=dict)
    begun: dict[str, _Senses] = field(default_factory=dict)
    sequences: dict[tuple[str, ...], _Senses] = field(default_factory=dict)
    fillers: frozenset[str] = frozenset()

    def add(self, word: str, meaning: str, language: str) -> None:
        parts = tuple(fold(part) + "*" * part.endswith("*") for part in word.split("_") if part)
        if len(parts) > 1:
            senses = self.sequences.setdefault(parts, {})
        else:
            known = self.begun if word.endswith("*") else self.whole
            senses = known.setdefault(parts[0].rstrip("*"), {})
        senses[meaning] = senses.get(meaning, frozenset()) | {language}

    def beginning(self, word: str) -> str:
        """The longest known beginning of *word*, blank where there is none."""
        return next((word[:n] for n in range(len(word), 1, -1) if word[:n] in self.begun), "")

    def known(self, word: str) -> _Senses:
        """The meanings of *word*, whole or but for a few letters of inflection."""
        if word in self.whole:
            return _merged([self.whole[word], self.begun.get(word, {})])
        begun = self.beginning(word)
        return self.begun[begun] if begun and len(word) - len(begun) <= _INFLECTION else {}


def _merged(several: Iterable[_Senses]) -> _Senses:
    merged: _Senses = {}
    for senses in several:
        for meaning, languages in senses.items():
            merged[meaning] = merged.get(meaning, frozenset()) | languages
    return merged


@cache
def content() -> dict[str, Any]:
    """`meanings.toml`, read."""
    return _read("meanings.toml")


@cache
def _vocabulary() -> dict[str, dict[str, str]]:
    """Per meaning its words by language."""
    return {meaning: dict(by) for meaning, by in _read("words.toml")["words"].items()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("crmbook.phases") / name).read_text(encoding="utf-8"))


@cache
def _lexicon(section: str) -> _Lexicon:
    lexicon = _Lexicon(fillers=frozenset(fold(word) for word in _read("words.toml")["fillers"]["words"].split()))
    by_meaning = _vocabulary() if section == "words" else {m: {"any": w} for m, w in content()[section].items()}
    for meaning, by_language in by_meaning.items():
        for language, words in by_language.items():
            for word in words.split():
                lexicon.add(word, meaning, language)
    return lexicon


def phrases() -> frozenset[str]:
    """Every entry of the lexicon, folded: what a name would have to be to stand in it word for word."""
    listed = (words for by_language in _vocabulary().values() for words in by_language.values())
    return frozenset(fold(word.replace("*", "")) for words in listed for word in words.split())


@cache
def understand(name: str, section: str = "words") -> tuple[Word, ...]:
    """
    The words of *name* that carry meaning, in order; fillers and single letters nobody knows are left out.

    *section* is `words` (`words.toml`) for fields, `activities` (`meanings.toml`) for kinds of activity.
    """
    lexicon = _lexicon(section)
    tokens = _tokens(name)
    words: list[_Known] = []
    place = 0
    while place < len(tokens):
        length, senses = _sequence(lexicon, tokens[place:])
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


def _sequence(lexicon: _Lexicon, tokens: list[str]) -> tuple[int, _Senses]:
    for length in range(min(_LONGEST_SEQUENCE, len(tokens)), 1, -1):
        found = [
            senses
            for parts, senses in lexicon.sequences.items()
            if len(parts) == length and all(_is_like(t, p) for t, p in zip(tokens, parts, strict=False))
        ]
        if found:
            return length, _merged(found)
    return 0, {}


def _is_like(token: str, part: str) -> bool:
    return token.startswith(part[:-1]) if part.endswith("*") else token == part


def _single(lexicon: _Lexicon, token: str) -> list[_Known]:
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


def _compound(lexicon: _Lexicon, token: str) -> list[_Known]:
    """*token* as the fewest known words, the last as long as can be; empty where it is none."""
    if len(token) > _LONGEST_COMPOUND:
        return []
    # Per place the best way to have come there: how many words, and which.
    ways: dict[int, tuple[int, list[_Known]]] = {0: (0, [])}
    for end in range(2, len(token) + 1):
        found = [
            (ways[start][0] + 1, ways[start][1] + part)
            for start in range(end)
            if start in ways and (part := _part(lexicon, token[start:end], is_last=end == len(token))) is not None
        ]
        if found:
            ways[end] = min(found, key=lambda way: way[0])
    words = ways.get(len(token), (0, []))[1]
    return words if len(words) > 1 else []


def _part(lexicon: _Lexicon, text: str, *, is_last: bool) -> list[_Known] | None:
    """The word a part of a compound is, none for a joint or a filler, None where it is neither."""
    if text in _JOINTS and not is_last:
        return []
    if len(text) < _SHORTEST_PART and not (is_last and text in _LAST_PARTS):
        return None
    for link in _LINKS[: 1 if is_last else None]:
        stem = text.removesuffix(link)
        if text.endswith(link) and len(stem) >= min(len(text), _SHORTEST_PART) and (found := lexicon.known(stem)):
            return [_Known(stem, found)]
    return [] if text in lexicon.fillers and len(text) > _SHORTEST_PART else None


def _resembling(lexicon: _Lexicon, token: str) -> _Known:
    """*token* as the word it is misspelled from, begins or ends with."""
    misspelled = _misspelled(lexicon, token)
    if misspelled.senses:
        return misspelled
    if begun := lexicon.beginning(token):
        return _Known(token, lexicon.begun[begun], _BY_BEGINNING)
    ends = (token[n:] for n in range(1, len(token) - _SHORTEST_PART))
    found: _Senses = next((known for end in ends if (known := lexicon.known(end))), {})
    return _Known(token, found, _BY_END if found else 1.0)


def _misspelled(lexicon: _Lexicon, token: str) -> _Known:
    if len(token) >= _SHORTEST_MISSPELLED:
        candidates = [w for w in (*lexicon.whole, *lexicon.begun) if len(w) >= _SHORTEST_MISSPELLED - 1]
        found = process.extractOne(token, sorted(candidates), scorer=fuzz.ratio, score_cutoff=_RESEMBLES)
        if found:
            senses = _merged([lexicon.whole.get(found[0], {}), lexicon.begun.get(found[0], {})])
            return _Known(token, senses, found[1] / 100 * _EVERY_MISSPELLING)
    return _Known(token, {})


def meanings_of(words: Iterable[Word]) -> Meanings:
    """All that *words* may mean."""
    return frozenset().union(*(word.meanings for word in words))
