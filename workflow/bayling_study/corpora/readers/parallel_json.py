"""Reads aligned text in the hub's translation form, as ALMA ships WMT text.

Form: a JSON array or JSON lines of ``{"translation": {"zh": …, "en": …}}``.
The form has no documents; neighbouring rows come from the same article, so a
block of consecutive rows stands for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.corpora.readers.jsonitems import read_items, text_of
from bayling_study.corpora.readers.locate import locate
from bayling_study.corpora.types import ParallelSegment
from bayling_study.errors import StudyError

BLOCK_ROWS = 50
"""Rows that are kept together by the split; a news article has 10 to 40 sentences."""


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
            raise StudyError("the key 'translation' is missing or no object", where=where)
        pivot = text_of(texts, corpus.pivot, where)
        document = f"{corpus.source}/{path.name}/{(number - 1) // BLOCK_ROWS}"
        for language, upstream in corpus.languages.items():
            name = f"{corpus.source}/{language}/{path.name}/{number}"
            text = text_of(texts, upstream, where)
            yield ParallelSegment(
                name, corpus.source, corpus.pivot, language, pivot, text, document
            )
