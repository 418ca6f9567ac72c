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
        self._texts: dict[tuple[str, str], bool] = {}
        self._grams: dict[str, bool] = {}
        self._orders: set[int] = set()
        for segment in test:
            self._texts[segment.lang_a, compared(segment.text_a)] = False
            self._texts[segment.lang_b, compared(segment.text_b)] = False
            for gram in grams(segment.text_a):
                self._grams[gram] = False
                self._orders.add(gram.count(" ") + 1)

    def see(self, segment: ParallelSegment) -> None:
        """Marks what a training row has in common with the test rows."""
        if not self._texts:
            return
        one, other = compared(segment.text_a), compared(segment.text_b)
        for key in ((segment.lang_a, one), (segment.lang_b, other)):
            if key in self._texts:
                self._texts[key] = True
        for order in self._orders:
            for gram in grams(segment.text_a, order):
                if gram in self._grams:
                    self._grams[gram] = True

    def reason(self, segment: ParallelSegment) -> str:
        """Returns why a test row must go, or an empty string."""
        if self._texts[segment.lang_a, compared(segment.text_a)]:
            return "pivot text in training"
        if self._texts[segment.lang_b, compared(segment.text_b)]:
            return "translation in training"
        seen = [self._grams[gram] for gram in grams(segment.text_a)]
        if sum(seen) > self.max_seen_share * len(seen):
            return "6-grams in training"
        return ""
