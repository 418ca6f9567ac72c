"""Reads from ``parallel.parquet`` what some directions need, batch by batch.

The file may have tens of millions of rows; as Python objects they would fill the
memory. Of the test side all rows of the directions' languages are kept, of the
training side only those that terms are learnt from. The readers of a direction
(``interactive.library``) find in the kept rows what they would find in the file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bayling_study.core.errors import StudyError
from bayling_study.core.records import grouped
from bayling_study.shared.corpus_tables import PARALLEL_FILE, TERMS_FILE
from bayling_study.shared.interactive.library import Library, Row
from bayling_study.shared.interactive.types import DirectedPair

BATCH_ROWS = 65_536

Rows = dict[int, dict[str, Any]]
"""Row number in the file to the row."""


class HeldOut:
    """What some directions need of the corpora's test side (``StudyError`` if there is none)."""

    def __init__(self, corpora: Path, directions: Iterable[str]) -> None:
        self.parallel, self._terms = corpora / PARALLEL_FILE, corpora / TERMS_FILE
        rows = sorted(rows_of(self.parallel, "test", directions), key=lambda row: str(row["id"]))
        self._rows = grouped(rows, lambda row: str(row["lang_b"]))

    def library(self, direction: str, lexicon_rows: Iterable[Row] = ()) -> Library:
        """Returns a library of a direction's segments, in the order of their ids, with the terms
        that ``lexicon_rows`` teach and those of the corpora's lists."""
        codes = sorted(direction.split("-"), reverse=True)
        rows = [row for code in codes for row in self._rows.get(code, ())]
        return Library(rows, [direction], 0, lexicon_rows, term_lists=self._terms)

    def segments(self, direction: str) -> list[DirectedPair]:
        """Returns the segments that have both languages, as of the alphabetical direction, each
        with the id of its first language's row."""
        first, second = sorted(direction.split("-"))
        found = self.library(f"{first}-{second}").segments(f"{first}-{second}")
        return [segment._replace(id=segment.id.removesuffix(f"+{second}")) for segment in found]


def rows_of(path: Path, split: str, directions: Iterable[str]) -> list[dict[str, Any]]:
    """Returns a split's rows in which the directions' languages stand beside their pivot."""
    batches = _batches(path, split, _codes(directions))
    return [row for _, batch in batches for row in batch.to_pylist()]


def first_rows(
    path: Path, split: str, directions: Iterable[str], limit: int
) -> list[dict[str, Any]]:
    """Returns the rows that give each direction its first segments, in the file's order. A
    direction without rows of its own is joined over the pivot: it gets the first rows of its source
    language whose pivot text the target language has too, and the rows of the target language with
    those texts. ``limit`` counts segments per direction."""
    wanted = list(directions)
    kept = _direct(path, split, wanted, limit)
    found = {frozenset((row["lang_a"], row["lang_b"])) for row in kept.values()}
    for direction in wanted:
        if frozenset(direction.split("-")) not in found:
            kept |= _joined(path, split, direction, limit)
    return [kept[number] for number in sorted(kept)]


def _codes(directions: Iterable[str]) -> set[str]:
    return {code for direction in directions for code in direction.split("-")}


def _batches(
    path: Path, split: str, languages: set[str]
) -> Iterator[tuple[list[int], pa.RecordBatch]]:
    """Yields numbers and rows of a split whose languages are aligned to a pivot."""
    if not path.exists():
        raise StudyError("the corpora have no parallel text", where=path)
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            asked = pc.is_in(batch["lang_b"], pa.array(sorted(languages), pa.string()))
            mask = pc.and_(pc.equal(batch["split"], split), asked)
            numbers = np.flatnonzero(mask.to_numpy(zero_copy_only=False)) + start
            start += len(batch)
            if len(numbers):
                yield numbers.tolist(), batch.filter(mask)


def _direct(path: Path, split: str, directions: list[str], limit: int) -> Rows:
    """Returns the first rows of each pair of languages that a direction names."""
    left = {frozenset(direction.split("-")): limit for direction in directions}
    kept: Rows = {}
    for numbers, batch in _batches(path, split, _codes(directions)):
        pairs = zip(batch["lang_a"].to_pylist(), batch["lang_b"].to_pylist(), strict=True)
        places = []
        for place, pair in enumerate(map(frozenset, pairs)):
            if left.get(pair, 0):
                left[pair] -= 1
                places.append(place)
        kept |= _taken(numbers, batch, places)
        if not any(left.values()):
            break
    return kept


def _joined(path: Path, split: str, direction: str, limit: int) -> Rows:
    """Returns the rows of two languages whose first shared pivot texts make a direction."""
    source, target = direction.split("-")
    columns = [batch["text_a"] for _, batch in _batches(path, split, {target})]
    others = pc.unique(pa.chunked_array(columns, pa.string()))
    texts: set[str] = set()
    kept: Rows = {}
    for numbers, batch in _batches(path, split, {source}):
        shared = pc.is_in(batch["text_a"], others).to_pylist()
        places = []
        for place, text in enumerate(batch["text_a"].to_pylist()):
            if shared[place] and text not in texts and len(texts) < limit:
                texts.add(text)
                places.append(place)
        kept |= _taken(numbers, batch, places)
    for numbers, batch in _batches(path, split, {target}):
        wanted = pc.is_in(batch["text_a"], pa.array(sorted(texts), pa.string())).to_pylist()
        kept |= _taken(numbers, batch, [place for place, hit in enumerate(wanted) if hit])
    return kept


def _taken(numbers: list[int], batch: pa.RecordBatch, places: list[int]) -> Rows:
    rows = batch.take(pa.array(places, pa.int64())).to_pylist()
    return dict(zip((numbers[place] for place in places), rows, strict=True))
