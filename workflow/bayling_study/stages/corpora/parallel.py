"""From raw aligned segments to ``parallel.parquet``: clean, de-duplicate, split.

Two passes, so that memory does not grow with the training text: the first streams all readers,
writes training rows to a scratch file and keeps the test rows; the second reads the scratch file
back, leaves out repeated rows, and marks what the others give away of the test rows. Training rows
come first in the result, in the readers' order, then the test rows that are left.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from bayling_study.config.corpora import CorporaSection, ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.core.text.forms import compared, tidy
from bayling_study.shared.corpus_tables import PARALLEL_FILE, PARALLEL_SCHEMA, ParallelSegment
from bayling_study.shared.romanisation import romanised
from bayling_study.stages.corpora.cleaning import Cleaner
from bayling_study.stages.corpora.hearing import Hearing
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.readers.aligned import refuse_idle_options
from bayling_study.stages.corpora.readers.locate import AbsentError
from bayling_study.stages.corpora.splitting import Leaks, is_test
from bayling_study.stages.corpora.tables import TableRow, distinct, key_of, tables, write_tables
from bayling_study.stages.corpora.tally import CorpusTally

Raw = tuple[ParallelCorpus, ParallelSegment]
"""A segment with the section of the config that it was read for."""


def build(section: CorporaSection, downloads: Mapping[str, Path], seed: int, out: Path) -> Any:
    """Writes ``parallel.parquet`` into a folder and returns its part of the report (``StudyError``
    if a source was not given, an upstream file is broken, a side is in another language, or no
    segment is left of any language of a corpus that may not be missing)."""
    tally, hearing = CorpusTally(), Hearing(section.cleaning.max_foreign_share)
    raw = raw_segments(section, downloads, tally)
    counts, documents = write(raw, section, seed, out, tally, hearing)
    _add_missing(section, counts)
    heard = hearing.report()
    return {**tally.report(), "languages": heard, "segments": counts, "documents": documents}


def write(
    raw: Iterator[Raw],
    section: CorporaSection,
    seed: int,
    out: Path,
    tally: CorpusTally,
    hearing: Hearing,
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Writes what passes; returns segments by language and split, and documents by split."""
    test: list[ParallelSegment] = []
    documents = dict.fromkeys(("train", "test"), 0)
    last = dict.fromkeys(documents, "")  # readers give a document's rows one after the other
    counts: dict[str, dict[str, int]] = {}

    def training() -> Iterator[tuple[TableRow, tuple[str, ...]]]:
        for corpus, segment in clean_and_split(raw, section, seed, tally):
            documents[segment.split] += segment.document != last[segment.split]
            last[segment.split] = segment.document
            hearing.hear(_group(segment), segment.lang_a, segment.text_a)
            hearing.hear(_group(segment), segment.lang_b, segment.text_b)
            segment = _in_latin_letters(segment, corpus.transliterated)
            if segment.split == "test":
                test.append(segment)
            else:
                count(segment.lang_b, "train", 1)
                yield segment, _compared(segment)

    def count(language: str, split: str, number: int) -> None:
        counts.setdefault(language, {"train": 0, "test": 0})[split] += number

    def repeated(number: int, row: dict[str, Any]) -> None:
        count(row["lang_b"], "train", -1)
        _reject(ParallelSegment(**row), "duplicate", tally)

    def tested(leaks: Leaks) -> Iterator[ParallelSegment]:
        for segment in test:
            if reason := leaks.reason(segment):
                _reject(segment, reason, tally)
            else:
                count(segment.lang_b, "test", 1)
                yield segment

    def kept() -> Iterator[pa.Table]:
        """Yields the training rows, then the test rows of which they do not give too much away."""
        leaks = Leaks(test, section.split.max_seen_share)
        for part in parts:
            for row in part.to_pylist() if test else ():
                leaks.see(ParallelSegment(**row))
            yield part
        yield from tables(tested(leaks), PARALLEL_SCHEMA)

    parts = distinct(training(), PARALLEL_SCHEMA, out / ".training", repeated)
    write_tables(out / PARALLEL_FILE, PARALLEL_SCHEMA, kept())
    return counts, documents


