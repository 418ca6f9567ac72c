"""The material of demands: all aligned segments of one side of the split, indexed. Segments are
drawn so that none is used again before all others of its pool have been used as often; with the
same rows and seed the draws are the same on every machine."""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random
from typing import Any

from bayling_study.core import seeds
from bayling_study.core.records import grouped
from bayling_study.core.text.forms import normalise, occurrences
from bayling_study.core.text.words import sentences, spans, words
from bayling_study.shared.interactive.lexicon import LexiconTerm, PairLexicon
from bayling_study.shared.interactive.listed import TermList, joined, read_lists
from bayling_study.shared.interactive.pairs import JOINTS, Edit, MinimalPairs
from bayling_study.shared.interactive.types import DirectedPair

Row = Mapping[str, Any]
Condition = Callable[[DirectedPair], object]
"""Gives something true of a segment that fits."""


class Deck:
    """Segments in a shuffled order, the least used first."""

    def __init__(self, segments: list[DirectedPair], rng: Random, uses: Counter[str]) -> None:
        order = list(segments)
        rng.shuffle(order)
        self._uses = uses
        self._heap = [(uses.get(one.id, 0), rank, one) for rank, one in enumerate(order)]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def draw(self) -> DirectedPair:
        """Returns the least used segment and counts its use (``IndexError`` if there is none)."""
        while True:
            use, rank, segment = self._heap[0]
            now = self._uses[segment.id]
            if use == now:
                self._uses[segment.id] += 1
                heapq.heapreplace(self._heap, (now + 1, rank, segment))
                return segment
            heapq.heapreplace(self._heap, (now, rank, segment))


class Library:
    """All segments that may be used, by direction, with what demands look up.

    ``rows`` of ``parallel.parquet`` are of one split, drawn as ``seed`` decides. Terms are learnt
    from them, or from ``lexicon_rows``, and come from ``term_lists`` (``terms.parquet``) as well.
    Demands look for material (terms, minimal pairs) in the first ``explored`` segments of each
    direction, or in all; plain draws use all anyway.

    ``uses`` counts draws by a segment's id, ``listed`` useful list entries by upstream source.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        directions: Iterable[str],
        seed: int,
        lexicon_rows: Iterable[Row] | None = None,
        explored: int | None = None,
        term_lists: Path | None = None,
    ) -> None:
        self.directions = list(directions)
        self.seed = seed
        self._explored = explored
        kept = list(rows)
        self._pivots: dict[str, str] = {}
        self._segments = {name: _segments(kept, name, self._pivots) for name in self.directions}
        self._lexicon_rows = None if lexicon_rows is None else list(lexicon_rows)
        self._by_source: dict[str, dict[str, list[DirectedPair]]] = {}
        self._pairs: dict[str, MinimalPairs] = {}
        self._lexicons: dict[str, PairLexicon] = {}
        self._decks: dict[tuple[str, str], Deck] = {}
        self._pools: dict[tuple[str, str], frozenset[int]] = {}
        self._terms: dict[DirectedPair, list[LexiconTerm]] = {}
        self._termed: dict[DirectedPair, bool] = {}
        self._term_lists = term_lists
        self.uses: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()

    def segments(self, direction: str) -> list[DirectedPair]:
        """Returns the segments of a direction in the order of the corpora."""
        return self._segments.get(direction, [])

    def deck(self, direction: str, fits: Mapping[str, Condition]) -> Deck:
        """Returns the deck of a direction's segments that fit all named conditions, each asked once
        a segment; a combination has one deck."""
        key = (direction, "+".join(sorted(fits)))
        if key not in self._decks:
            segments = self.segments(direction)
            pools = [self._pool(direction, name, test) for name, test in sorted(fits.items())]
            if pools:
                common = frozenset.intersection(*sorted(pools, key=len))
                segments = [segments[number] for number in sorted(common)]
            self._decks[key] = Deck(segments, seeds.generator(self.seed, "deck", *key), self.uses)
        return self._decks[key]

    def _pool(self, direction: str, name: str, fits: Condition) -> frozenset[int]:
        if (direction, name) not in self._pools:
            segments = enumerate(self.segments(direction)[: self._explored])
            members = frozenset(number for number, segment in segments if fits(segment))
            self._pools[direction, name] = members
        return self._pools[direction, name]

    def pivot_text(self, segment: DirectedPair) -> str:
        """Returns the text over which a segment's two sides were aligned; empty if directly."""
        return self._pivots.get(segment.id, "")

    def translations(self, source_text: str, direction: str) -> list[DirectedPair]:
        """Returns all segments of a direction with the same source text, case and spaces apart."""
        if direction not in self._by_source:
            segments = self.segments(direction)
            self._by_source[direction] = grouped(segments, lambda one: _key(one.source_text))
        return self._by_source[direction].get(_key(source_text), [])

    def edits(self, segment: DirectedPair) -> list[Edit]:
        """Returns the minimal pairs of a segment (see ``pairs``)."""
        if segment.direction not in self._pairs:
            explored = self.segments(segment.direction)[: self._explored]
            self._pairs[segment.direction] = MinimalPairs(explored)
        return self._pairs[segment.direction].edits(segment)

    def terms(self, segment: DirectedPair) -> list[LexiconTerm]:
        """Returns the terms of a segment that both its texts have, in the order of the source:
        translated consistently (see ``lexicon``) or from term lists (see ``listed``)."""
        if segment not in self._terms:
            (lexicon, terms), texts = self._sources(segment.direction), segment[-2:]
            listed = list(terms.terms(*texts)) if terms else []
            self._terms[segment] = joined(lexicon.terms(*texts), listed, segment.source_text)
        return self._terms[segment]

    def has_terms(self, segment: DirectedPair) -> bool:
        """Tells whether a segment has any terms; the first one is enough to know it."""
        if segment not in self._termed:
            (lexicon, terms), texts = self._sources(segment.direction), segment[-2:]
            listed = terms.terms(*texts) if terms else ()
            self._termed[segment] = any(lexicon.pairs(*texts)) or any(listed)
        return self._termed[segment]

    def _sources(self, direction: str) -> tuple[PairLexicon, TermList | None]:
        """Returns what the terms of a direction are taken from: those learnt and those listed."""
        if direction not in self._lexicons:
            known = self.segments(direction)
            if self._lexicon_rows is not None:
                known = _segments(self._lexicon_rows, direction, {})
            self._lexicons[direction] = PairLexicon(known[: self._explored])
        return self._lexicons[direction], self._lists.get(direction)

    @cached_property
    def _lists(self) -> dict[str, TermList]:
        """The listed terms of each direction; read when first asked for, in one pass."""
        if self._term_lists is None:
            return {}
        lists = {name: TermList(self.segments(name)[: self._explored]) for name in self.directions}
        self.listed = read_lists(self._term_lists, lists)
        return lists

    @cached_property
    def _brands(self) -> dict[str, list[str]]:
        """Names that few documents have, by direction: products, not terms such as ``Home``."""
        result = {}
        for direction in self.directions:
            documents: dict[str, set[str]] = defaultdict(set)
            for segment in self.segments(direction):
                for name in kept_names(segment):
                    documents[name].add(segment.document)
            rare = (name for name, found in documents.items() if len(found) <= BRAND_DOCUMENTS)
            named = [n for n in rare if len(n) > 3 and n.isalpha() and not n.isupper()]
            lower = {name.lower() for name in named}
            texts = (text for s in self.segments(direction) if named for text in s[-2:])
            near = (text for text in texts if not lower.isdisjoint(LOWER.findall(text)))
            common = {word for text in near for word in words(text)}
            result[direction] = sorted(name for name in named if name.lower() not in common)
        return result

    def brands(self, segment: DirectedPair) -> list[str]:
        """Returns the product names of a segment that another could replace."""
        known = self._brands.get(segment.direction, [])
        names = (name for name in kept_names(segment) if name in known)
        return [n for n in names if all(_stands_alone(text, n) for text in segment[-2:])]

    def other_brands(self, segment: DirectedPair) -> list[str]:
        """Returns the product names of a direction that a segment lacks, sorted."""
        known = self._brands.get(segment.direction, [])
        return [name for name in known if name not in segment.source_text]


