"""From term lists to ``terms.parquet``: no empty, untranslated or repeated terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.text.forms import tidy
from bayling_study.shared.corpus_tables import TERM_SCHEMA, TERMS_FILE
from bayling_study.stages.corpora.readers import LEXICONS
from bayling_study.stages.corpora.repeats import TableRow, write_distinct


def build(section: CorporaSection, downloads: Mapping[str, Path], out: Path) -> dict[str, int]:
    """Writes ``terms.parquet`` into a folder and returns the number of terms a language pair.

    Raises:
        StudyError: an upstream file is broken.
    """
    counts: Counter[str] = Counter()

    def count(number: int, row: TableRow) -> None:
        counts[f"{row['lang_a']}-{row['lang_b']}"] += 1

    write_distinct(out / TERMS_FILE, TERM_SCHEMA, _rows(section, downloads), kept=count)
    return dict(sorted(counts.items()))


def _rows(
    section: CorporaSection, downloads: Mapping[str, Path]
) -> Iterator[tuple[TableRow, tuple[str, ...]]]:
    """Yields the translated terms of all lists in the config's order."""
    for lexicon in section.lexicons:
        for raw in LEXICONS[lexicon.reader](downloads[lexicon.source], lexicon):
            term = raw._replace(term_a=tidy(raw.term_a), term_b=tidy(raw.term_b))
            translated = term.term_a.casefold() != term.term_b.casefold()
            if term.term_a and term.term_b and translated:
                yield term._asdict(), term[1:]
