"""Reads aligned text in two files with one sentence per line, as OPUS packs it ("Moses").
``NLLB.en-sw.en`` and ``NLLB.en-sw.sw`` are told by the path ``NLLB.{pair}.{side}``; OPUS writes the
codes of a pair in alphabetical order. Mined collections add ``NLLB.en-sw.scores`` with the margin
of LASER's similarity, one per line, and are sorted by it."""

from collections import deque
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import block, score, segment
from bayling_study.stages.corpora.readers.lines import lines
from bayling_study.stages.corpora.readers.locate import locate


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the pairs of each language's two files (``StudyError`` if a file is absent, the files
    differ in length, or a score is no number; in the rows behind ``max_rows`` too, as a missing
    line shifts all after it)."""
    for language, upstream in corpus.targets.items():
        first = locate(download, corpus.file(corpus.path, upstream, corpus.upstream_pivot))
        second = locate(download, corpus.file(corpus.path, upstream, upstream))
        scores = locate(download, corpus.file(corpus.scores, upstream)) if corpus.scores else None
        pairs = _pairs(first, second, scores, corpus.min_score)
        for row, (text_a, text_b) in islice(pairs, corpus.max_rows):
            yield segment(corpus, language, second.name, row, block(row), text_a, text_b)
        deque(pairs, maxlen=0)


def _pairs(
    first: Path, second: Path, scores: Path | None, least: float | None
) -> Iterator[tuple[int, tuple[str, str]]]:
    rated = (score(text, f"{scores}:{row}") for row, text in lines(scores)) if scores else None
    for one, two in zip_longest(lines(first), lines(second)):
        if one is None or two is None:
            what = f"{first.name} and {second.name} have different numbers of lines"
            raise StudyError(what, where=second.parent, fix="fetch the source again")
        rating = next(rated, None) if rated else None
        if rated and rating is None:
            raise StudyError("there are fewer scores than lines", where=scores)
        if least is None or rating is None or rating >= least:
            yield one[0], (one[1], two[1])
    if rated and next(rated, None) is not None:
        raise StudyError("there are more scores than lines", where=scores)