CAPITALISED, LOWER = re.compile("[A-Z][a-zA-Z0-9]{2,}"), re.compile("[a-z]+")
BRAND_DOCUMENTS = 3  # documents beyond which a capitalised word is a common term


def _stands_alone(text: str, name: str) -> bool:
    """Tells whether a name is a word by itself: no hyphen beside it, no further capital word."""
    start = text.find(name)
    before, after = text[:start], text[start + len(name) :]
    if before[-1:] in JOINTS or after[:1] in JOINTS:
        return after[:1] == "." and not after[1:2].isalnum()
    neighbours = before.split()[-1:] + after.split()[:1]
    return not any(other[0].isupper() and other.isascii() for other in neighbours)


def _key(text: str) -> str:
    return normalise(text).rstrip(".。!！")


def _segments(rows: list[Row], direction: str, pivots: dict[str, str]) -> list[DirectedPair]:
    """Returns rows seen in a direction; two languages without the pivot are joined over it, whose
    text goes into ``pivots`` by the segment's id."""
    source, target = direction.split("-")
    ahead, back = (source, target), (target, source)
    result = []
    pivot: dict[tuple[str, str], Row] = {}
    for row in rows:
        pair, texts = (row["lang_a"], row["lang_b"]), (row["text_a"], row["text_b"])
        if pair in (ahead, back):
            sides = *ahead, *(texts if pair == ahead else texts[::-1])
            result.append(DirectedPair(row["id"], row["source"], row["document"], *sides))
        elif row["lang_b"] in (source, target):
            pivot.setdefault((row["lang_b"], row["text_a"]), row)
    if not result:
        for (language, text), row in pivot.items():
            other = pivot.get((target, text))
            if language == source and other is not None:
                name = f"{row['id']}+{target}"
                pivots[name] = text
                sides = source, target, row["text_b"], other["text_b"]
                result.append(DirectedPair(name, row["source"], row["document"], *sides))
    return result


def kept_names(segment: DirectedPair) -> list[str]:
    """Returns words of three letters or more, with a capital inside the sentence (its first does
    not count), that stand alike, once, on both sides."""
    result: list[str] = []
    english, other = segment[-2:] if segment.source == "en" else segment[:-3:-1]
    if not any(word in other for word in CAPITALISED.findall(english)):
        return result  # as of most segments: cutting all into tokens took an eighth of the time
    places = spans(english)
    for number, (start, end) in enumerate(places):
        word = english[start:end]
        starts = number == 0 or english[places[number - 1][0]] in ".!?:("
        capital = word[0].isupper() and word.isascii() and len(word) > 2
        once = capital and not starts and word in other and word not in result
        if once and occurrences(english, word) == occurrences(other, word) == 1:
            result.append(word)
    return result


@lru_cache(maxsize=1 << 12)  # five demands ask for them
def aligned_sentences(segment: DirectedPair) -> list[tuple[str, str]]:
    """Returns the sentence pairs of a segment whose sides have equally many, else nothing."""
    source, target = sentences(segment.source_text), sentences(segment.target_text)
    return list(zip(source, target, strict=True)) if len(source) == len(target) else []
