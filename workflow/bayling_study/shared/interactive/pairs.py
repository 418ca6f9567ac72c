"""Minimal pairs: two segments that differ in one place on both sides.

"Username of your device" and "Password of your device", whose translations also differ in one block
only. Such a pair is a demand with a true answer: the user asks for the one block to be changed, and
the human translation of the other segment shows how, agreement and case endings included. So are
the examples in BayLing's README (an attribute is added, an addressee changed, the rest repeated).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.scripts import is_unspaced_character
from bayling_study.core.text.words import is_quotable, spans
from bayling_study.shared.interactive.types import DirectedPair

MAX_WORDS = 4  # longest block that may differ, in words of a script with spaces
MAX_CHARACTERS = 8  # the same for a side written without spaces, in characters
MIN_KEPT = 0.5  # share of the longer translation that both have in common
MIN_WORDS = 4  # words of the source side that must be common
NEIGHBOURS = 12  # partners looked at for one segment; formulaic interfaces have hundreds

JOINTS = frozenset("-–/_.:")
"""Characters that join the parts of one word; a block beside one is half a word."""

Places = Sequence[tuple[int, int]]

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that it has an inverse modulo 2^64: a tail's hash is moved by a product."""
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))
STEP, SALT = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""Odd multipliers that spread small numbers over 64 bits (those of SplitMix64)."""


class Edit(NamedTuple):
    """How a segment differs from a partner: the blocks of source texts and of translations, empty
    for an addition or a removal, and the words of the translation in front of the block."""

    other: DirectedPair
    source_old: str
    source_new: str
    target_old: str
    target_new: str
    before: str


class MinimalPairs:
    """Finds the partners of each segment of one direction: a frame of both, the source text less
    one block, is the same, as told by 64-bit hashes; a collision costs a look by ``difference``."""

    def __init__(self, segments: Sequence[DirectedPair]) -> None:
        self._segments = segments
        self._numbers = {segment: number for number, segment in enumerate(segments)}
        hashes, owners = _frames([_tokens(segment.source_text) for segment in segments])
        order = np.lexsort((owners, hashes))
        self._owners = owners[order]
        starts = np.flatnonzero(np.diff(hashes[order], prepend=~hashes[order[:1]]))
        sizes = np.diff(starts, append=len(order))
        starts, sizes, shared = starts[sizes > 1], sizes[sizes > 1], np.repeat(sizes > 1, sizes)
        again = np.lexsort((order[shared], self._owners[shared]))
        self._groups = np.stack((starts, starts + sizes), axis=1).repeat(sizes, axis=0)[again]
        self._parts = np.searchsorted(self._owners[shared][again], np.arange(len(segments) + 1))
        self._edits: dict[DirectedPair, list[Edit]] = {}

    def edits(self, segment: DirectedPair) -> list[Edit]:
        """Returns what can be changed in a segment; empty for one that is not of the corpus."""
        if segment not in self._edits:
            found = (difference(segment, other) for other in self._partners(segment))
            self._edits[segment] = [edit for edit in found if edit is not None]
        return self._edits[segment]

    def _partners(self, segment: DirectedPair) -> list[DirectedPair]:
        """Returns up to ``NEIGHBOURS`` partners, those that follow it in the corpus first."""
        if (own := self._numbers.get(segment)) is None:
            return []
        partners: dict[int, None] = {}
        for start, end in self._groups[self._parts[own] : self._parts[own + 1]].tolist():
            group = self._owners[start:end]
            after = np.searchsorted(group, own, "right")
            for number in np.concatenate((group[after:], group[:after]))[:NEIGHBOURS].tolist():
                if number != own:
                    partners[number] = None
        return [self._segments[number] for number in list(partners)[:NEIGHBOURS]]


def difference(one: DirectedPair, other: DirectedPair) -> Edit | None:
    """Returns the difference of two segments, or nothing if they are no minimal pair."""
    source = _blocks(one.source_text, other.source_text)
    target = _blocks(one.target_text, other.target_text)
    if bool(source.old) != bool(target.old) or bool(source.new) != bool(target.new):
        return None
    fragments = [text for text in (*source[:2], *target[:2]) if text]
    if not fragments or not all(map(is_quotable, fragments)):
        return None
    if max(_size(target.old), _size(target.new)) > 1 or target.kept < MIN_KEPT:
        return None
    if source.cut or target.cut:
        return None
    if target.old and occurrences(one.target_text, target.old) != 1:
        return None
    if target.new and occurrences(one.target_text, target.new):
        return None
    return Edit(other, *source[:2], *target[:2], _anchor(one.target_text, target.head))


class _Blocks(NamedTuple):
    old: str
    new: str
    head: int
    kept: float
    cut: bool


def _blocks(one: str, other: str) -> _Blocks:
    """Cuts the common beginning and end off two texts. ``cut`` says that a block is half a word: of
    a compound with a hyphen, or a lone added or removed ideograph. A lone exchanged one takes its
    neighbour along (``室外`` for ``外``)."""
    left, right = spans(one), spans(other)
    words_left = [one[start:end] for start, end in left]
    words_right = [other[start:end] for start, end in right]
    shortest = min(len(left), len(right))
    head = 0
    while head < shortest and words_left[head] == words_right[head]:
        head += 1
    tail = 0
    while tail < shortest - head and words_left[-1 - tail] == words_right[-1 - tail]:
        tail += 1
    kept = (head + tail) / max(len(left), len(right), 1)
    ones = (w for w in (words_left, words_right) if len(w) - head - tail == 1)
    lone = any(is_unspaced_character(tokens[head]) for tokens in ones)
    if lone and head and is_unspaced_character(words_left[head - 1]):
        head -= 1
    old = _cut(one, left[head : len(left) - tail])
    new = _cut(other, right[head : len(right) - tail])
    inside = any(_in_compound(t, p, head, tail) for t, p in ((one, left), (other, right)))
    added = lone and not (old and new)
    return _Blocks(old, new, head, kept, inside or added)


def _in_compound(text: str, places: Places, head: int, tail: int) -> bool:
    """Tells whether a block touches a hyphen or a slash, without a space between."""
    if head == len(places) - tail:
        return False
    start, end = places[head][0], places[len(places) - tail - 1][1]
    return text[start - 1 : start] in JOINTS or text[end : end + 1] in JOINTS


def _anchor(text: str, head: int) -> str:
    """Returns the one or two words in front of a word, empty where they do not read well."""
    places = spans(text)
    for size in (2, 1):
        anchor = _cut(text, places[max(head - size, 0) : head])
        wide = {is_unspaced_character(letter) for letter in anchor if letter.isalnum()}
        joined = text[: places[head - 1][1]][: -len(anchor) or None][-1:] in JOINTS
        if is_quotable(anchor) and len(wide) == 1 and not joined and occurrences(text, anchor) == 1:
            return anchor
    return ""


def _cut(text: str, places: Places) -> str:
    return text[places[0][0] : places[-1][1]] if places else ""


def _size(fragment: str) -> float:
    """Returns a block's length as a share of the longest one allowed."""
    tokens = _tokens(fragment)
    wide = sum(map(is_unspaced_character, tokens))
    return wide / MAX_CHARACTERS + (len(tokens) - wide) / MAX_WORDS


