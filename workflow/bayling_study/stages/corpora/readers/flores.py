"""Reads FLORES-101 and FLORES-200: one file per language, aligned by line.

``devtest/zho_simpl.devtest`` (997 lines in ``dev``, 1012 in ``devtest``) is told
by the path ``devtest/{language}.devtest``. Beside the folder lies
``metadata_devtest.tsv`` with the article's URL of each line, which is the
document here. The newer FLORES+ has one Parquet or JSON-lines file per language
(``devtest/zho_Hans.parquet``) with columns ``text`` and ``url``; the hub's copy of
FLORES-200 (``zho_Hans/devtest-00000-of-00001.parquet``) calls them ``sentence`` and
``URL``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.jsonitems import read_items, text_of
from bayling_study.stages.corpora.readers.lines import lines
from bayling_study.stages.corpora.readers.locate import locate

TABLES = (".jsonl", ".parquet")


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the lines of all languages beside the pivot's, line by line.

    Raises:
        StudyError: a file is absent, or the files differ in length.
    """
    pivot = locate(download, corpus.file(corpus.path, corpus.upstream_pivot))
    documents = list(_documents(pivot))
    paths = [locate(download, corpus.file(corpus.path, name)) for name in corpus.targets.values()]
    for row, texts in enumerate(zip_longest(*map(_texts, [pivot, *paths])), start=1):
        for path, text in zip([pivot, *paths], texts, strict=True):
            if text is None:
                raise StudyError(f"{path.name} has fewer lines than others", where=path)
        document = documents[row - 1] if documents else block(row)
        for language, text in zip(corpus.targets, texts[1:], strict=True):
            yield segment(corpus, language, pivot.parent.name, row, document, texts[0], text)


def _texts(path: Path) -> Iterator[str]:
    if path.suffix in TABLES:
        for row, item in read_items(path):
            key = "sentence" if "sentence" in item else "text"
            yield text_of(item, key, f"{path}: row {row}")
    else:
        for _, text in lines(path):
            yield text


def _documents(pivot: Path) -> Iterator[str]:
    """Yields the article of each line, if the release says so."""
    metadata = pivot.parent.parent / f"metadata_{pivot.parent.name}.tsv"
    if pivot.suffix in TABLES:
        for _, item in read_items(pivot):
            yield str(item.get("url") or item.get("URL") or "")
    elif metadata.is_file():
        for row, line in lines(metadata):
            if row > 1:  # the first line names the columns; the first column is the URL
                yield line.split("\t")[0]
