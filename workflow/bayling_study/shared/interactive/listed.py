"""Words and names of term lists (MUSE, CC-CEDICT, CLDR), as far as a text has them. A list knows
words that are too rare to be learnt, and senses that a sentence does not mean. So an entry counts
only where a sentence and its human translation have its two sides, once each. Lists are long: one
pass over ``terms.parquet`` keeps the entries whose words the block of text has."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow.compute as pc

from bayling_study.core.text.forms import normalise, occurrences
from bayling_study.core.text.scripts import is_unspaced_character
from bayling_study.core.text.words import length, spans, words
from bayling_study.shared.interactive.lexicon import MAX_SHARE, MIN_LETTERS, LexiconTerm, written
from bayling_study.shared.interactive.types import DirectedPair

MIN_UNSPACED = 2  # characters of the shortest term of a script without spaces
LONGEST = 40  # characters of the longest term; longer glosses explain a word
RARE = 2  # segments that a word may occur in whatever their number, before it is a function word
COLUMNS = ["source", "lang_a", "lang_b", "term_a", "term_b"]


class Vocabulary:
    """The words of some texts, and in how many of the texts each one is."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = Counter(word for text in texts for word in set(words(normalise(text))))
        self._limit = max(RARE, MAX_SHARE * len(texts))

    def holds(self, term: str) -> bool:
        """Tells whether all words of a term occur and one of them is no function word."""
        counts = [self._counts.get(word, 0) for word in words(term)]
        return bool(counts) and 0 < min(counts) <= self._limit


class TermList:
    """The listed terms of one direction whose words its segments have."""

    def __init__(self, segments: Sequence[DirectedPair]) -> None:
        self._segments = segments
        self._entries: dict[str, list[str]] = {}
        self._lengths: dict[str, set[int]] = {}  # by the first word

    @cached_property
    def _vocabularies(self) -> tuple[Vocabulary, Vocabulary]:
        """The words of both sides; made only where a list has the direction."""
        one = Vocabulary([segment.source_text for segment in self._segments])
        return one, Vocabulary([segment.target_text for segment in self._segments])

    def add(self, term: str, translation: str) -> bool:
        """Adds an entry, both sides normalised; tells whether it was new and is of use here."""
        one, other = self._vocabularies
        known = self._entries.get(term, ())
        if translation in known or not (one.holds(term) and other.holds(translation)):
            return False
        if not known:
            start, end = spans(term)[0]
            self._lengths.setdefault(term[start:end], set()).add(len(term))
        self._entries.setdefault(term, []).append(translation)
        return True

    def terms(self, source_text: str, target_text: str) -> Iterator[LexiconTerm]:
        """Yields the terms that both texts have once, as written there, without words of which two
        translations are in the target: only one is right."""
        one, other = normalise(source_text), normalise(target_text)
        for start, end in spans(one) if self._entries else ():
            for size in self._lengths.get(one[start:end], ()):
                piece = one[start : start + size]
                known = self._entries.get(piece, []) if len(piece) == size else []
                fitting = [text for text in known if _once(other, text)]
                widest = max(fitting, key=len) if fitting else ""
                if widest and _once(one, piece) and all(text in widest for text in fitting):
                    yield LexiconTerm(written(source_text, piece), written(target_text, widest))


def _once(text: str, term: str) -> bool:
    """Tells whether a term stands in a text once, and is no part of another word there."""
    return text.count(term) == 1 and occurrences(text, term) == 1


def joined(learnt: list[LexiconTerm], listed: list[LexiconTerm], source: str) -> list[LexiconTerm]:
    """Returns all terms in the order of the source; no listed one shares words with another: what
    was learnt counts before it, and a longer listed term before a part of it."""
    if not listed:
        return learnt
    sides = {term: [normalise(side) for side in term] for term in (*learnt, *listed)}
    result = list(learnt)
    for term in sorted(listed, key=lambda term: -len(term.source)):
        (one, two), known = sides[term], [sides[other] for other in result]
        near = [(one, a) for a, _ in known if a in one or one in a]
        near += [(two, b) for _, b in known if b in two or two in b]
        if not any(occurrences(a, b) or occurrences(b, a) for a, b in near):
            result.append(term)
    text = normalise(source)
    return sorted(result, key=lambda term: text.find(sides[term][0]))


def read_lists(path: Path, lists: Mapping[str, TermList]) -> Counter[str]:
    """Fills directions' lists from ``terms.parquet``; counts useful entries by source."""
    languages = sorted({code for direction in lists for code in direction.split("-")})
    used: Counter[str] = Counter()
    for source, lang_a, lang_b, *texts in _entries(path, languages):
        one, other = map(normalise, texts)
        if _is_term(one) and _is_term(other):
            if (there := lists.get(f"{lang_a}-{lang_b}")) is not None:
                used[source] += there.add(one, other)
            if (back := lists.get(f"{lang_b}-{lang_a}")) is not None:
                used[source] += back.add(other, one)
    return used


def _entries(path: Path, languages: list[str]) -> Iterator[tuple[str, ...]]:
    """Yields the entries between some languages; a few batches of rows are in memory."""
    from pyarrow.dataset import dataset  # which imports pandas: a quarter of a second

    wanted = pc.field("lang_a").isin(languages) & pc.field("lang_b").isin(languages)
    for batch in dataset(path).to_batches(columns=COLUMNS, filter=wanted, batch_readahead=1):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _is_term(text: str) -> bool:
    """Tells whether a normalised text is a word or a name, neither a particle nor a gloss."""
    if text and is_unspaced_character(text[0]):
        return length(text, "characters") >= MIN_UNSPACED and len(text) <= LONGEST
    return MIN_LETTERS <= len(text) <= LONGEST
