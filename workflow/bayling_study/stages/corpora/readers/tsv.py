"""Reads aligned text in columns separated by tabs, plain or compressed. WMT's training text
(``news-commentary-v18.de-en.tsv.gz``) has two columns and two empty cells between documents; mined
text (NLLB) adds scores. The config names the columns; none is quoted."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, score, segment
from bayling_study.stages.corpora.readers.lines import lines
from bayling_study.stages.corpora.readers.locate import locate
from bayling_study.stages.corpora.readers.odd import OddRow, or_odd


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment | OddRow]:
    """Yields the pairs of each language's file, and rows that have not so many cells as odd
    (``StudyError`` if the config lacks a column)."""
    for language, upstream in corpus.targets.items():
        path = locate(download, corpus.file(corpus.path, upstream))
        rows = _file(path, corpus, language, _columns(corpus, upstream))
        yield from islice(rows, corpus.max_rows)


def _columns(corpus: ParallelCorpus, upstream: str) -> dict[str, int]:
    names = corpus.columns or [corpus.upstream_pivot, upstream]
    columns = {name: place for place, name in enumerate(names) if name != "-"}
    for name in (corpus.upstream_pivot, upstream):
        if name not in columns:
            what = f"no column is called {name!r}"
            fix = f"columns: [{corpus.upstream_pivot}, {upstream}]"
            raise StudyError(what, where="corpora.parallel.columns", fix=fix)
    return columns


def _file(
    path: Path, corpus: ParallelCorpus, language: str, columns: dict[str, int]
) -> Iterator[ParallelSegment | OddRow]:
    width = len(corpus.columns) or len(columns)
    first, second = columns[corpus.upstream_pivot], columns[corpus.targets[language]]
    documents = 0
    divided = False  # whether the file has told where a document ends
    for row, line in lines(path):
        cells = line.split("\t")
        if len(cells) != width:
            what = f"{len(cells)} cells where {width} are needed"
            yield OddRow(language, what, f"{path}:{row}", line.strip()[:200])
            continue
        if not (cells[first] or cells[second]):
            documents, divided = documents + 1, True
            continue
        if "score" in columns:
            read = partial(score, cells[columns["score"]], f"{path}:{row}")
            rating = or_odd(read, language, line)
            if isinstance(rating, OddRow):
                yield rating
                continue
            if corpus.min_score is not None and rating < corpus.min_score:
                continue
        document = f"d{documents}" if divided else block(row)
        if "document" in columns:
            document = cells[columns["document"]]
        yield segment(corpus, language, path.name, row, document, cells[first], cells[second])
