"""Reads aligned text in the hub's Parquet form, as OPUS-100 has it.

A column ``translation`` is a struct with one text per language, or JSON; the files of a
pair are ``de-en/train-00000-of-00001.parquet``. Batches are read one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.parquet import json_columns, rows
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.locate import locate_all

COLUMN = "translation"
BATCH_ROWS = 8192


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the pairs of each language's files.

    Raises:
        StudyError: a file is absent or no Parquet, has no language, or holds what is no text.
    """
    for language, upstream in corpus.targets.items():
        paths = locate_all(download, corpus.file(corpus.path, upstream))
        yield from islice(_files(paths, corpus, language), corpus.max_rows)


def _files(paths: list[Path], corpus: ParallelCorpus, language: str) -> Iterator[ParallelSegment]:
    for path in paths:
        name = f"{path.parent.name}/{path.name}"
        for row, texts in _rows(path, corpus.upstream_pivot, corpus.targets[language]):
            yield segment(corpus, language, name, row, block(row), *texts)


def _rows(path: Path, *codes: str) -> Iterator[tuple[int, list[str]]]:
    for row, values in enumerate(_values(path, codes), start=1):
        for code, value in zip(codes, values, strict=True):
            if not (value is None or isinstance(value, str)):
                what = f"'{COLUMN}.{code}' is {type(value).__name__}, not text"
                raise StudyError(what, where=f"{path}: row {row}", fix="cast the column to text")
        yield row, [value or "" for value in values]


def _values(path: Path, codes: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    try:
        with pq.ParquetFile(path) as file:
            if COLUMN in json_columns(file.schema_arrow):
                yield from _decoded(path, codes)
                return
            _check(file.schema_arrow, codes, path)
            columns = [f"{COLUMN}.{code}" for code in codes]
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                struct = batch.column(0)
                yield from zip(*(struct.field(code).to_pylist() for code in codes), strict=True)
    except pa.ArrowInvalid as error:
        raise StudyError(f"not a Parquet file ({error})", where=path) from error


def _decoded(path: Path, codes: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Yields the values of a column of JSON, whose rows need not have the same languages."""
    seen: set[str] = set()
    for row, item in enumerate(rows(path, [COLUMN]), start=1):
        texts = {} if item[COLUMN] is None else item[COLUMN]
        if not isinstance(texts, dict):
            raise StudyError(f"{COLUMN!r} is not an object", where=f"{path}: row {row}")
        seen.update(texts)
        yield tuple(texts.get(code) for code in codes)
    _check_languages(seen, codes, path)


def _check(schema: pa.Schema, codes: tuple[str, ...], path: Path) -> None:
    kind = schema.field(COLUMN).type if COLUMN in schema.names else None
    if kind is None or not pa.types.is_struct(kind):
        raise StudyError(f"no struct column {COLUMN!r}", where=path)
    _check_languages([kind.field(n).name for n in range(kind.num_fields)], codes, path)


def _check_languages(have: Collection[str], codes: tuple[str, ...], path: Path) -> None:
    for code in codes:
        if code not in have:
            what = f"{COLUMN!r} has no {code!r}, only {', '.join(sorted(have))}"
            raise StudyError(what, where=path)
