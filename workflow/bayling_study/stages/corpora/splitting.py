"""Divides documents between training and test, and finds test rows that leak.

A random split of rows would put half of the test's 6-grams into training, since interface texts
repeat themselves; so whole documents are assigned, by a hash of the study's seed and the document's
name. All languages share the assignment, and a document that is added later moves no other.

``Leaks`` then compares what is left: a test row goes when its pivot text, its translation, or most
of its word 6-grams are in a training row. It works in one pass over the training rows, and its
memory depends on the test rows alone.
"""

from collections.abc import Iterable, Iterator

from bayling_study.core.seeds import derive_seed
from bayling_study.core.text.forms import compared
from bayling_study.shared.corpus_tables import ParallelSegment

GRAM_WORDS = 6


def is_test(document: str, seed: int, test_share: float) -> bool:
    """Tells whether a document is kept for testing."""
    return derive_seed(seed, "split", document) < test_share * 2**63


def grams(text: str, order: int = GRAM_WORDS) -> Iterator[str]:
    """Yields a text's word n-grams in the compared form; a shorter text is one gram."""
    words = compared(text).split(" ")
    for start in range(max(1, len(words) - order + 1)):
        yield " ".join(words[start : start + order])


class Leaks:
    """Knows what training rows give away of a set of test rows."""

    def __init__(self, test: Iterable[ParallelSegment], max_seen_share: float) -> None:
        self.max_seen_share = max_seen_share
        self._texts: set[tuple[str, str]] = set()
        self._grams: set[str] = set()
        self._seen_texts: set[tuple[str, str]] = set()
        self._seen_grams: set[str] = set()
        for segment in test:
            self._texts.update(_sides(segment))
            self._grams.update(grams(segment.text_a))
        self._orders = {gram.count(" ") + 1 for gram in self._grams}

    def see(self, segment: ParallelSegment) -> None:
        """Marks what a training row has in common with the test rows."""
        self._seen_texts |= self._texts.intersection(_sides(segment))
        for order in self._orders:
            self._seen_grams |= self._grams.intersection(grams(segment.text_a, order))

    def reason(self, segment: ParallelSegment) -> str:
        """Returns why a test row must go, or an empty string."""
        pivot, translation = _sides(segment)
        if pivot in self._seen_texts:
            return "pivot text in training"
        if translation in self._seen_texts:
            return "translation in training"
        seen = [gram in self._seen_grams for gram in grams(segment.text_a)]
        return "6-grams in training" if sum(seen) > self.max_seen_share * len(seen) else ""


def _sides(segment: ParallelSegment) -> tuple[tuple[str, str], tuple[str, str]]:
    one, other = compared(segment.text_a), compared(segment.text_b)
    return (segment.lang_a, one), (segment.lang_b, other)
