"""From raw aligned segments to ``parallel.parquet``: clean, de-duplicate, split.

Two passes, so that memory does not grow with the training text: the first
streams all readers, writes training rows to a scratch file and keeps the test
rows; the second reads the scratch file back, copies it, and marks what the
training rows give away of the test rows. Training rows come first in the
result, in the readers' order, then the test rows that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import CorporaSection, Split
from bayling_study.corpora.cleaning import Cleaner
from bayling_study.corpora.readers import PARALLEL
from bayling_study.corpora.splitting import Leaks, is_test
from bayling_study.corpora.tables import read_segments, segment_row, table_writer
from bayling_study.corpora.tally import Tally
from bayling_study.corpora.text import compared, tidy
from bayling_study.corpora.types import PARALLEL_FILE, PARALLEL_SCHEMA, ParallelSegment
from bayling_study.errors import StudyError

SCRATCH_FILE = ".training.parquet"


def build(section: CorporaSection, downloads: Mapping[str, Path], seed: int, out: Path) -> Any:
    """Writes ``parallel.parquet`` into a folder and returns its part of the report.

    Raises:
        StudyError: a source was not given, an upstream file is broken, or no
            segment is left of a language.
    """
    tally = Tally(section.cleaning.samples)
    kept = clean_and_split(raw_segments(section, downloads), section, seed, tally)
    scratch = out / SCRATCH_FILE
    test: list[ParallelSegment] = []
    documents: dict[str, set[str]] = {"train": set(), "test": set()}
    with table_writer(scratch, PARALLEL_SCHEMA) as writer:
        for segment in kept:
            documents[segment.split].add(segment.document)
            if segment.split == "test":
                test.append(segment)
            else:
                writer.add(segment_row(segment))
    counts = join_splits(scratch, test, section.split, out / PARALLEL_FILE, tally)
    scratch.unlink()
    _check_all_present(section, counts)
    return {
        **tally.report(),
        "segments": counts,
        "documents": {split: len(names) for split, names in documents.items()},
    }


def raw_segments(
    section: CorporaSection, downloads: Mapping[str, Path]
) -> Iterator[ParallelSegment]:
    """Yields the tidied segments of all configured sources in the config's order."""
    for corpus in section.parallel:
        for segment in PARALLEL[corpus.reader](downloads[corpus.source], corpus):
            yield segment._replace(text_a=tidy(segment.text_a), text_b=tidy(segment.text_b))


def clean_and_split(
    segments: Iterator[ParallelSegment], section: CorporaSection, seed: int, tally: Tally
) -> Iterator[ParallelSegment]:
    """Yields the segments that pass, with their split; repeated pairs of a split are dropped.

    In the test split a text counts as repeated if either side has been there
    before in the same pair of languages: the same question is not asked twice.
    """
    cleaner = Cleaner(section.cleaning)
    seen: set[bytes] = set()
    for segment in segments:
        group = f"{segment.source}/{segment.lang_b}"
        tally.read(group)
        reason = cleaner.reason(segment)
        if not reason:
            test = is_test(segment.document, seed, section.split.test_share)
            segment = segment._replace(split="test" if test else "train")
            if _is_repeated(segment, seen):
                reason = "duplicate"
        if reason:
            tally.reject(group, reason, _sample(segment))
        else:
            yield segment


def _is_repeated(segment: ParallelSegment, seen: set[bytes]) -> bool:
    """Tells whether a segment's texts were met before, and remembers them as 8-byte hashes."""
    pair = [segment.lang_a, segment.lang_b, segment.split]
    text_a, text_b = compared(segment.text_a), compared(segment.text_b)
    if segment.split == "test":
        keys = {_digest(*pair, "a", text_a), _digest(*pair, "b", text_b)}
    else:
        keys = {_digest(*pair, text_a, text_b)}
    repeated = not keys.isdisjoint(seen)
    seen |= keys
    return repeated


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=8).digest()


def join_splits(
    scratch: Path, test: list[ParallelSegment], rules: Split, path: Path, tally: Tally
) -> dict[str, dict[str, int]]:
    """Writes training rows and leak-free test rows; returns counts by language and split."""
    leaks = Leaks(test, rules.max_seen_share)
    counts: dict[str, dict[str, int]] = {}
    with table_writer(path, PARALLEL_SCHEMA) as writer:
        for segment in read_segments(scratch):
            leaks.see(segment)
            writer.add(segment_row(segment))
            _count(counts, segment)
        for segment in test:
            if reason := leaks.reason(segment):
                tally.reject(f"{segment.source}/{segment.lang_b}", reason, _sample(segment))
            else:
                writer.add(segment_row(segment))
                _count(counts, segment)
    return counts


def _count(counts: dict[str, dict[str, int]], segment: ParallelSegment) -> None:
    row = counts.setdefault(segment.lang_b, {"train": 0, "test": 0})
    row[segment.split] += 1


def _sample(segment: ParallelSegment) -> dict[str, str]:
    return {"id": segment.id, "text_a": segment.text_a, "text_b": segment.text_b}


def _check_all_present(section: CorporaSection, counts: Mapping[str, Any]) -> None:
    for number, corpus in enumerate(section.parallel):
        missing = [language for language in corpus.languages if language not in counts]
        if missing:
            raise StudyError(
                f"no segment is left of {', '.join(missing)}",
                where=f"corpora.parallel.{number}.languages",
                fix="remove the language or loosen corpora.cleaning",
            )
