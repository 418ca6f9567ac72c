"""Reads FLORES-101 and FLORES-200: one file per language, aligned by line or id.

``devtest/zho_simpl.devtest`` (997 lines in ``dev``, 1012 in ``devtest``) is told by the path
``devtest/{language}.devtest``. Beside the folder lies ``metadata_devtest.tsv`` with the article's
URL of each line, which is the document here. The newer FLORES+ has one Parquet or JSON-lines file
per language (``devtest/zho_Hans.parquet``) with columns ``text`` and ``url``; the hub's copy of
FLORES-200 (``zho_Hans/devtest-00000-of-00001.parquet``) calls them ``sentence`` and ``URL``.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import spellings
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.shared.flores_rows import TABLES, FloresRow, language_rows, paired
from bayling_study.stages.corpora.readers.aligned import block, segment
from bayling_study.stages.corpora.readers.lines import lines
from bayling_study.stages.corpora.readers.locate import locate


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields all languages' sentences in the pivot's order (``StudyError`` if files differ)."""
    names = corpus.upstream_pivot, *corpus.targets.values()
    paths = [_file(download, corpus, name) for name in names]
    rows = (language_rows(path, lambda one: (text for _, text in lines(one))) for path in paths)
    pivot, files = paths[0], paired([*zip(paths, rows, strict=True)])
    documents = _documents(pivot, files[0])
    for row, texts in enumerate(zip(*files, strict=True), start=1):
        document = documents[row - 1] if documents else block(row)
        for language, other in zip(corpus.targets, texts[1:], strict=True):
            both = texts[0].text, other.text
            yield segment(corpus, language, pivot.parent.name, row, document, *both)


def _file(download: Path, corpus: ParallelCorpus, code: str) -> Path:
    """Returns a language's file; FLORES+ has renamed some (``flores.RENAMED``)."""
    for name in spellings(code):
        with suppress(StudyError):
            return locate(download, corpus.file(corpus.path, name))
    return locate(download, corpus.file(corpus.path, code))  # its error has the configured name


def _documents(pivot: Path, rows: list[FloresRow]) -> list[str]:
    """Returns the article of each sentence, if the release says so."""
    metadata = pivot.parent.parent / f"metadata_{pivot.parent.name}.tsv"
    if pivot.suffix in TABLES:
        return [row.document for row in rows]
    if not metadata.is_file():
        return []
    # The first line names the columns; the first column is the URL.
    found = [line.split("\t")[0] for row, line in lines(metadata) if row > 1]
    if len(found) != len(rows):
        what = f"{len(found)} articles of {len(rows)} sentences in {pivot.name}"
        raise StudyError(what, where=metadata, fix="fetch the source again")
    return found