def raw_segments(
    section: CorporaSection, downloads: Mapping[str, Path], tally: CorpusTally
) -> Iterator[Raw]:
    """Yields the tidied segments of all configured sources in the config's order. ``tally`` counts
    the rows that do not fit their format."""
    for number, corpus in enumerate(section.parallel):
        refuse_idle_options(corpus, f"corpora.parallel.{number}")
    for number, corpus in enumerate(section.parallel, start=1):
        what = f"{corpus.source} ({number} of {len(section.parallel)})"
        for part in _parts(corpus) if section.allow_missing else [corpus]:
            read = reader_named(corpus.reader)(downloads[corpus.source], part)
            group = f"{corpus.source}/{{language}}"
            try:
                for segment in tally.fitting(Progress(what, over=read), group):
                    one, other = tidy(segment.text_a), tidy(segment.text_b)
                    yield corpus, ParallelSegment._make((*segment[:4], one, other, *segment[6:]))
            except AbsentError as error:
                if not section.allow_missing:
                    raise
                group = f"{corpus.source}/{', '.join(part.targets)}"
                tally.read(group)
                tally.reject(group, "no file", {"id": str(error)})


def _parts(corpus: ParallelCorpus) -> Iterator[ParallelCorpus]:
    """Yields a corpus language by language."""
    pivot = {code: name for code, name in corpus.languages.items() if code == corpus.pivot}
    for code, name in corpus.targets.items():
        yield corpus.model_copy(update={"languages": {**pivot, code: name}})


def clean_and_split(
    raw: Iterator[Raw], section: CorporaSection, seed: int, tally: CorpusTally
) -> Iterator[Raw]:
    """Yields the segments that pass, with their split; test rows are distinct. In the test split a
    text counts as repeated if either side has been there before in the same pair of languages: the
    same question is not asked twice. Repeated training rows are left to ``distinct``, which needs
    no memory for them."""
    cleaner = Cleaner(section.cleaning)
    seen: set[bytes] = set()
    for corpus, segment in raw:
        tally.read(_group(segment))
        reason = cleaner.reason(segment)
        if not reason:
            split = corpus.role
            if split == "both":
                tested = is_test(segment.document, seed, section.split.test_share)
                split = "test" if tested else "train"
            segment = ParallelSegment(*segment[:-1], split)
            if split == "test" and _is_repeated(segment, seen):
                reason = "duplicate"
        if reason:
            _reject(segment, reason, tally)
        else:
            yield corpus, segment


def _is_repeated(segment: ParallelSegment, seen: set[bytes]) -> bool:
    """Tells whether either text of a test segment was met before, and remembers them."""
    *pair, text_a, text_b = _compared(segment)
    keys = {key_of(*pair, "a", text_a), key_of(*pair, "b", text_b)}
    repeated = not keys.isdisjoint(seen)
    seen |= keys
    return repeated


def _in_latin_letters(segment: ParallelSegment, codes: list[str]) -> ParallelSegment:
    """Returns a segment whose sides in these languages are transliterated."""
    for code, field in ((segment.lang_a, "text_a"), (segment.lang_b, "text_b")):
        if code in codes:
            segment = segment._replace(**{field: romanised(getattr(segment, field), code)})
    return segment


def _compared(segment: ParallelSegment) -> tuple[str, ...]:
    """Returns what makes two segments the same."""
    return segment.lang_a, segment.lang_b, compared(segment.text_a), compared(segment.text_b)


def _group(segment: ParallelSegment) -> str:
    return f"{segment.source}/{segment.lang_b}"


def _reject(segment: ParallelSegment, reason: str, tally: CorpusTally) -> None:
    sample = {"id": segment.id, "text_a": segment.text_a, "text_b": segment.text_b}
    tally.reject(_group(segment), reason, sample)


def _add_missing(section: CorporaSection, counts: dict[str, dict[str, int]]) -> None:
    """Shows a language without a segment as none; a corpus that has only such may be refused."""
    for number, corpus in enumerate(section.parallel):
        if not section.allow_missing and counts.keys().isdisjoint(corpus.targets):
            what = f"no segment is left of {', '.join(corpus.targets)}"
            fix = "remove the language or loosen corpora.cleaning"
            raise StudyError(what, where=f"corpora.parallel.{number}.languages", fix=fix)
    for language in (code for corpus in section.parallel for code in corpus.targets):
        counts.setdefault(language, {"train": 0, "test": 0})
