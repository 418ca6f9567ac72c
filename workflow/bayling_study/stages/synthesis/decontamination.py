"""Keeps every test of the study out of its training data.

A training text is contaminated when it equals a test text (case, spacing, punctuation and other
spellings apart, see ``folding``) or shares an n-gram with one: 13 words of a test text that has
so many, 8 words of a shorter one (the lengths of GPT-3's and of PaLM's overlap analysis), and 6
of one that has 6 or 7, which is found inside an instruction too. In scripts without spaces an
n-gram is counted in characters, at 1.6 for one English word, the ratio of this project's Chinese
text to its English. A shorter test text can only be contaminated as a whole, for three or four
words in a row are phrases that anybody writes, and one of one or two words (the letter of an
exam's answer, a term) not at all.

The tests are held as sorted 64-bit hashes (``hashing``), 14 bytes an n-gram: 100 languages of
FLORES need some 30 MB.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayling_study.core.records import stream_prompts
from bayling_study.stages.synthesis.folding import FOLDINGS, Changes, named, spellings
from bayling_study.stages.synthesis.hashing import Hashes, Integers, Runs, Units, units

CHARACTERS_PER_WORD = 1.6
WORDS = np.array([13, 8, 6])
CHARACTERS = np.round(WORDS * CHARACTERS_PER_WORD).astype(int)
ORDERS = sorted({*WORDS.tolist(), *CHARACTERS.tolist()}, reverse=True)
WHOLE = 0  # stands for the order of an n-gram that is a whole text
MIN_WHOLE = 3  # words of the shortest text that counts as a whole (5 characters)
BATCH = 4096  # texts hashed at a time
SLOTS = 16  # bits, at least, for each n-gram, in which it and its first units are marked


class Overlap(NamedTuple):
    """Why a text must go: the suite that it would give away, and what they share. The reason names
    the foldings that changed one side otherwise than the other."""

    suite: str
    reason: str


class Contamination:
    """What the tests hold: the n-grams of all orders, and marks that spare most searches. ``tests``
    has each suite's texts, sources and references alike; a text of several suites counts for the
    first."""

    def __init__(self, tests: Mapping[str, Iterable[str]]) -> None:
        none = np.empty(0, np.uint64)
        parts = [(none, none, none.astype(np.uint8), np.empty((0, len(FOLDINGS)), np.uint8))]
        for number, texts in enumerate(tests.values()):
            left = iter(texts)
            while some := list(islice(left, BATCH)):
                spelt, _ = spellings(some)
                for found, firsts, changed in _test_grams(units(spelt), len(spelt)):
                    parts.append((found, firsts, np.full(len(found), number, np.uint8), changed))
        self.suites = list(tests)
        hashes, heads, owners, changes = (np.concatenate(part) for part in zip(*parts, strict=True))
        self._hashes, first = np.unique(hashes, return_index=True)
        self._owners, self._changes = owners[first], changes[first]
        size = max(16, (len(self._hashes) * SLOTS).bit_length())
        self._shift, marks = np.uint64(64 - size), np.zeros(1 << size, bool)
        marks[np.append(hashes, heads) >> self._shift] = True
        self._marks = np.packbits(marks, bitorder="little")

    def _marked(self, hashes: Hashes) -> Integers:
        """Returns the places in ``hashes`` of those that may be an n-gram's or its first units'."""
        places = hashes >> self._shift
        bits = self._marks[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8)
        return np.flatnonzero(bits & 1)

    def find(self, texts: Sequence[str]) -> list[Overlap | None]:
        """Returns for each text why it must go, or nothing."""
        result: list[Overlap | None] = [None] * len(texts)
        spelt, numbers = spellings(texts)
        cut = units(spelt)
        runs = Runs(cut.hashes)
        places = self._marked(runs.windows(ORDERS[-1]))
        for order, hashes, starts, ends in _grams_of(cut, runs, len(spelt), places):
            maybe = self._marked(hashes)
            near = np.searchsorted(self._hashes[:-1], hashes[maybe])
            sure = self._hashes[near] == hashes[maybe]
            near, found = near[sure], maybe[sure]
            if not len(found):
                continue
            reason = f"shares a {order}-gram with a test text" if order else "equals a test text"
            starts, ends = starts[found], ends[found]
            owners = numbers[cut.texts[starts]]
            changed = self._changes[near] - cut.changes(starts, ends, not order)
            for place, suite, change in zip(owners, self._owners[near], changed, strict=True):
                result[place] = result[place] or Overlap(self.suites[suite], reason + named(change))
        return result


def _grams_of(
    cut: Units, runs: Runs, count: int, places: Integers
) -> Iterable[tuple[int, Hashes, Integers, Integers]]:
    """Yields order, hashes, starts and ends of all texts of a batch, then of the n-grams that begin
    at some of its units."""
    sizes = np.bincount(cut.texts, minlength=count)
    ends = np.cumsum(sizes)
    weights = np.where(cut.wide, 1 / CHARACTERS_PER_WORD, 1.0)
    worth = np.bincount(cut.texts, weights, minlength=count)
    ends, sizes = ends[worth >= MIN_WHOLE], sizes[worth >= MIN_WHOLE]
    starts = ends - sizes
    yield WHOLE, runs.hashes(starts, ends) + sizes.astype(np.uint64), starts, ends
    for order in ORDERS:
        starts = places[: np.searchsorted(places, len(cut.texts) - order, "right")]
        starts = starts[cut.texts[starts] == cut.texts[starts + order - 1]]
        yield order, runs.hashes(starts, starts + order), starts, starts + order


def _test_grams(cut: Units, count: int) -> Iterable[tuple[Hashes, Hashes, Changes]]:
    """Yields the n-grams by which the tests of a batch are known: one order for each text. With
    them come the hashes of the first units of each, and what foldings changed in it."""
    runs = Runs(cut.hashes)
    heads = runs.windows(ORDERS[-1])
    sizes = np.bincount(cut.texts, minlength=count)
    wide = 2 * np.bincount(cut.texts, cut.wide, minlength=count) > sizes
    lengths = np.where(wide, CHARACTERS[:, None], WORDS[:, None])
    orders = np.where(sizes >= lengths, lengths, WHOLE).max(axis=0)
    for order, hashes, starts, ends in _grams_of(cut, runs, count, np.arange(len(heads))):
        own = orders[cut.texts[starts]] == order if order else np.full(len(starts), True)
        starts, ends = starts[own], ends[own]
        first = heads[starts] if order else heads[:0]
        yield hashes[own], first, cut.changes(starts, ends, order == WHOLE)


def held_out_texts(path: Path) -> Iterator[str]:
    """Yields what must not be trained of a suite's prompts, once each: sources and references
    (``StudyError`` if a row lacks a field). Where a prompt does not tell its source text, the
    user's turns are taken, less the lines that every tenth such turn of the suite has too: the
    frame of an exam's question is no test text. The file is read twice, a line at a time; memory
    holds a hash of each distinct text and line."""
    seen: set[int] = set()
    lines: Counter[int] = Counter()
    turns = 0
    for prompt in stream_prompts(path):
        source = prompt.meta.get("source_text")
        yield from _unseen([*prompt.references, *([source] if source else [])], seen)
        for turn in [] if source else prompt.turns:
            turns += 1
            lines.update(map(_digest, set(turn.split("\n"))))
    common = {line for line, n in lines.items() if n >= max(10, turns / 10)}
    for prompt in stream_prompts(path) if turns else ():
        if not prompt.meta.get("source_text"):
            kept = ((s for s in t.split("\n") if _digest(s) not in common) for t in prompt.turns)
            yield from _unseen(map("\n".join, kept), seen)


def _unseen(texts: Iterable[str], seen: set[int]) -> Iterator[str]:
    """Yields the texts that were not there before, and remembers them."""
    for text in texts:
        digest = _digest(text)
        if digest not in seen:
            seen.add(digest)
            yield text


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
