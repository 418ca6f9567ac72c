"""What readers of aligned files share: segments by row, and documents where a format has none. Most
parallel text comes as rows without documents. Neighbouring rows mostly come from the same text, so
a block of consecutive rows stands for a document."""

import math

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment

BLOCK_ROWS = 50  # rows that are kept together by the split; a news article has 10 to 40 sentences


def block(row: int) -> str:
    """Returns the name of the block in which a row (from 1) is."""
    return str((row - 1) // BLOCK_ROWS)


def segment(
    corpus: ParallelCorpus, language: str, file: str, row: object, document: str, *texts: str
) -> ParallelSegment:
    """Makes a segment of a row, told by its number or key in a file. ``document`` is a name inside
    the file, empty if the file is one. The texts are that of the pivot and that of the language
    (this project's code)."""
    source, (text_a, text_b) = corpus.source, texts
    name = f"{source}/{file}/{document}" if document else f"{source}/{file}"
    place = f"{source}/{language}/{file}/{row}"
    return ParallelSegment(place, source, corpus.pivot, language, text_a, text_b, document=name)


def refuse_idle_options(corpus: ParallelCorpus, where: str) -> None:
    """Refuses (``StudyError``) an option of a corpus that its reader would not look at."""
    unscored = not (corpus.scores or "score" in corpus.columns)
    idle = {
        "min_score": corpus.min_score is not None and unscored,
        "scores": corpus.scores and corpus.reader != "moses",
        "columns": corpus.columns and corpus.reader != "tsv",
        "max_rows": corpus.max_rows and corpus.reader not in ("moses", "parquet", "tsv"),
    }
    for option in (name for name, is_idle in idle.items() if is_idle):
        fix = "leave it out; min_score needs scores (reader moses) or a column score (reader tsv)"
        raise StudyError(f"{option} does nothing here", where=where, fix=fix)


def score(text: str, where: str) -> float:
    """Returns a mined pair's score (``StudyError`` if it is no number, or "nan" or infinite)."""
    try:
        rating = float(text)
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise StudyError(f"{text[:40]!r} is not a score", where=where)
    return rating
