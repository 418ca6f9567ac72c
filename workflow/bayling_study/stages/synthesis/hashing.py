"""64-bit hashes of many texts at once: of whole texts, of their words and of word n-grams.

Comparing n-grams of the training data with those of the tests in Python loops would take longer
than all the rest. Here a batch of texts becomes one array of characters. A polynomial over prefix
sums gives the hash of any run of it with one subtraction and one product, since the base is odd
and so has an inverse modulo 2^64 (Karp and Rabin 1987, in the form of prefix hashes).
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bayling_study.core.text.scripts import is_unspaced_character
from bayling_study.core.text.words import MARKS
from bayling_study.stages.synthesis.folding import GONE, Changes, Codes, cased, changes, table

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

BASE = 0x9E3779B97F4A7C15  # an odd number with well mixed bits: 2^64 divided by the golden ratio
INVERSE = pow(BASE, -1, 1 << 64)
SPACED_PLANES, LAST_PLANE = 0x20000, 0x40000
"""Code points are classified one by one up to here; ideographs follow, then nothing but marks."""
NOTHING, LETTER, ALONE, MARK = 0, 1, 2, 3
"""A character is no part of a word, part of one, a unit by itself (unspaced scripts), or a
mark, which belongs to the character before it."""


class Units(NamedTuple):
    """The words of a batch of texts, as ``core.text.words`` cuts them: a hash of each. ``texts``
    are the numbers of the texts that units belong to, ascending; ``wide`` ones are characters of an
    unspaced script. ``written`` has the code points of the texts before they were folded,
    ``starts`` and ``ends`` each unit's places among those."""

    hashes: Hashes
    texts: Integers
    wide: npt.NDArray[np.bool_]
    written: Codes
    starts: Integers
    ends: Integers

    def changes(self, starts: Integers, ends: Integers, whole: bool) -> Changes:
        """Returns what foldings changed in runs ``starts[i]:ends[i]`` of units, none of them empty.
        A run that is a ``whole`` text has what stands before and behind its words, too."""
        begins, stops = self.starts[starts], self.ends[ends - 1]
        if whole:
            breaks = np.flatnonzero(self.written == ord("\n"))
            begins = np.append(0, breaks)[self.texts[starts]]
            stops = np.append(breaks, len(self.written))[self.texts[starts]]
        return changes(self.written, begins, stops)


def mix(values: Hashes) -> Hashes:
    """Returns the values with all bits mixed (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """Returns the class of each code point."""
    kinds = np.zeros(0x110000, np.uint8)
    for code in range(SPACED_PLANES):
        if chr(code).isalnum():
            kinds[code] = ALONE if is_unspaced_character(chr(code)) else LETTER
    kinds[SPACED_PLANES:LAST_PLANE] = ALONE
    kinds[[ord(mark) for mark in MARKS]] = MARK
    return kinds


MIXED = mix(np.arange(1, 0x110001, dtype=np.uint64))  # each code point's value, looked up faster
_POWERS: dict[int, Hashes] = {}


def _powers(base: int, count: int) -> Hashes:
    """Returns the powers 0 to ``count`` - 1 of a base modulo 2^64."""
    if base not in _POWERS or len(_POWERS[base]) < count:
        factors = np.full(max(count, 1 << 16), base, np.uint64)
        factors[0] = 1
        _POWERS[base] = np.cumprod(factors)
    return _POWERS[base][:count]


class Runs:
    """Hashes of runs of a sequence of values."""

    def __init__(self, values: Hashes) -> None:
        self._sums = np.zeros(len(values) + 1, np.uint64)
        np.cumsum(values * _powers(BASE, len(values)), out=self._sums[1:])

    def hashes(self, starts: Integers, ends: Integers) -> Hashes:
        """Returns the hash of each run ``starts[i]:ends[i]``; equal runs have equal ones."""
        back = _powers(INVERSE, len(self._sums))[starts]
        return mix((self._sums[ends] - self._sums[starts]) * back)

    def windows(self, size: int) -> Hashes:
        """Returns a hash of each run of so many values, other than ``hashes`` unmixed."""
        count = max(len(self._sums) - size, 0)
        return (self._sums[size:] - self._sums[:count]) * _powers(INVERSE, count)


def units(texts: Sequence[str]) -> Units:
    """Returns the units of texts, folded: case, compatibility forms and what ``folding`` names."""
    written = cased(texts)
    codes = written if written.max(initial=0) < 0x80 else table()[0][written]
    places = np.flatnonzero(codes != GONE)
    codes = codes[places] if len(places) < len(codes) else codes
    kinds = _kinds()[codes]
    letters, alone = kinds == LETTER, kinds == ALONE
    begins = letters | alone
    if (marks := kinds == MARK).any():
        bearers = np.maximum.accumulate(np.where(marks, 0, np.arange(len(kinds))))
        letters, alone = kinds[bearers] == LETTER, kinds[bearers] == ALONE
    begins[1:] &= ~(letters[1:] & letters[:-1])
    goes_on = (letters | alone) & ~begins
    last = letters | alone
    last[:-1] &= ~goes_on[1:]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(last) + 1
    runs = Runs(MIXED[codes])
    lines = np.cumsum(codes == ord("\n"))
    spans = places[starts], places[ends - 1] + 1
    return Units(runs.hashes(starts, ends), lines[starts], alone[starts], written, *spans)


def text_hashes(texts: Sequence[str]) -> Hashes:
    """Returns a hash of each text as it is written."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    sizes = np.array([len(text) for text in encoded], np.int64)
    ends = np.cumsum(sizes)
    runs = Runs(MIXED[np.frombuffer(b"".join(encoded), np.uint8)])
    return mix(runs.hashes(ends - sizes, ends) + sizes.astype(np.uint64))
