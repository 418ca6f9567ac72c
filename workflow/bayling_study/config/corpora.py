"""Section ``corpora``: which upstream data is read, cleaned and split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bayling_study.config.base import Name, Section, Share

ParallelReader = Literal["homeassistant", "parallel-json"]
"""Formats of aligned text; each is a module of ``corpora/readers``."""

ConversationReader = Literal["alpaca", "sharegpt"]
"""Formats of conversations."""

Filter = Literal["placeholder", "markup", "url", "control", "lines", "identical"]


class ParallelCorpus(Section):
    """Aligned text of one source."""

    source: Name
    """Id of a row of the source manifest."""
    reader: ParallelReader
    """Name of the reader of its format."""
    path: str = ""
    """File or folder inside the source, as a POSIX path; empty means the whole source."""
    languages: dict[str, str]
    """Language code used in this project to the code used by the source."""
    pivot: str = "en"
    """Language to which all others are aligned."""


class ConversationCorpus(Section):
    """Instructions or dialogues of one source."""

    source: Name
    """Id of a row of the source manifest."""
    reader: ConversationReader
    """Name of the reader of its format."""
    path: str
    """File inside the source, as a POSIX path."""
    language: str
    """Main language of the text."""
    strip_html: bool = False
    """Remove HTML tags outside code blocks (for the uncleaned ShareGPT pages)."""


class Cleaning(Section):
    """Filters of parallel segments; a rejected segment is counted by its first reason."""

    filters: list[Filter] = ["placeholder", "markup", "url", "control", "lines", "identical"]
    """Filters in use besides those with a limit below; see ``corpora/cleaning.py``."""
    min_words: int = Field(default=5, ge=1)
    """Words of the pivot side, counted at white space (unspaced scripts: characters)."""
    max_words: int = Field(default=60, ge=1)
    """Words of the pivot side."""
    max_length_ratio: float = Field(default=4.0, gt=1)
    """Largest ratio of the two sides' lengths in display columns (wide characters count two)."""
    min_script_share: Share = 0.5
    """Share of words that must be written in the language's own script; a character of
    an unspaced script is a word, so that a product name weighs as much as a syllable."""
    max_copied_share: Share = 0.7
    """Share of a side's words that the other side may have too: above it the text is not
    translated (names are copied as they are, so some overlap is right)."""
    samples: int = Field(default=5, ge=0)
    """Rejected segments shown in the report for each reason."""


class Split(Section):
    """Documents, not segments, are assigned to test or train."""

    test_share: Share = 0.1
    """Share of documents kept for testing."""
    max_seen_share: Share = 0.5
    """Largest share of a test segment's word 6-grams that the training side may have."""


class CorporaSection(Section):
    """Upstream data."""

    parallel: list[ParallelCorpus] = []
    """Aligned text, each language of a file once."""
    conversations: list[ConversationCorpus] = []
    """Instructions and dialogues, each file once."""
    cleaning: Cleaning = Cleaning()
    """What makes a parallel segment unfit."""
    split: Split = Split()
    """What is kept for testing."""
