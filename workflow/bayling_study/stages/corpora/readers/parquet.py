"""Reads aligned text in the hub's Parquet form, as OPUS-100 has it. A column ``translation`` is a
struct with one text per language, or JSON; the files of a pair are
``de-en/train-00000-of-00001.parquet``."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.parquet import rows
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.locate import locate_all

COLUMN = "translation"


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the pairs of each language's files (``StudyError`` if one is absent or broken)."""
    for language, upstream in corpus.targets.items():
        found = (
            segment(corpus, language, f"{path.parent.name}/{path.name}", row, block(row), *texts)
            for path in locate_all(download, corpus.file(corpus.path, upstream))
            for row, texts in _rows(path, corpus.upstream_pivot, upstream)
        )
        yield from islice(found, corpus.max_rows)


def _rows(path: Path, *codes: str) -> Iterator[tuple[int, list[str]]]:
    have: set[str] = set()
    for row, item in enumerate(rows(path, [COLUMN]), start=1):
        where = f"{path}: row {row}"
        texts = {} if item.get(COLUMN, "") is None else item.get(COLUMN)
        if not isinstance(texts, dict):
            raise StudyError(f"no struct column {COLUMN!r}", where=where)
        have |= texts.keys()
        values = [texts.get(code) for code in codes]
        for code, value in zip(codes, values, strict=True):
            if not (value is None or isinstance(value, str)):
                what = f"'{COLUMN}.{code}' is {type(value).__name__}, not text"
                raise StudyError(what, where=where, fix="cast the column to text")
        yield row, [value or "" for value in values]
    for code in codes:
        if code not in have:
            what = f"{COLUMN!r} has no {code!r}, only {', '.join(sorted(have))}"
            raise StudyError(what, where=path)
