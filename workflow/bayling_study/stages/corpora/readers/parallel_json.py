"""Reads aligned text in the hub's translation form, as ALMA ships WMT text. Form: a JSON array or
JSON lines of ``{"translation": {"zh": …, "en": …}}``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.jsonitems import object_of, read_items, text_of
from bayling_study.stages.corpora.readers.locate import locate
from bayling_study.stages.corpora.readers.odd import OddRow, or_odd


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment | OddRow]:
    """Yields one segment for each row and configured language. A row that has no ``translation``,
    or lacks a language, is odd."""
    path = locate(download, corpus.path)
    for number, row in read_items(path):
        for language, upstream in corpus.targets.items():
            codes = corpus.upstream_pivot, upstream
            texts = or_odd(partial(_texts, row, codes, f"{path}: row {number}"), language, row)
            if isinstance(texts, OddRow):
                yield texts
            else:
                yield segment(corpus, language, path.name, number, block(number), *texts)


def _texts(row: Any, codes: tuple[str, ...], where: str) -> list[str]:
    texts = object_of(row, where).get("translation")
    if not isinstance(texts, dict):
        raise StudyError("the key 'translation' is missing or not an object", where=where)
    return [text_of(texts, code, where) for code in codes]
