"""What readers of aligned files share: segments by row, and documents where a format has none.

Most parallel text comes as rows without documents. Neighbouring rows mostly
come from the same text, so a block of consecutive rows stands for a document.
"""

from __future__ import annotations

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.shared.corpus_tables import ParallelSegment

BLOCK_ROWS = 50
"""Rows that are kept together by the split; a news article has 10 to 40 sentences."""


def block(row: int) -> str:
    """Returns the name of the block in which a row (from 1) is."""
    return str((row - 1) // BLOCK_ROWS)


def segment(
    corpus: ParallelCorpus, language: str, file: str, row: object, document: str, *texts: str
) -> ParallelSegment:
    """Makes a segment of one row.

    Args:
        corpus: the section of the config.
        language: this project's code of the other language.
        file: name of the file, part of the id and of the document.
        row: number or key of the row in it.
        document: name of the document inside the file; empty if the file is one.
        texts: of the pivot, then of the other language.
    """
    text_a, text_b = texts
    name = f"{corpus.source}/{file}/{document}" if document else f"{corpus.source}/{file}"
    return ParallelSegment(
        f"{corpus.source}/{language}/{file}/{row}",
        corpus.source,
        corpus.pivot,
        language,
        text_a,
        text_b,
        name,
    )
