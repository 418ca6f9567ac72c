"""Words and their translations, learnt from the aligned text itself: the Dice coefficient of word
and fragment finds terms that are translated consistently (Smadja et al. 1996, Computational
Linguistics 22(1)), also in Chinese, where a random run of characters would cut words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from bayling_study.core.text.forms import normalise, occurrences
from bayling_study.core.text.scripts import ONE_UNSPACED, is_unspaced_character
from bayling_study.core.text.words import is_quotable, words
from bayling_study.shared.interactive.types import DirectedPair

MIN_DOCUMENTS = 4  # documents that a term must occur in; formulas of one document are no terms
MAX_SHARE = 0.1  # share of segments above which a word is a function word
MIN_DICE = 0.7  # below it a fragment is too often something else
MIN_LETTERS = 3
MAX_SEGMENTS = 40_000  # segments that are counted; more of them find no more common terms

MOST_LETTERS = 0.5
"""Largest share of a sentence's letters that is exchanged; the rest must show what it says."""


class LexiconTerm(NamedTuple):
    """A word of a source text and what it is called in the translation."""

    source: str
    target: str


class PairLexicon:
    """Terms of one language pair."""

    def __init__(self, segments: Iterable[DirectedPair]) -> None:
        some = list(islice(segments, MAX_SEGMENTS))
        ones = [(item.document, _fragments(item.source_text, 1)) for item in some]
        others = [(item.document, _fragments(item.target_text, 2)) for item in some]
        limit = MAX_SHARE * len(some)
        words_of = _frequent(ones, limit)
        fragments_of = _frequent(others, limit)
        together: dict[str, Counter[str]] = defaultdict(Counter)
        for (_, one), (_, other) in zip(ones, others, strict=True):
            kept = [fragment for fragment in other if fragment in fragments_of]
            for word in one:
                if word in words_of:
                    together[word].update(kept)
        self._table = _mutual_best(together, words_of, fragments_of)

    def pairs(self, source_text: str, target_text: str) -> Iterator[tuple[str, str]]:
        """Yields the words and fragments found in both texts, in the order of the source."""
        for word in _fragments(source_text, 1):
            fragment = self._table.get(word)
            if fragment and occurrences(target_text, fragment) == 1:
                yield word, fragment

    def terms(self, source_text: str, target_text: str) -> list[LexiconTerm]:
        """Returns the terms found in both texts, in the order of the source, as written there."""
        found: dict[str, LexiconTerm] = {}
        for word, fragment in self.pairs(source_text, target_text):
            term = LexiconTerm(written(source_text, word), written(target_text, fragment))
            found.setdefault(normalise(term.target), term)
        return [  # without what is only a part of another term
            term
            for term in found.values()
            if not any(occurrences(t.target, term.target) for t in found.values() if t != term)
        ]


@lru_cache(maxsize=1 << 12)  # a text's are asked for again with its translation
def _fragments(text: str, longest: int) -> tuple[str, ...]:
    """Returns distinct words and runs of words; of unspaced text runs of 2 to 5 characters."""
    text = normalise(text)
    units = words(text)
    if not ONE_UNSPACED.search(text):
        starts = [n for n, unit in enumerate(units) if len(unit) >= MIN_LETTERS]
        runs = (" ".join(units[n : n + size + 1]) for n in starts for size in range(longest))
        return tuple(dict.fromkeys(run for run in runs if run in text and not run.isdigit()))
    wides = [is_unspaced_character(unit[0]) for unit in units]
    result: dict[str, None] = {}
    for start, wide in enumerate(wides):
        if wide or len(units[start]) >= MIN_LETTERS:
            least, most = (2, 5) if wide else (1, longest)
            for end in range(start + least, min(start + most, len(units)) + 1):
                fragment = ("" if wide else " ").join(units[start:end])
                alike = (not wide) not in wides[start:end]
                if alike and fragment in text and not fragment.isdigit():
                    result[fragment] = None
    return tuple(result)


def _frequent(sides: Sequence[tuple[str, Sequence[str]]], limit: float) -> dict[str, int]:
    """Returns the number of segments of each fragment that is neither rare nor everywhere."""
    counts = Counter(one for _, fragments in sides for one in fragments)
    some = {one: n for one, n in counts.items() if MIN_DOCUMENTS <= n <= limit}
    places = {(one, document) for document, found in sides for one in found if one in some}
    spread = Counter(one for one, _ in places)
    return {one: n for one, n in some.items() if spread[one] >= MIN_DOCUMENTS}


def _mutual_best(
    together: dict[str, Counter[str]], words_of: dict[str, int], fragments_of: dict[str, int]
) -> dict[str, str]:
    """Pairs each word with one fragment, the highest Dice coefficient and the longest first: of
    ``传感`` and ``传感器``, which always occur together, the longer is the term."""
    scored = []
    for word, counts in together.items():
        for fragment, n in counts.items():
            dice = 2 * n / (words_of[word] + fragments_of[fragment])
            if dice >= MIN_DICE:
                scored.append((dice, len(word) + len(fragment), word, fragment))
    table: dict[str, str] = {}
    taken: set[str] = set()
    for _, _, word, fragment in sorted(scored, reverse=True):
        if word not in table and fragment not in taken:
            table[word] = fragment
            taken.add(fragment)
    return table


def written(text: str, fragment: str) -> str:
    """Returns a fragment in the letter case of the text, or as it is if the text folds it."""
    start = text.casefold().find(fragment)
    return text[start : start + len(fragment)] if start >= 0 else fragment


def exchangeable(terms: Iterable[LexiconTerm]) -> list[tuple[str, str]]:
    """Returns the terms of which both sides are words without quotation marks or other signs."""
    return [(old, new) for old, new in terms if is_quotable(old) and is_quotable(new)]


def exchanged(
    text: str, pairs: Iterable[tuple[str, str]], rate: float, most: float = MOST_LETTERS
) -> tuple[str, int]:
    """Returns a text with parts of it exchanged (code-switching), and how many of its words.
    ``pairs`` are parts, exchanged where they stand in it once, and what for, in the order of
    preference; ``rate`` and ``most`` the largest shares of its words and of its letters."""
    mixed, switched = text, 0
    letters, room = most * len(mixed), rate * len(words(mixed))
    for old, new in pairs:
        size = len(words(old))
        fits = len(old) <= letters and size <= room and occurrences(mixed, old) == 1
        if fits and old in mixed and old != new:
            mixed = mixed.replace(old, new)
            letters, room, switched = letters - len(old), room - size, switched + size
    return mixed, switched
