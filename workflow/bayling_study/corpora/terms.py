"""From term lists to ``terms.parquet``: no empty, untranslated or repeated terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bayling_study.config.corpora import CorporaSection
from bayling_study.corpora.readers import LEXICONS
from bayling_study.corpora.tables import table_writer
from bayling_study.corpora.text import tidy
from bayling_study.corpora.types import TERM_SCHEMA, TERMS_FILE


def build(section: CorporaSection, downloads: Mapping[str, Path], out: Path) -> dict[str, int]:
    """Writes ``terms.parquet`` into a folder and returns the number of terms a language pair.

    Raises:
        StudyError: an upstream file is broken.
    """
    counts: Counter[str] = Counter()
    seen: set[tuple[str, ...]] = set()
    with table_writer(out / TERMS_FILE, TERM_SCHEMA) as writer:
        for lexicon in section.lexicons:
            for term in LEXICONS[lexicon.reader](downloads[lexicon.source], lexicon):
                term = term._replace(term_a=tidy(term.term_a), term_b=tidy(term.term_b))
                key = term[1:]
                translated = term.term_a.casefold() != term.term_b.casefold()
                if term.term_a and term.term_b and translated and key not in seen:
                    seen.add(key)
                    writer.add(term._asdict())
                    counts[f"{term.lang_a}-{term.lang_b}"] += 1
    return dict(sorted(counts.items()))
