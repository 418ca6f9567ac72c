"""Section ``corpora``: which upstream data is read, cleaned and split."""

from __future__ import annotations

from pydantic import Field

from bayling_study.config.base import Name, Section, Share


class ParallelCorpus(Section):
    """Aligned text of one source."""

    source: Name
    """Id of a row of the source manifest."""
    reader: Name
    """Name of the reader of its format."""
    languages: dict[str, str]
    """Language code used in this project to the code used by the source."""
    pivot: str = "en"
    """Language to which all others are aligned."""


class ConversationCorpus(Section):
    """Instructions or dialogues of one source."""

    source: Name
    """Id of a row of the source manifest."""
    reader: Name
    """Name of the reader of its format: ``alpaca`` or ``sharegpt``."""
    path: str
    """File inside the source, as a POSIX path."""
    language: str
    """Main language of the text."""


class Cleaning(Section):
    """Filters of parallel segments; a rejected segment is counted by its first reason."""

    min_words: int = Field(default=5, ge=1)
    """Words of the pivot side, counted at white space."""
    max_words: int = Field(default=60, ge=1)
    """Words of the pivot side."""
    max_length_ratio: float = Field(default=4.0, gt=1)
    """Largest ratio of the two sides' lengths in display columns (wide characters count two)."""
    min_script_share: Share = 0.5
    """Share of letters that must be of the language's own script."""


class Split(Section):
    """Documents, not segments, are assigned to test or train."""

    test_share: Share = 0.1
    """Share of documents kept for testing."""


class CorporaSection(Section):
    """Upstream data."""

    parallel: list[ParallelCorpus] = []
    conversations: list[ConversationCorpus] = []
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
