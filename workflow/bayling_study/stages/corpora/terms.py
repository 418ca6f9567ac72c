"""From term lists to ``terms.parquet``: no empty, untranslated or repeated terms."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.text.forms import tidy
from bayling_study.shared.corpus_tables import TERM_SCHEMA, TERMS_FILE, Term
from bayling_study.stages.corpora.misread import is_misread
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.tables import TableRow, distinct, write_tables
from bayling_study.stages.corpora.tally import CorpusTally


def build(
    section: CorporaSection, downloads: Mapping[str, Path], out: Path, tally: CorpusTally
) -> dict[str, int]:
    """Writes ``terms.parquet``; returns the terms by pair (``StudyError`` if a list is broken)."""
    counts: Counter[str] = Counter()

    def translated() -> Iterator[tuple[TableRow, tuple[str, ...]]]:
        for lexicon in section.lexicons:
            read = reader_named(lexicon.reader)(downloads[lexicon.source], lexicon)
            for raw in tally.fitting(read, f"{lexicon.source}/{{language}}"):
                group = f"{raw.source}/{raw.lang_b}"
                term = raw._replace(term_a=tidy(raw.term_a), term_b=tidy(raw.term_b))
                tally.read(group)
                if reason := _reason(term):
                    tally.reject(group, reason, term._asdict())
                else:
                    counts[f"{term.lang_a}-{term.lang_b}"] += 1
                    yield term, term[1:]

    def repeated(number: int, row: dict[str, Any]) -> None:
        tally.reject(f"{row['source']}/{row['lang_b']}", "duplicate", row)
        counts[f"{row['lang_a']}-{row['lang_b']}"] -= 1

    kept = distinct(translated(), TERM_SCHEMA, out / ".terms", repeated)
    write_tables(out / TERMS_FILE, TERM_SCHEMA, kept)
    return dict(sorted(counts.items()))


def _reason(term: Term) -> str:
    if not (term.term_a and term.term_b):
        return "empty"
    if is_misread(term.term_b, term.lang_b) or is_misread(term.term_a, term.lang_a):
        return "misread encoding"
    return "identical" if term.term_a.casefold() == term.term_b.casefold() else ""
