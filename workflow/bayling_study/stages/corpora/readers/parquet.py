"""Reads aligned text in the hub's Parquet form, as OPUS-100 has it.

A column ``translation`` is a struct with one text per language; the files of a
pair are ``de-en/train-00000-of-00001.parquet``. Batches are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.locate import locate_all

COLUMN = "translation"
BATCH_ROWS = 8192


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the pairs of each language's files.

    Raises:
        StudyError: a file is absent or no Parquet, or has no texts of a language.
    """
    for language, upstream in corpus.targets.items():
        paths = locate_all(download, corpus.file(corpus.path, upstream))
        yield from islice(_files(paths, corpus, language), corpus.max_rows)


def _files(paths: list[Path], corpus: ParallelCorpus, language: str) -> Iterator[ParallelSegment]:
    for path in paths:
        name = f"{path.parent.name}/{path.name}"
        for row, texts in _rows(path, corpus.upstream_pivot, corpus.targets[language]):
            yield segment(corpus, language, name, row, block(row), *texts)


def _rows(path: Path, *codes: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            _check(file.schema_arrow, codes, path)
            columns = [f"{COLUMN}.{code}" for code in codes]
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                struct = batch.column(0)
                texts = [struct.field(code).to_pylist() for code in codes]
                for pair in zip(*texts, strict=True):
                    row += 1
                    yield row, tuple(text or "" for text in pair)
    except pa.ArrowInvalid as error:
        raise StudyError(f"not a Parquet file ({error})", where=path) from error


def _check(schema: pa.Schema, codes: tuple[str, ...], path: Path) -> None:
    kind = schema.field(COLUMN).type if COLUMN in schema.names else None
    if kind is None or not pa.types.is_struct(kind):
        raise StudyError(f"no struct column {COLUMN!r}", where=path)
    for code in codes:
        if kind.get_field_index(code) < 0:
            have = ", ".join(kind.field(n).name for n in range(kind.num_fields))
            raise StudyError(f"{COLUMN!r} has no {code!r}, only {have}", where=path)
