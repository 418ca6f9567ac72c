"""Reads aligned text in the hub's translation form, as ALMA ships WMT text.

Form: a JSON array or JSON lines of ``{"translation": {"zh": …, "en": …}}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.jsonitems import read_items, text_of
from bayling_study.stages.corpora.readers.locate import locate


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields one segment for each row and configured language.

    Raises:
        StudyError: a row has no ``translation``, or lacks a configured language.
    """
    path = locate(download, corpus.path)
    for number, row in read_items(path):
        where = f"{path}: row {number}"
        texts = row.get("translation")
        if not isinstance(texts, dict):
            raise StudyError("the key 'translation' is missing or not an object", where=where)
        pivot = text_of(texts, corpus.upstream_pivot, where)
        for language, upstream in corpus.targets.items():
            text = text_of(texts, upstream, where)
            yield segment(corpus, language, path.name, number, block(number), pivot, text)