def _tokens(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


def _frames(texts: Sequence[list[str]]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Returns the hashes of what is left of each text when each block is cut out, and the texts'
    numbers; for one text the smallest blocks come first, for the nearest partners."""
    values: dict[str, int] = {}
    codes = np.array([values.setdefault(t, len(values) + 1) for text in texts for t in text], "u8")
    counts = np.array([len(text) for text in texts], np.int64)
    wide = np.array([any(map(is_unspaced_character, text)) for text in texts], bool)
    ends = np.cumsum(counts)
    places = np.arange(len(codes)) - (ends - counts).repeat(counts)
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * STEP * BASE ** places.astype(np.uint64), out=sums[1:])
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    for size in range(MAX_CHARACTERS + 1):
        fits = (counts - size >= MIN_WORDS) & (wide | (size <= MAX_WORDS))
        own = np.flatnonzero(fits).repeat(counts[fits] - size + 1)
        first = ends[own] - counts[own]
        start = np.arange(len(own)) - np.searchsorted(own, own)
        heads = sums[first + start] - sums[first]
        tails = (sums[ends[own]] - sums[first + start + size]) * INVERSE ** np.uint64(size)
        hashes.append(heads * SALT ^ (tails + start.astype(np.uint64)) * STEP)
        owners.append(own.astype(np.int32))
    return np.concatenate(hashes), np.concatenate(owners)
