"""Which words are known, in which language, and what each means in a CRM.

In: `words.toml`. Out: a lexicon that finds a word whole, but for its inflection, by its beginning, or shortened, and
sequences of words. `meanings.toml`, which says what meanings make a field of the target, is read here too.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final

_FOLDS: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe"})
# Ukrainian writes an apostrophe inside words where French and Italian put one between two.
_INSIDE: Final = re.compile(r"(?<=[\u0400-\u04ff])['\u2019\u02bc`](?=[\u0400-\u04ff])")
_INFLECTION: Final = 3
_SHORTEST_LONG: Final = 5
# No sequence begins with less than this in common with the name.
_SHARED: Final = 2
_VOWELS: Final = re.compile(r"(?<!^)[aeiouy]")

# Per meaning the languages in which a word has it.
Senses = dict[str, frozenset[str]]


def fold(text: str) -> str:
    """*text* without case, accents and punctuation, words joined by underscores: what two names share."""
    plain = unicodedata.normalize("NFKD", _INSIDE.sub("", text.casefold()).translate(_FOLDS))
    return "_".join(re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c))))


@dataclass
class Lexicon:
    """Whole words, beginnings of words and sequences of words, each with its meanings; fillers mean nothing."""

    whole: dict[str, Senses] = field(default_factory=dict)
    begun: dict[str, Senses] = field(default_factory=dict)
    sequences: dict[str, dict[tuple[str, ...], Senses]] = field(default_factory=dict)
    fillers: frozenset[str] = frozenset()

    def add(self, word: str, meaning: str, language: str) -> None:
        parts = tuple(fold(part) + "*" * part.endswith("*") for part in word.split("_") if part)
        if len(parts) > 1:
            senses = self.sequences.setdefault(parts[0][:_SHARED], {}).setdefault(parts, {})
        else:
            known = self.begun if word.endswith("*") else self.whole
            senses = known.setdefault(parts[0].rstrip("*"), {})
        senses[meaning] = senses.get(meaning, frozenset()) | {language}

    def beginning(self, word: str) -> str:
        """The longest known beginning of *word*, blank where there is none."""
        return next((word[:n] for n in range(len(word), 1, -1) if word[:n] in self.begun), "")

    @cached_property
    def long_words(self) -> list[str]:
        """The words long enough to be recognised where they are misspelled."""
        return sorted(w for w in {*self.whole, *self.begun} if len(w) >= _SHORTEST_LONG)

    def sequence(self, tokens: list[str]) -> tuple[int, Senses]:
        """How many of *tokens* are a known sequence, the longest there is, and what it means."""
        there = self.sequences.get(tokens[0][:_SHARED], {})
        found = [
            (len(parts), senses)
            for parts, senses in there.items()
            if len(parts) <= len(tokens) and all(map(_is_like, tokens, parts))
        ]
        longest = max((length for length, _ in found), default=0)
        return longest, merged(senses for length, senses in found if length == longest)

    def shortened(self, word: str) -> list[Senses]:
        """What the words begin with *word* mean, or those it is the consonants of."""
        every = [*self.whole.items(), *self.begun.items()]
        if not _VOWELS.search(word):
            return [senses for known, senses in every if _VOWELS.sub("", known) == word]
        return [senses for known, senses in every if known.startswith(word)]

    def known(self, word: str) -> Senses:
        """The meanings of *word*, whole or but for a few letters of inflection."""
        if word in self.whole:
            return merged([self.whole[word], self.begun.get(word, {})])
        begun = self.beginning(word)
        return self.begun[begun] if begun and len(word) - len(begun) <= _INFLECTION else {}


def _is_like(token: str, part: str) -> bool:
    return token.startswith(part[:-1]) if part.endswith("*") else token == part


def merged(several: Iterable[Senses]) -> Senses:
    """All *several* together."""
    together: Senses = {}
    for senses in several:
        for meaning, languages in senses.items():
            together[meaning] = together.get(meaning, frozenset()) | languages
    return together


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
def lexicon_of(section: str) -> Lexicon:
    """The lexicon of `words.toml` for `words`, else of that *section* of `meanings.toml`."""
    lexicon = Lexicon(fillers=frozenset(map(fold, _read("words.toml")["fillers"]["words"].split())))
    named = _vocabulary() if section == "words" else {m: {"any": w} for m, w in content()[section].items()}
    for meaning, by_language in named.items():
        for language, words in by_language.items():
            for word in words.split():
                lexicon.add(word, meaning, language)
    return lexicon


def phrases() -> frozenset[str]:
    """Every entry of the lexicon, folded: what a name would have to be to stand in it word for word."""
    listed = (words for by_language in _vocabulary().values() for words in by_language.values())
    return frozenset(fold(word.replace("*", "")) for words in listed for word in words.split())
